"""What is asked of the needle's speed, with the default settings, one thread, warm: asked, measured, holds.

    python benchmarks/needle/step_speed.py [--frames 200] [--soak 0]

1. How many times faster `GuidancePipeline.step` is than the typical script, 768 x 1024 px at 0.05 mm/px, both by turns.
2. Time at 1080 x 1440 over time at 480 x 640, same depth and width.
3. p99 over median of the step against that of a fixed piece of work, by turns in the same loop: what the machine does to
   any program is in both.
4. With `--soak N` (20000 is what is asked): resident memory over N steps, after the first tenth.

A rendered needle goes in and out with fresh noise on each frame, since a frame that repeats the one before it is
answered without work. Reading and drawing are not counted. What is asked is asked of an idle machine.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[name] = "1"

import cv2  # noqa: E402  (thread counts are read at import)
import numpy as np  # noqa: E402

import usguide as ug  # noqa: E402
from usguide._threads import set_opencv_threads  # noqa: E402
from usguide.bench.bars import Bar, bar_lines  # noqa: E402
from usguide.phantoms import NeedleScene, PhantomScene, render_phantom  # noqa: E402

sys.path.insert(0, str(Path(__file__).parents[1] / "yardsticks"))
from typical_script import typical_step  # type: ignore[import-not-found]  # noqa: E402  (a yardstick, used unchanged)

SHAPE, SPACING_MM = (768, 1024), 0.05
SIZES = ((480, 640), (1080, 1440))
RATE_HZ = 20.0
WARM = 20
"""Frames at the start that are not counted."""
PRIOR = ug.InsertionPrior("left", (5.0, 80.0))
BARS = (
    Bar("768 x 1024", "times faster than the typical script", ("script_ratio",), "at least", 180.0),
    Bar("1080 x 1440", "time over that at 480 x 640", ("size_ratio",), "at most", 1.4),
    Bar("768 x 1024", "p99 over median, beyond that of fixed work", ("spread_excess",), "at most", 0.5),
    Bar("480 x 640", "memory grown after a tenth of the soak, MB", ("soak_mb",), "at most", 5.0),
)


def rendered() -> np.ndarray:
    """Return a needle that goes in, shape (N, 768, 1024)."""
    needle = NeedleScene(advance=((0.0, -0.5), (1.3, 25.0)))
    scene = PhantomScene(
        shape=SHAPE, spacing_mm=(SPACING_MM, SPACING_MM), duration_s=1.5, frame_rate_hz=RATE_HZ, needle=needle
    )
    return render_phantom(scene, seed=11).frames


def moving(frames: np.ndarray, size: tuple[int, int], count: int) -> Iterator[ug.Frame]:
    """Give `count` frames of that size (H, W), to and fro, of the same depth and width, each with noise of its own."""
    h, w = size
    shown = [f if f.shape == size else cv2.resize(f, (w, h), interpolation=cv2.INTER_AREA) for f in frames]
    geometry = ug.ImageGeometry(SPACING_MM * SHAPE[0] / h, SPACING_MM * SHAPE[1] / w)
    order = [*range(len(shown)), *range(len(shown) - 2, 0, -1)]
    rng = np.random.default_rng(0)
    noises = rng.integers(-3, 4, (7, h, w), dtype=np.int16)
    for k in range(count):
        # Seven noises and an even number of pictures: none comes twice in a row.
        noisy = shown[order[k % len(order)]].astype(np.int16) + noises[k % len(noises)]
        yield ug.Frame(np.clip(noisy, 0, 255).astype(np.uint8), geometry, k / RATE_HZ, k)


def milliseconds(work: Callable[[], object]) -> float:
    """Return the time that one call takes."""
    start = time.perf_counter()
    work()
    return 1e3 * (time.perf_counter() - start)


def step_times_ms(
    frames: np.ndarray, size: tuple[int, int], count: int, beside: Callable[[ug.Frame], object] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the times of the steps, and of `beside` by turns with them; warm."""
    pipeline = ug.GuidancePipeline(PRIOR)
    ours, theirs = [], []
    for frame in moving(frames, size, WARM + count):
        ours.append(milliseconds(partial(pipeline.step, frame)))
        if beside is not None and frame.index >= WARM:
            theirs.append(milliseconds(partial(beside, frame)))
    return np.array(ours[WARM:]), np.array(theirs)


