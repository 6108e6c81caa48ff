"""What moves tissue: breathing and hand, the pulse, the needle that drags it, and fluid that parts it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from usguide.geometry import Point
from usguide.phantoms.grid import C64, F32, Grid
from usguide.phantoms.needle import NeedlePose
from usguide.phantoms.scene import InjectateScene, PhantomScene
from usguide.phantoms.structures import vessel_mm


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


def lens_at(fluid: InjectateScene, tip_mm: Point, time_s: float) -> Lens | None:
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


def origins(
    scene: PhantomScene, grid: Grid, time_s: float, pose: NeedlePose | None, lens: Lens | None
) -> tuple[F32, F32]:
    """Where each sample's tissue comes from: (column, row) on the grid."""
    x, z = grid.x_mm, grid.z_mm
    depth = z / float(z.max())
    dx = scene.motion_mm * math.sin(2 * math.pi * time_s / 3.7) * (0.5 + 0.5 * depth) + 0 * x
    dz = 0.6 * scene.motion_mm * math.sin(2 * math.pi * time_s / 2.9 + 1) * depth * (1 + 0.3 * np.sin(x / 9))
    if "vessel" in scene.structures:
        vx, vz, vr = vessel_mm(scene)
        r = np.hypot(x - vx, z - vz)
        beat = 0.1 * max(0.0, math.sin(2 * math.pi * time_s * 1.2)) ** 2
        push = beat * np.exp(-np.maximum(r - vr, 0) / 1.5) / np.maximum(r, vr)
        dx, dz = dx + push * (x - vx), dz + push * (z - vz)
    if scene.needle is not None and pose is not None and pose.length_mm > 0:
        # Tissue beside the shaft is drawn along while it moves, and springs back.
        moved = scene.needle.length_mm(time_s) - scene.needle.length_mm(time_s - 0.12)
        along, across = pose.axes(x, z)
        held = np.exp(-((across / 1.2) ** 2)) / (1 + np.exp(np.clip((along - pose.length_mm) / 0.5, -40, 40)))
        drag = 0.15 * moved * held
        a = math.radians(pose.angle_deg)
        dx, dz = dx + drag * math.cos(a), dz + drag * math.sin(a)
    if lens is not None:
        opening, v = lens.axes(x, z)
        beyond = np.abs(v) - opening
        # The faint rest that is seen in the fluid is taken from beside the plane: the sheet itself has parted.
        pushed = np.where(beyond > 0, np.sign(v) * opening * np.exp(-np.maximum(beyond, 0) / 4.0), -1.8)
        a = math.radians(lens.plane_deg)
        dx, dz = dx - pushed * math.sin(a), dz + pushed * math.cos(a)
    return grid.to_index(np.asarray(x - dx, np.float32), np.asarray(z - dz, np.float32))


def carried(field: C64, moving: tuple[F32, F32]) -> C64:
    """Take a field at fractional (column, row)."""
    parts = [
        cv2.remap(np.ascontiguousarray(p), *moving, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
        for p in (field.real, field.imag)
    ]
    out = np.empty(field.shape, np.complex64)
    out.real, out.imag = parts
    return out
