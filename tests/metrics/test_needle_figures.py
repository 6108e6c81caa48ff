"""Each figure of one sequence, by hand."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from needle_cases import INTERVAL_S, result, right_results, straight_truth

import usguide as ug
from usguide.metrics import score_needle

INF = math.inf
COASTING = ug.TrackState.COASTING


def bent_truth(*, radius_mm=30.0, turn_deg=60.0, points=61, mirror_mm=None):
    """A shaft on an arc about (0, 10 + radius): starts along the lateral axis and turns deeper."""
    a = np.radians(np.linspace(0, turn_deg, points))
    shaft = np.stack([radius_mm * np.sin(a), 10 + radius_mm * (1 - np.cos(a))], axis=-1)
    if mirror_mm is not None:
        shaft[:, 0] = mirror_mm - shaft[:, 0]
    return SimpleNamespace(
        tip_mm=shaft[None, -1],
        entry_mm=shaft[None, 0],
        visible_mm=np.array([radius_mm * a[-1]]),
        angle_deg=np.array([turn_deg / 2]),
        shaft_mm=shaft[None],
    )


def test_along_and_across_follow_the_bent_shaft_at_its_tip():
    """The chord of a 60 degree arc lies at 30 degrees, its tangent at the tip at 60."""
    truth = bent_truth()
    u = np.array([math.cos(math.radians(60)), math.sin(math.radians(60))])
    s = score_needle(truth, [result(0, truth.tip_mm[0] + 1.5 * u, entry=truth.entry_mm[0])])
    # The last step of 60 is a chord of 1 degree, half a degree flatter than the tangent.
    assert s.along_error_mm.mean == pytest.approx(1.5 * math.cos(math.radians(0.5)))
    assert s.across_error_mm.mean == pytest.approx(1.5 * math.sin(math.radians(0.5)))
    assert s.tip_error_mm.mean == pytest.approx(1.5)
    del truth.shaft_mm  # on the chord it would be 1.5 cos 30
    chord = score_needle(truth, [result(0, truth.tip_mm[0] + 1.5 * u, entry=truth.entry_mm[0])])
    assert chord.along_error_mm.mean == pytest.approx(1.5 * math.cos(math.radians(30)))
    assert chord.across_error_mm.mean == pytest.approx(1.5 * math.sin(math.radians(30)))


def test_the_chord_of_a_bent_shaft_has_no_angle_error_but_a_perpendicular_one():
    """Mean distance of an arc from its chord: r (sin h / h - cos h) with h half the turn."""
    truth = bent_truth(points=601)
    s = score_needle(truth, right_results(truth))
    h = math.radians(30)
    assert s.angle_error_deg.mean == pytest.approx(0, abs=1e-9)
    assert s.perpendicular_error_mm.mean == pytest.approx(30 * (math.sin(h) / h - math.cos(h)), rel=0.01)


def test_angle_and_perpendicular_error_of_a_straight_shaft():
    truth = straight_truth([20.0])
    beside = score_needle(truth, [result(0, (20, 12), entry=(0, 12))])
    assert beside.perpendicular_error_mm.mean == pytest.approx(2)  # parallel, 2 mm deeper
    assert beside.angle_error_deg.mean == pytest.approx(0)
    # Through the entry and 10 degrees steeper: sin 10 times 0 to 20 mm, 10 mm on average.
    tip = (20 * math.cos(math.radians(10)), 10 + 20 * math.sin(math.radians(10)))
    steeper = score_needle(truth, [result(0, tip)])
    assert steeper.angle_error_deg.mean == pytest.approx(10)
    assert steeper.perpendicular_error_mm.mean == pytest.approx(10 * math.sin(math.radians(10)))
    # The line counts, not where the report begins and ends.
    short = score_needle(truth, [result(0, (3, 10), entry=(2, 10))])
    assert short.perpendicular_error_mm.mean == pytest.approx(0)
    assert short.tip_error_mm.mean == pytest.approx(17)


def test_a_shaft_from_the_other_side_is_not_right_by_its_insertion_angle():
    """45 degrees from the left and 45 from the right have one insertion angle and lie 90 apart."""
    truth = straight_truth([20.0], angle_deg=45)
    tip = truth.tip_mm[0]
    s = score_needle(truth, [result(0, tip, entry=(2 * tip[0], 10))])
    assert s.angle_error_deg.mean == pytest.approx(90)
    backwards = score_needle(truth, [result(0, truth.entry_mm[0], entry=tip)])
    assert backwards.angle_error_deg.mean == pytest.approx(180)


def test_without_an_entry_the_insertion_angles_are_compared():
    truth = straight_truth([20.0], angle_deg=30)
    truth.entry_mm[:] = math.nan
    s = score_needle(truth, [result(0, truth.tip_mm[0], entry=(truth.tip_mm[0, 0] - 10, truth.tip_mm[0, 1]))])
    assert s.angle_error_deg.mean == pytest.approx(30)
    assert s.perpendicular_error_mm.count == s.along_error_mm.count == 0


def test_hit_rates_count_every_counted_frame():
    truth = straight_truth([20] * 5)
    runs = [result(k, (20 + off, 10)) for k, off in enumerate((0.5, 1.5, 2.5, 3.5))]
    s = score_needle(truth, runs)  # the fifth has no result
    assert (s.hit_rate_1_mm, s.hit_rate_2_mm, s.hit_rate_3_mm) == pytest.approx((1 / 5, 2 / 5, 3 / 5))
    assert s.recall == s.hit_rate_3_mm


def test_errors_over_all_counted_frames_hold_the_misses():
    truth = straight_truth([20] * 3)
    s = score_needle(truth, [result(0, (20, 12), entry=(0, 12)), result(1, (20, 10), state=COASTING)])
    for tracked, every in (
        (s.tip_error_mm, s.tip_error_all_mm),
        (s.angle_error_deg, s.angle_error_all_deg),
        (s.perpendicular_error_mm, s.perpendicular_error_all_mm),
    ):
        assert (tracked.count, tracked.misses) == (1, 0)
        assert (every.count, every.misses, every.median) == (3, 2, INF)


@pytest.mark.parametrize(("right", "good"), [(19, True), (18, False)])
def test_a_good_sequence_is_right_in_95_per_cent(right, good):
    truth = straight_truth([20] * 20)
    assert score_needle(truth, right_results(truth, range(right))).good is good


def test_false_alarms_are_runs_and_are_counted_by_the_minute():
    """60 needle-free frames at 0.1 s are 6 s. Alarms at 3, 4, 5; at 7; and at 59, on into the frames with a needle."""
    truth = straight_truth([0] * 60 + [20] * 4)
    on = [3, 4, 5, 7, 59, 60, 61]
    runs = [result(k, (20, 10) if k in on else None) for k in range(64)]
    runs[6] = result(6, (20, 10), state=COASTING)
    s = score_needle(truth, runs)
    assert (s.false_alarms, s.false_alarm_frames) == (3, 5)
    assert s.false_alarm_share == pytest.approx(5 / 60)
    assert s.needle_free_s == pytest.approx(6.0)
    assert s.false_alarms_per_min == pytest.approx(3 / (6 / 60))
    assert s.precision == pytest.approx(2 / 7)


def test_a_short_shaft_is_neither_needle_free_nor_counted():
    truth = straight_truth([3] * 4)
    s = score_needle(truth, [result(k, (40, 40)) for k in range(4)])
    assert (s.counted_frames, s.needle_free_frames, s.false_alarms, s.precision) == (0, 0, 0, None)
    assert (s.false_alarm_share, s.false_alarms_per_min, s.good) == (None, None, None)


def test_times_come_from_the_results_or_the_caller():
    truth = straight_truth([0] * 10)
    some = [result(k) for k in (2, 4, 5)]
    assert score_needle(truth, some).needle_free_s == pytest.approx(10 * INTERVAL_S)
    assert score_needle(truth, []).needle_free_s is None
    given = score_needle(truth, [], timestamps_s=np.arange(10) * 0.5)
    assert (given.needle_free_s, given.false_alarms_per_min) == pytest.approx((5.0, 0.0))
    still = score_needle(truth, [replace(r, timestamp_s=0.0) for r in some])
    assert still.needle_free_s is None  # pictures without time have no rate
    lone = score_needle(straight_truth([20] * 3), [result(1, (20, 10))])
    assert (lone.hits, lone.first_lock_s) == (1, None)


def test_first_lock_counts_from_the_first_counted_frame_seen_or_not():
    truth = straight_truth([0, 0, 3, 8, 9, 10, 11])
    right = right_results(truth, [5, 6])
    assert score_needle(truth, [result(0), result(2, (40, 40)), *right]).first_lock_s == pytest.approx(0.2)
    assert score_needle(truth, right).first_lock_s == pytest.approx(0.2)


def test_relock_by_hand():
    """Counted frames 0 to 9, 12 to 15 and 17 to 18. Hits at 2, 3, 6, 7, 8; 13, 14; none.

    The wait for the first lock is no re-lock. Lost at 4, back at 6: 0.2 s. Lost at 9, and the needle leaves: infinite.
    In plane again at 12, back at 13: 0.1 s. Lost at 15: infinite. Again at 17, never back: infinite.
    """
    visible = [20] * 10 + [0] * 2 + [20] * 4 + [2] + [20] * 2
    truth = straight_truth(visible)
    hits = [2, 3, 6, 7, 8, 13, 14]
    s = score_needle(truth, right_results(truth, hits), timestamps_s=np.arange(19) * 0.1)
    assert s.first_lock_s == pytest.approx(0.2)
    assert (s.relock_s.count, s.relock_s.misses) == (5, 3)
    assert s.relock_s.p25 == pytest.approx(0.2)  # place 1 of 0.1 0.2 and three infinite ones
    assert s.relock_s.median == INF


def test_a_lock_kept_over_an_absence_takes_no_time_and_one_never_lost_is_no_relock():
    truth = straight_truth([20] * 3 + [0] * 2 + [20] * 3)
    s = score_needle(truth, right_results(truth))
    assert (s.relock_s.count, s.relock_s.maximum) == (1, 0.0)
    assert score_needle(straight_truth([20] * 5), right_results(straight_truth([20] * 5))).relock_s.count == 0


def test_tracking_elsewhere_is_a_lost_lock_too():
    truth = straight_truth([20] * 4)
    runs = right_results(truth)
    runs[1] = result(1, (40, 40))
    assert score_needle(truth, runs).relock_s.mean == pytest.approx(0.1)


@pytest.mark.parametrize("angle_deg", [-20, 0, 35, 80])
def test_a_mirrored_recording_scores_the_same(angle_deg):
    rng = np.random.default_rng(4)
    truth = straight_truth([0] * 5 + list(np.linspace(6, 25, 30)), angle_deg=angle_deg, entry_mm=(0, 20))
    tips = np.nan_to_num(truth.tip_mm, nan=20.0) + rng.normal(0, 2, (35, 2))
    entries = rng.normal((0, 20), 1, (35, 2))

    def flip(points):
        return np.stack([40 - points[..., 0], points[..., 1]], axis=-1)

    mirrored = SimpleNamespace(
        tip_mm=flip(truth.tip_mm), entry_mm=flip(truth.entry_mm), visible_mm=truth.visible_mm, angle_deg=truth.angle_deg
    )
    scores = [
        score_needle(t, [result(k, tips_[k], entry=entries_[k]) for k in range(35)])
        for t, tips_, entries_ in ((truth, tips, entries), (mirrored, flip(tips), flip(entries)))
    ]
    assert 0 < scores[0].recall < 1
    for name in ("tip_error_mm", "along_error_mm", "across_error_mm", "angle_error_deg", "perpendicular_error_mm"):
        for figure in ("mean", "sd", "median", "p25", "p95"):
            a, b = (getattr(getattr(s, name), figure) for s in scores)
            assert a == pytest.approx(b, abs=1e-9), (name, figure)
    assert (scores[0].recall, scores[0].precision) == (scores[1].recall, scores[1].precision)


def test_a_bent_shaft_from_the_right_has_the_same_signs():
    for mirror_mm, sign in ((None, 1), (60.0, -1)):
        truth = bent_truth(mirror_mm=mirror_mm)
        deeper = np.array([-math.sin(math.radians(60)) * sign, math.cos(math.radians(60))])
        s = score_needle(truth, [result(0, truth.tip_mm[0] + deeper, entry=truth.entry_mm[0])])
        assert s.across_error_mm.mean == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("tip", [(math.nan, 10.0), (math.inf, 10.0)])
def test_a_report_that_is_no_point_is_a_miss_and_not_unknown(tip):
    truth = straight_truth([20.0, 20.0])
    s = score_needle(truth, [result(0, tip), result(1, (20, 10))])
    assert (s.recall, s.precision, s.tip_error_mm.misses, s.angle_error_deg.misses) == (0.5, 0.5, 1, 1)


def test_a_reported_shaft_without_length_has_no_direction():
    s = score_needle(straight_truth([20.0]), [result(0, (20, 10), entry=(20, 10))])
    assert (s.recall, s.angle_error_deg.misses, s.perpendicular_error_mm.misses) == (1, 1, 1)


def test_unknown_truth_is_not_judged():
    truth = straight_truth([20.0, 20.0, 20.0])
    truth.visible_mm[0] = truth.tip_mm[1] = math.nan
    s = score_needle(truth, [result(k, (20, 10)) for k in range(3)])
    assert (s.counted_frames, s.needle_free_frames, s.hits, s.precision) == (1, 0, 1, 1.0)


def test_a_run_that_was_stopped_is_scored_on_its_frames():
    truth = bent_truth()
    for name in ("tip_mm", "entry_mm", "visible_mm", "angle_deg", "shaft_mm"):
        setattr(truth, name, np.repeat(getattr(truth, name), 4, axis=0))
    assert score_needle(truth, right_results(truth, [0, 1])).recall == 0.5
    assert score_needle(truth, right_results(truth, [0, 1]), frames=2).recall == 1.0


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({"tip_mm": np.zeros((3, 2))}, {}, "truth.tip_mm: expected shape"),
        ({"entry_mm": np.zeros((2, 3))}, {}, "truth.entry_mm: expected shape"),
        ({"shaft_mm": np.zeros((2, 1, 2))}, {}, "truth.shaft_mm: expected shape"),
        ({}, {"timestamps_s": [0.0]}, "timestamps_s: expected 2"),
        ({}, {"timestamps_s": [0.0, math.nan]}, "timestamps_s: expected 2"),
        ({}, {"frames": 3}, "frames: expected 0 to 2"),
    ],
)
def test_truth_that_does_not_fit_is_refused(change, options, message):
    truth = straight_truth([20.0, 20.0])
    for name, value in change.items():
        setattr(truth, name, value)
    with pytest.raises(ug.InputError, match=message):
        score_needle(truth, [], **options)


def test_two_results_of_one_frame_are_refused():
    with pytest.raises(ug.InputError, match="two of index 1"):
        score_needle(straight_truth([20.0, 20.0]), [result(1), result(1)])


@pytest.mark.parametrize(
    ("hits", "expected"),
    [
        ([8], 0.3),  # 10 mm at frame 5, first hit at frame 8
        ([3, 8], 0.0),  # a hit before 10 mm: no wait
        ([5], 0.0),
        ([], INF),
    ],
)
def test_first_lock_is_timed_from_ten_millimetres_of_shaft(hits, expected):
    truth = straight_truth([0, 0, 6, 8, 9, 10, 12, 14, 16, 18])
    s = score_needle(truth, right_results(truth, hits), timestamps_s=np.arange(10) * 0.1)
    assert s.long_lock_s == pytest.approx(expected)


def test_first_lock_of_a_shaft_that_stays_short_or_has_no_times_is_unknown():
    short = straight_truth([0, 6, 9.9])
    assert score_needle(short, right_results(short)).long_lock_s is None
    one = straight_truth([20])
    assert score_needle(one, right_results(one)).long_lock_s == 0.0


def test_return_from_out_of_plane_by_hand():
    """Three gaps: out of plane, drawn back, out of plane again; the lock comes after 0.2 s, is not asked, never comes."""
    truth = straight_truth([20, 20, 2, 0, 20, 20, 20, 4, 20, 20, 1, 20, 20])
    truth.in_plane_fraction = np.array([1, 1, 0.4, 0, 1, 1, 1, 1, 1, 1, 0.1, 1, 1.0])
    s = score_needle(truth, right_results(truth, [0, 1, 6, 9]))
    assert (s.return_s.count, s.return_s.misses) == (2, 1)
    assert s.return_s.p25 == INF  # between 0.2 and a miss
    assert score_needle(truth, right_results(truth, [0, 1, 6, 9, 11])).return_s.maximum == pytest.approx(0.2)
    del truth.in_plane_fraction
    assert score_needle(truth, right_results(truth)).return_s.count == 0
