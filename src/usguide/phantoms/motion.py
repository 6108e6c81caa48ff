"""What moves tissue: breathing and hand, the pulse, the needle that drags it, and fluid that parts it."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from usguide.phantoms.fluid import Fluid
from usguide.phantoms.grid import C64, F32, Grid, deepest_mm
from usguide.phantoms.hand import probe_at
from usguide.phantoms.layouts import layout_of
from usguide.phantoms.pose import NeedlePose
from usguide.phantoms.scene import PLEURA_SLIDE, PhantomScene
from usguide.phantoms.structures import pleura_depth_mm, vessel_mm

Floats = NDArray[np.floating]
BREATH_S = 4.0
"""Period of breathing."""


def displacement(
    scene: PhantomScene, x_mm: Floats, z_mm: Floats, time_s: float, pose: NeedlePose | None, fluid: Fluid | None
) -> tuple[Floats, Floats]:
    """How far the tissue that is now at places of the picture has moved over the body: (lateral, axial) mm."""
    x, z = x_mm + np.float32(probe_at(scene, time_s)[0]), z_mm
    depth = z / deepest_mm(scene)
    dx = scene.motion_mm * math.sin(2 * math.pi * time_s / 3.7) * (0.5 + 0.5 * depth) + 0 * x
    dz = 0.6 * scene.motion_mm * math.sin(2 * math.pi * time_s / 2.9 + 1) * depth * (1 + 0.3 * np.sin(x / 9))
    if scene.breathing_mm:
        deep = scene.breathing_mm * math.sin(2 * math.pi * time_s / BREATH_S)
        dx, dz = dx + deep * 0.2 * depth, dz + deep * (0.15 + 0.85 * depth)
        if "pleura" in scene.structures:
            # The lung slides along the chest wall.
            inner = z - pleura_depth_mm(x, scene) + 0.5
            dx = dx + PLEURA_SLIDE * deep / (1 + np.exp(np.clip(-inner / 0.12, -40, 40)))
    if "vessel" in scene.structures:
        vx, vz, vr = vessel_mm(scene)
        r = np.hypot(x - vx, z - vz)
        beat = layout_of(scene).beat_mm * max(0.0, math.sin(2 * math.pi * time_s * 1.2)) ** 2
        push = beat * np.exp(-np.maximum(r - vr, 0) / 1.5) / np.maximum(r, vr)
        dx, dz = dx + push * (x - vx), dz + push * (z - vz)
    if scene.needle is not None and pose is not None and pose.length_mm > 0:
        # Tissue beside the shaft is drawn along while it moves, and springs back.
        moved = scene.needle.length_mm(time_s) - scene.needle.length_mm(time_s - 0.12)
        if moved != 0:
            along, across = pose.axes(x_mm, z)
            held = np.exp(-((across / 1.2) ** 2)) / (1 + np.exp(np.clip((along - pose.length_mm) / 0.5, -40, 40)))
            drag = 0.15 * moved * held
            a = math.radians(pose.angle_deg)
            dx, dz = dx + drag * math.cos(a), dz + drag * math.sin(a)
    if fluid is not None:
        pushed = fluid.displacement(x_mm, z)
        dx, dz = dx + pushed[0], dz + pushed[1]
    return dx, dz


def origins(
    scene: PhantomScene, grid: Grid, time_s: float, pose: NeedlePose | None, fluid: Fluid | None
) -> tuple[F32, F32]:
    """Where each sample's tissue comes from: (column, row) on the grid, or beyond it.

    Parameters
    ----------
    scene, grid
    time_s : float
    pose, fluid
        As the picture shows them at that time.
    """
    x, z = grid.x_mm, grid.z_mm
    dx, dz = displacement(scene, x, z, time_s, pose, fluid)
    slide = np.float32(probe_at(scene, time_s)[0])
    return grid.to_index(np.asarray(x + slide - dx, np.float32), np.asarray(z - dz, np.float32))


def carry(scene: PhantomScene, points_mm: NDArray[np.floating], time_s: float) -> NDArray[np.float64]:
    """Where points of the tissue are in the picture at a time: what `origins` inverts, without needle and fluid.

    Parameters
    ----------
    scene : PhantomScene
    points_mm : ndarray, shape (..., 2)
        (lateral, axial) at rest, the probe where its coordinates begin.
    time_s : float

    Returns
    -------
    ndarray, shape (..., 2)
        They may lie out of the picture.
    """
    rest = np.asarray(points_mm, dtype=np.float64)
    probe = np.array([probe_at(scene, time_s)[0], 0.0])
    seen = rest - probe
    # Tissue is moved by little over its own length: each round leaves a small share of the error.
    for _ in range(25):
        moved = displacement(scene, seen[..., 0], seen[..., 1], time_s, None, None)
        seen = rest - probe + np.stack(np.broadcast_arrays(*moved), axis=-1)
    return np.asarray(seen)


def carried(field: C64, moving: tuple[F32, F32]) -> C64:
    """Take a field at fractional (column, row)."""
    parts = np.ascontiguousarray(field).view(np.float32).reshape(*field.shape, 2)
    taken = cv2.remap(parts, *moving, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(taken).view(np.complex64)[..., 0]
