"""Scores of a segmenter of injectate, on one sequence and on many."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from usguide.errors import InputError
from usguide.geometry import ImageGeometry
from usguide.metrics._matching import frame_times, match_results
from usguide.metrics.intervals import RESAMPLES, Estimate, estimate_quantile, estimate_ratio, resample_counts
from usguide.metrics.masks import compare_masks
from usguide.metrics.plain import RAW
from usguide.metrics.summaries import ErrorSummary, quantile, summarise
from usguide.types import Frame, GuidanceResult

ONSET_MM2 = 1.0
_ROUNDING_S = 1e-6
"""Times are written to the microsecond."""


@dataclass(frozen=True, slots=True, eq=False)
class InjectateFrames:
    """A sequence frame by frame. Each array has shape (N,)."""

    fluid: NDArray[np.bool_]
    """Some in truth."""
    dice: NDArray[np.float64]
    hausdorff95_mm: NDArray[np.float64]
    mean_surface_distance_mm: NDArray[np.float64]
    area_error_mm2: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class InjectateScores:
    """Scores of one sequence; see `MaskErrors` for what is measured in a frame."""

    frames: int
    fluid_frames: int
    """With fluid in truth."""
    dice: ErrorSummary
    """Over frames with fluid in truth. Here small is bad: see `dice_p5`."""
    dice_p5: float | None
    """Under which the worst 5 % of these frames lie."""
    dice_all: ErrorSummary
    """Over all frames: 1 where truth and report are both empty."""
    hausdorff95_mm: ErrorSummary
    """Over frames with fluid in truth, in the report, or both; infinite where only one has it."""
    mean_surface_distance_mm: ErrorSummary
    """Over the same frames."""
    area_error_mm2: ErrorSummary
    """Signed, over all frames: positive is too much."""
    true_onset_s: float | None
    """First frame with 1 mm2 of fluid; None without such a frame."""
    onset_delay_s: float | None
    """First reported onset that is not false, after the true one (negative is early); infinite if it is missed."""
    onset_notice_delay_s: float | None
    """The same, but of the frame at which that onset was first reported: a segmenter may date it back."""
    missed_onset: bool | None
    """None without an onset in truth."""
    false_onsets: int
    """Distinct onsets reported that lie before any fluid in truth: all of them in a recording without fluid."""
    raw: InjectateFrames = field(repr=False, compare=False, metadata=RAW)
    """Frame by frame, for pooling."""


def score_injectate(
    masks: ArrayLike,
    results: Sequence[GuidanceResult],
    geometry: ImageGeometry,
    *,
    timestamps_s: ArrayLike | None = None,
) -> InjectateScores:
    """Score the injectate of one sequence.

    Parameters
    ----------
    masks : array_like of bool, shape (N, H, W)
        True fluid in the pixels of the frames.
    results : sequence of GuidanceResult
        Matched by `index`; a frame without a result, or a result without injectate, reports no fluid. Masks are compared
        in the frame's pixels (`Injectate.mask_on`).
    geometry : ImageGeometry
        Of the frames.
    timestamps_s : array_like, shape (N,), optional
        Of the frames; by default those of the results, evenly spaced over frames without one.

    Returns
    -------
    InjectateScores

    Raises
    ------
    InputError
        Masks of the wrong shape or type; a result whose index they do not have or that comes twice; no times for the
        onset.
    """
    truth = np.asarray(masks)
    if truth.ndim != 3 or truth.dtype != np.bool_:
        raise InputError(f"masks: expected bool (N, H, W), got {truth.dtype} {truth.shape}")
    n = len(truth)
    matched = match_results(results, n)
    times, _ = frame_times(matched, n, timestamps_s)
    area_mm2 = truth.sum(axis=(1, 2)) * (geometry.axial_mm_per_px * geometry.lateral_mm_per_px)
    grid = Frame(np.zeros(truth.shape[1:], dtype=np.uint8), geometry) if n else None
    errors = np.empty((n, 4))
    for k in range(n):
        result = matched.get(k)
        fluid = result.injectate if result is not None else None
        reported = np.zeros_like(truth[k]) if fluid is None or grid is None else fluid.mask_on(grid)
        e = compare_masks(
            truth[k],
            reported,
            axial_mm_per_px=geometry.axial_mm_per_px,
            lateral_mm_per_px=geometry.lateral_mm_per_px,
        )
        errors[k] = e.dice, e.hausdorff95_mm, e.mean_surface_distance_mm, e.area_error_mm2
    raw = InjectateFrames(area_mm2 > 0, *errors.T)
    onset_s = _first_time(times, area_mm2 >= ONSET_MM2 - 1e-9)  # a sum of pixels may fall a last bit short of 1 mm2
    fluid_s = _first_time(times, raw.fluid)
    earliest_s = math.inf if fluid_s is None else fluid_s - _ROUNDING_S
    reports = _onsets(matched)
    # Fluid that is there may be seen before it reaches 1 mm2: that is early, not false.
    rightful = {} if onset_s is None else {t: at for t, at in reports.items() if t >= earliest_s}
    first = min(rightful, key=lambda t: rightful[t]) if rightful else None
    return InjectateScores(
        frames=n,
        fluid_frames=int(raw.fluid.sum()),
        dice=summarise(raw.dice[raw.fluid]),
        dice_p5=quantile(raw.dice[raw.fluid], 0.05) if raw.fluid.any() else None,
        dice_all=summarise(raw.dice),
        hausdorff95_mm=summarise(raw.hausdorff95_mm),
        mean_surface_distance_mm=summarise(raw.mean_surface_distance_mm),
        area_error_mm2=summarise(raw.area_error_mm2, signed=True),
        true_onset_s=onset_s,
        onset_delay_s=None if onset_s is None else math.inf if first is None else first - onset_s,
        onset_notice_delay_s=None if onset_s is None else math.inf if first is None else rightful[first] - onset_s,
        missed_onset=None if onset_s is None else first is None,
        false_onsets=sum(t < earliest_s for t in reports),
        raw=raw,
    )


def _first_time(times: NDArray[np.float64], flags: NDArray[np.bool_]) -> float | None:
    """Return the time of the first true flag."""
    found = np.flatnonzero(flags)
    if found.size == 0:
        return None
    if np.isnan(times[found[0]]):
        raise InputError("timestamps_s: expected the frames' times, which the results do not tell; pass them")
    return float(times[found[0]])


def _onsets(matched: dict[int, GuidanceResult]) -> dict[float, float]:
    """Distinct onsets in the order in which they were reported, each with the time of the result that first did."""
    found: dict[float, float] = {}
    for _, r in sorted(matched.items()):
        if r.injectate is not None and r.injectate.onset_s is not None:
            found.setdefault(r.injectate.onset_s, r.timestamp_s)
    return found


@dataclass(frozen=True, slots=True)
class PooledInjectateScores:
    """Scores over many sequences, as in `InjectateScores`; an `Estimate` holds its 95 % interval."""

    sequences: int
    onset_sequences: int
    """With an onset in truth."""
    frames: int
    fluid_frames: int
    dice_mean: Estimate
    dice_median: Estimate
    dice_p5: Estimate
    hausdorff95_median_mm: Estimate
    hausdorff95_p95_mm: Estimate
    mean_surface_distance_median_mm: Estimate
    mean_surface_distance_p95_mm: Estimate
    missed_onset_share: Estimate
    """Of sequences with an onset in truth."""
    false_onsets_per_sequence: Estimate
    onset_delay_median_s: Estimate
    """Signed; a missed onset is infinite."""
    dice: ErrorSummary
    dice_all: ErrorSummary
    hausdorff95_mm: ErrorSummary
    mean_surface_distance_mm: ErrorSummary
    area_error_mm2: ErrorSummary
    onset_delay_s: ErrorSummary
    onset_notice_delay_s: ErrorSummary


def pool_injectate(
    scores: Sequence[InjectateScores], *, resamples: int = RESAMPLES, seed: int = 0
) -> PooledInjectateScores:
    """Pool the scores of many sequences; parameters and errors as in `pool_needle`."""
    counts = resample_counts(len(scores), resamples=resamples, seed=seed)
    dice = [s.raw.dice[s.raw.fluid] for s in scores]
    hausdorff = [s.raw.hausdorff95_mm for s in scores]
    surface = [s.raw.mean_surface_distance_mm for s in scores]
    delays = [[] if s.onset_delay_s is None else [s.onset_delay_s] for s in scores]

    def pooled(groups: Sequence[ArrayLike], *, signed: bool = False) -> ErrorSummary:
        return summarise(np.concatenate([*(np.asarray(g, dtype=float) for g in groups), np.empty(0)]), signed=signed)

    return PooledInjectateScores(
        sequences=len(scores),
        onset_sequences=sum(s.true_onset_s is not None for s in scores),
        frames=sum(s.frames for s in scores),
        fluid_frames=sum(s.fluid_frames for s in scores),
        dice_mean=estimate_ratio([d.sum() for d in dice], [d.size for d in dice], counts),
        dice_median=estimate_quantile(dice, 0.5, counts),
        dice_p5=estimate_quantile(dice, 0.05, counts),
        hausdorff95_median_mm=estimate_quantile(hausdorff, 0.5, counts),
        hausdorff95_p95_mm=estimate_quantile(hausdorff, 0.95, counts),
        mean_surface_distance_median_mm=estimate_quantile(surface, 0.5, counts),
        mean_surface_distance_p95_mm=estimate_quantile(surface, 0.95, counts),
        missed_onset_share=estimate_ratio(
            [s.missed_onset is True for s in scores], [s.true_onset_s is not None for s in scores], counts
        ),
        false_onsets_per_sequence=estimate_ratio([s.false_onsets for s in scores], [1] * len(scores), counts),
        onset_delay_median_s=estimate_quantile(delays, 0.5, counts),
        dice=pooled(dice),
        dice_all=pooled([s.raw.dice for s in scores]),
        hausdorff95_mm=pooled(hausdorff),
        mean_surface_distance_mm=pooled(surface),
        area_error_mm2=pooled([s.raw.area_error_mm2 for s in scores], signed=True),
        onset_delay_s=pooled(delays, signed=True),
        onset_notice_delay_s=pooled(
            [[] if s.onset_notice_delay_s is None else [s.onset_notice_delay_s] for s in scores], signed=True
        ),
    )
