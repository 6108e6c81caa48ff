"""Each warning is raised by what it warns of, says what was seen, and by nothing else."""

import math
from dataclasses import replace

import numpy as np
import pytest

import usguide as ug
from usguide.injectate.spread import SpreadMeasurer
from usguide.injectate.warnings import SpreadWarnings, WarningSettings, Watch, fluid_within_mm2

GEOMETRY = ug.ImageGeometry(0.25, 0.25)
AT = (20.0, 15.0)
SEEN = Watch(AT, 0.3, tip_measured=True)
RATE_HZ = 20
TWO_SECONDS = WarningSettings(no_spread_after_s=2.0)


def run(
    radius_mm, seconds, *, watch=SEEN, at=lambda _: AT, mark_s=None, warnings=None, start_s=0.0, onset_s=0.5, **options
):
    """Run fluid of a radius over time; return (time, warnings) of each frame."""
    measurer, warnings = SpreadMeasurer(), warnings or SpreadWarnings(TWO_SECONDS)
    if mark_s is not None:
        warnings.mark(mark_s)
    yy, xx = np.mgrid[:120, :160]
    said = []
    for k in range(round(seconds * RATE_HZ) + 1):
        t = start_s + k / RATE_HZ
        x, z = at(t)
        labels = (np.hypot(xx * 0.25 - x, yy * 0.25 - z) < radius_mm(t)).astype(np.int32)
        fluid = measurer.update(
            labels, GEOMETRY, timestamp_s=t, onsets_s={1: onset_s}, confidences={1: 0.9}, target=options.get("target")
        )
        look = watch(t) if callable(watch) else watch
        said.append((t, warnings.look(fluid, look, timestamp_s=t, **options)))
    return said


def first(said, code):
    """Return when a warning came first, and its words."""
    return next(((t, w) for t, ws in said for w in ws if w.startswith(code)), (math.inf, ""))


def never(_):
    return 0.0


def grows_from(t0, mm2_s=12.0):
    return lambda t: math.sqrt(max(0.0, t - t0) * mm2_s / math.pi)


def test_no_spread_is_said_after_its_time_with_what_was_watched():
    when, words = first(run(never, 4.0, mark_s=1.0), "no-spread:")
    assert when == pytest.approx(3.0, abs=0.06)
    assert "marked at 1.00 s" in words
    assert "watched for 2.0 s of them, 2.0 s with the tip seen" in words
    assert "vessel or out of plane" in words


def test_without_a_mark_nothing_is_missed():
    assert not any(ws for _, ws in run(never, 6.0))


def test_spread_in_time_gives_no_warning():
    assert not any(ws for _, ws in run(grows_from(1.5), 5.0, mark_s=1.2, onset_s=1.5))


def test_spread_that_comes_late_takes_the_warning_back():
    said = run(grows_from(3.5), 6.0, mark_s=1.0, onset_s=3.5)
    assert first(said, "no-spread:")[0] == pytest.approx(3.0, abs=0.06)
    assert not said[-1][1]


def test_a_second_injection_is_held_against_the_fluid_of_the_first():
    """5 mm2 lie there from before: a second injection that adds nothing is missed, one that adds more is not."""
    lies = math.sqrt(8 / math.pi)
    assert first(run(lambda _: lies, 6.0, mark_s=2.0), "no-spread:")[0] == pytest.approx(4.0, abs=0.06)
    more = run(lambda t: math.sqrt((8 + 6 * max(0.0, t - 2.5)) / math.pi), 6.0, mark_s=2.0)
    assert not any(ws for _, ws in more)


def test_a_second_mark_begins_anew():
    warnings = SpreadWarnings(TWO_SECONDS)
    assert not any(ws for _, ws in run(grows_from(0.5), 3.0, mark_s=0.4, warnings=warnings))
    lies = grows_from(0.5)(3.0)
    again = run(lambda _: lies, 4.0, mark_s=3.5, warnings=warnings, start_s=3.05)
    assert first(again, "no-spread:")[0] == pytest.approx(5.5, abs=0.06)


