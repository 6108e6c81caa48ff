"""A live source at twice the engine's speed: latency and memory over time, and whether every frame is accounted for.

    python benchmarks/soak/live_overload.py [--minutes 5] [--load 2.0] [--record DIR]

Measures how long a step takes on a rendered needle, then pushes frames `load` times as fast as that, and samples latency
(frame in to result out) and resident memory. Ends with exit code 1 where latency or memory grew, or a frame is missing.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import usguide as ug
from usguide._threads import set_opencv_threads
from usguide.io.source import ASSUMED_RATE_HZ
from usguide.live import CallableSource, LiveEngine, LiveFrame, LiveUpdate, Recorder
from usguide.phantoms import NeedleScene, PhantomScene, render_phantom

WINDOWS = 10
GROWN_MS, GROWN_SHARE, GROWN_MB = 2.0, 1.2, 3.0
"""More than this, from the first tenth (of memory the third, after a minute of five) to the last, is growth."""


class LatencySink:
    """Keeps the latency of each result, when it came and the memory then, in room that is taken at the start."""

    def __init__(self, most: int) -> None:
        self._room = np.full((most, 3), np.nan)
        self._count = 0

    @property
    def samples(self) -> NDArray[np.float64]:
        """Time in s, latency in ms and memory in MB, a row for each result."""
        return self._room[: self._count]

    def write(self, update: LiveUpdate) -> None:
        """Keep time, latency and memory."""
        if update.frame is not None:
            self._room[self._count] = time.monotonic(), update.result.latency_ms["end_to_end"], resident_mb()
            self._count += 1

    def close(self) -> None:
        """Nothing is open."""


def resident_mb() -> float:
    """Return the memory of this process, 0 where the system does not say."""
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="utf-8").splitlines() if status.exists() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")), 0.0)


def pictures() -> list[NDArray[np.uint8]]:
    """Render a needle going in and out, 640 x 480 px."""
    advance = ((0.3, -0.5), (1.8, 22.0), (3.0, 22.0))
    scene = PhantomScene(shape=(480, 640), spacing_mm=(0.08, 0.08), duration_s=3.0, needle=NeedleScene(advance=advance))
    frames = list(render_phantom(scene, seed=11).frames)
    return frames + frames[::-1]


def step_s(loop: list[NDArray[np.uint8]], geometry: ug.ImageGeometry) -> float:
    """Return the median time of a step over the loop, once all is compiled: of the processor, whatever else it does."""
    pipeline, times = ug.GuidancePipeline(ug.InsertionPrior("left", (15, 60))), []
    for k, pixels in enumerate(loop):
        start = time.thread_time()
        pipeline.step(ug.Frame(pixels, geometry, k / ASSUMED_RATE_HZ, k))
        times.append(time.thread_time() - start)
    return float(np.median(times))


def main() -> int:
    """Run, print what was found, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--load", type=float, default=2.0, help="frames for each that the engine can process")
    parser.add_argument("--record", type=Path, help="record into this folder too")
    options = parser.parse_args()
    set_opencv_threads(1)
    ug.warmup()
    loop, geometry = pictures(), ug.ImageGeometry(0.08, 0.08)
    period_s = step_s(loop, geometry) / options.load
    print(f"a step takes {1e3 * period_s * options.load:.1f} ms; a frame comes every {1e3 * period_s:.1f} ms")

    given = itertools.count()
    start = time.monotonic()
    end = start + 60 * options.minutes

    def give() -> LiveFrame:
        k = next(given)
        now = time.monotonic()
        if now >= end:
            raise StopIteration
        time.sleep(max(0.0, start + k * period_s - now))
        return LiveFrame(loop[k % len(loop)], geometry, 1e9 + k * period_s)

    pipeline = ug.GuidancePipeline(ug.InsertionPrior("left", (15, 60)))
    sink = LatencySink(int(60 * options.minutes / period_s) + 1)
    recorder = None if options.record is None else Recorder(options.record, pipeline, "overload")
    engine = LiveEngine(CallableSource(give), pipeline, recorder=recorder)
    engine.add_sink(sink, max_waiting=1000)
    with engine:
        engine.wait()
    if recorder is not None:
        recorder.finish({"ended": "source at its end"})
    return report(engine, sink, next(given) - 1)


def report(engine: LiveEngine, sink: LatencySink, given: int) -> int:
    """Print a table over time and the balance of frames; return 1 where something grew or is missing."""
    times, latency_ms, mb = sink.samples.T
    edges = np.linspace(times[0], times[-1] + 1e-6, WINDOWS + 1)
    rows = []
    for low, high in itertools.pairwise(edges):
        inside = (times >= low) & (times < high)
        p50, p95 = np.percentile(latency_ms[inside], [50, 95])
        rows.append((p50, p95, float(mb[inside].max())))
        print(f"{low - times[0]:7.1f} s: latency median {p50:6.1f}, p95 {p95:6.1f} ms, memory {rows[-1][2]:7.1f} MB")
    status = engine.status()
    print(f"given {given}, received {status.received}, processed {status.processed}, dropped {status.dropped}")
    faults = {
        "latency grew": rows[-1][0] > rows[0][0] * GROWN_SHARE + GROWN_MS,
        "memory grew": rows[-1][2] > rows[2][2] + GROWN_MB,
        "frames are missing": not given == status.received == status.processed + status.dropped,
        "results are missing": len(sink.samples) != status.processed,
        "it ended with an error": engine.error is not None,
    }
    found = [words for words, is_so in faults.items() if is_so]
    print("; ".join(found) or "latency and memory as at the start, every frame accounted for")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
