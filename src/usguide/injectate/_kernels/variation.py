"""Numba kernel of the regulariser: total variation against evidence, a convex problem that a min-cut solves, too."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from usguide._jit import kernel

F32 = NDArray[np.float32]


@kernel
def descend(evidence: F32, weight: float, u: F32, ahead: F32, px: F32, py: F32, iterations: int) -> float:
    """Take steps towards the u in 0..1 that makes ``weight * TV(u) - sum(evidence * u)`` least.

    Chambolle and Pock's primal-dual steps; what is left in `u`, `px` and `py` is where the next call goes on.

    Parameters
    ----------
    evidence : float32 (h, w)
    weight : float
        Cost of a px of edge.
    u, ahead : float32 (h, w)
        The solution, and one step ahead of it.
    px, py : float32 (h, w)
        Dual field, of length at most 1.
    iterations : int

    Returns
    -------
    float
        Largest change of u in the last step.
    """
    h, w = u.shape
    sigma, tau = np.float32(0.5), np.float32(0.25)
    force = np.float32(1 / weight)
    change = np.float32(0)
    for _ in range(iterations):
        for i in range(h):
            below = min(i + 1, h - 1)
            for j in range(w):
                right = min(j + 1, w - 1)
                a = px[i, j] + sigma * (ahead[i, right] - ahead[i, j])
                b = py[i, j] + sigma * (ahead[below, j] - ahead[i, j])
                over = max(np.float32(1), np.float32(math.sqrt(a * a + b * b)))
                px[i, j] = a / over
                py[i, j] = b / over
        change = np.float32(0)
        for i in range(h):
            for j in range(w):
                flow = px[i, j] + py[i, j]
                if j > 0:
                    flow -= px[i, j - 1]
                if i > 0:
                    flow -= py[i - 1, j]
                old = u[i, j]
                new = min(max(old + tau * (flow + force * evidence[i, j]), np.float32(0)), np.float32(1))
                u[i, j] = new
                ahead[i, j] = new + new - old
                change = max(change, abs(new - old))
    return float(change)
