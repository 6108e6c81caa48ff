"""Numba kernels of the tip's belief."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from usguide._jit import U, kernel

F64 = NDArray[np.float64]


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
    # Rows of places side by side, without a branch, so that the loops run on several places at once.
    mixed, everywhere, none = np.empty((v, n)), np.zeros(n), np.zeros(n)
    for k in range(v):
        for j in range(U(n)):
            everywhere[j] += belief[k, j]
    for k in range(v):
        here = belief[k]
        slower, faster = belief[k - 1] if k > 0 else none, belief[k + 1] if k < v - 1 else none
        anew = 0.5 * (still if speeds[k] == 0 else (1 - still) / (v - 1))
        for j in range(U(n)):
            mixed[k, j] = keep * here[j] + (1 - keep) * (0.25 * (slower[j] + faster[j]) + anew * everywhere[j])
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
        for q in range(-reach, reach + 2):
            weight, shift = weights[q + reach] / total, base + q
            first, last = max(0, shift), min(n, n + shift)
            if last > first:
                source, target = mixed[k, first - shift : last - shift], out[k, first:last]
                for j in range(U(last - first)):
                    target[j] += weight * source[j]
    total = out.sum()
    if total <= 0:
        out[:] = 1.0 / (v * n)
        return
    for k in range(v):
        for j in range(n):
            out[k, j] = (1 - jump) * out[k, j] / total + jump / (v * n)


@kernel
def weigh_belief(
    belief: F64,
    first_mm: float,
    step_mm: float,
    way_mm: F64,
    log_likelihood: F64,
    softness: float,
    doubt: float,
    out: F64,
) -> bool:
    """Multiply a belief over speed and place with what a frame says of places.

    Parameters
    ----------
    belief, out : float64 (v, n)
        Probability of each speed and place; `out` is overwritten.
    first_mm, step_mm : float
        Of the belief's places.
    way_mm, log_likelihood : float64 (k,)
        Places, ascending and evenly spaced, and log-likelihoods to within a constant; between them they are interpolated.
    softness : float
        Log-likelihoods are divided by this.
    doubt : float
        Likelihood of every place, beside 1 at the likeliest.

    Returns
    -------
    bool
        False where nothing is left, or no place is told of; `out` then is not a belief.
    """
    v, n = belief.shape
    last = way_mm.size - 1
    likelihood = np.empty(n)
    most, told = -np.inf, 0
    for j in range(n):
        place = first_mm + j * step_mm
        likelihood[j] = -np.inf
        if way_mm[0] <= place <= way_mm[last]:
            at = (place - way_mm[0]) / (way_mm[last] - way_mm[0]) * last if last > 0 else 0.0
            i = min(int(at), max(last - 1, 0))
            value = log_likelihood[i]
            if last > 0:
                value += (at - i) * (log_likelihood[i + 1] - value)
            likelihood[j] = value / softness
            most = max(most, likelihood[j])
            told += 1
    if told == 0:
        return False
    total = 0.0
    for j in range(n):
        likelihood[j] = doubt + (math.exp(likelihood[j] - most) if likelihood[j] > -np.inf else 0.0)
    for k in range(v):
        for j in range(n):
            out[k, j] = belief[k, j] * likelihood[j]
            total += out[k, j]
    if total <= 0:
        return False
    for k in range(v):
        for j in range(n):
            out[k, j] /= total
    return True
