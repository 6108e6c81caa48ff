"""Scores of a suite: frames pooled exactly, intervals over sequences."""

import math
from dataclasses import fields

import numpy as np
import pytest
from needle_cases import result, right_results, straight_truth

from usguide.metrics import ErrorSummary, Estimate, pool_needle, score_needle

INF = math.inf


@pytest.fixture(scope="module")
def suite():
    """Twelve sequences of different length and quality, a third with needle-free footage; each leaves the plane once."""
    rng = np.random.default_rng(7)
    found = []
    for number in range(12):
        truth = straight_truth(
            [0] * (30 if number % 3 == 0 else 0) + [20] * (20 + 5 * number) + [2, 20, 20], angle_deg=20
        )
        truth.in_plane_fraction = np.where(truth.visible_mm == 2, 0.1, 1.0)
        n = len(truth.visible_mm)
        tips = np.where(np.isnan(truth.tip_mm), 15.0, truth.tip_mm) + rng.normal(0, 0.3 * (1 + number), (n, 2))
        said = rng.random(n) < (0.95 - 0.03 * number)
        found.append(score_needle(truth, [result(k, tips[k] if said[k] else None) for k in range(n)]))
    return found


def test_two_sequences_by_hand():
    """4 of 4 hits, and 1 of 16 with two alarms of one frame each in 6 s: 5 / 20, not the mean of 1 and 1/16."""
    first, second = straight_truth([20] * 4), straight_truth([0] * 60 + [20] * 16)
    alarms = [result(k, (5, 5) if k in {3, 5} else None) for k in range(60)]
    pooled = pool_needle(
        [score_needle(first, right_results(first)), score_needle(second, [*alarms, *right_results(second, [70])])]
    )
    assert (pooled.sequences, pooled.counted_sequences, pooled.frames, pooled.counted_frames) == (2, 2, 80, 20)
    assert pooled.recall == Estimate(0.25, pytest.approx(1 / 16), 1.0)
    assert pooled.precision.value == pytest.approx(5 / 7)
    assert pooled.good_share == Estimate(0.5, 0.0, 1.0)
    assert pooled.false_alarms == 2
    assert pooled.false_alarms_per_min.value == pytest.approx(2 / (60 * 0.1 / 60))
    assert pooled.false_alarms_per_min.low is None  # one sequence only has needle-free footage
    assert pooled.false_alarm_share == Estimate(2 / 60)
    assert (pooled.tip_error_all_mm.count, pooled.tip_error_all_mm.misses) == (20, 15)
    assert pooled.tip_error_all_median_mm.value == INF
    assert pooled.tip_error_all_median_mm.low == 0  # the first sequence, drawn twice
    assert pooled.first_lock_s.maximum == pytest.approx(1.0)  # frame 60 to frame 70
    assert (pooled.relock_s.count, pooled.relock_s.misses) == (1, 1)  # lost at frame 71, and never back


def test_pooling_one_sequence_gives_its_own_scores_and_no_interval(suite):
    s, pooled = suite[3], pool_needle(suite[3:4])
    for name in ("recall", "precision", "hit_rate_1_mm", "hit_rate_2_mm", "false_alarm_share", "false_alarms_per_min"):
        estimate = getattr(pooled, name)
        assert estimate.value == pytest.approx(getattr(s, name))
        assert estimate.low is estimate.high is None
    for f in fields(pooled):
        if f.name.endswith(("error_mm", "error_all_mm", "error_deg", "error_all_deg")) or f.name == "relock_s":
            assert getattr(pooled, f.name) == getattr(s, f.name), f.name
    assert pooled.tip_error_median_mm.value == s.tip_error_mm.median
    assert pooled.tip_error_all_p95_mm.value == s.tip_error_all_mm.p95


def test_pooled_figures_are_those_of_all_frames(suite):
    pooled = pool_needle(suite, resamples=100)
    tracked = np.concatenate([s.raw.tip_error_mm[s.raw.counted & s.raw.tracking] for s in suite])
    assert pooled.tip_error_median_mm.value == pytest.approx(np.percentile(tracked, 50))
    assert pooled.tip_error_p95_mm.value == pytest.approx(np.percentile(tracked, 95))
    assert pooled.tip_error_mm.mean == pytest.approx(tracked.mean())
    assert pooled.recall.value == pytest.approx((tracked <= 3).sum() / pooled.counted_frames)
    angles = np.concatenate([s.raw.angle_error_deg[s.raw.counted & s.raw.tracking] for s in suite])
    assert pooled.angle_error_median_deg.value == pytest.approx(np.median(angles))


def test_intervals_hold_the_figure_and_repeat(suite):
    pooled = pool_needle(suite)
    estimates = [getattr(pooled, f.name) for f in fields(pooled) if isinstance(getattr(pooled, f.name), Estimate)]
    assert len(estimates) == 18
    for e in estimates:
        assert e.low <= e.value <= e.high
    assert 0 < pooled.recall.high - pooled.recall.low < 0.6
    assert pool_needle(suite) == pooled
    assert pool_needle(suite, seed=1).recall != pooled.recall


def test_the_order_of_sequences_changes_no_figure(suite):
    a, b = pool_needle(suite), pool_needle(suite[::-1])
    for f in fields(a):
        one, other = getattr(a, f.name), getattr(b, f.name)
        if isinstance(one, Estimate):
            assert other.value == pytest.approx(one.value), f.name
            assert (other.low, other.high) == pytest.approx((one.low, one.high), rel=0.3, abs=0.05), f.name
        elif isinstance(one, ErrorSummary):
            assert other.mean == pytest.approx(one.mean), f.name
            assert (other.count, other.median, other.p95) == (one.count, one.median, one.p95), f.name
        else:
            assert one == other, f.name


def test_needle_free_sequences_leave_recall_alone():
    truth, free = straight_truth([20] * 4), straight_truth([0] * 30)
    with_needle = [score_needle(truth, right_results(truth, range(k))) for k in (2, 4)]
    without = [score_needle(free, [result(k) for k in range(30)]) for _ in range(3)]
    pooled = pool_needle([*with_needle, *without])
    assert pooled.recall == Estimate(0.75, 0.5, 1.0)
    assert pooled.good_share.value == 0.5
    assert pooled.false_alarms_per_min == Estimate(0.0, 0.0, 0.0)
    assert pooled.first_lock_s.count == 2


def test_nothing_to_pool():
    pooled = pool_needle([])
    assert (pooled.sequences, pooled.recall, pooled.tip_error_mm.count) == (0, Estimate(None), 0)


def test_locks_in_time_are_shares_of_the_sequences_that_can_tell():
    """Of 10 mm: at once, after 0.6 s, never that long; of returns: in time, one of two late, none."""
    first = straight_truth([20, 20, 0, 0, 20, 20])
    first.in_plane_fraction = np.array([1, 1, 0, 0, 1, 1.0])
    second = straight_truth([20] * 7 + [0] + [20] * 5 + [0] + [20] * 5)
    second.in_plane_fraction = (second.visible_mm > 0).astype(float)
    third = straight_truth([6] * 5)
    scores = [
        score_needle(first, right_results(first)),
        score_needle(second, right_results(second, [6, 8, 18])),
        score_needle(third, right_results(third)),
    ]
    pooled = pool_needle(scores)
    assert scores[1].long_lock_s == pytest.approx(0.6)
    assert scores[1].return_s.maximum == pytest.approx(0.4)
    assert pooled.locked_in_time == Estimate(0.5, 0.0, 1.0)
    assert pooled.returned_in_time == Estimate(0.5, 0.0, 1.0)
    assert pool_needle(scores[2:]).returned_in_time.value is None
