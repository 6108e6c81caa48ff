"""How much has changed within the last second, tissue held still: a front that moves, a shaft that fades."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from usguide.motion.affine import farthest_px, inverse, product
from usguide.motion.background import REBASE_PX, Novelty, difference_from

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Mask = NDArray[np.bool_]

LAGS_S = (0.3, 1.0)
"""How long ago the frames are that a frame is compared with."""
KEEP_EVERY_S, KEEP_S = 0.045, 2.0
"""Of faster streams not every frame is kept, and none for longer: after a gap, or in a stream slower than that, nothing
of before is comparable."""
LATE_S = 0.02
"""A frame that is younger than asked by this is old enough."""


@dataclass(frozen=True, slots=True, eq=False)
class _Past:
    """A frame of before: when, how it looked, and where its px are in one that was kept once."""

    time_s: float
    image: F32
    sure: F32
    affine: F64
    offset: float


class RecentFrames:
    """Frames of the last two seconds, each with the way from it to one that was kept once."""

    def __init__(self) -> None:
        self._kept: deque[_Past] = deque()
        self._affine: F64 = np.eye(2, 3)
        self._time_s = 0.0

    def reset(self) -> None:
        """Forget them."""
        self._kept.clear()

    def changes(self, image: F32, valid: Mask, timestamp_s: float, novelty: Novelty | None) -> F32 | None:
        """Compare a frame with those of before, and keep it.

        Parameters
        ----------
        image : ndarray of float32, shape (h, w)
            Smooth grey levels.
        valid : ndarray of bool, shape (h, w)
            Where there is a picture.
        timestamp_s : float
        novelty : Novelty, optional
            Of this frame: how tissue has moved and what gain has done. Without it memory begins anew.

        Returns
        -------
        ndarray of float32, shape (len(LAGS_S), h, w), or None
            By how many grey levels the frame is brighter than it was so long ago, or when memory began; 0 where that is
            not known. None where memory begins: at a first frame, after a gap of 2 s, or where the clock goes back.
        """
        kept = self._kept
        if novelty is None or timestamp_s <= self._time_s:
            kept.clear()
        while kept and timestamp_s - kept[0].time_s > KEEP_S:
            kept.popleft()
        self._time_s = timestamp_s
        offset = 0.0 if novelty is None else novelty.offset
        found = None
        if not kept or novelty is None:
            self._affine = np.eye(2, 3)
        else:
            self._affine = product(self._affine, novelty.motion)
            found = self._compared(image, valid, timestamp_s, offset)
        if not kept or timestamp_s - kept[-1].time_s >= KEEP_EVERY_S - 1e-6:
            kept.append(_Past(timestamp_s, image.copy(), valid.astype(np.float32), self._affine, offset))
            if farthest_px(self._affine, image.shape) > REBASE_PX:
                self._rebase()
        return found

    def _rebase(self) -> None:
        """Count ways from the newest frame, so that they do not add up for ever."""
        here = inverse(self._affine)
        self._kept = deque(replace(past, affine=product(here, past.affine)) for past in self._kept)
        self._affine = np.eye(2, 3)

    def _compared(self, image: F32, valid: Mask, now_s: float, offset: float) -> F32:
        found = []
        for lag_s in LAGS_S:
            past = self._kept[0]
            for frame in self._kept:
                if now_s - frame.time_s < lag_s - LATE_S:
                    break
                past = frame
            way = product(inverse(past.affine), self._affine)
            found.append(difference_from(past.image, past.sure, way, image, valid, offset - past.offset)[0])
        return np.stack(found)
