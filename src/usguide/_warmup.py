"""Compile every kernel before the first frame, so that the first result is not late."""

from __future__ import annotations

import numpy as np


def warmup() -> None:
    """Compile (or load from the cache) all of usguide's kernels by running the pipeline on a small picture."""
    from usguide import Frame, GuidancePipeline, ImageGeometry  # noqa: PLC0415  (keeps ``import usguide`` light)

    pipeline = GuidancePipeline()
    for k in range(2):
        pixels = np.full((96, 96), 60, np.uint8)  # black would count as 'no picture'
        rows = np.arange(5, 70 + 10 * k)
        for width in range(3):
            pixels[rows, rows + width] = 220
        pipeline.step(Frame(pixels, ImageGeometry(0.2, 0.2), timestamp_s=0.05 * k, index=k))
