"""Where a needle is at one moment: an arc from a point of its line, exact."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from usguide.geometry import Point

F32 = NDArray[np.float32]

BEHIND_MM = 60.0
"""How far the shaft reaches back from `start_mm`: a probe that slides brings more of it into the picture."""


@dataclass(frozen=True, slots=True)
class NeedlePose:
    """A needle's centre line at one moment, in the picture's mm.

    Parameters
    ----------
    start_mm : (float, float)
        A point of its line; lengths are counted from it.
    angle_deg : float
        Insertion angle at `start_mm`.
    length_mm : float
        From `start_mm` to the tip, along the shaft; 0 or less is no needle. The shaft reaches back by `BEHIND_MM`.
    bend_per_mm : float
        Curvature; positive bends deeper.
    elevation_mm : (float, float)
        Of `start_mm` and of the tip over the scan plane, linear between and beyond.
    """

    start_mm: Point
    angle_deg: float
    length_mm: float
    bend_per_mm: float = 0.0
    elevation_mm: tuple[float, float] = (0.0, 0.0)

    def axes(self, x_mm: F32, z_mm: F32) -> tuple[F32, F32]:
        """Distance along the shaft from `start_mm`, and across it (positive is deeper)."""
        a = math.radians(self.angle_deg)
        c, s = np.float32(math.cos(a)), np.float32(math.sin(a))
        dx, dz = x_mm - np.float32(self.start_mm[0]), z_mm - np.float32(self.start_mm[1])
        along, across = dx * c + dz * s, dz * c - dx * s
        k = self.bend_per_mm
        if k == 0:
            return np.asarray(along), np.asarray(across)
        # The centre of the circle lies 1/k to the deep side; seen from it, the arc is an angle and a radius.
        to_centre = 1 / k - across
        turned = np.arctan2(along * np.sign(k), to_centre * np.sign(k))
        return np.asarray(turned / k, np.float32), np.asarray(
            1 / k - np.sign(k) * np.hypot(along, to_centre), np.float32
        )

    def points_mm(self, lengths_mm: NDArray[np.floating]) -> NDArray[np.float64]:
        """Points of the centre line at distances from `start_mm`, shape (..., 2)."""
        t = np.asarray(lengths_mm, dtype=float)
        a, k = math.radians(self.angle_deg), self.bend_per_mm
        half = 0.5 * k * t
        chord = t * np.sinc(half / math.pi)
        direction = np.stack([np.cos(a + half), np.sin(a + half)], axis=-1)
        return np.asarray(np.asarray(self.start_mm) + chord[..., None] * direction, dtype=np.float64)

    def point_mm(self, length_mm: float) -> Point:
        """Return the point of the centre line at a distance from `start_mm`."""
        x, z = self.points_mm(np.array(length_mm))
        return float(x), float(z)

    def direction_rad(self, lengths_mm: F32) -> F32:
        """Direction of the shaft at distances from `start_mm`, as insertion angles; beyond its ends it goes on so."""
        on = np.clip(lengths_mm, -BEHIND_MM, self.length_mm)
        return np.asarray(math.radians(self.angle_deg) + self.bend_per_mm * on, np.float32)

    @property
    def slope(self) -> float:
        """Elevation gained per mm along the shaft."""
        return (self.elevation_mm[1] - self.elevation_mm[0]) / self.length_mm

    def elevation_at_mm(self, lengths_mm: NDArray[np.floating]) -> NDArray[np.float64]:
        """Elevation over the scan plane at distances from `start_mm`."""
        return np.asarray(self.elevation_mm[0] + self.slope * np.asarray(lengths_mm, float))

    def moved(self, lateral_mm: float, elevational_mm: float) -> NeedlePose:
        """Return the pose as seen after the probe has moved by this much."""
        first, last = self.elevation_mm
        return replace(
            self,
            start_mm=(self.start_mm[0] - lateral_mm, self.start_mm[1]),
            elevation_mm=(first - elevational_mm, last - elevational_mm),
        )
