"""Scores of a needle tracker against truth: the same everywhere, and no miss is dropped.

A frame counts when at least 5 mm of shaft is in plane. A hit is `TRACKING` with the tip within 3 mm. Recall is hits
over counted frames. Precision is hits over `TRACKING` frames, needle-free ones included, frames with some but under
5 mm of shaft left out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from usguide.errors import InputError
from usguide.types import GuidanceResult, TrackState

HIT_MM = 3.0
COUNTED_MM = 5.0


class NeedleTruth(Protocol):
    """Truth a row each frame (see `usguide.phantoms.PhantomTruth`)."""

    @property
    def tip_mm(self) -> NDArray[np.float64]:
        """(N, 2), NaN without a needle."""
        ...

    @property
    def visible_mm(self) -> NDArray[np.float64]:
        """(N,), 0 without a needle."""
        ...

    @property
    def angle_deg(self) -> NDArray[np.float64]:
        """(N,)."""
        ...


@dataclass(frozen=True, slots=True)
class ErrorSummary:
    """Distribution of an error; a miss is infinite, None where there is nothing to summarise."""

    count: int
    mean: float | None
    sd: float | None
    median: float | None
    p95: float | None
    maximum: float | None


@dataclass(frozen=True, slots=True)
class NeedleScores:
    """Scores of one sequence."""

    frames: int
    counted_frames: int
    """With at least 5 mm of shaft."""
    needle_free_frames: int
    hits: int
    recall: float | None
    precision: float | None
    false_alarm_frames: int
    """`TRACKING` in needle-free frames."""
    tip_error_mm: ErrorSummary
    """Over counted frames that are `TRACKING`."""
    tip_error_all_mm: ErrorSummary
    """Over all counted frames; a frame without `TRACKING` is infinite."""
    along_error_mm: ErrorSummary
    """Signed, along the true shaft: positive is too deep."""
    across_error_mm: ErrorSummary
    """Signed, across the true shaft."""
    angle_error_deg: ErrorSummary
    first_lock_s: float | None
    """From the first counted frame to the first hit."""


def summarise(errors: Sequence[float], *, signed: bool = False) -> ErrorSummary:
    """Summarise errors; `p95` and `maximum` are of their magnitude. NaN (unknown) is left out, infinity (a miss) is not."""
    values = np.asarray(errors, dtype=float)
    values = values[~np.isnan(values)]  # what the truth can't tell; a miss is infinite, and stays
    if values.size == 0:
        return ErrorSummary(0, None, None, None, None, None)
    size = np.abs(values)
    finite = bool(np.isfinite(values).all())
    # A percentile between a finite and an infinite value is infinite: take the higher neighbour.
    return ErrorSummary(
        int(values.size),
        float(values.mean()) if finite else math.inf,
        float(values.std(ddof=1)) if finite and values.size > 1 else None,
        float(np.percentile(values if signed else size, 50, method="higher" if not finite else "linear")),
        float(np.percentile(size, 95, method="higher" if not finite else "linear")),
        float(size.max()),
    )


def score_needle(truth: NeedleTruth, results: Sequence[GuidanceResult]) -> NeedleScores:
    """Score the results of one sequence.

    Parameters
    ----------
    truth : NeedleTruth
        A row for each frame of the sequence.
    results : sequence of GuidanceResult
        Matched by `index`; frames without a result count as missed.

    Raises
    ------
    InputError
        A result whose index the truth does not have.
    """
    n = len(truth.visible_mm)
    by_index: dict[int, GuidanceResult] = {}
    for r in results:
        if not 0 <= r.index < n:
            raise InputError(f"results: expected indices 0 to {n - 1}, got {r.index}")
        by_index[r.index] = r
    hits = false_alarms = tracking_judged = 0
    every, errors, along, across, angles = [], [], [], [], []
    start_s = first_s = None
    for k in range(n):
        result = by_index.get(k)
        tracking = result is not None and result.state is TrackState.TRACKING and result.track is not None
        visible = float(truth.visible_mm[k])
        if visible <= 0:
            false_alarms += tracking
            tracking_judged += tracking
            continue
        if visible < COUNTED_MM:
            continue
        start_s = result.timestamp_s if start_s is None and result is not None else start_s
        if result is None or result.track is None or not tracking:
            every.append(math.inf)
            continue
        tracking_judged += 1
        error, forward, sideways = _tip_errors(truth, k, result.track.tip.position_mm)
        every.append(error)
        errors.append(error)
        along.append(forward)
        across.append(sideways)
        angles.append(abs(result.track.shaft.angle_deg - float(truth.angle_deg[k])))
        if error <= HIT_MM:
            hits += 1
            first_s = result.timestamp_s if first_s is None else first_s
    return NeedleScores(
        frames=n,
        counted_frames=len(every),
        needle_free_frames=int(np.count_nonzero(np.asarray(truth.visible_mm) <= 0)),
        hits=hits,
        recall=hits / len(every) if every else None,
        precision=hits / tracking_judged if tracking_judged else None,
        false_alarm_frames=false_alarms,
        tip_error_mm=summarise(errors),
        tip_error_all_mm=summarise(every),
        along_error_mm=summarise(along, signed=True),
        across_error_mm=summarise(across, signed=True),
        angle_error_deg=summarise(angles),
        first_lock_s=None if first_s is None or start_s is None else first_s - start_s,
    )


def _tip_errors(truth: Any, k: int, tip_mm: tuple[float, float]) -> tuple[float, float, float]:
    """Distance of a tip from the true one, and its parts along and across the true shaft."""
    d = np.asarray(tip_mm) - truth.tip_mm[k]
    entry = getattr(truth, "entry_mm", None)
    if entry is None or not np.isfinite(entry[k]).all():
        return float(np.hypot(d[0], d[1])), math.nan, math.nan
    u = truth.tip_mm[k] - entry[k]
    u = u / np.hypot(u[0], u[1])
    return float(np.hypot(d[0], d[1])), float(d @ u), float(u[0] * d[1] - u[1] * d[0])
