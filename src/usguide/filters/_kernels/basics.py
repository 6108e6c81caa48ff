"""Building blocks that vectorise: exponential, angle, window sums and Gaussian blur of a row.

A loop vectorises where rows are contiguous and the index is plainly not negative: neighbours are taken as slices
(``row[t:]``, then ``[j]``), since of ``row[j + c - t]`` the compiler can't know that it does not count from the end.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from usguide._jit import kernel

F32 = NDArray[np.float32]


@intrinsic
def _power_of_two(typing_context: Any, n: Any) -> Any:  # noqa: ARG001  (Numba's signature)
    """2 to the whole number `n` (a float32 in -126..127), by writing the exponent's bits."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        i32 = ir.IntType(32)
        exponent = builder.add(builder.fptosi(arguments[0], i32), i32(127))
        return builder.bitcast(builder.shl(exponent, i32(23)), ir.FloatType())

    return types.float32(types.float32), generate


@kernel
def exp_negative(x: np.float32) -> np.float32:
    """Return exp(x) for x <= 0, to 3e-7 of its value; from -69 on it stays at 1e-30, so that no product is denormal."""
    y = max(x * np.float32(1.4426950408889634), np.float32(-100))
    n = np.float32(np.int32(y))  # towards 0, so that f is within -1..0: 2^f fitted there, exact at 0
    f = y - n
    p = np.float32(0.0092413834) + f * np.float32(0.00095903529)
    p = np.float32(0.0553286052) + f * p
    p = np.float32(0.240191167) + f * p
    p = np.float32(0.693144976) + f * p
    p = np.float32(1) + f * p
    return p * _power_of_two(n)  # type: ignore[call-arg]  # Numba passes the typing context itself


@kernel
def half_angle(y: np.float32, x: np.float32) -> np.float32:
    """Return half of atan2(y, x), to 2e-5 rad, and 0 for y = x = 0."""
    ax, ay = abs(x), abs(y)
    low, high = min(ax, ay), max(ax, ay)
    t = low / (high + np.float32(1e-30))
    s = t * t
    a = np.float32(-0.0117212) * s + np.float32(0.05265332)
    a = a * s - np.float32(0.11643287)
    a = a * s + np.float32(0.19354346)
    a = a * s - np.float32(0.33262347)
    a = (a * s + np.float32(0.99997726)) * t
    a = np.float32(1.5707963267948966) - a if ay > ax else a
    a = np.float32(3.141592653589793) - a if x < np.float32(0) else a
    a = -a if y < np.float32(0) else a
    return np.float32(0.5) * a


@kernel
def repeat_ends(padded: F32, margin: int) -> None:
    """Fill `margin` values at both ends of a row with its first and last inner value."""
    last = padded.size - margin - 1
    for k in range(margin):
        padded[k] = padded[margin]
        padded[last + 1 + k] = padded[last]


@kernel
def sum_window(padded: F32, out: F32, n: int) -> None:
    """Sum `n` neighbours (odd) of a padded row: ``out[j] = padded[j] + ... + padded[j + n - 1]``."""
    if n % 4 == 1:
        for j in range(out.size):
            out[j] = padded[j]
    else:
        for j in range(out.size):
            out[j] = padded[j] + padded[j + 1] + padded[j + 2]
    for t in range(n % 4, n, 4):
        p = padded[t:]
        for j in range(out.size):
            out[j] += (p[j] + p[j + 1]) + (p[j + 2] + p[j + 3])


@kernel
def _set_scaled(a: F32, g: np.float32, out: F32) -> None:
    for j in range(out.size):
        out[j] = g * a[j]


@kernel
def _add_pair(a: F32, b: F32, g: np.float32, out: F32) -> None:
    for j in range(out.size):
        out[j] += g * (a[j] + b[j])


@kernel
def _add_three_pairs(
    a: F32, b: F32, c: F32, d: F32, e: F32, f: F32, g: np.float32, h: np.float32, k: np.float32, out: F32
) -> None:
    for j in range(out.size):
        out[j] += (g * (a[j] + b[j]) + h * (c[j] + d[j])) + k * (e[j] + f[j])


@kernel
def _add_four_pairs(
    left: F32, right: F32, g: np.float32, h: np.float32, k: np.float32, m: np.float32, out: F32
) -> None:
    for j in range(out.size):
        out[j] += (g * (left[j + 3] + right[j]) + h * (left[j + 2] + right[j + 1])) + (
            k * (left[j + 1] + right[j + 2]) + m * (left[j] + right[j + 3])
        )


@kernel
def _blur_down_run(x: F32, i: int, half: F32, out: F32) -> None:
    """Blur down from row `i` on as many rows as `out` holds; several only where the kernel meets no border."""
    h, w = x.shape
    r, flat, last = half.size - 1, x.reshape(-1), h - 1
    _set_scaled(flat[i * w :], half[0], out)
    t = 1
    while t + 2 <= r:
        _add_three_pairs(
            flat[max(i - t, 0) * w :], flat[min(i + t, last) * w :],
            flat[max(i - t - 1, 0) * w :], flat[min(i + t + 1, last) * w :],
            flat[max(i - t - 2, 0) * w :], flat[min(i + t + 2, last) * w :], half[t], half[t + 1], half[t + 2], out,
        )  # fmt: skip
        t += 3
    while t <= r:
        _add_pair(flat[max(i - t, 0) * w :], flat[min(i + t, last) * w :], half[t], out)
        t += 1


@kernel
def blur_down(x: F32, i: int, half: F32, band: F32) -> None:
    """Blur rows from `i` on down, by a symmetric kernel (its half, centre first): as many as `band` and `x` have."""
    h, n, r = x.shape[0], band.shape[0], half.size - 1
    if i >= r and i + n + r <= h:
        # As one long row: most of what it reads is in the cache from the row before.
        _blur_down_run(x, i, half, band.reshape(-1))
    else:
        for k in range(min(n, h - i)):
            _blur_down_run(x, i + k, half, band[k])


@kernel
def blur_across(row: F32, half: F32, padded: F32, out: F32) -> None:
    """Blur a row by a symmetric kernel into `out`; `padded` has room for the row and the kernel's ends."""
    c = half.size - 1
    inner = padded[c : c + row.size]
    for j in range(row.size):  # assigning the slice would ask whether they overlap
        inner[j] = row[j]
    repeat_ends(padded, c)
    _set_scaled(row, half[0], out)
    t = 1
    while t + 3 <= c:
        _add_four_pairs(padded[c - t - 3 :], padded[c + t :], half[t], half[t + 1], half[t + 2], half[t + 3], out)
        t += 4
    while t <= c:
        _add_pair(padded[c - t :], padded[c + t :], half[t], out)
        t += 1


@kernel
def keep_larger(value: F32, best: F32) -> None:
    """Raise `best`, 0 or more, to `value` where that is larger."""
    # The bits of float32 from 0 on have the order of whole numbers, whose maximum is one instruction even beside NaN;
    # max() of float32 into its own operand becomes a conditional store, which does not vectorise.
    v, b = value.view(np.int32), best.view(np.int32)
    for j in range(v.size):
        b[j] = max(v[j], b[j])


@kernel
def keep_where_larger(value: F32, best: F32, new: F32, kept: F32) -> None:
    """Replace `kept` by `new` where `value` is larger than `best`."""
    for j in range(value.size):
        # A product with 0 or 1: a choice becomes a conditional store, which does not vectorise.
        kept[j] += np.float32(value[j] > best[j]) * (new[j] - kept[j])
