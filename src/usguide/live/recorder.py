"""Writes a recording beside a running engine, which never waits for it."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from usguide.guide_line import GuideLine
from usguide.io.sinks.summary import versions
from usguide.io.source import reason_of
from usguide.live.actions import Action
from usguide.live.frames import LiveUpdate
from usguide.live.receiving import Received
from usguide.live.recording import RecordingFolder, RecordingWriter
from usguide.pipeline import GuidancePipeline

logger = logging.getLogger("usguide.live")

MAX_WAITING_BYTES = 256 << 20
"""Pixels that may wait for a slow disk: 14 s of 640 x 480 at 60 frames/s."""


class Recorder:
    """A queue, and a thread that writes what is in it.

    A recording holds all that happened up to a moment, or it could not be replayed: where the disk fails, or is too slow
    for longer than the queue holds, recording ends there, says so (`stopped_because`), and the engine goes on. Frames
    that were not processed are left out first.

    Parameters
    ----------
    target : Path
        New or empty folder; it is there when `finish` has moved it into place.
    pipeline : GuidancePipeline
        Before its first frame.
    source : str
        Where frames come from.
    guide : GuideLine, optional
        That the pipeline's detector keeps to: a replay needs it.
    max_waiting_bytes : int

    Raises
    ------
    InputError, FormatError
        The folder is in use or can't be made.
    """

    def __init__(
        self,
        target: Path,
        pipeline: GuidancePipeline,
        source: str,
        *,
        guide: GuideLine | None = None,
        max_waiting_bytes: int = MAX_WAITING_BYTES,
    ) -> None:
        self._folder = RecordingFolder(target)
        head = {
            "source": source,
            "settings": replace(pipeline.settings, prior=pipeline.prior).to_toml(),
            "settings_digest": pipeline.settings.digest,
            "guide": None if guide is None else asdict(guide),
            "versions": versions(),
        }
        try:
            self._writer = RecordingWriter(self._folder.work, head)
        except BaseException:
            self._folder.discard()
            raise
        self._max_waiting_bytes = max_waiting_bytes
        self._waiting: deque[tuple[int, Callable[[], None]]] = deque()
        self._waiting_bytes = 0
        self._changed = threading.Condition()
        self._closed = False
        self.frames = self.left_out = self.steps = 0
        self.stopped_because: str | None = None
        self._thread = threading.Thread(target=self._run, name="usguide-record", daemon=True)
        self._thread.start()

    # Called by the engine; none of these waits.

    def skipped(self, received: Received) -> None:
        """Keep a frame that was not processed, if there is room for those that will be."""
        if received.frame is None:
            return
        if self._waiting_bytes > self._max_waiting_bytes // 2:
            self.left_out += 1
            return
        self._frame(received)

    def taken(self, received: Received) -> None:
        """Keep a frame that is going to be processed."""
        if received.frame is not None:
            self._frame(received)

    def action(self, action: Action, index: int, refusal: str | None) -> None:
        """Keep what the operator did before the frame `index`."""
        line = {"index": index, "action": action.name, "arguments": dict(action.arguments), "refused": refusal}
        self._put(lambda: self._writer.line("action", **line))

    def step(self, received: Received, events: tuple[str, ...]) -> None:
        """Note that a frame is processed."""
        index, time_s, reason = received.index, received.stamp.time_s, received.reason
        self.steps += 1
        if received.frame is None:
            self._put(
                lambda: self._writer.line("invalid", index=index, timestamp_s=time_s, reason=reason, events=events)
            )
        else:
            self._put(lambda: self._writer.line("step", index=index, events=events))

    def stale(self, index: int, timestamp_s: float, events: tuple[str, ...]) -> None:
        """Note that the input stopped arriving after the frame `index`."""
        self._put(lambda: self._writer.line("stale", index=index, timestamp_s=timestamp_s, events=events))

    def result(self, update: LiveUpdate) -> None:
        """Keep a result."""
        self._put(lambda: self._writer.result(update))

    # Called by whoever made it.

    def finish(self, summary: Mapping[str, Any]) -> Path:
        """Write what waits and move the recording into place; return its folder.

        Raises
        ------
        OSError
            Headers or summary can't be written; what is there stays in `work`.
        """
        self._end()
        self._writer.close({**summary, "recording": self.status()})
        return self._folder.publish()

    def discard(self) -> None:
        """Leave nothing behind."""
        with self._changed:
            self._waiting.clear()
        self._end()
        try:
            self._writer.close({})
        except OSError:
            logger.debug("a recording that is thrown away could not be finished", exc_info=True)
        self._folder.discard()

    @property
    def work(self) -> Path:
        """The hidden folder that is written into until `finish`."""
        return self._folder.work

    def status(self) -> dict[str, Any]:
        """Return what is in it, and why it ended early where it did."""
        return {
            "frames": self.frames,
            "unprocessed_frames_left_out": self.left_out,
            "complete": self.stopped_because is None,
            "stopped_because": self.stopped_because,
        }

    def _frame(self, received: Received) -> None:
        frame = received.frame
        if frame is None:
            raise AssertionError("a frame is recorded where there is one")
        times = {"source_time_s": received.source_time_s, "arrival_s": received.arrival_s}

        def write() -> None:
            self._writer.frame(frame, **times)
            self.frames += 1

        self._put(write, int(frame.pixels.nbytes))

    def _put(self, write: Callable[[], None], size: int = 0) -> None:
        with self._changed:
            if self._closed or self.stopped_because is not None:
                return
            if self._waiting_bytes + size > self._max_waiting_bytes and self._waiting:
                self._stop(f"the disk is too slow: {self._waiting_bytes >> 20} MiB wait")
                return
            self._waiting.append((size, write))
            self._waiting_bytes += size
            self._changed.notify()

    def _stop(self, reason: str) -> None:
        self.stopped_because = reason
        logger.error("recording ended: %s", reason)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if not self._waiting:
                    return
                size, write = self._waiting[0]
            try:
                write()
            except Exception as error:  # noqa: BLE001  (a full disk, or pixels of a kind that files can't hold)
                with self._changed:
                    self._stop(reason_of(error))
                    self._waiting.clear()
                    self._waiting_bytes = 0
                continue
            with self._changed:
                self._waiting.popleft()
                self._waiting_bytes -= size

    def _end(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()
