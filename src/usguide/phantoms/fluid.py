"""Injections: how much fluid there is at a time, what it does to the echo, and how it pushes tissue away."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from usguide.geometry import Point
from usguide.phantoms.bubbles import Bubbles, Specks, specks_of
from usguide.phantoms.fluid_shapes import (
    AROUND,
    F64,
    Shape,
    box_around,
    lens_of,
    outline_noise,
    pool_of,
    ring_of,
    samples,
)
from usguide.phantoms.grid import C64, F32, Grid
from usguide.phantoms.scene import InjectateScene, PhantomScene
from usguide.phantoms.speckle import PointSpread
from usguide.phantoms.structures import nerve_outline_mm

_STREAM = 31
"""Keeps the random numbers of fluid apart from those of tissue."""
_CUFF_MM = 6.0
_FINEST_EDGE_MM = 0.07
_FLOWS_S = 2.0
"""A quarter of it makes new speckle."""


@dataclass(frozen=True, slots=True, eq=False)
class Injection:
    """One injection: its settings, where it begins, and what was drawn for it.

    Parameters
    ----------
    scene : InjectateScene
    start_mm : (float, float)
        Where the tip is when it begins, the probe held still.
    nerve_mm : ndarray, shape (P, 2)
        The nerve's outline at rest.
    early, late : ndarray, shape (TURN,)
        Outlines of a pool when it is small and when it is large; `early` is a ring's unevenness, too.
    bubbles : Bubbles
    """

    scene: InjectateScene
    start_mm: Point
    nerve_mm: F64
    early: F64
    late: F64
    bubbles: Bubbles

    def shape_at(self, time_s: float) -> Shape | None:
        """Return where its fluid is; None before it begins, and where the picture does not show it."""
        area = self.scene.area_mm2(time_s)
        if area <= 0 or self.scene.kind == "unseen":
            return None
        if self.scene.kind == "ring":
            return ring_of(area, self.nerve_mm, self.start_mm, self.early)
        if self.scene.kind == "pool":
            return pool_of(area, self.start_mm, self.scene.plane_deg, self.early, self.late)
        return lens_of(area, self.start_mm, self.scene.plane_deg, self.scene.aspect)


def volume_mm3(scene: InjectateScene, time_s: float) -> float:
    """Return how much has been injected, from the area and an extent in elevation that is assumed.

    A lens spreads in its plane as far in elevation as along the picture: a body of revolution about its thickness,
    3 pi / 8 * area * half length. A ring is the section of a cuff of 6 mm. A pool is a ball of the same area, and
    what is not seen would have been one.
    """
    area = scene.area_mm2(time_s)
    if scene.kind == "lens":
        return 3 * math.pi / 8 * area * math.sqrt(3 / 8 * area * scene.aspect)
    return _CUFF_MM * area if scene.kind == "ring" else 4 / 3 * math.pi * (area / math.pi) ** 1.5


@dataclass(frozen=True, slots=True, eq=False)
class Fluid:
    """All fluid at one moment: (injection, shape) of each that shows."""

    parts: tuple[tuple[Injection, Shape], ...]

    def contains(self, x_mm: F32, z_mm: F32) -> NDArray[np.bool_]:
        """Tell which places are in fluid."""
        inside: NDArray[np.bool_] = np.logical_or.reduce([shape.contains(x_mm, z_mm) for _, shape in self.parts])
        return inside

    def displacement(self, x_mm: F32, z_mm: F32) -> tuple[F32, F32]:
        """How far tissue at each place has been pushed: (lateral, axial) mm."""
        return _sum(shape.displacement(x_mm, z_mm) for _, shape in self.parts)

    def opens(self, x_mm: F32, z_mm: F32) -> tuple[F32, F32]:
        """How far the edges nearest to each place have moved: (lateral, axial) mm."""
        return _sum(shape.opens(x_mm, z_mm) for _, shape in self.parts)

    def torn(self, x_mm: F32, z_mm: F32) -> NDArray[np.bool_]:
        """Tell which places are in a gap between parted tissue."""
        gaps = [shape.contains(x_mm, z_mm) for _, shape in self.parts if shape.tears]
        return np.logical_or.reduce(gaps) if gaps else np.zeros(np.broadcast_shapes(x_mm.shape, z_mm.shape), bool)

    def shifted(self, by_mm: Point) -> Fluid:
        """Return it moved by (lateral, axial) mm: to where the probe sees it, say."""
        return Fluid(tuple((injection, shape.shifted(by_mm)) for injection, shape in self.parts))


def _sum(vectors: Iterable[tuple[F32, F32]]) -> tuple[F32, F32]:
    (dx, dz), *rest = vectors
    for ex, ez in rest:
        dx, dz = dx + ex, dz + ez
    return dx, dz


def injections_of(scene: PhantomScene, seed: int, outlines_mm: Mapping[str, F64]) -> tuple[Injection, ...]:
    """Draw the injections of a scene; a ring surrounds the nerve's outline."""
    nerve = outlines_mm.get("nerve", nerve_outline_mm(scene, (0.0, 0.0)))
    found = []
    for k, settings in enumerate(scene.injections):
        rng = np.random.default_rng([seed, _STREAM, k])
        # A pool is flattened along the plane, too, though less than a lens.
        flat = 0.17 * math.log(settings.aspect) * np.cos(2 * (AROUND - math.radians(settings.plane_deg)))
        early, late = (_unit(np.exp(flat + outline_noise(rng, s))) for s in (0.18, 0.32))
        found.append(
            Injection(
                settings,
                scene.injection_start_mm(settings),
                np.asarray(nerve, float),
                early,
                late,
                Bubbles.drawn(rng, settings, scene.duration_s),
            )
        )
    return tuple(found)


