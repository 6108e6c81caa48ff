"""Hessian ridge measures, scale by scale: blur, second differences and measure of a row in one go."""

from __future__ import annotations

import numpy as np

from usguide._jit import kernel
from usguide.filters._kernels.basics import (
    F32,
    blur_across,
    blur_down,
    exp_negative,
    half_angle,
    keep_where_larger,
    repeat_ends,
)

FRANGI, SATO, JERMAN = 0, 1, 2
BAND = 4
"""Rows blurred down at once; more gain nothing."""


@kernel
def _factors(sigma_y: np.float32, sigma_x: np.float32, sign: np.float32) -> tuple[np.float32, np.float32, np.float32]:
    """Of the second differences along x, along y, and of the mixed one; `sign` as in `hessian_row`."""
    s = np.float32(0.5) * (sign if sign != np.float32(0) else np.float32(1))
    return s * sigma_x * sigma_x, s * sigma_y * sigma_y, np.float32(0.5) * s * sigma_x * sigma_y


@kernel
def _hessian(
    above: F32, mid: F32, below: F32, j: int, xx: np.float32, yy: np.float32, xy: np.float32
) -> tuple[np.float32, np.float32, np.float32]:
    """Half trace, half difference and mixed term at pixel `j` of rows that begin one pixel further left."""
    x = mid[j + 1] + mid[j + 1]
    dx, dy = xx * (mid[j] + mid[j + 2] - x), yy * (above[j + 1] + below[j + 1] - x)
    return dx + dy, dx - dy, xy * ((above[j] - above[j + 2]) + (below[j + 2] - below[j]))


@kernel
def hessian_row(
    above: F32,
    mid: F32,
    below: F32,
    sigma_y: np.float32,
    sigma_x: np.float32,
    sign: np.float32,
    trace: F32,
    difference: F32,
    mixed: F32,
) -> None:
    """Half trace, half difference and mixed term of the scale-normalised Hessian, such that a wanted ridge is bright.

    The rows have one pixel more at each end. `sign` is 1 for bright, -1 for dark and 0 for both, where each pixel is
    turned so that its trace is negative.
    """
    xx, yy, xy = _factors(sigma_y, sigma_x, sign)
    for j in range(trace.size):
        trace[j], difference[j], mixed[j] = _hessian(above, mid, below, j, xx, yy, xy)
    if sign == np.float32(0):
        for j in range(trace.size):
            turn = np.float32(-1) if trace[j] > np.float32(0) else np.float32(1)
            trace[j] *= turn
            difference[j] *= turn
            mixed[j] *= turn


@kernel
def _blur_into(x: F32, k: int, start: int, down: F32, across: F32, band: F32, padded: F32, ring: F32) -> None:
    """Blur row `k` into the ring of three, its end pixels repeated; rows have to come in order from `start` on."""
    ahead = (k - start) % band.shape[0]
    if ahead == 0:
        blur_down(x, k, down, band)
    row = ring[k % 3]
    blur_across(band[ahead], across, padded, row[1 : x.shape[1] + 1])
    repeat_ends(row, 1)


@kernel
def next_blurred(
    x: F32, k: int, y0: int, down: F32, across: F32, band: F32, padded: F32, ring: F32
) -> tuple[F32, F32, F32]:
    """Return the blurred rows above, at and below `k`; `k` has to grow one by one from `y0` on."""
    last, start = x.shape[0] - 1, max(y0 - 1, 0)
    for n in range(start if k == y0 else k + 1, min(k + 1, last) + 1):
        _blur_into(x, n, start, down, across, band, padded, ring)
    return ring[max(k - 1, 0) % 3], ring[k % 3], ring[min(k + 1, last) % 3]


@kernel
def _frangi(t: np.float32, d: np.float32, m: np.float32, inv_beta: np.float32, inv_c: np.float32) -> np.float32:
    norm = np.float32(np.sqrt(d * d + m * m))
    small, large = t + norm, t - norm  # t < 0: the eigenvalue of larger magnitude is t - norm
    ratio = small / (min(large, np.float32(0)) - np.float32(1e-20))
    blob = exp_negative(-inv_beta * ratio * ratio)
    strength = np.float32(1) - exp_negative(-inv_c * (small * small + large * large))
    return blob * strength if t < np.float32(0) else np.float32(0)


@kernel
def _sato(t: np.float32, d: np.float32, m: np.float32) -> np.float32:
    return np.float32(np.sqrt(d * d + m * m) - t)


