"""Calibration by hand, and confidences that are wrong in a known way."""

import math

import numpy as np
import pytest
from needle_cases import result, right_results, straight_truth

import usguide as ug
from usguide.metrics import ReliabilityBin, calibrate, confidence_events


def test_two_bins_by_hand():
    c = calibrate([0.1, 0.3, 0.6, 0.8], [False, True, True, True], bins=2)
    assert c.bins == (ReliabilityBin(2, pytest.approx(0.2), 0.5), ReliabilityBin(2, pytest.approx(0.7), 1.0))
    assert c.expected_calibration_error == pytest.approx((0.3 + 0.3) / 2)
    assert c.brier == pytest.approx((0.01 + 0.49 + 0.16 + 0.04) / 4)
    assert c.base_rate == 0.75
    assert c.brier_skill == pytest.approx(1 - 0.175 / (0.75 * 0.25))


def test_ten_bins_of_equal_mass():
    rng = np.random.default_rng(0)
    c = calibrate(rng.random(1000) ** 3, rng.random(1000) < 0.5)
    assert [b.count for b in c.bins] == [100] * 10
    assert np.all(np.diff([b.confidence for b in c.bins]) > 0)


def test_the_order_of_frames_means_nothing_even_with_ties():
    """One confidence for all, first half right: a bin that split the tie would see 1 and 0 instead of a half."""
    c = calibrate([0.5] * 40, [True] * 20 + [False] * 20)
    assert len(c.bins) == 1
    assert c.expected_calibration_error == 0
    assert c.brier_skill == pytest.approx(0)
    rng = np.random.default_rng(1)
    confidence, event = rng.random(300).round(1), rng.random(300) < 0.4
    order = rng.permutation(300)
    mixed, plain = calibrate(confidence[order], event[order]), calibrate(confidence, event)
    assert (mixed.expected_calibration_error, mixed.brier) == pytest.approx(
        (plain.expected_calibration_error, plain.brier)
    )
    assert [b.count for b in mixed.bins] == [b.count for b in plain.bins]


def test_an_honest_confidence_is_calibrated_and_skilled():
    rng = np.random.default_rng(2)
    p = rng.random(20000)
    c = calibrate(p, rng.random(20000) < p)
    assert c.expected_calibration_error < 0.015
    assert c.brier == pytest.approx(1 / 6, abs=0.005)  # mean of p (1 - p)
    assert c.brier_skill == pytest.approx(1 - (1 / 6) / (1 / 4), abs=0.02)


def test_overconfident_is_worse_than_the_base_rate():
    """Always 0.95 and right in 40 %: ECE 0.55, Brier 0.4 * 0.05^2 + 0.6 * 0.95^2, skill 1 - that / 0.24."""
    c = calibrate([0.95] * 100, [True] * 40 + [False] * 60)
    brier = 0.4 * 0.0025 + 0.6 * 0.9025
    assert c.expected_calibration_error == pytest.approx(0.55)
    assert c.brier == pytest.approx(brier)
    assert c.brier_skill == pytest.approx(1 - brier / 0.24)
    assert c.brier_skill < -1


def test_nothing_and_no_spread():
    assert calibrate([], []).expected_calibration_error is None
    always = calibrate([0.9, 0.8], [True, True])
    assert (always.brier_skill, always.base_rate) == (None, 1.0)


def test_the_event_is_a_needle_within_two_millimetres():
    truth = straight_truth([0, 10, 10, 10, 10, 3, 10, 10])
    truth.tip_mm[6] = math.nan  # unknown: not judged
    truth.visible_mm[7] = math.nan
    coasting = ug.TrackState.COASTING
    given = [
        result(0, (5, 10), confidence=0.1),  # no needle
        result(1, (12, 10), confidence=0.2),  # 2 mm off: still true
        result(2, (12.01, 10), confidence=0.3),  # not any more
        result(3, (10, 10), confidence=0.4, state=coasting),  # its confidence is given too
        result(4),  # no track, no confidence
        result(5, (3, 10), confidence=0.6),  # a short shaft does not count for recall, but it is a needle
        result(6, (10, 10), confidence=0.7),
        result(7, (10, 10), confidence=0.8),
    ]
    confidence, event = confidence_events(truth, given[::-1])
    assert confidence.tolist() == [0.1, 0.2, 0.3, 0.4, 0.6]
    assert event.tolist() == [False, True, False, True, True]


def test_an_overconfident_detector_end_to_end():
    truth = straight_truth([0] * 50 + [20] * 50)
    wrong = [result(k, (5, 30), confidence=0.99) for k in range(75)]
    c = calibrate(*confidence_events(truth, [*wrong, *right_results(truth, range(75, 100))]))
    assert c.base_rate == 0.25
    assert c.expected_calibration_error == pytest.approx((75 * 0.99) / 100)  # the right ones said 1 and were right
    assert c.brier_skill < -2


@pytest.mark.parametrize(
    ("confidence", "event", "options", "message"),
    [
        ([0.1], [], {}, "one for each of 1"),
        ([1.1], [True], {}, "0 to 1"),
        ([math.nan], [True], {}, "0 to 1"),
        ([0.5], [True], {"bins": 0}, "1 or more"),
    ],
)
def test_bad_input_is_refused(confidence, event, options, message):
    with pytest.raises(ug.InputError, match=message):
        calibrate(confidence, event, **options)
