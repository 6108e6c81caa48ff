"""Frames that a scanner's own program pushes, one call each."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from usguide.errors import InputError
from usguide.geometry import ImageGeometry
from usguide.io.options import SourceOptions
from usguide.io.source import BaseSource, SourceInfo
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
        Frames that may wait.
    when_full : {"drop-oldest", "wait"}
        A live picture must not grow old: the oldest is dropped and counted. A replay that may lose nothing makes
        `push` wait.
    region : (int, int, int, int), optional
        ``x, y, width, height`` in px of the ultrasound image within each frame.
    full_scale : float, optional
        White, for floating-point pixels.

    Attributes
    ----------
    dropped : int
        Frames dropped because nobody took them in time.
    """

    def __init__(
        self,
        geometry: ImageGeometry,
        *,
        name: str = "callback",
        max_waiting: int = 8,
        when_full: Literal["drop-oldest", "wait"] = "drop-oldest",
        region: tuple[int, int, int, int] | None = None,
        full_scale: float | None = None,
    ) -> None:
        if max_waiting < 1:
            raise InputError(f"max_waiting: expected at least 1, got {max_waiting}")
        if when_full not in ("drop-oldest", "wait"):
            raise InputError(f"when_full: expected drop-oldest or wait, got {when_full!r}")
        options = SourceOptions.checked(region=region, full_scale=full_scale)
        info = SourceInfo(
            name=name,
            kind="callback",
            frame_count=None,
            shape=None,
            dtype=None,
            channels=None,
            geometry=geometry,
            spacing_source="given",
            region=options.region,
            region_source="given" if region else "whole frame",
            frame_rate_hz=None,
            times_source="given or time of arrival",
        )
        super().__init__(info, options)
        self.dropped = 0
        self._max_waiting = max_waiting
        self._wait = when_full == "wait"
        self._waiting: deque[Frame] = deque()
        self._changed = threading.Condition()
        self._index = 0
        self._start = time.monotonic()

    @property
    def closed(self) -> bool:
        """Whether nothing can be pushed any more."""
        return self._closed

    def push(self, pixels: Any, timestamp_s: float | None = None, *, geometry: ImageGeometry | None = None) -> bool:
        """Hand over one picture; the pixels are copied once, before the call returns.

        Parameters
        ----------
        pixels : array_like, shape (H, W) or (H, W, 3)
            uint8, uint16 or float.
        timestamp_s : float, optional
            Time of the picture; by default the time since the source was made.
        geometry : ImageGeometry, optional
            Of this picture and those after it, where it is another one than before.

        Returns
        -------
        bool
            False where the picture can't be used (it is counted in `bad_frames`), or where the source was closed
            while the call waited for room.

        Raises
        ------
        InputError
            The source was closed before the call.
        """
        now = time.monotonic() - self._start if timestamp_s is None else timestamp_s
        with self._changed:
            if self._closed:
                raise InputError("push: expected an open source, got one that was closed; make a new one")
            index, self._index = self._index, self._index + 1
            if geometry is not None and geometry != self.info.geometry:
                self.info = replace(self.info, geometry=geometry)
            frame = self._copied(pixels, index, now)
            if frame is None:
                return False
            if self.info.shape is None:
                channels = 1 if frame.pixels.ndim == 2 else int(frame.pixels.shape[2])
                self.info = replace(self.info, shape=frame.shape, dtype=str(frame.pixels.dtype), channels=channels)
            while self._wait and len(self._waiting) >= self._max_waiting and not self._closed:
                self._changed.wait()
            if self._closed:
                return False
            if len(self._waiting) >= self._max_waiting:
                self._waiting.popleft()
                self.dropped += 1
            self._waiting.append(frame)
            self._changed.notify_all()
        return True

    def _copied(self, pixels: Any, index: int, now: float) -> Frame | None:
        try:
            copy = np.array(pixels)
        except (TypeError, ValueError) as error:
            self.skip(f"frame {index} left out: {error}")
            return None
        return self.frame(copy, index, now)

    def take(self, timeout_s: float | None = None) -> Frame | None:
        """Wait for the next frame; None once the source is closed and empty, or after `timeout_s`."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed, timeout_s)
            frame = self._waiting.popleft() if self._waiting else None
            self._changed.notify_all()
        return frame

    def __iter__(self) -> Iterator[Frame]:
        """Give frames as they arrive, until `close` is called and those that wait are taken."""
        while (frame := self.take()) is not None:
            yield frame

    def close(self) -> None:
        """End the stream; frames that wait may still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
