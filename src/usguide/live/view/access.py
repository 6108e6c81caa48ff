"""Who may see the page and send commands."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit


class Access:
    """Decides by the headers and address of a request.

    A page of another site must not reach the view through the operator's browser: the ``Origin`` of a socket has to be the
    page itself, and while only this machine can connect, the ``Host`` has to name this machine, whatever a name server
    says. Where other machines can connect, a token that nobody can guess is part of the address.

    Parameters
    ----------
    host : str
        That the server listens at.

    Attributes
    ----------
    token : str or None
        None on a loopback address.
    """

    def __init__(self, host: str) -> None:
        self._loopback = is_loopback(host)
        self.token = None if self._loopback else secrets.token_urlsafe(16)

    def refusal(self, path: str, headers: Mapping[str, str], *, socket: bool) -> str | None:
        """Return why a request is refused, or None.

        Parameters
        ----------
        path : str
            With what follows its question mark.
        headers : mapping
            Of the request.
        socket : bool
            Whether it asks for the socket, which a browser opens in the name of a page.
        """
        host, origin = headers.get("Host", ""), headers.get("Origin")
        if self._loopback and not is_loopback(urlsplit(f"//{host}").hostname or ""):
            return "expected this machine's name as the host, such as 127.0.0.1"
        if socket and origin != f"http://{host}":
            return "expected a socket of this page, got one of another site"
        given = parse_qs(urlsplit(path).query).get("token", [""])[0]
        if self.token is not None and not secrets.compare_digest(given.encode(), self.token.encode()):
            return "expected the address with its token, as the command printed it"
        return None


def is_loopback(host: str) -> bool:
    """Tell whether a name or address is this machine's own loopback."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
