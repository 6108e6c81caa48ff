"""Where a live source is, as the command line says it."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from usguide.errors import InputError

STREAM_SCHEMES = ("udp", "rtsp", "rtp", "tcp", "http", "https")
_FORMS = "camera:0, udp://0.0.0.0:5000, rtsp://host/stream, http://host/stream, igtl://host:port/Device or replay:FILE"


@dataclass(frozen=True, slots=True)
class Address:
    """A parsed address.

    Parameters
    ----------
    scheme : str
        In small letters: ``camera``, ``replay``, one of `STREAM_SCHEMES`, or one that is registered (``igtl``).
    text : str
        As it was given.
    host : str
        Empty for ``camera`` and ``replay``.
    port : int or None
    path : str
        What follows, without the slash: a device, a stream; the number of a camera; the file of a replay.
    """

    scheme: str
    text: str
    host: str = ""
    port: int | None = None
    path: str = ""

    @property
    def name(self) -> str:
        """What results and logs call it: no password, no folder, no options behind a question mark."""
        if self.scheme == "replay":
            return f"replay:{self.path.rstrip('/').rpartition('/')[2]}"
        if self.scheme == "camera":
            return f"camera:{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port is None else f":{self.port}"
        return f"{self.scheme}://{host}{port}" + (f"/{self.path}" if self.path else "")


def parse_address(text: str) -> Address:
    """Parse ``camera:0``, ``scheme://host:port/path`` or ``replay:FILE``.

    Raises
    ------
    InputError
        None of these.
    """
    scheme, colon, rest = text.partition(":")
    scheme = scheme.lower()
    if not colon or not scheme.isalnum() or not rest:
        raise InputError(f"source: expected {_FORMS}, got {text!r:.80}; a recording is replay:FILE")
    if scheme == "camera":
        if not (rest.isascii() and rest.isdigit() and len(rest) < 6):
            raise InputError(f"source: expected camera:N with a number, such as camera:0, got {text!r:.80}")
        return Address("camera", text, path=rest)
    if scheme == "replay":
        return Address("replay", text, path=rest)
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    if not rest.startswith("//") or not (host or port):
        raise InputError(f"source: expected {_FORMS}, got {text!r:.80}")
    return Address(scheme, text, host, port, parts.path.strip("/"))
