"""Numba kernels of the filters: contiguous float32 in and out, borders repeat the edge pixel.

Inner loops run over whole rows without branches, so that the compiler vectorises them; every literal is wrapped in
float32, because one float64 constant halves a kernel's speed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from usguide._jit import kernel

F32 = NDArray[np.float32]


@kernel
def _coefficient(
    x: np.float32, up: np.float32, down: np.float32, west: np.float32, east: np.float32, k: np.float32, kq: np.float32
) -> np.float32:
    """SRAD's coefficient. c = k D / ((k - q0^2) D + A) is the usual form with a single division."""
    n, s, a, b = up - x, down - x, west - x, east - x
    g = n * n + s * s + a * a + b * b
    lap = n + s + a + b
    t = x + np.float32(0.25) * lap
    d = t * t
    c = k * d / (kq * d + np.float32(0.5) * g - np.float32(0.0625) * lap * lap + np.float32(1e-12))
    return min(max(c, np.float32(0)), np.float32(1))


@kernel
def _coefficient_row(up: F32, mid: F32, down: F32, out: F32, k: np.float32, kq: np.float32) -> None:
    last = mid.size - 1
    out[0] = _coefficient(mid[0], up[0], down[0], mid[0], mid[min(1, last)], k, kq)
    for j in range(1, last):
        out[j] = _coefficient(mid[j], up[j], down[j], mid[j - 1], mid[j + 1], k, kq)
    out[last] = _coefficient(mid[last], up[last], down[last], mid[max(last - 1, 0)], mid[last], k, kq)


@kernel
def srad_step(a: F32, b: F32, rows: F32, step: np.float32, q0: np.float32) -> None:
    """One SRAD iteration from `a` into `b`; `rows` (2, W) is scratch for the coefficients of two rows."""
    h, w = a.shape
    last = w - 1
    q2 = q0 * q0
    k = q2 * (np.float32(1) + q2)
    kq = k - q2
    _coefficient_row(a[0], a[0], a[min(1, h - 1)], rows[0], k, kq)
    for i in range(h):
        up, mid, down, out = a[max(i - 1, 0)], a[i], a[min(i + 1, h - 1)], b[i]
        c, below = rows[i & 1], rows[(i + 1) & 1]
        if i + 1 < h:
            _coefficient_row(mid, down, a[min(i + 2, h - 1)], below, k, kq)
        else:
            below[:] = c
        for j in range(1, last):
            x = mid[j]
            flux = c[j] * (up[j] - x + mid[j - 1] - x) + below[j] * (down[j] - x) + c[j + 1] * (mid[j + 1] - x)
            out[j] = x + step * flux
        for j in (0, last):
            x, east = mid[j], min(j + 1, last)
            flux = c[j] * (up[j] - x + mid[max(j - 1, 0)] - x) + below[j] * (down[j] - x) + c[east] * (mid[east] - x)
            out[j] = x + step * flux


@kernel
def frangi_scale(
    blurred: F32,
    response: F32,
    orientation: F32,
    scale2: np.float32,
    inv_beta: np.float32,
    inv_c: np.float32,
    sign: np.float32,
) -> None:
    """Raise `response` and `orientation` where this scale's Frangi measure of `blurred` is larger.

    `blurred` carries a border of one repeated pixel. `orientation` is the direction along the ridge, in radians,
    from the lateral axis towards depth, -pi/2..pi/2.
    """
    zero, one, half, quarter = np.float32(0), np.float32(1), np.float32(0.5), np.float32(0.25)
    tiny = np.float32(1e-20)
    h, w = response.shape
    for i in range(h):
        a, b, c = blurred[i], blurred[i + 1], blurred[i + 2]
        for j in range(w):
            x = b[j + 1]
            xx = sign * scale2 * (b[j] + b[j + 2] - x - x)
            yy = sign * scale2 * (a[j + 1] + c[j + 1] - x - x)
            xy = sign * quarter * scale2 * (a[j] - a[j + 2] - c[j] + c[j + 2])
            t, d = half * (xx + yy), half * (xx - yy)
            if t >= zero:
                continue  # the eigenvalue of larger magnitude is not negative: no bright ridge
            m = np.sqrt(d * d + xy * xy)
            l1, l2 = t + m, t - m
            q2 = l2 * l2
            strength = inv_c * (l1 * l1 + q2)
            if strength <= response[i, j]:
                continue  # 1 - exp(-x) is at most x: this scale can't win, and two exponentials are saved
            v = np.exp(-inv_beta * l1 * l1 / (q2 + tiny)) * (one - np.exp(-strength))
            if v > response[i, j]:
                response[i, j] = v
                # Along the ridge is the eigenvector of l1, the one with little curvature.
                orientation[i, j] = half * np.arctan2(xy, d)


@kernel
def sato_scale(blurred: F32, response: F32, orientation: F32, scale2: np.float32, sign: np.float32) -> None:
    """Raise `response` and `orientation` where this scale's Sato measure of `blurred` is larger."""
    half, quarter = np.float32(0.5), np.float32(0.25)
    h, w = response.shape
    for i in range(h):
        a, b, c = blurred[i], blurred[i + 1], blurred[i + 2]
        for j in range(w):
            x = b[j + 1]
            xx = sign * scale2 * (b[j] + b[j + 2] - x - x)
            yy = sign * scale2 * (a[j + 1] + c[j + 1] - x - x)
            xy = sign * quarter * scale2 * (a[j] - a[j + 2] - c[j] + c[j + 2])
            t, d = half * (xx + yy), half * (xx - yy)
            v = np.sqrt(d * d + xy * xy) - t
            if v > response[i, j]:
                response[i, j] = v
                orientation[i, j] = half * np.arctan2(xy, d)
