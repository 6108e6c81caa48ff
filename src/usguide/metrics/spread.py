"""How well spread is measured once it has settled: outlines, extent, ring and warnings, from one second after onset."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from usguide._validation import validate_outline
from usguide.errors import InputError
from usguide.geometry import ImageGeometry
from usguide.metrics.injectate import InjectateScores
from usguide.metrics.intervals import RESAMPLES, Estimate, estimate_quantile, estimate_ratio, resample_counts
from usguide.metrics.plain import RAW
from usguide.types import GuidanceResult

F64 = NDArray[np.float64]

SETTLED_S = 1.0
"""After the true onset, from where on outlines are judged."""
RING_BAND_MM = 1.0
"""Fluid this close to a target's outline, within or without, lies against it."""
RING_DIRECTIONS = 720
_RING_STEP_MM = 0.05
NO_SPREAD = "no-spread:"


@dataclass(frozen=True, slots=True, eq=False)
class SpreadFrames:
    """The settled frames of a sequence. Each array has shape (M,); nothing reported is infinitely wrong, Dice 0."""

    dice: F64
    hausdorff95_mm: F64
    area_error_share: F64
    """Magnitude, over the true area."""
    extent_error_mm: F64
    """Magnitude, along the main axis; NaN where it is not measured."""
    ring_error_deg: F64
    """Magnitude; NaN where it is not measured."""
    young_ring_error_deg: F64
    """The same in the frames before, from the true onset on: a ring that closes. Shape (L,)."""


@dataclass(frozen=True, slots=True)
class SpreadScores:
    """Scores of one sequence beside those of `InjectateScores`."""

    settled_frames: int
    onset_delay_s: float | None
    onset_notice_delay_s: float | None
    false_onsets: int
    no_spread_s: float | None
    """Time of the first result that warned of no spread."""
    raw: SpreadFrames = field(repr=False, compare=False, metadata=RAW)


def extent_along_mm(mask: NDArray[np.bool_], geometry: ImageGeometry) -> float:
    """Return the full size of a region along its main axis (that of its second moments), from pixel edge to pixel edge.

    Parameters
    ----------
    mask : ndarray of bool, shape (H, W)
        Not empty.
    geometry : ImageGeometry
    """
    rows, columns = np.nonzero(mask)
    if rows.size == 0:
        raise InputError("mask: expected some pixels, got none; an empty region has no extent")
    dx, dz = geometry.lateral_mm_per_px, geometry.axial_mm_per_px
    points = np.stack([columns * dx, rows * dz], axis=-1)
    away = points - points.mean(axis=0)
    # A pixel is a small square: without it a single row of pixels would have no width.
    spread = away.T @ away / len(away) + np.diag([dx * dx, dz * dz]) / 12
    along = np.linalg.eigh(spread)[1][:, -1]
    ways = away @ along
    return float(np.ptp(ways)) + abs(float(along[0])) * dx + abs(float(along[1])) * dz


def ring_deg(
    mask: NDArray[np.bool_], geometry: ImageGeometry, outline_mm: ArrayLike, *, band_mm: float = RING_BAND_MM
) -> float:
    """Return in how many degrees about a target's centre fluid lies against its outline.

    Parameters
    ----------
    mask : ndarray of bool, shape (H, W)
    geometry : ImageGeometry
    outline_mm : array_like, shape (P, 2)
        Closed; every direction from its centre of area meets it once.
    band_mm : float
        Fluid this close to the outline along a direction counts, within or without.

    Returns
    -------
    float
        0..360.
    """
    outline = np.array(validate_outline(outline_mm, name="outline_mm"))
    away = outline - _centre_mm(outline)
    angle = np.arctan2(away[:, 1], away[:, 0])
    turn = (np.arange(RING_DIRECTIONS) + 0.5) * (2 * math.pi / RING_DIRECTIONS)
    radius = np.interp(turn, angle, np.hypot(*away.T), period=2 * math.pi)
    steps = np.arange(-band_mm, band_mm + _RING_STEP_MM / 2, _RING_STEP_MM)
    reach = np.maximum(radius[:, None] + steps, 0.0)[..., None]
    places = _centre_mm(outline) + reach * np.stack([np.cos(turn), np.sin(turn)], axis=-1)[:, None]
    px = np.rint(geometry.to_px(places)).astype(int)
    inside = np.asarray(((px >= 0) & (px < mask.shape[::-1])).all(axis=-1))
    px = np.where(inside[..., None], px, 0)
    met = (mask[px[..., 1], px[..., 0]] & inside).any(axis=1)
    return float(met.mean()) * 360.0


