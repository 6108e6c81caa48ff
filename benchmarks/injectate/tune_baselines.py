"""Choose the settings of the baselines for injectate on the tuning split, by the mean Dice that each reaches there.

The grids lie about the best of coarser ones (Chan-Vese: smoothing 2, weights of 0.5 and 2, windows of 10 mm and 40
iterations were worse; GrabCut: smoothing by 0.3 mm was).

python benchmarks/injectate/tune_baselines.py
"""

from __future__ import annotations

import itertools
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from usguide.bench.cache import cache_folder
from usguide.bench.injectate_baselines import ChanVese, GrabCut, GreyThreshold, Scene, Scenes
from usguide.bench.injectate_suite import injectate_suite
from usguide.bench.loading import open_sequence
from usguide.metrics import compare_masks
from usguide.phantoms import PhantomTruth

SETTLED_FRAMES = 20
"""From so many frames after the first with fluid."""
FRAMES_EACH = 2
GRIDS: dict[type[Any], dict[str, tuple[Any, ...]]] = {
    GreyThreshold: {"share": (0.6, 0.65, 0.7), "sigma_mm": (0.0, 0.15)},
    ChanVese: {
        "iterations": (8, 15, 25),
        "start_mm": (1.5, 2.0, 3.0),
        "reach_mm": (4.5, 6.0, 8.0),
        "sigma_mm": (0.0, 0.3),
    },
    GrabCut: {"iterations": (3, 8), "share": (0.7, 0.85, 1.0), "likely_mm": (2.0, 3.0), "reach_mm": (8.0, 12.0, 16.0)},
}


def scenes() -> list[tuple[str, Scene, NDArray[np.bool_]]]:
    """Return a few settled frames of each sequence with fluid, and the truth on their grid."""
    found = []
    for sequence in injectate_suite("tune").sequences:
        if sequence.tags["injectate"] not in ("lens", "ring", "pool"):
            continue
        with open_sequence(sequence, cache_folder()) as (frames, truth):
            if not isinstance(truth, PhantomTruth) or truth.injectate_mask is None:
                raise AssertionError(sequence.name)
            source, all_frames = Scenes(truth), list(frames)
            judged = np.linspace(
                np.argmax(truth.injectate_area_mm2 > 0) + SETTLED_FRAMES, len(all_frames) - 1, FRAMES_EACH
            )
            for frame in all_frames:
                scene = source.next(frame)
                if scene is not None and frame.index in judged.astype(int):
                    g, (h, w) = scene.geometry, scene.grey.shape
                    at = np.stack(np.meshgrid(np.arange(w), np.arange(h)), axis=-1)
                    px = np.rint(frame.geometry.to_px(g.to_mm(at))).astype(int)
                    mask = truth.injectate_mask[frame.index]
                    rows = np.clip(px[..., 1], 0, mask.shape[0] - 1)
                    found.append((sequence.name, scene, mask[rows, np.clip(px[..., 0], 0, mask.shape[1] - 1)]))
    return found


def main() -> None:
    """Print the best five of each."""
    judged = scenes()
    for kind, grid in GRIDS.items():
        rows = []
        for values in itertools.product(*grid.values()):
            baseline = kind(**dict(zip(grid, values, strict=True)))
            start = perf_counter()
            dice = [
                compare_masks(truth, baseline(scene), axial_mm_per_px=0.3, lateral_mm_per_px=0.3).dice
                for _, scene, truth in judged
            ]
            ms = 1e3 * (perf_counter() - start) / len(judged)
            rows.append((float(np.mean(dice)), float(np.median(dice)), ms, baseline))
        for mean, median, ms, baseline in sorted(rows, key=lambda r: -r[0])[:5]:
            print(f"{mean:.3f} (median {median:.3f}), {ms:.1f} ms: {baseline}", flush=True)


if __name__ == "__main__":
    main()
