"""Tissue that changes with elevation: slices that are computed as the scan plane comes near them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from usguide.phantoms.grid import C64, F32, Grid
from usguide.phantoms.layouts import layout_of
from usguide.phantoms.scene import PhantomScene
from usguide.phantoms.speckle import PointSpread
from usguide.phantoms.tissue import Tissue, build_tissue, mirror_echo, speckle

CORRELATION_MM = 1.0
"""Elevation over which the correlation of speckle falls to 1/e."""
STEP_MM = 0.6
"""Between slices: lines move by less than their thickness from one to the next."""
_REACH = 1.5
_SHAPE_MM = 3.0
"""Elevation over which the waves of sheets, the streaks and the outlines become others."""


class Elevated:
    """Random draws that change smoothly with elevation, for one seed: what is drawn from them changes shape with it.

    Between knots, two independent draws are mixed at unit power.

    Parameters
    ----------
    seed : sequence of int
    elevation_mm : float
    """

    def __init__(self, seed: tuple[int, ...], elevation_mm: float) -> None:
        knot = math.floor(elevation_mm / _SHAPE_MM)
        turn = 0.5 * math.pi * (elevation_mm / _SHAPE_MM - knot)
        self._mixed = ((knot, math.cos(turn)), (knot + 1, math.sin(turn)))
        self._seed, self._calls = seed, 0

    def standard_normal(self, size: Any = None, dtype: Any = np.float64) -> Any:
        """Draw from a Gaussian of deviation 1."""
        self._calls += 1
        # A generator for each call: an array that is a row longer at another elevation changes nothing after it.
        draws = [
            (w, np.random.default_rng([*self._seed, knot + 1000, self._calls]).standard_normal(size, dtype=dtype))
            for knot, w in self._mixed
        ]
        return sum(np.asarray(w, dtype) * d for w, d in draws)

    def normal(self, loc: Any = 0.0, scale: Any = 1.0) -> Any:
        """Draw one number from a Gaussian."""
        return loc + scale * self.standard_normal()

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Any:
        """Draw evenly."""
        return low + (high - low) * ndtr(self.standard_normal(size))


def speckle_weights(elevation_mm: float, slices: NDArray[np.integer]) -> NDArray[np.float64]:
    """Weights of independent slices' speckle, at unit power: correlation falls as exp(-(distance / 1 mm)^2)."""
    weights = np.exp(-2 * ((np.asarray(slices) * STEP_MM - elevation_mm) / CORRELATION_MM) ** 2)
    return np.asarray(weights / np.sqrt((weights**2).sum()))


@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    """Tissue at one elevation: gain, scatterers and reflectors for each look, and outlines at rest."""

    gain: F32
    scatter: list[C64]
    mirror: list[C64]
    outlines_mm: dict[str, NDArray[np.float64]]


class SweptTissue:
    """Slices of tissue around the scan plane, kept while they are near it.

    Parameters
    ----------
    seed : int
    grid, probe : Grid
        Of the tissue, and of the probe's beams.
    psf, scene
    """

    def __init__(self, seed: int, grid: Grid, probe: Grid, psf: PointSpread, scene: PhantomScene) -> None:
        self._seed, self._grid, self._probe, self._psf, self._scene = seed, grid, probe, psf, scene
        self._slices: dict[int, Slice] = {}
        begun = self._built(0.0)
        self.contact, self.outlines_mm = begun.contact, begun.outlines_mm

    def _built(self, elevation_mm: float) -> Tissue:
        scene = replace(self._scene, layout=layout_of(self._scene).at(elevation_mm))
        return build_tissue(Elevated((self._seed, 0), elevation_mm), self._grid, scene, self._probe)

    def _slice(self, k: int) -> Slice:
        if k not in self._slices:
            tissue, looks = self._built(k * STEP_MM), range(self._scene.looks)
            own = np.random.default_rng([self._seed, 1, k + 1000])
            scatter = [speckle(own, self._grid, tissue.amplitude, self._psf) for _ in looks]
            phases = [Elevated((self._seed, 2, look), k * STEP_MM) for look in looks]
            mirror = [mirror_echo(phase, self._grid, self._psf, tissue.reflector) for phase in phases]
            self._slices[k] = Slice(tissue.gain, scatter, mirror, tissue.outlines_mm)
        return self._slices[k]

    def at(self, elevation_mm: float, speckle_mm: float) -> tuple[F32, list[C64], dict[str, NDArray[np.float64]]]:
        """Return the tissue's gain, each look's echo, the speckle taken at an elevation of its own, and the outlines."""
        first, last = math.ceil((speckle_mm - _REACH) / STEP_MM), math.floor((speckle_mm + _REACH) / STEP_MM)
        near = np.arange(first, last + 1)
        low = math.floor(elevation_mm / STEP_MM)
        share = elevation_mm / STEP_MM - low
        self._slices = {k: s for k, s in self._slices.items() if first - 1 <= k <= last + 1}
        weights = speckle_weights(speckle_mm, near)
        edges = [(low, 1 - share)] if share == 0 else [(low, 1 - share), (low + 1, share)]
        gain = sum(np.float32(w) * self._slice(k).gain for k, w in edges)
        echoes = []
        for look in range(self._scene.looks):
            field = sum(np.float32(w) * self._slice(k).mirror[look] for k, w in edges)
            for k, w in zip(near.tolist(), weights, strict=True):
                field = field + np.float32(w) * self._slice(k).scatter[look]
            echoes.append(np.asarray(field, np.complex64))
        near_by = [(w, self._slice(k).outlines_mm) for k, w in edges]
        outlines = {name: np.asarray(sum(w * lines[name] for w, lines in near_by)) for name in near_by[0][1]}
        return np.asarray(gain, np.float32), echoes, outlines
