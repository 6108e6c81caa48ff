"""The tissue as it was before the injection, in coordinates that move with it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from usguide.motion.affine import farthest_px, inverse, product, warped

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Mask = NDArray[np.bool_]

REBASE_PX = 10.0
"""A frame this far from the reference makes it move over, so that what has come into view is learnt."""
SURROUNDINGS_S = 0.15
"""What surrounds a place is looked at again after so long."""


@dataclass(frozen=True, slots=True)
class ReferenceSettings:
    """How the tissue before the injection is learnt."""

    memory_s: float = 2.0
    """Time constant with which it follows tissue that is not in question."""
    surroundings_mm: float = 3.6
    """Side of the square in which the usual level and spread of grey levels are taken."""
    least_spread: float = 3.5
    """Grey levels: speckle spreads at least so much, whatever a flat place shows."""


class Reference:
    """A mean of earlier frames, and where the newest lies on it.

    Everything that outlives a frame is kept on its grid (`still` coordinates), so that nothing is resampled again and
    again. `to_still` and `to_frame` go there and back.
    """

    def __init__(self, settings: ReferenceSettings) -> None:
        self.settings = settings
        self.reset()

    def reset(self) -> None:
        """Forget the tissue."""
        self.picture: F32 = np.zeros((0, 0), np.float32)
        self.known: F32 = np.zeros((0, 0), np.float32)
        self.level: F32 = np.zeros((0, 0), np.float32)
        self.spread: F32 = np.zeros((0, 0), np.float32)
        self.affine: F64 = np.eye(2, 3)
        self._frames: F32 = np.zeros((0, 0), np.float32)
        self._looked_s = -math.inf

    @property
    def started(self) -> bool:
        """Whether there is a reference."""
        return self.picture.size > 0

    def start(self, image: F32, usable: Mask) -> None:
        """Begin with one frame."""
        self.picture, self.known = image.copy(), usable.astype(np.float32)
        self._frames = self.known.copy()
        self.affine, self._looked_s = np.eye(2, 3), -math.inf

    def move(self, motion: F64) -> F64 | None:
        """Take the newest frame's motion; return the map that state on the grid has to follow where it moves over.

        Parameters
        ----------
        motion : ndarray, shape (2, 3)
            From px of this frame to px of the frame before.

        Returns
        -------
        ndarray or None
            From px of the new grid to px of the old one.
        """
        self.affine = product(self.affine, motion)
        if farthest_px(self.affine, self.picture.shape) <= REBASE_PX:
            return None
        over = self.affine
        self.picture = warped(self.picture, over, cv2.INTER_CUBIC, cv2.BORDER_REPLICATE)
        self.known = (warped(self.known, over) > 0.99).astype(np.float32)
        self._frames = warped(self._frames, over)
        self.affine, self._looked_s = np.eye(2, 3), -math.inf
        return over

    def to_still(self, image: F32, how: int = cv2.INTER_CUBIC, border: int = cv2.BORDER_REPLICATE) -> F32:
        """Bring a picture on the newest frame's grid to the reference's."""
        return warped(image, inverse(self.affine), how, border)

    def points_to_still(self, points_px: F64) -> F64:
        """Bring points (..., 2) in px of the frame to px of the reference."""
        return np.asarray(points_px @ self.affine[:, :2].T + self.affine[:, 2])

    def points_to_frame(self, points_px: F64) -> F64:
        """Bring points (..., 2) in px of the reference to px of the frame."""
        back = inverse(self.affine)
        return np.asarray(points_px @ back[:, :2].T + back[:, 2])

    def learn(self, here: F32, usable: F32, passed_s: float) -> None:
        """Follow a frame, already on this grid, at the share 0..1 of the usual rate that `usable` says."""
        follow = np.float32(1 - math.exp(-passed_s / self.settings.memory_s))
        share = np.maximum(follow, 1 / (self._frames + 1)) * usable
        self.picture += share * (here - self.picture)
        self._frames += usable
        np.maximum(self.known, usable, out=self.known)

    def look_around(self, timestamp_s: float, mm_per_px: float) -> None:
        """Take level and spread of the surroundings, where that was long ago."""
        if timestamp_s - self._looked_s < SURROUNDINGS_S:
            return
        self._looked_s = timestamp_s
        side = max(3, round(self.settings.surroundings_mm / mm_per_px)) | 1

        def mean(values: F32) -> F32:
            return np.asarray(cv2.blur(values, (side, side), borderType=cv2.BORDER_REFLECT), dtype=np.float32)

        known = self.known
        weight = np.maximum(mean(known), np.float32(1e-3))

        def moments(values: F32) -> tuple[F32, F32]:
            level = np.asarray(mean(values * known) / weight, np.float32)
            square = mean(values * values * known) / weight
            spread = np.sqrt(np.maximum(square - level**2, np.float32(self.settings.least_spread**2)))
            return level, np.asarray(spread, np.float32)

        level, spread = moments(self.picture)
        usual = float(np.median(spread[known > 0])) if known.any() else 0.0
        # Fascia says nothing of how dark tissue may be.
        self.level, self.spread = moments(np.minimum(self.picture, level + np.float32(usual)))