@pytest.mark.parametrize(
    "watch",
    [Watch(None), Watch(AT, tip_measured=True, comparable=False)],
    ids=["no-tip", "moving-picture"],
)
def test_what_was_not_watched_is_not_missed(watch):
    said = run(never, 8.0, mark_s=1.0, watch=watch)
    assert first(said, "no-spread:")[1] == ""
    when, words = first(said, "not-watched:")
    assert when == pytest.approx(5.0, abs=0.06)
    assert "is not known" in words
    assert "watched for 0.0 s" in words


def test_watching_adds_up_over_gaps():
    """The tip is in view every other half second: it takes twice as long."""
    said = run(never, 8.0, mark_s=1.0, watch=lambda t: SEEN if (t % 1.0) < 0.5 else Watch(None))
    assert 4.2 < first(said, "no-spread:")[0] < 5.1


def test_a_remembered_tip_is_watched_and_the_words_say_so():
    said = run(never, 4.0, mark_s=1.0, watch=Watch(AT, 0.5))
    assert "0.0 s with the tip seen" in first(said, "no-spread:")[1]


def test_time_that_stands_still_adds_nothing():
    warnings = SpreadWarnings(TWO_SECONDS)
    run(never, 1.0, mark_s=0.0, warnings=warnings)
    fluid = SpreadMeasurer().update(np.zeros((4, 4), int), GEOMETRY, timestamp_s=0, onsets_s={}, confidences={})
    for _ in range(200):
        assert warnings.look(fluid, SEEN, timestamp_s=1.0) == ()


def test_a_gap_in_the_stream_was_not_watched():
    """Two seconds are missing after the mark: the fluid has two more to come."""
    warnings = SpreadWarnings(TWO_SECONDS)
    assert not any(ws for _, ws in run(never, 1.0, mark_s=0.9, warnings=warnings))
    when, words = first(run(never, 4.0, warnings=warnings, start_s=3.0), "no-spread:")
    assert when == pytest.approx(4.9, abs=0.06)
    assert "watched for 2.0 s" in words


TARGET = ug.Target.disc((32.0, 15.0), 2.0)


def test_spread_that_runs_away_is_said():
    """It grows from beside the needle to the left, while the target lies to the right."""

    def radius(t):
        return math.sqrt((4 + 10 * t) / math.pi)

    def at(t):
        return (AT[0] - radius(t), AT[1])

    said = run(radius, 3.0, at=at, target=TARGET)
    when, words = first(said, "away-from-target:")
    assert 1.3 < when < 1.7
    assert "its edge stayed 10.1 mm" in words


@pytest.mark.parametrize(
    "at",
    [lambda t: (AT[0] + 2 * t, AT[1]), lambda _: AT, lambda t: (31.0 - 3 * t, 15.0)],
    ids=["towards", "all-round", "from-the-target"],
)
def test_spread_that_does_not_run_away_is_not_said_to(at):
    said = run(lambda t: math.sqrt((30 + 12 * t) / math.pi), 3.0, at=at, target=TARGET)
    assert first(said, "away-from-target:")[1] == ""


def test_fluid_that_only_moves_does_not_run_away():
    """The probe slides: the fluid moves over the picture, and grows not."""
    said = run(lambda _: 2.5, 3.0, at=lambda t: (AT[0] - 2 * t, AT[1]), target=TARGET)
    assert first(said, "away-from-target:")[1] == ""


def box(x0, z0, x1, z1):
    return ((x0, z0), (x1, z0), (x1, z1), (x0, z1))


