"""Numba kernel of registration."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from usguide._jit import kernel

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]


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
    row = np.empty(7)
    for i in range(2, h - 2):
        v = (i - 0.5 * h) / h
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
            row[0], row[1], row[2] = gx * u, gx * v, gx
            row[3], row[4], row[5], row[6] = gy * u, gy * v, gy, 1.0
            for k in range(7):
                g = weight * row[k]
                right[k] += g * away
                for m in range(k, 7):
                    normal[k, m] += g * row[m]
    for k in range(7):
        for m in range(k):
            normal[k, m] = normal[m, k]
    return count, squares
