"""The bootstrap over sequences against a plain loop, and against what is known of binomials."""

import math

import numpy as np
import pytest

import usguide as ug
from usguide.metrics import Estimate, estimate_quantile, estimate_ratio, quantile, resample_counts


def groups_of(seed, sequences=7, *, misses=0.1):
    rng = np.random.default_rng(seed)
    found = [rng.gamma(2, 1, rng.integers(1, 30)).round(1) for _ in range(sequences)]
    return [np.where(rng.random(g.size) < misses, math.inf, g) for g in found]


@pytest.mark.parametrize("q", [0.05, 0.5, 0.95])
@pytest.mark.parametrize("misses", [0.0, 0.1, 0.5])
def test_pooled_quantiles_agree_with_a_loop(q, misses):
    groups = groups_of(3, misses=misses)
    counts = resample_counts(len(groups), resamples=100, seed=5)
    loop = [quantile(np.concatenate([np.repeat(g, c) for g, c in zip(groups, row, strict=True)]), q) for row in counts]
    e = estimate_quantile(groups, q, counts)
    assert e.value == pytest.approx(quantile(np.concatenate(groups), q))
    assert e.low == pytest.approx(quantile(loop, 0.025))
    assert e.high == pytest.approx(quantile(loop, 0.975))


def test_a_ratio_by_hand():
    """Two sequences, 1 of 2 and 3 of 3: a resample holds the first twice, both, or the second twice."""
    e = estimate_ratio([1, 3], [2, 3], np.array([[2, 0], [1, 1], [0, 2]]))
    assert e.value == pytest.approx(4 / 5)
    assert e.low == pytest.approx(0.5 + 0.05 * (0.8 - 0.5))  # place 0.025 * 2 = 0.05 of 0.5, 0.8, 1
    assert e.high == pytest.approx(0.8 + 0.95 * (1 - 0.8))


def test_draws_are_draws_with_replacement():
    counts = resample_counts(10, resamples=5000, seed=1)
    assert (counts.sum(axis=1) == 10).all()
    assert counts.mean() == pytest.approx(1)
    assert (counts == 0).mean() == pytest.approx(0.9**10, abs=0.01)  # not drawn in ten draws
    assert (counts == resample_counts(10, resamples=5000, seed=1)).all()
    assert (counts != resample_counts(10, resamples=5000, seed=2)).any()


def test_the_interval_has_the_width_of_a_binomial():
    """100 sequences with one frame each, 30 of them hits: SD of the share is sqrt(0.3 * 0.7 / 100)."""
    e = estimate_ratio([1] * 30 + [0] * 70, [1] * 100, resample_counts(100, resamples=4000))
    half = 1.96 * math.sqrt(0.3 * 0.7 / 100)
    assert (e.value, e.low, e.high) == pytest.approx((0.3, 0.3 - half, 0.3 + half), abs=0.012)


def test_fewer_than_two_sequences_that_contribute_have_no_interval():
    counts = resample_counts(3)
    assert estimate_ratio([1, 0, 0], [4, 0, 0], counts) == Estimate(0.25)
    assert estimate_quantile([[1.0, 3.0], [math.nan], []], 0.5, counts) == Estimate(2.0)
    assert estimate_ratio([0, 0, 0], [0, 0, 0], counts) == Estimate(None)
    assert estimate_quantile([[], [], []], 0.5, counts) == Estimate(None)
    assert estimate_ratio([], [], resample_counts(0)) == Estimate(None)
    assert estimate_quantile([], 0.5, resample_counts(0)) == Estimate(None)


def test_resamples_without_a_value_are_left_out():
    """A third sequence without frames: the resample of it alone says nothing."""
    counts = np.array([[0, 0, 3], [3, 0, 0], [0, 3, 0]])
    e = estimate_ratio([1, 2, 0], [2, 2, 0], counts)
    assert (e.low, e.high) == pytest.approx((0.5 + 0.025 * 0.5, 0.5 + 0.975 * 0.5))
    e = estimate_quantile([[1.0], [2.0], []], 0.5, counts)
    assert (e.low, e.high) == pytest.approx((1.025, 1.975))


def test_misses_reach_the_interval():
    e = estimate_quantile([[1.0] * 3, [math.inf] * 2], 0.5, resample_counts(2))
    assert (e.value, e.low, e.high) == (1.0, 1.0, math.inf)


def test_no_resamples_are_refused():
    with pytest.raises(ug.InputError, match="1 or more"):
        resample_counts(3, resamples=0)
