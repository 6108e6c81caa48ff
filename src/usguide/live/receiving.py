"""The thread that takes pictures from a source, stamps them, and brings a lost source back."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from usguide._threads import BESIDE, prefer_this_thread
from usguide.errors import InputError
from usguide.io.source import reason_of
from usguide.live.clock import Stamp, StreamClock
from usguide.live.frames import EndOfStreamError, LiveFrame, LiveSource
from usguide.types import Frame

logger = logging.getLogger("usguide.live")

POLL_S = 0.1
"""A read waits no longer than this, so that a stop is soon noticed."""
BACK_OFF_S = (0.25, 8.0)
"""First and longest wait before a lost source is opened again; each is twice the one before."""


@dataclass(frozen=True, slots=True, eq=False)
class Received:
    """A picture that arrived, stamped and checked.

    Parameters
    ----------
    index : int
        Number of pictures that arrived before it.
    frame : Frame or None
        None where it can't be used; `reason` says why.
    stamp : Stamp
    arrival_s, handed_s : float
        Local monotonic clock: when the source had it complete, and when it was checked.
    source_time_s : float or None
    reason : str
    """

    index: int
    frame: Frame | None
    stamp: Stamp
    arrival_s: float
    handed_s: float
    source_time_s: float | None
    reason: str = ""


class Receiver:
    """Runs a source until it is at its end or told to stop.

    Parameters
    ----------
    source : LiveSource
    deliver : callable
        Takes each `Received`; must not wait for anything.
    on_event : callable
        Takes a line about the source: lost, back, its clock.
    on_end : callable
        Called once, when nothing comes any more.

    Attributes
    ----------
    clock : StreamClock
    received, restarts : int
    lost_because : str or None
        Why there is no connection now.
    last_arrival_s : float or None
    """

    def __init__(
        self,
        source: LiveSource,
        deliver: Callable[[Received], None],
        on_event: Callable[[str], None],
        on_end: Callable[[], None],
    ) -> None:
        self._source, self._deliver, self._on_event, self._on_end = source, deliver, on_event, on_end
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="usguide-receive", daemon=True)
        self.clock = StreamClock()
        self.received = self.restarts = 0
        self.lost_because: str | None = None
        self.last_arrival_s: float | None = None

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Return at once; see `join`."""
        self._stop.set()

    def join(self, timeout_s: float) -> bool:
        """Wait for the end; False where the source is stuck: its thread is left behind."""
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            logger.warning("%s did not stop in time and is left behind", self._source.name)
        return not self._thread.is_alive()

    def _run(self) -> None:
        prefer_this_thread(BESIDE)
        wait_s = BACK_OFF_S[0]
        try:
            while not self._stop.is_set():
                before = self.received
                try:
                    self._source.open()
                    self._read_on()
                except EndOfStreamError:
                    return
                except Exception as error:  # noqa: BLE001  (whatever a source raises, it is lost and tried again)
                    self._lost(error)
                finally:
                    self._close()
                wait_s = BACK_OFF_S[0] if self.received > before else wait_s
                self._stop.wait(wait_s)
                wait_s = min(2 * wait_s, BACK_OFF_S[1])
        finally:
            self._on_end()

    def _read_on(self) -> None:
        while not self._stop.is_set():
            live = self._source.read(POLL_S)
            if live is None:
                continue
            if self.lost_because is not None:
                self.restarts += 1
                self._say("the source is back")
                self.lost_because = None
            self._take(live)

    def _take(self, live: LiveFrame) -> None:
        index, self.received = self.received, self.received + 1
        now = time.monotonic()
        # A frame can't have arrived later than now: then the source used another clock than the local monotonic one.
        arrival_s = min(float(live.arrival_s), now) if math.isfinite(live.arrival_s) else now
        source_s = None if live.source_time_s is None else float(live.source_time_s)
        source_s = source_s if source_s is not None and math.isfinite(source_s) else None
        self.last_arrival_s = arrival_s
        stamp = self.clock.stamp(source_s, arrival_s)
        if stamp.event is not None:
            self._say(stamp.event)
        frame, reason = None, ""
        try:
            frame = Frame(
                live.pixels,
                live.geometry,
                stamp.time_s,
                index,
                region=live.region,
                full_scale=live.full_scale,
                transforms=live.transforms,
                status=live.status,
            )
        except InputError as error:
            reason = str(error)
        self._deliver(Received(index, frame, stamp, arrival_s, time.monotonic(), source_s, reason))

    def _lost(self, error: Exception) -> None:
        reason = reason_of(error)
        if self.lost_because is None:
            self._say(f"the source is lost: {reason}")
        self.lost_because = reason

    def _say(self, text: str) -> None:
        logger.warning("%s: %s", self._source.name, text)
        self._on_event(text)

    def _close(self) -> None:
        try:
            self._source.close()
        except Exception:
            logger.exception("%s: an error while it closed", self._source.name)
