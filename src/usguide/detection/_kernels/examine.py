"""From a rough segment to a needle candidate: laid onto the evidence, its ends found, its looks put into numbers."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from usguide._jit import kernel
from usguide.detection._kernels.profile import (
    HALF_STRIP,
    change_point,
    fit_centre,
    run_start,
    straighten,
)
from usguide.detection._kernels.search import BLOCK_PX, mean_square

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

WIDTH = 2 * HALF_STRIP + 1
SHORTEST_MM = 1.8
EDGE_STEPS = 2
"""The last px before the edge have no evidence: a shaft that starts there starts at the edge."""
BEFORE_MM, BEYOND_MM = 4.0, 30.0
"""A candidate is looked for so far before and beyond the segment that it grew from."""
ASIDE_MM = 7.0
"""The surroundings that tell which directions are usual lie so far to either side."""
BEND_PER_MM = 0.009
"""Most curvature that a needle is given, and ..."""
USUAL_BEND_PER_MM = 0.003
"""... what is usual: short runs do not tell their bend, and are kept straight."""
END_BLUR_MM = 0.38
"""Log compression and the point spread let a bright end look so much longer than it is."""
FIRST_REACH_PX, REACH_PX = 3.0, 2.0
FIRST_STRIDE_PX = 2
"""The first look at a line is at every second px along it: it only has to be laid so well that the next can be."""
NEAR_STRIP = 4
"""Samples that `REACH_PX` spans to either side."""
STILL_PX = 0.1
"""A line whose ends moved less than this has settled."""


@kernel
def examine(
    valid: NDArray[np.bool_],
    look: F32,
    look_known: F32,
    look_energy: F32,
    look_floor2: float,
    new: F32,
    new_known: F32,
    new_energy: F32,
    new_floor2: float,
    ends: F64,
    mm: float,
    features: F64,
    curve: F64,
    sums: F64,
) -> bool:
    """Examine one segment.

    Parameters
    ----------
    valid : bool (h, w)
        Where there is a picture.
    look, look_known, look_energy, look_floor2, new, new_known, new_energy, new_floor2
        Appearance and novelty; see `search_lines`.
    ends : float64 (4,)
        x0, y0, x1, y1 in px, in the direction of travel.
    mm : float
        Per px.
    features : float64 (25 or more,)
        Out, the first 25; named in `usguide.detection.candidates`.
    curve : float64 (14,)
        Out: entry x, y; end x, y; direction of the chord; direction at the end; bend; variance of the end along the
        line in mm^2; then the strip that `sums` follows: x, y, direction at its start, number of steps, steps to the
        entry, and the least number of steps to an end.
    sums : float64 (k,)
        Out: log-likelihood that the shaft ends after each step of that strip.

    Returns
    -------
    bool
        False where there is no candidate.
    """
    x0, y0, x1, y1 = ends[0], ends[1], ends[2], ends[3]
    length = math.hypot(x1 - x0, y1 - y0)
    shortest = SHORTEST_MM / mm
    if length < shortest:
        return False
    most = sums.shape[0] - 1
    a, b = np.empty((most, WIDTH), np.float32), np.empty((most, WIDTH), np.float32)
    seen_a, seen_b = np.empty(most, np.float32), np.empty(most, np.float32)
    on_line, new_line = np.empty(most), np.empty(most)
    centre, found = np.zeros(3), np.empty(2)
    angle, bend, before = math.atan2(y1 - y0, x1 - x0), 0.0, int(BEFORE_MM / mm)
    # A first look lays the line and finds its end, the second uses all of it; a third where that moved the line.
    for look_again in range(3):
        steps = min(int(length) + 1, most)
        # Once the line has been laid, its centre is sought close to it alone.
        half = HALF_STRIP if look_again == 0 else NEAR_STRIP
        stride = FIRST_STRIDE_PX if look_again == 0 else 1
        samples = 1 + (steps - 1) // stride
        straighten(look, look_known, look_energy, look_floor2, new, new_known, new_energy, new_floor2, x0, y0, angle, bend, samples, stride, half, a, seen_a, b, seen_b)  # fmt: skip  # noqa: E501
        centre[:] = 0
        if look_again == 0:
            fit_centre(a, b, samples, FIRST_REACH_PX, 1e9, centre)
        usual = 0.5 * USUAL_BEND_PER_MM * mm * length * length
        ridge = 4.0 / (usual * usual) if length * mm > 6 else 1e9
        away = fit_centre(a, b, samples, REACH_PX, ridge, centre)
        moved = max(abs(centre[0]), abs(centre[0] + centre[1] + centre[2]))
        x0, y0 = x0 - math.sin(angle) * centre[0], y0 + math.cos(angle) * centre[0]
        limit = 0.5 * BEND_PER_MM * mm
        bend = min(max(bend + centre[2] / (length * length), -limit), limit)
        angle += math.atan(centre[1] / length)
        # The strip starts before the entry, on the same parabola.
        bx, by, at_start = along(x0, y0, angle, bend, -float(before))
        n = min(before + steps + int(BEYOND_MM / mm), most)
        straighten(look, look_known, look_energy, look_floor2, new, new_known, new_energy, new_floor2, bx, by, at_start, bend, n, 1, 0, a, seen_a, b, seen_b)  # fmt: skip  # noqa: E501
        for t in range(n):
            on_line[t], new_line[t] = a[t, HALF_STRIP], b[t, HALF_STRIP]
        least = before + int(min(0.35 * length, 5 / mm))
        if least >= n:
            return False
        start = run_start(on_line, new_line, seen_a, seen_b, least)
        change_point(on_line, new_line, seen_a, seen_b, n, start, least, min(n, before + steps), sums, found)
        end = found[0] - END_BLUR_MM / mm
        length = end - start
        if length < shortest:
            return False
        if look_again == 1 and moved < STILL_PX:
            break
        if look_again < 2:
            x0, y0, angle = along(bx, by, at_start, bend, float(start))
    ex, ey, _ = along(bx, by, at_start, bend, float(start))
    tx, ty, at_end = along(bx, by, at_start, bend, end)
    chord = math.atan2(ty - ey, tx - ex)
    curve[0], curve[1], curve[2], curve[3], curve[4], curve[5] = ex, ey, tx, ty, chord, at_end
    curve[6], curve[7] = bend, found[1] * mm * mm + 0.04
    curve[8], curve[9], curve[10], curve[11], curve[12], curve[13] = bx, by, at_start, n, start, least
    stop = min(n, max(start + 4, int(end + 1)))
    if not _describe_run(on_line, new_line, seen_a, seen_b, start, stop, end, n, mm, features):
        return False
    features[2] = length * mm
    features[3] = _way_from_edge(valid, ex, ey, chord) * mm
    features[4] = math.degrees(math.atan2(math.sin(chord), abs(math.cos(chord))))
    features[16], features[17] = away * mm, abs(bend) / mm
    features[18] = _usual_direction(look_energy, 0.5 * (ex + tx), 0.5 * (ey + ty), chord, ASIDE_MM / mm)
    features[24] = math.sqrt(curve[7])
    return True


@kernel
def along(x: float, y: float, angle: float, bend: float, t: float) -> tuple[float, float, float]:
    """Go t px along a parabola: the point there, and the direction."""
    c, s, off = math.cos(angle), math.sin(angle), bend * t * t
    return x + c * t - s * off, y + s * t + c * off, angle + math.atan(2 * bend * t)


@kernel
def _moments(
    values: F64, seen: F32, first: int, last: int, most: float, mm: float
) -> tuple[int, float, float, float, float]:
    """Of the steps that are seen: how many, their sum in mm (each at most `most`), mean, spread, and share over a half."""
    mean = square = total = 0.0
    count = strong = 0
    for t in range(first, last):
        if seen[t] > 0:
            v = values[t]
            mean += v
            square += v * v
            count += 1
            strong += v > 0.5
            total += min(max(v, -1.0), most)
    if count == 0:
        return 0, 0.0, 0.0, 0.0, 0.0
    mean /= count
    return count, total * mm, mean, math.sqrt(max(0.0, square / count - mean * mean)), strong / count


@kernel
def _mean(values: F64, seen: F32, first: int, last: int) -> float:
    total, count = 0.0, 0
    for t in range(first, last):
        if seen[t] > 0:
            total += values[t]
            count += 1
    return total / count if count > 0 else 0.0


@kernel
def _describe_run(
    look: F64,
    new: F64,
    look_seen: F32,
    new_seen: F32,
    start: int,
    stop: int,
    end: float,
    n: int,
    mm: float,
    out: F64,
) -> bool:
    """Put sums, means, spreads and shares of appearance and novelty on the run, before and beyond it, into `out`."""
    gap = run = 0
    for t in range(start, stop):
        run = run + 1 if look[t] < 0.2 and new[t] < 0.3 else 0
        gap = max(gap, run)
    count_a, out[0], out[5], out[7], out[9] = _moments(look, look_seen, start, stop, 2.0, mm)
    if count_a < 4:
        return False
    count_b, out[1], out[6], out[8], out[10] = _moments(new, new_seen, start, stop, 3.0, mm)
    out[11] = gap * mm
    beyond = min(n, int(end + 1.2 / mm))
    far = min(n, beyond + int(4 / mm))
    out[12], out[13] = _mean(look, look_seen, beyond, far), _mean(new, new_seen, beyond, far)
    early = max(0, start - int(3 / mm))
    out[14], out[15] = _mean(look, look_seen, early, start), _mean(new, new_seen, early, start)
    out[19] = count_b / max(1, stop - start)
    late = max(start, stop - int(5 / mm))
    out[20], out[21] = _mean(look, look_seen, late, stop), _mean(new, new_seen, late, stop)
    out[22], out[23] = out[20] - out[12], out[21] - out[13]
    return True


@kernel
def _way_from_edge(valid: NDArray[np.bool_], x: float, y: float, direction: float) -> float:
    """Px back along the line until the picture ends."""
    h, w = valid.shape
    c, s = math.cos(direction), math.sin(direction)
    way = 0
    while way < h + w:
        x -= c
        y -= s
        j, i = int(math.floor(x + 0.5)), int(math.floor(y + 0.5))
        if i < 0 or j < 0 or i >= h or j >= w or not valid[i, j]:
            break
        way += 1
    return max(0, way - EDGE_STEPS)


@kernel
def _usual_direction(energy: F32, x: float, y: float, direction: float, away_px: float) -> float:
    """Log of how strong lines of this direction are to either side, against lines of all directions.

    So far away that the line itself is not among its own surroundings.
    """
    hq, wq = energy.shape[1:]
    c, s = math.cos(direction), math.sin(direction)
    mine = everywhere = 0.0
    for side in (-1.0, 1.0):
        q = min(max(int((x - side * s * away_px) / BLOCK_PX), 0), wq - 1)
        p = min(max(int((y + side * c * away_px) / BLOCK_PX), 0), hq - 1)
        mine += mean_square(energy, p, q, c, s)
        for k in range(8):
            a = math.pi * k / 8
            everywhere += mean_square(energy, p, q, math.cos(a), math.sin(a)) / 8
    return math.log(max(mine, 1e-2) / max(everywhere, 1e-2))


@kernel
def examine_all(
    valid: NDArray[np.bool_],
    look: F32,
    look_known: F32,
    look_energy: F32,
    look_floor2: float,
    new: F32,
    new_known: F32,
    new_energy: F32,
    new_floor2: float,
    ends: F64,
    mm: float,
    features: F64,
    curve: F64,
    sums: F64,
    good: NDArray[np.bool_],
) -> None:
    """Examine segments (see `examine`), one in each row of `ends`, `features`, `curve`, `sums` and `good`."""
    for k in range(ends.shape[0]):
        good[k] = examine(valid, look, look_known, look_energy, look_floor2, new, new_known, new_energy, new_floor2, ends[k], mm, features[k], curve[k], sums[k])  # fmt: skip  # noqa: E501
