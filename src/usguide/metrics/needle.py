"""Scores of a needle tracker on one sequence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from usguide.metrics._matching import runs
from usguide.metrics.frames import NeedleFrames, NeedleTruth, judge_frames, long_lock_s, relock_waits_s, return_waits_s
from usguide.metrics.plain import RAW
from usguide.metrics.summaries import ErrorSummary, summarise
from usguide.types import GuidanceResult

GOOD_PERCENT = 95


@dataclass(frozen=True, slots=True)
class NeedleScores:
    """Scores of one sequence; shares are 0..1, None where there is nothing to take a share of."""

    frames: int
    counted_frames: int
    """With at least 5 mm of shaft in plane."""
    needle_free_frames: int
    hits: int
    """Counted frames that are `TRACKING` with the tip within 3 mm."""
    recall: float | None
    """Hits over counted frames: the hit rate at 3 mm."""
    precision: float | None
    """Hits over `TRACKING` frames, needle-free ones included, unjudged ones (some but under 5 mm of shaft) left out."""
    false_alarm_frames: int
    """`TRACKING` in needle-free frames."""
    tip_error_mm: ErrorSummary
    """Over counted frames that are `TRACKING`."""
    tip_error_all_mm: ErrorSummary
    """Over all counted frames; a frame without `TRACKING` is infinite."""
    along_error_mm: ErrorSummary
    """Signed, along the true shaft at its tip: positive is too far."""
    across_error_mm: ErrorSummary
    """Signed, across the true shaft at its tip: positive is too deep (of an exactly vertical shaft: to the left)."""
    angle_error_deg: ErrorSummary
    """Between the reported and the true chord, 0..180; of insertion angles where the truth has no entry."""
    first_lock_s: float | None
    """From the first counted frame to the first hit; None if there is none, or the time is unknown."""
    hit_rate_1_mm: float | None
    """Share of counted frames that are `TRACKING` with the tip within 1 mm."""
    hit_rate_2_mm: float | None
    hit_rate_3_mm: float | None
    good: bool | None
    """Tip within 3 mm in at least 95 % of counted frames, a miss being infinitely far: recall of 0.95 and more."""
    angle_error_all_deg: ErrorSummary
    """Over all counted frames; a frame without `TRACKING` is infinite."""
    perpendicular_error_mm: ErrorSummary
    """Mean distance from the true visible shaft's points to the reported shaft's line, over `TRACKING` frames."""
    perpendicular_error_all_mm: ErrorSummary
    """Over all counted frames; a frame without `TRACKING` is infinite."""
    false_alarms: int
    """Runs of consecutive `TRACKING` frames without a needle: each is one."""
    false_alarm_share: float | None
    """Of needle-free frames."""
    needle_free_s: float | None
    """Needle-free frames times the median interval; None if that is unknown."""
    false_alarms_per_min: float | None
    """On needle-free footage."""
    relock_s: ErrorSummary
    """Waits for the lock to come back (see `relock_waits_s`); infinite where it did not."""
    long_lock_s: float | None
    """From the first frame with 10 mm of shaft in plane to the first hit, 0 where the hit came before; infinite without
    a hit; None where the shaft never gets so long, or the time is unknown."""
    return_s: ErrorSummary
    """Waits for the lock once the needle is back in plane (see `return_waits_s`); infinite where it did not come."""
    judged_tracking_frames: int
    """Counted or needle-free frames that are `TRACKING`: what precision is a share of."""
    raw: NeedleFrames = field(repr=False, compare=False, metadata=RAW)
    """Frame by frame, for pooling."""


def score_needle(
    truth: NeedleTruth,
    results: Sequence[GuidanceResult],
    *,
    timestamps_s: ArrayLike | None = None,
    frames: int | None = None,
) -> NeedleScores:
    """Score the results of one sequence.

    A frame counts when at least 5 mm of shaft is in plane. Frames with some but less shaft, or whose truth is unknown
    (NaN), are not judged.

    Parameters
    ----------
    truth : NeedleTruth
        A row for each frame of the sequence.
    results : sequence of GuidanceResult
        Matched by `index`; frames without a result count as missed.
    timestamps_s : array_like, shape (N,), optional
        Of the frames; by default those of the results, evenly spaced over frames without one.
    frames : int, optional
        Score the first so many frames only, as of a run that was stopped.

    Returns
    -------
    NeedleScores

    Raises
    ------
    InputError
        A result whose index the truth does not have or that comes twice; truth or times of the wrong shape.
    """
    raw = judge_frames(truth, results, timestamps_s=timestamps_s, frames=frames)
    counted, free = int(raw.counted.sum()), int(raw.needle_free.sum())
    tracked = raw.counted & raw.tracking
    alarm = raw.needle_free & raw.tracking
    judged = int(tracked.sum() + alarm.sum())
    within = {mm: int(raw.within(mm).sum()) for mm in (1.0, 2.0, 3.0)}
    hits = within[3.0]
    alarms = len(runs(alarm))
    free_s = None if raw.interval_s is None else free * raw.interval_s
    first = {name: np.flatnonzero(flags)[:1] for name, flags in (("counted", raw.counted), ("hit", raw.hit))}
    lock = raw.time_s[first["hit"]] - raw.time_s[first["counted"]] if hits else np.empty(0)
    return NeedleScores(
        frames=len(raw.counted),
        counted_frames=counted,
        needle_free_frames=free,
        hits=hits,
        recall=share(hits, counted),
        precision=share(hits, judged),
        false_alarm_frames=int(alarm.sum()),
        tip_error_mm=summarise(raw.tip_error_mm[tracked]),
        tip_error_all_mm=summarise(raw.tip_error_mm),
        along_error_mm=summarise(raw.along_error_mm, signed=True),
        across_error_mm=summarise(raw.across_error_mm, signed=True),
        angle_error_deg=summarise(raw.angle_error_deg[tracked]),
        first_lock_s=float(lock[0]) if lock.size and np.isfinite(lock[0]) else None,
        hit_rate_1_mm=share(within[1.0], counted),
        hit_rate_2_mm=share(within[2.0], counted),
        hit_rate_3_mm=share(hits, counted),
        good=100 * hits >= GOOD_PERCENT * counted if counted else None,
        angle_error_all_deg=summarise(raw.angle_error_deg),
        perpendicular_error_mm=summarise(raw.perpendicular_error_mm[tracked]),
        perpendicular_error_all_mm=summarise(raw.perpendicular_error_mm),
        false_alarms=alarms,
        false_alarm_share=share(int(alarm.sum()), free),
        needle_free_s=free_s,
        false_alarms_per_min=60 * alarms / free_s if free_s else None,
        relock_s=summarise(relock_waits_s(raw)),
        long_lock_s=None if math.isnan(wait := long_lock_s(raw)) else wait,
        return_s=summarise(return_waits_s(raw)),
        judged_tracking_frames=judged,
        raw=raw,
    )


def share(part: float, whole: float) -> float | None:
    """Part over whole; None of nothing."""
    return part / whole if whole else None
