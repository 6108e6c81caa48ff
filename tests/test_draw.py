"""Overlays show the right thing in the right place."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import frame_of

import usguide as ug
from usguide.draw import ORANGE, PURPLE, SKY_BLUE, YELLOW, draw_overlay
from usguide.guidance import guide_to


def result_of(
    state=ug.TrackState.TRACKING, entry=(2.0, 10.0), tip=(30.0, 26.0), target=None, cov=((0.2, 0.1), (0.1, 0.2))
):
    track = ug.NeedleTrack(1, state, ug.Shaft(entry, tip, 9), ug.Tip(tip, cov, 0.9), 1.0, 0.9, 1.0, 1.0, 0.0)
    tracks = () if state is ug.TrackState.SEARCHING else (track,)
    return ug.GuidanceResult(
        3,
        0.15,
        state,
        ug.InputState.OK,
        tracks,
        target=guide_to(ug.Target(target), track) if target and tracks else None,
    )


def share_of(image, colour, x, y, r=3):
    """How close the nearest pixel around (x, y) comes to a colour, as the largest channel difference."""
    patch = image[int(y) - r : int(y) + r + 1, int(x) - r : int(x) + r + 1].astype(int)
    return np.abs(patch - colour).max(axis=2).min()


@pytest.mark.parametrize("level", [0, 128, 255])
@pytest.mark.parametrize("spacing", [(0.05, 0.05), (0.05, 0.1)])
def test_the_shaft_lies_where_the_millimetres_say(level, spacing):
    shape = (round(32 / spacing[0]), round(40 / spacing[1]))
    image = draw_overlay(frame_of(np.full(shape, level, np.uint8), spacing_mm=spacing), result_of())
    scale = image.shape[0] / 32.0
    assert image.shape[1] / 40.0 == pytest.approx(scale, rel=0.01)
    for f in (0.2, 0.5, 0.8):
        x, z = 2 + f * 28, 10 + f * 16
        assert share_of(image, SKY_BLUE, x * scale, z * scale) < 40
    assert share_of(image, SKY_BLUE, 20 * scale, 10 * scale) > 60


def test_states_differ_in_colour_and_form():
    frame = frame_of(np.full((640, 800), 90, np.uint8), spacing_mm=(0.05, 0.05))
    pictures = {s: draw_overlay(frame, result_of(s)) for s in ug.TrackState}
    assert share_of(pictures[ug.TrackState.COASTING], ORANGE, 320, 360, r=30) < 40
    count = {s: (np.abs(p.astype(int) - 90).max(axis=2) > 30).sum() for s, p in pictures.items()}
    assert count[ug.TrackState.SEARCHING] < count[ug.TrackState.COASTING] < count[ug.TrackState.TRACKING]
    for state in (ug.TrackState.LOST, ug.TrackState.SEARCHING):
        assert share_of(pictures[state], SKY_BLUE, 320, 360, r=40) > 60


def test_an_uncertain_tip_has_a_larger_ellipse():
    frame = frame_of(np.zeros((640, 800), np.uint8), spacing_mm=(0.05, 0.05))
    sure, unsure = (draw_overlay(frame, result_of(cov=((v, 0), (0, v)))) for v in (0.1, 2.0))
    away = (30 / 0.05, 26 / 0.05 - np.sqrt(2.0 * 5.991) / 0.05)
    assert unsure[int(away[1]) - 3 : int(away[1]) + 4, int(away[0])].max() > 150
    assert sure[int(away[1]) - 3 : int(away[1]) + 4, int(away[0])].max() < 50


def test_the_target_is_marked():
    frame = frame_of(np.zeros((640, 800), np.uint8), spacing_mm=(0.05, 0.05))
    assert share_of(draw_overlay(frame, result_of(target=(36.0, 20.0))), PURPLE, 720, 400, r=8) < 60
    assert share_of(draw_overlay(frame, result_of()), PURPLE, 720, 400, r=8) > 100


def test_the_scale_bar_is_as_long_as_it_says():
    image = draw_overlay(
        frame_of(np.zeros((640, 800), np.uint8), spacing_mm=(0.05, 0.05)), result_of(ug.TrackState.SEARCHING)
    )
    unit = 640 / 600
    row = image[round(640 - 12 * unit), 400:].min(axis=1) > 200
    assert np.ptp(np.flatnonzero(row)) == pytest.approx(200, abs=4)


def test_what_surrounds_the_region_stays_out():
    pixels = np.zeros((700, 900), np.uint8)
    pixels[:50] = 255
    image = draw_overlay(
        frame_of(pixels, spacing_mm=(0.05, 0.05), region=(50, 100, 800, 560)), result_of(ug.TrackState.SEARCHING)
    )
    assert image.shape == (560, 800, 3)
    assert (image[200:400, 200:700] == 0).all()


@pytest.mark.parametrize(
    "pixels", [np.zeros((31, 57), np.uint8), np.zeros((40, 60, 3), np.uint8), np.full((40, 60), 9, np.uint16)]
)
def test_small_and_odd_pictures_become_readable(pixels):
    image = draw_overlay(frame_of(pixels), result_of(ug.TrackState.SEARCHING))
    assert image.dtype == np.uint8
    assert image.shape[0] >= 480
    assert image.shape[0] % 2 == image.shape[1] % 2 == 0


def test_the_frame_is_left_alone():
    pixels = np.full((500, 600), 50, np.uint8)
    draw_overlay(frame_of(pixels), result_of())
    assert (pixels == 50).all()


def away_from(image, level, x, y, r=3):
    """How far the pixels around (x, y) are from an even grey."""
    patch = image[int(y) - r : int(y) + r + 1, int(x) - r : int(x) + r + 1].astype(int)
    return np.abs(patch - level).max()


def at_mm(x, z):
    return x / 0.05, z / 0.05


GREY = frame_of(np.full((640, 800), 90, np.uint8), spacing_mm=(0.05, 0.05))


def coloured_share(image, colour, a_mm, b_mm):
    """Share of the points on a line from a to b that have a colour."""
    points = np.linspace(a_mm, b_mm, 400) / 0.05
    return np.mean([share_of(image, colour, x, y, r=1) < 40 for x, y in points])


def test_beyond_the_visible_end_the_shaft_is_dashed():
    tip, tiny = (30.0, 26.0), ((1e-4, 0), (0, 1e-4))
    distal = (16.0, 18.0)
    track = ug.NeedleTrack(
        1, ug.TrackState.TRACKING, ug.Shaft((2.0, 10.0), distal, 9), ug.Tip(tip, tiny, 0.9), 1.0, 0.9, 1.0, 1.0, 0.0
    )
    result = ug.GuidanceResult(0, 0.0, ug.TrackState.TRACKING, ug.InputState.OK, (track,))
    image = draw_overlay(GREY, result)
    assert coloured_share(image, SKY_BLUE, (3.0, 10.57), (15.0, 17.43)) > 0.98
    assert 0.3 < coloured_share(image, SKY_BLUE, (17.0, 18.57), (29.0, 25.43)) < 0.85


def test_the_way_ahead_ends_beside_the_target():
    # The target is 5 mm ahead and 2 mm off the line: the path leads on to its side, and no further.
    c, s = np.array([28.0, 16.0]) / np.hypot(28, 16)
    target = (30 + 5 * c + 2 * s, 26 + 5 * s - 2 * c)
    image = draw_overlay(GREY, result_of(target=target, cov=((1e-4, 0), (0, 1e-4))))
    assert coloured_share(image, SKY_BLUE, (30 + c, 26 + s), (30 + 4 * c, 26 + 4 * s)) > 0.3
    assert away_from(image, 90, *at_mm(30 + 7 * c, 26 + 7 * s), r=4) == 0


def test_a_needle_that_is_lost_says_nothing_of_where_it_was():
    result = result_of(ug.TrackState.LOST)
    guidance = ug.TargetGuidance((36.0, 20.0), distance_mm=8.5, along_mm=4.0)
    plain, lost = (draw_overlay(GREY, replace(result, target=t)) for t in (None, guidance))
    differs = np.argwhere((lost != plain).any(axis=2))
    assert np.abs(differs - [400, 720]).max() < 40, "only the target itself"


def test_an_invalid_frame_does_not_look_like_a_finding():
    seen = ug.GuidanceResult(3, 0.15, ug.TrackState.TRACKING, ug.InputState.OK)
    invalid = ug.GuidanceResult(3, 0.15, ug.TrackState.TRACKING, ug.InputState.INVALID)
    assert share_of(draw_overlay(GREY, seen), SKY_BLUE, 60, 20, r=12) < 60
    assert share_of(draw_overlay(GREY, invalid), SKY_BLUE, 60, 20, r=12) > 60


@pytest.mark.parametrize("spacing", [(0.05, 0.05), (0.05, 0.1), (0.1, 0.05)])
def test_the_ellipse_holds_95_percent_along_both_axes(spacing):
    shape = (round(32 / spacing[0]), round(40 / spacing[1]))
    variance = (1.0, 0.25)
    frame = frame_of(np.zeros(shape, np.uint8), spacing_mm=spacing)
    tip = (20.0, 16.0)
    image = draw_overlay(frame, result_of(entry=(4.0, 2.0), tip=tip, cov=((variance[0], 0), (0, variance[1]))))
    scale = image.shape[0] / 32
    for axis in (0, 1):
        for sign in (-1, 1):
            point = np.array(tip)
            point[axis] += sign * np.sqrt(5.991 * variance[axis])
            assert share_of(image, YELLOW, *(point * scale)) < 40


@pytest.mark.parametrize("level", [0, 128, 255])
def test_words_are_read_on_any_tissue(level):
    frame = frame_of(np.full((640, 800), level, np.uint8), spacing_mm=(0.05, 0.05))
    image = draw_overlay(frame, result_of()).astype(int)
    for words in (image[:70, :180], image[-40:, :200], image[-42:, -210:]):
        brightness = words.max(axis=2)
        assert np.percentile(brightness, 99.5) - np.median(brightness) > 120


@pytest.mark.parametrize("shape", [(16, 4000), (4000, 16), (2000, 5000)])
def test_slivers_do_not_become_giants(shape):
    image = draw_overlay(frame_of(np.zeros(shape, np.uint8)), result_of(ug.TrackState.SEARCHING))
    assert max(image.shape[:2]) <= max(4096, *shape)


def test_points_far_outside_do_no_harm():
    far = result_of(entry=(-1e7, -1e7), tip=(1e7, 3e7), target=(1e9, 1e9), cov=((1e9, 0), (0, 1e9)))
    assert draw_overlay(GREY, far).shape == (640, 800, 3)
