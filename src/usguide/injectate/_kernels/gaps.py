"""The least distance between two outlines."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from usguide._jit import kernel

F64 = NDArray[np.float64]


@kernel
def least_gap(points: F64, outline: F64) -> float:
    """Return the least distance from points (n, 2) to the edges of a closed outline (m, 2), in their unit."""
    least = np.inf
    m = outline.shape[0]
    for j in range(m):
        ax, ay = outline[j, 0], outline[j, 1]
        k = j + 1 if j + 1 < m else 0
        ex, ey = outline[k, 0] - ax, outline[k, 1] - ay
        length2 = max(ex * ex + ey * ey, 1e-18)
        for i in range(points.shape[0]):
            dx, dy = points[i, 0] - ax, points[i, 1] - ay
            share = min(1.0, max(0.0, (dx * ex + dy * ey) / length2))
            dx -= share * ex
            dy -= share * ey
            least = min(least, dx * dx + dy * dy)
    return math.sqrt(least)
