"""One step of SRAD, DPAD, OSRAD and total variation."""

from __future__ import annotations

import numpy as np

from usguide._jit import kernel
from usguide.filters._kernels.basics import F32


@kernel
def _srad_coefficient(
    x: np.float32, up: np.float32, down: np.float32, west: np.float32, east: np.float32, k: np.float32, kq: np.float32
) -> np.float32:
    """SRAD's coefficient. c = k D / ((k - q0^2) D + A) is the usual form with a single division."""
    n, s, a, b = up - x, down - x, west - x, east - x
    g = n * n + s * s + a * a + b * b
    lap = n + s + a + b
    t = x + np.float32(0.25) * lap
    d = t * t
    c = k * d / (kq * d + np.float32(0.5) * g - np.float32(0.0625) * lap * lap + np.float32(1e-30))
    return min(max(c, np.float32(0)), np.float32(1))


@kernel
def _srad_coefficient_row(up: F32, mid: F32, down: F32, out: F32, k: np.float32, kq: np.float32) -> None:
    last = mid.size - 1
    out[0] = _srad_coefficient(mid[0], up[0], down[0], mid[0], mid[min(1, last)], k, kq)
    for j in range(1, last):
        out[j] = _srad_coefficient(mid[j], up[j], down[j], mid[j - 1], mid[j + 1], k, kq)
    out[last] = _srad_coefficient(mid[last], up[last], down[last], mid[max(last - 1, 0)], mid[last], k, kq)


@kernel
def _flux_row(up: F32, mid: F32, down: F32, c: F32, below: F32, out: F32, step: np.float32) -> None:
    """``I + step div(c grad I)``, with c of the pixel for north and west, of the neighbour for south and east."""
    last = mid.size - 1
    for j in range(1, last):
        x = mid[j]
        flux = c[j] * (up[j] - x + mid[j - 1] - x) + below[j] * (down[j] - x) + c[j + 1] * (mid[j + 1] - x)
        out[j] = x + step * flux
    for j in (0, last):
        x, east = mid[j], min(j + 1, last)
        flux = c[j] * (up[j] - x + mid[max(j - 1, 0)] - x) + below[j] * (down[j] - x) + c[east] * (mid[east] - x)
        out[j] = x + step * flux


@kernel
def srad_step(a: F32, b: F32, step: np.float32, q0: np.float32) -> None:
    """One SRAD iteration from `a` into `b`."""
    h, w = a.shape
    rows = np.empty((2, w), np.float32)  # the coefficients of this row and the next
    q2 = q0 * q0
    k = q2 * (np.float32(1) + q2)
    _srad_coefficient_row(a[0], a[0], a[min(1, h - 1)], rows[0], k, k - q2)
    for i in range(h):
        up, mid, down = a[max(i - 1, 0)], a[i], a[min(i + 1, h - 1)]
        c, below = rows[i & 1], rows[(i + 1) & 1]
        if i + 1 < h:
            _srad_coefficient_row(mid, down, a[min(i + 2, h - 1)], below, k, k - q2)
        else:
            below[:] = c
        _flux_row(up, mid, down, c, below, b[i], step)


@kernel
def squared_variation_rows(mean: F32, variance: F32, out: F32, y0: int, y1: int) -> None:
    """``Ci^2 = variance / mean^2``; `out` may be either."""
    for i in range(y0, y1):
        m, v, o = mean[i], variance[i], out[i]
        for j in range(o.size):
            o[j] = v[j] / (m[j] * m[j] + np.float32(1e-30))


@kernel
def dpad_coefficient_rows(ci2: F32, out: F32, cu2: np.float32, y0: int, y1: int) -> None:
    """``c = (1 + 1 / Ci^2) / (1 + 1 / Cu^2)``, clamped to 0..1; `out` may be `ci2`."""
    gain = cu2 / (np.float32(1) + cu2)
    for i in range(y0, y1):
        source, o = ci2[i], out[i]
        for j in range(o.size):
            v = max(source[j], np.float32(1e-20))
            o[j] = min(gain * (v + np.float32(1)) / v, np.float32(1))


@kernel
def flux_rows(a: F32, c: F32, out: F32, step: np.float32, y0: int, y1: int) -> None:
    """One step of diffusion with given coefficients."""
    last = a.shape[0] - 1
    for i in range(y0, y1):
        _flux_row(a[max(i - 1, 0)], a[i], a[min(i + 1, last)], c[i], c[min(i + 1, last)], out[i], step)


@kernel
def structure_rows(a: F32, xx: F32, xy: F32, yy: F32, y0: int, y1: int) -> None:
    """Products of central differences: the structure tensor before it is smoothed."""
    h, w = a.shape
    for i in range(y0, y1):
        up, mid, down, p, q, r = a[max(i - 1, 0)], a[i], a[min(i + 1, h - 1)], xx[i], xy[i], yy[i]
        for j in range(w):
            dy = np.float32(0.5) * (down[j] - up[j])
            r[j] = dy * dy
            q[j] = dy
        for j in range(1, w - 1):
            dx = np.float32(0.5) * (mid[j + 1] - mid[j - 1])
            p[j] = dx * dx
            q[j] *= dx
        for j in (0, w - 1):
            dx = np.float32(0.5) * (mid[min(j + 1, w - 1)] - mid[max(j - 1, 0)])
            p[j] = dx * dx
            # In a picture one pixel wide both ends are the same pixel, and dx is 0: doing it twice does no harm.
            q[j] *= dx


