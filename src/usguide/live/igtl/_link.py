"""What client and server share: a connection, and a thread that waits for all of them at once."""

from __future__ import annotations

import logging
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from usguide.errors import InputError
from usguide.live.igtl.contents import Message
from usguide.live.igtl.crc import crc64
from usguide.live.igtl.header import MAX_BODY_BYTES
from usguide.live.igtl.parser import MessageParser

logger = logging.getLogger("usguide.igtl")
logger.addHandler(logging.NullHandler())  # silent, unless whoever uses this has handlers of their own

DEFAULT_PORT = 18944
"""Where 3D Slicer and PLUS listen."""

CLOSED = "the peer closed the connection"

_TICK_S = 0.25
_MESSAGES_A_TURN = 64
"""One connection gives so many messages, then the others have their turn."""


@dataclass(frozen=True, slots=True)
class LinkLimits:
    """What one connection may take.

    Parameters
    ----------
    max_body_bytes : int
        A larger message is refused before memory is taken, and the connection is closed.
    max_queued_bytes : int
        What may wait for a peer that reads slowly. One message always may, whatever its size.
    stall_s : float
        A message that has begun and does not go on for this long is given up with its connection; and so is a peer that
        takes nothing of what waits for it.
    check_crc : bool
        False for senders that leave the checksum out.
    """

    max_body_bytes: int = MAX_BODY_BYTES
    max_queued_bytes: int = 16 << 20
    stall_s: float = 5.0
    check_crc: bool = True

    def __post_init__(self) -> None:
        if min(self.max_body_bytes, self.max_queued_bytes) < 1 or self.stall_s <= 0:
            raise InputError(f"limits: expected sizes and a time above 0, got {self}")


class Connection:
    """A socket, the message under way, and what waits to be sent. Only `queue` may be called by other threads."""

    def __init__(self, sock: socket.socket, peer: str, limits: LinkLimits) -> None:
        self.sock, self.peer = sock, peer
        self.parser = MessageParser(max_body_bytes=limits.max_body_bytes, check_crc=limits.check_crc)
        self.overrun = False
        self.reason = ""
        self.stopped_types: set[str] = set()
        self._limits = limits
        self._lock = threading.Lock()
        self._waiting: deque[memoryview] = deque()
        self._waiting_bytes = 0
        self._received_at = self._sent_at = time.monotonic()

    @property
    def has_waiting(self) -> bool:
        """Whether something waits to be sent."""
        return bool(self._waiting)

    def queue(self, data: bytes) -> bool:
        """Let a message wait to be sent; False, and `overrun`, where the peer is too slow for it."""
        with self._lock:
            if self._waiting and self._waiting_bytes + len(data) > self._limits.max_queued_bytes:
                self.overrun = True
                return False
            if not self._waiting:
                self._sent_at = time.monotonic()
            self._waiting.append(memoryview(data))
            self._waiting_bytes += len(data)
            return True

    def flush(self) -> None:
        """Send what the socket takes at once.

        Raises
        ------
        OSError
            The peer is gone.
        """
        while self._waiting:
            head = self._waiting[0]
            try:
                count = self.sock.send(head)
            except BlockingIOError:
                return
            self._sent_at = time.monotonic()
            with self._lock:
                self._waiting_bytes -= count
                if count == len(head):
                    self._waiting.popleft()
                else:
                    self._waiting[0] = head[count:]

    def receive(self) -> tuple[list[Message], bool]:
        """Return the messages that are complete by now, and whether more can come; if not, `reason` says why."""
        found: list[Message] = []
        while len(found) < _MESSAGES_A_TURN:
            try:
                count = self.sock.recv_into(self.parser.buffer())
                if count == 0:
                    self.reason = CLOSED
                    return found, False
                self._received_at = time.monotonic()
                message = self.parser.filled(count)
            except BlockingIOError:
                break
            except ConnectionError:
                self.reason = CLOSED
                return found, False
            except OSError as error:  # a FormatError of the parser is one of them
                self.reason = str(error)
                return found, False
            except MemoryError:
                self.reason = "there is no memory for its message"
                return found, False
            if message is not None:
                found.append(message)
        return found, True

    def stalled(self, now: float) -> str | None:
        """Say what the peer leaves half done for too long, if anything."""
        if self.parser.in_message and now - self._received_at > self._limits.stall_s:
            return "a message began and did not go on"
        if self._waiting and now - self._sent_at > self._limits.stall_s:
            return "it takes nothing of what waits for it"
        return None

    def close(self) -> None:
        """Close the socket."""
        self.sock.close()


def tune(sock: socket.socket) -> None:
    """Send at once, and notice a peer that vanished without a word (a pulled cable)."""
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 5), ("TCP_KEEPINTVL", 2), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


class LinkThread:
    """One thread that waits for sockets, and for other threads that have something to send.

    A subclass says what happens: `_ready` for a socket, `_turn` after each wait, `_closed` at the end.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)
        self._wake_write.setblocking(False)
        self._selector.register(self._wake_read, selectors.EVENT_READ, None)
        self._woken = False
        self._stop = False
        self._wake_lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        crc64(b"")  # compiled now, not at the first message

    def _start(self) -> None:
        self._thread.start()

    def _wake(self) -> None:
        with self._wake_lock:
            if self._woken or self._stop:
                return
            self._woken = True
            self._wake_write.send(b"\0")

    def close(self) -> None:
        """Stop the thread and close its sockets. May be called again, and from the thread itself."""
        with self._wake_lock:
            if not self._stop:
                self._stop = True
                self._wake_write.send(b"\0")
        if self._thread is not threading.current_thread():
            self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        try:
            while not self._stop:
                for key, events in self._selector.select(self._patience()):
                    if key.fileobj is self._wake_read:
                        self._drain()
                    else:
                        self._ready(key.data, events)
                self._turn(time.monotonic())
        except Exception:
            logger.exception("%s: stopped", self._name)
        finally:
            with self._wake_lock:
                self._stop = True
            self._closed()
            self._selector.close()
            self._wake_read.close()
            self._wake_write.close()

    def _drain(self) -> None:
        with self._wake_lock:
            self._woken = False
            try:
                self._wake_read.recv(64)
            except BlockingIOError:
                return

    def _patience(self) -> float:
        return _TICK_S

    def _ready(self, key: object, events: int) -> None: ...

    def _turn(self, now: float) -> None: ...

    def _closed(self) -> None: ...

    def _send_waiting(self, connection: Connection) -> None:
        """Send what waits, and let the selector tell when there is room for more.

        Raises
        ------
        OSError
            The peer is gone.
        """
        if connection.has_waiting:
            connection.flush()
        self._watch(connection)

    def _watch(self, connection: Connection) -> None:
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if connection.has_waiting else 0)
        if self._selector.get_key(connection.sock).events != events:
            self._selector.modify(connection.sock, events, connection)


def deliver(handler: Callable[[Message], None] | None, messages: Iterable[Message], name: str) -> None:
    """Give messages to whoever asked for them; an error of theirs is logged and does not end the link."""
    if handler is None:
        return
    for message in messages:
        try:
            handler(message)
        except Exception:
            logger.exception("%s: the handler of messages failed at %s", name, message.header.type_name)
