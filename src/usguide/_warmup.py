"""Compile every kernel before the first frame, so that the first result is not late."""

from __future__ import annotations

import numpy as np


def warmup() -> None:
    """Compile (or load from the cache) all of usguide's kernels by running the pipeline on a small picture."""
    from usguide import Frame, GuidancePipeline, ImageGeometry  # noqa: PLC0415  (keeps ``import usguide`` light)

    pixels = np.zeros((96, 96), np.uint8)
    rows = np.arange(10, 80)
    pixels[rows, rows] = pixels[rows, rows + 1] = 200
    GuidancePipeline().step_still(Frame(pixels, ImageGeometry(0.2, 0.2)))
