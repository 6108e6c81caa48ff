"""How fluid has pushed tissue aside, from the reference to a frame."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]

LEAST_SIDE_PX = 32
"""Smaller windows have no flow."""
MOST_PX = 8.0
"""Tissue is not pushed further."""
SMOOTH_PX = 7
"""Side of the square over which the flow is averaged: tissue is pushed together."""

YOUNG_S = 0.07
"""Flow of so long ago still holds."""


class TissueFlow:
    """Dense optical flow at half the resolution of its pictures; affine motion is taken off before."""

    def __init__(self) -> None:
        self._dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._dis.setFinestScale(1)
        self._dis.setVariationalRefinementIterations(0)
        self.reset()

    def reset(self) -> None:
        """Forget the flow of frames before."""
        self._flow: F32 = np.zeros((0, 0, 2), np.float32)
        self._age_s = math.inf

    def pushed(
        self, grey: F32, reference: F32, *, window: tuple[slice, slice], shape: tuple[int, int], passed_s: float
    ) -> F32:
        """Return the reference with its tissue where the frame has it.

        Parameters
        ----------
        grey, reference : ndarray of float32, shape (h, w)
            0..255.
        window : (slice, slice)
            Where they lie on the reference's grid.
        shape : (int, int)
            Of that grid.
        passed_s : float
            Since the frame before. Tissue gives way slowly: flow that is young enough is used again.
        """
        h, w = grey.shape
        if min(h, w) < LEAST_SIDE_PX:
            return reference
        self._age_s += passed_s
        if self._age_s > YOUNG_S or self._flow.shape[:2] != shape:
            before, now = (np.clip(i, 0, 255).astype(np.uint8) for i in (reference, grey))
            flow = self._dis.calc(now, before, np.zeros((h, w, 2), np.float32))
            flow = cv2.blur(np.clip(flow, -MOST_PX, MOST_PX), (SMOOTH_PX, SMOOTH_PX))
            self._flow = np.zeros((*shape, 2), np.float32)
            self._flow[window] = flow
            self._age_s = 0.0
        else:
            flow = self._flow[window]
        x = np.arange(w, dtype=np.float32)[None] + flow[..., 0]
        y = np.arange(h, dtype=np.float32)[:, None] + flow[..., 1]
        return np.asarray(cv2.remap(reference, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)
