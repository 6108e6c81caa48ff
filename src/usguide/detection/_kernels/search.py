"""Search for lines: from the entry edge along every direction and offset at once, a running sum of evidence.

A picture's second derivatives (xx, xy, yy) give the response to a bright line at any angle: minus the second derivative
across it. All offsets of one angle are summed side by side, so that the inner loops run over contiguous memory.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from usguide._jit import U, kernel

F32 = NDArray[np.float32]

BLOCK_PX = 4
"""The energy of the surroundings is kept for blocks of this side."""


@kernel
def second_derivatives(image: F32, out: F32) -> None:
    """Fill `out`, float32 (3, h, w), with the second derivatives xx, xy, yy of `image` per px; 0 along the border."""
    h, w = image.shape
    two, quarter = np.float32(2), np.float32(0.25)
    out[:, 0], out[:, h - 1] = 0, 0
    for i in range(U(1), U(h - 1)):
        above, here, below = image[i - U(1)], image[i], image[i + U(1)]
        xx, xy, yy = out[0, i], out[1, i], out[2, i]
        for j in range(U(1), U(w - 1)):
            left, right = j - U(1), j + U(1)
            twice = two * here[j]
            xx[j] = here[right] - twice + here[left]
            xy[j] = quarter * (below[right] - below[left] - above[right] + above[left])
            yy[j] = below[j] - twice + above[j]
        for plane in range(3):
            out[plane, i, 0] = out[plane, i, w - 1] = 0


@kernel
def block_products(xx: F32, xy: F32, yy: F32, known: F32, out: F32) -> None:
    """Sum, in blocks, what the mean square of the response at any angle is made of; the last plane counts pixels.

    `known` is 1 where there is evidence and 0 elsewhere, `out` float32 (6, ceil(h / 4), ceil(w / 4)).
    """
    h, w = xx.shape
    planes, hq, wq = out.shape
    # Rows first, side by side; then the columns of each block.
    sums = np.empty((planes, BLOCK_PX * wq), np.float32)
    four, two = np.float32(4), np.float32(2)
    for p in range(hq):
        sums[:] = 0
        for i in range(BLOCK_PX * p, min(BLOCK_PX * (p + 1), h)):
            r = U(i)
            for j in range(U(w)):
                k = known[r, j]
                a, b, c = xx[r, j] * k, xy[r, j] * k, yy[r, j] * k
                sums[0, j] += a * a
                sums[1, j] += a * b
                sums[2, j] += four * b * b + two * a * c
                sums[3, j] += b * c
                sums[4, j] += c * c
                sums[5, j] += k
        for plane in range(planes):
            for q in range(U(wq)):
                at = q * U(BLOCK_PX)
                out[plane, p, q] = (
                    sums[plane, at] + sums[plane, at + U(1)] + sums[plane, at + U(2)] + sums[plane, at + U(3)]
                )


@kernel
def steps_down(image: F32, known: F32, near: int, over: int, under: int, out: F32) -> None:
    """By how much it is darker under each place than over it: means over `over` and `under` px, from `near` px on.

    `image`, `known` and `out` are float32 (h, w); out is 0 where nothing is known.
    """
    h, w = image.shape
    total = np.zeros((h + 1, w), np.float32)
    for i in range(h):
        for j in range(U(w)):
            total[i + 1, j] = total[i, j] + image[i, j]
    for i in range(h):
        a, b = max(0, i - near - over + 1), max(0, i - near + 1)
        c, d = min(h, i + near), min(h, i + near + under)
        above, below = np.float32(1 / max(1, b - a)), np.float32(1 / max(1, d - c))
        for j in range(U(w)):
            out[i, j] = ((total[b, j] - total[a, j]) * above - (total[d, j] - total[c, j]) * below) * known[i, j]


@kernel
def in_units(step: F32, square: F32, share: F32, floor2: float, weight: float) -> None:
    """Put steps in units of what is usual around them, in place: at most 2, at least -1, times `weight`.

    `square` and `share` are means, over the surroundings, of the square of known steps and of what is known.
    """
    h, w = step.shape
    floor, least, gain = np.float32(floor2), np.float32(0.05), np.float32(weight)
    low, high = np.float32(-1), np.float32(2)
    for i in range(U(h)):
        for j in range(U(w)):
            unit = step[i, j] / np.sqrt(square[i, j] / max(share[i, j], least) + floor)
            step[i, j] = min(max(unit, low), high) * gain


@kernel
def mean_square(energy: F32, p: int, q: int, cosine: float, sine: float) -> float:
    """Mean square of the response to lines of one direction in a block's surroundings."""
    c2, s2, sc = cosine * cosine, sine * sine, sine * cosine
    value = (
        s2 * s2 * energy[0, p, q]
        - 4 * s2 * sc * energy[1, p, q]
        + s2 * c2 * energy[2, p, q]
        - 4 * sc * c2 * energy[3, p, q]
        + c2 * c2 * energy[4, p, q]
    )
    return max(value, 0.0)


