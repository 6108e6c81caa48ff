"""Life of a track, from detections that are made up: what confirms it, what carries it, what ends it."""

import math

import numpy as np
import pytest

import usguide as ug
from usguide.detection.candidates import FEATURE_NAMES
from usguide.tracking import NeedleTracker, TrackerSettings
from usguide.tracking.hypothesis import TRACK_FEATURES, Hypothesis

RATES = [0.1, 1 / 60]


class ByLogOdds:
    """Stands for the fitted trees: a hypothesis is as likely as its detections were of late."""

    def log_odds(self, row):
        assert row.shape == (len(TRACK_FEATURES),)
        assert np.isfinite(row).all()
        return row[TRACK_FEATURES.index("log_odds_fast")]


def detection(length, *, angle=30.0, entry=(0.0, 5.0), score=3.0, features=False, profile=False, sigma_mm=0.3):
    c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    tip = (entry[0] + length * c, entry[1] + length * s)
    end = None
    if profile:
        # A strip that starts 2 mm before the entry.
        way = np.arange(200) * 0.3 - 2
        start = (entry[0] - 2 * c, entry[1] - 2 * s)
        end = ug.EndProfile(start, math.radians(angle), 0.0, 0.3, 8, -0.5 * ((way - length) / sigma_mm) ** 2)
    return ug.Detection(
        ug.Shaft(entry, tip, score),
        ug.Tip(tip, ((sigma_mm**2, 0.0), (0.0, sigma_mm**2)), 1 / (1 + math.exp(-score))),
        end,
        np.zeros(len(FEATURE_NAMES)) if features else None,
    )


@pytest.fixture(params=["own detector", "trees", "trees and profile"])
def make(request):
    """Detections of a detector of one's own (only shaft and tip), or with features and end profile as usguide's."""
    options = {
        "own detector": {},
        "trees": {"features": True},
        "trees and profile": {"features": True, "profile": True},
    }[request.param]
    return lambda length, **more: detection(length, **options | more)


def tracker(**settings):
    return NeedleTracker(TrackerSettings(**settings), forest=ByLogOdds())


def run(tracker, lists, dt=0.05, first_s=0.0):
    return [tracker.update(found, first_s + k * dt) for k, found in enumerate(lists)]


def tip_error(track, length, **where):
    return math.dist(track.tip.position_mm, detection(length, **where).tip.position_mm)


def states(tracks):
    return [str(t[0].state) if t else "none" for t in tracks]


@pytest.mark.parametrize("dt", RATES)
def test_a_line_is_confirmed_and_followed(make, dt):
    n = round(2 / dt)
    tracks = run(tracker(), [[make(5 + 8 * dt * k)] for k in range(n)], dt)
    assert not tracks[0]  # one look is none
    first = next(k for k, t in enumerate(tracks) if t)
    assert first * dt <= 0.2 + dt / 2
    assert all(len(t) == 1 and t[0].state is ug.TrackState.TRACKING for t in tracks[first:])
    for k, (track,) in enumerate(tracks[first:], first):
        assert tip_error(track, 5 + 8 * dt * k) < 1.0
    last = tracks[-1][0]
    assert tip_error(last, 5 + 8 * dt * (n - 1)) < 0.5
    assert last.tip_velocity_mm_s == pytest.approx(8, abs=2.5)
    assert last.shaft.angle_deg == pytest.approx(30, abs=0.5)
    assert last.in_plane_fraction == pytest.approx(1, abs=0.05)
    assert last.age_s == pytest.approx((n - 1) * dt)
    assert last.time_since_seen_s == 0
    assert last.confidence > 0.8


def test_a_still_tip_is_where_it_is(make):
    track = run(tracker(), [[make(20)]] * 20)[-1][0]
    assert tip_error(track, 20) < 0.1
    assert track.tip_velocity_mm_s == pytest.approx(0, abs=0.5)


