"""A port to listen at."""

from __future__ import annotations

import os
import socket

from usguide.errors import FormatError


def listen(host: str, port: int) -> socket.socket:
    """Return a listening TCP socket that does not block.

    Parameters
    ----------
    host : str
        Name or address of this machine; ``127.0.0.1`` is reached from this machine only.
    port : int
        0 for any that is free.

    Raises
    ------
    FormatError
        Not an address of this machine, or the port is taken.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise FormatError(f"{host}: expected an address of this machine, got: {error}") from None
    try:
        if os.name == "posix":  # elsewhere this would let two servers share a port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setblocking(False)
        listener.bind(address)
        listener.listen()
    except OSError as error:
        listener.close()
        raise FormatError(f"{host}:{port}: expected a free port, got: {error.strerror}; choose another") from None
    return listener
