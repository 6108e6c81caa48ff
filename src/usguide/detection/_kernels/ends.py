"""What lies before and behind each place along a strip: the numbers that tell where a shaft ends."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from usguide._jit import kernel
from usguide.detection._kernels.profile import bilinear

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

WINDOWS_PX = (3, 8, 20, 60)
CHANNELS = 6
INPUTS = 2 * len(WINDOWS_PX) * CHANNELS + 3
LOOK_RANGE, NEW_RANGE = (-1.0, 2.5), (-1.0, 3.5)
BESIDE_PX = (4.0, 6.0, 8.0, 10.0)
"""Distances along the beam at which a shaft changes what lies over and under it."""
GREY_LEVELS, MOST_CHANGE = 15.0, 2.0


@kernel
def beside(difference: F32, x0: float, y0: float, angle: float, bend: float, count: int, over: F64, under: F64) -> None:
    """By how much the picture over and under a curve differs from its background, darker or brighter.

    A shaft casts a shadow, or reverberates: which of them depends on needle and scanner, so the sign is not used.

    Parameters
    ----------
    difference : float32 (h, w)
        Grey levels above the background.
    x0, y0, angle, bend, count
        The curve, as in `straighten`.
    over, under : float64 (count or more,)
        Out, 0 to `MOST_CHANGE`.
    """
    c, s = math.cos(angle), math.sin(angle)
    for t in range(count):
        off = bend * t * t
        x, y = x0 + c * t - s * off, y0 + s * t + c * off
        a = b = 0.0
        for d in BESIDE_PX:
            a += bilinear(difference, x, y - d)
            b += bilinear(difference, x, y + d)
        per = 1 / (len(BESIDE_PX) * GREY_LEVELS)
        over[t], under[t] = min(abs(a * per), MOST_CHANGE), min(abs(b * per), MOST_CHANGE)


@kernel
def end_inputs(channels: F64, sums: F64, least: int, start: int, out: F64) -> None:
    """Put numbers on every place along a strip.

    Parameters
    ----------
    channels : float64 (6, n)
        Appearance, novelty, whether either is known, and what has changed over and under the strip; clipped in place.
    sums : float64 (n + 1,)
        Log-likelihood of an end after each step, of `change_point`.
    least, start : int
        The first place an end is sought at; where the run of evidence starts.
    out : float64 (n + 1, INPUTS)
        Out: means of every channel over the steps before each place and those behind it, in windows of several
        lengths; then how far `sums` lies below its best, how long the run is there, and how much strip is left.
    """
    n = channels.shape[1]
    total = np.zeros((CHANNELS, n + 1))
    for t in range(n):
        channels[0, t] = min(max(channels[0, t], LOOK_RANGE[0]), LOOK_RANGE[1])
        channels[1, t] = min(max(channels[1, t], NEW_RANGE[0]), NEW_RANGE[1])
        for k in range(CHANNELS):
            total[k, t + 1] = total[k, t] + channels[k, t]
    best = sums[least]
    for t in range(least, n + 1):
        best = max(best, sums[t])
    for t in range(n + 1):
        column = 0
        for w in WINDOWS_PX:
            low, high = max(0, t - w), min(n, t + w)
            for k in range(CHANNELS):
                out[t, column] = (total[k, t] - total[k, low]) / w
                out[t, column + CHANNELS] = (total[k, high] - total[k, t]) / w
                column += 1
            column += CHANNELS
        out[t, column] = min(max((sums[t] - best) / 5, -8.0), 0.0)
        out[t, column + 1] = min(max(t - start, 0), 100) / 50
        out[t, column + 2] = min(n - t, 40) / 20
