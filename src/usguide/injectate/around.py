"""How fluid lies around a target: gap, overlap, and how much of the way round."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from usguide.injectate._kernels.gaps import least_gap
from usguide.injectate.measures import RegionMeasures
from usguide.injectate.outlines import moments_of, points_within
from usguide.types import Target, TargetSpread

F64 = NDArray[np.float64]

DIRECTIONS = 360
RAY_STEP_MM = 0.15


@dataclass(frozen=True, slots=True, eq=False)
class _Places:
    """Points of a target that fluid is looked for at, in mm."""

    band: F64
    """(360, steps, 2): across the outline, in each direction from its centre."""
    within: F64
    """(1, points, 2): evenly over the target."""


def spread_around(target: Target, fluid: RegionMeasures, *, band_mm: float = 1.0) -> TargetSpread:
    """Measure how fluid lies around a target.

    Parameters
    ----------
    target : Target
        Without an outline only the distance is measured.
    fluid : RegionMeasures
        Of all fluid together.
    band_mm : float
        Fluid this close to the outline, within or without, lies against the target: outlines are drawn by hand, and
        the sheath of a nerve stays with it.

    Returns
    -------
    TargetSpread
        The ring counts the directions, seen from the centre of the outline, in which fluid lies against it. Where the
        outline is met more than once, the outermost counts.
    """
    field = fluid.field
    if target.outline_mm is None:
        within = field.at_mm(np.array([[target.position_mm]]))[0, 0] >= 0.5
        return TargetSpread(0.0 if within else _gap_mm(np.array([target.position_mm]), fluid.contours_mm))
    places = _places_of(target.outline_mm, band_mm)
    overlap = float((field.at_mm(places.within) >= 0.5).mean())
    met = field.at_mm(places.band).max(axis=1)
    least, ring, most = (360.0 * float((met >= level).mean()) for level in (0.84, 0.5, 0.16))
    outline = np.array(target.outline_mm)
    meets = overlap > 0 or bool((field.at_mm(outline[None]) >= 0.5).any())
    return TargetSpread(
        distance_mm=0.0 if meets else _gap_mm(outline, fluid.contours_mm),
        overlap=overlap,
        ring_deg=ring,
        # No direction is finer than one of those that were looked into.
        ring_sigma_deg=max(0.5 * (most - least), 360.0 / DIRECTIONS),
    )


@lru_cache(maxsize=8)
def _places_of(outline_mm: tuple[tuple[float, float], ...], band_mm: float) -> _Places:
    outline = np.array(outline_mm)
    centre = np.array(moments_of((outline,)).centroid_mm)
    turn = np.arange(DIRECTIONS) * (2 * np.pi / DIRECTIONS)
    rays = np.stack([np.cos(turn), np.sin(turn)], axis=-1)
    radius = _radius_mm(outline - centre, rays)
    steps = np.linspace(-band_mm, band_mm, 2 * max(1, round(band_mm / RAY_STEP_MM)) + 1)
    band = centre + np.maximum(radius[:, None] + steps, 0.0)[..., None] * rays[:, None]
    return _Places(band, points_within(outline_mm))


def _radius_mm(outline: F64, rays: F64) -> F64:
    """Return how far along each ray from the origin (n, 2) the outline is met last; 0 where it is not met."""
    a, edge = outline, np.roll(outline, -1, axis=0) - outline
    across = rays[:, None, 0] * edge[None, :, 1] - rays[:, None, 1] * edge[None, :, 0]
    safe = np.where(across == 0, np.inf, across)
    way = (a[:, 0] * edge[:, 1] - a[:, 1] * edge[:, 0]) / safe
    share = (a[None, :, 0] * rays[:, None, 1] - a[None, :, 1] * rays[:, None, 0]) / safe
    # A ray through a corner meets both of its edges, or neither but for rounding.
    hit = (share >= -1e-9) & (share <= 1 + 1e-9) & (way > 0) & (across != 0)
    return np.asarray(np.where(hit, way, 0.0).max(axis=1))


def _gap_mm(outline: F64, contours_mm: tuple[F64, ...]) -> float:
    """Return the least distance between two outlines that do not cross: a corner of one and an edge of the other."""
    return min(min(least_gap(c, outline), least_gap(outline, c)) for c in contours_mm)
