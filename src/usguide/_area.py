"""Shrinking a byte picture by area in one pass: each pixel of the result is the mean of the area that it covers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from usguide._jit import kernel

U = np.uint64


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
    row = np.empty(w, np.float32)
    for i in range(h2):
        first, last = top[i], bottom[i]
        weight, r = top_part[i], U(first)
        for j in range(U(w)):
            row[j] = weight * np.float32(pixels[r, j])
        for k in range(first + 1, last + 1):
            weight, r = bottom_part[i] if k == last else full_row, U(k)
            for j in range(U(w)):
                row[j] += weight * np.float32(pixels[r, j])
        for j in range(w2):
            a, b = left[j], right[j]
            total = row[a] * left_part[j]
            if b > a:
                inner = np.float32(0)
                for k in range(a + 1, b):
                    inner += row[k]
                total += inner * full_column + row[b] * right_part[j]
            out[i, j] = total
