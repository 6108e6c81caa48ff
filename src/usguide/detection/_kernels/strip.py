"""What a picture shows in a band along a curve, laid straight: what the strip network reads."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from usguide._jit import kernel
from usguide.detection._kernels.profile import between, on_curve, response_between, scale_on
from usguide.detection._kernels.search import BLOCK_PX

F32 = NDArray[np.float32]

HALF_LINE, HALF_BAND = 3, 8
"""Samples to either side of the curve, a px apart: of the responses to lines, and of grey levels."""
LINE, BAND = 2 * HALF_LINE + 1, 2 * HALF_BAND + 1
FAR_MM = (-8.0, -5.0, -2.5, 2.5, 5.0, 8.0, 12.0)
"""Distances along the beam at which grey levels are sampled too: a shaft casts a shadow, or reverberates."""
FAR = len(FAR_MM)
LAGS = 2
"""The frame is compared with as many of before (`usguide.motion.LAGS_S`)."""
BESIDE_MM = (-5.0, -2.5, 2.5, 5.0)
"""Distances along the beam at which what has changed since is sampled; on the line, as responses are."""
BESIDE = len(BESIDE_MM)
SINCE = LINE + BESIDE
CHANNELS = 2 * LINE + 2 * BAND + 2 * FAR + LAGS * SINCE + 4
LOOK_AT, NEW_AT, GREY_AT = 0, LINE, 2 * LINE
CHANGE_AT = GREY_AT + BAND
FAR_GREY_AT = CHANGE_AT + BAND
FAR_CHANGE_AT = FAR_GREY_AT + FAR
SINCE_AT = FAR_CHANGE_AT + FAR
LOOK_SEEN, NEW_SEEN, WAY, MAY_END = (SINCE_AT + LAGS * SINCE + k for k in range(4))
ACROSS = (
    *((LOOK_AT, LINE), (NEW_AT, LINE), (GREY_AT, BAND), (CHANGE_AT, BAND)),
    *((FAR_GREY_AT, FAR - 1), (FAR_CHANGE_AT, FAR - 1)),
    *((SINCE_AT + k * SINCE, LINE) for k in range(LAGS)),
    *((SINCE_AT + k * SINCE + LINE, BESIDE) for k in range(LAGS)),
)
"""First channel and number of those that go from over the line to under it; the furthest under it has no counterpart."""
LEVELS = 12.0
"""Grey levels of change that count as one."""
EVEN = 8.0
"""Added to the spread of grey levels in a strip, so that an even one is not blown up."""
MOST = 4.0
WAY_PX = 33.0


@kernel
def _line_responses(
    look: F32,
    new: F32,
    x: float,
    y: float,
    c: float,
    s: float,
    look_scale: float,
    new_scale: float,
    across_x: float,
    across_y: float,
    t: int,
    out: F32,
) -> None:
    h, w = look.shape[1:]
    c2, s2, sc2 = c * c, s * s, 2 * s * c
    for k in range(-HALF_LINE, HALF_LINE + 1):
        px, py = x + across_x * k, y + across_y * k
        value = new_value = 0.0
        if px >= 0 and py >= 0 and px <= w - 1 and py <= h - 1:
            j, i = min(int(px), w - 2), min(int(py), h - 2)
            value = response_between(look, i, j, px - j, py - i, c2, s2, sc2) * look_scale
            if new_scale > 0:
                new_value = response_between(new, i, j, px - j, py - i, c2, s2, sc2) * new_scale
        out[LOOK_AT + k + HALF_LINE, t] = min(max(value, -2.0), MOST)
        out[NEW_AT + k + HALF_LINE, t] = min(max(new_value, -2.0), MOST)


@kernel
def strip_inputs(
    look: F32,
    look_known: F32,
    look_energy: F32,
    look_floor2: float,
    new: F32,
    new_known: F32,
    new_energy: F32,
    new_floor2: float,
    grey: F32,
    wide_grey: F32,
    change: F32,
    wide_change: F32,
    since: F32,
    wide_since: F32,
    x0: float,
    y0: float,
    angle: float,
    bend: float,
    start: int,
    least: int,
    mm: float,
    out: F32,
) -> None:
    """Sample a band along a curve.

    Parameters
    ----------
    look, look_known, look_energy, look_floor2, new, new_known, new_energy, new_floor2
        Appearance and novelty; see `search_lines`.
    grey, wide_grey, change, wide_change : float32 (h, w)
        Grey levels and their difference from the background, both also averaged over a mm or two.
    since, wide_since : float32 (LAGS, h, w)
        Their difference from moments before, also averaged.
    x0, y0, angle, bend : float
        The curve, as in `straighten`.
    start, least : int
        Px along the curve to where the shaft starts, and to the first place where it may end.
    mm : float
        Per px.
    out : float32 (CHANNELS, n)
        Out: a column for every px along the curve. Sides are deeper and less deep, not left and right.
    """
    h, w = grey.shape
    n = out.shape[1]
    c0, s0 = math.cos(angle), math.sin(angle)
    side = 1.0 if c0 >= 0 else -1.0
    look_near = look_far = new_near = new_far = 0.0
    total = square = 0.0
    count = 0
    for t in range(n):
        if t % BLOCK_PX == 0:
            look_near = look_far if t > 0 else scale_on(look_energy, look_floor2, x0, y0, c0, s0, bend, t)
            look_far = scale_on(look_energy, look_floor2, x0, y0, c0, s0, bend, t + BLOCK_PX)
            new_near = new_far if t > 0 else scale_on(new_energy, new_floor2, x0, y0, c0, s0, bend, t)
            new_far = scale_on(new_energy, new_floor2, x0, y0, c0, s0, bend, t + BLOCK_PX)
        share = (t % BLOCK_PX) / BLOCK_PX
        x, y, c, s = on_curve(x0, y0, c0, s0, bend, t)
        j, i = int(math.floor(x + 0.5)), int(math.floor(y + 0.5))
        inside = i >= 0 and j >= 0 and i < h and j < w
        seen = inside and look_known[i, j] > 0
        is_new = inside and new_known[i, j] > 0
        out[LOOK_SEEN, t] = 1 if seen else 0
        out[NEW_SEEN, t] = 1 if is_new else 0
        out[WAY, t] = min(max((t - start) / WAY_PX, -1.0), 2.0)
        out[MAY_END, t] = 1 if t >= least else 0
        if not seen:
            out[:LOOK_SEEN, t] = 0
            continue
        ax, ay = -s * side, c * side
        new_scale = new_near + (new_far - new_near) * share if is_new else 0.0
        _line_responses(look, new, x, y, c, s, look_near + (look_far - look_near) * share, new_scale, ax, ay, t, out)
        for k in range(-HALF_BAND, HALF_BAND + 1):
            px, py = min(max(x + ax * k, 0.0), w - 1.0), min(max(y + ay * k, 0.0), h - 1.0)
            j, i = min(int(px), w - 2), min(int(py), h - 2)
            value = between(grey, i, j, px - j, py - i)
            total += value
            square += value * value
            out[GREY_AT + HALF_BAND + k, t] = value
            out[CHANGE_AT + HALF_BAND + k, t] = between(change, i, j, px - j, py - i) / LEVELS if is_new else 0.0
        count += BAND
        if is_new:
            _changes(since, wide_since, x, y, ax, ay, mm, t, out)
        else:
            out[SINCE_AT:LOOK_SEEN, t] = 0
        for k in range(FAR):
            py = min(max(y + FAR_MM[k] / mm, 0.0), h - 1.0)
            px = min(max(x, 0.0), w - 1.0)
            j, i = min(int(px), w - 2), min(int(py), h - 2)
            out[FAR_GREY_AT + k, t] = between(wide_grey, i, j, px - j, py - i)
            out[FAR_CHANGE_AT + k, t] = between(wide_change, i, j, px - j, py - i) / LEVELS if is_new else 0.0
    if count == 0:
        return
    mean = total / count
    per = 1 / (math.sqrt(max(0.0, square / count - mean * mean)) + EVEN)
    _levelled(out, GREY_AT, BAND, mean, per)
    _levelled(out, CHANGE_AT, BAND, 0.0, 1.0)
    _levelled(out, FAR_GREY_AT, FAR, mean, per)
    _levelled(out, FAR_CHANGE_AT, FAR, 0.0, 1.0)


@kernel
def _changes(since: F32, wide: F32, x: float, y: float, ax: float, ay: float, mm: float, t: int, out: F32) -> None:
    h, w = since.shape[1:]
    for lag in range(LAGS):
        first = SINCE_AT + lag * SINCE
        for k in range(-HALF_LINE, HALF_LINE + 1):
            px, py = min(max(x + ax * k, 0.0), w - 1.0), min(max(y + ay * k, 0.0), h - 1.0)
            j, i = min(int(px), w - 2), min(int(py), h - 2)
            value = between(since[lag], i, j, px - j, py - i) / LEVELS
            out[first + HALF_LINE + k, t] = min(max(value, -MOST), MOST)
        for k in range(BESIDE):
            px, py = min(max(x, 0.0), w - 1.0), min(max(y + BESIDE_MM[k] / mm, 0.0), h - 1.0)
            j, i = min(int(px), w - 2), min(int(py), h - 2)
            value = between(wide[lag], i, j, px - j, py - i) / LEVELS
            out[first + LINE + k, t] = min(max(value, -MOST), MOST)


@kernel
def _levelled(out: F32, first: int, count: int, mean: float, per: float) -> None:
    """Take a mean off some channels, scale and limit them, where anything is seen."""
    for k in range(first, first + count):
        for t in range(out.shape[1]):
            if out[LOOK_SEEN, t] != 0:
                out[k, t] = min(max((out[k, t] - mean) * per, -MOST), MOST)
