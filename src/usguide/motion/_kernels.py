"""Numba kernels of registration and of the background that is registered."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from usguide._jit import U, kernel

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Mask = NDArray[np.bool_]


@kernel
def normal_equations(
    reference: F32, known: F32, image: F32, use: F32, affine: F64, offset: float, scale: float, normal: F64, right: F64
) -> tuple[int, float]:
    """Sum up one Gauss-Newton step of an affine map and a grey offset, with Cauchy weights.

    Parameters
    ----------
    reference, known, image, use : float32 (h, w)
        `known` and `use` are 1 where a picture may be looked at.
    affine : float64 (2, 3)
        From px of `image` to px of `reference`.
    offset : float
        Grey levels by which `image` is brighter.
    scale : float
        Residual, in grey levels, at which the weight is a half.
    normal, right : float64 (7, 7) and (7,)
        Out. Unknowns: x's change with x and y (over the size, from the centre) and its shift, the same of y, offset.

    Returns
    -------
    int, float
        Pixels that were compared, and the sum of their squared residuals, each limited to nine times `scale` squared.
    """
    h, w = image.shape
    normal[:], right[:] = 0, 0
    compared, squares = 0.0, 0.0
    zero, half, one_px, size = np.float32(0), np.float32(0.5), np.float32(1), np.float32(w)
    shift, width, most = np.float32(offset), np.float32(scale), np.float32(9 * scale * scale)
    step_x, step_y = np.float32(affine[0, 0] - 1), np.float32(affine[1, 0])
    for i in range(2, h - 2):
        v = (i - 0.5 * h) / h
        # Sums over a row, in which v is the same: a product of gradients, times u so many times.
        xx0 = xx1 = xx2 = xy0 = xy1 = xy2 = yy0 = yy1 = yy2 = zero
        x0 = x1 = y0 = y1 = one = zero
        ax0 = ax1 = ay0 = ay1 = a0 = zero
        count = limited = zero
        j = 2
        while j < w - 2:
            p, q, x, y, n = _run(affine, i, j, w - 2, h, w)
            fx0, fy0 = np.float32(x), np.float32(y)
            # Gradients reach one pixel further than the interpolation.
            first, last = max(0, 1 - q - j), min(n, w - 2 - q - j)
            if p < 1 or p >= h - 2:
                last = 0
            row, r0, r1, r2, r3 = U(i), U(p - 1), U(p), U(p + 1), U(p + 2)
            for k in range(first, last):
                t = np.float32(np.int32(k))
                here, c1 = U(j + k), U(j + k + q)
                c0, c2, c3 = c1 - U(1), c1 + U(1), c1 + U(2)
                fx, fy = fx0 + t * step_x, fy0 + t * step_y
                a, b = reference[r1, c1], reference[r1, c2]
                c, d = reference[r2, c1], reference[r2, c2]
                value = (a * (one_px - fx) + b * fx) * (one_px - fy) + (c * (one_px - fx) + d * fx) * fy
                left = a + known[r1, c0] * (reference[r1, c0] - a)
                far = b + known[r1, c3] * (reference[r1, c3] - b)
                up = a + known[r0, c1] * (reference[r0, c1] - a)
                down = c + known[r3, c1] * (reference[r3, c1] - c)
                # Central differences at the nearer sides, blended.
                gx = half * ((b - left) * (one_px - fx) + (far - a) * fx)
                gy = half * ((c - up) * (one_px - fy) + (down - a) * fy)
                # What is not known, or not to be looked at, counts for nothing.
                counts = use[row, here] * known[r1, c1] * known[r1, c2] * known[r2, c1] * known[r2, c2]
                # Not even where it is no number.
                shown = counts > zero
                away = image[row, here] - value - shift if shown else zero
                gx, gy = gx if shown else zero, gy if shown else zero
                count += counts
                limited += counts * min(away * away, most)
                weight = counts / (one_px + (away / width) * (away / width))
                u = (np.float32(np.int32(j + k)) - half * size) / size
                wx, wy = weight * gx, weight * gy
                xx, xy, yy = wx * gx, wx * gy, wy * gy
                xx0, xy0, yy0 = xx0 + xx, xy0 + xy, yy0 + yy
                xx, xy, yy = xx * u, xy * u, yy * u
                xx1, xy1, yy1 = xx1 + xx, xy1 + xy, yy1 + yy
                xx2, xy2, yy2 = xx2 + xx * u, xy2 + xy * u, yy2 + yy * u
                x0, x1, y0, y1 = x0 + wx, x1 + wx * u, y0 + wy, y1 + wy * u
                one += weight
                ax, ay = wx * away, wy * away
                ax0, ax1, ay0, ay1 = ax0 + ax, ax1 + ax * u, ay0 + ay, ay1 + ay * u
                a0 += weight * away
            j += n
        compared += float(count)
        squares += float(limited)
        _add_block(normal, 0, 0, xx0, xx1, xx2, v)
        _add_block(normal, 0, 3, xy0, xy1, xy2, v)
        _add_block(normal, 3, 3, yy0, yy1, yy2, v)
        for first, g0, g1, h0, h1 in ((0, x0, x1, ax0, ax1), (3, y0, y1, ay0, ay1)):
            normal[first, 6] += g1
            normal[first + 1, 6] += g0 * v
            normal[first + 2, 6] += g0
            right[first] += h1
            right[first + 1] += h0 * v
            right[first + 2] += h0
        normal[6, 6] += one
        right[6] += a0
    for k in range(7):
        for m in range(k):
            normal[k, m] = normal[m, k]
    return round(compared), squares


@kernel
def _run(affine: F64, i: int, j: int, end: int, h: int, w: int) -> tuple[int, int, float, float, int]:
    """Where a px lands, and for how many px of its row a map lands between the same neighbours, but for their steps.

    Maps that lie near the identity keep to them for long; a loop over them reads one px after the other, so that
    it can be vectorised.

    Parameters
    ----------
    affine : float64 (2, 3)
    i, j : int
        Row and column of the px.
    end : int
        Column at which the run ends at the latest.
    h, w : int
        Of the picture in which it lands.

    Returns
    -------
    int, int, float, float, int
        Row of the neighbour before it, and how many columns right of the px's own that is; how far beyond it lands,
        along x and y; and the number of px.
    """
    slope_x, slope_y = affine[0, 0] - 1, affine[1, 0]
    x, y = slope_x * j + affine[0, 1] * i + affine[0, 2], slope_y * j + affine[1, 1] * i + affine[1, 2]
    # What is far outside stays outside: an int has an end.
    q, p = math.floor(min(max(x, -2.0 * w), 2.0 * w)), math.floor(min(max(y, -2.0 * h), 2.0 * h))
    fx, fy, n = x - q, y - p, float(end - j)
    if slope_x > 0:
        n = min(n, np.ceil((1 - fx) / slope_x))
    elif slope_x < 0:
        n = min(n, np.floor(-fx / slope_x) + 1)
    if slope_y > 0:
        n = min(n, np.ceil((1 - fy) / slope_y))
    elif slope_y < 0:
        n = min(n, np.floor(-fy / slope_y) + 1)
    return int(p), int(q), fx, fy, max(1, int(n))


@kernel
def _add_block(
    normal: F64, i: int, j: int, zeroth: np.float32, first: np.float32, second: np.float32, v: float
) -> None:
    """Add a row's products of (u, v, 1) with itself, given the sums over it with u taken no, one and two times."""
    none, once, twice = np.float64(zeroth), np.float64(first), np.float64(second)
    products = ((twice, once * v, once), (once * v, none * v * v, none * v), (once, none * v, none))
    for k in range(3):
        for m in range(3):
            normal[i + k, j + m] += products[k][m]


