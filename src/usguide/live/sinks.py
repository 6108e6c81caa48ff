"""A thread and a short queue for each sink, so that none can hold up the engine or another."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass

from usguide._threads import BESIDE, prefer_this_thread
from usguide.io.sinks import Sink
from usguide.live.frames import LiveSink, LiveUpdate

logger = logging.getLogger("usguide.live")

DEAD_AFTER = 10
"""A sink that raises so many times in a row is given up."""


@dataclass(frozen=True, slots=True)
class SinkStatus:
    """How a sink is doing."""

    name: str
    written: int
    dropped: int
    """Updates it missed because it was slow, or dead."""
    errors: int
    alive: bool


class FrameSink:
    """A `usguide.io.sinks.Sink` as a live one; updates without a frame have no place there.

    Parameters
    ----------
    sink : Sink
    """

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def write(self, update: LiveUpdate) -> None:
        """Hand on frame and result."""
        if update.frame is not None:
            self._sink.write(update.frame, update.result)

    def close(self) -> None:
        """Close the sink."""
        self._sink.close()


class SinkRunner:
    """Runs one sink.

    Parameters
    ----------
    sink : LiveSink
    name : str
    max_waiting : int
        Updates that may wait; the oldest is dropped for a new one.
    """

    def __init__(self, sink: LiveSink, name: str, max_waiting: int) -> None:
        self.name = name
        self._sink = sink
        self._waiting: deque[LiveUpdate] = deque()
        self._max_waiting = max_waiting
        self._changed = threading.Condition()
        self._written = self._dropped = self._errors = 0
        self._closed = self._dead = False
        self._thread = threading.Thread(target=self._run, name=f"usguide-sink-{name}", daemon=True)
        self._thread.start()

    def offer(self, update: LiveUpdate) -> None:
        """Queue an update; returns at once."""
        with self._changed:
            if self._dead or self._closed:
                self._dropped += 1
                return
            if len(self._waiting) >= self._max_waiting:
                self._waiting.popleft()
                self._dropped += 1
            self._waiting.append(update)
            self._changed.notify()

    def status(self) -> SinkStatus:
        """Return counts."""
        with self._changed:
            return SinkStatus(self.name, self._written, self._dropped, self._errors, alive=not self._dead)

    def close(self) -> None:
        """Let it write what waits and end; returns at once, see `join`."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def join(self, timeout_s: float) -> bool:
        """Wait for the end; False where the sink is stuck: its thread is left behind."""
        if self._thread is threading.current_thread():  # a sink that stops the engine: it ends after this call
            return True
        self._thread.join(max(0.0, timeout_s))
        if self._thread.is_alive():
            logger.warning("sink %s did not end in time and is left behind", self.name)
            with self._changed:
                self._dead = True
                self._dropped += len(self._waiting)
                self._waiting.clear()
        return not self._thread.is_alive()

    def _run(self) -> None:
        prefer_this_thread(BESIDE)
        in_a_row = 0
        while (update := self._next()) is not None:
            try:
                self._sink.write(update)
            except Exception as error:  # noqa: BLE001  (whatever a sink raises is its own affair)
                in_a_row += 1
                self._fault(error, give_up=in_a_row >= DEAD_AFTER, first=in_a_row == 1)
            else:
                in_a_row = 0
                with self._changed:
                    self._written += 1
        try:
            self._sink.close()
        except Exception:
            logger.exception("sink %s: an error while it closed", self.name)

    def _next(self) -> LiveUpdate | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed or self._dead)
            return self._waiting.popleft() if self._waiting and not self._dead else None

    def _fault(self, error: Exception, *, give_up: bool, first: bool) -> None:
        if first:  # a sink that fails at every frame would fill the log with one complaint
            logger.error("sink %s: %s: %s", self.name, type(error).__name__, error, exc_info=error)
        with self._changed:
            self._errors += 1
            self._dropped += 1
            if give_up:
                logger.error("sink %s is given up after %d errors in a row", self.name, DEAD_AFTER)
                self._dead = True
                self._dropped += len(self._waiting)
                self._waiting.clear()


def close_all(runners: list[SinkRunner], timeout_s: float) -> bool:
    """Close every sink; together they get `timeout_s` to write what waits. False where one is left behind."""
    for runner in runners:
        runner.close()
    deadline = time.monotonic() + timeout_s
    ended = [runner.join(deadline - time.monotonic()) for runner in runners]
    return all(ended)
