"""Numba kernels of shaft detection: Hough voting, evidence along lines, and the strip across a line.

A line has a direction `a` (radians, from the lateral axis towards depth) and an offset
``rho = -x sin(a) + y cos(a)`` in px of the working grid, measured from the grid's centre.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from usguide._jit import kernel

F32 = NDArray[np.float32]


@kernel
def hough_votes(weight: F32, orientation: F32, angles: F32, gate: np.float32, floor: np.float32, rho_max: int) -> F32:
    """Weighted votes over (angle, offset), each pixel voting only near the orientation of its own ridge.

    Parameters
    ----------
    weight, orientation : float32 (h, w)
        Ridge response and direction along the ridge.
    angles : float32 (n,)
        Line directions in radians, ascending.
    gate : float32
        Half width in radians: a vote fades as ``1 - (difference / gate)^2``.
    floor : float32
        Weaker pixels do not vote.
    rho_max : int
        Offsets run from ``-rho_max`` to ``rho_max`` in steps of 1 px.

    Returns
    -------
    float32 (n, 2 rho_max + 1)
    """
    h, w = weight.shape
    n = angles.size
    votes = np.zeros((n, 2 * rho_max + 1), np.float32)
    sines, cosines = np.sin(angles), np.cos(angles)
    cx, cy = np.float32(0.5) * np.float32(w - 1), np.float32(0.5) * np.float32(h - 1)
    pi, half_pi, inv_gate = np.float32(np.pi), np.float32(np.pi / 2), np.float32(1) / gate
    for i in range(h):
        y = np.float32(i) - cy
        for j in range(w):
            v = weight[i, j]
            if v < floor:
                continue
            x = np.float32(j) - cx
            o = orientation[i, j]
            for k in range(n):
                d = abs(angles[k] - o)
                if d > half_pi:
                    d = pi - d
                if d >= gate:
                    continue
                d *= inv_gate
                rho = y * cosines[k] - x * sines[k] + np.float32(rho_max)
                r = int(rho)
                if r < 0 or r >= 2 * rho_max:
                    continue
                share = rho - np.float32(r)
                vote = v * (np.float32(1) - d * d)
                votes[k, r] += vote * (np.float32(1) - share)
                votes[k, r + 1] += vote * share
    return votes


@kernel
def strip_along(
    weight: F32,
    orientation: F32,
    valid: NDArray[np.bool_],
    x0: float,
    y0: float,
    a: float,
    length: int,
    half_width: int,
    gate: np.float32,
    out: F32,
    inside: NDArray[np.bool_],
) -> None:
    """Sample the gated response in a strip that follows the line from (x0, y0) in steps of 1 px.

    `out` is float32 (length, 2 half_width + 1): along the line, across it (positive towards its normal
    ``(-sin a, cos a)``). `inside` tells which steps have a valid pixel on the line itself.
    """
    h, w = weight.shape
    c, s = np.cos(a), np.sin(a)
    a32, pi, half_pi = np.float32(a), np.float32(np.pi), np.float32(np.pi / 2)
    inv_gate = np.float32(1) / gate
    for t in range(length):
        for u in range(-half_width, half_width + 1):
            x, y = x0 + t * c - u * s, y0 + t * s + u * c
            j, i = int(np.floor(x)), int(np.floor(y))
            value = np.float32(0)
            ok = 0 <= x <= w - 1 and 0 <= y <= h - 1
            if ok:
                i1, j1 = min(i + 1, h - 1), min(j + 1, w - 1)
                near_i, near_j = int(np.rint(y)), int(np.rint(x))
                ok = valid[near_i, near_j]
                d = abs(a32 - orientation[near_i, near_j])
                while d > half_pi:
                    d = abs(pi - d)
                if ok and d < gate:
                    d *= inv_gate
                    fx, fy = np.float32(x - j), np.float32(y - i)
                    one = np.float32(1)
                    top = weight[i, j] * (one - fx) + weight[i, j1] * fx
                    bottom = weight[i1, j] * (one - fx) + weight[i1, j1] * fx
                    value = (top * (one - fy) + bottom * fy) * (one - d * d)
            out[t, u + half_width] = value
            if u == 0:
                inside[t] = ok


@kernel
def best_run(evidence: F32, inside: NDArray[np.bool_], entry_cost: np.float32) -> tuple[float, int, int]:
    """Find the stretch whose summed evidence, less the price of starting late, is largest.

    Starting ``n`` steps after the line enters the picture costs ``n * entry_cost``: a shaft comes from the edge.

    Returns
    -------
    score, start, stop : float, int, int
        Half-open range; score 0 and an empty range when nothing is positive.
    """
    n = evidence.size
    first = 0
    while first < n and not inside[first]:
        first += 1
    best, best_start, best_stop = 0.0, 0, 0
    running, start = 0.0, first
    for t in range(first, n):
        opening = -float(entry_cost) * (t - first)
        if running < opening or t == first:
            running, start = opening, t
        if inside[t]:
            running += float(evidence[t])
        if running > best:
            best, best_start, best_stop = running, start, t + 1
    return best, best_start, best_stop


@kernel
def fit_centre(strip: F32, start: int, stop: int, scales: NDArray[np.float64]) -> tuple[int, float, float, float]:
    """Fit a straight line to the centres of mass across a strip: weighted least squares, far points played down.

    Parameters
    ----------
    strip : float32 (length, 2 half_width + 1)
        See `strip_along`; only steps ``start..stop`` are used.
    scales : float64 (n,)
        One pass each: a centre this far from the last fit has half its weight.

    Returns
    -------
    used, slope, offset, middle : int, float, float, float
        Steps with any response, the fit ``across = offset + slope * along`` and the weighted mean of `along`.
    """
    half_width = strip.shape[1] // 2
    n = stop - start
    mass, centre = np.zeros(n), np.zeros(n)
    used = 0
    for k in range(n):
        m = c = 0.0
        for u in range(-half_width, half_width + 1):
            v = float(strip[start + k, u + half_width])
            m += v
            c += v * u
        if m > 0:
            mass[k], centre[k] = m, c / m
            used += 1
    slope = offset = middle = 0.0
    for scale in scales:
        sw = st = su = 0.0
        for k in range(n):
            d = (centre[k] - offset - slope * (start + k)) / scale
            w = mass[k] / (1 + d * d)
            sw += w
            st += w * (start + k)
            su += w * centre[k]
        if sw <= 0:
            return 0, slope, offset, middle
        mean_t, mean_u = st / sw, su / sw
        stt = stu = 0.0
        for k in range(n):
            d = (centre[k] - offset - slope * (start + k)) / scale
            w = mass[k] / (1 + d * d)
            t = start + k - mean_t
            stt += w * t * t
            stu += w * t * (centre[k] - mean_u)
        if stt <= 0:
            return 0, slope, offset, middle
        slope = stu / stt
        offset = mean_u - slope * mean_t
        middle = mean_t
    return used, slope, offset, middle
