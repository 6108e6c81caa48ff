"""The injectate on overlays and in the plot: in the right place, in the right colour, and nothing that was not seen."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import frame_of

import usguide as ug
from usguide.draw import SpreadTrail, draw_overlay
from usguide.draw.colours import PURPLE, TIME_COLOURS, VERMILION
from usguide.draw.plot import (
    BLUE,
    GREEN,
    LEFT_PX,
    PANEL_PX,
    RED,
    RIGHT_PX,
    TOP_PX,
    WIDTH_PX,
    SpreadSeries,
    draw_spread_plot,
)
from usguide.draw.spread import MOST_MOMENTS, warning_words

GEOMETRY = ug.ImageGeometry(0.05, 0.05)
FRAME = frame_of(np.zeros((640, 800), np.uint8), spacing_mm=(0.05, 0.05))


def square(half_mm, centre=(20.0, 20.0)):
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], float)
    return np.asarray(centre) + half_mm * corners


def fluid(half_mm=5.0, **options):
    known = {"confidence": 0.9, "onset_s": 1.0} | options
    area = 4 * half_mm**2
    return ug.Injectate(
        (),
        np.zeros((4, 4), bool),
        GEOMETRY,
        (square(half_mm),) if half_mm else (),
        area,
        (20.0, 20.0),
        (2 * half_mm, half_mm),
        rate_mm2_s=None,
        **known,
    )


def result(injectate, time_s=0.0, **options):
    return ug.GuidanceResult(0, time_s, ug.TrackState.SEARCHING, ug.InputState.OK, injectate=injectate, **options)


def near(image, colour, x_mm, z_mm, r=3):
    x, y = round(x_mm * 20), round(z_mm * 20)
    return np.abs(image[y - r : y + r + 1, x - r : x + r + 1].astype(int) - colour).max(axis=2).min()


def test_outlines_are_coloured_by_time():
    trail = SpreadTrail()
    for k in range(5):
        picture = draw_overlay(FRAME, result(fluid(1.0 + k), time_s=k), trail)
    # At the right edges of the first, the middle and the last one.
    assert near(picture, TIME_COLOURS[0], 21.0, 20.0) < 30
    assert near(picture, TIME_COLOURS[3], 23.0, 20.0) < 30
    assert near(picture, TIME_COLOURS[-1], 25.0, 20.0) < 30
    assert near(picture, TIME_COLOURS[-1], 26.5, 20.0) > 100


def test_without_a_trail_only_that_of_now_is_drawn():
    picture = draw_overlay(FRAME, result(fluid(3.0)))
    assert near(picture, TIME_COLOURS[-1], 23.0, 20.0) < 30
    assert draw_overlay(FRAME, result(None)).sum() < picture.sum()


def test_an_unsure_outline_is_broken():
    sure, unsure = (draw_overlay(FRAME, result(fluid(3.0, confidence=c))) for c in (0.9, 0.2))
    turn = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    circle = np.stack([20 + 5 * np.cos(turn), 20 + 5 * np.sin(turn)], axis=-1)
    round_sure, round_unsure = (
        draw_overlay(FRAME, result(replace(fluid(5.0, confidence=c), contours_mm=(circle,)))) for c in (0.9, 0.2)
    )
    drawn = [sum(near(p, TIME_COLOURS[-1], *point, r=1) < 60 for point in circle) for p in (round_sure, round_unsure)]
    assert drawn[0] == 200
    assert 60 < drawn[1] < 160
    assert not np.array_equal(sure, unsure)


def test_a_trail_stays_short_and_even():
    trail = SpreadTrail()
    for k in range(4000):
        moments = trail.add(result(fluid(), time_s=k / 20))
    times = np.array([t for t, _ in moments])
    assert len(times) <= MOST_MOMENTS + 1
    steps = np.diff(times[:-1])
    np.testing.assert_allclose(steps, steps[0])
    assert times[0] == 0.0
    assert trail.add(result(fluid(), time_s=1.0))[0][0] == 1.0, "time ran back: it begins anew"


def test_a_trail_moves_with_the_tissue():
    """0.5 mm to the right with every frame, and turned by a right angle once."""
    slide = np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.0]])
    trail = SpreadTrail()
    for k in range(5):
        moments = trail.add(result(fluid(tissue_motion=slide if k else None), time_s=k))
    np.testing.assert_allclose(moments[0][1][0], square(5.0, (22.0, 20.0)))
    np.testing.assert_allclose(moments[-1][1][0], square(5.0))
    turn = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0]])
    moments = trail.add(result(fluid(tissue_motion=turn), time_s=5.0))
    x, z = square(5.0, (22.0, 20.0)).T
    np.testing.assert_allclose(moments[0][1][0], np.stack([-z, x], axis=-1))


def test_no_fluid_has_no_trail():
    trail = SpreadTrail()
    trail.add(result(fluid(), time_s=0.0))
    assert trail.add(result(fluid(0.0), time_s=1.0)) == []
    assert trail.add(result(None, time_s=2.0)) == []


def test_target_and_keep_out_have_their_outlines():
    target = ug.TargetGuidance((10.0, 20.0), outline_mm=ug.Target.disc((10.0, 20.0), 4.0).outline_mm)
    out = {"vessel": tuple(map(tuple, square(4.0, (30.0, 20.0))))}
    picture = draw_overlay(FRAME, result(None, target=target, keep_out_mm=out))
    assert near(picture, PURPLE, 14.0, 20.0) < 60
    assert near(picture, VERMILION, 34.0, 20.0) < 60
    inside = picture[(17 * 20) : (23 * 20), (27 * 20) : (33 * 20)]
    hatched = (np.abs(inside.astype(int) - VERMILION).max(axis=2) < 20).mean()
    assert 0.03 < hatched < 0.5


def test_a_keep_out_beyond_the_picture_is_no_error():
    out = {"bone": tuple(map(tuple, square(30.0, (90.0, 90.0))))}
    assert draw_overlay(FRAME, result(None, keep_out_mm=out)).shape == (640, 800, 3)


@pytest.mark.parametrize(
    ("warning", "words"),
    [
        ("no-spread: no 1 mm2 in 2.0 s", "NO SPREAD SEEN"),
        ("keep-out left vessel: 2.0 mm2", "INJECTATE IN LEFT VESSEL"),
        ("something-new: of another segmenter", "SOMETHING-NEW"),
    ],
)
def test_warnings_are_a_few_words_on_the_picture(warning, words):
    assert warning_words(warning) == words
    plain, warned = (draw_overlay(FRAME, result(fluid(warnings=w))) for w in ((), (warning,)))
    red = [(np.abs(p[:250, :400].astype(int) - VERMILION).max(axis=2) < 30).sum() for p in (plain, warned)]
    assert red[0] == 0
    assert red[1] > 30


def series_of(areas, **options):
    series = SpreadSeries()
    for k, area in enumerate(areas):
        events = ("injection marked at 1.5 s",) if k == 30 else ()
        series.add(result(replace(fluid(3.0, onset_s=2.0), area_mm2=area, **options), time_s=k / 20, events=events))
    return series


def test_the_plot_shows_the_areas_where_they_are():
    picture = draw_spread_plot(series_of(np.linspace(0, 40, 101)))
    wide = WIDTH_PX - LEFT_PX - RIGHT_PX
    for share in (0.25, 0.5, 0.9):
        x = round(LEFT_PX + share * wide)
        y = np.flatnonzero(np.abs(picture[TOP_PX : TOP_PX + PANEL_PX, x].astype(int) - BLUE).max(axis=1) < 40)
        assert y.mean() == pytest.approx(PANEL_PX * (1 - share), abs=2)


def test_the_plot_marks_onset_injection_and_warnings():
    warned = draw_spread_plot(series_of(np.linspace(0, 40, 101), warnings=("no-spread: none",)))
    wide = WIDTH_PX - LEFT_PX - RIGHT_PX

    def count(picture, colour, time_s):
        x = round(LEFT_PX + time_s / 5 * wide)
        return (np.abs(picture[:, x - 2 : x + 3].astype(int) - colour).max(axis=2) < 30).any(axis=1).sum()

    assert count(warned, GREEN, 2.0) > 300
    assert 100 < count(warned, RED, 1.5) < 500
    assert count(warned, GREEN, 3.0) == 0
    plain = draw_spread_plot(series_of(np.linspace(0, 40, 101)))
    assert warned.shape[0] > plain.shape[0]
    assert count(warned, RED, 4.5) > count(plain, RED, 4.5) + 8


def test_a_long_run_is_thinned(monkeypatch):
    monkeypatch.setattr("usguide.draw.plot.MOST_ROWS", 100)
    series = series_of(np.linspace(0, 40, 1001), warnings=("no-spread: none",))
    assert 50 <= len(series.rows) <= 101
    times = np.array(series.rows)[:, 0]
    np.testing.assert_allclose(np.diff(times), np.diff(times)[0])
    assert times[-1] == pytest.approx(50, abs=1)
    assert len(series.warnings["NO SPREAD SEEN"]) <= 101
    assert series.marks_s == [1.5]


def test_a_plot_of_nothing_is_a_plot():
    assert draw_spread_plot(SpreadSeries()).shape[1] == WIDTH_PX
    assert draw_spread_plot(series_of([0.0])).shape[1] == WIDTH_PX


def test_the_way_around_the_target_has_panels_of_its_own():
    around = ug.TargetSpread(2.0, 0.1, 200.0, 5.0)
    bare, more = draw_spread_plot(series_of([1.0] * 40)), draw_spread_plot(series_of([1.0] * 40, around_target=around))
    assert more.shape[0] > bare.shape[0] + 2 * PANEL_PX
    point = draw_spread_plot(series_of([1.0] * 40, around_target=ug.TargetSpread(2.0)))
    assert point.shape[0] == more.shape[0] - (more.shape[0] - bare.shape[0]) // 2
