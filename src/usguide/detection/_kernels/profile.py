"""What a picture shows along one line: the response in a strip that follows it, where it bends, starts and ends."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from usguide._jit import kernel
from usguide.detection._kernels.search import BLOCK_PX, mean_square

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

HALF_STRIP = 8
"""Samples to either side of the line, half a pixel apart."""
ACROSS_PX = 0.5


@kernel
def between(image: F32, i: int, j: int, fx: float, fy: float) -> float:
    """Interpolate between px i, j and i + 1, j + 1."""
    top = image[i, j] * (1 - fx) + image[i, j + 1] * fx
    bottom = image[i + 1, j] * (1 - fx) + image[i + 1, j + 1] * fx
    return top * (1 - fy) + bottom * fy


@kernel
def response_between(hessian: F32, i: int, j: int, fx: float, fy: float, c2: float, s2: float, sc2: float) -> float:
    """Interpolate the response between px i, j and i + 1, j + 1."""
    a, b, c, d = (1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy
    xx = a * hessian[0, i, j] + b * hessian[0, i, j + 1] + c * hessian[0, i + 1, j] + d * hessian[0, i + 1, j + 1]
    xy = a * hessian[1, i, j] + b * hessian[1, i, j + 1] + c * hessian[1, i + 1, j] + d * hessian[1, i + 1, j + 1]
    yy = a * hessian[2, i, j] + b * hessian[2, i, j + 1] + c * hessian[2, i + 1, j] + d * hessian[2, i + 1, j + 1]
    return sc2 * xy - s2 * xx - c2 * yy


@kernel
def inverse_scale_at(energy: F32, floor2: float, x: float, y: float, cosine: float, sine: float) -> float:
    """One over the root mean square response of the surroundings of a point."""
    hq, wq = energy.shape[1:]
    u = min(max((x - 1.5) / BLOCK_PX, 0.0), wq - 1.0)
    v = min(max((y - 1.5) / BLOCK_PX, 0.0), hq - 1.0)
    q, p = min(int(u), max(wq - 2, 0)), min(int(v), max(hq - 2, 0))
    q1, p1 = min(q + 1, wq - 1), min(p + 1, hq - 1)
    fx, fy = u - q, v - p
    top = mean_square(energy, p, q, cosine, sine) * (1 - fx) + mean_square(energy, p, q1, cosine, sine) * fx
    bottom = mean_square(energy, p1, q, cosine, sine) * (1 - fx) + mean_square(energy, p1, q1, cosine, sine) * fx
    return 1 / math.sqrt(top * (1 - fy) + bottom * fy + floor2)


@kernel
def on_curve(x0: float, y0: float, c: float, s: float, bend: float, t: float) -> tuple[float, float, float, float]:
    """Return the point t px along a parabola that starts in the direction (c, s), and the direction there."""
    off, slope = bend * t * t, 2 * bend * t
    r = 1 / math.sqrt(1 + slope * slope)
    return x0 + c * t - s * off, y0 + s * t + c * off, (c - s * slope) * r, (s + c * slope) * r


@kernel
def straighten(
    look: F32,
    look_known: F32,
    look_energy: F32,
    look_floor2: float,
    new: F32,
    new_known: F32,
    new_energy: F32,
    new_floor2: float,
    x0: float,
    y0: float,
    angle: float,
    bend: float,
    count: int,
    stride: int,
    half: int,
    out: F32,
    seen: F32,
    new_out: F32,
    new_seen: F32,
) -> None:
    """Sample two responses to lines along a curve, each in units of its surroundings.

    Parameters
    ----------
    look, look_known, look_energy, look_floor2, new, new_known, new_energy, new_floor2
        Appearance and novelty; see `search_lines`.
    x0, y0, angle, bend : float
        The curve: from (x0, y0) along `angle` (radians), ``bend t^2`` px off that tangent after t px.
    count, stride : int
        So many steps, of so many px: a divisor of `BLOCK_PX`.
    half : int
        Samples to either side; what lies beyond them in `out` is left.
    out, new_out : float32 (count or more, 17)
        Along the curve, and across it towards its normal ``(-sin, cos)``.
    seen, new_seen : float32 (count or more,)
        1 where the curve itself has evidence.
    """
    h, w = look_known.shape
    c, s = math.cos(angle), math.sin(angle)
    near = far = new_near = new_far = 0.0
    for k in range(count):
        t = k * stride
        if t % BLOCK_PX == 0:
            near = far if t > 0 else scale_on(look_energy, look_floor2, x0, y0, c, s, bend, t)
            far = scale_on(look_energy, look_floor2, x0, y0, c, s, bend, t + BLOCK_PX)
            new_near = new_far if t > 0 else scale_on(new_energy, new_floor2, x0, y0, c, s, bend, t)
            new_far = scale_on(new_energy, new_floor2, x0, y0, c, s, bend, t + BLOCK_PX)
        share = (t % BLOCK_PX) / BLOCK_PX
        scale, new_scale = near + (far - near) * share, new_near + (new_far - new_near) * share
        x, y, cosine, sine = on_curve(x0, y0, c, s, bend, t)
        j, i = int(math.floor(x + 0.5)), int(math.floor(y + 0.5))
        inside = i >= 0 and j >= 0 and i < h and j < w
        seen[k] = look_known[i, j] if inside else 0
        new_seen[k] = new_known[i, j] if inside else 0
        shows, is_new = seen[k] != 0, new_seen[k] != 0
        if not shows:
            out[k, :] = 0
        if not is_new:
            new_out[k, :] = 0
        if not (shows or is_new):
            continue
        c2, s2, sc2 = cosine * cosine, sine * sine, 2 * sine * cosine
        # Both in one place, as in `strip_inputs`: handed to a function of their own, the pictures cost a fifth of the time.
        for m in range(-half, half + 1):
            px, py = x - s * ACROSS_PX * m, y + c * ACROSS_PX * m
            value = new_value = 0.0
            if px >= 0 and py >= 0 and px <= w - 1 and py <= h - 1:
                q, p = min(int(px), w - 2), min(int(py), h - 2)
                if shows:
                    value = response_between(look, p, q, px - q, py - p, c2, s2, sc2) * scale
                if is_new:
                    new_value = response_between(new, p, q, px - q, py - p, c2, s2, sc2) * new_scale
            if shows:
                out[k, m + HALF_STRIP] = value
            if is_new:
                new_out[k, m + HALF_STRIP] = new_value


@kernel
def scale_on(
    energy: F32, floor2: float, x0: float, y0: float, cosine: float, sine: float, bend: float, t: int
) -> float:
    """One over the response of the surroundings to lines along a curve, t px on: it changes little within a block."""
    x, y, c, s = on_curve(x0, y0, cosine, sine, bend, t)
    return inverse_scale_at(energy, floor2, x, y, c, s)


@kernel
def _solve(normal: F64, right: F64, out: F64) -> None:
    """Solve three equations whose matrix is symmetric and positive; a general solver takes ten times as long to start."""
    a, b, c = normal[0, 0], normal[0, 1], normal[0, 2]
    u, v = b / a, c / a
    d, e, f = normal[1, 1] - u * b, normal[1, 2] - u * c, normal[2, 2] - v * c
    y, z = right[1] - u * right[0], right[2] - v * right[0]
    w = e / d
    out[2] = (z - w * y) / (f - w * e)
    out[1] = (y - e * out[2]) / d
    out[0] = (right[0] - b * out[1] - c * out[2]) / a


@kernel
def fit_centre(first: F32, second: F32, n: int, reach_px: float, ridge: float, curve: F64) -> float:
    """Fit a parabola to the centre of two responses across a strip.

    Parameters
    ----------
    first, second : float32 (n or more, 17)
    n : int
        Steps along the strip.
    reach_px : float
        Only what lies so near to `curve` counts.
    ridge : float
        Added to the curvature's own weight: large keeps the line straight.
    curve : float64 (3,)
        In and out: px across at the strip's share s of its length, ``curve[0] + curve[1] s + curve[2] s^2``.

    Returns
    -------
    float
        Mean distance of the centres from the curve in px; 9 where there is nothing to fit.
    """
    centre, weight = np.zeros(n), np.zeros(n)
    per = 1.0 / max(1, n - 1)
    for t in range(n):
        s = t * per
        u0 = curve[0] + curve[1] * s + curve[2] * s * s
        total = moment = 0.0
        for k in range(-HALF_STRIP, HALF_STRIP + 1):
            u = k * ACROSS_PX
            d = (u - u0) / reach_px
            if abs(d) > 1:
                continue
            r = max(first[t, k + HALF_STRIP], np.float32(0)) + max(second[t, k + HALF_STRIP], np.float32(0))
            r = r * r * (1 - d * d)
            total += r
            moment += r * u
        if total > 1e-6:
            centre[t], weight[t] = moment / total, min(total, 8.0)
    normal, right = np.zeros((3, 3)), np.zeros(3)
    for _ in range(3):
        normal[:], right[:] = 0, 0
        for t in range(n):
            if weight[t] == 0:
                continue
            s = t * per
            miss = (centre[t] - curve[0] - curve[1] * s - curve[2] * s * s) / 0.8
            g = weight[t] / (1 + miss * miss)
            powers = (1.0, s, s * s)
            for a in range(3):
                right[a] += g * centre[t] * powers[a]
                for b in range(3):
                    normal[a, b] += g * powers[a] * powers[b]
        if normal[0, 0] <= 0:
            return 9.0
        normal[0, 0] += 1e-6
        normal[1, 1] += 1e-6
        normal[2, 2] += ridge
        _solve(normal, right, curve)
    away = total = 0.0
    for t in range(n):
        s = t * per
        away += weight[t] * min(abs(centre[t] - curve[0] - curve[1] * s - curve[2] * s * s), 1.5)
        total += weight[t]
    return away / total


@kernel
def run_start(look: F64, new: F64, look_seen: F32, new_seen: F32, stop: int) -> int:
    """Where the run of evidence that reaches `stop` starts: where the sum from the front of the strip is least."""
    total, low, start = 0.0, 1e18, 0
    for t in range(stop):
        if total <= low:
            low, start = total, t
        if look_seen[t] > 0:
            total += min(max(1.2 * (look[t] - 0.4), -0.8), 0.8)
        if new_seen[t] > 0:
            total += min(max(1.5 * (new[t] - 0.35), -0.8), 1.2)
    return start


LOOK_VARIANCE, NEW_VARIANCE, CLIP = 0.36, 0.16, 1.5
LOOK_WEIGHT = 0.5
"""Appearance goes on where a fascia crosses; what is new does not."""
GAP_PRICE, GAP_PRICE_PER_PX = 5.0, 0.3
UNSEEN_PRICE = 0.3
LEARN_PX, FAR_PX, FAR_GAIN = 40, 6, 3.0
"""A shaft that runs out of the evidence is taken to end there."""


@kernel
def _median(values: F64, seen: F32, first: int, last: int, least: int, otherwise: float) -> float:
    """Median of the steps that are seen; something else where they are fewer than `least`."""
    buffer = np.empty(max(1, last - first))
    count = 0
    for t in range(first, last):
        if seen[t] > 0:
            buffer[count] = values[t]
            count += 1
    return np.median(buffer[:count]) if count >= least else otherwise


@kernel
def _medians(look: F64, new: F64, look_seen: F32, new_seen: F32, n: int, start: int, end: int) -> tuple[float, float]:
    """Median appearance and novelty of the last of a shaft that runs from `start` to `end`, of n steps in all."""
    first = max(start, end - LEARN_PX)
    last = min(n, max(first + 5, end - 3))
    # A shaft that hardly shows is sought as one that shows a little.
    look_mean = _median(look, look_seen, first, last, 1, 0.8)
    return max(look_mean, 0.35), _median(new, new_seen, first, last, 5, 0.0)


@kernel
def _end_sums(
    look: F64, new: F64, look_seen: F32, new_seen: F32, n: int, look_mean: float, new_mean: float, least: int, sums: F64
) -> int:
    """Log-likelihoods of an end after each step, for a shaft of these means; return the likeliest end."""
    sums[0], gap = 0.0, -1e9
    for t in range(n):
        gain = 0.0 if look_seen[t] > 0 or new_seen[t] > 0 else -UNSEEN_PRICE
        if look_seen[t] > 0:
            x = min(max(look[t], -1.0), 1.5 * look_mean)
            gain += LOOK_WEIGHT * min(max(look_mean / LOOK_VARIANCE * (x - 0.5 * look_mean), -CLIP), CLIP)
        if new_seen[t] > 0 and new_mean > 0.25:
            x = min(max(new[t], -1.0), 1.5 * new_mean + 0.3)
            gain += min(max(new_mean / NEW_VARIANCE * (x - 0.5 * new_mean), -CLIP), CLIP)
        shaft = max(sums[t], gap) + gain
        gap = max(sums[t] - GAP_PRICE, gap) - GAP_PRICE_PER_PX
        sums[t + 1] = shaft
    end = least
    for t in range(least, n + 1):
        if sums[t] > sums[end]:
            end = t
    return end


@kernel
def change_point(
    look: F64, new: F64, look_seen: F32, new_seen: F32, n: int, start: int, least: int, guess: int, sums: F64, out: F64
) -> None:
    """Where the shaft's evidence ends: log-likelihood that it ends after each step, gaps allowed at a price.

    What a shaft looks like is learnt on its own last millimetres, so that a faint one ends where a faint one ends. One
    that is half as new as that, and much longer, may be the same shaft where it reflects less.

    Parameters
    ----------
    look, new : float64 (n or more,)
        Appearance and novelty along the line.
    look_seen, new_seen : float32
    n, start, least, guess : int
        Steps; where the run starts; the shortest and the supposed run's end.
    sums : float64 (n + 1 or more,)
        Out: log-likelihood of an end after so many steps, to within a constant.
    out : float64 (2,)
        Mean and variance of the end.
    """
    end = guess
    for _ in range(2):
        a, b = _medians(look, new, look_seen, new_seen, n, start, end)
        end = _end_sums(look, new, look_seen, new_seen, n, a, b, least, sums)
    longer = np.empty(n + 1)
    far = _end_sums(look, new, look_seen, new_seen, n, a, 0.5 * b, least, longer)
    if far > end + FAR_PX and longer[far] > sums[end] + FAR_GAIN:
        a, b = _medians(look, new, look_seen, new_seen, n, start, far)
        end = _end_sums(look, new, look_seen, new_seen, n, min(a, 1.5), min(b, 1.5), least, sums)
        if end < far - 5:
            sums[: n + 1] = longer
            end = far
    best = sums[end]
    total = mean = square = 0.0
    for t in range(least, n + 1):
        p = math.exp(sums[t] - best)
        total += p
        mean += p * t
        square += p * t * t
    mean /= total
    out[0], out[1] = mean - 0.5, square / total - mean * mean
