"""Scores where the truth is incomplete, and detectors that are wrong in one known way."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

import usguide as ug
from usguide.metrics import score_needle, summarise

ANGLE_DEG = 30.0
U = np.array([math.cos(math.radians(ANGLE_DEG)), math.sin(math.radians(ANGLE_DEG))])


def truth_of(visible, *, entry=True):
    visible = np.asarray(visible, float)
    tip = visible[:, None] * U
    tip[visible <= 0] = np.nan
    start = np.where(np.isnan(tip), np.nan, 0.0)
    truth = SimpleNamespace(tip_mm=tip, visible_mm=visible, angle_deg=np.full(len(visible), ANGLE_DEG))
    if entry:
        truth.entry_mm = start
    return truth


def tracking(index, tip):
    shaft = ug.Shaft((0.0, 0.0), tuple(tip), 1.0)
    tip = ug.Tip(tuple(tip), ((1, 0), (0, 1)), 1.0)
    track = ug.NeedleTrack(1, ug.TrackState.TRACKING, shaft, tip, 0, 1, 1, 1, 0)
    return ug.GuidanceResult(index, 0.05 * index, ug.TrackState.TRACKING, ug.InputState.OK, (track,))


def test_always_five_millimetres_too_deep_tracks_but_never_hits():
    truth = truth_of(np.linspace(6, 20, 30))
    s = score_needle(truth, [tracking(k, truth.tip_mm[k] + 5 * U) for k in range(30)])
    assert (s.recall, s.precision, s.hits, s.first_lock_s) == (0, 0, 0, None)
    for summary in (s.tip_error_mm, s.tip_error_all_mm, s.along_error_mm):
        assert (summary.mean, summary.median, summary.maximum) == pytest.approx((5, 5, 5))
        assert summary.sd == pytest.approx(0, abs=1e-9)
    assert s.across_error_mm.maximum == pytest.approx(0, abs=1e-9)
    assert s.angle_error_deg.maximum == pytest.approx(0, abs=1e-9)


def test_deeper_than_the_shaft_is_positive_across():
    truth = truth_of([10.0])
    s = score_needle(truth, [tracking(0, truth.tip_mm[0] + 2 * np.array([-U[1], U[0]]))])
    assert s.across_error_mm.mean == pytest.approx(2)
    assert s.along_error_mm.mean == pytest.approx(0, abs=1e-9)


def test_a_tip_exactly_three_millimetres_off_is_a_hit_and_five_of_shaft_count():
    truth = truth_of([5.0, 4.99])
    s = score_needle(truth, [tracking(k, truth.tip_mm[k] + (3 - 1e-9) * U) for k in range(2)])
    assert (s.counted_frames, s.hits, s.precision) == (1, 1, 1.0)


def test_unknown_parts_are_left_out_and_not_taken_for_misses():
    truth = truth_of([10.0, 11.0], entry=False)
    s = score_needle(truth, [tracking(k, truth.tip_mm[k]) for k in range(2)])
    assert s.recall == 1
    assert s.along_error_mm == summarise([])
    assert summarise([math.nan, 2.0]).mean == 2.0
    assert summarise([math.nan, math.inf, 1.0]).maximum == math.inf


def test_truth_without_a_needle():
    s = score_needle(truth_of([0.0, 0.0]), [])
    assert (s.counted_frames, s.recall, s.precision, s.needle_free_frames) == (0, None, None, 2)
