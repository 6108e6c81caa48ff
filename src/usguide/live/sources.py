"""`open_live_source`: one way to whatever gives frames while we look; and small sources for programs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Literal

from usguide.errors import InputError
from usguide.io import CallbackSource, Source, open_source
from usguide.io.options import SourceOptions
from usguide.live.addresses import STREAM_SCHEMES, Address, parse_address
from usguide.live.frames import EndOfStreamError, LiveFrame, LiveSource
from usguide.live.sources_video import camera, stream
from usguide.types import Frame

Opener = Callable[[Address, SourceOptions], LiveSource]

MAX_LAG_S = 0.5
"""A replay that can't decode as fast as it was recorded goes on late by no more than this: it plays slower."""


def _replay(address: Address, options: SourceOptions) -> LiveSource:
    recording = open_source(
        address.path,
        spacing_mm=options.spacing_mm,
        depth_mm=options.depth_mm,
        region="auto" if options.find_region else options.region,
        full_scale=options.full_scale,
    )
    return ReplaySource(recording, address.name)


_OPENERS: dict[str, Opener] = {"camera": camera, "replay": _replay, **dict.fromkeys(STREAM_SCHEMES, stream)}
_ELSEWHERE = {"igtl": "usguide.live.sources_igtl"}
"""Modules that call `register_scheme` when they are imported, which happens when such an address is asked for."""


def register_scheme(scheme: str, opener: Opener) -> None:
    """Let `open_live_source` take addresses ``scheme://host:port/path``.

    Parameters
    ----------
    scheme : str
        In small letters.
    opener : callable
        Takes the `Address` and the `SourceOptions` that the user stated; returns a `LiveSource` that is not open yet.
    """
    _OPENERS[scheme] = opener


def open_live_source(
    address: str,
    *,
    spacing_mm: float | tuple[float, float] | None = None,
    depth_mm: float | None = None,
    region: tuple[int, int, int, int] | Literal["auto"] | None = None,
    full_scale: float | None = None,
) -> LiveSource:
    """Return a live source; it is connected when the engine starts.

    Parameters
    ----------
    address : str
        ``camera:0``, ``udp://0.0.0.0:5000``, ``rtsp://host/stream``, ``http://host/stream``, ``igtl://host:port/Device``
        or ``replay:FILE`` with whatever `usguide.open_source` opens.
    spacing_mm, depth_mm, region, full_scale
        As `usguide.open_source` takes them; ``"auto"`` is for replays.

    Raises
    ------
    InputError
        No such kind of address, an option that can't be, or a missing spacing.
    FormatError
        A recording that can't be read.
    """
    where = parse_address(address)
    options = SourceOptions.checked(spacing_mm=spacing_mm, depth_mm=depth_mm, region=region, full_scale=full_scale)
    if options.find_region and where.scheme != "replay":
        raise InputError(f"{where.name}: expected a region in px for a live source, got 'auto'; state --roi X,Y,W,H")
    elsewhere = _ELSEWHERE.get(where.scheme)
    if where.scheme not in _OPENERS and elsewhere is not None and find_spec(elsewhere) is not None:
        import_module(elsewhere)
    if where.scheme not in _OPENERS:
        raise InputError(f"source: expected one of {', '.join(_OPENERS)}, got {where.scheme!r}")
    return _OPENERS[where.scheme](where, options)


class ReplaySource:
    """A recording as if it were live: each frame at its time, with the recording's clock as the source's clock.

    Parameters
    ----------
    recording : Source
        Closed for good by `close`.
    name : str, optional
    """

    dropped = 0

    def __init__(self, recording: Source, name: str | None = None) -> None:
        self.name = name or f"replay:{recording.info.name}"
        self._recording = recording
        self._frames: Iterator[Frame] | None = None
        self._next: Frame | None = None
        self._shift_s: float | None = None

    def open(self) -> None:
        """Begin at the start."""
        if self._frames is None:
            self._frames = iter(self._recording)

    def read(self, timeout_s: float) -> LiveFrame | None:
        """Wait until the next frame is due."""
        if self._next is None:
            self._next = next(self._frames, None) if self._frames is not None else None
            if self._next is None:
                raise EndOfStreamError(f"{self.name}: the recording is at its end")
        frame, now = self._next, time.monotonic()
        if self._shift_s is None:
            self._shift_s = now - frame.timestamp_s
        wait_s = frame.timestamp_s + self._shift_s - now
        if wait_s > timeout_s:
            time.sleep(timeout_s)
            return None
        if wait_s < -MAX_LAG_S:
            self._shift_s -= wait_s
        time.sleep(max(0.0, wait_s))
        self._next = None
        return live_frame(frame, source_time_s=frame.timestamp_s)

    def close(self) -> None:
        """Close the recording; a pass over a file in the middle is ended too."""
        end = getattr(self._frames, "close", None)
        if end is not None:
            end()
        self._recording.close()


class CallableSource:
    """A function that is called for each next frame.

    Parameters
    ----------
    function : callable
        Returns a `Frame` or a `LiveFrame`, or None where there is none yet; raises `StopIteration` at the end, so that
        ``iter(frames).__next__`` fits. It may wait for a frame itself, not longer than 0.1 s or so.
    name : str
    """

    dropped = 0

    def __init__(self, function: Callable[[], Frame | LiveFrame | None], name: str = "callable") -> None:
        self.name = name
        self._function = function

    def open(self) -> None:
        """Nothing is to be connected."""

    def read(self, timeout_s: float) -> LiveFrame | None:
        """Call the function, again and again while it has nothing."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                given = self._function()
            except StopIteration:
                raise EndOfStreamError(f"{self.name}: the function has no more frames") from None
            if given is not None:
                return live_frame(given, source_time_s=given.timestamp_s) if isinstance(given, Frame) else given
            if time.monotonic() >= deadline:
                return None
            time.sleep(0.001)

    def close(self) -> None:
        """Nothing is open."""


class PushedSource:
    """Frames that a program pushes into a `CallbackSource`, such as `usguide.io.cast_callback` does.

    Parameters
    ----------
    callback : CallbackSource
        Best with ``max_waiting=1``; the stream ends when it is closed.
    """

    def __init__(self, callback: CallbackSource) -> None:
        self.name = callback.info.name
        self._callback = callback

    @property
    def dropped(self) -> int:
        """Frames that a newer one replaced before the engine's thread took them."""
        return self._callback.dropped

    def open(self) -> None:
        """Nothing is to be connected."""

    def read(self, timeout_s: float) -> LiveFrame | None:
        """Wait for the next frame that is pushed."""
        frame = self._callback.take(timeout_s)
        if frame is None and self._callback.closed:
            raise EndOfStreamError(f"{self.name}: closed by its program")
        return None if frame is None else live_frame(frame, source_time_s=frame.timestamp_s)

    def close(self) -> None:
        """Leave it open: who pushes closes it."""


def live_frame(frame: Frame, *, source_time_s: float | None, arrival_s: float | None = None) -> LiveFrame:
    """Return a frame as a live one.

    Parameters
    ----------
    frame : Frame
        Its own time and index are not used: the engine gives it new ones.
    source_time_s : float or None
        By the source's clock.
    arrival_s : float, optional
        `time.monotonic()` when it was complete; by default now.
    """
    return LiveFrame(
        frame.pixels,
        frame.geometry,
        source_time_s,
        time.monotonic() if arrival_s is None else arrival_s,
        region=frame.region,
        full_scale=frame.full_scale,
        transforms=frame.transforms,
        status=frame.status,
    )
