"""Live frames from an OpenIGTLink server."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from usguide.errors import FormatError, InputError
from usguide.live.igtl._link import DEFAULT_PORT, LinkLimits
from usguide.live.igtl.client import Asking, IgtlClient
from usguide.live.igtl.contents import Message
from usguide.live.igtl.frames import FrameBuilder
from usguide.types import Frame

_CONNECT_S = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class ReceivedFrame:
    """A frame as it came over a link.

    Parameters
    ----------
    frame : Frame
    source_time_s : float or None
        By the sender's clock; None where it sends 0.
    arrival_s : float
        `time.monotonic()` when it was complete on this computer.
    """

    frame: Frame
    source_time_s: float | None
    arrival_s: float


class IgtlSource:
    """Frames of one device of an OpenIGTLink server, the newest ones.

    Parameters
    ----------
    host : str
    port : int
    device : str, optional
        Whose images are used; by default those of the first that sends one.
    ask : {"nothing", "start", "get"}
        For servers that wait to be asked, see `IgtlClient`.
    max_waiting : int
        Frames that may wait to be read: a live picture must not grow old, so the oldest is dropped and counted.
    limits : LinkLimits, optional
    **options
        `spacing_mm`, `depth_mm`, `region`, `full_scale`, `max_transform_age_s` of `FrameBuilder`.

    Attributes
    ----------
    name : str
    dropped : int
        Frames dropped because nobody read them in time.
    builder : FrameBuilder
        Counts what could not be used, and says why.
    """

    def __init__(
        self,
        host: str,
        port: int = DEFAULT_PORT,
        device: str | None = None,
        *,
        ask: Asking = "nothing",
        max_waiting: int = 4,
        limits: LinkLimits | None = None,
        **options: Any,
    ) -> None:
        if max_waiting < 1:
            raise InputError(f"max_waiting: expected at least 1, got {max_waiting}")
        self.name = f"igtl://{host}:{port}" + (f"/{device}" if device else "")
        self.dropped = 0
        self.builder = FrameBuilder(device=device, **options)
        self._host, self._port, self._ask, self._limits = host, port, ask, limits
        self._waiting: deque[ReceivedFrame] = deque()
        self._max_waiting = max_waiting
        self._changed = threading.Condition()
        # Seconds since 1970 as other senders count them, but by a clock that nobody sets.
        self._epoch_s = time.time() - time.monotonic()
        self._client: IgtlClient | None = None
        self._connection = 0

    @property
    def client(self) -> IgtlClient | None:
        """The link's counters; None while closed."""
        return self._client

    def open(self) -> None:
        """Connect; nothing happens where it is connected already.

        Raises
        ------
        FormatError
            The server can't be reached now.
        """
        if self._client is not None:
            return
        client = IgtlClient(
            self._host,
            self._port,
            on_message=self._take,
            ask=self._ask,
            device=self.builder.device or "",
            limits=self._limits,
        )
        if not client.wait_connected(_CONNECT_S):
            client.close()
            raise FormatError(f"{self.name}: expected a server, got: {client.problem or 'no answer'}; is it started?")
        self._client, self._connection = client, client.connections

    def read(self, timeout_s: float) -> ReceivedFrame | None:
        """Wait for the next frame; None where none came within `timeout_s`.

        Raises
        ------
        InputError
            Not open.
        FormatError
            The connection is lost: `close`, and `open` again.
        """
        client = self._client
        if client is None:
            raise InputError(f"{self.name}: expected an open source, got one that is not; call open() first")
        with self._changed:
            self._changed.wait_for(lambda: self._waiting, timeout_s)
            if self._waiting:
                return self._waiting.popleft()
        if not client.connected or client.connections != self._connection:
            raise FormatError(f"{self.name}: expected the server, got: {client.problem}; open it again")
        return None

    def close(self) -> None:
        """Disconnect, and forget the frames that wait; it can be opened again."""
        client, self._client = self._client, None
        if client is not None:
            client.close()
        with self._changed:
            self._waiting.clear()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _take(self, message: Message) -> None:
        arrival_s = time.monotonic()
        frame = self.builder.take(message, self._epoch_s + arrival_s)
        if frame is None:
            return
        with self._changed:
            if len(self._waiting) >= self._max_waiting:
                self._waiting.popleft()
                self.dropped += 1
            self._waiting.append(ReceivedFrame(frame, message.header.timestamp_s, arrival_s))
            self._changed.notify()
