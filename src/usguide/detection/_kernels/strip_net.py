"""The strip network's arithmetic, laid out so that the inner loops run along the band over contiguous memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from usguide._jit import kernel
from usguide.detection._kernels.search import U
from usguide.detection._kernels.strip import LOOK_SEEN, MAY_END

F32 = NDArray[np.float32]
HIDDEN_END = -1e4
"""Log-likelihood of an end where none may be."""


@kernel
def _add_four(
    x: F32, y: F32, z: F32, v: F32, a: np.float32, b: np.float32, c: np.float32, d: np.float32, out: F32
) -> None:
    for t in range(U(out.size)):
        out[t] += a * x[t] + b * y[t] + c * z[t] + d * v[t]


@kernel
def _mixed(x: F32, first: int, weights: F32, n: int, out: F32) -> None:
    """Add the weighted rows of `x`, from column `first` on, to `out`."""
    last = first + n
    whole = weights.size // 4 * 4
    for k in range(0, whole, 4):
        _add_four(
            x[k, first:last], x[k + 1, first:last], x[k + 2, first:last], x[k + 3, first:last],
            weights[k], weights[k + 1], weights[k + 2], weights[k + 3], out,
        )  # fmt: skip
    for k in range(whole, weights.size):
        w, row = weights[k], x[k, first:last]
        for t in range(U(n)):
            out[t] += w * row[t]


@kernel
def run_strip_net(
    inputs: F32,
    first: F32,
    first_bias: F32,
    deeper: F32,
    deeper_bias: F32,
    dilations: NDArray[np.int64],
    end: F32,
    gaze: F32,
    ends: F32,
    pooled: F32,
) -> None:
    """Run all layers but the head over one band.

    Parameters
    ----------
    inputs : float32 (CHANNELS, n)
    first, first_bias, deeper, deeper_bias, end, gaze : float32
        Weights; ``deeper`` is (layers, 3, units, units): tap, out, in.
    dilations : int64 (layers,)
    ends : float32 (n,)
        Out: log-likelihood that the shaft ends at each px, to within a constant.
    pooled : float32 (2 * units,)
        Out: the mean of each unit where the network gazes, and its maximum.
    """
    n, units = inputs.shape[1], first.shape[0]
    margin = 0
    for k in range(dilations.size):
        margin = max(margin, dilations[k])
    seen = inputs[LOOK_SEEN]
    h, deep = np.zeros((units, n + 2 * margin), np.float32), np.empty((units, n), np.float32)
    zero = np.float32(0)
    for o in range(units):
        row = deep[o]
        row[:] = first_bias[o]
        _mixed(inputs, 0, first[o], n, row)
        for t in range(n):
            h[o, margin + t] = max(row[t], zero) * seen[t]
    for k in range(dilations.size):
        d = dilations[k]
        for o in range(units):
            row = deep[o]
            row[:] = deeper_bias[k, o]
            _mixed(h, margin - d, deeper[k, 0, o], n, row)
            _mixed(h, margin, deeper[k, 1, o], n, row)
            _mixed(h, margin + d, deeper[k, 2, o], n, row)
        for o in range(units):
            for t in range(n):
                h[o, margin + t] = (h[o, margin + t] + max(deep[o, t], zero)) * seen[t]
    ends[:] = zero
    _mixed(h, margin, end, n, ends)
    look = deep[0]
    look[:] = zero
    _mixed(h, margin, gaze, n, look)
    most = np.float32(-1e30)
    for t in range(n):
        if inputs[MAY_END, t] == 0:
            ends[t] = HIDDEN_END
        if seen[t] > 0:
            most = max(most, look[t])
    total = zero
    for t in range(n):
        look[t] = np.exp(look[t] - most) if seen[t] > 0 else zero
        total += look[t]
    for o in range(units):
        mean = top = zero
        for t in range(n):
            v = h[o, margin + t]
            mean += look[t] * v
            top = max(top, v)
        pooled[o], pooled[units + o] = mean / max(total, np.float32(1e-30)), top
