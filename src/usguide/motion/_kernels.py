"""Numba kernels of registration and of the background that is registered."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from usguide._jit import kernel

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
    count, squares = 0, 0.0
    for i in range(2, h - 2):
        v = (i - 0.5 * h) / h
        # Sums over a row, in which v is the same: a product of gradients, times u so many times.
        xx0 = xx1 = xx2 = xy0 = xy1 = xy2 = yy0 = yy1 = yy2 = 0.0
        x0 = x1 = y0 = y1 = one = 0.0
        ax0 = ax1 = ay0 = ay1 = a0 = 0.0
        for j in range(2, w - 2):
            if use[i, j] == 0:
                continue
            x = affine[0, 0] * j + affine[0, 1] * i + affine[0, 2]
            y = affine[1, 0] * j + affine[1, 1] * i + affine[1, 2]
            q, p = int(math.floor(x)), int(math.floor(y))
            # Gradients reach one pixel further than the interpolation.
            if q < 1 or p < 1 or q >= w - 2 or p >= h - 2:
                continue
            if known[p, q] * known[p, q + 1] * known[p + 1, q] * known[p + 1, q + 1] == 0:
                continue
            fx, fy = x - q, y - p
            a, b = reference[p, q], reference[p, q + 1]
            c, d = reference[p + 1, q], reference[p + 1, q + 1]
            value = (a * (1 - fx) + b * fx) * (1 - fy) + (c * (1 - fx) + d * fx) * fy
            left = reference[p, q - 1] * known[p, q - 1] + a * (1 - known[p, q - 1])
            far = reference[p, q + 2] * known[p, q + 2] + b * (1 - known[p, q + 2])
            up = reference[p - 1, q] * known[p - 1, q] + a * (1 - known[p - 1, q])
            down = reference[p + 2, q] * known[p + 2, q] + c * (1 - known[p + 2, q])
            # Central differences at the nearer sides, blended.
            gx = 0.5 * ((b - left) * (1 - fx) + (far - a) * fx)
            gy = 0.5 * ((c - up) * (1 - fy) + (down - a) * fy)
            away = image[i, j] - value - offset
            count += 1
            squares += min(away * away, 9 * scale * scale)
            weight = 1 / (1 + (away / scale) ** 2)
            u = (j - 0.5 * w) / w
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
    return count, squares


@kernel
def _add_block(normal: F64, i: int, j: int, zeroth: float, first: float, second: float, v: float) -> None:
    """Add a row's products of (u, v, 1) with itself, given the sums over it with u taken no, one and two times."""
    products = ((second, first * v, first), (first * v, zeroth * v * v, zeroth * v), (first, zeroth * v, zeroth))
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
