"""Frames that a scanner's own program pushes, one call each."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from usguide.errors import InputError
from usguide.geometry import ImageGeometry
from usguide.io.source import BaseSource, SourceInfo, SourceOptions
from usguide.types import Frame


class CallbackSource(BaseSource):
    """A queue between the thread that pushes frames and the one that iterates.

    Parameters
    ----------
    geometry : ImageGeometry
        Of the frames that will be pushed.
    name : str
        What results call the stream.
    max_waiting : int
        Frames that may wait. When full, the oldest is dropped and counted: a live picture must not grow old.
    full_scale : float, optional
        White, for floating-point pixels.

    Attributes
    ----------
    dropped : int
        Frames dropped because nobody took them in time.
    """

    def __init__(
        self, geometry: ImageGeometry, *, name: str = "callback", max_waiting: int = 8, full_scale: float | None = None
    ) -> None:
        if max_waiting < 1:
            raise InputError(f"max_waiting: expected at least 1, got {max_waiting}")
        options = SourceOptions.checked(full_scale=full_scale)
        info = SourceInfo(
            name, "callback", None, None, None, None, geometry, "given", None, "whole frame", None, "time of arrival"
        )
        super().__init__(info, options)
        self.dropped = 0
        self._queue: queue.Queue[Frame | None] = queue.Queue(max_waiting)
        self._lock = threading.Lock()
        self._index = 0
        self._start = time.monotonic()
        self._closed = False

    def push(self, pixels: Any, timestamp_s: float | None = None) -> bool:
        """Hand over one picture; the pixels are copied before the call returns.

        Returns
        -------
        bool
            False where the picture can't be used (it is counted in `bad_frames`).
        """
        with self._lock:
            if self._closed:
                raise InputError("push: expected an open source, got one that was closed")
            now = time.monotonic() - self._start if timestamp_s is None else timestamp_s
            frame = self.frame(np.array(pixels), self._index, now)
            self._index += 1
            if frame is None:
                return False
            self._put(frame)
            return True

    def _put(self, item: Frame | None) -> None:
        while True:
            try:
                self._queue.put_nowait(item)
            except queue.Full:
                try:
                    self._queue.get_nowait()
                    self.dropped += 1
                except queue.Empty:
                    pass
            else:
                return

    def __iter__(self) -> Iterator[Frame]:
        """Give frames as they arrive, until `close` is called."""
        while True:
            frame = self._queue.get()
            if frame is None:
                return
            yield frame

    def close(self) -> None:
        """End the stream: frames that wait may still be taken."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        # Not `_put`: the end must not push out a frame that still waits.
        threading.Thread(target=self._queue.put, args=(None,), daemon=True).start()
