"""Numba kernel of the regulariser: total variation against evidence, a convex problem that a min-cut solves, too."""

from __future__ import annotations

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
    one, none = np.float32(1), np.float32(0)
    sigma, tau = np.float32(0.5), np.float32(0.25)
    force = np.float32(1 / weight)
    for _ in range(iterations):
        # Loops along rows without a branch, so that they run on several places at once.
        for i in range(h):
            below = min(i + 1, h - 1)
            for j in range(w - 1):
                a = px[i, j] + sigma * (ahead[i, j + 1] - ahead[i, j])
                b = py[i, j] + sigma * (ahead[below, j] - ahead[i, j])
                shrunk = one / max(one, np.sqrt(a * a + b * b))
                px[i, j] = a * shrunk
                py[i, j] = b * shrunk
            a, b = px[i, w - 1], py[i, w - 1] + sigma * (ahead[below, w - 1] - ahead[i, w - 1])
            shrunk = one / max(one, np.sqrt(a * a + b * b))
            px[i, w - 1] = a * shrunk
            py[i, w - 1] = b * shrunk
        for i in range(h):
            above = max(i - 1, 0)
            first = none if i == 0 else one
            flow = px[i, 0] + py[i, 0] - first * py[above, 0]
            old = u[i, 0]
            new = min(max(old + tau * (flow + force * evidence[i, 0]), none), one)
            u[i, 0] = new
            ahead[i, 0] = new + new - old
            for j in range(1, w):
                flow = px[i, j] - px[i, j - 1] + py[i, j] - first * py[above, j]
                old = u[i, j]
                new = min(max(old + tau * (flow + force * evidence[i, j]), none), one)
                u[i, j] = new
                ahead[i, j] = new + new - old
    change = none
    for i in range(h):
        for j in range(w):
            change = max(change, abs(ahead[i, j] - u[i, j]))
    return float(change)
