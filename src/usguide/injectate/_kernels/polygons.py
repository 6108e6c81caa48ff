"""Moments and length of closed outlines."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from usguide._jit import kernel

F64 = NDArray[np.float64]


@kernel
def add_moments(outline: F64, out: F64) -> None:
    """Add the exact moments of what an outline encloses; one that runs the other way round takes its inside off.

    Parameters
    ----------
    outline : float64 (n, 2)
        Closed.
    out : float64 (6,)
        Area, first moments x and z, second moments xx, xz and zz, about the origin. Added to.
    """
    n = outline.shape[0]
    for i in range(n):
        k = i + 1 if i + 1 < n else 0
        x, z, u, v = outline[i, 0], outline[i, 1], outline[k, 0], outline[k, 1]
        cross = x * v - u * z
        out[0] += cross / 2
        out[1] += (x + u) * cross / 6
        out[2] += (z + v) * cross / 6
        out[3] += (x * x + x * u + u * u) * cross / 12
        out[4] += (x * v + 2 * x * z + 2 * u * v + u * z) * cross / 24
        out[5] += (z * z + z * v + v * v) * cross / 12


@kernel
def closed_length(outline: F64) -> float:
    """Return the length of a closed outline (n, 2)."""
    n = outline.shape[0]
    total = 0.0
    for i in range(n):
        k = i + 1 if i + 1 < n else 0
        total += math.hypot(outline[k, 0] - outline[i, 0], outline[k, 1] - outline[i, 1])
    return total