def test_a_withdrawing_needle_is_followed(make):
    tracks = run(tracker(), [[make(25 - 0.5 * k)] for k in range(30)])
    last = tracks[-1][0]
    assert tip_error(last, 25 - 0.5 * 29) < 0.6
    assert last.tip_velocity_mm_s == pytest.approx(-10, abs=3)
    # It was longer once: what is seen now may be a part of it.
    assert last.in_plane_fraction < 0.7
    assert max(last.tip.sigma_mm) > 1


@pytest.mark.parametrize("dt", RATES)
def test_coasting_loss_and_search_take_their_seconds_at_any_rate(make, dt):
    n = round(1.5 / dt)
    tracks = run(tracker(), [[make(5 + 10 * dt * k)] for k in range(n)] + [[]] * n, dt)[n:]
    kinds = states(tracks)
    lost = kinds.index("LOST")
    assert lost * dt == pytest.approx(0.5, abs=1.5 * dt)
    assert set(kinds[:lost]) == {"COASTING"}
    assert set(kinds[lost + 1 :]) == {"none"}
    confidences = [t[0].confidence for t in tracks[:lost]]
    assert confidences == sorted(confidences, reverse=True)
    assert max(tracks[lost - 1][0].tip.sigma_mm) > max(tracks[0][0].tip.sigma_mm)
    assert tracks[lost - 1][0].time_since_seen_s == pytest.approx(lost * dt)


def test_a_trace_that_does_not_convince_is_no_sighting(make):
    """A line that looks little like a needle lies where the needle was: that is no time at which it was seen."""
    dt, n = 0.05, 30
    tracks = run(tracker(), [[make(5 + 10 * dt * k)] for k in range(n)] + [[make(20, score=-4.0)]] * 8, dt)[n:]
    coasting = [t for (t,) in tracks if t.state is ug.TrackState.COASTING]
    assert len(coasting) >= 3
    since = [t.time_since_seen_s for t in coasting]
    np.testing.assert_allclose(np.diff(since), dt)
    assert since[0] == pytest.approx(dt)


@pytest.mark.parametrize("dt", RATES)
def test_a_gap_keeps_identity_and_place(make, dt):
    n, gap = round(1.5 / dt), range(round(0.8 / dt), round(1.1 / dt))
    tracks = run(tracker(), [[make(5 + 6 * dt * k)] if k not in gap else [] for k in range(n)], dt)
    assert {t[0].track_id for t in tracks if t} == {1}
    assert {states(tracks)[k] for k in gap} == {"COASTING"}
    # Seen again, it is sure again within 0.2 s.
    assert set(states(tracks)[gap[-1] + 1 + round(0.2 / dt) :]) == {"TRACKING"}
    assert tip_error(tracks[-1][0], 5 + 6 * dt * (n - 1)) < 0.6


@pytest.mark.parametrize(("away_s", "same"), [(1.0, True), (8.0, True), (12.0, False)])
def test_a_needle_that_was_lost_is_found_again(make, away_s, same):
    away = round(away_s / 0.05)
    tracks = run(tracker(), [[make(4 + 0.5 * k)] for k in range(30)] + [[]] * away + [[make(18.5)]] * 10)
    assert not tracks[29 + away]
    found = next(k for k in range(30 + away, 40 + away) if tracks[k])
    assert (found - 30 - away) * 0.05 <= 0.25
    assert tracks[-1][0].state is ug.TrackState.TRACKING
    assert tip_error(tracks[-1][0], 18.5) < 0.5
    # Where it was lost it is remembered for ten seconds.
    assert (tracks[-1][0].track_id == tracks[29][0].track_id) is same


def test_a_needle_that_comes_back_elsewhere_on_its_line_is_where_it_is_now(make):
    tracks = run(tracker(), [[make(8)]] * 20 + [[]] * 40 + [[make(22)]] * 6)
    assert tip_error(tracks[-1][0], 22) < 0.5


def test_what_does_not_convince_is_no_track(make):
    tracks = run(tracker(), [[make(15, score=-1.0)] for _ in range(60)])
    assert not any(tracks)


