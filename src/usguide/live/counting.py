"""What the engine counts, and how it tells."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from usguide.io.sinks.summary import latency
from usguide.live.frames import LiveUpdate
from usguide.live.sinks import SinkStatus

MAX_LATENCIES = 2_000
"""The newest ones: memory stays flat however long a stream runs."""
RATE_WINDOW_S = 2.0
RECENT = 200


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """The engine at one moment. Rates are those of the last 2 s.

    ``received = processed + dropped + waiting`` at every moment; `late` and `invalid` are among the processed.
    """

    running: bool
    source: str
    lost_because: str | None
    """Why there is no connection now; None where there is one."""
    seconds_since_frame: float | None
    stale: bool
    received: int
    processed: int
    dropped: int
    """Replaced by a newer one before their turn."""
    waiting: int
    dropped_by_source: int
    invalid: int
    late: int
    restarts: int
    rate_in_hz: float
    rate_out_hz: float
    clock_offset_s: float | None
    """Local clock (UTC, as it was when the engine started) minus the source's clock, by the quickest frame of late."""
    last: LiveUpdate | None
    sinks: tuple[SinkStatus, ...] = ()
    error: str | None = None


class Counts:
    """Counts that two threads add to and others read."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._in: deque[float] = deque(maxlen=1000)
        self._out: deque[float] = deque(maxlen=1000)
        self._latency: dict[str, deque[float]] = {}
        self.states: Counter[str] = Counter()
        self.input_states: Counter[str] = Counter()
        self.received = self.dropped = self.taken = self.late = 0
        self.last: LiveUpdate | None = None

    def arrived(self) -> None:
        """Count a picture that came in."""
        with self._lock:
            self.received += 1
            self._in.append(time.monotonic())

    def replaced(self) -> None:
        """Count a picture that a newer one replaced."""
        with self._lock:
            self.dropped += 1

    def took(self) -> None:
        """Count a picture that was taken to be processed."""
        with self._lock:
            self.taken += 1

    def update(self, update: LiveUpdate) -> None:
        """Count a result."""
        with self._lock:
            self.last = update
            self.states[str(update.result.state)] += 1
            self.input_states[str(update.result.input_state)] += 1
            self.late += update.late
            if update.result.latency_ms:
                self._out.append(time.monotonic())
            for stage, ms in update.result.latency_ms.items():
                self._latency.setdefault(stage, deque(maxlen=MAX_LATENCIES)).append(ms)

    def rates_hz(self) -> tuple[float, float]:
        """Return frames in and results out per second."""
        now = time.monotonic()
        with self._lock:
            return _rate_hz(self._in, now), _rate_hz(self._out, now)

    def recent_ms(self, stage: str) -> tuple[float, float] | None:
        """Return median and p95 of a stage over the last 200 results; None before the first."""
        with self._lock:
            values = self._latency.get(stage)
            newest = list(itertools.islice(reversed(values), RECENT)) if values else []
        if not newest:
            return None
        median, high = np.percentile(newest, [50, 95])
        return float(median), float(high)

    def snapshot(self) -> Snapshot:
        """Return all that is counted at one moment."""
        with self._lock:
            waiting = self.received - self.dropped - self.taken
            return Snapshot(
                self.received,
                self.taken,
                self.dropped,
                waiting,
                self.input_states["INVALID"],
                self.late,
                dict(self.states),
                dict(self.input_states),
                self.last,
            )

    def latency_ms(self) -> dict[str, dict[str, float]]:
        """Return count, mean, median, p95, p99 and maximum of each stage."""
        with self._lock:
            values = {stage: list(ms) for stage, ms in self._latency.items()}
        return {stage: latency(ms) for stage, ms in values.items()}


def _rate_hz(times_s: deque[float], now_s: float) -> float:
    if not times_s:
        return 0.0
    span_s = min(RATE_WINDOW_S, now_s - times_s[0])  # shorter for a stream that has just begun
    return sum(t > now_s - span_s for t in times_s) / span_s if span_s > 0.1 else 0.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Counts at one moment."""

    received: int
    processed: int
    dropped: int
    waiting: int
    invalid: int
    late: int
    states: Mapping[str, int] = field(default_factory=dict)
    input_states: Mapping[str, int] = field(default_factory=dict)
    last: LiveUpdate | None = None


def plain_status(status: EngineStatus) -> dict[str, Any]:
    """Return the counts of a status as plain values for JSON."""
    return {
        "source": status.source,
        "received": status.received,
        "processed": status.processed,
        "dropped": status.dropped,
        "dropped_by_source": status.dropped_by_source,
        "invalid": status.invalid,
        "late": status.late,
        "restarts": status.restarts,
        "clock_offset_s": status.clock_offset_s,
        "sinks": [
            {"name": s.name, "written": s.written, "dropped": s.dropped, "errors": s.errors, "alive": s.alive}
            for s in status.sinks
        ],
        "error": status.error,
    }
