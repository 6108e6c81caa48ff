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
WHOLE_PX = 8
"""Bands are lengthened to a multiple of this by px that are not seen: what is left over would be read one by one."""


@kernel
def _mixed(x: F32, first: int, weights: F32, n: int, out: F32) -> None:
    """Add the weighted rows of `x`, from column `first` on, to `out`."""
    at = U(first)
    for k in range(weights.size):
        w, row = weights[k], U(k)
        for t in range(U(n)):
            out[t] += w * x[row, at + t]


@kernel
def _mixed_by_four(x: F32, first: int, weights: F32, n: int, out: F32) -> None:
    """Add rows of `x`, from column `first` on, to the rows of `out`, weighted by ``weights[row of out, row of x]``.

    Four rows of `out` and four of `x` at a time, so that little is loaded for each product. The rows of `out` are a
    multiple of four.
    """
    at = U(first)
    rows, sources = weights.shape
    whole = sources // 4 * 4
    for o in range(0, rows, 4):
        p, q, r, s = U(o), U(o + 1), U(o + 2), U(o + 3)
        for k in range(0, whole, 4):
            h, i, j, m = U(k), U(k + 1), U(k + 2), U(k + 3)
            p0, p1, p2, p3 = weights[p, h], weights[p, i], weights[p, j], weights[p, m]
            q0, q1, q2, q3 = weights[q, h], weights[q, i], weights[q, j], weights[q, m]
            r0, r1, r2, r3 = weights[r, h], weights[r, i], weights[r, j], weights[r, m]
            s0, s1, s2, s3 = weights[s, h], weights[s, i], weights[s, j], weights[s, m]
            for t in range(U(n)):
                u = at + t
                x0, x1, x2, x3 = x[h, u], x[i, u], x[j, u], x[m, u]
                out[p, t] += p0 * x0 + p1 * x1 + p2 * x2 + p3 * x3
                out[q, t] += q0 * x0 + q1 * x1 + q2 * x2 + q3 * x3
                out[r, t] += r0 * x0 + r1 * x1 + r2 * x2 + r3 * x3
                out[s, t] += s0 * x0 + s1 * x1 + s2 * x2 + s3 * x3
        for k in range(whole, sources):
            h = U(k)
            for t in range(U(n)):
                value = x[h, at + t]
                out[p, t] += weights[p, h] * value
                out[q, t] += weights[q, h] * value
                out[r, t] += weights[r, h] * value
                out[s, t] += weights[s, h] * value


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
    units, length = first.shape[0], inputs.shape[1]
    n = (length + WHOLE_PX - 1) // WHOLE_PX * WHOLE_PX
    x = np.zeros((inputs.shape[0], n), np.float32)
    x[:, :length] = inputs
    margin = 0
    for k in range(dilations.size):
        margin = max(margin, dilations[k])
    seen = x[LOOK_SEEN]
    h, deep = np.zeros((units, n + 2 * margin), np.float32), np.empty((units, n), np.float32)
    zero = np.float32(0)
    for o in range(units):
        deep[o] = first_bias[o]
    _mixed_by_four(x, 0, first, n, deep)
    for o in range(units):
        for t in range(n):
            h[o, margin + t] = max(deep[o, t], zero) * seen[t]
    for k in range(dilations.size):
        for o in range(units):
            deep[o] = deeper_bias[k, o]
        for tap in range(3):
            _mixed_by_four(h, margin + (tap - 1) * dilations[k], deeper[k, tap], n, deep)
        for o in range(units):
            for t in range(n):
                h[o, margin + t] = (h[o, margin + t] + max(deep[o, t], zero)) * seen[t]
    ends[:] = zero
    _mixed(h, margin, end, length, ends)
    look = deep[0]
    look[:] = zero
    _mixed(h, margin, gaze, n, look)
    most = np.float32(-1e30)
    for t in range(length):
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
