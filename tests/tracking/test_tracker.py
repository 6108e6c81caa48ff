"""Life of a track, from detections that are made up: what confirms it, what carries it, what ends it."""

import math

import numpy as np
import pytest

import usguide as ug
from usguide.tracking import NeedleTracker, TipFilterSettings, TrackerSettings
from usguide.tracking.kalman import TipFilter

DT = 0.05


def detection(length, *, angle=30.0, entry=(0.0, 5.0), score=None, novel=True):
    c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    tip = (entry[0] + length * c, entry[1] + length * s)
    return ug.Detection(
        ug.Shaft(entry, tip, length if score is None else score), ug.Tip(tip, ((0.09, 0.0), (0.0, 0.09)), 0.9), novel
    )


def run(tracker, lists, dt=DT):
    return [tracker.update(found, k * dt) for k, found in enumerate(lists)]


def test_a_line_that_advances_is_confirmed_and_followed():
    tracks = run(NeedleTracker(), [[detection(5 + 0.5 * k)] for k in range(30)])
    first = next(k for k, t in enumerate(tracks) if t)
    assert 2 <= first <= 8
    last = tracks[-1][0]
    assert last.state is ug.TrackState.TRACKING
    assert last.tip_velocity_mm_s == pytest.approx(10, abs=1)
    assert math.dist(last.tip.position_mm, detection(5 + 0.5 * 29).tip.position_mm) < 0.3
    assert last.in_plane_fraction == pytest.approx(1, abs=0.05)


def test_a_withdrawing_needle_is_a_needle_too():
    tracks = run(NeedleTracker(), [[detection(20 - 0.5 * k)] for k in range(20)])
    assert tracks[-1][0].tip_velocity_mm_s == pytest.approx(-10, abs=1.5)


def test_a_still_line_needs_time_and_evidence_and_gets_half_the_confidence():
    strong = run(NeedleTracker(), [[detection(20, novel=False)] for _ in range(60)])
    weak = run(NeedleTracker(), [[detection(20, score=5, novel=False)] for _ in range(60)])
    first = next(k for k, t in enumerate(strong) if t)
    assert first * DT == pytest.approx(1.5, abs=0.1)
    assert strong[-1][0].confidence <= 0.5
    assert not any(weak)


def test_an_old_line_whose_end_flickers_has_not_moved():
    rng = np.random.default_rng(0)
    flicker = run(NeedleTracker(), [[detection(15 + rng.uniform(-2, 2), score=6, novel=False)] for _ in range(60)])
    assert not any(flicker)


def test_a_needle_comes_before_a_longer_line_that_stands_still():
    lists = [[detection(35, angle=20, entry=(0, 15), novel=False), detection(4 + 0.5 * k)] for k in range(40)]
    tracks = run(NeedleTracker(), lists)
    assert tracks[-1][0].shaft.angle_deg == pytest.approx(30, abs=1)
    assert len(tracks[-1]) == 1


def test_after_a_needle_has_moved_looks_alone_convince_no_longer():
    fascia = detection(35, angle=20, entry=(0, 15), novel=False)
    there = [[fascia, detection(4 + 0.5 * k)] for k in range(30)]
    tracks = run(NeedleTracker(), there + [[fascia]] * 60)
    assert [t[0].state for t in tracks if t][-1] is ug.TrackState.LOST
    assert not any(tracks[-30:])


def test_a_needle_that_comes_back_where_it_was_is_found_at_once():
    there = [[detection(4 + 0.5 * k)] for k in range(30)]
    tracks = run(NeedleTracker(), there + [[]] * 20 + [[detection(18.5)]] * 10)
    assert not tracks[48]
    assert tracks[53][0].state is ug.TrackState.TRACKING


def test_coasting_loss_and_search_take_their_seconds_at_any_rate():
    for dt in (0.02, 0.1):
        n = round(1.5 / dt)
        tracks = run(NeedleTracker(), [[detection(5 + 10 * dt * k)] for k in range(n)] + [[]] * n, dt)[n:]
        states = [str(t[0].state) if t else "none" for t in tracks]
        lost = states.index("LOST")
        assert lost * dt == pytest.approx(0.5, abs=1.5 * dt)
        assert set(states[:lost]) == {"COASTING"}
        assert set(states[lost + 1 :]) == {"none"}
        sigmas = [max(t[0].tip.sigma_mm) for t in tracks[:lost]]
        assert sigmas == sorted(sigmas)


def test_a_short_gap_keeps_the_identity():
    lists = [[detection(5 + 0.5 * k)] if not 15 <= k < 20 else [] for k in range(30)]
    tracks = run(NeedleTracker(), lists)
    assert tracks[-1][0].track_id == tracks[14][0].track_id
    assert tracks[-1][0].state is ug.TrackState.TRACKING


def test_one_wild_tip_does_not_move_the_track():
    lists = [[detection(5 + 0.5 * k)] for k in range(20)]
    lists[15] = [detection(30)]
    tracks = run(NeedleTracker(), lists)
    assert math.dist(tracks[15][0].tip.position_mm, detection(5 + 0.5 * 15).tip.position_mm) < 1.0


def test_a_tip_that_stays_elsewhere_is_believed_in_the_end():
    lists = [[detection(5 + 0.5 * k)] for k in range(20)] + [[detection(22)] for _ in range(40)]
    tracks = run(NeedleTracker(), lists)
    assert math.dist(tracks[-1][0].tip.position_mm, detection(22).tip.position_mm) < 0.5


def test_reset_and_seed():
    tracker = NeedleTracker(TrackerSettings(confirm_s=0.1))
    tracker.seed(detection(10), 0.0)
    assert tracker.update([detection(10)], DT)[0].state is ug.TrackState.TRACKING
    tracker.reset()
    assert tracker.update([detection(10)], 2 * DT) == ()


def test_the_filter_splits_along_and_across():
    tip = TipFilter(detection(10).tip, TipFilterSettings())
    angle = math.radians(30)
    for _ in range(10):
        tip.predict(DT, angle)
    cov = np.asarray(tip.tip(1.0).covariance_mm2)
    u, v = np.array([math.cos(angle), math.sin(angle)]), np.array([-math.sin(angle), math.cos(angle)])
    assert u @ cov @ u > 4 * (v @ cov @ v)
    np.testing.assert_allclose(cov, cov.T)
