"""Time of `GuidancePipeline.step` beside the typical script's, in one run, one thread.

    python benchmarks/step_vs_typical_script.py [--frames 40]

Same pictures for both: speckle with one shaft, 768 x 1024 px at 0.05 mm/px. The typical script works at full
resolution and finds no tip; the pipeline resamples to its working grid. Not counted: reading and drawing.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import time
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[name] = "1"

import cv2  # noqa: E402  (thread counts are read at import)
import numpy as np  # noqa: E402

import usguide as ug  # noqa: E402
from usguide._threads import set_opencv_threads  # noqa: E402

sys.path.insert(0, str(Path(__file__).parent / "yardsticks"))
from typical_script import typical_step  # type: ignore[import-not-found]  # noqa: E402  (a yardstick, used unchanged)


def picture(k: int) -> np.ndarray:
    """Return speckle with a shaft that is `k` px longer than the first."""
    rng = np.random.default_rng(k)
    image = np.clip(60 * rng.rayleigh(1, (768, 1024)), 0, 255).astype(np.uint8)
    end = (300 + 4 * k, 150 + 2 * k)
    cv2.line(image, (0, 0), end, 255, 14)
    return cv2.GaussianBlur(image, (0, 0), 2)


def main() -> None:
    """Print median and p95 of both, and the ratio of the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--script-frames", type=int, default=5)
    options = parser.parse_args()
    set_opencv_threads(1)
    ug.warmup()
    pictures = [picture(k) for k in range(options.frames)]
    pipeline = ug.GuidancePipeline(ug.InsertionPrior("left", (15, 60)))
    ours, theirs, state = [], [], None
    for k, pixels in enumerate(pictures):
        frame = ug.Frame(pixels, ug.ImageGeometry(0.05, 0.05), k / 20, k)
        start = time.perf_counter()
        pipeline.step(frame)
        ours.append(time.perf_counter() - start)
    for pixels in pictures[: options.script_frames]:
        start = time.perf_counter()
        _, state = typical_step(pixels, state)
        theirs.append(time.perf_counter() - start)
    print(f"{platform.machine()}, {os.cpu_count()} cores, one thread, 768 x 1024 px at 0.05 mm/px")
    for name, times in (("usguide step", ours[3:]), ("typical script", theirs[1:])):
        ms = sorted(1e3 * t for t in times)
        print(
            f"{name:15s} median {statistics.median(ms):8.1f} ms   p95 {ms[int(0.95 * (len(ms) - 1))]:8.1f} ms   n={len(ms)}"
        )
    print(f"ratio of medians {statistics.median(theirs[1:]) / statistics.median(ours[3:]):.0f}")


if __name__ == "__main__":
    main()
