"""`LiveEngine`: the newest frame of a live source through the pipeline and to every sink."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Self

from numpy.typing import ArrayLike

from usguide._threads import FIRST, prefer_this_thread
from usguide._validation import validate_positive
from usguide.errors import InputError
from usguide.live import actions
from usguide.live.actions import Action
from usguide.live.counting import Counts, EngineStatus
from usguide.live.frames import LiveSink, LiveSource, LiveUpdate
from usguide.live.newest import NewestSlot
from usguide.live.receiving import Received, Receiver
from usguide.live.recorder import Recorder
from usguide.live.sinks import SinkRunner, close_all
from usguide.live.stepping import Stepper
from usguide.pipeline import GuidancePipeline
from usguide.types import GuidanceResult

logger = logging.getLogger("usguide.live")

MAX_ACTIONS = 1000
"""Asked for and not applied yet; more is a program in a loop, not an operator."""
MAX_EVENTS = 20
"""Lines about the source that wait for the next result; the oldest go."""
GIVE_UP_AFTER = 20
"""So many steps in a row that end in an unexpected error are a bug that no reset helps."""
SOURCE_STOP_S = 6.0
"""How long a source may take to notice that it has to stop."""
STEP_STOP_S = 6.0
"""How long the step in hand may take."""
SINKS_STOP_S = 3.0
"""How long all sinks together may take to write what waits."""


class LiveEngine:
    """Takes frames in one thread, works on the newest in another, and feeds each sink from a thread of its own.

    Parameters
    ----------
    source : LiveSource
        Opened, read and closed by the engine alone from `start` on.
    pipeline : GuidancePipeline
        The engine's own until it has stopped.
    recorder : Recorder, optional
        Finished by whoever made it, after `stop`.
    stale_after_s : float
        Without a frame for this long the input is `STALE`: one result says so, without a needle.
    late_after_s : float
        A result whose frame is older than this when it is ready is marked late.
    """

    def __init__(
        self,
        source: LiveSource,
        pipeline: GuidancePipeline,
        *,
        recorder: Recorder | None = None,
        stale_after_s: float = 0.5,
        late_after_s: float = 0.25,
    ) -> None:
        self._source = source
        self._stepper = Stepper(pipeline)
        self._recorder = recorder
        self._stale_after_s = validate_positive(stale_after_s, name="stale_after_s")
        self._late_after_s = validate_positive(late_after_s, name="late_after_s")
        self._counts = Counts()
        self._slot: NewestSlot[Received] = NewestSlot(self._on_take, self._on_drop)
        self._receiver = Receiver(source, self._on_arrival, self._on_event, lambda: self._slot.close(keep=True))
        self._worker = threading.Thread(target=self._work, name="usguide-engine", daemon=True)
        self._lock = threading.Lock()
        self._actions: deque[Action] = deque()
        self._events: deque[str] = deque(maxlen=MAX_EVENTS)
        self._sinks: list[SinkRunner] = []
        self._last: Received | None = None
        self._stale = False
        self._started_s = 0.0
        self._utc_minus_monotonic_s = 0.0
        self._stopped = False
        self.error: Exception | None = None
        """What ended the engine, where that was not asked for."""

    # Running

    def add_sink(self, sink: LiveSink, *, name: str | None = None, max_waiting: int = 4) -> None:
        """Give every result to `sink` too; it is closed with the engine.

        Parameters
        ----------
        sink : LiveSink
        name : str, optional
            For logs and counts; by default its class.
        max_waiting : int
            Updates that may wait while the sink is slow; the oldest is dropped for a new one.
        """
        if max_waiting < 1:
            raise InputError(f"max_waiting: expected at least 1, got {max_waiting}")
        with self._lock:
            if self._stopped:
                raise InputError("add_sink: expected an engine that runs or will, got one that was stopped")
            self._sinks.append(SinkRunner(sink, name or type(sink).__name__, max_waiting))

    def start(self) -> None:
        """Begin; returns at once.

        Raises
        ------
        InputError
            It was started before: make a new one.
        """
        with self._lock:
            if self._started_s or self._stopped:
                raise InputError("start: expected a new engine, got one that was started before; make another")
            self._started_s = time.monotonic()
        self._utc_minus_monotonic_s = time.time() - self._started_s
        self._worker.start()
        self._receiver.start()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the source is at its end, or something ended the engine; False after the time."""
        if self._started_s:
            self._worker.join(timeout_s)
        return not self._worker.is_alive()

    def stop(self) -> bool:
        """Stop, write what waits, close the sinks; return whether all of them ended in time.

        The frame in hand is finished. May be called more than once.
        """
        with self._lock:
            first, self._stopped = not self._stopped, True
            sinks = list(self._sinks)
        if not first:
            return True
        clean = True
        self._receiver.ask_to_stop()
        self._slot.close(keep=False)
        if self._started_s:
            clean = self._receiver.join(SOURCE_STOP_S)
            self._worker.join(STEP_STOP_S)
        return close_all(sinks, SINKS_STOP_S) and clean and not self._worker.is_alive()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # The operator

    def set_target(
        self,
        target_mm: ArrayLike | None = None,
        *,
        radius_mm: float | None = None,
        outline_mm: ArrayLike | None = None,
    ) -> None:
        """Set, from the next frame on, what to guide to and to measure the spread around; nothing removes it.

        The arguments are those of `GuidancePipeline.set_target`.
        """
        self._ask(actions.set_target(target_mm, radius_mm=radius_mm, outline_mm=outline_mm))

    def set_keep_out(self, keep_out_mm: Mapping[str, ArrayLike]) -> None:
        """Set, from the next frame on, the outlines that injectate must not reach, by name."""
        self._ask(actions.set_keep_out(keep_out_mm))

    def seed(self, *, entry_mm: ArrayLike, tip_mm: ArrayLike) -> None:
        """Start a track, at the next frame, from a shaft that someone pointed out."""
        self._ask(actions.seed(entry_mm=entry_mm, tip_mm=tip_mm))

    def mark_injection(self, time_s: float | None = None) -> None:
        """Note when the plunger moved, in the stream's time; without a time, at the next frame."""
        self._ask(actions.mark_injection(time_s))

    def reset(self) -> None:
        """Forget needle, fluid and stream before the next frame; keep the target."""
        self._ask(actions.reset())

    def _ask(self, action: Action) -> None:
        with self._lock:
            if len(self._actions) >= MAX_ACTIONS:
                raise InputError(f"{action.name}: expected fewer than {MAX_ACTIONS} actions between two frames; wait")
            self._actions.append(action)

    # What it tells

    def status(self) -> EngineStatus:
        """Return counts and states of this moment."""
        counts, receiver, offset = self._counts.snapshot(), self._receiver, self._receiver.clock.offset_s
        rate_in, rate_out = self._counts.rates_hz()
        last = receiver.last_arrival_s
        with self._lock:
            sinks = tuple(s.status() for s in self._sinks)
        return EngineStatus(
            running=self._worker.is_alive(),
            source=self._source.name,
            lost_because=receiver.lost_because,
            seconds_since_frame=None if last is None else max(0.0, time.monotonic() - last),
            stale=self._silent_s() >= self._stale_after_s,
            received=counts.received,
            processed=counts.processed,
            dropped=counts.dropped,
            waiting=counts.waiting,
            dropped_by_source=self._source.dropped,
            invalid=counts.invalid,
            late=counts.late,
            restarts=receiver.restarts,
            rate_in_hz=rate_in,
            rate_out_hz=rate_out,
            clock_offset_s=None if offset is None else offset + self._utc_minus_monotonic_s,
            last=counts.last,
            sinks=sinks,
            error=None if self.error is None else f"{type(self.error).__name__}: {self.error}",
        )

    @property
    def counts(self) -> Counts:
        """States, and latency of each stage."""
        return self._counts

    # The receiving thread

    def _on_arrival(self, received: Received) -> None:
        self._counts.arrived()
        self._slot.put(received)

    def _on_event(self, text: str) -> None:
        with self._lock:
            self._events.append(text)

    def _on_drop(self, received: Received) -> None:
        self._counts.replaced()
        if self._recorder is not None:
            self._recorder.skipped(received)

    # The working thread

    def _on_take(self, received: Received) -> None:
        self._counts.took()
        if self._recorder is not None:
            self._recorder.taken(received)

    def _work(self) -> None:
        prefer_this_thread(FIRST)
        try:
            while True:
                received = self._slot.take(self._patience_s())
                if received is not None:
                    self._process(received)
                    if self._stepper.failures >= GIVE_UP_AFTER:
                        self.error = self._stepper.failure
                        return
                elif self._slot.closed:
                    return
                else:
                    self._look_whether_stale()
        except Exception as error:  # a bug of the engine's own: it must be told, not hidden in a thread
            logger.exception("the engine stopped")
            self.error = error
        finally:
            self._receiver.ask_to_stop()
            self._slot.close(keep=False)

    def _process(self, received: Received) -> None:
        taken_s = time.monotonic()
        self._stale, self._last = False, received
        for action in self._take_actions():
            at = action.at(received.stamp.time_s)
            refusal = self._stepper.apply(at)
            if self._recorder is not None:
                self._recorder.action(at, received.index, refusal)
        events = self._take_events()
        if self._recorder is not None:
            self._recorder.step(received, events)
        if received.frame is None:
            result = self._stepper.invalid(received.index, received.stamp.time_s, received.reason, events)
        else:
            result = self._stepper.step(received.frame, events)
        self._publish(received, result, taken_s)

    def _publish(self, received: Received, result: GuidanceResult, taken_s: float) -> None:
        now, transit_s = time.monotonic(), received.stamp.transit_s
        live = {
            "receive": received.handed_s - received.arrival_s,
            "wait": taken_s - received.handed_s,
            "end_to_end": now - received.arrival_s,
            **({} if transit_s is None else {"transit": transit_s}),
        }
        result = replace(result, latency_ms={**result.latency_ms, **{k: 1e3 * v for k, v in live.items()}})
        late = live["end_to_end"] + (transit_s or 0.0) > self._late_after_s
        transit_ms = None if transit_s is None else 1e3 * transit_s
        self._send(LiveUpdate(received.frame, result, late, received.arrival_s, transit_ms, received.source_time_s))

    def _send(self, update: LiveUpdate) -> None:
        self._counts.update(update)
        if self._recorder is not None:
            self._recorder.result(update)
        with self._lock:
            sinks: Sequence[SinkRunner] = tuple(self._sinks)
        for sink in sinks:
            sink.offer(update)

    def _look_whether_stale(self) -> None:
        last = self._last
        if self._stale or last is None or self._silent_s() < self._stale_after_s:
            return
        self._stale = True
        now, events = time.monotonic(), self._take_events()
        time_s = last.stamp.time_s + now - last.arrival_s
        logger.warning("%s: no frame for %.2g s", self._source.name, now - last.arrival_s)
        if self._recorder is not None:
            self._recorder.stale(last.index, time_s, events)
        self._send(LiveUpdate(None, self._stepper.stale(last.index, time_s, events), late=False, arrival_s=now))

    def _silent_s(self) -> float:
        last = self._receiver.last_arrival_s
        return time.monotonic() - (self._started_s if last is None else last) if self._started_s else 0.0

    def _patience_s(self) -> float:
        """Return how long to wait for a frame before the watchdog looks."""
        if self._stale or self._last is None:
            return self._stale_after_s
        return max(0.005, self._stale_after_s - self._silent_s())

    def _take_actions(self) -> list[Action]:
        with self._lock:
            taken = list(self._actions)
            self._actions.clear()
        return taken

    def _take_events(self) -> tuple[str, ...]:
        with self._lock:
            events = tuple(self._events)
            self._events.clear()
        return events
