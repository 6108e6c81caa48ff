"""Where fluid may come from: the needle's tip, where it was a moment ago, and what was pointed out."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from usguide.geometry import ImageGeometry, Point
from usguide.injectate.reference import Reference
from usguide.motion.affine import inverse
from usguide.types import NeedleTrack

F64 = NDArray[np.float64]
Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class SiteSettings:
    """How close to the tip fluid begins."""

    reach_mm: float = 2.5
    """Fluid that comes this close to the tip, or to where it was, may have come from it."""
    remember_s: float = 2.0
    """The tip was there within so long. The last place of a needle that is gone is kept."""
    begin_s: float = 0.5
    """A pool begins where the tip was within so long; only then may it go on where the tip was longer ago."""
    withdrawn_mm_s: float = 6.0
    advanced_mm_s: float = 10.0
    """While a needle is drawn back or pushed on faster, none begins or is noticed: what gets darker is the place that it
    leaves, or its shadow."""
    speed_s: float = 0.3
    """The speed is taken over so long."""


class Sites:
    """Places of the tip and seeds, kept on the reference's grid, so that they move with the tissue.

    Parameters
    ----------
    settings : SiteSettings
    """

    def __init__(self, settings: SiteSettings) -> None:
        self.settings = settings
        self.reset()

    def reset(self) -> None:
        """Forget all."""
        self._wanted_mm: list[Point] = []
        self.let_go()

    def let_go(self) -> None:
        """Forget what was on a reference that is no more."""
        self._seeds_px: list[F64] = []
        self._tips: deque[tuple[float, F64]] = deque()
        self._inwards_mm_s = 0.0

    def seed(self, point_mm: Point) -> None:
        """Look at a place from the next frame on."""
        self._wanted_mm.append(point_mm)

    def update(
        self, reference: Reference, geometry: ImageGeometry, track: NeedleTrack | None, timestamp_s: float
    ) -> None:
        """Take one frame's tip."""
        for point in self._wanted_mm:
            self._seeds_px.append(reference.points_to_still(geometry.to_px(point)))
        self._wanted_mm.clear()
        if track is not None:
            entry, tip = reference.points_to_still(geometry.to_px([track.shaft.entry_mm, track.tip.position_mm]))
            self._tips.append((timestamp_s, tip))
            self._inwards_mm_s = self._inwards_px_s(entry) * geometry.axial_mm_per_px
        elif not self._tips or timestamp_s - self._tips[-1][0] > self.settings.begin_s:
            # A needle is often lost while it is drawn back: it has not stopped for that.
            self._inwards_mm_s = 0.0
        while len(self._tips) > 1 and self._tips[0][0] < timestamp_s - self.settings.remember_s:
            self._tips.popleft()

    def _inwards_px_s(self, entry: F64) -> float:
        """How fast the tip has gone on, away from where its shaft enters, since `speed_s` ago or the frame before that."""
        now_s, tip = self._tips[-1]
        earlier = list(self._tips)[:-1]
        inwards = tip - entry
        length = float(np.hypot(*inwards))
        if not earlier or length == 0:
            return 0.0
        since_s, before = next((e for e in reversed(earlier) if e[0] <= now_s - self.settings.speed_s), earlier[0])
        return float((tip - before) @ inwards) / length / (now_s - since_s)

    def carried(self, moved: F64) -> None:
        """Follow a reference that has moved over: `moved` leads from px of the new grid to px of the old one."""
        back = inverse(moved)
        self._seeds_px = [back[:, :2] @ p + back[:, 2] for p in self._seeds_px]
        self._tips = deque((t, back[:, :2] @ p + back[:, 2]) for t, p in self._tips)

    @property
    def points_px(self) -> list[F64]:
        """All places, on the reference's grid."""
        return [*self._seeds_px, *(p for _, p in self._tips)]

    def near(self, shape: tuple[int, int], mm_per_px: float, origin_px: tuple[int, int]) -> Bytes:
        """Draw what is within reach, in a window that starts at `origin_px` (x, y)."""
        return self._around(self.points_px, shape, mm_per_px, origin_px)

    @property
    def steady(self) -> bool:
        """Whether the needle moves no faster than one that injects."""
        return -self.settings.withdrawn_mm_s <= self._inwards_mm_s <= self.settings.advanced_mm_s

    def may_begin(self, mask: Bytes, mm_per_px: float, origin_px: tuple[int, int]) -> bool:
        """Tell whether fluid within a mask, in a window that starts at `origin_px` (x, y), may be the first of a pool."""
        tips = [p for t, p in self._tips if t >= self._tips[-1][0] - self.settings.begin_s]
        return bool((mask & self._around([*self._seeds_px, *tips], mask.shape, mm_per_px, origin_px)).any())

    def _around(
        self, points_px: list[F64], shape: tuple[int, ...], mm_per_px: float, origin_px: tuple[int, int]
    ) -> Bytes:
        out = np.zeros(shape, np.uint8)
        radius = max(1, round(self.settings.reach_mm / mm_per_px))
        # A tip that holds still is drawn once.
        for x, y in {(round(x), round(y)) for x, y in map(tuple, np.array(points_px).reshape(-1, 2).tolist())}:
            cv2.circle(out, (x - origin_px[0], y - origin_px[1]), radius, 1, -1)
        return out

    def watched_mm(
        self, track: NeedleTrack | None, reference: Reference, geometry: ImageGeometry
    ) -> tuple[Point | None, float]:
        """Return the place where fluid is expected and how well it is known; None where it is not in the picture."""
        if track is not None:
            place, sigma = track.tip.position_mm, max(track.tip.sigma_mm)
        elif self._seeds_px or self._tips:
            last = self._tips[-1][1] if self._tips else self._seeds_px[-1]
            x, z = geometry.to_mm(reference.points_to_frame(last))
            place, sigma = (float(x), float(z)), 1.0
        else:
            return None, 0.0
        x, y = geometry.to_px(place)
        h, w = reference.picture.shape
        return (place, sigma) if -0.5 <= x <= w - 0.5 and -0.5 <= y <= h - 0.5 else (None, sigma)