@kernel
def damped_step(normal: F64, right: F64, damping: float, out: F64) -> None:
    """Solve the normal equations with something added to the diagonal of all but the last unknown, by elimination.

    The matrix is symmetric and positive, so that no row has to change its place. `normal` and `right` are used up. For
    seven unknowns a general solver takes twenty times as long to start.

    Parameters
    ----------
    normal, right : float64 (n, n) and (n,)
    damping : float
        Share of the diagonal's mean, without the last.
    out : float64 (n,)
    """
    n = right.size
    mean = 0.0
    for k in range(n - 1):
        mean += normal[k, k] / (n - 1)
    for k in range(n - 1):
        normal[k, k] += damping * mean + 1e-6
    for k in range(n):
        for i in range(k + 1, n):
            share = normal[i, k] / normal[k, k]
            for j in range(k + 1, n):
                normal[i, j] -= share * normal[k, j]
            right[i] -= share * right[k]
    for k in range(n - 1, -1, -1):
        rest = right[k]
        for j in range(k + 1, n):
            rest -= normal[k, j] * out[j]
        out[k] = rest / normal[k, k]


@kernel
def _cubic(f: np.float32) -> tuple[np.float32, np.float32, np.float32, np.float32]:
    """Weights of the four px around a place, by cubic convolution with OpenCV's parameter, -0.75."""
    one, p, q = np.float32(1), np.float32(2.25), np.float32(1.25)
    g, least = one - f, np.float32(-0.75) * f * (one - f)
    return least * g, one - f * f * (p - q * f), one - g * g * (p - q * g), least * f


