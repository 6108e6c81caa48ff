"""Fluid: where it is at a time, what it does to the echo, and how it pushes tissue away."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from usguide.geometry import Point
from usguide.phantoms.grid import F32, Grid
from usguide.phantoms.scene import InjectateScene


@dataclass(frozen=True, slots=True, eq=False)
class Lens:
    """Fluid in a fascial plane: pointed at both ends, thickest near the tip, with an uneven edge."""

    centre_mm: Point
    plane_deg: float
    half_length_mm: float
    half_thickness_mm: float

    def axes(self, x_mm: F32, z_mm: F32) -> tuple[F32, F32]:
        """Half thickness of the lens at each place, and the distance from the plane (positive is deeper)."""
        a = math.radians(self.plane_deg)
        dx, dz = x_mm - self.centre_mm[0], z_mm - self.centre_mm[1]
        u, v = dx * math.cos(a) + dz * math.sin(a), dz * math.cos(a) - dx * math.sin(a)
        shape = np.clip(1 - (u / self.half_length_mm) ** 2, 0, None)
        uneven = 1 + 0.07 * np.sin(1.5 * u + 0.6) + 0.04 * np.sin(3.1 * u + 2.0)
        return np.asarray(self.half_thickness_mm * shape * uneven, np.float32), np.asarray(v, np.float32)

    def contains(self, x_mm: F32, z_mm: F32) -> np.ndarray:
        """Tell which places are in the fluid."""
        opening, v = self.axes(x_mm, z_mm)
        inside: np.ndarray = np.abs(v) < opening
        return inside

    def displacement(self, x_mm: F32, z_mm: F32) -> tuple[F32, F32]:
        """How far tissue at each place has been pushed: (lateral, axial) mm."""
        opening, v = self.axes(x_mm, z_mm)
        beyond = np.abs(v) - opening
        # The faint rest that is seen in the fluid is taken from beside the plane: the sheet itself has parted.
        pushed = np.where(beyond > 0, np.sign(v) * opening * np.exp(-np.maximum(beyond, 0) / 4.0), -1.8)
        a = math.radians(self.plane_deg)
        return np.asarray(-pushed * math.sin(a)), np.asarray(pushed * math.cos(a))


def fluid_at(fluid: InjectateScene, tip_mm: Point, time_s: float) -> Lens | None:
    """Return the fluid at a time, around where the tip was when it began; None before."""
    area = (time_s - fluid.onset_s) * fluid.area_rate_mm2_s
    if area <= 0:
        return None
    # The area between two parabolas is 8/3 of half thickness times half length.
    half_thickness = math.sqrt(area / (8 / 3 * fluid.aspect))
    half_length = fluid.aspect * half_thickness
    a = math.radians(fluid.plane_deg)
    # It runs on ahead of the needle more than back along it.
    ahead = 0.35 * half_length
    centre = (tip_mm[0] + ahead * math.cos(a), tip_mm[1] + ahead * math.sin(a))
    return Lens(centre, fluid.plane_deg, half_length, half_thickness)


def fluid_gain(grid: Grid, fluid: InjectateScene, lens: Lens) -> F32:
    """Return what fluid makes of the tissue's echo: nearly nothing within, a little more below it."""
    opening, v = lens.axes(grid.x_mm, grid.z_mm)
    within = (opening > 0) / (1 + np.exp(np.clip((np.abs(v) - opening) / 0.07, -40, 40)))
    below = 1 / (1 + np.exp(np.clip((opening - v) / 0.2, -40, 40)))
    enhanced = 1 + 0.3 * np.minimum(opening, 1) * below
    return np.asarray((1 - (1 - fluid.echo) * within) * enhanced, dtype=np.float32)
