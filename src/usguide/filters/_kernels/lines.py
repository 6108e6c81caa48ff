"""Line integrals of a ridge profile at many orientations."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from usguide._jit import kernel
from usguide.filters._kernels.basics import F32, keep_larger, keep_where_larger
from usguide.filters._kernels.ridges import hessian_rows

I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
TILE_ROWS, TILE_COLUMNS = 64, 256
"""A tile's three planes of the Hessian and two of the profile, with margins, fit a second-level cache of 512 kB."""


@kernel
def _fill_tile(plane: F32, top: int, left: int, stride: int, tile: F32) -> None:
    """Copy from (top, left) of `plane` on into a flat tile with rows of `stride`; beyond the edges they are repeated."""
    h, w = plane.shape
    first, last = max(left, 0), min(left + stride, w)
    for i in range(tile.size // stride):
        row, source = tile[i * stride : (i + 1) * stride], plane[min(max(top + i, 0), h - 1), first:last]
        inner = row[first - left :]
        for j in range(source.size):
            inner[j] = source[j]
        for j in range(first - left):
            row[j] = source[0]
        for j in range(source.size, inner.size):
            inner[j] = source[source.size - 1]


@kernel
def _profiles(t: F32, d: F32, m: F32, cos2: np.float32, sin2: np.float32, along: F32, across: F32) -> None:
    """Ridge profile, ``-t + d cos 2a + m sin 2a``, across orientation a and across a + 90 deg."""
    for j in range(t.size):
        turn = d[j] * cos2 + m[j] * sin2
        along[j] = turn - t[j]
        across[j] = -turn - t[j]


@kernel
def _sum_seven(a: F32, b: F32, c: F32, d: F32, e: F32, f: F32, g: F32, weights: F32, n: int, out: F32) -> None:
    p, q, r, s = weights[n], weights[n + 1], weights[n + 2], weights[n + 3]
    t, u, v = weights[n + 4], weights[n + 5], weights[n + 6]
    if n == 0:
        for j in range(out.size):
            out[j] = ((p * a[j] + q * b[j]) + (r * c[j] + s * d[j])) + ((t * e[j] + u * f[j]) + v * g[j])
    else:
        for j in range(out.size):
            out[j] += ((p * a[j] + q * b[j]) + (r * c[j] + s * d[j])) + ((t * e[j] + u * f[j]) + v * g[j])


@kernel
def _raise_by_seven(a: F32, b: F32, c: F32, d: F32, e: F32, f: F32, g: F32, weights: F32, best: F32) -> None:
    """As `_sum_seven` and `keep_larger` in one pass."""
    p, q, r, s = weights[0], weights[1], weights[2], weights[3]
    t, u, v = weights[4], weights[5], weights[6]
    bits = best.view(np.int32)
    for j in range(bits.size):
        value = ((p * a[j] + q * b[j]) + (r * c[j] + s * d[j])) + ((t * e[j] + u * f[j]) + v * g[j])
        bits[j] = max(np.float32(value).view(np.int32), bits[j])


@kernel
def _integrate(tile: F32, offsets: I64, weights: F32, value: F32, best: F32) -> None:
    """Raise `best` to the weighted sum of the samples, or, if `best` is empty, write it to `value`.

    Seven samples in a pass: with more arrays the compiler gives up proving them apart.
    """
    raised = best.size > 0
    for n in range(0, weights.size, 7):
        a, b, c, d = tile[offsets[n] :], tile[offsets[n + 1] :], tile[offsets[n + 2] :], tile[offsets[n + 3] :]
        e, f, g = tile[offsets[n + 4] :], tile[offsets[n + 5] :], tile[offsets[n + 6] :]
        if raised and weights.size == 7:
            _raise_by_seven(a, b, c, d, e, f, g, weights, best)
        else:
            _sum_seven(a, b, c, d, e, f, g, weights, n, value)
    if raised and weights.size > 7:
        keep_larger(value, best)


@kernel
def _keep_best(values: F32, start: int, label: np.float32, best: F32, scale: F32, angle: F32) -> None:
    """Raise `best` to the largest of the orientations' values, and say which: with a fraction between its neighbours."""
    count = values.shape[0]
    largest, at = np.zeros(best.size, np.float32), np.zeros(best.size, np.float32)
    number = np.empty(best.size, np.float32)
    for n in range(count):
        number[:] = np.float32(n)
        keep_where_larger(values[n, start : start + best.size], largest, number, at)
        keep_larger(values[n, start : start + best.size], largest)
    for j in range(best.size):
        if largest[j] > best[j]:
            n = int(at[j])
            before, after = values[n - 1, start + j], values[(n + 1) % count, start + j]
            bend = before + after - np.float32(2) * largest[j]
            shift = np.float32(0.5) * (before - after) / min(bend, np.float32(-1e-20))
            angle[j] = np.float32(n) + min(max(shift, np.float32(-0.5)), np.float32(0.5))
            scale[j] = label
            best[j] = largest[j]


@kernel
def line_rows(
    x: F32,
    response: F32,
    details: F32,
    down: F32,
    across: F32,
    sigma_y: np.float32,
    sigma_x: np.float32,
    label: np.float32,
    double_angles: F32,
    rows: I32,
    columns: I32,
    weights: F32,
    sign: np.float32,
    y0: int,
    y1: int,
) -> None:
    """Raise `response` where the best orientation's line integral is larger.

    `double_angles` (N, 2) holds cosine and sine of twice each orientation; `rows` and `columns` (N, K) are its samples,
    `weights` (K) theirs. `details` (2, H, W), or (0, H, W) if unwanted, takes `label` and the orientation's number, with
    a fraction from a parabola through its neighbours.
    """
    h, w = x.shape
    count = double_angles.shape[0]
    full = details.shape[0] > 0
    reach_y, reach_x = max(rows.max(), -rows.min()), max(columns.max(), -columns.min())
    # Tiles are flat: a loop runs over all rows of a tile at once; what it finds in the margins is not used.
    stride = min(TILE_COLUMNS, w) + 2 * reach_x
    band = np.empty((3, min(TILE_ROWS + 2 * reach_y, h), w), np.float32)
    tiles = np.empty((5, (TILE_ROWS + 2 * reach_y) * stride), np.float32)
    values = np.empty((count if full else 1, TILE_ROWS * stride), np.float32)
    best = np.empty(TILE_ROWS * stride, np.float32)
    for top in range(y0, y1, TILE_ROWS):
        first, last = max(top - reach_y, 0), min(top + TILE_ROWS + reach_y, h)
        hessian_rows(x, band, down, across, sigma_y, sigma_x, sign, first, first, last)
        for left in range(0, w, TILE_COLUMNS):
            for k in range(3):
                _fill_tile(band[k, : last - first], top - reach_y - first, left - reach_x, stride, tiles[k])
            best[:] = np.float32(0)
            for half in range(count // 2):
                cos2, sin2 = double_angles[half, 0], double_angles[half, 1]
                _profiles(tiles[0], tiles[1], tiles[2], cos2, sin2, tiles[3], tiles[4])
                for k in range(2):
                    n = half + k * (count // 2)
                    value = values[n if full else 0, : TILE_ROWS * stride - 2 * reach_x]
                    offsets = (rows[n] + reach_y) * stride + columns[n] + reach_x
                    _integrate(tiles[3 + k], offsets, weights, value, best[: 0 if full else value.size])
            for i in range(min(TILE_ROWS, y1 - top)):
                j, width = i * stride, min(TILE_COLUMNS, w - left)
                r = response[top + i, left : left + width]
                if full:
                    scale, angle = details[0, top + i, left : left + width], details[1, top + i, left : left + width]
                    _keep_best(values, j, label, r, scale, angle)
                else:
                    keep_larger(best[j : j + width], r)
