"""What a needle leaves elsewhere in the picture: fog and shadow below, comet tail, arcs and ghosts of side lobes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from usguide.geometry import Point
from usguide.phantoms.grid import C64, F32, Grid
from usguide.phantoms.pose import BEHIND_MM, NeedlePose
from usguide.phantoms.scene import NeedleScene
from usguide.phantoms.shaft import elevational_weight, reflectivity, specular_law, tip_phase
from usguide.phantoms.speckle import PointSpread

FOG_MM = 8.0
COMET_MM = 2.5
ARC_MM = 1.2
GHOST_WIDTH_MM = 0.3
"""A grating lobe's pulse is longer than the main lobe's."""
GHOST_SPREAD_DEG = 2.0
"""Compounded looks are steered differently: each has its ghost elsewhere."""


@dataclass(frozen=True, slots=True, eq=False)
class StruckBeams:
    """Which beams meet the shaft, and what they find.

    Parameters
    ----------
    rows : slice
        The rows that `covered` and `past_mm` are for.
    covered : ndarray, shape (rows, beams)
        0..1: whether the place lies below the shaft on its beam.
    past_mm : ndarray, shape (rows, beams)
        How far below.
    along_mm, weight, law : ndarray, shape (beams,)
        Where on the shaft, what the slice's thickness and the incidence leave there.
    """

    rows: slice
    covered: F32
    past_mm: F32
    along_mm: F32
    weight: F32
    law: F32


def beam_of(grid: Grid, point_mm: Point) -> float:
    """Return the fractional beam that passes a point."""
    x, z = point_mm
    if grid.sector is None:
        return x / float(grid.pitch_mm[0])
    first, last = (float(t) for t in grid.tilt_rad[0, [0, -1]])
    apex_x, apex_z = grid.sector.apex_mm
    return (math.atan2(x - apex_x, z - apex_z) - first) / (last - first) * (grid.shape[1] - 1)


def elements_mm(grid: Grid) -> tuple[F32, F32]:
    """Where on the probe's face each beam starts: lateral and axial position, each (1, beams)."""
    if grid.sector is None:
        return grid.x_mm, np.zeros_like(grid.x_mm)
    (apex_x, apex_z), near = grid.sector.apex_mm, grid.sector.radius_mm[0]
    x, z = apex_x + near * np.sin(grid.tilt_rad), apex_z + near * np.cos(grid.tilt_rad)
    return np.asarray(x, np.float32), np.asarray(z, np.float32)


def struck_beams(
    grid: Grid, psf: PointSpread, pose: NeedlePose, along: F32, below: F32, rows: slice, penumbra: float
) -> StruckBeams:
    """Follow each beam to the shaft. `along` and `below` are of the whole grid; below is positive past the shaft."""
    beams = np.arange(grid.shape[1])
    hit = rows.start + np.argmax(below[rows] > 0, axis=0)
    along_hit = along[hit, beams]
    depth_hit = grid.depth_mm[hit, 0]
    incidence = pose.direction_rad(along_hit) + grid.tilt_rad[0]
    # A shadow falls along the beams: it ends at the one that meets the tip, and starts where the shaft comes in.
    towards_tip = np.where(np.cos(incidence) < 0, -1, 1) * (beam_of(grid, pose.point_mm(pose.length_mm)) - beams)
    from_x, from_z = elements_mm(grid)
    tip_x, tip_z = pose.point_mm(pose.length_mm)
    past_tip = np.maximum(grid.depth_mm[rows] - np.min(np.hypot(tip_x - from_x, tip_z - from_z)), 0)
    # Below the tip, part of the aperture still sees past it: a shadow's edge gets softer with depth.
    widths = np.hypot(psf.lateral_at(grid.depth_mm[rows]), penumbra * past_tip).astype(np.float32)
    before_tip = ndtr((towards_tip * grid.pitch_mm[rows, None]).astype(np.float32) / widths)
    covered = ndtr((below[rows] - np.float32(0.3)) / np.float32(0.3)) * before_tip * ndtr(-below[:1] / np.float32(0.3))
    return StruckBeams(
        rows,
        covered,
        np.asarray(grid.depth_mm[rows] - depth_hit, np.float32),
        along_hit,
        elevational_weight(psf, pose, along_hit, depth_hit),
        specular_law(incidence),
    )


