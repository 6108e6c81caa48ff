"""Sum of small fitted trees."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from usguide._jit import kernel


@kernel
def sum_of_trees(
    roots: NDArray[np.int32],
    feature: NDArray[np.int16],
    threshold: NDArray[np.float64],
    left: NDArray[np.int32],
    right: NDArray[np.int32],
    value: NDArray[np.float64],
    x: NDArray[np.float64],
) -> float:
    """Log-odds of one row of features; a leaf's feature is -1."""
    total = 0.0
    for root in roots:
        node = root
        while feature[node] >= 0:
            node = left[node] if x[feature[node]] <= threshold[node] else right[node]
        total += value[node]
    return total
