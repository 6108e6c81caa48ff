"""The hand that holds the probe: where it is, what its plane cuts, and where it has lost contact."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from usguide.phantoms.grid import C64, F32, Grid
from usguide.phantoms.layouts import layout_of
from usguide.phantoms.scene import PhantomScene
from usguide.phantoms.speckle import PointSpread, convolve, noise_along, noise_at

LIFT_S = 0.1
"""How long contact takes to go and to come back."""
_TREMOR = ((6.3, 0.5, 0.0), (7.7, 0.35, 1.0), (8.9, 0.25, 2.0))
"""Frequency in Hz, share of the amplitude, phase."""


def probe_at(scene: PhantomScene, time_s: float) -> tuple[float, float]:
    """Where the probe is at a time: (lateral, elevational) mm from where a recording's coordinates are at rest.

    A curvilinear probe is moved without being turned, as over skin that gives way.
    """
    if scene.hand is None:
        return 0.0, 0.0
    lateral, elevational = (
        float(np.interp(time_s, [t for t, _ in moves], [way for _, way in moves])) if moves else 0.0
        for moves in (scene.hand.slide, scene.hand.sweep)
    )
    shake = sum(share * math.sin(2 * math.pi * hz * time_s + phase) for hz, share, phase in _TREMOR)
    return lateral + scene.hand.tremor_mm * shake, elevational


def cut(scene: PhantomScene, time_s: float) -> PhantomScene:
    """Return the scene with the layout that the scan plane cuts at a time: of interest while it sweeps."""
    elevation = probe_at(scene, time_s)[1]
    return scene if elevation == 0 else replace(scene, layout=layout_of(scene).at(elevation))


def lifted(scene: PhantomScene, grid: Grid, time_s: float) -> F32 | None:
    """Share of contact lost by each beam, shape (1, beams), 0..1; None where all have contact."""
    lost = np.zeros((1, grid.shape[1]), np.float32)
    at = np.arange(grid.shape[1]) / (grid.shape[1] - 1)
    for start, stop, share in scene.hand.lift_off if scene.hand else ():
        now = np.clip(min(time_s - start, stop - time_s) / LIFT_S, 0, 1)
        # It opens like a hinge, from the far side; the last beams with contact fade.
        edge = 1 - share * now
        lost = np.maximum(lost, now * np.clip((at - edge) / 0.06 + 0.5, 0, 1))
    return np.asarray(lost, np.float32) if lost.any() else None


def lift_gain(grid: Grid, lost: F32) -> F32:
    """Return what lost contact leaves of echoes from a depth: little near the face, nothing deep."""
    return np.asarray(1 - lost * (1 - 0.12 * np.exp(-grid.depth_mm.clip(0) / 3.0)), np.float32)


def lift_reverberation(rng: np.random.Generator, grid: Grid, psf: PointSpread) -> C64:
    """Echoes between the face and the air beneath it: bands at equal steps that fade with depth."""
    beams = np.arange(grid.shape[1], dtype=np.float32)[None, :] * grid.pitch_mm[0]
    depth = np.broadcast_to(grid.depth_mm, grid.shape)
    bands = np.zeros(grid.shape, np.float32)
    # The gel beneath is a wedge of uneven thickness: each passage adds it once more.
    gel = 0.62 + 0.03 * noise_along(rng, beams, 9.0)
    for k in range(1, 9):
        uneven = np.exp(0.35 * noise_along(rng, beams, 5.0) + 0.2 * noise_along(rng, beams, 1.0))
        bands += 16.0 * 0.55**k * uneven * np.exp(-0.5 * ((depth - k * gel) / (0.07 + 0.025 * k)) ** 2)
    phase = 0.8 * noise_at(rng, beams, depth, (2.5, 0.4))
    return convolve((bands * np.exp(1j * phase)).astype(np.complex64), grid, psf)
