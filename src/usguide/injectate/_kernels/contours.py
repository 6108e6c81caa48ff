"""Closed outlines of a picture at a level, between pixels: marching squares."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from usguide._jit import kernel

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I32 = NDArray[np.int32]


@kernel
def follow_edges(image: F32, level: float) -> tuple[F64, I32]:
    """Follow every outline round.

    Parameters
    ----------
    image : float32 (h, w)
        Below the level all along its border, so that every outline closes.
    level : float

    Returns
    -------
    points : float64 (n, 2)
        (x, y) in px, one outline after the other; what is at or above the level lies to the left.
    starts : int32 (k + 1,)
        Where each outline begins, and n.
    """
    h, w = image.shape
    # Sides between neighbouring pixels: along a row first, then down a column. Each that is crossed leads to the next.
    down = h * w
    following = np.full(2 * h * w, -1, np.int32)
    count = 0
    for r in range(h - 1):
        for c in range(w - 1):
            case = 0
            if image[r, c] >= level:
                case |= 1
            if image[r, c + 1] >= level:
                case |= 2
            if image[r + 1, c] >= level:
                case |= 4
            if image[r + 1, c + 1] >= level:
                case |= 8
            if case in (0, 15):
                continue
            top, bottom = r * w + c, (r + 1) * w + c
            left, right = down + r * w + c, down + r * w + c + 1
            if case == 1:
                following[left] = top
            elif case == 2:
                following[top] = right
            elif case == 3:
                following[left] = right
            elif case == 4:
                following[bottom] = left
            elif case == 5:
                following[bottom] = top
            elif case == 6:  # two corners that do not touch
                following[top] = right
                following[bottom] = left
            elif case == 7:
                following[bottom] = right
            elif case == 8:
                following[right] = bottom
            elif case == 9:
                following[left] = top
                following[right] = bottom
            elif case == 10:
                following[top] = bottom
            elif case == 11:
                following[left] = bottom
            elif case == 12:
                following[right] = left
            elif case == 13:
                following[right] = top
            else:
                following[top] = left
            count += 2 if case in (6, 9) else 1
    points = np.empty((count, 2), np.float64)
    starts = np.empty(count + 1, np.int32)
    n, k = 0, 0
    for first in range(2 * h * w):
        if following[first] < 0:
            continue
        starts[k] = n
        k += 1
        at = first
        while following[at] >= 0:
            side = at - down if at >= down else at
            r, c = side // w, side % w
            here = image[r, c]
            beyond = image[r + 1, c] if at >= down else image[r, c + 1]
            share = (level - here) / (beyond - here)
            points[n, 0] = c + (0.0 if at >= down else share)
            points[n, 1] = r + (share if at >= down else 0.0)
            n += 1
            ahead = following[at]
            following[at] = -1
            at = ahead
    starts[k] = n
    return points, starts[: k + 1]
