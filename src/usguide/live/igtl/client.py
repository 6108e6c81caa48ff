"""The side that connects: to PLUS, 3D Slicer or any other OpenIGTLink server."""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Literal

from usguide.errors import InputError
from usguide.live.igtl._link import DEFAULT_PORT, Connection, LinkLimits, LinkThread, deliver, logger, tune
from usguide.live.igtl.codec import encode
from usguide.live.igtl.contents import Image, Message, Query

_CONNECT_S = 5.0
_ASK_AGAIN_S = 1.0
"""A server that has not answered a GET_IMAGE for so long is asked again."""

Asking = Literal["nothing", "start", "get"]


class IgtlClient(LinkThread):
    """A connection that is made anew, with growing pauses, until `close`.

    Parameters
    ----------
    host : str
    port : int
    on_message : callable, optional
        Called with each `Message` in the link's own thread; it should hand on and return.
    ask : {"nothing", "start", "get"}
        What to do once connected, for servers that wait to be asked: nothing; ``STT_IMAGE``; ``GET_IMAGE``, and again
        after each image.
    device : str
        Whose images are asked for; empty for any.
    retry_s : (float, float)
        First and longest pause before another attempt; doubled in between.
    limits : LinkLimits

    Attributes
    ----------
    connections : int
        How often a connection was made.
    messages, damaged, skipped : int
        Over all connections, as those of `MessageParser`.
    problem : str
        Why the last connection or attempt ended.
    """

    def __init__(
        self,
        host: str,
        port: int = DEFAULT_PORT,
        *,
        on_message: Callable[[Message], None] | None = None,
        ask: Asking = "nothing",
        device: str = "",
        retry_s: tuple[float, float] = (0.1, 5.0),
        limits: LinkLimits | None = None,
    ) -> None:
        if ask not in ("nothing", "start", "get"):
            raise InputError(f"ask: expected nothing, start or get, got {ask!r}")
        if not 0 < port < 65536:
            raise InputError(f"port: expected 1 to 65535, got {port}")
        if not 0 < retry_s[0] <= retry_s[1]:
            raise InputError(f"retry_s: expected 0 < first <= longest, got {retry_s}")
        self.connections = 0
        self.problem = ""
        self._host, self._port = host, port
        self._on_message, self._limits = on_message, limits or LinkLimits()
        self._ask, self._retry_s, self._pause_s = ask, retry_s, retry_s[0]
        self._request = b"" if ask == "nothing" else encode(Query("GET" if ask == "get" else "STT", "IMAGE"), device)
        self._connection: Connection | None = None
        self._attempts = 0
        self._is_open = threading.Event()
        self._next_at = self._asked_at = 0.0
        self._totals = [0, 0, 0]
        super().__init__(f"usguide-igtl-client-{port}")
        self._start()

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self._is_open.is_set()

    def wait_connected(self, timeout_s: float | None = None) -> bool:
        """Wait for a connection; False after `timeout_s`."""
        return self._is_open.wait(timeout_s)

    @property
    def messages(self) -> int:
        """Messages received."""
        return self._count(0)

    @property
    def damaged(self) -> int:
        """Messages left out for their checksum or contents."""
        return self._count(1)

    @property
    def skipped(self) -> int:
        """Messages of types that usguide does not read."""
        return self._count(2)

    def _count(self, which: int) -> int:
        connection = self._connection
        now = _counts(connection)[which] if connection is not None else 0
        return self._totals[which] + now

    def send(self, *messages: bytes) -> bool:
        """Send messages; False without a connection, or where the server is too slow to take them.

        Never waits. Nothing is kept for a later connection: it would be old by then.
        """
        connection = self._connection
        if connection is None or not self._is_open.is_set():
            return False
        taken = True
        for message in messages:
            taken = connection.queue(message) and taken
        self._wake()
        return taken

    def _patience(self) -> float:
        if self._connection is not None:
            return super()._patience()
        return min(super()._patience(), max(0.0, self._next_at - time.monotonic()))

    def _turn(self, now: float) -> None:
        connection = self._connection
        if connection is None:
            if now >= self._next_at:
                self._connect(now)
        elif not self._is_open.is_set():
            if now >= self._next_at:
                self._lost(f"no answer within {_CONNECT_S:g} s")
        elif connection.overrun:
            self._lost("the server is too slow for what is sent")
        elif reason := connection.stalled(now):
            self._lost(reason)
        else:
            if self._ask == "get" and now - self._asked_at > _ASK_AGAIN_S:
                self._ask_for_image()
            try:
                self._send_waiting(connection)
            except OSError as error:
                self._lost(str(error))

    def _connect(self, now: float) -> None:
        try:
            places = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        except OSError as error:
            self._again(f"{self._host}: {error}")
            return
        family, kind, protocol, _, address = places[self._attempts % len(places)]
        self._attempts += 1
        sock = socket.socket(family, kind, protocol)
        tune(sock)
        self._connection = Connection(sock, f"{self._host}:{self._port}", self._limits)
        self._next_at = now + _CONNECT_S
        self._selector.register(sock, selectors.EVENT_WRITE, self._connection)
        try:
            sock.connect(address)
        except BlockingIOError:
            return
        except OSError as error:
            self._lost(str(error))

    def _ready(self, key: object, events: int) -> None:
        connection = self._connection
        if connection is None or key is not connection:
            return
        if not self._is_open.is_set():
            self._made(connection)
            return
        if events & selectors.EVENT_READ:
            messages, alive = connection.receive()
            if messages:
                self._pause_s = self._retry_s[0]  # it is a server that works
            if self._ask == "get" and any(isinstance(m.content, Image) for m in messages):
                self._ask_for_image()
            deliver(self._on_message, messages, self._name)
            if not alive:
                self._lost(connection.reason)

    def _made(self, connection: Connection) -> None:
        error = connection.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            self._lost(OSError(error, "no connection").strerror or "no connection")
            return
        if _is_itself(connection.sock):
            self._lost("nobody listens")
            return
        self.connections += 1
        self._is_open.set()
        logger.info("%s: connected", connection.peer)
        if self._ask != "nothing":
            self._ask_for_image()
        self._watch(connection)

    def _ask_for_image(self) -> None:
        self._asked_at = time.monotonic()
        if self._connection is not None:
            self._connection.queue(self._request)

    def _lost(self, reason: str) -> None:
        connection, self._connection = self._connection, None
        self._is_open.clear()
        if connection is not None:
            self._totals = [t + n for t, n in zip(self._totals, _counts(connection), strict=True)]
            self._selector.unregister(connection.sock)
            connection.close()
        self._again(reason)

    def _again(self, reason: str) -> None:
        if reason != self.problem:
            logger.warning("%s:%d: %s; trying again", self._host, self._port, reason)
        self.problem = reason
        self._next_at = time.monotonic() + self._pause_s
        self._pause_s = min(2 * self._pause_s, self._retry_s[1])

    def _closed(self) -> None:
        connection, self._connection = self._connection, None
        self._is_open.clear()
        if connection is not None:
            self._totals = [t + n for t, n in zip(self._totals, _counts(connection), strict=True)]
            connection.close()


def _counts(connection: Connection) -> Sequence[int]:
    parser = connection.parser
    return parser.messages, parser.damaged, parser.skipped


def _is_itself(sock: socket.socket) -> bool:
    """Whether the system gave the attempt the very port it tries to reach, and joined it to itself."""
    try:
        return bool(sock.getsockname() == sock.getpeername())
    except OSError:
        return False
