"""Sum of small fitted trees."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from usguide._jit import kernel


@kernel
def sums_of_trees(
    roots: NDArray[np.int32],
    feature: NDArray[np.int16],
    threshold: NDArray[np.float64],
    left: NDArray[np.int32],
    right: NDArray[np.int32],
    value: NDArray[np.float64],
    rows: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Sum the leaves that each row of features, (n, k), leads to, into `out`, (n,); a leaf's feature is -1."""
    for i in range(rows.shape[0]):
        total = 0.0
        for root in roots:
            node = root
            while feature[node] >= 0:
                node = left[node] if rows[i, feature[node]] <= threshold[node] else right[node]
            total += value[node]
        out[i] = total