def _unit(outline: F64) -> F64:
    """Scale to unit mean square: the area of a circle of radius 1."""
    return np.asarray(outline / np.sqrt((outline**2).mean()))


def fluid_at(
    injections: tuple[Injection, ...], time_s: float, tissue_shift_mm: Callable[[Point, float], Point]
) -> Fluid | None:
    """Return all fluid that shows at a time, the probe held still; None where there is none.

    Parameters
    ----------
    injections : tuple of Injection
    time_s : float
    tissue_shift_mm : callable
        How far tissue that rests at a point has moved at a time.
    """
    parts = []
    for injection in injections:
        shape, settings = injection.shape_at(time_s), injection.scene
        if shape is None:
            continue
        x, z = injection.nerve_mm.mean(axis=0) if settings.kind == "ring" else injection.start_mm
        dx, dz = tissue_shift_mm((float(x), float(z)), time_s)
        if settings.kind == "pool":
            # Nothing at rest binds it: it begins where the tip is, then moves along.
            first = tissue_shift_mm(injection.start_mm, settings.onset_s)
            dx, dz = dx - first[0], dz - first[1]
        parts.append((injection, shape.shifted((dx, dz))))
    return Fluid(tuple(parts)) if parts else None


class FluidEcho:
    """What fluid makes of the echoes: tissue hidden or shown brighter, scatterers of its own, bubbles."""

    def __init__(self, grid: Grid, psf: PointSpread, injections: tuple[Injection, ...], haze: list[C64]) -> None:
        self._grid, self._psf, self._injections, self._haze = grid, psf, injections, haze
        self._levels: dict[int, float] = {}
        self._own: list[tuple[tuple[slice, slice], F32, Injection]] = []
        self._specks: list[Specks] = []
        self._flow = (np.float32(1), np.float32(0))

    def learn(self, tissue: C64) -> None:
        """Note how strongly tissue scatters where each injection will begin, the first time."""
        if self._levels:
            return
        for injection in self._injections:
            power = np.abs(tissue[box_around(self._grid, injection.start_mm, (5.0, 5.0))]) ** 2
            # The median of speckle's power is ln 2 of its mean, and a bright sheet hardly lifts it.
            self._levels[id(injection)] = math.sqrt(float(np.median(power)) / math.log(2)) if power.size else 1.0

    def step(self, fluid: Fluid, time_s: float) -> F32:
        """Go to a moment; return what fluid leaves of the tissue's echo: nearly nothing within, more below it."""
        total = np.ones(self._grid.shape, np.float32)
        self._own, self._specks = [], []
        # It swirls: its speckle turns from one field into another.
        turned = 2 * math.pi * time_s / _FLOWS_S
        self._flow = np.float32(math.cos(turned)), np.float32(math.sin(turned))
        for injection, shape in fluid.parts:
            box = shape.box(self._grid)
            share = shape.share(*samples(self._grid, box), self._edge_mm(shape, box))
            if share.size == 0:  # it has gone out of the picture
                continue
            kept = min(shape.clutter, injection.scene.echo)
            rows, enhanced = shape.enhancement(self._grid, share, box)
            total[rows, box[1]] *= enhanced
            total[box] *= 1 - np.float32(1 - kept) * share
            own = math.sqrt(injection.scene.echo**2 - kept**2)
            if own > 0:
                self._own.append((box, np.float32(own) * share, injection))
            bubbles = injection.bubbles
            self._specks.append(specks_of(bubbles, self._grid, self._psf, shape, injection.scene, time_s, total))
        return total

    def add(self, field: C64, gain: F32, look: int) -> None:
        """Add the fluid's own echo and its bubbles to a look's field, in place."""
        haze = self._haze[look]
        for box, own, injection in self._own:
            # Far from where the needle takes its haze from, and from each other.
            there = [np.roll(haze, shift, axis=(0, 1))[box] for shift in ((331, 173), (157, 289))]
            field[box] += (self._flow[0] * there[0] + self._flow[1] * there[1]) * (
                np.float32(self._levels[id(injection)]) * own * gain[box]
            )
        for specks in self._specks:
            specks.add(field, gain, look)

    def _edge_mm(self, shape: Shape, box: tuple[slice, slice]) -> F32:
        """Width of the edge's soft step: as the point-spread function's across it, at least that of its roughness."""
        nx, nz = shape.normal(*samples(self._grid, box))
        tilt = self._grid.tilt_rad[:, box[1]]
        along = nx * np.sin(tilt) + nz * np.cos(tilt)
        lateral = self._psf.lateral_at(self._grid.depth_mm[box[0]]).astype(np.float32)
        squared = (self._psf.axial_mm * along) ** 2 + lateral**2 * np.maximum(1 - along**2, 0)
        # A logistic step has the deviation of a Gaussian's integral at sqrt(3) / pi of its sigma.
        return np.asarray(np.maximum(math.sqrt(3) / math.pi * np.sqrt(squared), _FINEST_EDGE_MM), np.float32)
