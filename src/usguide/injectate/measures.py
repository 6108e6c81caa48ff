"""How large a region of fluid is, in mm and with its uncertainty: pure functions of masks, probabilities and areas.

Everything is measured on the region's outlines, which lie below a pixel where there are probabilities, so that a coarser
grid or one with oblong pixels gives the same numbers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from usguide._validation import validate_positive
from usguide.errors import InputError
from usguide.geometry import ImageGeometry, Point
from usguide.injectate._kernels.ends import widths_at_ends
from usguide.injectate.outlines import Field, Mask, Moments, extent_mm, field_of, moments_of, perimeter_mm

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Symmetry = Literal["disc", "spindle"]

LEAST_TIMES, LEAST_SPAN_S = 5, 0.3
"""From fewer areas, or over a shorter time, no rate is given."""
LEAST_SOLIDITY = 0.8
"""A region that fills less of its convex hull is no body of revolution."""
SLENDER = 2.0
"""Of a region that is so many times as long as wide, it is asked whether its ends are pointed."""
TAPER_SLABS, TAPER_SLAB_MM = 5, 0.42
"""An end's widths are taken in so many slabs of such a thickness."""
TAPER_FROM_MM, TAPER_MOST_MM = 0.8, 1.0
"""A pointed end that breaks off no wider than this runs on, at most so far."""
TAPER_EVEN = 0.72
"""It widens from its end evenly: a round end's second half widens by less than this share of what its first half does."""
MOST_TIMES = 40
"""More are thinned: a faster scanner makes a rate no dearer."""


@dataclass(frozen=True, slots=True, eq=False)
class RegionMeasures:
    """What is measured of one region; the fields are those of `usguide.Pool`."""

    area_mm2: float
    area_sigma_mm2: float
    perimeter_mm: float
    centroid_mm: Point
    extent_mm: Point
    axis_deg: float
    contours_mm: tuple[F64, ...]
    moments: Moments
    field: Field


def measure_region(
    region: Mask,
    geometry: ImageGeometry,
    probability: F32 | None = None,
    *,
    others: Mask | None = None,
    blunted_mm: float = 0.0,
) -> RegionMeasures | None:
    """Measure a region of fluid.

    Parameters
    ----------
    region : ndarray of bool, shape (h, w)
        One pool, or all fluid. It may reach the picture's border, which then is its edge.
    geometry : ImageGeometry
        Of the region's pixels.
    probability : ndarray of float32, shape (h, w), optional
        Of being fluid, 0..1. It places the outlines below a pixel, and says how sure they are; without it the steps of
        the region are rounded off, and its edge is taken as known to within a pixel.
    others : ndarray of bool, shape (h, w), optional
        Other pools, which have no part in this one's edge.
    blunted_mm : float
        How much whoever found the region leaves out at either end of a slender one; its extent is so much longer.

    Returns
    -------
    RegionMeasures or None
        None for an empty region.

    Notes
    -----
    The area's standard deviation is half the area of the band in which neither side of the edge is surer than 84 %: an
    edge that is misjudged is so all along. What the pixels themselves leave open is added.

    Fluid in a plane ends in a wedge that gets thinner than a picture resolves. The extent along the main axis goes on to
    where the wedge would close; the outlines do not.
    """
    if region.ndim != 2 or region.dtype != np.bool_:
        raise InputError(f"region: expected bool (h, w), got {region.dtype} {region.shape}")
    for name, array in (("probability", probability), ("others", others)):
        if array is not None and array.shape != region.shape:
            raise InputError(f"{name}: expected the region's shape {region.shape}, got {array.shape}")
    field = field_of(region, probability, geometry, others)
    if field is None:
        return None
    outlines = field.outlines_mm()
    moments = moments_of(outlines)
    perimeter, axis = perimeter_mm(outlines), moments.axis_rad
    along, across = extent_mm(outlines, axis)
    if along >= SLENDER * across:
        along += 2 * blunted_mm + sum(taper_mm(widths) for widths in _end_widths_mm(outlines, axis))
    return RegionMeasures(
        area_mm2=moments.area,
        area_sigma_mm2=math.hypot(0.5 * field.band_mm2(), _pixel_sigma_mm2(perimeter, geometry)),
        perimeter_mm=perimeter,
        centroid_mm=moments.centroid_mm,
        extent_mm=(along, across),
        axis_deg=math.degrees(axis),
        contours_mm=outlines,
        moments=moments,
        field=field,
    )


def taper_mm(widths_mm: F64) -> float:
    """Return how far beyond its end a region runs on that gets narrower towards it; 0 where the end is blunt or round.

    Parameters
    ----------
    widths_mm : ndarray, shape (TAPER_SLABS,)
        Of slabs from the end inwards.
    """
    widths = widths_mm.tolist()
    count, mean = len(widths), math.fsum(widths) / len(widths)
    # Slabs from the middle one: a line through the widths.
    off = [k - 0.5 * (count - 1) for k in range(count)]
    slope = math.fsum(d * w for d, w in zip(off, widths, strict=True)) / math.fsum(d * d for d in off) / TAPER_SLAB_MM
    end = mean - slope * 0.5 * count * TAPER_SLAB_MM
    half = count // 2
    first, second = widths[half] - widths[0], widths[-1] - widths[-1 - half]
    if slope <= 0 or not 0 < end < TAPER_FROM_MM or second < TAPER_EVEN * first:
        return 0.0
    return min(end / slope, TAPER_MOST_MM)