def test_fluid_in_a_keep_out_is_said_by_name_and_size():
    """Half of a disc of 3 mm lies in the box."""
    said = run(lambda _: 3.0, 1.0, keep_out_mm={"pleura": box(10.0, 15.0, 30.0, 25.0)})
    when, words = first(said, "keep-out pleura:")
    assert when == pytest.approx(0.3, abs=0.06)
    assert float(words.split()[2]) == pytest.approx(0.5 * math.pi * 9, abs=0.9)
    assert not any(ws for _, ws in run(lambda _: 3.0, 1.0, keep_out_mm={"pleura": box(10.0, 19.0, 30.0, 25.0)}))


def test_a_keep_out_tells_doubt_from_certainty():
    labels = np.zeros((120, 160), np.int32)
    labels[40:60, 60:100] = 1
    probability = np.where(labels > 0, 0.6, 0.0).astype(np.float32)
    probability[:, 80:][labels[:, 80:] > 0] = 0.95
    fluid = SpreadMeasurer().update(
        labels, GEOMETRY, timestamp_s=0, onsets_s={1: 0.0}, confidences={1: 0.9}, probability=probability
    )
    within, sure = fluid_within_mm2(fluid, box(0.0, 0.0, 40.0, 30.0))
    assert within == pytest.approx(20 * 40 / 16)
    assert sure == pytest.approx(20 * 20 / 16)


def leaves_at(t0, *, by_mm=4.0, measured=True, sigma_mm=0.3):
    def watch(t):
        return Watch((AT[0] + (2.0 + by_mm if t >= t0 else 0.0), AT[1]), sigma_mm, tip_measured=measured)

    return watch


def test_a_tip_that_leaves_its_pool_is_said():
    said = run(lambda _: 2.0, 3.0, watch=leaves_at(1.0))
    when, words = first(said, "tip-outside:")
    assert when == pytest.approx(1.25, abs=0.06)
    assert "4.1 mm from the edge of pool 1" in words
    assert "0.3 mm" in words


@pytest.mark.parametrize(
    "watch",
    [
        leaves_at(9.0),
        leaves_at(1.0, by_mm=0.5),
        leaves_at(1.0, by_mm=1.5, sigma_mm=1.0),
        leaves_at(1.0, measured=False),
        leaves_at(0.0),
    ],
    ids=["stays", "at-the-edge", "place-unsure", "predicted", "never-in"],
)
def test_a_tip_that_may_be_in_its_pool_is_not_outside(watch):
    assert not any(ws for _, ws in run(lambda _: 2.0, 3.0, watch=watch))


def test_a_tip_that_left_long_ago_is_of_no_interest_unless_the_pool_grows():
    still = run(lambda _: 2.0, 9.0, watch=leaves_at(1.0))
    assert not still[-1][1]
    growing = run(lambda t: math.sqrt((10 + 3 * t) / math.pi), 9.0, watch=leaves_at(1.0, by_mm=8.0))
    assert "which still grows" in first(growing[-1:], "tip-outside:")[1]


def test_settings_move_the_limits():
    assert first(run(never, 5.0, mark_s=1.0, warnings=SpreadWarnings()), "no-spread:")[0] == pytest.approx(
        3.5, abs=0.06
    )
    quick = SpreadWarnings(WarningSettings(no_spread_after_s=0.5))
    assert first(run(never, 3.0, mark_s=1.0, warnings=quick), "no-spread:")[0] == pytest.approx(1.5, abs=0.06)


def test_a_reset_forgets_marks():
    warnings = SpreadWarnings(TWO_SECONDS)
    warnings.mark(0.5)
    warnings.reset()
    assert not any(ws for _, ws in run(never, 4.0, warnings=warnings))


def test_an_empty_outline_of_a_pool_is_outside_of_it():
    """A pool of another segmenter may come without outlines: that is no error."""
    fluid = SpreadMeasurer().update(
        np.ones((4, 4), int), GEOMETRY, timestamp_s=0, onsets_s={1: 0.0}, confidences={1: 0.9}
    )
    bare = replace(fluid, pools=(replace(fluid.pools[0], contours_mm=()),))
    assert SpreadWarnings(TWO_SECONDS).look(bare, SEEN, timestamp_s=0.0) == ()