def test_a_track_that_no_longer_convinces_coasts_and_is_lost():
    # It is still there, and ever less like a needle.
    lists = [[detection(15, features=True)] for _ in range(20)] + [
        [detection(15, features=True, score=-3.0)] for _ in range(40)
    ]
    kinds = states(run(tracker(), lists))
    assert "COASTING" in kinds[20:30]
    assert kinds.count("LOST") == 1
    assert kinds[-1] == "none"


def test_it_takes_more_to_be_called_a_needle_than_to_stay_one():
    def score(confidence):
        return math.log(confidence / (1 - confidence))

    unsure = tracker()
    assert not any(run(unsure, [[detection(20.0, score=score(0.52))]] * 20))
    sure = tracker()
    found = run(sure, [[detection(20.0, score=score(0.58))]] * 10)[-1]
    assert found[0].state is ug.TrackState.TRACKING
    kept = run(sure, [[detection(20.0, score=score(0.43))]] * 4, first_s=0.5)[-1]
    assert kept[0].state is ug.TrackState.TRACKING
    below = run(sure, [[detection(20.0, score=score(0.37))]] * 4, first_s=0.7)[-1]
    assert below[0].state is ug.TrackState.COASTING


def test_a_detection_too_unlikely_neither_starts_nor_continues(make):
    assert not tracker().update([make(15, score=-6.0)], 0.0)
    kinds = states(run(tracker(), [[make(15)]] * 20 + [[make(15, score=-6.0)]] * 20))
    assert set(kinds[21:29]) == {"COASTING"}


def test_another_line_is_another_track(make):
    lists = [[make(15)]] * 15 + [[make(15, angle=50)]] * 15
    tracks = run(tracker(), lists)
    assert tracks[-1][0].track_id != tracks[14][0].track_id
    assert tracks[-1][0].shaft.angle_deg == pytest.approx(50, abs=0.5)
    beside = run(tracker(), [[make(15)]] * 15 + [[make(15, entry=(0.0, 9.0))]] * 15)
    assert beside[-1][0].track_id != beside[14][0].track_id


def test_two_needles_are_two_tracks_best_first(make):
    one = {"angle": 30, "score": 3.0}
    two = {"angle": 20, "entry": (0.0, 15.0), "score": 1.5}
    tracks = run(tracker(), [[make(5 + 0.4 * k, **two), make(8 + 0.3 * k, **one)] for k in range(30)])
    assert len(tracks[-1]) == 2
    first, second = tracks[-1]
    assert first.confidence > second.confidence
    assert tip_error(first, 8 + 0.3 * 29, angle=30) < 0.6
    assert tip_error(second, 5 + 0.4 * 29, angle=20, entry=(0.0, 15.0)) < 0.6
    assert len({t.track_id for ts in tracks for t in ts}) == 2


def test_two_candidates_on_one_line_are_one_track(make):
    lists = [[make(5 + 0.4 * k), make(4 + 0.4 * k, angle=31.0, score=2.5)] for k in range(30)]
    tracks = run(tracker(), lists)
    assert {len(t) for t in tracks[5:]} == {1}
    assert len({t[0].track_id for t in tracks if t}) == 1


def test_hypotheses_that_come_together_become_one(make):
    # Two lines, 4 degrees apart, turn into one.
    lists = [[make(20, angle=30), make(20, angle=38 - 0.4 * min(k, 20), score=2.0)] for k in range(40)]
    tracks = run(tracker(), lists)
    assert len(tracks[5]) == 2
    assert len(tracks[-1]) == 1
    assert tracks[-1][0].track_id == 1


def test_one_wild_tip_does_not_move_the_track(make):
    lists = [[make(5 + 0.4 * k)] for k in range(25)]
    lists[18] = [make(35)]
    tracks = run(tracker(), lists)
    assert tip_error(tracks[18][0], 5 + 0.4 * 18) < 1.0
    assert tip_error(tracks[-1][0], 5 + 0.4 * 24) < 0.6


