"""Detectors that are bad on purpose score as badly as they should."""

import math

import numpy as np
import pytest
from needle_cases import result, right_results, straight_truth

from usguide.metrics import HIT_MM, pool_needle, score_needle

INF = math.inf
SIZE_MM = 40.0
FREE, NEEDLE = 100, 400
ANGLE_DEG = 30.0


@pytest.fixture(scope="module")
def truth():
    """100 frames without a needle, then one that advances from 6 to 30 mm at 30 degrees, well inside 40 x 40 mm."""
    return straight_truth([0] * FREE + list(np.linspace(6, 30, NEEDLE)), angle_deg=ANGLE_DEG, entry_mm=(4, 10))


def random_lines(truth, seed):
    rng = np.random.default_rng(seed)
    ends = rng.uniform(0, SIZE_MM, (len(truth.visible_mm), 2, 2))
    return [result(k, tip, entry=entry) for k, (entry, tip) in enumerate(ends)]


def test_random_lines_hit_by_chance_only(truth):
    """A tip anywhere in the picture lies within 3 mm of the true one with pi 9 / 1600 = 1.8 %."""
    scores = [score_needle(truth, random_lines(truth, seed)) for seed in range(10)]
    pooled = pool_needle(scores, resamples=200)
    chance = math.pi * HIT_MM**2 / SIZE_MM**2
    n = 10 * NEEDLE
    assert pooled.recall.value == pytest.approx(chance, abs=4 * math.sqrt(chance * (1 - chance) / n))
    # Every frame tracks: precision is lower by the share of frames without a needle.
    assert pooled.precision.value == pytest.approx(pooled.recall.value * NEEDLE / (NEEDLE + FREE))
    assert pooled.false_alarm_share.value == 1
    assert pooled.good_share.value == 0
    # A direction anywhere is 90 degrees off on average (0 to 180).
    assert pooled.angle_error_deg.mean == pytest.approx(90, abs=15)
    assert pooled.tip_error_median_mm.value > 10


def test_always_the_brightest_line_is_always_wrong(truth):
    """A fascia at 35 mm of depth, in every frame: one alarm that never ends, and not one hit."""
    s = score_needle(truth, [result(k, (40, 35), entry=(0, 35)) for k in range(FREE + NEEDLE)])
    assert (s.recall, s.precision, s.hits, s.good, s.first_lock_s) == (0, 0, 0, False, None)
    assert (s.false_alarm_frames, s.false_alarm_share, s.false_alarms) == (FREE, 1.0, 1)
    assert s.false_alarms_per_min == pytest.approx(60 / (FREE * 0.1))
    assert s.angle_error_deg.median == pytest.approx(ANGLE_DEG)
    assert s.tip_error_mm.median > 10
    assert s.perpendicular_error_mm.median > 10
    flickering = score_needle(truth, [result(k, (40, 35) if k % 2 else None) for k in range(FREE + NEEDLE)])
    assert flickering.false_alarms == flickering.false_alarm_frames == FREE / 2


@pytest.mark.parametrize("silent", [True, False])
def test_never_detects_misses_everything(truth, silent):
    results = [] if silent else [result(k) for k in range(FREE + NEEDLE)]
    s = score_needle(truth, results)
    assert (s.recall, s.precision, s.good, s.first_lock_s) == (0, None, False, None)
    assert (s.hit_rate_1_mm, s.hit_rate_2_mm, s.hit_rate_3_mm) == (0, 0, 0)
    assert s.tip_error_mm.count == 0
    for every in (s.tip_error_all_mm, s.angle_error_all_deg, s.perpendicular_error_all_mm):
        assert (every.count, every.misses) == (NEEDLE, NEEDLE)
        assert (every.mean, every.median, every.p25, every.p95, every.maximum) == (INF,) * 5
    assert (s.false_alarms, s.false_alarm_share) == (0, 0)
    pooled = pool_needle([s, s], resamples=50)
    assert pooled.tip_error_all_median_mm.low == pooled.tip_error_all_p95_mm.high == INF
    assert pooled.first_lock_s.median == INF
    assert pooled.precision.value is pooled.tip_error_median_mm.value is None


def test_right_half_of_the_time_is_half_right(truth):
    s = score_needle(truth, right_results(truth, range(FREE, FREE + NEEDLE, 2)))
    assert (s.recall, s.precision, s.good) == (0.5, 1.0, False)
    assert s.tip_error_mm.maximum == pytest.approx(0)
    # 200 right and 200 missed: the median lies between the last right one and the first miss.
    assert (s.tip_error_all_mm.p25, s.tip_error_all_mm.median, s.tip_error_all_mm.p95) == (0, INF, INF)
    assert s.relock_s.count == s.relock_s.misses + NEEDLE / 2 - 1
    assert s.relock_s.median == pytest.approx(0.1)


def test_one_more_than_half_makes_the_median_finite():
    truth = straight_truth([20] * 9)
    assert score_needle(truth, right_results(truth, range(5))).tip_error_all_mm.median == 0
    assert score_needle(truth, right_results(truth, range(4))).tip_error_all_mm.median == INF


def test_silence_when_unsure_does_not_pay(truth):
    """Reporting only the best tenth looks precise, and is seen through by recall and by errors over all frames."""
    s = score_needle(truth, right_results(truth, range(FREE, FREE + NEEDLE, 10)))
    assert (s.precision, s.recall, s.tip_error_mm.p95) == (1.0, 0.1, 0.0)
    assert s.tip_error_all_mm.p25 == INF


def test_the_right_detector_scores_full_marks(truth):
    s = score_needle(truth, right_results(truth))
    assert (s.recall, s.precision, s.good, s.first_lock_s, s.false_alarms) == (1, 1, True, 0, 0)
    for error in (s.tip_error_all_mm, s.angle_error_all_deg, s.perpendicular_error_all_mm):
        assert error.maximum == pytest.approx(0, abs=1e-9)
