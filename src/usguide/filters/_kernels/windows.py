"""Filters on the mean and variance of a square window: Lee, Kuan, enhanced Lee, Frost, guided; and both themselves.

Sums are of the type of `like`, an empty array: float32, or float64 where small variances matter, or where a few very
bright pixels would leave their rounding in the running sums after they have left the window.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from usguide._jit import kernel
from usguide.filters._kernels.basics import F32, exp_negative, repeat_ends, sum_window

Sums = NDArray[np.float32] | NDArray[np.float64]
RESTART_ROWS = 32
"""Running sums start afresh at rows that divide by this, so that rounding does not pile up. Slabs begin there."""


@kernel
def _inverse(like: Sums, r: int) -> Any:
    """1 over the number of pixels in a window, in the type of `like`."""
    return like.dtype.type(1) / like.dtype.type((2 * r + 1) ** 2)


@kernel
def _running_sums(x: F32, i: int, r: int, sums: F32) -> None:
    """Sum x and x^2 down the window of row `i`, a column each, from those of row ``i - 1``."""
    h, w = x.shape
    s, q = sums[0, r : r + w], sums[1, r : r + w]
    zero = sums.dtype.type(0)  # what is added to it has its type
    if i % RESTART_ROWS == 0:
        s[:] = zero
        q[:] = zero
        for d in range(-r, r + 1):
            row = x[min(max(i + d, 0), h - 1)]
            for j in range(w):
                a = row[j] + zero
                s[j] += a
                q[j] += a * a
    else:
        enters, leaves = x[min(i + r, h - 1)], x[max(i - r - 1, 0)]
        for j in range(w):
            a, b = enters[j] + zero, leaves[j] + zero
            s[j] += a - b
            q[j] += (a - b) * (a + b)
    repeat_ends(sums[0], r)
    repeat_ends(sums[1], r)


@kernel
def window_sums_row(x: F32, i: int, r: int, sums: F32, total: F32, squares: F32) -> None:
    """Sum x and x^2 in the window of each pixel of row `i`; rows have to come in order from a restart row."""
    _running_sums(x, i, r, sums)
    sum_window(sums[0], total, 2 * r + 1)
    sum_window(sums[1], squares, 2 * r + 1)


@kernel
def _linear(
    total: np.float32, squares: np.float32, x: np.float32, inverse: np.float32, cu2: np.float32, gain: np.float32
) -> np.float32:
    m = total * inverse
    v = max(squares * inverse - m * m, np.float32(0))
    return m + gain * max(v - cu2 * m * m, np.float32(0)) / (v + np.float32(1e-30)) * (x - m)


@kernel
def _linear_row_of_seven(
    s: F32, q: F32, row: F32, out: F32, inverse: np.float32, cu2: np.float32, gain: np.float32
) -> None:
    """`sum_window` and `_linear` at once: a quarter off the time of the usual window."""
    for j in range(out.size):
        total = ((s[j] + s[j + 1]) + (s[j + 2] + s[j + 3])) + ((s[j + 4] + s[j + 5]) + s[j + 6])
        squares = ((q[j] + q[j + 1]) + (q[j + 2] + q[j + 3])) + ((q[j + 4] + q[j + 5]) + q[j + 6])
        out[j] = _linear(total, squares, row[j], inverse, cu2, gain)


@kernel
def linear_rows(x: F32, out: F32, r: int, cu2: np.float32, gain: np.float32, like: Sums, y0: int, y1: int) -> None:
    """Lee (`gain` 1) and Kuan (`gain` 1 / (1 + Cu^2)): ``m + w (I - m)``, ``w = gain (1 - Cu^2 / Ci^2)``."""
    sums, both = np.empty((2, x.shape[1] + 2 * r), like.dtype), np.empty((2, x.shape[1]), like.dtype)
    total, squares, inverse = both[0], both[1], _inverse(like, r)
    for i in range(y0, y1):
        row, o = x[i], out[i]
        if r == 3:
            _running_sums(x, i, r, sums)
            _linear_row_of_seven(sums[0], sums[1], row, o, inverse, cu2, gain)
            continue
        window_sums_row(x, i, r, sums, total, squares)
        for j in range(row.size):
            o[j] = _linear(total[j], squares[j], row[j], inverse, cu2, gain)


@kernel
def enhanced_lee_rows(
    x: F32, out: F32, r: int, cu: np.float32, cmax: np.float32, damping: np.float32, like: Sums, y0: int, y1: int
) -> None:
    """Enhanced Lee: the mean up to Cu, the pixel from Cmax, between them a weight that falls exponentially."""
    sums, both = np.empty((2, x.shape[1] + 2 * r), like.dtype), np.empty((2, x.shape[1]), like.dtype)
    total, squares, inverse = both[0], both[1], _inverse(like, r)
    for i in range(y0, y1):
        window_sums_row(x, i, r, sums, total, squares)
        row, o = x[i], out[i]
        for j in range(row.size):
            m = total[j] * inverse
            ci = np.float32(np.sqrt(max(squares[j] * inverse - m * m, np.float32(0))) / (abs(m) + np.float32(1e-30)))
            rise = max(ci - cu, np.float32(0))
            weight = exp_negative(-damping * rise / max(cmax - ci, np.float32(1e-6)))
            weight = weight if ci < cmax else np.float32(0)
            o[j] = row[j] + weight * (np.float32(m) - row[j])


@kernel
def frost_rows(x: F32, padded: F32, out: F32, r: int, damping: np.float32, like: Sums, y0: int, y1: int) -> None:
    """Frost: a mean weighted by exp(-K Ci^2 d); `padded` is `x` with `r` edge pixels repeated on each side.

    Pixels at one distance share a weight, so a window of 7 x 7 takes nine exponentials.
    """
    w = x.shape[1]
    sums, both = np.empty((2, w + 2 * r), like.dtype), np.empty((2, w), like.dtype)
    sum_, squares, inverse = both[0], both[1], _inverse(like, r)
    three_rows = np.empty((3, w), np.float32)
    decay, total, total_weight = three_rows[0], three_rows[1], three_rows[2]
    for i in range(y0, y1):
        window_sums_row(x, i, r, sums, sum_, squares)
        row, o = x[i], out[i]
        for j in range(w):
            m2 = sum_[j] * sum_[j] * inverse * inverse
            ci2 = np.float32(max(squares[j] * inverse - m2, np.float32(0)) / (m2 + np.float32(1e-30)))
            decay[j] = -damping * ci2
            total[j] = row[j]
            total_weight[j] = np.float32(1)
        for a in range(1, r + 1):
            for b in range(a + 1):
                d = np.float32(np.sqrt(np.float32(a * a + b * b)))
                n0, n1 = padded[i + r - a, r + b :], padded[i + r + b, r + a :]
                n2, n3 = padded[i + r + a, r - b :], padded[i + r - b, r - a :]
                if b in (0, a):
                    for j in range(w):
                        weight = exp_negative(d * decay[j])
                        total[j] += weight * ((n0[j] + n1[j]) + (n2[j] + n3[j]))
                        total_weight[j] += np.float32(4) * weight
                else:
                    k0, k1 = padded[i + r - b, r + a :], padded[i + r + a, r + b :]
                    k2, k3 = padded[i + r + b, r - a :], padded[i + r - a, r - b :]
                    for j in range(w):
                        weight = exp_negative(d * decay[j])
                        four = (n0[j] + n1[j]) + (n2[j] + n3[j])
                        total[j] += weight * (four + ((k0[j] + k1[j]) + (k2[j] + k3[j])))
                        total_weight[j] += np.float32(8) * weight
        for j in range(w):
            o[j] = total[j] / total_weight[j]


@kernel
def moments_rows(x: F32, mean: F32, variance: F32, r: int, like: Sums, y0: int, y1: int) -> None:
    """Mean and variance in the window of each pixel."""
    sums, both = np.empty((2, x.shape[1] + 2 * r), like.dtype), np.empty((2, x.shape[1]), like.dtype)
    total, squares, inverse = both[0], both[1], _inverse(like, r)
    for i in range(y0, y1):
        window_sums_row(x, i, r, sums, total, squares)
        n, v = mean[i], variance[i]
        for j in range(n.size):
            m = total[j] * inverse
            n[j] = m
            v[j] = max(squares[j] * inverse - m * m, np.float32(0))


@kernel
def guide_rows(x: F32, slope: F32, offset: F32, r: int, eps: np.float32, like: Sums, y0: int, y1: int) -> None:
    """Guided filter, first half: the line ``slope x + offset`` that fits each window."""
    sums, both = np.empty((2, x.shape[1] + 2 * r), like.dtype), np.empty((2, x.shape[1]), like.dtype)
    total, squares, inverse = both[0], both[1], _inverse(like, r)
    for i in range(y0, y1):
        window_sums_row(x, i, r, sums, total, squares)
        s, o = slope[i], offset[i]
        for j in range(s.size):
            m = total[j] * inverse
            v = max(squares[j] * inverse - m * m, np.float32(0))
            a = v / (v + eps)
            s[j] = a
            o[j] = m - a * m


@kernel
def _column_sums(x: F32, i: int, r: int, padded: F32) -> None:
    h, w = x.shape
    s = padded[r : r + w]
    if i % RESTART_ROWS == 0:
        s[:] = np.float32(0)
        for d in range(-r, r + 1):
            s += x[min(max(i + d, 0), h - 1)]
    else:
        enters, leaves = x[min(i + r, h - 1)], x[max(i - r - 1, 0)]
        for j in range(w):
            s[j] += enters[j] - leaves[j]
    repeat_ends(padded, r)


@kernel
def apply_guide_rows(x: F32, slope: F32, offset: F32, out: F32, r: int, y0: int, y1: int) -> None:
    """Guided filter, second half: each pixel by the mean of the lines of its window."""
    w = x.shape[1]
    padded, mean = np.empty((2, w + 2 * r), np.float32), np.empty((2, w), np.float32)
    n = 2 * r + 1
    inverse = np.float32(1) / np.float32(n * n)
    for i in range(y0, y1):
        _column_sums(slope, i, r, padded[0])
        _column_sums(offset, i, r, padded[1])
        sum_window(padded[0], mean[0], n)
        sum_window(padded[1], mean[1], n)
        s, b, row, o = mean[0], mean[1], x[i], out[i]
        for j in range(w):
            o[j] = (s[j] * row[j] + b[j]) * inverse
