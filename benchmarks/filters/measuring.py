"""Times of two calls in turn, in one run, so that both see the same machine."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from comparisons import Call, Kind
from frames import Size


@dataclass(frozen=True, slots=True)
class Times:
    """Of one call, in ms; `n` repetitions after the warm ones."""

    median_ms: float
    p95_ms: float
    n: int


@dataclass(frozen=True, slots=True)
class Row:
    """One filter and one peer (or none) on one frame size."""

    filter: str
    size: Size
    threads: int
    ours: Times
    peer: str | None = None
    kind: Kind | None = None
    theirs: Times | None = None
    slow: bool = False
    agreement: float | None = None
    """Correlation of the two results, on a small frame."""
    others_cores: float | None = None
    """Cores that other processes took meanwhile."""

    @property
    def ratio(self) -> float | None:
        """The peer's median over ours: above 1, ours is faster."""
        return None if self.theirs is None else self.theirs.median_ms / self.ours.median_ms

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return {**asdict(self), "ratio": self.ratio}


def summary(seconds: Sequence[float]) -> Times:
    """Return median and p95 (of few repetitions: the slowest)."""
    ms = 1e3 * np.asarray(seconds)
    return Times(float(np.median(ms)), float(np.quantile(ms, 0.95, method="higher")), len(ms))


def in_turn(calls: Sequence[Call], repetitions: int, limit_s: float) -> list[Times]:
    """Call all in turn until each has `repetitions`, or all together took `limit_s`, but at least three times each.

    The order is turned round each time. Two calls of each come before, uncounted: the first compiles, the second warms.
    """
    for call in calls:
        call()
        call()
    seconds: list[list[float]] = [[] for _ in calls]
    pairs = list(zip(calls, seconds, strict=True))
    begin = time.perf_counter()
    for k in range(repetitions):
        for call, own in pairs if k % 2 == 0 else pairs[::-1]:
            own.append(_seconds(call))
        if k >= 2 and time.perf_counter() - begin > limit_s:
            break
    return [summary(own) for own in seconds]


def once(call: Call) -> Times:
    """Call a peer that takes seconds to minutes a single time, cold."""
    return summary([_seconds(call)])


def _seconds(call: Call) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