def _centre_mm(outline: F64) -> F64:
    a, b = outline, np.roll(outline, -1, axis=0)
    cross = a[:, 0] * b[:, 1] - b[:, 0] * a[:, 1]
    return np.asarray(((a + b) * cross[:, None]).sum(axis=0) / (3 * cross.sum()))


def score_spread(
    scores: InjectateScores,
    masks: NDArray[np.bool_],
    results: Sequence[GuidanceResult],
    geometry: ImageGeometry,
    *,
    timestamps_s: ArrayLike,
    target_outline_mm: ArrayLike | None = None,
) -> SpreadScores:
    """Score what is measured of the spread.

    Parameters
    ----------
    scores : InjectateScores
        Of the same masks and results.
    masks : ndarray of bool, shape (N, H, W)
    results : sequence of GuidanceResult
        Matched by `index`.
    geometry : ImageGeometry
        Of the masks.
    timestamps_s : array_like, shape (N,)
    target_outline_mm : array_like, shape (N, P, 2), optional
        Where the ring about a target is to be scored.

    Returns
    -------
    SpreadScores
    """
    times = np.asarray(timestamps_s, float)
    onset_s = scores.true_onset_s
    settled = np.zeros(len(times), bool) if onset_s is None else times >= onset_s + SETTLED_S - 1e-6
    settled &= scores.raw.fluid
    at = {r.index: r for r in results}
    warned = [r.timestamp_s for r in results if any(w.startswith(NO_SPREAD) for w in _warnings(r))]
    outlines = None if target_outline_mm is None else np.asarray(target_outline_mm, float)
    pixel_mm2 = geometry.axial_mm_per_px * geometry.lateral_mm_per_px
    young = np.zeros(len(times), bool) if onset_s is None else (times >= onset_s - 1e-6) & ~settled & scores.raw.fluid

    def ring_errors(rows: NDArray[np.bool_]) -> F64:
        if outlines is None:
            return np.full(int(rows.sum()), math.nan)
        found = [_ring_error_deg(masks[k], geometry, outlines[k], at.get(int(k))) for k in np.flatnonzero(rows)]
        return np.array(found, float)

    extents = [_extent_error_mm(masks[k], geometry, at.get(int(k))) for k in np.flatnonzero(settled)]
    areas = masks[settled].sum(axis=(1, 2)) * pixel_mm2
    return SpreadScores(
        settled_frames=int(settled.sum()),
        onset_delay_s=scores.onset_delay_s,
        onset_notice_delay_s=scores.onset_notice_delay_s,
        false_onsets=scores.false_onsets,
        no_spread_s=min(warned, default=None),
        raw=SpreadFrames(
            dice=scores.raw.dice[settled],
            hausdorff95_mm=scores.raw.hausdorff95_mm[settled],
            area_error_share=np.abs(scores.raw.area_error_mm2[settled]) / areas,
            extent_error_mm=np.array(extents, float),
            ring_error_deg=ring_errors(settled),
            young_ring_error_deg=ring_errors(young),
        ),
    )


def _warnings(result: GuidanceResult) -> tuple[str, ...]:
    return () if result.injectate is None else result.injectate.warnings


