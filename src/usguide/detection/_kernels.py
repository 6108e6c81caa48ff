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
