"""Serves the page, sends it what is found, and hands on what the operator does."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from collections.abc import Mapping
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from usguide._threads import BESIDE, prefer_this_thread
from usguide._validation import validate_point
from usguide.errors import InputError, MissingExtraError
from usguide.live.engine import LiveEngine
from usguide.live.frames import LiveUpdate
from usguide.live.listening import listen
from usguide.live.view.access import Access
from usguide.live.view.messages import line_of, pack, parse_command, picture_of, status_head
from usguide.live.view.viewer import Viewer

if TYPE_CHECKING:
    from websockets.asyncio.server import ServerConnection
    from websockets.http11 import Request, Response

logger = logging.getLogger("usguide.live")

DEFAULT_PORT = 8780
MAX_VIEWERS = 8
PICTURES_PER_S = 30.0
"""No screen needs more, and each costs the machine that the engine runs on."""
STATUS_S = 0.25
MAX_WAITING = 32
"""Results that may wait while a picture is made: no line is to be missed."""
MAX_COMMAND_BYTES = 4096
PING_S = 5.0
"""How often a browser is asked whether it is there; after twice as long without an answer it is not."""
SEND_BUFFER_BYTES = 1 << 18
"""Of the system, per browser: what waits there would be late."""

SCRIPTS = ("view", "link", "history", "draw", "curve", "words", "operate", "export")
PAGE = {
    "/": ("index.html", "text/html; charset=utf-8"),
    **{f"/{name}.js": (f"{name}.js", "text/javascript; charset=utf-8") for name in SCRIPTS},
    "/view.css": ("view.css", "text/css; charset=utf-8"),
}
PUBLIC = PAGE.keys() - {"/"}
"""Scripts and styles: the same everywhere, and nothing of a patient."""
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # the address may hold the token
    "Cache-Control": "no-store",
}


class ViewServer:
    """A page for a few browsers; a sink of the engine. Neither a slow browser nor a bad one holds up anything.

    Parameters
    ----------
    port : int
        0 for any that is free; `port` then says which.
    host : str
        Address to listen at. The default is reached from this machine only. For any other the address of the page holds a
        token; the connection is not encrypted.
    keep_out_mm : mapping of str to array_like, shape (N, 2)
        Outlines (lateral, axial) of what the needle must not touch, by name: drawn on the picture.

    Raises
    ------
    MissingExtraError
        Without `websockets`.
    InputError, FormatError
        A port or outline that can't be; an address that is taken or not this machine's.

    Attributes
    ----------
    host : str
    port : int
    """

    def __init__(
        self,
        port: int = DEFAULT_PORT,
        *,
        host: str = "127.0.0.1",
        keep_out_mm: Mapping[str, ArrayLike] | None = None,
    ) -> None:
        try:
            import websockets.asyncio.server  # noqa: F401, PLC0415  (an extra)
        except ImportError:
            raise MissingExtraError("view: expected websockets, got none; pip install 'usguide[view]'") from None
        if not 0 <= port < 65536:
            raise InputError(f"view: expected a port of 0 to 65535, got {port}")
        self._keep_out = {
            str(name): [list(validate_point(p, name=f"keep-out {name}")) for p in np.atleast_1d(np.asarray(outline))]
            for name, outline in (keep_out_mm or {}).items()
        }
        self._listener = listen(host, port)
        self.host, self.port = host, int(self._listener.getsockname()[1])
        self._access = Access(host)
        self._engine: LiveEngine | None = None
        self._viewers: set[Viewer] = set()
        self._due_s, self._pictures_shown = 0.0, 0
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name=f"usguide-view-{self.port}", daemon=True)

    @property
    def address(self) -> str:
        """What to open in a browser."""
        everywhere = self.host in ("0.0.0.0", "::")  # noqa: S104  (asked for)
        name = socket.gethostname() if everywhere else self.host
        shown = f"[{name}]" if ":" in name else name
        token = self._access.token
        return f"http://{shown}:{self.port}/" + ("" if token is None else f"?token={token}")

    @property
    def viewers(self) -> int:
        """Browsers that are connected now."""
        return len(self._viewers)

    @property
    def pictures_shown(self) -> int:
        """Pictures that browsers have said they showed, all together."""
        return self._pictures_shown

    def start(self, engine: LiveEngine) -> None:
        """Serve the page for an engine, which gets the view as a sink and closes it at its end."""
        self._engine = engine
        self._thread.start()
        engine.add_sink(self, name="view", max_waiting=MAX_WAITING)

    # Called in the sink's thread

    def write(self, update: LiveUpdate) -> None:
        """Offer one result to every browser."""
        if not self._viewers:
            return
        picture = picture_of(update) if self._is_picture_due() else None
        self._loop.call_soon_threadsafe(self._offer, line_of(update), picture)

    def close(self) -> None:
        """Say goodbye to every browser, and free the port."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()
        else:
            self._listener.close()
            if not self._loop.is_closed():
                self._loop.close()

    def _is_picture_due(self) -> bool:
        """Pictures are made no oftener than they are shown, and not while every browser is behind."""
        now, every_s = time.monotonic(), 1 / PICTURES_PER_S
        # Frames of a source with just this rate come a little early and late: half an interval is let through.
        if now < self._due_s - every_s / 2 or not any(v.wants_picture for v in tuple(self._viewers)):
            return False
        self._due_s = max(self._due_s, now - every_s) + every_s
        return True

    # Called in the loop's thread

    def _offer(self, line: str, picture: Any) -> None:
        for viewer in self._viewers:
            viewer.offer(line, picture)

    def _run(self) -> None:
        prefer_this_thread(BESIDE)
        try:
            self._loop.run_until_complete(self._serve())
        except Exception:
            logger.exception("the view stopped")
        finally:
            self._listener.close()
            self._loop.close()

    async def _serve(self) -> None:
        from websockets.asyncio.server import serve  # noqa: PLC0415  (an extra)

        # Browsers open sockets that they do not use, and others may send anything: nothing that anybody has to read.
        quiet = logging.getLogger("usguide.view.socket")
        quiet.setLevel(logging.CRITICAL + 1)
        async with serve(
            self._talk,
            sock=self._listener,
            process_request=self._answer,
            compression=None,  # JPEG does not shrink
            max_size=MAX_COMMAND_BYTES,
            max_queue=16,
            write_limit=SEND_BUFFER_BYTES,
            open_timeout=5,
            ping_interval=PING_S,
            ping_timeout=2 * PING_S,
            close_timeout=1,
            server_header=None,
            logger=quiet,
        ):
            await self._stop.wait()

    def _answer(self, _connection: ServerConnection, request: Request) -> Response | None:
        """Give a file of the page; None lets a socket be opened."""
        path = request.path.partition("?")[0]
        wants_socket = path == "/socket"
        try:
            refusal = self._access.refusal(request.path, request.headers, socket=wants_socket)
        except (LookupError, ValueError):  # a header twice, a host that is none
            refusal = "expected a request of a browser"
        if refusal is not None and path not in PUBLIC:
            return _response(403, refusal)
        if wants_socket:
            return None if len(self._viewers) < MAX_VIEWERS else _response(503, f"{MAX_VIEWERS} browsers are connected")
        if path not in PAGE:
            return _response(404, "no such page")
        name, kind = PAGE[path]
        return _response(200, (files("usguide.live.view") / "page" / name).read_bytes(), kind)

    async def _talk(self, connection: ServerConnection) -> None:
        """Send and take until the browser leaves."""
        from websockets.exceptions import ConnectionClosed  # noqa: PLC0415  (an extra)

        viewer = Viewer()
        try:
            await connection.send(pack({"kind": "hello", "keep_out_mm": self._keep_out}))
            self._viewers.add(viewer)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._send(connection, viewer))
                tasks.create_task(self._take(connection, viewer))
        except* (ConnectionClosed, OSError):
            pass
        finally:
            self._viewers.discard(viewer)

    async def _send(self, connection: ServerConnection, viewer: Viewer) -> None:
        told_s = 0.0
        while True:
            message = await viewer.next_message(STATUS_S)
            if message is not None:
                await connection.send(message)
            if self._engine is not None and time.monotonic() - told_s >= STATUS_S:
                told_s = time.monotonic()
                await connection.send(pack(status_head(self._engine)))

    async def _take(self, connection: ServerConnection, viewer: Viewer) -> None:
        while True:
            text = await connection.recv()
            try:
                self._carry_out(text, viewer)
            except InputError as error:
                await connection.send(pack({"kind": "refused", "why": str(error)}))

    def _carry_out(self, text: str | bytes, viewer: Viewer) -> None:
        command = parse_command(text)
        if command.name == "shown":
            self._pictures_shown += viewer.note_shown(command.arguments["number"])
            return
        viewer.allow_action()
        if self._engine is not None:
            getattr(self._engine, command.name)(**command.arguments)


def _response(code: int, body: str | bytes, kind: str = "text/plain; charset=utf-8") -> Response:
    from http import HTTPStatus  # noqa: PLC0415

    from websockets.datastructures import Headers  # noqa: PLC0415  (an extra)
    from websockets.http11 import Response  # noqa: PLC0415

    data = body if isinstance(body, bytes) else f"{body}\n".encode()
    plain = {**HEADERS, "Content-Type": kind, "Content-Length": str(len(data)), "Connection": "close"}
    return Response(code, HTTPStatus(code).phrase, Headers(plain), data)