def fixed_work(target_ms: float) -> Callable[[ug.Frame], None]:
    """Return work that always does the same, and takes about as long as the fastest step."""
    image, out = np.random.default_rng(1).random((480, 640), np.float32), np.empty((480, 640), np.float32)

    def once() -> None:
        cv2.GaussianBlur(image, (0, 0), 2.0, dst=out)

    repeats = max(1, round(target_ms / min(milliseconds(once) for _ in range(200))))

    def work(_frame: ug.Frame) -> None:
        for _ in range(repeats):
            once()

    return work


def resident_mb() -> float:
    """Return this process's resident memory (Linux)."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


def soak(frames: np.ndarray, count: int) -> float:
    """Return MB by which memory grew from the first tenth of `count` steps to its highest after."""
    pipeline, samples = ug.GuidancePipeline(PRIOR), []
    for frame in moving(frames, SIZES[0], count):
        pipeline.step(frame)
        if (frame.index + 1) % max(1, count // 20) == 0:
            samples.append(resident_mb())
            print(f"{frame.index + 1:7d} steps: {samples[-1]:7.1f} MB resident")
    return max(samples[2:]) - samples[1]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=200, help="steps for each figure")
    parser.add_argument("--script-frames", type=int, default=6, help="frames that the typical script sees")
    parser.add_argument("--soak", type=int, default=0, help="steps of the soak run")
    options = parser.parse_args()
    set_opencv_threads(1)
    ug.warmup()
    frames, state, found = rendered(), None, {}

    def script(frame: ug.Frame) -> None:
        nonlocal state
        _, state = typical_step(frame.pixels, state)

    _, theirs = step_times_ms(frames, SHAPE, options.script_frames + 1, script)
    ours, _ = step_times_ms(frames, SHAPE, options.frames)
    found["script_ratio"] = float(np.median(theirs[1:]) / np.median(ours))
    print(f"{platform.machine()}, {os.cpu_count()} cores, one thread, settings {ug.PipelineSettings().digest}")
    print(f"768 x 1024: step {_words(ours)}; typical script {_words(theirs[1:])}")
    sizes = [step_times_ms(frames, size, options.frames)[0] for size in SIZES]
    found["size_ratio"] = float(np.median(sizes[1]) / np.median(sizes[0]))
    for (h, w), times in zip(SIZES, sizes, strict=True):
        print(f"{h} x {w}: step {_words(times)}")
    steps, work = step_times_ms(frames, SHAPE, options.frames, fixed_work(float(ours.min())))
    spread = [float(np.percentile(times, 99) / np.median(times)) for times in (steps, work)]
    found["spread_excess"] = spread[0] - spread[1]
    print(
        f"by turns: step {_words(steps)}; fixed work {_words(work)}; p99 over median {spread[0]:.2f}, {spread[1]:.2f}"
    )
    if options.soak:
        found["soak_mb"] = soak(frames, options.soak)
    for line in bar_lines(found, BARS):
        holds = {True: "yes", False: "no", None: "-"}[line.holds]
        print(f"{line.group:12s} {line.what:46s} asked {line.asked:14s} measured {line.measured:14s} holds {holds}")


def _words(times_ms: np.ndarray) -> str:
    p50, p95, p99 = np.percentile(times_ms, [50, 95, 99])
    return f"median {p50:.2f} ms, p95 {p95:.2f}, p99 {p99:.2f} (n={times_ms.size})"


if __name__ == "__main__":
    main()
