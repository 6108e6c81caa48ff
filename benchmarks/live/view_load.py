"""What a browser that watches costs the engine, and how many pictures a second reach its page.

    python benchmarks/live/view_load.py [--rounds 4] [--seconds 8] [--rate 30]

The shipped phantom at 640 x 480, in turns: alone; with a client in another process that takes every picture and draws none,
which is what serving costs; with a headless Chromium on the page, on the same machine. Prints the medians over the
rounds, so that other work on the machine falls on all three alike. Needs Chromium and `usguide[view]`.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Origin

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from chromium import Page, chromium  # type: ignore[import-not-found]  # the tests have no types

import usguide as ug
from usguide._threads import set_opencv_threads
from usguide.live import CallableSource, LiveEngine, LiveUpdate
from usguide.live.view import ViewServer

SETTLED_S = 2.0
"""A browser has started by then."""


def phantom_source(rate_hz: float) -> CallableSource:
    """Play the phantom forwards and backwards at 640 x 480, each frame at its time."""
    with ug.open_source("phantom:inplane-fascia") as source:
        shown = list(source)
    h, w = shown[0].shape
    frames = [
        ug.Frame(cv2.resize(f.pixels, (640, 480)), f.geometry.resampled((h, w), (480, 640)))
        for f in shown + shown[::-1]
    ]
    state = {"k": 0, "due_s": time.monotonic()}

    def next_frame() -> ug.Frame:
        time.sleep(max(0.0, state["due_s"] - time.monotonic()))
        state["due_s"] = max(state["due_s"] + 1 / rate_hz, time.monotonic() - 0.1)
        state["k"] += 1
        frame = frames[int(state["k"]) % len(frames)]
        return ug.Frame(frame.pixels, frame.geometry, state["k"] / rate_hz)

    return CallableSource(next_frame, "phantom")


def take_pictures(address: str) -> None:
    """Take every picture and say that it was shown, until the server goes."""
    socket = address.replace("http:", "ws:") + "socket"
    with suppress(ConnectionClosed), connect(socket, origin=Origin(address.rstrip("/")), compression=None) as link:
        while True:
            message = link.recv(decode=False)
            (size,) = struct.unpack_from("<I", message)
            picture = json.loads(message[4 : 4 + size]).get("picture")
            if picture is not None:
                link.send(json.dumps({"do": "shown", "number": picture["number"]}))


@contextmanager
def client(address: str) -> Iterator[None]:
    """Let another process take the pictures."""
    process = multiprocessing.get_context("spawn").Process(target=take_pictures, args=(address,))
    process.start()
    try:
        yield
    finally:
        process.terminate()
        process.join()


@contextmanager
def browser(address: str) -> Iterator[None]:
    """Let a browser look at the page."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        page = Page(Path(folder))
        try:
            page.open(address)
            yield
        finally:
            page.close()


WATCHERS: dict[str, Callable[[str], AbstractContextManager[None]]] = {
    "alone": lambda _: nullcontext(),
    "client": client,
    "browser": browser,
}


class Watch:
    """A sink that keeps the latencies in ms, of the pipeline and from arrival to result."""

    def __init__(self) -> None:
        self.ms: list[tuple[float, float]] = []

    def write(self, update: LiveUpdate) -> None:
        """Keep them."""
        self.ms.append((update.result.latency_ms["total"], update.result.latency_ms["end_to_end"]))

    def close(self) -> None:
        """Nothing is open."""


@dataclass(frozen=True, slots=True)
class Turn:
    """Latency over one turn, (p50, p95) x (pipeline, arrival to result) in ms, and pictures shown a second."""

    ms: NDArray[np.float64]
    shown_hz: float


def take_turn(name: str, view: ViewServer, watch: Watch, seconds: float) -> Turn:
    """Measure for so many seconds while someone looks, or nobody."""
    with WATCHERS[name](view.address):
        while name != "alone" and not view.viewers:
            time.sleep(0.1)
        time.sleep(SETTLED_S)
        watch.ms.clear()
        before = view.pictures_shown
        time.sleep(seconds)
        return Turn(np.quantile(np.array(watch.ms), (0.5, 0.95), axis=0), (view.pictures_shown - before) / seconds)


def main() -> int:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--rate", type=float, default=30.0)
    chosen = parser.parse_args()
    if chromium() is None:
        raise SystemExit("view_load: expected Chromium, got none; apt-get install chromium")
    set_opencv_threads(1)  # as the command does
    ug.warmup()
    watch, view = Watch(), ViewServer(0)
    prior = ug.InsertionPrior(entry_side="left", angle_deg=(15, 60))
    engine = LiveEngine(phantom_source(chosen.rate), ug.GuidancePipeline(prior))
    engine.add_sink(watch, max_waiting=100)
    view.start(engine)
    turns: dict[str, list[Turn]] = {name: [] for name in WATCHERS}
    with engine:
        for _ in range(chosen.rounds):
            for name, taken in turns.items():
                taken.append(take_turn(name, view, watch, chosen.seconds))
        status = engine.status()
    print(f"{status.rate_in_hz:.1f} frames/s in, {status.dropped} of {status.received} dropped")
    print(f"{'':10s}{'pipeline p50':>14s}{'p95':>8s}{'arrival to result p50':>24s}{'p95':>8s}{'shown':>10s}")
    usual = np.median([t.ms for t in turns["alone"]], axis=0)
    for name, taken in turns.items():
        (p50, e50), (p95, e95) = np.median([t.ms for t in taken], axis=0)
        shown = np.median([t.shown_hz for t in taken])
        print(f"{name:10s}{p50:14.2f}{p95:8.2f}{e50:24.2f}{e95:8.2f}{shown:8.1f}/s  {e95 / usual[1, 1] - 1:+.0%}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