def artefacts(
    grid: Grid,
    psf: PointSpread,
    scene: NeedleScene,
    pose: NeedlePose,
    struck: StruckBeams,
    profiles: list[NDArray[np.complex128]],
    haze: list[C64],
) -> list[C64]:
    """Echo of what the scene asks for beside shaft and bevel, for each look, brightness 1, on the rows of `struck`.

    `haze` is on those rows.
    """
    echo = [np.zeros(struck.covered.shape, np.complex64) for _ in profiles]
    if scene.ring_down:
        fall = struck.covered * np.exp(-np.maximum(struck.past_mm, 0) / np.float32(FOG_MM))
        fog = [np.float32(scene.ring_down) * (fall * streaks(pose, struck, p)) for p in profiles]
        echo = [np.asarray(f * speckled, np.complex64) for f, speckled in zip(fog, haze, strict=True)]
    if scene.comet_tail or scene.arc:
        tail, arc = below_tip(grid, psf, scene, pose, struck.rows)
        both = np.float32(scene.comet_tail) * tail + np.float32(scene.arc) * arc
        seen = np.abs(both) > 1e-3
        for whole, profile, speckled in zip(echo, profiles, haze, strict=True):
            whole[seen] += both[seen] * (tip_phase(profile) + np.float32(0.5) * speckled[seen])
    if scene.ghost:
        for n, whole in enumerate(echo):
            look = n - (len(echo) - 1) / 2
            seen, second = ghost(grid, psf, scene, pose, struck.rows, profiles[n], haze[n], look)
            whole[seen] += np.float32(scene.ghost) * second
    return echo


def streaks(pose: NeedlePose, struck: StruckBeams, profile: NDArray[np.complex128]) -> F32:
    """How bright the fog is on each beam: as what it starts from."""
    start = np.abs(reflectivity(profile, pose.length_mm - struck.along_mm)) * struck.law * struck.weight
    smooth = np.convolve(np.pad(start, 3, mode="edge"), np.hanning(9)[1:-1] / 4, mode="valid")
    return np.asarray(smooth, np.float32)


def below_tip(grid: Grid, psf: PointSpread, scene: NeedleScene, pose: NeedlePose, rows: slice) -> tuple[F32, F32]:
    """Amplitude of the comet tail below the tip, and of the arc that side lobes draw through it."""
    tip = pose.point_mm(pose.length_mm)
    beside = (np.arange(grid.shape[1]) - beam_of(grid, tip)).astype(np.float32) * grid.pitch_mm[rows, None]
    from_x, from_z = elements_mm(grid)
    away = np.hypot(tip[0] - from_x, tip[1] - from_z)  # a beam beside sees the tip at this depth
    depth = grid.depth_mm[rows]
    past = depth - np.min(away)
    width = psf.lateral_at(depth).astype(np.float32) * np.exp(-np.maximum(past, 0) / (3 * COMET_MM))
    bands = 0.6 + 0.4 * np.cos(2 * math.pi * past / (0.7 * scene.diameter_mm))
    tail = bands * ndtr(past / 0.15) * np.exp(-np.maximum(past, 0) / COMET_MM - 0.5 * (beside / width) ** 2)
    lobes = (0.6 + 0.4 * np.cos(2 * math.pi * beside / 1.4)) / (1 + (beside / ARC_MM) ** 2)
    arc = lobes * np.exp(-0.5 * ((depth - away) / (1.2 * psf.axial_mm)) ** 2)
    depth_tip = np.full(1, np.min(away), np.float32)
    weight = elevational_weight(psf, pose, np.full(1, pose.length_mm, np.float32), depth_tip)
    return np.asarray(weight * tail, np.float32), np.asarray(weight * arc, np.float32)


def ghost(
    grid: Grid,
    psf: PointSpread,
    scene: NeedleScene,
    pose: NeedlePose,
    rows: slice,
    profile: NDArray[np.complex128],
    haze: C64,
    look: float,
) -> tuple[NDArray[np.bool_], C64]:
    """Echo of the shaft as a grating lobe sees it: each beam shows at its own place what lies aside from it.

    That lobe meets the shaft nearer to a right angle than the beam does, so that it may well be seen. Returns the
    samples that it touches, and their echo.
    """
    aside = grid.tilt_rad - np.float32(math.radians(scene.ghost_deg + GHOST_SPREAD_DEG * look))
    from_x, from_z = elements_mm(grid)
    depth = grid.depth_mm[rows]
    along, across = pose.axes(from_x + depth * np.sin(aside), from_z + depth * np.cos(aside))
    reach = 3.5 * math.hypot(GHOST_WIDTH_MM, float(psf.lateral_at(depth).max()))
    seen = (np.abs(across) < reach) & (along < pose.length_mm + 2) & (along > -BEHIND_MM)
    row, column = np.nonzero(seen)
    along, across, depth = along[seen], across[seen], depth[row, 0]
    incidence = pose.direction_rad(along) + aside[0, column]
    widths = np.hypot(GHOST_WIDTH_MM, psf.lateral_at(depth) * np.sin(incidence))
    amplitude = specular_law(incidence) * elevational_weight(psf, pose, along, depth)
    amplitude = amplitude * ndtr((pose.length_mm - along) / 0.5) * np.exp(-0.5 * (across / widths) ** 2)
    texture = 0.9 * reflectivity(profile, pose.length_mm - along) + 0.6 * haze[seen]
    return seen, np.asarray(amplitude * texture, np.complex64)
