"""Vessel, nerve and bone: single structures laid into the tissue's maps, in place."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from usguide.phantoms.grid import F32, Grid
from usguide.phantoms.layouts import layout_of
from usguide.phantoms.scene import PhantomScene
from usguide.phantoms.speckle import Draws, noise_along, noise_at

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
    (nx, nz), scale = scene.nerve_mm, layout_of(scene).nerve_scale
    first, second = np.asarray(phase, float)
    edge = 1.03 * scale * (1 + 0.07 * np.sin(2 * AROUND + first) + 0.05 * np.sin(3 * AROUND + second))
    return np.stack([nx + 2.7 * edge * np.cos(AROUND), nz + 1.7 * edge * np.sin(AROUND)], axis=-1)


def surface_mm(depth_at: Callable[[F32, PhantomScene], F32], scene: PhantomScene) -> NDArray[np.float64]:
    """Surface of bone or pleura at rest across the picture, shape (64, 2), (lateral, axial)."""
    across = np.linspace(0, scene.size_mm[1], len(AROUND), dtype=np.float32)
    return np.stack([across, depth_at(across, scene)], axis=-1).astype(float)


def vessel_mm(scene: PhantomScene) -> tuple[float, float, float]:
    """Centre (lateral, axial) and radius of the vessel."""
    return layout_of(scene).vessel_mm


def bone_surface_mm(x_mm: F32, scene: PhantomScene) -> F32:
    """Depth of the bone's surface at lateral positions."""
    surface = layout_of(scene).bone_mm
    if surface:
        return np.asarray(np.interp(x_mm, [x for x, _ in surface], [z for _, z in surface]), dtype=np.float32)
    height, width = scene.size_mm
    hump = 0.07 * np.exp(-(((x_mm - 0.3 * width) / (0.22 * width)) ** 2)) - 0.05 * (x_mm / width) ** 2
    rough = 0.12 * np.sin(x_mm * 0.83) + 0.05 * np.sin(x_mm * 2.3 + 1)
    return np.asarray(height * (0.93 - hump) + rough, dtype=np.float32)


def bone_depth_mm(grid: Grid, scene: PhantomScene) -> F32:
    """Depth of the bone's surface at each sample, broadcastable to the grid."""
    return bone_surface_mm(grid.x_mm, scene)


def pleura_depth_mm(x_mm: F32, scene: PhantomScene) -> F32:
    """Depth of the pleura at lateral positions."""
    depth, slope_deg, curve = layout_of(scene).pleura
    away = x_mm - 0.5 * scene.size_mm[1]
    return np.asarray(depth + math.tan(math.radians(slope_deg)) * away + 0.5 * curve * away**2)


def add_vessel(rng: Draws, grid: Grid, scene: PhantomScene, amplitude: F32, reflector: F32) -> NDArray[np.float64]:
    """Anechoic, not quite round, with a wall that shines where the beam meets it head on; return its outline."""
    vx, vz, vr = vessel_mm(scene)
    dx, dz = np.broadcast_arrays(grid.x_mm - vx, (grid.z_mm - vz) * 1.25)
    around = np.arctan2(dz, dx)
    phase = rng.uniform(0, 2 * math.pi, 2)
    radius = vr * (1 + 0.05 * np.sin(2 * around + phase[0]) + 0.03 * np.sin(3 * around + phase[1]))
    r = np.hypot(dx, dz)
    wall = np.exp(-0.5 * ((r - radius - 0.15) / 0.13) ** 2)
    layout = layout_of(scene)
    head_on = np.abs(np.sin(around)) ** 6
    uneven = np.exp(0.3 * noise_at(rng, grid.x_mm, grid.z_mm, (1.0, 1.0)))
    amplitude += (0.9 * wall * (layout.wall + (1 - layout.wall) * head_on * uneven)).astype(np.float32)
    lumen = _soft((radius - r).astype(np.float32), 0.06)
    amplitude *= 1 - (1 - layout.lumen) * lumen
    reflector *= 1 - lumen
    line = np.exp(-0.5 * ((r - radius - 0.1) / 0.07) ** 2)
    reflector += (0.9 * scene.fascia_brightness * head_on * uneven * line).astype(np.float32)
    return vessel_outline_mm(scene, phase)


def add_nerve(rng: Draws, grid: Grid, scene: PhantomScene, amplitude: F32, reflector: F32) -> NDArray[np.float64]:
    """Honeycomb: dark fascicles in bright connective tissue, with a brighter rim; return its outline."""
    nx, nz = scene.nerve_mm
    scale = np.float32(1 / layout_of(scene).nerve_scale)
    dx, dz = np.broadcast_arrays(scale * (grid.x_mm - nx), scale * (grid.z_mm - nz))
    around = np.arctan2(dz / 1.7, dx / 2.7)
    phase = rng.uniform(0, 2 * math.pi, 2)
    edge = 1 + 0.07 * np.sin(2 * around + phase[0]) + 0.05 * np.sin(3 * around + phase[1])
    q = np.hypot(dx / 2.7, dz / 1.7) / edge
    inside = _soft((1 - q).astype(np.float32), 0.05)
    body = np.full(grid.shape, 1.5, np.float32)
    # What lies beyond the rim is not seen: only the samples around it are computed.
    part = np.ix_((q < 1.5).any(axis=1), (q < 1.5).any(axis=0))
    across, down, fascicles = dx[part], dz[part], body[part]
    for j in range(-3, 4):
        for i in range(-4, 5):
            cx = 0.95 * (i + 0.5 * (j % 2)) + rng.normal(0, 0.1)
            cz = 0.78 * j + rng.normal(0, 0.08)
            size = rng.uniform(0.26, 0.42)
            fascicles *= 1 - 0.8 * _soft((size - np.hypot(across - cx, down - cz)).astype(np.float32), 0.06)
    body[part] = fascicles
    amplitude += inside * (body - amplitude)
    reflector *= 1 - inside
    rim = np.exp(-0.5 * ((q - 1.03) / 0.06) ** 2).astype(np.float32)
    amplitude += np.float32(1.6) * rim
    reflector += np.float32(0.3 * scene.fascia_brightness) * rim * np.abs(np.sin(around)).astype(np.float32) ** 2
    return nerve_outline_mm(scene, phase)


