"""One pass over a picture: shrunk by area, and which of its black areas lie outside it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from usguide._jit import U, kernel


@kernel
def _spans(
    old: int,
    new: int,
    first: NDArray[np.int64],
    last: NDArray[np.int64],
    head: NDArray[np.float32],
    tail: NDArray[np.float32],
) -> None:
    """First and last old pixel under each new one, and how much of them; those between count in full."""
    scale = old / new
    for i in range(new):
        low, high = i * scale, min((i + 1) * scale, float(old))
        a = min(int(low), old - 1)
        # An end that rounding pushed past a pixel's edge by a hair does not reach into the next.
        b = min(max(int(np.ceil(high - 1e-6)) - 1, a), old - 1)
        first[i], last[i] = a, b
        if a == b:
            head[i], tail[i] = np.float32(1.0), np.float32(0.0)
        else:
            head[i], tail[i] = np.float32((a + 1 - low) / scale), np.float32((high - b) / scale)


@kernel
def _next_parts(
    first: NDArray[np.int64],
    last: NDArray[np.int64],
    tail: NDArray[np.float32],
    full: np.float32,
    second: NDArray[np.float32],
    third: NDArray[np.float32],
) -> int:
    """How much of the second and third old pixel under each new one; return the most that there are under one."""
    most = 1
    for i in range(first.size):
        count = last[i] - first[i] + 1
        most = max(most, count)
        second[i] = full if count > 2 else tail[i] if count > 1 else np.float32(0)
        third[i] = tail[i] if count > 2 else np.float32(0)
    return most


@kernel
def shrink_bytes(pixels: NDArray[np.uint8], out: NDArray[np.float32]) -> None:
    """Fill `out`, no larger than `pixels` in either direction, with the means of the areas of `pixels`.

    Parameters
    ----------
    pixels : uint8 (h, w)
        C-contiguous.
    out : float32 (h2, w2)
    """
    h, w = pixels.shape
    h2, w2 = out.shape
    top, bottom, top_part, bottom_part = np.empty(h2, np.int64), np.empty(h2, np.int64), np.empty(h2, np.float32), np.empty(h2, np.float32)  # fmt: skip  # noqa: E501
    left, right, left_part, right_part = np.empty(w2, np.int64), np.empty(w2, np.int64), np.empty(w2, np.float32), np.empty(w2, np.float32)  # fmt: skip  # noqa: E501
    _spans(h, h2, top, bottom, top_part, bottom_part)
    _spans(w, w2, left, right, left_part, right_part)
    full_row, full_column = np.float32(h2 / h), np.float32(w2 / w)
    middle, far = np.empty(w2, np.float32), np.empty(w2, np.float32)
    widest = _next_parts(left, right, right_part, full_column, middle, far)
    row = np.zeros(w + 2, np.float32)
    for i in range(h2):
        first, last = top[i], bottom[i]
        weight, r = top_part[i], U(first)
        for j in range(U(w)):
            row[j] = weight * np.float32(pixels[r, j])
        for k in range(first + 1, last + 1):
            weight, r = bottom_part[i] if k == last else full_row, U(k)
            for j in range(U(w)):
                row[j] += weight * np.float32(pixels[r, j])
        if widest <= 3:
            # Without a branch: what a new px does not reach counts 0.
            for j in range(U(w2)):
                a = U(left[j])
                out[i, j] = row[a] * left_part[j] + row[a + U(1)] * middle[j] + row[a + U(2)] * far[j]
            continue
        for j in range(U(w2)):
            a, b = U(left[j]), U(right[j])
            total = row[a] * left_part[j]
            if b > a:
                inner = np.float32(0)
                for k in range(a + U(1), b):
                    inner += row[k]
                total += inner * full_column + row[b] * right_part[j]
            out[i, j] = total


@kernel
def halve_shown(grey: NDArray[np.float32], black: float, out: NDArray[np.uint8]) -> bool:
    """Fill `out`, half as large, with 1 where any of two by two pixels is brighter than `black`; tell whether any is not.

    A last odd row or column is looked at for black alone.
    """
    h, w = grey.shape
    limit = np.float32(black)
    dark = 0
    for i in range(h):
        for j in range(U(w)):
            dark += grey[i, j] <= limit
    h2, w2 = out.shape
    for i in range(h2):
        for j in range(w2):
            a = max(grey[2 * i, 2 * j], grey[2 * i, 2 * j + 1])
            b = max(grey[2 * i + 1, 2 * j], grey[2 * i + 1, 2 * j + 1])
            out[i, j] = max(a, b) > limit
    return dark > 0


@kernel
def count_labels(labels: NDArray[np.int32], counts: NDArray[np.int64]) -> None:
    """Add to `counts` how often each label occurs: areas are runs, and a run is counted at once."""
    h, w = labels.shape
    for i in range(U(h)):
        label, first = labels[i, 0], 0
        for j in range(1, w):
            if labels[i, U(j)] != label:
                counts[label] += j - first
                label, first = labels[i, U(j)], j
        counts[label] += w - first


@kernel
def picture_outline(
    labels: NDArray[np.int32],
    large: NDArray[np.bool_],
    h: int,
    w: int,
    corners: NDArray[np.int32],
    top: NDArray[np.int32],
) -> int:
    """Collect the ends of the picture's rows in the full picture's pixels, and its first row in every column.

    Parameters
    ----------
    labels : int32 (h // 2, w // 2)
    large : bool
        Which labels are picture.
    h, w : int
        Of the full picture, whose last odd row or column goes with its neighbour.
    corners : int32 (4 * (h // 2), 2)
        Out: x, y.
    top : int32 (w,)
        Out; h where a column holds no picture.

    Returns
    -------
    int
        How many corners there are.
    """
    h2, w2 = labels.shape
    top[:] = h
    count = 0
    for i in range(h2):
        first, last = -1, -1
        for j in range(w2):
            if large[labels[i, j]]:
                first = j if first < 0 else first
                last = j
                if top[2 * j] == h:
                    top[2 * j] = top[2 * j + 1] = 2 * i
        if first < 0:
            continue
        right = w - 1 if last == w2 - 1 else 2 * last + 1
        under = h - 1 if i == h2 - 1 else 2 * i + 1
        for x in (2 * first, right):
            for y in (2 * i, under):
                corners[count, 0], corners[count, 1] = x, y
                count += 1
    if w % 2 == 1:
        top[w - 1] = top[w - 2]
    return count


@kernel
def black_outside(
    grey: NDArray[np.float32], black: float, hull: NDArray[np.uint8], top: NDArray[np.int32], out: NDArray[np.bool_]
) -> None:
    """Mark what is black and outside the hull, or over the picture's first row."""
    limit = np.float32(black)
    h, w = grey.shape
    for i in range(h):
        row = np.int32(i)
        for j in range(U(w)):
            out[i, j] = (grey[i, j] <= limit) & ((hull[i, j] == 0) | (row < top[j]))
