"""How wide a region is near its two ends."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from usguide._jit import kernel

F64 = NDArray[np.float64]


@kernel
def widths_at_ends(outline: F64, axis: float, low: float, high: float, slab: float, out: F64) -> None:
    """Add the widths of slabs across an axis, from each end inwards: from `low` up, and from `high` down.

    Parameters
    ----------
    outline : float64 (n, 2)
        Closed. One that runs the other way round, as that of a hole, takes its inside off.
    axis : float
        Direction of the axis, rad.
    low, high : float
        Places of the ends along the axis, in the outline's unit.
    slab : float
        Thickness of a slab.
    out : float64 (2, count)
        Added to; negative where the outline runs round that way.
    """
    n, count = outline.shape[0], out.shape[1]
    c, s = math.cos(axis), math.sin(axis)
    for i in range(n):
        k = i + 1 if i + 1 < n else 0
        u0, v0 = outline[i, 0] * c + outline[i, 1] * s, outline[i, 1] * c - outline[i, 0] * s
        u1, v1 = outline[k, 0] * c + outline[k, 1] * s, outline[k, 1] * c - outline[k, 0] * s
        if u0 == u1:
            continue
        for end in range(2):
            for m in range(count):
                first = high - (m + 1) * slab if end else low + m * slab
                a, b = min(max(u0, first), first + slab), min(max(u1, first), first + slab)
                if a != b:
                    # Between the edge and the axis; what is counted twice is taken off by the edge across.
                    across = v0 + (0.5 * (a + b) - u0) / (u1 - u0) * (v1 - v0)
                    out[end, m] -= across * (b - a) / slab
