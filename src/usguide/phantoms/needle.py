"""The needle's echo, exact below a pixel: a line with the point-spread function's profile."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from usguide.phantoms.grid import C64, F32, Grid
from usguide.phantoms.needle_artefacts import artefacts, struck_beams
from usguide.phantoms.pose import BEHIND_MM, NeedlePose
from usguide.phantoms.scene import NeedleScene
from usguide.phantoms.shaft import elevational_weight, reflectivity, specular_law, tip_phase
from usguide.phantoms.speckle import PointSpread

REPEAT_SPACING = 1.05
"""Distance between reverberation lines across the shaft, in diameters."""
REPEAT_DECAY = 0.695
BEVEL_AMPLITUDE = {"up": 0.7, "down": 0.35}


def beam_echo(
    psf: PointSpread,
    scene: NeedleScene,
    pose: NeedlePose,
    along: F32,
    below: F32,
    depth: F32,
    tilt: F32,
) -> tuple[F32, F32, F32]:
    """Amplitudes near the shaft, brightness 1: what is in phase with it, the bevel's, and what has no phase."""
    incidence = pose.direction_rad(along) + tilt
    c, s = np.abs(np.cos(incidence)), np.sin(incidence)
    lateral = psf.lateral_at(depth).astype(np.float32)
    across_width = np.sqrt(np.float32(0.13 * scene.diameter_mm) ** 2 + (psf.axial_mm * c) ** 2 + (lateral * s) ** 2)
    along_width = np.hypot(psf.axial_mm * s, lateral * c)
    law, weight = specular_law(incidence), elevational_weight(psf, pose, along, depth, along_width)
    before_tip = pose.length_mm - along
    strength = law * weight * ndtr(before_tip / along_width)
    line = np.exp(-0.5 * (below / across_width) ** 2)
    line += np.float32(scene.side_lobes) * np.exp(-0.5 * (below / (3.0 * across_width)) ** 2)
    line *= strength
    aslant = np.clip(s / np.maximum(c, 0.05), -6, 6)
    for k in range(1, repeats(scene) + 1):
        shift = k * REPEAT_SPACING * scene.diameter_mm
        # What returns after more rounds has been reflected aslant more often; it lies on the beam of its first echo.
        share = scene.reverberation * REPEAT_DECAY ** (k - 1) * c ** (2 * k)
        ends = ndtr((before_tip + shift * aslant) / along_width)
        line += law * weight * ends * share * np.exp(-0.5 * ((below - shift) / (1.1 * across_width)) ** 2)
    cut = ((before_tip - 0.35) / 0.3) ** 2 + (below / (1.15 * across_width)) ** 2
    bevel = BEVEL_AMPLITUDE[scene.bevel] * weight * np.exp(-0.5 * cut)
    trail = scene.haze * strength * ndtr(below / 0.25) * np.exp(-np.maximum(below, 0) / 1.6)
    return np.asarray(line, np.float32), np.asarray(bevel, np.float32), np.asarray(trail, np.float32)


def repeats(scene: NeedleScene) -> int:
    """How many reverberation lines are worth drawing: down to a twentieth of the shaft."""
    if scene.reverberation < 0.05:
        return 0
    return 1 + math.floor(math.log(0.05 / scene.reverberation) / math.log(REPEAT_DECAY))


def needle_echo(
    grid: Grid,
    psf: PointSpread,
    scene: NeedleScene,
    pose: NeedlePose,
    profiles: list[NDArray[np.complex128]],
    haze: list[C64],
) -> tuple[slice, list[C64], F32]:
    """Echo of the needle for each look, and the share of sound that passes it, on the rows it touches.

    Parameters
    ----------
    grid, psf, scene, pose
    profiles : list of ndarray
        From `shaft_profile`.
    haze : list of ndarray
        Speckle of unit power for each look: multiple echoes below the shaft lose their phase.

    Returns
    -------
    rows : slice
        The rows of the grid that the rest is for.
    echo : list of ndarray
    passes : ndarray
        0..2.
    """
    along, across = pose.axes(grid.x_mm, grid.z_mm)
    # Where the shaft is so steep that a fan's beams meet it from its deep side, they see 'below' the other way round.
    meets = pose.direction_rad(np.full(1, pose.length_mm, np.float32)) + grid.tilt_rad
    side = np.where(np.cos(meets) < 0, np.float32(-1), np.float32(1))
    below = across * side
    widest = np.hypot(psf.axial_mm, psf.lateral_at(grid.depth_mm).max() * np.abs(np.sin(meets)).max())
    above_mm = scene.diameter_mm + 10 * float(widest)
    below_mm = max(above_mm, 11.0, (repeats(scene) + 1) * REPEAT_SPACING * scene.diameter_mm)
    near = (below > -above_mm) & (below < below_mm) & (along < pose.length_mm + 3) & (along > -BEHIND_MM)
    at = np.flatnonzero(near)
    # From the first row that it touches to the last of all, which its shadow reaches.
    first = int(at[0]) // grid.shape[1] if at.size else grid.shape[0] - 1
    rows = slice(first, grid.shape[0])
    row, column = at // grid.shape[1], at % grid.shape[1]
    near_along, near_below = along.ravel()[at], below.ravel()[at]
    line, bevel, trail = beam_echo(
        psf, scene, pose, near_along, near_below, grid.depth_mm[row, 0], grid.tilt_rad[0, column]
    )
    from_tip = pose.length_mm - near_along
    struck = struck_beams(grid, psf, pose, along, below, rows, scene.penumbra)
    echo = []
    elsewhere = artefacts(grid, psf, scene, pose, struck, profiles, [h[rows] for h in haze])
    for whole, profile, speckled in zip(elsewhere, profiles, haze, strict=True):
        shaft = line * reflectivity(profile, from_tip)
        whole.ravel()[at - first * grid.shape[1]] += shaft + bevel * tip_phase(profile) + trail * speckled.ravel()[at]
        echo.append(np.asarray(np.float32(scene.brightness) * whole))
    passes = 1 - np.float32(scene.shadow) * struck.covered * struck.weight
    return rows, echo, np.asarray(passes, dtype=np.float32)
