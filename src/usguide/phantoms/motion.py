"""What moves tissue: breathing and hand, the pulse, the needle that drags it, and fluid that parts it."""

from __future__ import annotations

import math

import cv2
import numpy as np

from usguide.phantoms.fluid import Fluid
from usguide.phantoms.grid import C64, F32, Grid
from usguide.phantoms.pose import NeedlePose
from usguide.phantoms.scene import PhantomScene
from usguide.phantoms.structures import vessel_mm


def origins(
    scene: PhantomScene, grid: Grid, time_s: float, pose: NeedlePose | None, fluid: Fluid | None
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
    if fluid is not None:
        pushed = fluid.displacement(x, z)
        dx, dz = dx + pushed[0], dz + pushed[1]
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