def test_of_two_ends_on_a_line_the_one_that_goes_on_is_taken(make):
    # A fascia lies on the needle's line further on: together they score a little more than the needle.
    lists = [[make(10 + 0.3 * k), make(35, score=3.2)] for k in range(30)]
    lists[:5] = [[make(10 + 0.3 * k)] for k in range(5)]
    tracks = run(tracker(), lists)
    assert all(tip_error(t[0], 10 + 0.3 * k) < 1.0 for k, t in enumerate(tracks) if t)


def test_a_tip_that_stays_elsewhere_is_believed_in_the_end(make):
    lists = [[make(5 + 0.5 * k)] for k in range(20)] + [[make(25)] for _ in range(40)]
    tracks = run(tracker(), lists)
    assert tip_error(tracks[-1][0], 25) < 0.5


def test_the_line_follows_a_hand_that_turns(make):
    lists = [[make(20, angle=30 + 0.4 * k, entry=(0.0, 5.0 + 0.05 * k))] for k in range(40)]
    tracks = run(tracker(), lists)
    assert {t[0].track_id for t in tracks if t} == {1}
    assert tracks[-1][0].shaft.angle_deg == pytest.approx(30 + 0.4 * 39, abs=1)
    assert tip_error(tracks[-1][0], 20, angle=30 + 0.4 * 39, entry=(0.0, 5.0 + 0.05 * 39)) < 0.6


@pytest.mark.parametrize("when", ["now", "with the next frame"])
def test_a_seed_is_a_track_at_once(make, when):
    following = tracker()
    if when == "now":
        following.seed(detection(10), 0.0)
    else:
        following.seed(detection(10))
    (track,) = following.update([make(10)], 0.05)
    assert track.state is ug.TrackState.TRACKING
    assert tip_error(track, 10) < 0.5
    (track,) = following.update([make(10.3)], 0.1)
    assert track.state is ug.TrackState.TRACKING


def test_a_seed_is_believed_for_its_seconds_without_being_seen():
    following = tracker()
    following.seed(detection(10))
    kinds = states(run(following, [[]] * 60, 0.05))
    lost = kinds.index("LOST")
    assert lost * 0.05 == pytest.approx(2.0, abs=0.1)
    assert set(kinds[1:lost]) <= {"COASTING", "TRACKING"}
    assert "COASTING" in kinds[:lost]
    assert set(kinds[lost + 1 :]) == {"none"}


def test_a_seed_drops_the_other_tracks(make):
    following = tracker()
    run(following, [[make(15)]] * 10)
    following.seed(detection(12, angle=55))
    tracks = following.update([make(15), make(12, angle=55)], 0.5)
    assert [round(t.shaft.angle_deg) for t in tracks] == [55]


def test_reset_forgets(make):
    following = tracker()
    first = run(following, [[make(5 + 0.4 * k)] for k in range(10)])
    following.seed(detection(12, angle=55))
    following.reset()
    assert following.expected() == following.suspected() == ()
    assert repr(run(following, [[make(5 + 0.4 * k)] for k in range(10)])) == repr(first)


def test_where_needles_are_expected_and_suspected(make):
    following = tracker()
    assert following.expected() == ()
    run(following, [[make(15), make(15, angle=55, score=-2.0)]] * 10)
    assert sorted(round(s.angle_deg) for s in following.expected()) == [30, 55]
    # The background goes on learning what is unlikely.
    assert [round(s.angle_deg) for s in following.suspected()] == [30]


def test_no_more_hypotheses_and_tracks_than_allowed(make):
    following = tracker(max_hypotheses=4, max_tracks=2)
    tracks = run(following, [[make(15, angle=a, score=3 - a / 100) for a in range(-40, 60, 12)]] * 10)
    assert len(following.hypotheses) == 4
    assert len(tracks[-1]) == 2
    assert [t.shaft.angle_deg for t in tracks[-1]] == pytest.approx([-40, -28], abs=0.5)


