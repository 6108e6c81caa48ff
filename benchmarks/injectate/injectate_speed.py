"""What is asked of the injectate's speed, with the default settings, one thread, warm: asked, measured, holds.

    python benchmarks/injectate/injectate_speed.py [--rounds 3]

1. `GuidancePipeline.step` with injectate over the step without it, 768 x 1024 px at 0.05 mm/px, both by turns on the same
   frames, over those with fluid.
2. What injectate adds to a step against morphological Chan-Vese (scikit-image) and GrabCut (OpenCV) on the same frames,
   with the settings that were best on the tuning split: on the working grid (0.15 mm), on which the masks are delivered
   (there Chan-Vese needs twice the iterations to come as far), and on the evidence grid (0.3 mm), on which all three are
   worked out in the benchmark; over the whole grid, as ours, and in the window about the tip in which they were tuned.

A rendered needle goes in and injects. Reading and drawing are not counted. Everything is gone through several times; of
each frame the shortest time counts, ours and the peers', so that what else the machine does counts for neither.
"""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Iterator
from dataclasses import replace
from time import perf_counter
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np  # noqa: E402  (thread counts are read at import)

import usguide as ug  # noqa: E402
from usguide._threads import set_opencv_threads  # noqa: E402
from usguide.bench.bars import Bar, bar_lines  # noqa: E402
from usguide.bench.injectate_baselines import BASELINES, ChanVese, GrabCut, Scenes  # noqa: E402
from usguide.bench.injectate_methods import with_injectate  # noqa: E402
from usguide.grid import to_working_grid  # noqa: E402
from usguide.phantoms import InjectateScene, NeedleScene, Phantom, PhantomScene, render_phantom  # noqa: E402

SHAPE, SPACING_MM, RATE_HZ, DURATION_S = (768, 1024), 0.05, 20.0, 4.0
ONSET_S = 1.8
PRIOR = ug.InsertionPrior("left", (5.0, 80.0))
COMPARED_EVERY = 4
"""Of the frames with fluid, so many apart."""
GRIDS = ("working grid", "evidence grid")
BARS = (
    Bar("768 x 1024", "step with injectate over the step without", ("step_ratio",), "at most", 1.6),
    *(
        Bar(grid, f"{name}'s time over what injectate adds", (grid, name), "at least", limit)
        for grid in GRIDS
        for name, limit in (("Chan-Vese", 50.0), ("GrabCut", 10.0))
    ),
)


def rendered() -> Phantom:
    """Return a needle that goes in and injects, 80 frames."""
    needle = NeedleScene(advance=((0.0, -0.5), (1.3, 22.0)))
    scene = PhantomScene(
        shape=SHAPE,
        spacing_mm=(SPACING_MM, SPACING_MM),
        duration_s=DURATION_S,
        frame_rate_hz=RATE_HZ,
        needle=needle,
        injectate=InjectateScene(onset_s=ONSET_S, area_rate_mm2_s=15.0),
    )
    return render_phantom(scene, seed=12)


def frames_of(phantom: Phantom) -> Iterator[ug.Frame]:
    """Give the frames, which differ from each other anyway."""
    geometry = ug.ImageGeometry(SPACING_MM, SPACING_MM)
    for k, pixels in enumerate(phantom.frames):
        yield ug.Frame(pixels, geometry, k / RATE_HZ, k)


def by_turns(phantom: Phantom) -> tuple[np.ndarray, float]:
    """Return the times of steps without and with injectate, of its stage, in ms, for frames with fluid; and its area."""
    pipelines = ug.GuidancePipeline(PRIOR), ug.GuidancePipeline(PRIOR, settings=with_injectate())
    rows, area = [], 0.0
    for frame in frames_of(phantom):
        row, order = [0.0, 0.0, 0.0], (0, 1) if frame.index % 2 else (1, 0)
        for which in order:
            start = perf_counter()
            result = pipelines[which].step(frame)
            row[which] = 1e3 * (perf_counter() - start)
            if which == 1:
                row[2] = result.latency_ms["injectate"]
                area = result.injectate.area_mm2 if result.injectate else 0.0
        if phantom.truth.injectate_area_mm2[frame.index] > 0:
            rows.append(row)
    return np.array(rows), area


def baseline_ms(phantom: Phantom, grid: str, *, whole: bool) -> dict[str, list[float]]:
    """Return the times of the frames compared, on the whole grid or in the window about the tip."""
    found: dict[str, list[float]] = {"Chan-Vese": [], "GrabCut": []}
    scenes = Scenes(phantom.truth)
    for frame in frames_of(phantom):
        scene = scenes.next(frame)
        if scene is None or frame.index % COMPARED_EVERY:
            continue
        fine = grid == "working grid"
        if fine:
            image = to_working_grid(frame, with_injectate().detection.working_mm_per_px)
            scene = replace(scene, grey=image.grey, geometry=image.geometry)
        for name, times in found.items():
            baseline = BASELINES[name]
            if fine and isinstance(baseline, ChanVese):
                baseline = replace(baseline, iterations=2 * baseline.iterations)
            if whole and isinstance(baseline, ChanVese | GrabCut):
                baseline = replace(baseline, reach_mm=1000.0)
            start = perf_counter()
            baseline(scene)
            times.append(1e3 * (perf_counter() - start))
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="times that the recording is gone through")
    options = parser.parse_args()
    set_opencv_threads(1)
    ug.warmup()
    phantom = rendered()
    by_turns(phantom)  # warm
    ours, peers = [], []
    kinds = [(grid, whole) for grid in GRIDS for whole in (True, False)]
    for _ in range(options.rounds):
        ours.append(by_turns(phantom))
        peers.append({kind: baseline_ms(phantom, kind[0], whole=kind[1]) for kind in kinds})
    plain, full, stage = np.min([times for times, _ in ours], axis=0).T
    added = float(np.median(stage))
    print(f"{platform.machine()}, {os.cpu_count()} cores, one thread, settings {with_injectate().digest}")
    print(f"step without: {_words(plain)}; with: {_words(full)}; its stage: {_words(stage)}")
    print(f"area at the end: found {ours[-1][1]:.1f} mm2, true {phantom.truth.injectate_area_mm2[-1]:.1f} mm2")
    figures: dict[str, Any] = {"step_ratio": float(np.median(full) / np.median(plain))}
    for grid in GRIDS:
        whole, window = (
            {name: float(np.median(np.min([p[grid, w][name] for p in peers], axis=0))) for name in peers[0][grid, w]}
            for w in (True, False)
        )
        figures[grid] = {name: ms / added for name, ms in whole.items()}
        for name, ms in whole.items():
            print(f"{name}, {grid}: {ms:.1f} ms over all of it, {window[name]:.1f} ms in its window")
    for line in bar_lines(figures, BARS):
        holds = {True: "yes", False: "no", None: "-"}[line.holds]
        print(f"{line.group:14s} {line.what:44s} asked {line.asked:14s} measured {line.measured:10s} holds {holds}")


def _words(times_ms: np.ndarray) -> str:
    p50, p95 = np.percentile(times_ms, [50, 95])
    return f"median {p50:.2f} ms, p95 {p95:.2f} (n={times_ms.size})"


if __name__ == "__main__":
    main()
