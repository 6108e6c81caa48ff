"""Small fitted trees, kept as plain arrays beside the code; `benchmarks/needle/fit.py` fits them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from usguide.detection._kernels.forest import sums_of_trees


@dataclass(frozen=True, slots=True, eq=False)
class Forest:
    """Boosted trees for the log-odds of an event.

    Parameters
    ----------
    names : tuple of str
        The features, in the order of a row.
    base : float
        Log-odds before any tree.
    roots, feature, threshold, left, right, value : ndarray
        Nodes of all trees one after another; a leaf's feature is -1, and the left branch holds what is at most the
        threshold.
    """

    names: tuple[str, ...]
    base: float
    roots: NDArray[np.int32]
    feature: NDArray[np.int16]
    threshold: NDArray[np.float64]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    value: NDArray[np.float64]

    def log_odds(self, row: NDArray[np.float64]) -> float:
        """Log-odds for one row of features, shape (len(names),)."""
        return float(self.log_odds_of(row[None])[0])

    def log_odds_of(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Log-odds for rows of features, shape (n, len(names)): one each."""
        out = np.empty(len(rows))
        sums_of_trees(self.roots, self.feature, self.threshold, self.left, self.right, self.value, rows, out)
        return self.base + out


def probability(log_odds: float) -> float:
    """Return the probability of an event from its log-odds; beyond 30 it is as good as certain."""
    return 1 / (1 + math.exp(-min(max(log_odds, -30.0), 30.0)))


def load_forest(package: str, name: str, expected: tuple[str, ...]) -> Forest:
    """Load fitted trees that lie in a package.

    Parameters
    ----------
    package : str
        Dotted name of the package that holds the file.
    name : str
        Of the ``.npz`` file.
    expected : tuple of str
        The features that the code computes: trees fitted for others are a mistake in the installation.
    """
    with files(package).joinpath(name).open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
        forest = Forest(
            names=tuple(str(n) for n in arrays["names"]),
            base=float(arrays["base"]),
            **{key: arrays[key] for key in ("roots", "feature", "threshold", "left", "right", "value")},
        )
    if forest.names != expected:
        raise AssertionError(f"{package}/{name}: fitted for other features; run benchmarks/needle/fit.py")
    return forest
