"""Sums of trees against a walk in plain Python, and trees that were fitted for something else."""

import numpy as np
import pytest

from usguide.detection.candidates import WEIGHED
from usguide.detection.detector import needle_forest
from usguide.detection.forest import Forest, load_forest
from usguide.tracking.hypothesis import TRACK_FEATURES
from usguide.tracking.tracker import track_forest

NAMES = tuple("abcde")


def grown(rng, depth):
    """Return a random tree: a number (a leaf), or feature, threshold, and what is at most it and above it."""
    if depth == 0 or rng.uniform() < 0.2:
        return float(rng.normal())
    return int(rng.integers(len(NAMES))), float(rng.normal()), grown(rng, depth - 1), grown(rng, depth - 1)


def walked(tree, row):
    while not isinstance(tree, float):
        feature, threshold, low, high = tree
        tree = low if row[feature] <= threshold else high
    return tree


def laid_out(trees, base):
    nodes = []

    def lay(tree):
        at = len(nodes)
        nodes.append([-1, 0.0, 0, 0, 0.0])
        if isinstance(tree, float):
            nodes[at][4] = tree
        else:
            nodes[at][:4] = [tree[0], tree[1], lay(tree[2]), lay(tree[3])]
        return at

    roots = [lay(tree) for tree in trees]
    feature, threshold, left, right, value = (np.array(c) for c in zip(*nodes, strict=True))
    return Forest(
        NAMES,
        base,
        np.array(roots, np.int32),
        feature.astype(np.int16),
        threshold.astype(float),
        left.astype(np.int32),
        right.astype(np.int32),
        value.astype(float),
    )


@pytest.mark.parametrize("seed", range(3))
def test_the_sum_is_that_of_every_trees_leaf(seed):
    rng = np.random.default_rng(seed)
    trees = [grown(rng, 4) for _ in range(12)]
    forest = laid_out(trees, base=-1.5)
    for row in rng.normal(size=(100, len(NAMES))):
        assert forest.log_odds(row) == pytest.approx(-1.5 + sum(walked(t, row) for t in trees), abs=1e-9)


def test_what_equals_the_threshold_goes_left():
    forest = laid_out([(0, 0.25, -1.0, 1.0)], base=0.0)
    assert [forest.log_odds(np.array([x, 0, 0, 0, 0])) for x in (0.24, 0.25, 0.26)] == [-1, -1, 1]


def test_no_trees_leave_the_base():
    assert laid_out([0.0], base=0.7).log_odds(np.zeros(5)) == pytest.approx(0.7)


def written(folder, monkeypatch, forest):
    package = folder / "fitted_elsewhere"
    package.mkdir()
    (package / "__init__.py").touch()
    arrays = {k: getattr(forest, k) for k in ("roots", "feature", "threshold", "left", "right", "value")}
    np.savez_compressed(package / "trees.npz", names=np.array(forest.names), base=forest.base, **arrays)
    monkeypatch.syspath_prepend(folder)
    return "fitted_elsewhere", "trees.npz"


def test_trees_come_back_from_their_file(tmp_path, monkeypatch):
    forest = laid_out([grown(np.random.default_rng(5), 4) for _ in range(5)], base=0.3)
    again = load_forest(*written(tmp_path, monkeypatch, forest), NAMES)
    row = np.random.default_rng(6).normal(size=5)
    assert again.log_odds(row) == forest.log_odds(row)
    for other in (NAMES[::-1], NAMES[:-1], (*NAMES, "f")):
        with pytest.raises(AssertionError, match=r"fitted for other features; run benchmarks/needle/fit\.py"):
            load_forest("fitted_elsewhere", "trees.npz", other)


@pytest.mark.parametrize(("load", "names"), [(needle_forest, WEIGHED), (track_forest, TRACK_FEATURES)])
def test_the_fitted_trees_are_whole(load, names):
    forest = load()
    assert forest.names == names
    n, inner = len(forest.value), forest.feature >= 0
    assert forest.feature.max() < len(names)
    assert np.all(forest.left[inner] < n)
    assert np.all(forest.right[inner] < n)
    # Branches lead onwards, so that every walk ends.
    assert np.all(forest.left[inner] > np.flatnonzero(inner))
    assert np.all(forest.right[inner] > np.flatnonzero(inner))
    assert np.isfinite(forest.log_odds(np.zeros(len(names))))
