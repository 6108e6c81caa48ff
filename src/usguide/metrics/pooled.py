"""Scores of a whole suite: frames of all sequences pooled, intervals from a bootstrap over sequences."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from usguide.metrics.frames import NeedleFrames, relock_waits_s
from usguide.metrics.intervals import RESAMPLES, Estimate, estimate_quantile, estimate_ratio, resample_counts
from usguide.metrics.needle import NeedleScores
from usguide.metrics.summaries import ErrorSummary, summarise

LOCK_S = 0.5
RETURN_S = 0.3
Errors = Callable[[NeedleFrames], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class PooledNeedleScores:
    """Scores over many sequences, as in `NeedleScores`; an `Estimate` holds its 95 % interval."""

    sequences: int
    counted_sequences: int
    """With at least one counted frame."""
    frames: int
    counted_frames: int
    needle_free_frames: int
    hits: int
    false_alarms: int
    false_alarm_frames: int
    recall: Estimate
    precision: Estimate
    hit_rate_1_mm: Estimate
    hit_rate_2_mm: Estimate
    hit_rate_3_mm: Estimate
    good_share: Estimate
    """Of sequences with counted frames: tip within 3 mm in at least 95 % of them."""
    false_alarm_share: Estimate
    """Of needle-free frames."""
    false_alarms_per_min: Estimate
    """On needle-free footage whose duration is known."""
    tip_error_median_mm: Estimate
    """Over counted frames that are `TRACKING`, as the next ones, unless the name says all."""
    tip_error_p95_mm: Estimate
    tip_error_all_median_mm: Estimate
    """Over all counted frames, a miss being infinite."""
    tip_error_all_p95_mm: Estimate
    angle_error_median_deg: Estimate
    angle_error_p95_deg: Estimate
    perpendicular_error_median_mm: Estimate
    perpendicular_error_p95_mm: Estimate
    tip_error_mm: ErrorSummary
    tip_error_all_mm: ErrorSummary
    along_error_mm: ErrorSummary
    across_error_mm: ErrorSummary
    angle_error_deg: ErrorSummary
    angle_error_all_deg: ErrorSummary
    perpendicular_error_mm: ErrorSummary
    perpendicular_error_all_mm: ErrorSummary
    first_lock_s: ErrorSummary
    """Over sequences with counted frames; infinite where there was no hit."""
    relock_s: ErrorSummary
    """Over all waits of all sequences."""
    locked_in_time: Estimate
    """Of sequences in which 10 mm of shaft come to be in plane: first hit within 0.5 s of that."""
    returned_in_time: Estimate
    """Of sequences in which the needle comes back from out of plane: a hit within 0.3 s, each time."""


def pool_needle(scores: Sequence[NeedleScores], *, resamples: int = RESAMPLES, seed: int = 0) -> PooledNeedleScores:
    """Pool the scores of many sequences.

    Parameters
    ----------
    scores : sequence of NeedleScores
        One each sequence. Figures do not depend on their order; the draws behind the intervals do.
    resamples : int
        Of the bootstrap.
    seed : int
        Same seed and scores, same intervals.

    Returns
    -------
    PooledNeedleScores

    Raises
    ------
    InputError
        No resamples.
    """
    counts = resample_counts(len(scores), resamples=resamples, seed=seed)

    def ratio(top: Callable[[NeedleScores], float], bottom: Callable[[NeedleScores], float]) -> Estimate:
        return estimate_ratio([top(s) for s in scores], [bottom(s) for s in scores], counts)

    def of_counted(limit_mm: float) -> Estimate:
        return ratio(lambda s: s.raw.within(limit_mm).sum(), lambda s: s.counted_frames)

    def groups(errors: Errors, *, tracked: bool = False) -> list[NDArray[np.float64]]:
        return [errors(s.raw)[s.raw.tracking] if tracked else errors(s.raw) for s in scores]

    def summary(errors: Errors, *, tracked: bool = False, signed: bool = False) -> ErrorSummary:
        return summarise(np.concatenate([*groups(errors, tracked=tracked), np.empty(0)]), signed=signed)

    def at(q: float, errors: Errors, *, tracked: bool = True) -> Estimate:
        return estimate_quantile(groups(errors, tracked=tracked), q, counts)

    return PooledNeedleScores(
        sequences=len(scores),
        counted_sequences=sum(s.counted_frames > 0 for s in scores),
        frames=sum(s.frames for s in scores),
        counted_frames=sum(s.counted_frames for s in scores),
        needle_free_frames=sum(s.needle_free_frames for s in scores),
        hits=sum(s.hits for s in scores),
        false_alarms=sum(s.false_alarms for s in scores),
        false_alarm_frames=sum(s.false_alarm_frames for s in scores),
        recall=ratio(lambda s: s.hits, lambda s: s.counted_frames),
        precision=ratio(lambda s: s.hits, lambda s: s.judged_tracking_frames),
        hit_rate_1_mm=of_counted(1.0),
        hit_rate_2_mm=of_counted(2.0),
        hit_rate_3_mm=of_counted(3.0),
        good_share=ratio(lambda s: s.good is True, lambda s: s.counted_frames > 0),
        false_alarm_share=ratio(lambda s: s.false_alarm_frames, lambda s: s.needle_free_frames),
        false_alarms_per_min=ratio(
            lambda s: 60 * s.false_alarms if s.needle_free_s else 0.0, lambda s: s.needle_free_s or 0.0
        ),
        tip_error_median_mm=at(0.5, lambda f: f.tip_error_mm),
        tip_error_p95_mm=at(0.95, lambda f: f.tip_error_mm),
        tip_error_all_median_mm=at(0.5, lambda f: f.tip_error_mm, tracked=False),
        tip_error_all_p95_mm=at(0.95, lambda f: f.tip_error_mm, tracked=False),
        angle_error_median_deg=at(0.5, lambda f: f.angle_error_deg),
        angle_error_p95_deg=at(0.95, lambda f: f.angle_error_deg),
        perpendicular_error_median_mm=at(0.5, lambda f: f.perpendicular_error_mm),
        perpendicular_error_p95_mm=at(0.95, lambda f: f.perpendicular_error_mm),
        tip_error_mm=summary(lambda f: f.tip_error_mm, tracked=True),
        tip_error_all_mm=summary(lambda f: f.tip_error_mm),
        along_error_mm=summary(lambda f: f.along_error_mm, signed=True),
        across_error_mm=summary(lambda f: f.across_error_mm, signed=True),
        angle_error_deg=summary(lambda f: f.angle_error_deg, tracked=True),
        angle_error_all_deg=summary(lambda f: f.angle_error_deg),
        perpendicular_error_mm=summary(lambda f: f.perpendicular_error_mm, tracked=True),
        perpendicular_error_all_mm=summary(lambda f: f.perpendicular_error_mm),
        first_lock_s=summarise([_first_lock_s(s) for s in scores if s.counted_frames]),
        relock_s=summarise([wait for s in scores for wait in relock_waits_s(s.raw)]),
        locked_in_time=ratio(
            lambda s: s.long_lock_s is not None and s.long_lock_s <= LOCK_S, lambda s: s.long_lock_s is not None
        ),
        returned_in_time=ratio(
            lambda s: s.return_s.maximum is not None and s.return_s.maximum <= RETURN_S, lambda s: s.return_s.count > 0
        ),
    )


def _first_lock_s(scores: NeedleScores) -> float:
    """Infinite without a hit; NaN where a hit came but the times are unknown."""
    if scores.first_lock_s is not None:
        return scores.first_lock_s
    return math.nan if scores.hits else math.inf
