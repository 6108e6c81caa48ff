"""The strip network's arithmetic, laid out so that the inner loops run along the band over contiguous memory."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from usguide._jit import U, kernel
from usguide.detection._kernels.strip import LOOK_SEEN, MAY_END

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
HIDDEN_END = -1e4
"""Log-likelihood of an end where none may be."""


@kernel
def _mixed(x: F32, first: int, weights: F32, n: int, out: F32) -> None:
    """Add the weighted rows of `x`, from column `first` on, to `out`."""
    at = U(first)
    for k in range(weights.size):
        w, row = weights[k], U(k)
        for t in range(U(n)):
            out[t] += w * x[row, at + t]


@kernel
def _mixed_by_two(x: F32, first: int, weights: F32, n: int, out: F32) -> None:
    """Add rows of `x`, from column `first` on, to the rows of `out`, weighted by ``weights[row of out, row of x]``.

    Two rows of `out` and four of `x` at a time, so that little is loaded for each product. `out` has an even number.
    """
    at = U(first)
    rows, sources = weights.shape
    whole = sources // 4 * 4
    for o in range(0, rows, 2):
        p, q = U(o), U(o + 1)
        for k in range(0, whole, 4):
            i, j, r, s = U(k), U(k + 1), U(k + 2), U(k + 3)
            a, b, c, d = weights[p, i], weights[p, j], weights[p, r], weights[p, s]
            e, f, g, h = weights[q, i], weights[q, j], weights[q, r], weights[q, s]
            for t in range(U(n)):
                u = at + t
                x0, x1, x2, x3 = x[i, u], x[j, u], x[r, u], x[s, u]
                out[p, t] += a * x0 + b * x1 + c * x2 + d * x3
                out[q, t] += e * x0 + f * x1 + g * x2 + h * x3
        for k in range(whole, sources):
            i = U(k)
            a, e = weights[p, i], weights[q, i]
            for t in range(U(n)):
                out[p, t] += a * x[i, at + t]
                out[q, t] += e * x[i, at + t]


@kernel
def run_strip_net(
    inputs: F32,
    first: F32,
    first_bias: F32,
    deeper: F32,
    deeper_bias: F32,
    dilations: NDArray[np.int64],
    end: F32,
    gaze: F32,
    ends: F32,
    pooled: F32,
) -> None:
    """Run all layers but the head over one band.

    Parameters
    ----------
    inputs : float32 (CHANNELS, n)
    first, first_bias, deeper, deeper_bias, end, gaze : float32
        Weights; ``deeper`` is (layers, 3, units, units): tap, out, in.
    dilations : int64 (layers,)
    ends : float32 (n,)
        Out: log-likelihood that the shaft ends at each px, to within a constant.
    pooled : float32 (2 * units,)
        Out: the mean of each unit where the network gazes, and its maximum.
    """
    n, units = inputs.shape[1], first.shape[0]
    margin = 0
    for k in range(dilations.size):
        margin = max(margin, dilations[k])
    seen = inputs[LOOK_SEEN]
    h, deep = np.zeros((units, n + 2 * margin), np.float32), np.empty((units, n), np.float32)
    zero = np.float32(0)
    for o in range(units):
        deep[o] = first_bias[o]
    _mixed_by_two(inputs, 0, first, n, deep)
    for o in range(units):
        for t in range(n):
            h[o, margin + t] = max(deep[o, t], zero) * seen[t]
    for k in range(dilations.size):
        for o in range(units):
            deep[o] = deeper_bias[k, o]
        for tap in range(3):
            _mixed_by_two(h, margin + (tap - 1) * dilations[k], deeper[k, tap], n, deep)
        for o in range(units):
            for t in range(n):
                h[o, margin + t] = (h[o, margin + t] + max(deep[o, t], zero)) * seen[t]
    ends[:] = zero
    _mixed(h, margin, end, n, ends)
    look = deep[0]
    look[:] = zero
    _mixed(h, margin, gaze, n, look)
    most = np.float32(-1e30)
    for t in range(n):
        if inputs[MAY_END, t] == 0:
            ends[t] = HIDDEN_END
        if seen[t] > 0:
            most = max(most, look[t])
    total = zero
    for t in range(n):
        look[t] = np.exp(look[t] - most) if seen[t] > 0 else zero
        total += look[t]
    for o in range(units):
        mean = top = zero
        for t in range(n):
            v = h[o, margin + t]
            mean += look[t] * v
            top = max(top, v)
        pooled[o], pooled[units + o] = mean / max(total, np.float32(1e-30)), top


@kernel
def end_of(sums: F64, least: int, near: int) -> tuple[float, float]:
    """Return where a shaft ends, in px, and the mean square distance from there, by the log-likelihoods of its ends.

    Parameters
    ----------
    sums : float64 (n,)
        Log-likelihood of an end at each px, to within a constant; before `least` there is none.
    least : int
    near : int
        The end is the mean so many px around the likeliest: the mean of two far places is neither.
    """
    peak = least
    for t in range(least, sums.size):
        if sums[t] > sums[peak]:
            peak = t
    total = mean = 0.0
    for t in range(max(least, peak - near), min(sums.size, peak + near + 1)):
        chance = math.exp(sums[t] - sums[peak])
        total += chance
        mean += chance * t
    end = mean / total
    total = square = 0.0
    for t in range(least, sums.size):
        chance = math.exp(sums[t] - sums[peak])
        total += chance
        square += chance * (t - end) ** 2
    return end, square / total
