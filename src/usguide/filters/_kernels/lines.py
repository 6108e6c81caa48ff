"""Line integrals of a ridge profile at many orientations."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from usguide._jit import kernel
from usguide.filters._kernels.basics import F32, keep_larger, keep_where_larger

I32 = NDArray[np.int32]
TILE_ROWS, TILE_COLUMNS = 32, 1024


@kernel
def _profile_tiles(
    hessian: F32,
    cos2: np.float32,
    sin2: np.float32,
    top: int,
    left: int,
    reach_y: int,
    reach_x: int,
    rows: int,
    columns: int,
    tiles: F32,
) -> None:
    """Ridge profile, ``-t + d cos 2a + m sin 2a``, across orientation a and across a + 90 deg, on a tile with margin."""
    h, w = hessian.shape[1:]
    first = max(left - reach_x, 0)
    last = min(left - reach_x + columns, w)
    start = first - (left - reach_x)
    for i in range(rows):
        k = min(max(top - reach_y + i, 0), h - 1)
        t, d, m = hessian[0, k, first:last], hessian[1, k, first:last], hessian[2, k, first:last]
        a, b = tiles[0, i, start : start + last - first], tiles[1, i, start : start + last - first]
        for j in range(t.size):
            turn = d[j] * cos2 + m[j] * sin2
            a[j] = turn - t[j]
            b[j] = -turn - t[j]
        for n in range(2):
            inner, out = tiles[n, i, start : start + last - first], tiles[n, i]
            for j in range(start):
                out[j] = inner[0]
            for j in range(start + last - first, columns):
                out[j] = inner[t.size - 1]


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
def _integrate_row(tile: F32, i: int, left: int, rows: I32, columns: I32, weights: F32, out: F32) -> None:
    """Weighted sum of the samples, seven in a pass (with more arrays the compiler gives up proving them apart)."""
    for n in range(0, weights.size, 7):
        a, b = tile[i + rows[n], left + columns[n] :], tile[i + rows[n + 1], left + columns[n + 1] :]
        c, d = tile[i + rows[n + 2], left + columns[n + 2] :], tile[i + rows[n + 3], left + columns[n + 3] :]
        e, f = tile[i + rows[n + 4], left + columns[n + 4] :], tile[i + rows[n + 5], left + columns[n + 5] :]
        g = tile[i + rows[n + 6], left + columns[n + 6] :]
        _sum_seven(a, b, c, d, e, f, g, weights, n, out)


@kernel
def _keep_larger_of_two(a: F32, b: F32, best: F32) -> None:
    for j in range(best.size):
        best[j] = np.maximum(best[j], max(b[j], a[j]))


@kernel
def _keep_best(values: F32, label: np.float32, best: F32, scale: F32, angle: F32) -> None:
    """Raise `best` to the largest of the orientations' values, and say which: with a fraction between its neighbours."""
    count = values.shape[0]
    largest, at = np.zeros(best.size, np.float32), np.zeros(best.size, np.float32)
    number = np.empty(best.size, np.float32)
    for n in range(count):
        number[:] = np.float32(n)
        keep_where_larger(values[n, : best.size], largest, number, at)
        keep_larger(values[n, : best.size], largest)
    for j in range(best.size):
        if largest[j] > best[j]:
            n = int(at[j])
            before, after = values[n - 1, j], values[(n + 1) % count, j]
            bend = before + after - np.float32(2) * largest[j]
            shift = np.float32(0.5) * (before - after) / min(bend, np.float32(-1e-20))
            angle[j] = np.float32(n) + min(max(shift, np.float32(-0.5)), np.float32(0.5))
            scale[j] = label
            best[j] = largest[j]


@kernel
def line_rows(
    hessian: F32,
    response: F32,
    details: F32,
    label: np.float32,
    double_angles: F32,
    rows: I32,
    columns: I32,
    weights: F32,
    y0: int,
    y1: int,
) -> None:
    """Raise `response` where the best orientation's line integral is larger.

    `double_angles` (N, 2) holds cosine and sine of twice each orientation; `rows` and `columns` (N, K) are its samples,
    `weights` (K) theirs. `details` (2, H, W), or (0, H, W) if unwanted, takes `label` and the orientation's number, with
    a fraction from a parabola through its neighbours.
    """
    w = response.shape[1]
    count = double_angles.shape[0]
    reach_y, reach_x = max(rows.max(), -rows.min()), max(columns.max(), -columns.min())
    full = details.shape[0] > 0
    tiles = np.empty((2, TILE_ROWS + 2 * reach_y, TILE_COLUMNS + 2 * reach_x), np.float32)
    values = np.empty((count if full else 2, TILE_ROWS if full else 1, TILE_COLUMNS), np.float32)
    for top in range(y0, y1, TILE_ROWS):
        height = min(TILE_ROWS, y1 - top)
        for left in range(0, w, TILE_COLUMNS):
            width = min(TILE_COLUMNS, w - left)
            for half in range(count // 2):
                _profile_tiles(
                    hessian, double_angles[half, 0], double_angles[half, 1], top, left, reach_y, reach_x,
                    height + 2 * reach_y, width + 2 * reach_x, tiles,
                )  # fmt: skip
                other = half + count // 2
                for i in range(height):
                    a, b = values[half if full else 0, i if full else 0], values[other if full else 1, i if full else 0]
                    k, p, q = i + reach_y, a[:width], b[:width]
                    _integrate_row(tiles[0], k, reach_x, rows[half], columns[half], weights, p)
                    _integrate_row(tiles[1], k, reach_x, rows[other], columns[other], weights, q)
                    if not full:
                        _keep_larger_of_two(p, q, response[top + i, left : left + width])
            if full:
                for i in range(height):
                    r = response[top + i, left : left + width]
                    scale, angle = details[0, top + i, left : left + width], details[1, top + i, left : left + width]
                    _keep_best(values[:, i], label, r, scale, angle)
