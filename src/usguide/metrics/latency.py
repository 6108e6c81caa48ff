"""How long the pipeline took, by stage and in total."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from usguide.errors import InputError
from usguide.types import GuidanceResult


@dataclass(frozen=True, slots=True)
class LatencySummary:
    """Of one stage, in ms."""

    count: int
    mean: float
    p50: float
    p95: float
    p99: float
    max: float


def summarise_latency(latency_ms: ArrayLike) -> LatencySummary:
    """Summarise the times of one stage.

    Parameters
    ----------
    latency_ms : array_like, shape (N,)
        At least one, finite.

    Raises
    ------
    InputError
        None given, or one is not finite.
    """
    values = np.asarray(latency_ms, dtype=float).ravel()
    if values.size == 0 or not np.isfinite(values).all():
        raise InputError(f"latency_ms: expected at least one time and finite ones, got {values.size} values")
    p50, p95, p99 = (float(v) for v in np.percentile(values, [50, 95, 99]))
    return LatencySummary(int(values.size), float(values.mean()), p50, p95, p99, float(values.max()))


def score_latency(results: Sequence[GuidanceResult]) -> dict[str, LatencySummary]:
    """Summarise `GuidanceResult.latency_ms`, in ms.

    Parameters
    ----------
    results : sequence of GuidanceResult
        Of one run or of many; a stage is counted over the frames that it ran in.

    Returns
    -------
    dict of str to LatencySummary
        By stage, ``"total"`` included, in the order in which they first appear.
    """
    stages: dict[str, list[float]] = {}
    for r in results:
        for stage, ms in r.latency_ms.items():
            stages.setdefault(stage, []).append(ms)
    return {stage: summarise_latency(ms) for stage, ms in stages.items()}
