"""What a live source hands over, and what the engine gives to its sinks."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from usguide.errors import UsguideError
from usguide.geometry import ImageGeometry
from usguide.types import Frame, GuidanceResult


class EndOfStreamError(UsguideError):
    """A live source has come to its end: there is nothing to wait for or to connect to again."""


@dataclass(frozen=True, slots=True, eq=False)
class LiveFrame:
    """One picture as it came in. It is not checked yet: the engine does, and counts what can't be used.

    Parameters
    ----------
    pixels : ndarray, shape (H, W) or (H, W, 3 or 4)
        uint8, uint16 or float; the source must not write into it again.
    geometry : ImageGeometry
        Of this picture: it may change in mid-stream.
    source_time_s : float, optional
        By the source's clock, whatever that counts from; None where it has none: a protocol's time
        stamp of 0, for one, where that means unknown.
    arrival_s : float
        `time.monotonic()` when the picture was complete on this computer; by default now.
    region : (int, int, int, int), optional
        ``x, y, width, height`` in px of the ultrasound image within the picture.
    full_scale : float, optional
        White, for floating-point pixels.
    transforms : mapping of str to ndarray (4, 4)
        Named poses that came with it.
    status : str
        ``"OK"`` or ``"INVALID"``.
    """

    pixels: NDArray[Any]
    geometry: ImageGeometry
    source_time_s: float | None = None
    arrival_s: float = field(default_factory=time.monotonic)
    region: tuple[int, int, int, int] | None = None
    full_scale: float | None = None
    transforms: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    status: str = "OK"


class LiveSource(Protocol):
    """Where live pictures come from. The engine calls it from one thread of its own."""

    @property
    def name(self) -> str:
        """For people and results: no password in it."""
        ...

    @property
    def dropped(self) -> int:
        """Pictures that the source itself left out since it was made, because nobody took them in time."""
        ...

    def open(self) -> None:
        """Connect; nothing happens where it is connected already.

        Raises
        ------
        UsguideError, OSError
            It can't be reached now; the engine tries again.
        """
        ...

    def read(self, timeout_s: float) -> LiveFrame | None:
        """Wait for the next picture, for about `timeout_s`; None where none came.

        Raises
        ------
        EndOfStreamError
            The stream is at its end.
        Exception
            The connection is lost: the engine closes the source and opens it again.
        """
        ...

    def close(self) -> None:
        """Disconnect; it can be opened again."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class LiveUpdate:
    """One result on its way to the sinks.

    Parameters
    ----------
    frame : Frame or None
        None where there is no picture: `STALE`, or one that could not be made.
    result : GuidanceResult
        With the live stages in `latency_ms`: see docs/live.md.
    late : bool
        It was too old when it was ready: it must not be shown as the present.
    arrival_s : float
        `time.monotonic()` when the picture had arrived (of `STALE`: when that was noticed).
    transit_ms : float or None
        How much longer the picture was on its way than the quickest of late; None where the source has no clock.
    source_time_s : float or None
        By the source's clock.
    """

    frame: Frame | None
    result: GuidanceResult
    late: bool
    arrival_s: float
    transit_ms: float | None = None
    source_time_s: float | None = None

    def age_ms(self) -> float:
        """Return how old the picture is now, by the local clock and the transit, in ms."""
        return 1e3 * (time.monotonic() - self.arrival_s) + (self.transit_ms or 0.0)


class LiveSink(Protocol):
    """Takes updates in order, in a thread of its own; while it is slow it misses some."""

    def write(self, update: LiveUpdate) -> None:
        """Take one."""
        ...

    def close(self) -> None:
        """Finish; nothing comes after it."""
        ...
