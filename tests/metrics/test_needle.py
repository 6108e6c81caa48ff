"""Scores against cases counted by hand, and against detectors that are bad on purpose."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from needle_cases import result as reported
from needle_cases import right_results, straight_truth

import usguide as ug
from usguide.metrics import confidence_events, score_needle, summarise


def truth_of(visible):
    """A needle along (1, 0) at depth 10 whose tip is at lateral `visible`."""
    visible = np.asarray(visible, float)
    tip = np.stack([visible, np.full(len(visible), 10.0)], axis=1)
    tip[visible <= 0] = np.nan
    entry = np.where(np.isnan(tip), np.nan, [[0.0, 10.0]])
    return SimpleNamespace(tip_mm=tip, entry_mm=entry, visible_mm=visible, angle_deg=np.zeros(len(visible)))


def result(index, tip=None, state=ug.TrackState.TRACKING):
    tracks = ()
    if tip is not None:
        shaft = ug.Shaft((0.0, 10.0), tip, 10.0)
        tracks = (ug.NeedleTrack(1, state, shaft, ug.Tip(tip, ((1, 0), (0, 1)), 1.0), 0, 1, 1, 1, 0),)
    else:
        state = ug.TrackState.SEARCHING
    return ug.GuidanceResult(index, 0.1 * index, state, ug.InputState.OK, tracks)


def test_counted_by_hand():
    truth = truth_of([0, 0, 3, 6, 8, 10, 12])
    results = [
        result(0),
        result(1, (5, 5)),  # false alarm
        result(2, (50, 50)),  # under 5 mm: not judged
        result(3),  # miss
        result(4, (9.0, 10.0)),  # hit, 1 mm too deep
        result(5, (10.0, 12.0)),  # hit, 2 mm across
        result(6, (12.0, 15.0)),  # 5 mm off
    ]
    s = score_needle(truth, results)
    assert (s.counted_frames, s.needle_free_frames, s.hits, s.false_alarm_frames) == (4, 2, 2, 1)
    assert s.recall == pytest.approx(2 / 4)
    assert s.precision == pytest.approx(2 / 4)
    assert s.tip_error_mm.count == 3
    assert s.tip_error_mm.median == pytest.approx(2.0)
    assert s.tip_error_mm.mean == pytest.approx(8 / 3)
    assert s.tip_error_mm.maximum == pytest.approx(5.0)
    assert s.tip_error_all_mm.maximum == math.inf
    assert s.tip_error_all_mm.count == 4
    assert s.along_error_mm.maximum == pytest.approx(1.0)
    assert s.across_error_mm.median == pytest.approx(2.0)
    assert s.first_lock_s == pytest.approx(0.1)
    assert s.angle_error_deg.maximum == pytest.approx(math.degrees(math.atan2(5, 12)))


def test_coasting_is_no_hit_and_no_alarm():
    truth = truth_of([0, 10])
    s = score_needle(truth, [result(k, (10.0, 10.0), ug.TrackState.COASTING) for k in range(2)])
    assert s.recall == 0
    assert s.precision is None
    assert s.false_alarm_frames == 0


def test_bad_detectors_score_badly():
    truth = truth_of([0] * 20 + list(np.linspace(6, 30, 80)))
    never = score_needle(truth, [result(k) for k in range(100)])
    assert (never.recall, never.precision, never.tip_error_all_mm.median) == (0, None, math.inf)
    rng = np.random.default_rng(0)
    anywhere = score_needle(truth, [result(k, tuple(rng.uniform(0, 40, 2))) for k in range(100)])
    assert anywhere.recall < 0.1
    assert anywhere.precision < 0.1
    assert anywhere.false_alarm_frames == 20
    half = score_needle(truth, [result(k, (truth.visible_mm[k], 10.0)) if k % 2 else result(k) for k in range(20, 100)])
    assert half.recall == pytest.approx(0.5)
    assert half.precision == 1.0
    missing = score_needle(truth, [])
    assert missing.recall == 0


def test_misses_do_not_vanish_from_percentiles():
    assert summarise([1.0, 2.0, math.inf]).median == 2.0
    assert summarise([1.0, math.inf, math.inf]).median == math.inf
    assert summarise([]).median is None
    assert summarise([-3.0, 1.0], signed=True).median == pytest.approx(-1.0)


def test_results_of_other_frames_are_refused():
    with pytest.raises(ug.InputError, match="0 to 1"):
        score_needle(truth_of([0, 10]), [result(5)])


def test_a_tip_out_of_plane_is_judged_by_the_end_that_can_be_seen():
    """The needle is 30 mm long and leaves the plane at 12 mm: pointing at the seen end is right, at the far tip wrong."""
    truth = straight_truth([30.0] * 4)
    truth.distal_mm, truth.visible_mm = truth.entry_mm + np.array([12.0, 0.0]), np.full(4, 12.0)
    at_seen_end = [reported(k, (12.0, 10.0)) for k in range(4)]
    assert score_needle(truth, at_seen_end).recall == 1
    assert score_needle(truth, right_results(truth)).recall == 0
    assert confidence_events(truth, at_seen_end)[1].all()
