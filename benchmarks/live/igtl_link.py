"""How long an image of 640 x 480 takes over OpenIGTLink on loopback, from before it is packed to a parsed frame.

    python benchmarks/live/igtl_link.py [--frames 600] [--rate 60]

The sender is a process of its own and writes its clock (the system's monotonic one, the same for both) into the time stamp.
usguide: `IgtlServer` to `IgtlClient` and `FrameBuilder`, with one client, with three, and with three and a fourth that
never reads. pyigtl, where it is installed: its server to its client's `wait_for_message`, and to usguide's client.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from usguide.live import igtl

try:
    import pyigtl
except ImportError:
    pyigtl = None

SHAPE = (480, 640)
MATRIX = np.diag([0.08, 0.08, 1.0, 1.0])
DEVICE = "Image"


def pictures() -> list[NDArray[np.uint8]]:
    """Return a few pictures, so that no two frames in a row are alike."""
    return list(np.random.default_rng(0).integers(0, 256, (10, *SHAPE), dtype=np.uint8))


def send_ours(port: int, frames: int, rate_hz: float, clients: int) -> dict[str, float]:
    """Serve images; return what the server says of it."""
    shown, longest = pictures(), 0.0
    with igtl.IgtlServer(port) as server:
        while server.clients < clients:
            time.sleep(0.001)
        time.sleep(0.2)
        start = time.monotonic()
        for k in range(frames):
            time.sleep(max(0.0, start + k / rate_hz - time.monotonic()))
            now = time.monotonic()
            server.send(igtl.encode(igtl.Image(shown[k % len(shown)], MATRIX), DEVICE, timestamp_s=now))
            longest = max(longest, time.monotonic() - now)
        time.sleep(0.5)
        return {"dropped": server.dropped, "longest_send_ms": 1e3 * longest}


def send_pyigtl(port: int, frames: int, rate_hz: float) -> dict[str, float]:
    """Serve images with pyigtl."""
    shown, longest = pictures(), 0.0
    server = pyigtl.OpenIGTLinkServer(port=port, local_server=True)
    while not server.is_connected():
        time.sleep(0.001)
    time.sleep(0.2)
    start = time.monotonic()
    for k in range(frames):
        time.sleep(max(0.0, start + k / rate_hz - time.monotonic()))
        now = time.monotonic()
        image = pyigtl.ImageMessage(
            shown[k % len(shown)][None], ijk_to_world_matrix=MATRIX, timestamp=now, device_name=DEVICE
        )
        server.send_message(image, wait=False)
        longest = max(longest, time.monotonic() - now)
    time.sleep(0.5)
    server.stop()
    return {"longest_send_ms": 1e3 * longest}


class Receiver:
    """A client of usguide's that keeps the delay and the index of each frame."""

    def __init__(self, port: int) -> None:
        self.delays_s: list[float] = []
        self.stamps_s: list[float] = []
        self.builder = igtl.FrameBuilder(device=DEVICE)
        self.client = igtl.IgtlClient("127.0.0.1", port, on_message=self._take, retry_s=(0.02, 0.1))

    def _take(self, message: igtl.Message) -> None:
        frame = self.builder.take(message, 0.0)
        if frame is not None:
            self.delays_s.append(time.monotonic() - frame.timestamp_s)
            self.stamps_s.append(frame.timestamp_s)


@contextlib.contextmanager
def sender(kind: str, port: int, frames: int, rate_hz: float, clients: int) -> Iterator[subprocess.Popen[str]]:
    """Run this script as a sender."""
    chosen = ["--send", kind, "--port", port, "--frames", frames, "--rate", rate_hz, "--clients", clients]
    process = subprocess.Popen([sys.executable, __file__, *map(str, chosen)], stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def free_port() -> int:
    """Return a port that nobody uses."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def ours(kind: str, frames: int, rate_hz: float, count: int, *, deaf: bool = False) -> tuple[list[Receiver], Any]:
    """Receive with usguide; return the receivers and what the sender said."""
    port = free_port()
    with sender(kind, port, frames, rate_hz, count + deaf) as process, contextlib.ExitStack() as open_ones:
        receivers = [Receiver(port) for _ in range(count)]
        for receiver in receivers:
            open_ones.enter_context(receiver.client)
            receiver.client.wait_connected(20)
        if deaf:
            open_ones.enter_context(socket.create_connection(("127.0.0.1", port)))
        said, _ = process.communicate(timeout=60 + frames / rate_hz)
    return receivers, json.loads(said)


def theirs(frames: int, rate_hz: float) -> tuple[list[float], Any]:
    """Receive with pyigtl's client from pyigtl's server."""
    port, delays_s = free_port(), []
    with sender("pyigtl", port, frames, rate_hz, 1) as process:
        time.sleep(1.0)  # its client writes to the log for each attempt in vain
        client = pyigtl.OpenIGTLinkClient("127.0.0.1", port)
        while True:
            message = client.wait_for_message(DEVICE, timeout=3)
            if message is None:
                break
            delays_s.append(time.monotonic() - message.timestamp)
        said, _ = process.communicate(timeout=60)
        client.stop()
    return delays_s, json.loads(said)


def line(name: str, delays_s: list[float], frames: int, said: Any) -> None:
    """Print one row."""
    p50, p95, p99, top = (1e3 * float(v) for v in np.quantile(delays_s, (0.5, 0.95, 0.99, 1.0)))
    got = f"{len(delays_s)}/{frames}"
    print(f"{name:44s}{got:>12s}{p50:9.2f}{p95:9.2f}{p99:9.2f}{top:9.2f}{said['longest_send_ms']:12.2f}")


def main() -> int:
    """Measure, and print a table in ms."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=600)
    parser.add_argument("--rate", type=float, default=60.0)
    parser.add_argument("--send", choices=("usguide", "pyigtl"), help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--clients", type=int, default=1, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    frames, rate_hz = chosen.frames, chosen.rate
    if chosen.send == "usguide":
        print(json.dumps(send_ours(chosen.port, frames, rate_hz, chosen.clients)))
        return 0
    if chosen.send == "pyigtl":
        print(json.dumps(send_pyigtl(chosen.port, frames, rate_hz)))
        return 0
    print(f"{'ms, from before packing to a parsed frame':44s}{'received':>12s}", end="")
    print(f"{'p50':>9s}{'p95':>9s}{'p99':>9s}{'max':>9s}{'max send()':>12s}")
    complete = True
    for count, deaf in ((1, False), (3, False), (3, True)):
        receivers, said = ours("usguide", frames, rate_hz, count, deaf=deaf)
        words = f"{count} client{'s' * (count > 1)}{' and one that never reads' * deaf}"
        for k, r in enumerate(receivers):
            line(f"usguide, {words}: {k + 1}", r.delays_s, frames, said)
            complete &= len(r.delays_s) == frames and bool((np.diff(r.stamps_s) > 0).all())
        if deaf:
            print(f"{'':4s}dropped by the server: {said['dropped']:.0f}")
            complete &= said["dropped"] == 1
    if pyigtl is None:
        print("pyigtl is not installed: pip install pyigtl")
    else:
        delays_s, said = theirs(frames, rate_hz)
        line("pyigtl to pyigtl", delays_s, frames, said)
        receivers, said = ours("pyigtl", frames, rate_hz, 1)
        line("pyigtl to usguide", receivers[0].delays_s, frames, said)
    print("every client got every image in order" if complete else "IMAGES ARE MISSING")
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