@kernel
def tensor_rows(xx: F32, xy: F32, yy: F32, c: F32, along: np.float32, y0: int, y1: int) -> None:
    """Diffusion tensor with eigenvalues `c` across and `along` along the structure, in place of xx, xy, yy.

    Where the structure has hardly a direction (a point), both go over into their mean; else rounding would choose one.
    """
    half, round_ = np.float32(0.5), np.float32(1e-2)
    for i in range(y0, y1):
        p, q, r, across = xx[i], xy[i], yy[i], c[i]
        for j in range(p.size):
            d, e = half * (p[j] - r[j]), q[j]
            length = np.sqrt(d * d + e * e)
            mean, half_difference = half * (across[j] + along), half * (across[j] - along)
            scale = half_difference / (length + round_ * half * (p[j] + r[j]) + np.float32(1e-30))
            p[j], q[j], r[j] = mean + scale * d, scale * e, mean - scale * d


@kernel
def _tensor_flux(
    a: F32, xx: F32, xy: F32, yy: F32, i: int, j: int, up: int, down: int, west: int, east: int
) -> np.float32:
    """Divergence of ``D grad I`` at a pixel from the fluxes through its four sides, each half a pixel away."""
    half, eighth = np.float32(0.5), np.float32(0.125)
    dy, dy_e, dy_w = a[down, j] - a[up, j], a[down, east] - a[up, east], a[down, west] - a[up, west]
    dx, dx_s, dx_n = a[i, east] - a[i, west], a[down, east] - a[down, west], a[up, east] - a[up, west]
    flux: np.float32 = half * (xx[i, j] + xx[i, east]) * (a[i, east] - a[i, j])
    flux -= half * (xx[i, j] + xx[i, west]) * (a[i, j] - a[i, west])
    flux += half * (yy[i, j] + yy[down, j]) * (a[down, j] - a[i, j])
    flux -= half * (yy[i, j] + yy[up, j]) * (a[i, j] - a[up, j])
    flux += eighth * ((xy[i, j] + xy[i, east]) * (dy + dy_e) - (xy[i, j] + xy[i, west]) * (dy + dy_w))
    flux += eighth * ((xy[i, j] + xy[down, j]) * (dx + dx_s) - (xy[i, j] + xy[up, j]) * (dx + dx_n))
    return flux


@kernel
def tensor_flux_rows(a: F32, xx: F32, xy: F32, yy: F32, out: F32, step: np.float32, y0: int, y1: int) -> None:
    """One step of diffusion with a tensor."""
    h, w = a.shape
    for i in range(y0, y1):
        up, down = max(i - 1, 0), min(i + 1, h - 1)
        for j in range(1, w - 1):
            out[i, j] = a[i, j] + step * _tensor_flux(a, xx, xy, yy, i, j, up, down, j - 1, j + 1)
        for j in (0, w - 1):
            west, east = max(j - 1, 0), min(j + 1, w - 1)
            out[i, j] = a[i, j] + step * _tensor_flux(a, xx, xy, yy, i, j, up, down, west, east)


@kernel
def _tv_picture_row(x: F32, px: F32, py: F32, i: int, out: F32) -> None:
    """Row `i` of ``x + div p``."""
    mid, p, q = x[i], px[i], py[i]
    out[0] = mid[0] - p[0] - q[0]
    for j in range(1, mid.size):
        out[j] = mid[j] - p[j] + p[j - 1] - q[j]
    if i > 0:
        above = py[i - 1]
        for j in range(mid.size):
            out[j] += above[j]


@kernel
def tv_step(x: F32, px: F32, py: F32, weight: np.float32) -> None:
    """One projection step of Chambolle's total variation, in place on the dual field (px, py)."""
    h, w = x.shape
    quarter = np.float32(0.25)
    rows = np.empty((2, w), np.float32)
    _tv_picture_row(x, px, py, 0, rows[0])
    for i in range(h):
        mid, below = rows[i & 1], rows[(i + 1) & 1]
        if i + 1 < h:
            _tv_picture_row(x, px, py, i + 1, below)
        else:
            below[:] = mid
        p, q = px[i], py[i]
        for j in range(w - 1):
            dx, dy = mid[j + 1] - mid[j], below[j] - mid[j]
            shrink = np.float32(1) / (np.float32(1) + quarter / weight * np.sqrt(dx * dx + dy * dy))
            p[j] = (p[j] - quarter * dx) * shrink
            q[j] = (q[j] - quarter * dy) * shrink
        dy = below[w - 1] - mid[w - 1]
        q[w - 1] = (q[w - 1] - quarter * dy) / (np.float32(1) + quarter / weight * abs(dy))


@kernel
def tv_picture(x: F32, px: F32, py: F32, out: F32) -> None:
    """``x + div p``: the picture that the dual field stands for."""
    for i in range(x.shape[0]):
        _tv_picture_row(x, px, py, i, out[i])
