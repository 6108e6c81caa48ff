"""The picture of the tissue without the needle, and what a frame shows that it does not.

Fascia was there before and moves with the tissue; a needle was not. The background is registered to each frame below a
pixel by an affine map, since a shift of one pixel leaves bright seams along every fascia.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from usguide.motion._kernels import follow_frame, take_difference
from usguide.motion.affine import farthest_px, inverse, laid, product
from usguide.motion.registration import Registration, register_affine

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Mask = NDArray[np.bool_]

COARSE = 2
"""Registration works on pictures that are smaller by this factor."""
REBASE_PX = 6.0
"""A background this far from the frame is taken over into the frame's place, so that what comes into view is learnt."""


@dataclass(frozen=True, slots=True)
class BackgroundSettings:
    """The learnt background."""

    memory_s: float = 3.0
    """Time constant with which the background follows what is not a needle."""
    iterations: int = 6
    min_overlap: float = 0.5
    """With less of the frame on the background, learning starts anew."""


@dataclass(frozen=True, slots=True, eq=False)
class Novelty:
    """What a frame shows that the background does not.

    Parameters
    ----------
    difference : ndarray of float32, shape (h, w)
        Grey levels above the background; 0 where that is not known.
    known : ndarray of bool, shape (h, w)
    misfit : float
        How badly the background fits, in grey levels: large while tissue slides through the plane.
    motion : ndarray, shape (2, 3)
        From pixels of this frame to those of the frame before.
    offset : float
        Grey levels by which this frame is brighter than the background.
    """

    difference: F32
    known: Mask
    misfit: float
    motion: F64
    offset: float


class Background:
    """A picture of the tissue without the needle, in the coordinates of a frame not far from the last.

    Parameters
    ----------
    settings : BackgroundSettings, optional
    """

    def __init__(self, settings: BackgroundSettings | None = None) -> None:
        self.settings = settings or BackgroundSettings()
        self.reset()

    def reset(self) -> None:
        """Forget the tissue."""
        self._picture: F32 | None = None
        self._known: F32 | None = None
        self._affine = np.eye(2, 3)
        self._offset = 0.0
        self._time_s: float | None = None

    def novelty(self, image: F32, valid: Mask, needle: Mask | None = None) -> Novelty | None:
        """Compare a frame with the background; None where there is none yet, and learning begins with this frame.

        Parameters
        ----------
        image : ndarray of float32, shape (h, w)
            Smooth grey levels.
        valid : ndarray of bool, shape (h, w)
            Where there is a picture.
        needle : ndarray of bool, shape (h, w), optional
            Where a needle may be: not looked at when the background is registered.
        """
        if self._picture is None or self._known is None or self._picture.shape != image.shape:
            self._start(image, valid)
            return None
        found = self._registered(self._picture, self._known, image, valid if needle is None else valid & ~needle)
        if found.overlap < self.settings.min_overlap:
            self._start(image, valid)
            return None
        motion = product(inverse(self._affine), found.affine)
        self._affine, self._offset = found.affine, found.offset
        difference, known = difference_from(self._picture, self._known, self._affine, image, valid, self._offset)
        return Novelty(difference, known, found.misfit, motion, found.offset)

    def learn(self, image: F32, valid: Mask, timestamp_s: float, needle: Mask | None = None) -> None:
        """Let the background follow `image`, except where `needle` says that a needle may be."""
        if self._picture is None or self._known is None:
            return
        passed = 0.0 if self._time_s is None else max(0.0, timestamp_s - self._time_s)
        share = 1 - math.exp(-passed / self.settings.memory_s)
        self._time_s = timestamp_s
        usable = valid if needle is None else valid & ~needle
        if farthest_px(self._affine, image.shape) > REBASE_PX:
            self._rebase(image, usable)
            return
        back = inverse(self._affine)
        here, sure = laid(image - np.float32(self._offset), usable.astype(np.float32), back)
        follow_frame(self._picture, self._known, here, sure, share)

    def _start(self, image: F32, valid: Mask) -> None:
        self._picture, self._known = image.copy(), valid.astype(np.float32)
        self._affine, self._offset = np.eye(2, 3), 0.0

    def _rebase(self, image: F32, usable: Mask) -> None:
        if self._picture is None or self._known is None:
            return
        background, sure = laid(self._picture, self._known, self._affine)
        known = sure > 0.99
        self._picture = np.where(known, background, image - np.float32(self._offset)).astype(np.float32)
        self._known = (known | usable).astype(np.float32)
        self._affine = np.eye(2, 3)

    def _registered(self, picture: F32, known: F32, image: F32, use: Mask) -> Registration:
        h, w = image.shape
        size = (w // COARSE, h // COARSE)
        crop = np.s_[: size[1] * COARSE, : size[0] * COARSE]

        def small(full: F32) -> F32:
            return np.asarray(cv2.resize(full[crop], size, interpolation=cv2.INTER_AREA), dtype=np.float32)

        found = register_affine(
            small(picture * known),
            small(image),
            _scaled(self._affine, 1 / COARSE),
            self.settings.iterations,
            known=(small(known) > 0.99).astype(np.float32),
            use=(small(use.astype(np.float32)) > 0.99).astype(np.float32),
            offset=self._offset,
        )
        return Registration(_scaled(found.affine, COARSE), found.offset, found.overlap, found.misfit)


def difference_from(picture: F32, sure: F32, affine: F64, image: F32, valid: Mask, offset: float) -> tuple[F32, Mask]:
    """By how much an image is brighter than a picture laid onto it by `affine`, and where that is known (`sure` is 1).

    A change of gain shifts everything: `offset` is taken off.
    """
    before, sure_here = laid(picture, sure, affine)
    difference, known = np.empty_like(image), np.empty(image.shape, np.bool_)
    take_difference(image, before, sure_here, valid, offset, difference, known)
    return difference, known


def _scaled(affine: F64, factor: float) -> F64:
    """Return the same map for pictures whose pixels are smaller by `factor` (centres at whole coordinates)."""
    shift = 0.5 * factor - 0.5
    scale = np.array([[factor, 0.0, shift], [0.0, factor, shift]])
    return product(product(scale, affine), inverse(scale))
