"""One step of gated persistence."""

from __future__ import annotations

import numpy as np

from usguide._jit import kernel
from usguide.filters._kernels.basics import F32


@kernel
def persist_rows(x: F32, change: F32, mean: F32, share: np.float32, gate: np.float32, y0: int, y1: int) -> None:
    """``mean += a (x - mean)``; a rises from `share` to 1 while |change| rises from half the gate to the gate."""
    one, half = np.float32(1), np.float32(0.5)
    for i in range(y0, y1):
        a, c, m = x[i], change[i], mean[i]
        for j in range(a.size):
            t = min(max((abs(c[j]) - half * gate) / (half * gate), np.float32(0)), one)
            s = t * t * (np.float32(3) - t - t)
            m[j] += (share + (one - share) * s) * (a[j] - m[j])
