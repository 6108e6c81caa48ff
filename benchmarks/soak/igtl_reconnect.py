"""Connect over OpenIGTLink again and again: no thread, file descriptor or port may be left over.

    python benchmarks/soak/igtl_reconnect.py [--count 500] [--seed 0]

First a client that stays while its server is closed and made anew at the same port; then a server that stays while clients
come, send a message cut at a random place, never read, or close without a word. Prints what is open at the start, on the
way and at the end, and exits with 1 if something is left.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import resource
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from usguide.live import igtl

QUICK_S = (0.005, 0.05)
MESSAGE = igtl.encode(igtl.Image(np.zeros((480, 640), np.uint8), np.eye(4)), "Image")


def listening(port: int) -> bool:
    """Whether somebody listens at a port of this machine."""
    lines = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    return any(line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "0A" for line in lines)


def state() -> tuple[int, int, int]:
    """Return threads, open files, and resident memory in kB at its highest."""
    return (
        threading.active_count(),
        len(list(Path("/proc/self/fd").iterdir())),
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    )


def wait(condition: Callable[[], bool], what: str) -> None:
    """Wait for something that other threads bring about."""
    end = time.monotonic() + 20
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"waited in vain: {what}")
        time.sleep(0.001)


def show(label: str) -> tuple[int, int, int]:
    """Print and return the state."""
    threads, files, memory_kb = found = state()
    print(f"{label:32s}{threads:4d} threads{files:5d} files{memory_kb / 1024:9.1f} MB")
    return found


def servers_come_and_go(count: int) -> int:
    """Keep one client while `count` servers have their turn; return their port."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    got: list[igtl.Message] = []
    with igtl.IgtlClient("127.0.0.1", port, on_message=got.append, retry_s=QUICK_S) as client:
        for k in range(count):
            with igtl.IgtlServer(port) as server:
                wait(lambda server=server: bool(server.clients), "a connection")  # type: ignore[misc]  # bound at once
                server.send(MESSAGE)
                wait(lambda k=k: client.messages == k + 1, "a message")  # type: ignore[misc]  # as above
            got.clear()
            if k == count // 2:
                show(f"after {k + 1} servers")
        if client.connections < count:
            raise SystemExit(f"{client.connections} connections to {count} servers")
    return port


def clients_come_and_go(count: int, dice: random.Random) -> int:
    """Keep one server while `count` clients come and behave badly; return its port."""
    limits = igtl.LinkLimits(max_queued_bytes=1 << 20, stall_s=1.0)
    with igtl.IgtlServer(0, limits=limits) as server:
        for k in range(count):
            with socket.create_connection(("127.0.0.1", server.port), timeout=10) as sock:
                wait(lambda k=k: server.accepted == k + 1, "to be let in")  # type: ignore[misc]  # as above
                manner = k % 4
                if manner == 0:
                    sock.sendall(MESSAGE[: dice.randrange(len(MESSAGE))])
                elif manner == 1:
                    with contextlib.suppress(OSError):
                        sock.sendall(dice.randbytes(200))
                elif manner == 2:
                    for _ in range(20):
                        server.send(MESSAGE)
            if k == count // 2:
                show(f"after {k + 1} clients")
        wait(lambda: server.clients == 0, "the last one to be gone")
        return server.port


def main() -> int:
    """Run, and print what is left."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    # Once for whatever is made at the first use.
    servers_come_and_go(3)
    clients_come_and_go(4, random.Random(chosen.seed))
    before = show("at the start")
    ports = [servers_come_and_go(chosen.count), clients_come_and_go(chosen.count, random.Random(chosen.seed))]
    after = show("at the end")
    left = [p for p in ports if listening(p)]
    fine = after[:2] == before[:2] and not left
    print(f"{chosen.count} reconnects each way: {'nothing left' if fine else f'LEFT OVER, ports {left}'}")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