def add_bone(rng: Draws, grid: Grid, scene: PhantomScene, amplitude: F32, reflector: F32) -> None:
    """Lay a rough bright surface; what comes from below it is little."""
    bone = bone_depth_mm(grid, scene)
    beams = np.broadcast_to(grid.x_mm, grid.shape)
    uneven = np.exp(0.55 * noise_along(rng, grid.x_mm, 2.5) + 0.4 * noise_along(rng, grid.x_mm, 0.6))
    if layout_of(scene).bone_mm:
        # Steps and flanks reflect away from the probe, but bone is rough: part of it comes back from any side.
        slope = (bone_surface_mm(grid.x_mm + np.float32(0.5), scene) - bone) / 0.5
        uneven = uneven * (0.15 + 0.85 * np.exp(-((np.degrees(np.arctan(slope) + grid.tilt_rad) / 15.0) ** 2)))
        uneven *= np.exp(0.4 * noise_along(rng, grid.x_mm, 6.0) - 0.3)
    below = grid.z_mm - bone
    surface = np.exp(-0.5 * (below / 0.12) ** 2) + 0.35 * np.exp(-np.maximum(below, 0) / 0.35) * (below > 0)
    reflector *= 1 - _soft(np.broadcast_to(below, grid.shape).astype(np.float32), 0.1)
    reflector += (0.8 * scene.fascia_brightness * uneven * surface).astype(np.float32)
    amplitude += (0.2 * scene.fascia_brightness * uneven * surface).astype(np.float32)
    amplitude *= np.where(np.broadcast_to(below, beams.shape) > 0.8, np.float32(0.4), np.float32(1))


def add_pleura(rng: Draws, grid: Grid, scene: PhantomScene, amplitude: F32, reflector: F32) -> None:
    """Lay a smooth bright line with air below: its repetitions at equal steps (A-lines) and streaks (B-lines)."""
    below = np.broadcast_to(grid.z_mm - pleura_depth_mm(grid.x_mm, scene), grid.shape)
    under = _soft(below, 0.1)
    slope_deg = layout_of(scene).pleura[1]
    # The depth along each beam at which it is met sets the step of its repetitions.
    met = grid.depth_mm[(below > 0).argmax(axis=0), 0] - below[(below > 0).argmax(axis=0), np.arange(grid.shape[1])]
    beams = np.arange(grid.shape[1], dtype=np.float32)[None, :] * grid.pitch_mm[-1]
    uneven = np.exp(0.25 * noise_along(rng, grid.x_mm, 3.0) + 0.15 * noise_along(rng, grid.x_mm, 0.5))
    # Air sends nothing but what went to and fro above it: a weak copy, without detail.
    amplitude *= 1 - under
    haze = np.exp(0.6 * noise_at(rng, grid.x_mm, grid.z_mm, (5.0, 0.6)) - 0.05 * np.maximum(below, 0))
    amplitude += (0.3 * under * haze).astype(np.float32)
    reflector *= 1 - under
    line = np.exp(-0.5 * (below / 0.1) ** 2)
    amplitude += (0.25 * scene.fascia_brightness * uneven * line).astype(np.float32)
    reflector += (1.3 * scene.fascia_brightness * uneven * line).astype(np.float32)
    # Only beams that meet it head on come back a second time.
    tilt_deg = np.degrees(grid.tilt_rad) + slope_deg
    head_on = np.exp(-((tilt_deg / 12.0) ** 2)) * np.exp(0.3 * noise_along(rng, beams, 4.0))
    restored = 10 ** (scene.attenuation_db_per_mm * np.maximum(grid.depth_mm - met[None, :], 0) / 20)
    for k in (2, 3, 4):
        again = np.exp(-0.5 * ((grid.depth_mm - k * met[None, :]) / (0.1 + 0.05 * k)) ** 2)
        reflector += (0.75 * scene.fascia_brightness * 0.5 ** (k - 1) * restored * head_on * again).astype(np.float32)
    width = float(beams.max())
    for _ in range(3):
        middle, wide = rng.uniform(0.0, 1.0) * width, rng.uniform(0.3, 0.8)
        strong = rng.uniform(0.0, 1.6)
        streak = strong * np.exp(-0.5 * ((beams - middle) / wide) ** 2) * restored
        rings = 1 + 0.5 * noise_at(rng, beams, grid.depth_mm, (4.0, 0.3))
        amplitude += (under * streak * rings.clip(0.1)).astype(np.float32)
