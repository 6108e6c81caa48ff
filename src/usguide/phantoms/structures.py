"""Vessel, nerve and bone: single structures laid into the tissue's maps, in place."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from usguide.phantoms.grid import F32, Grid
from usguide.phantoms.scene import PhantomScene
from usguide.phantoms.speckle import noise_along, noise_at

AROUND = np.arange(64) * (2 * math.pi / 64)


def _soft(inside: F32, width: float) -> F32:
    """Soft step: 1 where `inside` is well above 0."""
    return np.asarray(1 / (1 + np.exp(np.clip(-inside / width, -40, 40))), dtype=np.float32)


def vessel_outline_mm(scene: PhantomScene, phase: ArrayLike) -> NDArray[np.float64]:
    """Outline of the vessel's lumen at rest, shape (64, 2), (lateral, axial)."""
    vx, vz, vr = vessel_mm(scene)
    first, second = np.asarray(phase, float)
    radius = vr * (1 + 0.05 * np.sin(2 * AROUND + first) + 0.03 * np.sin(3 * AROUND + second))
    return np.stack([vx + radius * np.cos(AROUND), vz + radius * np.sin(AROUND) / 1.25], axis=-1)


def nerve_outline_mm(scene: PhantomScene, phase: ArrayLike) -> NDArray[np.float64]:
    """Outline of the nerve at rest, the middle of its bright sheath, shape (64, 2), (lateral, axial)."""
    nx, nz = scene.nerve_mm
    first, second = np.asarray(phase, float)
    edge = 1.03 * (1 + 0.07 * np.sin(2 * AROUND + first) + 0.05 * np.sin(3 * AROUND + second))
    return np.stack([nx + 2.7 * edge * np.cos(AROUND), nz + 1.7 * edge * np.sin(AROUND)], axis=-1)


def bone_surface_mm(scene: PhantomScene) -> NDArray[np.float64]:
    """Surface of the bone at rest across the picture, shape (64, 2), (lateral, axial)."""
    across = Grid((1, len(AROUND)), (1.0, scene.size_mm[1] / (len(AROUND) - 1)))
    return np.stack([across.x_mm[0], bone_depth_mm(across, scene)[0]], axis=-1).astype(float)


def vessel_mm(scene: PhantomScene) -> tuple[float, float, float]:
    """Centre (lateral, axial) and radius of the vessel."""
    height, width = scene.size_mm
    return 0.83 * width, 0.36 * height, 2.1


def bone_depth_mm(grid: Grid, scene: PhantomScene) -> F32:
    """Depth of the bone's surface at each sample, broadcastable to the grid."""
    height, width = scene.size_mm
    x = grid.x_mm
    hump = 0.07 * np.exp(-(((x - 0.3 * width) / (0.22 * width)) ** 2)) - 0.05 * (x / width) ** 2
    return np.asarray(height * (0.93 - hump) + 0.12 * np.sin(x * 0.83) + 0.05 * np.sin(x * 2.3 + 1), dtype=np.float32)


def add_vessel(
    rng: np.random.Generator, grid: Grid, scene: PhantomScene, amplitude: F32, reflector: F32
) -> NDArray[np.float64]:
    """Anechoic, not quite round, with a wall that shines where the beam meets it head on; return its outline."""
    vx, vz, vr = vessel_mm(scene)
    dx, dz = np.broadcast_arrays(grid.x_mm - vx, (grid.z_mm - vz) * 1.25)
    around = np.arctan2(dz, dx)
    phase = rng.uniform(0, 2 * math.pi, 2)
    radius = vr * (1 + 0.05 * np.sin(2 * around + phase[0]) + 0.03 * np.sin(3 * around + phase[1]))
    r = np.hypot(dx, dz)
    wall = np.exp(-0.5 * ((r - radius - 0.15) / 0.13) ** 2)
    amplitude += (0.9 * wall).astype(np.float32)
    lumen = _soft((radius - r).astype(np.float32), 0.06)
    amplitude *= 1 - 0.95 * lumen
    reflector *= 1 - lumen
    head_on = np.abs(np.sin(around)) ** 6
    uneven = np.exp(0.3 * noise_at(rng, grid.x_mm, grid.z_mm, (1.0, 1.0)))
    line = np.exp(-0.5 * ((r - radius - 0.1) / 0.07) ** 2)
    reflector += (0.9 * scene.fascia_brightness * head_on * uneven * line).astype(np.float32)
    return vessel_outline_mm(scene, phase)


def add_nerve(
    rng: np.random.Generator, grid: Grid, scene: PhantomScene, amplitude: F32, reflector: F32
) -> NDArray[np.float64]:
    """Honeycomb: dark fascicles in bright connective tissue, with a brighter rim; return its outline."""
    nx, nz = scene.nerve_mm
    dx, dz = np.broadcast_arrays(grid.x_mm - nx, grid.z_mm - nz)
    around = np.arctan2(dz / 1.7, dx / 2.7)
    phase = rng.uniform(0, 2 * math.pi, 2)
    edge = 1 + 0.07 * np.sin(2 * around + phase[0]) + 0.05 * np.sin(3 * around + phase[1])
    q = np.hypot(dx / 2.7, dz / 1.7) / edge
    inside = _soft((1 - q).astype(np.float32), 0.05)
    body = np.full(grid.shape, 1.5, np.float32)
    for j in range(-3, 4):
        for i in range(-4, 5):
            cx = 0.95 * (i + 0.5 * (j % 2)) + rng.normal(0, 0.1)
            cz = 0.78 * j + rng.normal(0, 0.08)
            size = rng.uniform(0.26, 0.42)
            body *= 1 - 0.8 * _soft((size - np.hypot(dx - cx, dz - cz)).astype(np.float32), 0.06)
    amplitude += inside * (body - amplitude)
    reflector *= 1 - inside
    rim = np.exp(-0.5 * ((q - 1.03) / 0.06) ** 2).astype(np.float32)
    amplitude += np.float32(1.6) * rim
    reflector += np.float32(0.3 * scene.fascia_brightness) * rim * np.abs(np.sin(around)).astype(np.float32) ** 2
    return nerve_outline_mm(scene, phase)


def add_bone(rng: np.random.Generator, grid: Grid, scene: PhantomScene, amplitude: F32, reflector: F32) -> None:
    """Lay a rough bright surface; what comes from below it is little."""
    bone = bone_depth_mm(grid, scene)
    beams = np.broadcast_to(grid.x_mm, grid.shape)
    uneven = np.exp(0.55 * noise_along(rng, grid.x_mm, 2.5) + 0.4 * noise_along(rng, grid.x_mm, 0.6))
    below = grid.z_mm - bone
    surface = np.exp(-0.5 * (below / 0.12) ** 2) + 0.35 * np.exp(-np.maximum(below, 0) / 0.35) * (below > 0)
    reflector *= 1 - _soft(np.broadcast_to(below, grid.shape).astype(np.float32), 0.1)
    reflector += (0.8 * scene.fascia_brightness * uneven * surface).astype(np.float32)
    amplitude += (0.2 * scene.fascia_brightness * uneven * surface).astype(np.float32)
    amplitude *= np.where(np.broadcast_to(below, beams.shape) > 0.8, np.float32(0.4), np.float32(1))