def _extent_error_mm(mask: NDArray[np.bool_], geometry: ImageGeometry, result: GuidanceResult | None) -> float:
    fluid = None if result is None else result.injectate
    if fluid is None or fluid.extent_mm is None:
        return math.inf
    return abs(fluid.extent_mm[0] - extent_along_mm(mask, geometry))


def _ring_error_deg(
    mask: NDArray[np.bool_], geometry: ImageGeometry, outline_mm: F64, result: GuidanceResult | None
) -> float:
    """Score what was reported of the ring; without fluid there is none, and nothing said of it is a ring of 0 degrees."""
    fluid = None if result is None else result.injectate
    around = None if fluid is None else fluid.around_target
    found = 0.0 if around is None or around.ring_deg is None else around.ring_deg
    return abs(found - ring_deg(mask, geometry, outline_mm))


@dataclass(frozen=True, slots=True)
class PooledSpreadScores:
    """Figures over the settled frames of many sequences, each an `Estimate` with its 95 % interval."""

    sequences: int
    settled_frames: int
    dice_median: Estimate
    dice_p5: Estimate
    hausdorff95_median_mm: Estimate
    hausdorff95_p95_mm: Estimate
    area_error_median_share: Estimate
    extent_error_median_mm: Estimate
    extent_error_p95_mm: Estimate
    ring_error_median_deg: Estimate
    ring_error_p95_deg: Estimate
    young_ring_error_median_deg: Estimate
    onset_delay_median_s: Estimate
    """Signed; a missed onset is infinite."""
    onset_delay_p95_s: Estimate
    onset_notice_delay_median_s: Estimate
    onset_notice_delay_p95_s: Estimate
    missed_onset_share: Estimate
    false_onset_sequences: int
    """Sequences with an onset where there was no fluid."""
    no_spread_share: Estimate
    """Sequences that were warned of."""


def pool_spread(scores: Sequence[SpreadScores], *, resamples: int = RESAMPLES, seed: int = 0) -> PooledSpreadScores:
    """Pool the scores of many sequences; parameters and errors as in `pool_needle`."""
    counts = resample_counts(len(scores), resamples=resamples, seed=seed)

    def quantile_of(name: str, q: float) -> Estimate:
        return estimate_quantile([getattr(s.raw, name) for s in scores], q, counts)

    def delay(name: str, q: float) -> Estimate:
        values = [getattr(s, name) for s in scores]
        return estimate_quantile([[] if v is None else [v] for v in values], q, counts)

    delays = [s.onset_delay_s for s in scores]
    return PooledSpreadScores(
        sequences=len(scores),
        settled_frames=sum(s.settled_frames for s in scores),
        dice_median=quantile_of("dice", 0.5),
        dice_p5=quantile_of("dice", 0.05),
        hausdorff95_median_mm=quantile_of("hausdorff95_mm", 0.5),
        hausdorff95_p95_mm=quantile_of("hausdorff95_mm", 0.95),
        area_error_median_share=quantile_of("area_error_share", 0.5),
        extent_error_median_mm=quantile_of("extent_error_mm", 0.5),
        extent_error_p95_mm=quantile_of("extent_error_mm", 0.95),
        ring_error_median_deg=quantile_of("ring_error_deg", 0.5),
        ring_error_p95_deg=quantile_of("ring_error_deg", 0.95),
        young_ring_error_median_deg=quantile_of("young_ring_error_deg", 0.5),
        onset_delay_median_s=delay("onset_delay_s", 0.5),
        onset_delay_p95_s=delay("onset_delay_s", 0.95),
        onset_notice_delay_median_s=delay("onset_notice_delay_s", 0.5),
        onset_notice_delay_p95_s=delay("onset_notice_delay_s", 0.95),
        missed_onset_share=estimate_ratio(
            [d is not None and math.isinf(d) for d in delays], [d is not None for d in delays], counts
        ),
        false_onset_sequences=sum(s.false_onsets > 0 for s in scores),
        no_spread_share=estimate_ratio([s.no_spread_s is not None for s in scores], [1] * len(scores), counts),
    )
