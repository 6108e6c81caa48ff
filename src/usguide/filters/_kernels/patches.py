"""Non-local means, by pixel and by block.

Pictures come padded: `margin` edge pixels are repeated on each side, the reach of the search plus half a patch.
"""

from __future__ import annotations

import numpy as np

from usguide._jit import kernel
from usguide.filters._kernels.basics import F32, exp_negative, sum_window

TILE_ROWS, TILE_COLUMNS = 32, 256
"""Tiles start at multiples of these, so that a pixel's sums do not depend on the slab. Slabs begin there too."""


@kernel
def _next_row(a: F32, b: F32, ring: F32, columns: F32, first: int) -> None:
    """Take the squared difference of two rows into the running sum down each column, and the oldest row out of it."""
    if first == 1:
        for j in range(a.size):
            difference = a[j] - b[j]
            ring[j] = difference * difference
            columns[j] += ring[j]
    else:
        for j in range(a.size):
            difference = a[j] - b[j]
            square = difference * difference
            columns[j] += square - ring[j]
            ring[j] = square


@kernel
def _add_row(weight: F32, given: F32, total: F32, weights: F32) -> None:
    for j in range(total.size):
        total[j] += weight[j] * given[j]
        weights[j] += weight[j]


@kernel
def _add_pair(
    padded: F32,
    top: int,
    left: int,
    dy: int,
    dx: int,
    patch: int,
    margin: int,
    scale: np.float32,
    rows: int,
    columns: int,
    scratch: F32,
    total: F32,
    weights: F32,
) -> None:
    """Add to a tile of `rows` by `columns` what every pixel and the one at (dy, dx) from it, a pair, give each other.

    The weight of a pair is worked out once. A pixel outside the tile, or the picture, still gives.
    """
    half = patch // 2
    first = left + min(0, -dx)  # columns of the pair's first pixel: those in the tile, and those dx before it
    width = columns + abs(dx)
    n = width + patch - 1
    sums, weight = scratch[patch, :n], scratch[patch + 1, :width]
    sums[:] = np.float32(0)
    x0 = first + margin - half
    for k in range(rows + dy + patch - 1):
        y = top - dy - half + k + margin
        a, b = padded[y, x0 : x0 + n], padded[y + dy, x0 + dx : x0 + dx + n]
        _next_row(a, b, scratch[k % patch, :n], sums, int(k < patch))
        if k < patch - 1:
            continue
        sum_window(sums, weight, patch)
        for j in range(width):
            weight[j] = exp_negative(-scale * max(weight[j], np.float32(0)))
        i = k - patch + 1 - dy  # the first pixel's row in the tile; the second's is dy further
        here, there = padded[top + i + margin], padded[top + i + dy + margin]
        if i + dy < rows:
            # Its second pixel is in the tile's first column.
            _add_row(weight[left - dx - first :], here[left - dx + margin :], total[i + dy, :columns], weights[i + dy])
        if i >= 0:
            _add_row(weight[left - first :], there[left + dx + margin :], total[i, :columns], weights[i])


@kernel
def nlm_rows(padded: F32, out: F32, patch: int, reach: int, scale: np.float32, y0: int, y1: int) -> None:
    """Non-local means with weights exp(-scale x sum of squared differences over the patch); 1 for the pixel itself."""
    margin = reach + patch // 2
    scratch = np.empty((patch + 2, TILE_COLUMNS + reach + patch), np.float32)
    sums = np.empty((2, TILE_ROWS, TILE_COLUMNS), np.float32)
    for top in range(y0, y1, TILE_ROWS):
        height = min(TILE_ROWS, y1 - top)
        for left in range(0, out.shape[1], TILE_COLUMNS):
            width = min(TILE_COLUMNS, out.shape[1] - left)
            total, weights = sums[0], sums[1]
            for i in range(height):
                row = padded[top + i + margin, left + margin :]
                for j in range(width):
                    total[i, j] = row[j]
                    weights[i, j] = np.float32(1)
            for dy in range(reach + 1):
                for dx in range(-reach if dy > 0 else 1, reach + 1):
                    _add_pair(padded, top, left, dy, dx, patch, margin, scale, height, width, scratch, total, weights)
            for i in range(height):
                o, t, s = out[top + i, left : left + width], total[i], weights[i]
                for j in range(width):
                    o[j] = t[j] / s[j]


