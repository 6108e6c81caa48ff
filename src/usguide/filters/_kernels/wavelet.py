"""The starlet (isotropic undecimated wavelet) transform: one level, and what is left of its details."""

from __future__ import annotations

import numpy as np

from usguide._jit import kernel
from usguide.filters._kernels.basics import F32, repeat_ends


@kernel
def smooth_rows(x: F32, out: F32, hole: int, y0: int, y1: int) -> None:
    """Blur by the B3 spline 1, 4, 6, 4, 1 (over 16) with its taps `hole` px apart."""
    h, w = x.shape
    one, four, six = np.float32(1 / 16), np.float32(4 / 16), np.float32(6 / 16)
    reach = 2 * hole
    padded = np.empty(w + 2 * reach, np.float32)
    for i in range(y0, y1):
        a, b, c = x[max(i - reach, 0)], x[max(i - hole, 0)], x[i]
        d, e, o = x[min(i + hole, h - 1)], x[min(i + reach, h - 1)], out[i]
        inner = padded[reach : reach + w]
        for j in range(w):
            inner[j] = one * (a[j] + e[j]) + four * (b[j] + d[j]) + six * c[j]
        repeat_ends(padded, reach)
        west, east, end = padded[hole:], padded[3 * hole :], padded[2 * reach :]
        for j in range(w):
            o[j] = one * (padded[j] + end[j]) + four * (west[j] + east[j]) + six * inner[j]


@kernel
def keep_details_rows(x: F32, smooth: F32, total: F32, threshold: np.float32, y0: int, y1: int) -> None:
    """Add the soft-thresholded details ``x - smooth`` to `total`."""
    for i in range(y0, y1):
        a, b, o = x[i], smooth[i], total[i]
        for j in range(a.size):
            d = a[j] - b[j]
            kept = max(abs(d) - threshold, np.float32(0))
            o[j] += kept if d > np.float32(0) else -kept
