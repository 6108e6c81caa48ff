"""The side that is connected to: 3D Slicer and others fetch what usguide finds."""

from __future__ import annotations

import logging
import selectors
import threading
import time
from collections.abc import Callable, Mapping

from usguide.errors import InputError
from usguide.live.igtl._link import CLOSED, DEFAULT_PORT, Connection, LinkLimits, LinkThread, deliver, logger, tune
from usguide.live.igtl.codec import encode
from usguide.live.igtl.contents import Message, Query, Reply
from usguide.live.igtl.header import DEVICE_BYTES, HEADER_SIZE, decode_header, encode_header
from usguide.live.listening import listen

_PAUSE_S = 1.0
"""Without a free file descriptor nobody is let in for so long."""


class IgtlServer(LinkThread):
    """Sends every message to every client, and waits for none of them.

    Parameters
    ----------
    port : int
        0 for any that is free; `port` then says which.
    host : str
        Address to listen at. The default is reached from this machine only; ``"0.0.0.0"`` lets in whoever reaches this
        machine: OpenIGTLink has neither passwords nor encryption.
    max_clients : int
        Further ones are turned away.
    on_message : callable, optional
        Called with each `Message` that a client sends, in the link's own thread.
    limits : LinkLimits
        Of each connection: a client that lets more than `max_queued_bytes` wait, or takes nothing for `stall_s`, is
        dropped.

    Raises
    ------
    InputError, FormatError
        A port that can't be; an address that is taken or not this machine's.

    Attributes
    ----------
    host : str
    port : int
    accepted, refused, dropped : int
        Clients let in, turned away, and dropped for being slow or for sending what is no message.
    problem : str
        Why the last one was dropped or left.

    Notes
    -----
    Clients get everything unasked, as PLUS does it. ``STP_<type>`` stops a type for the client that sends it, and
    ``STT_<type>`` starts it again, both answered by ``RTS_<type>``. ``GET_<type>`` is answered with that type's message
    among those sent last, or with an empty body if there was none: an old tip is never given as a new one.
    """

    def __init__(
        self,
        port: int = DEFAULT_PORT,
        *,
        host: str = "127.0.0.1",
        max_clients: int = 16,
        on_message: Callable[[Message], None] | None = None,
        limits: LinkLimits | None = None,
    ) -> None:
        if not 0 <= port < 65536 or max_clients < 1:
            raise InputError(
                f"server: expected a port of 0 to 65535 and at least 1 client, got {port} and {max_clients}"
            )
        self._listener = listen(host, port)
        self.host, self.port = host, int(self._listener.getsockname()[1])
        self.accepted = self.refused = self.dropped = 0
        self.problem = ""
        self._max_clients, self._on_message, self._limits = max_clients, on_message, limits or LinkLimits()
        self._lock = threading.Lock()
        self._connections: list[Connection] = []
        self._last: Mapping[tuple[str, str], bytes] = {}
        self._pause_until: float | None = None
        super().__init__(f"usguide-igtl-server-{self.port}")
        self._selector.register(self._listener, selectors.EVENT_READ, self._listener)
        self._start()

    @property
    def clients(self) -> int:
        """Clients that are connected now."""
        return len(self._connections)

    def send(self, *messages: bytes) -> None:
        """Send messages to every client, in order. Never waits; from any thread.

        The messages of one call belong together: they are what ``GET_`` is answered from until the next call.
        """
        kinds = [_kind(m) for m in messages]
        with self._lock:
            self._last = dict(zip(kinds, messages, strict=True))
            for connection in self._connections:
                for (type_name, _), message in zip(kinds, messages, strict=True):
                    if type_name not in connection.stopped_types and not connection.overrun:
                        connection.queue(message)
        self._wake()

    def _ready(self, key: object, events: int) -> None:
        if key is self._listener:
            self._accept()
        elif isinstance(key, Connection) and key in self._connections and events & selectors.EVENT_READ:
            messages, alive = key.receive()
            for message in messages:
                self._answer(key, message)
            deliver(self._on_message, messages, self._name)
            if not alive:
                self._leave(key, key.reason, fault=key.reason != CLOSED)

    def _turn(self, now: float) -> None:
        for connection in list(self._connections):
            reason = "it reads too slowly" if connection.overrun else connection.stalled(now)
            if reason:
                self._leave(connection, reason, fault=True)
                continue
            try:
                self._send_waiting(connection)
            except OSError as error:
                self._leave(connection, str(error), fault=False)
        if self._pause_until is not None and now >= self._pause_until:
            self._pause_until = None
            self._selector.register(self._listener, selectors.EVENT_READ, self._listener)

    def _accept(self) -> None:
        try:
            sock, address = self._listener.accept()
        except (BlockingIOError, ConnectionError):
            return
        except OSError as error:
            logger.warning("%s: nobody is let in for %g s: %s", self._name, _PAUSE_S, error)
            self._selector.unregister(self._listener)
            self._pause_until = time.monotonic() + _PAUSE_S
            return
        if len(self._connections) >= self._max_clients:
            self.refused += 1
            sock.close()
            return
        tune(sock)
        connection = Connection(sock, f"{address[0]}:{address[1]}", self._limits)
        self._selector.register(sock, selectors.EVENT_READ, connection)
        with self._lock:
            self._connections.append(connection)
        self.accepted += 1
        logger.info("%s: %s connected", self._name, connection.peer)

    def _answer(self, connection: Connection, message: Message) -> None:
        query = message.content
        if not isinstance(query, Query) or not query.type_name:
            return
        name = message.header.device
        if query.verb == "GET":
            connection.queue(self._found(query.type_name, name))
            return
        with self._lock:
            if query.verb == "STP":
                if len(connection.stopped_types) < 64:
                    connection.stopped_types.add(query.type_name)
            else:
                connection.stopped_types.discard(query.type_name)
        connection.queue(encode(Reply(query.type_name), _short(name)))

    def _found(self, type_name: str, device: str) -> bytes:
        last = self._last
        if (type_name, device) in last:
            return last[type_name, device]
        # Many ask with a name of their own: any of the type will do.
        for (kind, _), message in last.items():
            if kind == type_name:
                return message
        return encode_header(type_name, _short(device), None, 0, 0)

    def _leave(self, connection: Connection, reason: str, *, fault: bool) -> None:
        with self._lock:
            self._connections.remove(connection)
        self.problem = reason
        self.dropped += fault
        logger.log(logging.WARNING if fault else logging.INFO, "%s: %s left: %s", self._name, connection.peer, reason)
        self._selector.unregister(connection.sock)
        connection.close()

    def _closed(self) -> None:
        with self._lock:
            connections, self._connections = self._connections, []
        for connection in connections:
            try:
                connection.flush()
            except OSError as error:
                self.problem = str(error)
            connection.close()
        self._listener.close()


def _kind(message: bytes) -> tuple[str, str]:
    header = decode_header(message[:HEADER_SIZE], max_body_bytes=len(message))
    return header.type_name, header.device


def _short(name: str) -> str:
    """Cut a name that came with replaced characters to what a header holds."""
    return name.encode()[:DEVICE_BYTES].decode("utf-8", "ignore")