@kernel
def _block_weights(
    padded: F32,
    inverse: F32,
    mean: F32,
    variance: F32,
    y: int,
    dy: int,
    dx: int,
    r: int,
    margin: int,
    step: int,
    scale: np.float32,
    mean_ratio: np.float32,
    variance_ratio: np.float32,
    scratch: F32,
    out: F32,
) -> None:
    """Weights of the blocks at (dy, dx) from the blocks centred on row `y`, every `step` columns (Pearson distance)."""
    n = scratch.shape[1]
    columns, distance = scratch[0], scratch[1, : n - 2 * r]
    x0 = margin - r
    for t in range(-r, r + 1):
        k = y + margin + t
        a, b, c = padded[k, x0 : x0 + n], padded[k + dy, x0 + dx : x0 + dx + n], inverse[k + dy, x0 + dx : x0 + dx + n]
        if t == -r:
            for j in range(n):
                difference = a[j] - b[j]
                columns[j] = difference * difference * c[j]
        else:
            for j in range(n):
                difference = a[j] - b[j]
                columns[j] += difference * difference * c[j]
    sum_window(columns, distance, 2 * r + 1)
    k = y + margin
    m, v = mean[k, margin:], variance[k, margin:]
    p, q = mean[k + dy, margin + dx :], variance[k + dy, margin + dx :]
    one = np.float32(1)  # a floor of one grey level: flat blocks are alike whatever rounding says
    for j in range(distance.size):
        mean_gap = min(m[j] + one - mean_ratio * (p[j] + one), p[j] + one - mean_ratio * (m[j] + one))
        variance_gap = min(v[j] + one - variance_ratio * (q[j] + one), q[j] + one - variance_ratio * (v[j] + one))
        weight = exp_negative(-scale * distance[j])
        distance[j] = weight if min(mean_gap, variance_gap) >= np.float32(0) else np.float32(0)
    for j in range(out.size):
        out[j] = distance[j * step]


@kernel
def obnlm_rows(
    padded: F32,
    inverse: F32,
    mean: F32,
    variance: F32,
    out: F32,
    r: int,
    reach: int,
    step: int,
    scale: np.float32,
    mean_ratio: np.float32,
    variance_ratio: np.float32,
    y0: int,
    y1: int,
) -> None:
    """Blockwise non-local means: blocks of side 2r + 1, every `step` px, each the weighted mean of those like it."""
    h, w = out.shape
    margin, side = reach + r, 2 * reach + 1
    blocks = (w + step - 1) // step
    scratch, weights = np.empty((2, w + 2 * r), np.float32), np.empty((side * side, blocks), np.float32)
    total, spread, share = np.empty(blocks, np.float32), np.zeros(w + 2 * r, np.float32), np.empty(w, np.float32)
    coverage = np.zeros(w + 2 * r, np.float32)
    coverage[r : r + w : step] = np.float32(1)
    cover_x = np.empty(w, np.float32)
    sum_window(coverage, cover_x, 2 * r + 1)
    out[y0:y1] = np.float32(0)
    first = (max(y0 - r, 0) + step - 1) // step * step
    for y in range(first, min(y1 + r, h), step):
        total[:] = np.float32(0)
        for k in range(side * side):
            dy, dx = k // side - reach, k % side - reach
            _block_weights(
                padded, inverse, mean, variance, y, dy, dx, r, margin, step, scale, mean_ratio, variance_ratio,
                scratch, weights[k],
            )  # fmt: skip
            total += weights[k]
        for j in range(blocks):
            total[j] = np.float32(1) / total[j]
        for k in range(side * side):
            dy, dx = k // side - reach, k % side - reach
            weight = weights[k]
            for j in range(blocks):
                spread[r + j * step] = weight[j] * total[j]
            sum_window(spread, share, 2 * r + 1)
            for i in range(max(y - r, y0), min(y + r + 1, y1)):
                given, o = padded[i + dy + margin, dx + margin :], out[i]
                for j in range(w):
                    o[j] += share[j] * given[j]
    for i in range(y0, y1):
        cover_y = np.float32(len(range((max(i - r, 0) + step - 1) // step * step, min(i + r + 1, h), step)))
        o = out[i]
        for j in range(w):
            o[j] /= cover_y * cover_x[j]


@kernel
def bilateral_rows(padded: F32, out: F32, r: int, inv_grey: np.float32, inv_px: np.float32, y0: int, y1: int) -> None:
    """Mean over a disc, weighted by distance and by difference in grey level; `padded` has a margin of `r`."""
    w = out.shape[1]
    sums = np.empty((2, w), np.float32)
    total, weights = sums[0], sums[1]
    for i in range(y0, y1):
        mid = padded[i + r, r : r + w]
        for j in range(w):
            total[j] = mid[j]
            weights[j] = np.float32(1)
        for dy in range(-r, r + 1):
            for dx in range(-r, r + 1):
                distance2 = dy * dy + dx * dx
                if distance2 == 0 or distance2 > r * r:
                    continue
                far = inv_px * np.float32(distance2)
                other = padded[i + r + dy, r + dx : r + dx + w]
                for j in range(w):
                    difference = other[j] - mid[j]
                    weight = exp_negative(-inv_grey * difference * difference - far)
                    total[j] += weight * other[j]
                    weights[j] += weight
        o = out[i]
        for j in range(w):
            o[j] = total[j] / weights[j]
