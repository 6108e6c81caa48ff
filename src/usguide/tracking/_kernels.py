"""Numba kernel of the tip's belief."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from usguide._jit import kernel

F64 = NDArray[np.float64]

NEGLIGIBLE = 1e-12


@kernel
def predict_belief(
    belief: F64,
    speeds: F64,
    dt_s: float,
    keep: float,
    still: float,
    jump: float,
    blur_mm: float,
    step_mm: float,
    out: F64,
) -> None:
    """Move a belief over speed and place on by one interval.

    Parameters
    ----------
    belief, out : float64 (v, n)
        Probability of each speed and place; `out` is overwritten.
    speeds : float64 (v,)
        mm/s along the shaft, ascending.
    dt_s : float
    keep : float
        Share that goes on at its speed.
    still : float
        Of the rest, half goes to the neighbouring speeds, and of the other half this share stops.
    jump : float
        Share that may be anywhere.
    blur_mm : float
        Least spread of a step.
    step_mm : float
        Of a place.
    """
    v, n = belief.shape
    out[:] = 0
    mixed = np.empty((v, n))
    for j in range(n):
        total = 0.0
        for k in range(v):
            total += belief[k, j]
        for k in range(v):
            slower = belief[k - 1, j] if k > 0 else 0.0
            faster = belief[k + 1, j] if k < v - 1 else 0.0
            anew = total * (still if speeds[k] == 0 else (1 - still) / (v - 1))
            mixed[k, j] = keep * belief[k, j] + (1 - keep) * (0.25 * (slower + faster) + 0.5 * anew)
    for k in range(v):
        way = speeds[k] * dt_s / step_mm
        spread = max(blur_mm, 0.35 * abs(speeds[k]) * dt_s) / step_mm
        reach = int(3 * spread) + 1
        base = int(math.floor(way))
        weights = np.empty(2 * reach + 2)
        total = 0.0
        for q in range(-reach, reach + 2):
            weights[q + reach] = math.exp(-0.5 * ((base + q - way) / spread) ** 2)
            total += weights[q + reach]
        for j in range(n):
            m = mixed[k, j] / total
            if m < NEGLIGIBLE:
                continue
            for q in range(-reach, reach + 2):
                i = j + base + q
                if 0 <= i < n:
                    out[k, i] += m * weights[q + reach]
    total = out.sum()
    if total <= 0:
        out[:] = 1.0 / (v * n)
        return
    for k in range(v):
        for j in range(n):
            out[k, j] = (1 - jump) * out[k, j] / total + jump / (v * n)