def _end_widths_mm(outlines: tuple[F64, ...], axis: float) -> F64:
    along = np.concatenate(outlines) @ np.array([math.cos(axis), math.sin(axis)])
    widths = np.zeros((2, TAPER_SLABS))
    for outline in outlines:
        widths_at_ends(outline, axis, float(along.min()), float(along.max()), TAPER_SLAB_MM, widths)
    return np.abs(widths)


def _pixel_sigma_mm2(perimeter: float, geometry: ImageGeometry) -> float:
    """Each pixel's length of edge lies anywhere within the pixel, independently of the next."""
    side = math.sqrt(geometry.axial_mm_per_px * geometry.lateral_mm_per_px)
    return side * math.sqrt(side * perimeter / 12)


def growth_rate(times_s: ArrayLike, areas_mm2: ArrayLike) -> tuple[float, float] | None:
    """Return how fast an area grows and the standard deviation of that, in mm2/s; None where it is too early to tell.

    Parameters
    ----------
    times_s, areas_mm2 : array_like, shape (n,)
        In order of time; those of the last second, say.

    Notes
    -----
    The median slope over all pairs (Theil and Sen): a frame in which the area jumps does not move it. The uncertainty is
    that of a line through the same points with errors that hang together from frame to frame.
    """
    t, a = np.asarray(times_s, dtype=float), np.asarray(areas_mm2, dtype=float)
    if t.ndim != 1 or t.shape != a.shape:
        raise InputError(f"growth_rate: expected as many times as areas, got {t.shape} and {a.shape}")
    if len(t) > MOST_TIMES:
        kept = np.unique(np.rint(np.linspace(0, len(t) - 1, MOST_TIMES)).astype(int))
        t, a = t[kept], a[kept]
    if len(t) < LEAST_TIMES or t[-1] - t[0] < LEAST_SPAN_S:
        return None
    i, j = _pairs(len(t))
    apart = t[j] - t[i]
    slope = _median((a[j] - a[i])[apart > 0] / apart[apart > 0])
    rest = a - slope * t
    rest -= _median(rest)
    # Of a normal distribution, so that an outlier counts little.
    scatter = 1.4826 * _median(np.abs(rest))
    power = float(rest @ rest)
    together = float(np.clip(rest[1:] @ rest[:-1] / power, 0.0, 0.9)) if power > 0 else 0.0
    swing = float(np.sqrt(((t - t.mean()) ** 2).sum()))
    return slope, scatter / swing * math.sqrt((1 + together) / (1 - together))


@lru_cache(maxsize=MOST_TIMES)
def _pairs(count: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    i, j = np.triu_indices(count, 1)
    return i, j


def _median(values: F64) -> float:
    """NumPy's median costs ten times as much on so few values."""
    ordered = np.sort(values)
    n = len(ordered)
    return 0.5 * float(ordered[(n - 1) // 2] + ordered[n // 2])


def volume_mm3(
    measures: RegionMeasures, *, elevational_width_mm: float | None = None, symmetry: Symmetry = "disc"
) -> float | None:
    """Return the volume of a region under an assumption of what the picture does not show.

    Parameters
    ----------
    measures : RegionMeasures
    elevational_width_mm : float, optional
        The region is the section of a slab of this width.
    symmetry : {"disc", "spindle"}
        Without a width: the region turns about its short axis, as fluid that spreads in a fascial plane as far in
        elevation as along the picture; or about its main axis.

    Returns
    -------
    float or None
        None without a width for a region that bends or closes around something: no symmetry gives its volume.
    """
    if elevational_width_mm is not None:
        return measures.area_mm2 * validate_positive(elevational_width_mm, name="elevational_width_mm")
    if not _fills_its_hull(measures):
        return None
    f, (cx, cz), axis = measures.field, measures.centroid_mm, math.radians(measures.axis_deg)
    h, w = f.sure.shape
    x = f.geometry.origin_mm[0] - cx + f.geometry.lateral_mm_per_px * np.arange(w)
    z = f.geometry.origin_mm[1] - cz + f.geometry.axial_mm_per_px * np.arange(h)
    along = (math.cos(axis), math.sin(axis)) if symmetry == "disc" else (-math.sin(axis), math.cos(axis))
    away = np.abs(along[0] * x + along[1] * z[:, None])[f.sure >= 0.5]
    # Both halves turned all the way round give the body twice: Pappus' theorem, halved.
    return math.pi * float(away.mean()) * measures.area_mm2


def volume_assumption(elevational_width_mm: float | None, symmetry: Symmetry) -> str:
    """Say under which assumption a volume is given."""
    if elevational_width_mm is not None:
        return f"the same over {elevational_width_mm:g} mm in elevation"
    return f"rotational symmetry about the {'short' if symmetry == 'disc' else 'main'} axis"


def _fills_its_hull(measures: RegionMeasures) -> bool:
    hull = cv2.convexHull(np.concatenate(measures.contours_mm).astype(np.float32))
    return measures.area_mm2 >= LEAST_SOLIDITY * float(cv2.contourArea(hull))