@kernel
def lay(picture: F32, sure: F32, affine: F64, out: F32, out_sure: F32) -> None:
    """Lay a picture onto another by an affine map: cubic convolution, and how sure that is, between its four neighbours.

    As OpenCV does it, with the border's px repeated, several times as fast where the map is near the identity.

    Parameters
    ----------
    picture, sure : float32 (h, w)
    affine : float64 (2, 3)
        From px of `out` to px of `picture`.
    out, out_sure : float32 (h, w)
        Out; 0 beyond the picture.
    """
    h, w = picture.shape
    one = np.float32(1)
    step_x, step_y = np.float32(affine[0, 0] - 1), np.float32(affine[1, 0])
    for i in range(h):
        j = 0
        while j < w:
            p, q, x, y, n = _run(affine, i, j, w, h, w)
            fx0, fy0 = np.float32(x), np.float32(y)
            if p < -1 or p >= h or q + j + n < 0 or q + j >= w:
                out[i, j : j + n], out_sure[i, j : j + n] = 0, 0
                j += n
                continue
            row, r0, r1, r2, r3 = U(i), U(max(p - 1, 0)), U(max(p, 0)), U(min(p + 1, h - 1)), U(min(p + 2, h - 1))
            above, below = np.float32(1 if p >= 0 else 0), np.float32(1 if p < h - 1 else 0)
            # Where all four columns are there.
            first = min(max(0, 1 - q - j), n)
            last = max(min(n, w - 2 - q - j), first)
            for k in range(first, last):
                t = np.float32(np.int32(k))
                here, c1 = U(j + k), U(j + k + q)
                c0, c2, c3 = c1 - U(1), c1 + U(1), c1 + U(2)
                fx, fy = fx0 + t * step_x, fy0 + t * step_y
                a0, a1, a2, a3 = _cubic(fx)
                b0, b1, b2, b3 = _cubic(fy)
                v0 = a0 * picture[r0, c0] + a1 * picture[r0, c1] + a2 * picture[r0, c2] + a3 * picture[r0, c3]
                v1 = a0 * picture[r1, c0] + a1 * picture[r1, c1] + a2 * picture[r1, c2] + a3 * picture[r1, c3]
                v2 = a0 * picture[r2, c0] + a1 * picture[r2, c1] + a2 * picture[r2, c2] + a3 * picture[r2, c3]
                v3 = a0 * picture[r3, c0] + a1 * picture[r3, c1] + a2 * picture[r3, c2] + a3 * picture[r3, c3]
                out[row, here] = b0 * v0 + b1 * v1 + b2 * v2 + b3 * v3
                over = (one - fx) * sure[r1, c1] + fx * sure[r1, c2]
                under = (one - fx) * sure[r2, c1] + fx * sure[r2, c2]
                out_sure[row, here] = above * (one - fy) * over + below * fy * under
            for k in range(n - (last - first)):
                at = k if k < first else k + last - first
                fx, fy = fx0 + np.float32(at) * step_x, fy0 + np.float32(at) * step_y
                _lay_at_border(picture, sure, i, j + at, p, j + at + q, fx, fy, out, out_sure)
            j += n


@kernel
def _lay_at_border(
    picture: F32, sure: F32, i: int, j: int, p: int, q: int, fx: np.float32, fy: np.float32, out: F32, out_sure: F32
) -> None:
    """One px of `lay` where some of the columns that it needs are not there."""
    h, w = picture.shape
    one, value, certain = np.float32(1), np.float32(0), np.float32(0)
    if -1 <= q < w:
        a0, a1, a2, a3 = _cubic(fx)
        c0, c1, c2, c3 = U(max(q - 1, 0)), U(max(q, 0)), U(min(q + 1, w - 1)), U(min(q + 2, w - 1))
        for m, share in enumerate(_cubic(fy)):
            r = U(min(max(p - 1 + m, 0), h - 1))
            value += share * (a0 * picture[r, c0] + a1 * picture[r, c1] + a2 * picture[r, c2] + a3 * picture[r, c3])
        left, right = (one - fx) * np.float32(1 if q >= 0 else 0), fx * np.float32(1 if q < w - 1 else 0)
        for m, share in enumerate((one - fy, fy)):
            if 0 <= p + m < h:
                certain += share * (left * sure[U(p + m), c1] + right * sure[U(p + m), c2])
    out[U(i), U(j)], out_sure[U(i), U(j)] = value, certain


@kernel
def take_difference(
    image: F32, background: F32, sure: F32, valid: Mask, offset: float, difference: F32, known: Mask
) -> None:
    """By how much a frame is brighter than its background, where that is known; all of shape (h, w).

    Parameters
    ----------
    image, background : float32
    sure : float32
        How surely the background is known: over 0.99 counts.
    valid : bool
        Where there is a picture.
    offset : float
        Grey levels by which all of the frame is brighter.
    difference, known : float32 and bool
        Out; 0 where it is not known.
    """
    h, w = image.shape
    limit, zero, shift = np.float32(0.99), np.float32(0), np.float32(offset)
    for i in range(h):
        for j in range(w):
            known[i, j] = sure[i, j] > limit and valid[i, j]
            difference[i, j] = image[i, j] - background[i, j] - shift if known[i, j] else zero


@kernel
def follow_frame(picture: F32, known: F32, here: F32, usable: F32, share: float) -> None:
    """Let a background follow a frame by a share; what has come into view is taken as it is. All of shape (h, w).

    Parameters
    ----------
    picture, known : float32
        In and out; `known` is 1 where the background is known.
    here, usable : float32
        The frame in the background's place, and how surely it may be learnt: over 0.99 counts.
    share : float
    """
    h, w = picture.shape
    limit, half, one, part = np.float32(0.99), np.float32(0.5), np.float32(1), np.float32(share)
    for i in range(h):
        for j in range(w):
            if usable[i, j] > limit:
                picture[i, j] += (part if known[i, j] > half else one) * (here[i, j] - picture[i, j])
                known[i, j] = one
