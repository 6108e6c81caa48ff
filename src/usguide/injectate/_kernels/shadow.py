"""Numba kernel of the needle's shadow: what lies behind the shaft is darker by much the same all along a beam."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from usguide._jit import kernel

F32 = NDArray[np.float32]

MOST_PX = 512
"""Places behind one part of the shaft that are looked at."""
LEAST_PX = 12


@kernel
def lift_shadow(
    grey: F32,
    reference: F32,
    usable: F32,
    ax: float,
    ay: float,
    x0: float,
    y0: float,
    x1: float,
    y1: float,
    strip_px: float,
    clear_px: float,
    deepest: float,
) -> None:
    """Make up for the shadow behind a shaft, in place.

    The shaft is cut into strips. Behind each, the median of what a frame lost against the reference is the shadow: fluid
    covers less than half of a beam. It is put back, which leaves fluid as much darker than its surroundings as it is.

    Parameters
    ----------
    grey : float32 (h, w)
        In and out.
    reference : float32 (h, w)
    usable : float32 (h, w)
        0 where grey levels say nothing of the shadow.
    ax, ay : float
        Where the beams meet, in px; far above for a linear probe.
    x0, y0, x1, y1 : float
        The shaft, in px.
    strip_px : float
        Width of a strip across the beams.
    clear_px : float
        So close behind the shaft its own echo lies.
    deepest : float
        Grey levels: no shadow is darker.
    """
    h, w = grey.shape
    sx, sy = x1 - x0, y1 - y0
    if math.hypot(sx, sy) < 1:
        return
    # Seen from the apex, the shaft covers beams; its width across them tells how many strips there are.
    d0, d1 = math.hypot(x0 - ax, y0 - ay), math.hypot(x1 - ax, y1 - ay)
    across = abs((x0 - ax) * (y1 - ay) - (y0 - ay) * (x1 - ax)) / max(d0, d1)
    strips = max(1, min(64, int(across / strip_px + 0.5)))
    values = np.empty((strips, MOST_PX), np.float32)
    counts, offsets = np.zeros(strips, np.int64), np.zeros(strips, np.float32)
    below = min(y0, y1) > ay
    for second in range(2):
        for i in range(h):
            ry = i - ay
            left, right = 0, w
            if below and ry > 0:
                # Between the beams that meet the shaft's ends; nothing else is behind it.
                one, other = ax + (x0 - ax) * ry / (y0 - ay), ax + (x1 - ax) * ry / (y1 - ay)
                left = min(max(int(math.floor(min(one, other))), 0), w)
                right = min(max(int(math.ceil(max(one, other))) + 1, 0), w)
            for j in range(left, right):
                rx = j - ax
                cross = rx * sy - ry * sx
                if cross == 0:
                    continue
                # Apex + u * ray = shaft's start + t * shaft. Most places are beside it: no division for them.
                over = (x0 - ax) * ry - (y0 - ay) * rx
                if over * cross < 0 or abs(over) > abs(cross):
                    continue
                t = over / cross
                u = ((x0 - ax) * sy - (y0 - ay) * sx) / cross
                if u <= 0 or (1 - u) * math.hypot(rx, ry) < (0.0 if second else clear_px):
                    continue
                place = t * strips - 0.5
                if second:
                    k = min(max(int(math.floor(place)), 0), strips - 1)
                    n = min(k + 1, strips - 1)
                    f = min(max(place - k, 0.0), 1.0)
                    grey[i, j] -= (1 - f) * offsets[k] + f * offsets[n]
                elif usable[i, j] > 0:
                    k = min(max(int(t * strips), 0), strips - 1)
                    if counts[k] < MOST_PX:
                        values[k, counts[k]] = grey[i, j] - reference[i, j]
                        counts[k] += 1
        if not second:
            for k in range(strips):
                if counts[k] >= LEAST_PX:
                    offsets[k] = np.float32(max(min(float(np.median(values[k, : counts[k]])), 0.0), -deepest))