def test_the_covariance_lies_along_the_shaft(make):
    track = run(tracker(), [[make(15, sigma_mm=1.0)]] * 6 + [[]] * 2)[5][0]
    cov = np.asarray(track.tip.covariance_mm2)
    np.testing.assert_allclose(cov, cov.T)
    u, v = np.array([math.cos(math.pi / 6), 0.5]), np.array([-0.5, math.cos(math.pi / 6)])
    assert u @ cov @ u > 4 * (v @ cov @ v) > 0
    assert abs(u @ cov @ v) < 1e-6


def test_a_bent_shaft_keeps_its_tip_on_the_curve():
    bend = 0.004
    profile = ug.EndProfile((0.0, 5.0), 0.5, bend, 0.3, 8, -0.5 * ((np.arange(120) * 0.3 - 24) / 0.3) ** 2)
    tip = profile.at_mm(24.0)
    found = ug.Detection(
        ug.Shaft((0.0, 5.0), tip, 3.0, bend),
        ug.Tip(tip, ((0.1, 0), (0, 0.1)), 0.9),
        profile,
        np.zeros(len(FEATURE_NAMES)),
    )
    track = run(tracker(), [[found]] * 6)[-1][0]
    assert math.dist(track.tip.position_mm, tip) < 0.5
    assert track.shaft.curvature_per_mm == bend
    assert tip[1] - 5.0 > 24 * math.sin(0.5) + 0.8  # the bend is one that shows


def features_of(detections, dt=0.05):
    """What speaks for a hypothesis after these detections; None is a frame without one."""
    followed = Hypothesis(1, detections[0], 10.0, TrackerSettings().belief)
    for k, found in enumerate(detections[1:], 1):
        if found is None:
            followed.coast(10.0 + k * dt)
        else:
            followed.see(found, 10.0 + k * dt)
    followed.set_scene(3, -1.5, 4.0)
    return dict(zip(TRACK_FEATURES, followed.features(), strict=True))


def test_features_of_a_needle_that_advances_pauses_and_is_not_seen(make):
    lengths = [*(10 + 0.4 * np.arange(20)), *[17.6] * 20]
    found = features_of([make(length) for length in lengths] + [None] * 4)
    assert found["age_s"] == pytest.approx(43 * 0.05)
    assert found["unseen_s"] == pytest.approx(4 * 0.05)
    assert found["seen_share"] == pytest.approx(39 / 43)
    assert found["advance_mm"] == pytest.approx(7.6, abs=0.5)
    assert found["range_mm"] == pytest.approx(7.6, abs=0.5)
    assert found["path_mm_s"] == pytest.approx(7.6 / 2.15, abs=0.4)
    assert found["across_jitter_mm"] < 0.05
    assert found["across_way_mm"] < 0.05
    assert (found["rivals"], found["rival_log_odds"], found["stream_s"]) == (3, -1.5, 4.0)
    assert found["log_odds"] < found["log_odds_fast"] < found["log_odds_slow"] < found["log_odds_most"]
    assert found["log_odds_most"] == pytest.approx(3)


def test_features_of_a_line_that_drifts_across(make):
    # 4 mm/s deeper at 30 degrees is 3.46 mm/s across the line.
    found = features_of([make(15, entry=(0.0, 5.0 + 0.2 * k)) for k in range(60)])
    assert found["across_speed_mm_s"] == pytest.approx(3.46, rel=0.1)
    assert found["across_way_mm"] == pytest.approx(59 * 0.2 * math.cos(math.radians(30)), rel=0.05)
    assert found["across_jitter_mm"] == pytest.approx(0.2 * math.cos(math.radians(30)), rel=0.1)
    assert found["turn_jitter_deg"] == pytest.approx(0, abs=1e-6)


def test_features_count_a_leap_as_no_movement(make):
    found = features_of([make(10)] * 10 + [make(25)] * 20)
    assert abs(found["advance_mm"]) < 3
    assert found["range_mm"] < 3
