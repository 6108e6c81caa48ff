"""Hessian ridge measures, scale by scale: blur, second differences and measure of a row in one go."""

from __future__ import annotations

import numpy as np

from usguide._jit import kernel
from usguide.filters._kernels.basics import F32, blur_row, exp_negative, half_angle, keep_larger, keep_where_larger

FRANGI, SATO, JERMAN = 0, 1, 2


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

    `sign` is 1 for bright, -1 for dark and 0 for both, where each pixel is turned so that its trace is negative.
    """
    one = np.float32(1)
    s = sign if sign != np.float32(0) else one
    xx, yy = np.float32(0.5) * s * sigma_x * sigma_x, np.float32(0.5) * s * sigma_y * sigma_y
    xy = np.float32(0.25) * s * sigma_x * sigma_y
    last = mid.size - 1
    # Neighbours as slices that begin one pixel further left, at pixel 0.
    nw, ne, sw, se, west, east = above, above[2:], below, below[2:], mid, mid[2:]
    north, centre, south = above[1:], mid[1:], below[1:]
    t, d, m = trace[1:], difference[1:], mixed[1:]
    for j in range(last - 1):
        x = centre[j] + centre[j]
        dx, dy = xx * (west[j] + east[j] - x), yy * (north[j] + south[j] - x)
        t[j], d[j] = dx + dy, dx - dy
        m[j] = xy * ((nw[j] - ne[j]) + (se[j] - sw[j]))
    for j in (0, last):
        x, w, e = mid[j] + mid[j], max(j - 1, 0), min(j + 1, last)
        dx, dy = xx * (mid[w] + mid[e] - x), yy * (above[j] + below[j] - x)
        trace[j], difference[j] = dx + dy, dx - dy
        mixed[j] = xy * ((above[w] - above[e]) + (below[e] - below[w]))
    if sign == np.float32(0):
        for j in range(mid.size):
            turn = np.float32(-1) if trace[j] > np.float32(0) else one
            trace[j] *= turn
            difference[j] *= turn
            mixed[j] *= turn


@kernel
def begin_blur(x: F32, y0: int, down: F32, across: F32, padded: F32, ring: F32) -> None:
    """Blur the rows that row `y0` needs before it asks for its own three."""
    start = max(y0 - 1, 0)
    blur_row(x, start, down, across, padded, ring[start % 3])
    blur_row(x, y0, down, across, padded, ring[y0 % 3])


@kernel
def next_blurred(x: F32, k: int, down: F32, across: F32, padded: F32, ring: F32) -> tuple[F32, F32, F32]:
    """Return the blurred rows above, at and below `k`; rows have to come in order from `begin_blur`'s."""
    last = x.shape[0] - 1
    if k < last:
        blur_row(x, k + 1, down, across, padded, ring[(k + 1) % 3])
    return ring[max(k - 1, 0) % 3], ring[k % 3], ring[min(k + 1, last) % 3]


@kernel
def _frangi_row(trace: F32, difference: F32, mixed: F32, out: F32, inv_beta: np.float32, inv_c: np.float32) -> None:
    for j in range(out.size):
        t, m2 = trace[j], difference[j] * difference[j] + mixed[j] * mixed[j]
        m = np.sqrt(m2)
        small, large = t + m, t - m  # t < 0: the eigenvalue of larger magnitude is t - m
        ratio = small / (min(large, np.float32(0)) - np.float32(1e-20))
        blob = exp_negative(-inv_beta * ratio * ratio)
        strength = np.float32(1) - exp_negative(-inv_c * (small * small + large * large))
        out[j] = blob * strength if t < np.float32(0) else np.float32(0)


@kernel
def _sato_row(trace: F32, difference: F32, mixed: F32, out: F32) -> None:
    for j in range(out.size):
        out[j] = np.sqrt(difference[j] * difference[j] + mixed[j] * mixed[j]) - trace[j]


@kernel
def _jerman_row(trace: F32, difference: F32, mixed: F32, out: F32, least: np.float32) -> None:
    for j in range(out.size):
        t = trace[j]
        ridge = np.sqrt(difference[j] * difference[j] + mixed[j] * mixed[j]) - t
        ridge = ridge if t < np.float32(0) else np.float32(0)
        p = max(ridge, least)
        total = ridge + p + np.float32(1e-30)
        part = ridge / total
        v = np.float32(27) * part * part * (p - ridge) / total
        out[j] = np.float32(1) if ridge + ridge >= p and ridge > np.float32(0) else v


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
    ring, hessian = np.empty((3, w), np.float32), np.empty((4, w), np.float32)
    padded = np.empty(w + 2 * (across.size - 1), np.float32)
    trace, difference, mixed, value = hessian[0], hessian[1], hessian[2], hessian[3]
    labels = np.full(w, label, np.float32)
    begin_blur(x, y0, down, across, padded, ring)
    for k in range(y0, y1):
        above, mid, below = next_blurred(x, k, down, across, padded, ring)
        hessian_row(above, mid, below, sigma_y, sigma_x, sign, trace, difference, mixed)
        if kind == FRANGI:
            _frangi_row(trace, difference, mixed, value, first, second)
        elif kind == SATO:
            _sato_row(trace, difference, mixed, value)
        else:
            _jerman_row(trace, difference, mixed, value, first)
        if details.shape[0] > 0:
            keep_where_larger(value, response[k], labels, details[0, k])
            keep_where_larger(value, response[k], difference, details[1, k])
            keep_where_larger(value, response[k], mixed, details[2, k])
        keep_larger(value, response[k])


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
    ring = np.empty((3, w), np.float32)
    padded = np.empty(w + 2 * (across.size - 1), np.float32)
    begin_blur(x, y0, down, across, padded, ring)
    for k in range(y0, y1):
        above, mid, below = next_blurred(x, k, down, across, padded, ring)
        t, d, m = hessian[0, k - top], hessian[1, k - top], hessian[2, k - top]
        hessian_row(above, mid, below, sigma_y, sigma_x, sign, t, d, m)
