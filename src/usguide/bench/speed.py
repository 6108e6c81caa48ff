"""The speed suite: how long a step takes, stage by stage, and a few filters, one thread, nothing else running."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from usguide import filters
from usguide._threads import set_opencv_threads
from usguide._warmup import warmup
from usguide.bench.cache import rendered_file
from usguide.bench.detectors import GuideFactory, detectors
from usguide.bench.sequences import Rendered, Sequence
from usguide.io import open_source
from usguide.metrics import summarise_latency, to_plain
from usguide.phantoms import PhantomScene
from usguide.types import InsertionPrior

SIZES = ((480, 640), (768, 1024))
HEIGHT_MM = 45.0
FRAMES = 60
RENDERED = 15
"""Frames that are rendered, and shown to and fro."""
REPEATS = 10
FILTERS: dict[str, Callable[[Any], Any]] = {
    "median": filters.median,
    "lee": filters.lee,
    "srad (30 iterations)": lambda x: filters.srad(x, iterations=30),
    "frangi": filters.frangi,
    "oriented line": filters.oriented_line,
}


def run_speed(folder: Path, *, quick: bool = False, stopped: Callable[[], bool] = lambda: False) -> dict[str, Any]:
    """Measure, in this process.

    Parameters
    ----------
    folder : Path
        Cache of rendered sequences.
    quick : bool
        The smaller size alone, without filters.
    stopped : callable
        Asked between measurements.

    Returns
    -------
    dict
        Plain values: by size, latency by stage in ms and frames per second of each detector; ms of each filter.
    """
    set_opencv_threads(1)
    warmup(all_filters=not quick)
    found: dict[str, Any] = {}
    for height, width in SIZES[: 1 if quick else None]:
        if stopped():
            break
        sequence = speed_sequence(height, width)
        with open_source(rendered_file(sequence, folder)) as source:
            frames = list(source)
        order = (frames + frames[-2:0:-1]) * (1 + FRAMES // len(frames))
        found[f"{height} x {width}"] = {
            "detectors": {name: _steps(make, sequence.prior, order[:FRAMES]) for name, make in detectors().items()},
            "filters_ms": {} if quick else {name: _filter_ms(run, frames[-1].pixels) for name, run in FILTERS.items()},
        }
    return found


def speed_sequence(height: int, width: int) -> Sequence:
    """Return the phantom that steps are timed on."""
    spacing = HEIGHT_MM / height
    scene = PhantomScene(
        shape=(height, width), spacing_mm=(spacing, spacing), duration_s=RENDERED / 8, frame_rate_hz=8.0
    )
    prior = InsertionPrior(entry_side="left", angle_deg=(5.0, 80.0))
    return Sequence(f"speed-{height}x{width}", "speed", "test", prior, Rendered(scene, 1900))


def _steps(make: GuideFactory, prior: InsertionPrior, frames: list[Any]) -> dict[str, Any]:
    guide = make(prior)
    stages: dict[str, list[float]] = {}
    start = perf_counter()
    for k, frame in enumerate(frames):
        # Shown to and fro, frames need times of their own.
        moved = type(frame)(frame.pixels, frame.geometry, k / 20, k)
        for stage, ms in guide.step(moved).latency_ms.items():
            stages.setdefault(stage, []).append(ms)
    elapsed = perf_counter() - start
    return {
        "latency_ms": {stage: to_plain(summarise_latency(ms)) for stage, ms in stages.items()},
        "frames_per_s": len(frames) / elapsed,
    }


def _filter_ms(run: Callable[[Any], Any], pixels: Any) -> dict[str, Any]:
    image, times = np.asarray(pixels, np.float32), []
    run(image)
    for _ in range(REPEATS):
        start = perf_counter()
        run(image)
        times.append(1e3 * (perf_counter() - start))
    plain: dict[str, Any] = to_plain(summarise_latency(times))
    return plain
