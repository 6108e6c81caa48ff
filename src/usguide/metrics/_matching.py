"""Which result belongs to which frame, when each frame was, and runs of frames."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from usguide.errors import InputError
from usguide.types import GuidanceResult


def match_results(results: Sequence[GuidanceResult], frames: int) -> dict[int, GuidanceResult]:
    """Return the results by frame index; `InputError` for an index that is not there or comes twice."""
    found: dict[int, GuidanceResult] = {}
    for r in results:
        if not 0 <= r.index < frames:
            raise InputError(f"results: expected indices 0 to {frames - 1}, got {r.index}")
        if r.index in found:
            raise InputError(f"results: expected one result a frame, got two of index {r.index}; score runs one by one")
        found[r.index] = r
    return found


def frame_times(
    results: dict[int, GuidanceResult], frames: int, timestamps_s: ArrayLike | None
) -> tuple[NDArray[np.float64], float | None]:
    """Time of each frame in seconds, and the median interval.

    Without `timestamps_s` they are those of the results; frames without one lie evenly between their neighbours, and one
    median interval apart before the first and after the last. Unknown times are NaN, an unknown interval is None.
    """
    if timestamps_s is not None:
        given = np.asarray(timestamps_s, dtype=float)
        if given.ndim != 1 or len(given) < frames or not np.isfinite(given).all():
            raise InputError(f"timestamps_s: expected {frames} finite times, one a frame, got shape {given.shape}")
        times = given[:frames]
        return times, _positive(float(np.median(np.diff(times))) if frames > 1 else math.nan)
    index = np.array(sorted(results), dtype=float)
    known = np.array([results[int(k)].timestamp_s for k in index], dtype=float)
    every = np.arange(frames, dtype=float)
    if len(index) < 2:
        return np.where(np.isin(every, index), known[0] if len(known) else math.nan, math.nan), None
    interval = float(np.median(np.diff(known) / np.diff(index)))
    times = np.interp(every, index, known)
    times += interval * (np.minimum(every - index[0], 0) + np.maximum(every - index[-1], 0))
    return times, _positive(interval)


def _positive(interval: float) -> float | None:
    return interval if interval > 0 else None


def runs(flags: ArrayLike) -> list[tuple[int, int]]:
    """First index and one past the last of each run of true values."""
    steps = np.diff(np.concatenate([[0], np.asarray(flags, dtype=np.int8), [0]]))
    return list(zip(np.flatnonzero(steps == 1).tolist(), np.flatnonzero(steps == -1).tolist(), strict=True))