@kernel
def _jerman(t: np.float32, d: np.float32, m: np.float32, least: np.float32) -> np.float32:
    ridge = np.sqrt(d * d + m * m) - t
    ridge = ridge if t < np.float32(0) else np.float32(0)
    p = max(ridge, least)
    total = ridge + p + np.float32(1e-30)
    part = ridge / total
    v = np.float32(27) * part * part * (p - ridge) / total
    return np.float32(1) if ridge + ridge >= p and ridge > np.float32(0) else v


@kernel
def _measure(
    kind: int, t: np.float32, d: np.float32, m: np.float32, first: np.float32, second: np.float32
) -> np.float32:
    if kind == FRANGI:
        return _frangi(t, d, m, first, second)
    if kind == SATO:
        return _sato(t, d, m)
    return _jerman(t, d, m, first)


@kernel
def _raise_row(
    above: F32, mid: F32, below: F32, sigma_y: np.float32, sigma_x: np.float32, sign: np.float32,
    kind: int, first: np.float32, second: np.float32, best: F32,
) -> None:  # fmt: skip
    """Raise `best` to the measure in one pass: the Hessian of a pixel never leaves the registers."""
    xx, yy, xy = _factors(sigma_y, sigma_x, sign)
    for j in range(best.size):
        t, d, m = _hessian(above, mid, below, j, xx, yy, xy)
        t = -abs(t) if sign == np.float32(0) else t
        best[j] = np.maximum(_measure(kind, t, d, m, first, second), best[j])


@kernel
def ridge_rows(
    x: F32,
    response: F32,
    details: F32,
    down: F32,
    across: F32,
    sigma_y: np.float32,
    sigma_x: np.float32,
    label: np.float32,
    sign: np.float32,
    kind: int,
    first: np.float32,
    second: np.float32,
    y0: int,
    y1: int,
) -> None:
    """Raise `response` where this scale's measure is larger.

    `details` (3, H, W), or (0, H, W) if unwanted, takes `label` and the Hessian's difference and mixed term there.
    """
    w = x.shape[1]
    ring, rows = np.empty((3, w + 2), np.float32), np.empty((4, w), np.float32)
    band, padded = np.empty((BAND, w), np.float32), np.empty(w + 2 * (across.size - 1), np.float32)
    trace, difference, mixed, before = rows[0], rows[1], rows[2], rows[3]
    labels = np.full(w, label, np.float32)
    for k in range(y0, y1):
        above, mid, below = next_blurred(x, k, y0, down, across, band, padded, ring)
        best = response[k]
        if details.shape[0] > 0:
            for j in range(w):
                before[j] = best[j]
        # The kind as a constant, so that each loop has one measure only.
        if kind == FRANGI:
            _raise_row(above, mid, below, sigma_y, sigma_x, sign, FRANGI, first, second, best)
        elif kind == SATO:
            _raise_row(above, mid, below, sigma_y, sigma_x, sign, SATO, first, second, best)
        else:
            _raise_row(above, mid, below, sigma_y, sigma_x, sign, JERMAN, first, second, best)
        if details.shape[0] > 0:
            hessian_row(above, mid, below, sigma_y, sigma_x, sign, trace, difference, mixed)
            keep_where_larger(best, before, labels, details[0, k])
            keep_where_larger(best, before, difference, details[1, k])
            keep_where_larger(best, before, mixed, details[2, k])


@kernel
def finish_rows(response: F32, details: F32, y0: int, y1: int) -> None:
    """Turn the Hessian's difference (in `details[1]`) into the direction along the ridge; 0 without a ridge."""
    for i in range(y0, y1):
        v, scale, d, e = response[i], details[0, i], details[1, i], details[2, i]
        for j in range(v.size):
            ridge = v[j] > np.float32(0)
            angle = half_angle(e[j], d[j])
            d[j] = angle if ridge else np.float32(0)
            scale[j] = scale[j] if ridge else np.float32(0)


@kernel
def hessian_rows(
    x: F32,
    hessian: F32,
    down: F32,
    across: F32,
    sigma_y: np.float32,
    sigma_x: np.float32,
    sign: np.float32,
    top: int,
    y0: int,
    y1: int,
) -> None:
    """Half trace, half difference and mixed term of the scale-normalised Hessian, to `hessian` (3, N, W) from `top` on."""
    w = x.shape[1]
    ring = np.empty((3, w + 2), np.float32)
    band, padded = np.empty((BAND, w), np.float32), np.empty(w + 2 * (across.size - 1), np.float32)
    for k in range(y0, y1):
        above, mid, below = next_blurred(x, k, y0, down, across, band, padded, ring)
        t, d, m = hessian[0, k - top], hessian[1, k - top], hessian[2, k - top]
        hessian_row(above, mid, below, sigma_y, sigma_x, sign, t, d, m)
