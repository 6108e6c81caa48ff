"""Layouts of a scene: the reference, and others drawn from a seed."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np

from usguide.errors import InputError
from usguide.geometry import Point
from usguide.phantoms.layout import Layout, Sheet
from usguide.phantoms.scene import PhantomScene

# Depth at mid width (share of the height), slope in degrees, strength, from and to (share of the width), rise.
_SHEETS = (
    (0.045, 0.5, 0.55, -0.2, 1.2, 0.0),
    (0.150, 1.5, 0.85, -0.2, 1.2, 0.05),
    (0.255, -4.5, 0.95, -0.2, 1.2, -0.15),
    (0.430, 19.0, 0.80, 0.34, 0.86, 0.25),
    (0.720, -8.0, 0.85, -0.2, 0.9, -0.2),
    (0.790, 10.0, 0.60, -0.2, 0.55, 0.15),
)
# Scatterer amplitude of the layers between the sheets that cross the picture: skin, fat, muscles, deep muscle.
_LAYERS = (0.9, 0.40, 0.55, 0.36, 0.62, 0.5)
# Top and bottom (share of the height), direction of the fibres, sparseness of the streaks.
_MUSCLES = ((0.16, 0.28, -3.0, 1.5), (0.27, 0.55, 9.0, 1.35), (0.53, 0.9, -7.0, 1.5))
BRIGHT_MM = 12.0
"""Least length of the three bright sheets that a random layout has, as far as they were drawn that long."""
_RANDOM = 61
"""Key of the generator for layouts, apart from the one for speckle."""


def layout_of(scene: PhantomScene) -> Layout:
    """Return where the structures of a scene are.

    Raises
    ------
    InputError
        For a random layout that has not been drawn yet.
    """
    if isinstance(scene.layout, Layout):
        return scene.layout
    if scene.layout == "random":
        raise InputError("layout: expected a scene whose random layout is drawn; pass it through placed(scene, seed)")
    height, width = scene.size_mm
    return Layout(
        sheets=tuple(Sheet(s * height, d, k, a * width, b * width, rise=r) for s, d, k, a, b, r in _SHEETS),
        plane_strength=0.9,
        layers=_LAYERS,
        muscles=tuple((top * height, bottom * height, fibre, sparse) for top, bottom, fibre, sparse in _MUSCLES),
        vessel_mm=(0.83 * width, 0.36 * height, 2.1),
        beat_mm=0.1,
        nerve_mm=scene.nerve_mm,
        nerve_scale=1.0,
        bone_mm=(),
        pleura=(0.6 * height, 2.0, 0.004),
        rises=(0.3, 0.2),
    )


def placed(scene: PhantomScene, seed: int) -> PhantomScene:
    """Return the scene with its layout drawn, where that is left to the seed."""
    return replace(scene, layout=random_layout(scene, seed)) if scene.layout == "random" else scene


def random_layout(scene: PhantomScene, seed: int) -> Layout:
    """Draw an anatomy. At least three of its sheets are bright and long, one of them as steep as the needle or so."""
    rng = np.random.default_rng([seed, _RANDOM])
    height, width = scene.size_mm
    floor = rng.uniform(0.62, 0.97) * height
    nerve, vessel = _nerve(rng, scene), (rng.uniform(0.06, 0.94) * width, rng.uniform(0.18, 0.7) * height)
    radius = rng.uniform(1.0, 2.8)
    return Layout(
        sheets=_sheets(rng, scene, floor),
        plane_strength=rng.uniform(0.6, 1.0) if scene.injectate is not None and scene.needle is not None else 0.0,
        layers=(rng.uniform(0.7, 1.0), *rng.uniform(0.28, 0.75, 8)),
        muscles=_muscles(rng, height, floor),
        vessel_mm=(*vessel, radius),
        beat_mm=radius * rng.uniform(0.05, 0.08),
        nerve_mm=nerve,
        nerve_scale=rng.uniform(0.7, 1.25),
        bone_mm=_bone(rng, width, floor),
        pleura=(floor - rng.uniform(0.0, 0.15) * height, rng.uniform(-6, 6), rng.uniform(-0.004, 0.008)),
        rises=(rng.uniform(-0.4, 0.4), rng.uniform(-0.2, 0.2)),
        patches=rng.uniform(0.15, 0.6),
        uneven=rng.uniform(0.8, 1.5),
        shading=rng.uniform(0.7, 2.2),
        loss_db_per_mm=rng.uniform(0.0, 9.0) / height,
        broken=rng.uniform(0.7, 1.0),
        streaks=rng.uniform(0.5, 1.4),
        wall=rng.uniform(0.1, 0.3),
        lumen=rng.uniform(0.07, 0.2),
    )


def _sheets(rng: np.random.Generator, scene: PhantomScene, floor_mm: float) -> tuple[Sheet, ...]:
    width = scene.size_mm[1]
    count = int(rng.integers(3, 9))
    # Each has a storey of its own; which of them are the bright ones is chance.
    storeys = (np.arange(count) + rng.uniform(0.1, 0.9, count)) / count
    depths = rng.permutation(0.07 * floor_mm + 0.88 * floor_mm * storeys)
    steep = float(np.clip(scene.needle.angle_deg if scene.needle else rng.uniform(10, 60), 8, 25))
    # Layers run much the same way; a few septa do not.
    tilt = rng.uniform(-12, 12)
    sheets: list[Sheet] = []
    for k, depth in enumerate(depths):
        bright = k < 3
        own = rng.normal(0.6 * tilt if bright else tilt, 5) if bright or rng.uniform() < 0.7 else rng.uniform(-25, 25)
        slope = steep + rng.uniform(-6, 3) if k == 0 else own
        slope = float(np.clip(slope, -25, 25))
        across = rng.uniform() < 0.5 and abs(slope) < 12
        length = width * (rng.uniform(0.5, 0.8) if bright else rng.uniform(0.2, 0.7))
        start = -0.2 * width if across else rng.uniform(0, width - length)
        stop = 1.2 * width if across else start + length
        # What slopes against the waves reflects little, and has to be stronger to be as bright.
        strength = rng.uniform(0.8, 1.15) + 0.02 * abs(slope) if bright else rng.uniform(0.25, 0.95)
        depth_mid = float(depth)
        if not across:
            # It is its own middle that lies at the depth drawn.
            depth_mid -= math.tan(math.radians(slope)) * (0.5 * (start + stop) - 0.5 * width)
        curve = rng.normal(0, 0.006)
        whole = Sheet(depth_mid, slope, strength, start, stop, curve, rng.uniform(-0.27, 0.27))
        joined = joining(whole, sheets, 0.5 * width)
        # A bright one stays whole where too little of it would be left in the picture.
        short = bright and min(joined.stop_mm, width) - max(joined.start_mm, 0) < BRIGHT_MM
        sheets.append(whole if short else joined)
    return tuple(sheets)


def joining(sheet: Sheet, others: list[Sheet], middle_mm: float) -> Sheet:
    """Keep the longest stretch of a sheet that crosses no other: it ends where it meets one."""
    at = np.arange(sheet.start_mm, sheet.stop_mm, 0.25)
    line = sheet.line_mm(at, middle_mm)
    cuts = {0, at.size - 1}
    for other in others:
        away = line - other.line_mm(at, middle_mm)
        there = (at > other.start_mm - 2) & (at < other.stop_mm + 2)
        cuts.update((1 + np.flatnonzero(((away[1:] > 0) != (away[:-1] > 0)) & there[1:])).tolist())
    edges = sorted(cuts)
    first, last = max(pairwise(edges), key=lambda pair: pair[1] - pair[0])
    return replace(
        sheet,
        start_mm=sheet.start_mm if first == 0 else float(at[first]),
        stop_mm=sheet.stop_mm if last == at.size - 1 else float(at[last]),
    )


def _muscles(
    rng: np.random.Generator, height_mm: float, floor_mm: float
) -> tuple[tuple[float, float, float, float], ...]:
    edges = np.sort(rng.uniform(0.12 * height_mm, floor_mm, int(rng.integers(2, 5))))
    tops, bottoms = edges - 0.01 * height_mm, np.append(edges[1:], floor_mm)
    return tuple(
        (float(top), float(bottom), float(rng.uniform(-18, 18)), float(rng.uniform(1.2, 1.9)))
        for top, bottom in zip(tops, bottoms, strict=True)
    )


def _nerve(rng: np.random.Generator, scene: PhantomScene) -> Point:
    """Beyond the final tip of a needle, which is meant for it, or anywhere."""
    height, width = scene.size_mm
    if scene.needle is None:
        return rng.uniform(0.15, 0.85) * width, rng.uniform(0.3, 0.75) * height
    x, z = scene.needle.tip_mm(scene.duration_s)
    away, around = rng.uniform(3.0, 6.0), math.radians(scene.needle.angle_deg + rng.uniform(-60, 60))
    return (
        float(np.clip(x + away * math.cos(around), 0.08 * width, 0.95 * width)),
        float(np.clip(z + away * math.sin(around), 0.12 * height, 0.85 * height)),
    )


def _bone(rng: np.random.Generator, width_mm: float, floor_mm: float) -> tuple[Point, ...]:
    """Draw a surface with humps (lamina, transverse process) or a step (joint), or a smooth one."""
    x = np.arange(-1.0 * width_mm, 2.0 * width_mm, 0.25)
    z = floor_mm + 0.02 * rng.normal() * (x - 0.5 * width_mm) + rng.uniform(0, 0.0015) * (x - 0.5 * width_mm) ** 2
    kind = rng.choice(["smooth", "humps", "step"])
    for middle in rng.uniform(0, width_mm, 3 if kind == "humps" else 1):
        tall = 0.14 * floor_mm * rng.uniform(0.3, 1.0) * (kind != "step")
        z -= tall * np.exp(-(((x - middle) / rng.uniform(4.0, 9.0)) ** 2))
    if kind == "step":
        z += rng.choice([-1, 1]) * rng.uniform(0.8, 2.2) * np.tanh((x - rng.uniform(0.25, 0.75) * width_mm) / 1.6)
    z += 0.25 * np.sin(x * rng.uniform(0.25, 0.5) + rng.uniform(0, 6))
    z += 0.12 * np.sin(x * rng.uniform(0.6, 1.0) + rng.uniform(0, 6)) + 0.05 * np.sin(2.3 * x + rng.uniform(0, 6))
    return tuple(zip(x.tolist(), z.tolist(), strict=True))
