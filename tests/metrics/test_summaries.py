"""Summaries by hand, and with misses."""

import math

import numpy as np
import pytest

from usguide.metrics import ErrorSummary, quantile, summarise

INF = math.inf


def test_every_figure_by_hand():
    s = summarise([1.0, 2.0, 3.0, 6.0])
    assert s.count == 4
    assert s.misses == 0
    assert s.mean == pytest.approx(12 / 4)
    assert s.sd == pytest.approx(math.sqrt((4 + 1 + 0 + 9) / 3))
    assert s.rms == pytest.approx(math.sqrt((1 + 4 + 9 + 36) / 4))
    assert s.median == pytest.approx(2.5)
    assert s.p25 == pytest.approx(1.75)  # place 0.25 * 3 = 0.75: from 1 to 2
    assert s.p75 == pytest.approx(3.75)  # place 2.25: from 3 to 6
    assert s.iqr == pytest.approx(2.0)
    assert s.p95 == pytest.approx(3 + 0.85 * 3)  # place 2.85
    assert s.maximum == 6


def test_signed_errors_keep_their_sign_in_the_middle_and_lose_it_in_the_tail():
    s = summarise([-4.0, -1.0, 0.0, 2.0, 3.0], signed=True)
    assert s.mean == pytest.approx(0.0)
    assert s.median == 0.0
    assert (s.p25, s.p75, s.iqr) == (-1.0, 2.0, 3.0)
    assert s.maximum == 4.0
    assert s.p95 == pytest.approx(3.8)  # of 0 1 2 3 4
    assert s.rms == pytest.approx(math.sqrt(30 / 5))
    assert summarise([-4.0, 2.0]).mean == pytest.approx(3.0)


def test_a_miss_makes_what_it_reaches_infinite_and_nothing_else():
    s = summarise([1.0, 2.0, 3.0, 4.0, INF])
    assert (s.count, s.misses) == (5, 1)
    assert (s.mean, s.sd, s.rms, s.p95, s.maximum) == (INF,) * 5
    assert (s.p25, s.median, s.p75, s.iqr) == (2, 3, 4, 2)
    every = summarise([INF, INF])
    assert (every.mean, every.sd, every.median, every.p25, every.iqr, every.misses) == (INF, INF, INF, INF, INF, 2)
    assert summarise([-INF, 1.0], signed=True).median == INF


def test_between_a_finite_and_an_infinite_neighbour_is_infinite():
    assert quantile([1.0, INF], 0.5) == INF
    assert quantile([1.0, 2.0, INF], 0.5) == 2.0
    assert quantile([1.0, 2.0, INF], 0.51) == INF


@pytest.mark.parametrize("count", [2, 20, 21, 30, 41, 61, 81, 141, 301, 381])
def test_the_ninety_fifth_percentile_is_exact_at_its_place(count):
    """With 20 n + 1 values, the place is a whole number: one miss fewer than reaches it stays out."""
    if (count - 1) % 20:
        values = np.arange(float(count))
        assert quantile(values, 0.95) == pytest.approx(np.percentile(values, 95))
        return
    place = (count - 1) * 19 // 20
    values = np.where(np.arange(count) > place, INF, 1.0)
    assert quantile(values, 0.95) == 1.0
    values[place] = INF
    assert quantile(values, 0.95) == INF


def test_a_last_bit_in_the_share_does_not_reach_the_next_value():
    """(1 - 0.95) / 2 is 0.025000000000000022; of 41 values its place is the second all the same."""
    assert quantile([0.0, 1.0] + [INF] * 39, (1 - 0.95) / 2) == 1.0


def test_unknown_is_left_out_and_nothing_is_nothing():
    assert summarise([math.nan, 2.0]) == summarise([2.0])
    assert summarise([2.0]) == ErrorSummary(1, 2.0, None, 2.0, 2.0, 2.0, 0, 2.0, 2.0, 2.0, 0.0)
    empty = summarise([math.nan])
    assert (empty.count, empty.mean, empty.rms, empty.iqr) == (0, None, None, None)


def test_scale_and_order_mean_nothing():
    values = np.random.default_rng(0).gamma(2, 1, 200)
    a, b = summarise(values), summarise(3 * values[::-1])
    for name in ("mean", "sd", "rms", "median", "p25", "p75", "iqr", "p95", "maximum"):
        assert getattr(b, name) == pytest.approx(3 * getattr(a, name))