@kernel
def _coarse_scale(energy: F32, floor2: np.float32, cosine: np.float32, sine: np.float32, out: F32) -> None:
    """One over the root mean square response of each block's surroundings (see `mean_square`)."""
    c2, s2, sc = cosine * cosine, sine * sine, sine * cosine
    a, b, c = s2 * s2, np.float32(-4) * s2 * sc, s2 * c2
    d, e = np.float32(-4) * sc * c2, c2 * c2
    hq, wq = out.shape
    for p in range(U(hq)):
        for q in range(U(wq)):
            v = (
                a * energy[0, p, q]
                + b * energy[1, p, q]
                + c * energy[2, p, q]
                + d * energy[3, p, q]
                + e * energy[4, p, q]
            )
            v = max(np.float32(0), v)
            out[p, q] = np.float32(1) / np.sqrt(v + floor2)


@kernel
def _inverse_scale(
    energy: F32, known: F32, floor2: float, cosine: float, sine: float, first: int, stride: int, coarse: F32, out: F32
) -> None:
    """One over the root mean square response of the surroundings, interpolated between blocks; 0 where not known.

    Of the rows that are looked at: every `stride`, from `first` on.
    """
    _coarse_scale(energy, np.float32(floor2), np.float32(cosine), np.float32(sine), coarse)
    hq, wq = coarse.shape
    h, w = known.shape
    one, share = np.float32(1), np.float32(1 / BLOCK_PX)
    row = np.empty(wq + 1, np.float32)
    # A block's middle lies between two pixels; half a block before the first middle and after the last is level.
    wide = np.empty(BLOCK_PX * (wq + 1), np.float32)
    for i in range(first, h, stride):
        y = min(max((np.float32(i) - np.float32(0.5 * BLOCK_PX - 0.5)) * share, np.float32(0)), np.float32(hq - 1))
        p = min(int(y), max(hq - 2, 0))
        fy = y - np.float32(p)
        p0, p1 = U(p), U(min(p + 1, hq - 1))
        for q in range(U(wq)):
            row[q] = coarse[p0, q] * (one - fy) + coarse[p1, q] * fy
        row[wq] = row[wq - 1]
        level = row[0]
        for k in range(U(BLOCK_PX // 2)):
            wide[k] = level
        for q in range(U(wq)):
            v, step = row[q], (row[q + U(1)] - row[q]) * share
            at = q * U(BLOCK_PX) + U(BLOCK_PX // 2)
            v += step * np.float32(0.5)
            wide[at] = v
            wide[at + U(1)] = v + step
            wide[at + U(2)] = v + step * np.float32(2)
            wide[at + U(3)] = v + step * np.float32(3)
        r = U(i)
        for j in range(U(w)):
            out[r, j] = wide[j] * known[r, j]


@kernel
def _evidence_row(
    xx: F32,
    xy: F32,
    yy: F32,
    inverse: F32,
    r: int,
    base: int,
    n: int,
    f: np.float32,
    cc: np.float32,
    ss: np.float32,
    sc2: np.float32,
    step: F32,
    offset: np.float32,
    low: np.float32,
    high: np.float32,
    step_mm: np.float32,
    out: F32,
) -> None:
    """Evidence for a step along lines of one direction, where they cross row `r` at ``base + k + f``."""
    one, zero = np.float32(1) - f, np.float32(0)
    r_, base_ = U(r), U(base)
    for k in range(U(n)):
        i = base_ + k
        i1 = i + U(1)
        a = xx[r_, i] * one + xx[r_, i1] * f
        b = xy[r_, i] * one + xy[r_, i1] * f
        c = yy[r_, i] * one + yy[r_, i1] * f
        g = inverse[r_, i]
        m = g * (b * sc2 - a * ss - c * cc) + step[r_, i] - offset
        m = max(low, m)
        m = min(high, m)
        out[k] = m * step_mm if g > zero else zero


@kernel
def _running_sums(
    evidence: F32,
    entered: F32,
    r: int,
    base: int,
    total: F32,
    start: F32,
    best: F32,
    best_front: F32,
    best_start: F32,
    first: int,
    n: int,
    here: np.float32,
    cost: np.float32,
) -> None:
    """Go on by one step: a run goes on, or starts anew at a price that grows with the way from the edge."""
    r_, base_, first_ = U(r), U(base), U(first)
    for k in range(U(n)):
        j = first_ + k
        fresh = -cost * entered[r_, base_ + k]
        s, s0 = total[j], start[j]
        anew = fresh >= s
        s0 = here if anew else s0
        s = (fresh if anew else s) + evidence[k]
        total[j] = s
        start[j] = s0
        b, f0, b0 = best[j], best_front[j], best_start[j]
        better = s > b
        best[j] = s if better else b
        best_front[j] = here if better else f0
        best_start[j] = s0 if better else b0


@kernel
def search_lines(
    hessian: F32,
    hessian_t: F32,
    known: F32,
    known_t: F32,
    entered: F32,
    entered_t: F32,
    energy: F32,
    energy_t: F32,
    steps: F32,
    steps_t: F32,
    floor2: float,
    angles: NDArray[np.float64],
    offset: float,
    low: float,
    high: float,
    cost_per_mm: float,
    stride: int,
    mm: float,
    score: F32,
    front: F32,
    start: F32,
    pad: int,
) -> None:
    """Best run of evidence along every line.

    Parameters
    ----------
    hessian, hessian_t : float32 (3, h, w) and (3, w, h)
        xx, xy, yy, and each of them transposed.
    known, known_t : float32
        1 where there is evidence, 0 elsewhere.
    entered, entered_t : float32
        Pixels between the entry edge and here along the row, 0 before the edge.
    energy, energy_t : float32 (5, hq, wq) and (5, wq, hq)
        See `block_products`.
    steps, steps_t : float32 (h, w) and (w, h)
        Evidence at any angle, added to that of the response: how much darker it is under each place than over it.
    floor2 : float
        Added to the mean square of the surroundings.
    angles : float64 (n,)
        Directions of travel, radians from the lateral axis towards depth.
    offset, low, high : float
        Evidence of a pixel: response over its scale, less `offset`, clipped to low..high; a mm counts so much.
    cost_per_mm : float
        Price of a start inside the picture.
    stride : int
        Evidence is summed over so many px along a line at a time: a smooth picture tells little more at each.
    mm : float
        Per px.
    score, front, start : float32 (n, m)
        Out: best sum of each line, and where the run ends and starts: a column of flat lines, a row of steep ones. A
        line's index is its row at column 0 (flat), or its column at row 0 (steep), plus `pad`.
    pad : int
    """
    h, w = known.shape
    offsets = score.shape[1]
    longest = max(h, w)
    evidence = np.empty(longest, np.float32)
    inverse, inverse_t = np.empty((h, w), np.float32), np.empty((w, h), np.float32)
    coarse, coarse_t = np.empty(energy.shape[1:], np.float32), np.empty(energy_t.shape[1:], np.float32)
    total, begun = np.empty(offsets, np.float32), np.empty(offsets, np.float32)
    off32, low32, high32 = np.float32(offset), np.float32(low), np.float32(high)
    for k in range(angles.size):
        c, s = math.cos(angles[k]), math.sin(angles[k])
        cc, ss, sc2 = np.float32(c * c), np.float32(s * s), np.float32(2 * s * c)
        flat = abs(s) <= abs(c)
        best, best_front, best_start = score[k], front[k], start[k]
        total[:], begun[:] = -1e9, 0
        best[:], best_front[:], best_start[:] = 0, 0, 0
        slope = s / c if flat else c / s
        columns, rows = (w, h) if flat else (h, w)
        backwards = (c if flat else s) < 0
        # From the edge that the line comes in by, so that a mirrored picture is looked at in the same places.
        edge = (columns - 1) % stride if backwards else 0
        if flat:
            _inverse_scale(energy_t, known_t, floor2, c, s, edge, stride, coarse_t, inverse_t)
        else:
            _inverse_scale(energy, known, floor2, c, s, edge, stride, coarse, inverse)
        step = np.float32(stride * mm * math.sqrt(1 + slope * slope))
        price = np.float32(cost_per_mm * mm / max(abs(c), 1e-3))
        for q in range(0, columns, stride):
            column = columns - 1 - q if backwards else q
            at = slope * column
            whole = int(math.floor(at))
            f = np.float32(at - whole)
            row = max(0, whole - pad)
            n = min(rows - 1, offsets - pad + whole) - row
            if n <= 0:
                continue
            first, here = row - whole + pad, np.float32(column)
            if flat:
                _evidence_row(hessian_t[0], hessian_t[1], hessian_t[2], inverse_t, column, row, n, f, cc, ss, sc2, steps_t, off32, low32, high32, step, evidence)  # fmt: skip  # noqa: E501
                _running_sums(evidence, entered_t, column, row, total, begun, best, best_front, best_start, first, n, here, price)  # fmt: skip  # noqa: E501
            else:
                _evidence_row(hessian[0], hessian[1], hessian[2], inverse, column, row, n, f, cc, ss, sc2, steps, off32, low32, high32, step, evidence)  # fmt: skip  # noqa: E501
                _running_sums(evidence, entered, column, row, total, begun, best, best_front, best_start, first, n, here, price)  # fmt: skip  # noqa: E501


@kernel
def count_entered(valid: NDArray[np.bool_], step: int, out: F32) -> None:
    """Count along each row how much of it is `valid`: from the left with a step of 1, from the right with -1."""
    h, w = valid.shape
    for i in range(h):
        count = np.float32(0)
        for k in range(w):
            j = k if step > 0 else w - 1 - k
            count += np.float32(valid[i, j])
            out[i, j] = count


@kernel
def _line_at(angle: float, offset: int, start: float, front: float) -> tuple[float, float, float, float]:
    """Return x, y where a run of `search_lines` starts and where it ends."""
    c, s = math.cos(angle), math.sin(angle)
    if abs(s) <= abs(c):
        return start, offset + s / c * start, front, offset + s / c * front
    return offset + c / s * start, start, offset + c / s * front, front


@kernel
def pick_lines(
    score: F32,
    front: F32,
    start: F32,
    angles: NDArray[np.float64],
    pad: int,
    least: float,
    beside_k: int,
    beside_i: int,
    same_angle: float,
    same_across: float,
    out: NDArray[np.float64],
) -> int:
    """Pick the runs with the highest scores one after the other, no two on the same line.

    Parameters
    ----------
    score, front, start, angles, pad
        Of `search_lines`. What was picked, and lies beside it, is set to 0 in `score`.
    least : float
        Lower scores are not picked.
    beside_k, beside_i : int
        So many angles and offsets to either side are beside: the same line seen a little worse.
    same_angle, same_across : float
        A run turned by less than this many radians, whose middle lies fewer px off another's line, is on that line.
    out : float64 (most, 6)
        Out: score, angle, and x, y where the run starts and where it ends, highest score first.

    Returns
    -------
    int
        How many. No more than four times as many runs are looked at as there is room for.
    """
    n = score.shape[0]
    found = 0
    best = np.empty(n, np.int64)
    for k in range(n):
        best[k] = np.argmax(score[k])
    for _ in range(4 * out.shape[0]):
        if found == out.shape[0]:
            break
        k = 0
        for j in range(1, n):
            if score[j, best[j]] > score[k, best[k]]:
                k = j
        i = best[k]
        top, angle = score[k, i], angles[k]
        if top < least:
            break
        x0, y0, x1, y1 = _line_at(angle, i - pad, start[k, i], front[k, i])
        is_new = True
        for m in range(found):
            turn = abs(angle - out[m, 1]) % (2 * math.pi)
            if min(turn, 2 * math.pi - turn) >= same_angle:
                continue
            x, y = 0.5 * (x0 + x1) - out[m, 2], 0.5 * (y0 + y1) - out[m, 3]
            if abs(y * math.cos(out[m, 1]) - x * math.sin(out[m, 1])) < same_across:
                is_new = False
                break
        if is_new:
            out[found, 0], out[found, 1] = top, angle
            out[found, 2], out[found, 3], out[found, 4], out[found, 5] = x0, y0, x1, y1
            found += 1
        low, high = max(0, i - beside_i), i + beside_i + 1
        for j in range(max(0, k - beside_k), min(n, k + beside_k + 1)):
            score[j, low:high] = 0
            if low <= best[j] < high:
                best[j] = np.argmax(score[j])
    return found
