"""What a browser that watches costs the engine, and how many pictures a second reach its page.

    python benchmarks/live/view_load.py [--rounds 4] [--seconds 8] [--rate 30]

The shipped phantom at 640 x 480, in turns without and with a headless Chromium on the page, so that other work on the
machine falls on both. Needs Chromium and `usguide[view]`.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np

import usguide as ug
from usguide.live import CallableSource, LiveEngine, LiveUpdate
from usguide.live.view import ViewServer

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
    "--window-size=1280,800",
)


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


@contextmanager
def browser(address: str) -> Iterator[None]:
    """Let a browser look at the page; in the ordinary scheduling class, whatever this process has."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        raise SystemExit("view_load: expected Chromium, got none; apt-get install chromium")
    ordinary = ["chrt", "--other", "0"] if shutil.which("chrt") else []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [*ordinary, program, *FLAGS, f"--user-data-dir={profile}", address],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield
        finally:
            process.terminate()
            process.wait(20)


class Watch:
    """A sink that keeps the latencies in ms, of the pipeline and from arrival to result."""

    def __init__(self) -> None:
        self.ms: list[tuple[float, float]] = []

    def write(self, update: LiveUpdate) -> None:
        """Keep them."""
        self.ms.append((update.result.latency_ms["total"], update.result.latency_ms["end_to_end"]))

    def close(self) -> None:
        """Nothing is open."""


def main() -> int:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--rate", type=float, default=30.0)
    chosen = parser.parse_args()
    ug.warmup()
    watch, view = Watch(), ViewServer(0)
    prior = ug.InsertionPrior(entry_side="left", angle_deg=(15, 60))
    engine = LiveEngine(phantom_source(chosen.rate), ug.GuidancePipeline(prior))
    engine.add_sink(watch, max_waiting=100)
    view.start(engine)
    alone: list[tuple[float, float]] = []
    watched: list[tuple[float, float]] = []
    shown = 0
    with engine:
        time.sleep(2)
        for _ in range(chosen.rounds):
            watch.ms.clear()
            time.sleep(chosen.seconds)
            alone += watch.ms
            with browser(view.address):
                while not view.viewers:
                    time.sleep(0.1)
                time.sleep(2)  # it has started by then
                watch.ms.clear()
                before = view.pictures_shown
                time.sleep(chosen.seconds)
                watched += watch.ms
                shown += view.pictures_shown - before
        status = engine.status()
    print(f"{status.rate_in_hz:.1f} frames/s in, {status.dropped} of {status.received} dropped")
    print(f"{shown / chosen.rounds / chosen.seconds:.1f} pictures/s shown by the page")
    for name, k in (("pipeline", 0), ("arrival to result", 1)):
        (p50, p95), (w50, w95) = (np.quantile(np.array(ms)[:, k], (0.5, 0.95)) for ms in (alone, watched))
        print(f"{name:18s}alone   p50{p50:7.2f}   p95{p95:7.2f} ms")
        print(f"{'':18s}watched p50{w50:7.2f}   p95{w95:7.2f} ms ({w95 / p95 - 1:+.0%})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
