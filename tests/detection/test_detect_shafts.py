"""Shafts on pictures with exact truth, turned, mirrored and rescaled."""

import math

import cv2
import numpy as np
import pytest
from conftest import frame_of, needle_picture

import usguide as ug
from usguide.detection import DetectionSettings


def errors(shaft, tip, angle_deg):
    return math.dist(shaft.distal_mm, tip), abs(shaft.angle_deg - angle_deg)


@pytest.mark.parametrize("angle", [8, 20, 35, 50, 65])
@pytest.mark.parametrize("seed", [0, 1])
def test_angle_and_tip(angle, seed):
    length = min(25.0, 24.0 / math.sin(math.radians(angle)))
    pixels, entry, tip = needle_picture(angle_deg=angle, length_mm=length, entry_mm=(0.0, 4.0), seed=seed)
    shafts = ug.detect_shafts(frame_of(pixels), prior=ug.InsertionPrior("left", (5, 80)))
    tip_error, angle_error = errors(shafts[0], tip, angle)
    assert tip_error < 0.5
    assert angle_error < 0.5
    assert math.dist(shafts[0].entry_mm, entry) < 1.0


def test_the_mirror_image_gives_the_mirrored_answer():
    pixels, _, tip = needle_picture()
    width_mm = 0.1 * (pixels.shape[1] - 1)
    right = ug.detect_shafts(frame_of(pixels[:, ::-1]), prior=ug.InsertionPrior("right", (15, 60)))[0]
    left = ug.detect_shafts(frame_of(pixels), prior=ug.InsertionPrior("left", (15, 60)))[0]
    assert math.dist(right.distal_mm, (width_mm - tip[0], tip[1])) < 0.5
    assert right.angle_deg == pytest.approx(left.angle_deg, abs=0.1)
    assert right.score == pytest.approx(left.score, rel=0.02)


@pytest.mark.parametrize("turn", [-10, 10])
def test_a_turned_picture_gives_the_turned_answer(turn):
    pixels, _, tip = needle_picture()
    centre = ((pixels.shape[1] - 1) / 2, (pixels.shape[0] - 1) / 2)
    matrix = cv2.getRotationMatrix2D(centre, -turn, 1.0)
    turned = cv2.warpAffine(pixels, matrix, pixels.shape[::-1])
    new_tip = 0.1 * (matrix @ (tip[0] / 0.1, tip[1] / 0.1, 1.0))
    shaft = ug.detect_shafts(frame_of(turned), prior=ug.InsertionPrior("left", (5, 75)))[0]
    tip_error, angle_error = errors(shaft, new_tip, 30 + turn)
    assert tip_error < 0.5
    assert angle_error < 0.7


@pytest.mark.parametrize("spacing", [(0.1 / 0.7, 0.1 / 0.7), (0.1 / 1.4, 0.1 / 1.4), (0.06, 0.12), (0.15, 0.08)])
def test_spacing_changes_no_answer_in_mm(spacing):
    pixels, _, tip = needle_picture(spacing_mm=spacing)
    shaft = ug.detect_shafts(frame_of(pixels, spacing_mm=spacing), prior=ug.InsertionPrior("left", (15, 60)))[0]
    tip_error, angle_error = errors(shaft, tip, 30)
    assert tip_error < 0.6
    assert angle_error < 0.7


def test_a_region_changes_no_coordinate():
    pixels, _, tip = needle_picture()
    screen = np.zeros((500, 700), np.uint8)
    screen[100 : 100 + pixels.shape[0], 200 : 200 + pixels.shape[1]] = pixels
    region = (200, 100, pixels.shape[1], pixels.shape[0])
    shaft = ug.detect_shafts(frame_of(screen, region=region), prior=ug.InsertionPrior("left", (15, 60)))[0]
    assert math.dist(shaft.distal_mm, (tip[0] + 20.0, tip[1] + 10.0)) < 0.5


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float", "colour"])
def test_the_type_of_the_pixels_changes_no_answer(kind):
    pixels, _, _ = needle_picture()
    made = {
        "uint8": frame_of(pixels),
        "uint16": frame_of(pixels.astype(np.uint16) * 257),
        "float": frame_of(pixels / 255.0, full_scale=1.0),
        "colour": frame_of(np.repeat(pixels[..., None], 3, axis=2)),
    }[kind]
    shaft, plain = (ug.detect_shafts(f, prior=ug.InsertionPrior("left"))[0] for f in (made, frame_of(pixels)))
    assert math.dist(shaft.distal_mm, plain.distal_mm) < 0.01


def test_a_coloured_line_is_not_a_needle():
    pixels, _, _ = needle_picture(brightness=0)
    colour = np.repeat(pixels[..., None], 3, axis=2)
    cv2.line(colour, (0, 60), (250, 200), (0, 255, 255), 8)
    grey = np.repeat(pixels[..., None], 3, axis=2)
    cv2.line(grey, (0, 60), (250, 200), (255, 255, 255), 8)
    assert ug.detect_shafts(frame_of(grey))
    best = max((s.score for s in ug.detect_shafts(frame_of(colour))), default=0.0)
    assert best < 0.3 * ug.detect_shafts(frame_of(grey))[0].score


@pytest.mark.parametrize("pixels", [np.zeros((200, 200), np.uint8), np.full((200, 200), 255, np.uint8)])
def test_an_empty_picture_has_no_needle(pixels):
    assert ug.detect_shafts(frame_of(pixels)) == ()


def test_speckle_alone_scores_far_below_a_needle():
    for seed in range(3):
        empty, _, _ = needle_picture(brightness=0, seed=seed)
        needle, _, _ = needle_picture(seed=seed)
        best = max((s.score for s in ug.detect_shafts(frame_of(empty))), default=0.0)
        assert best < 4.0 < ug.detect_shafts(frame_of(needle))[0].score


def test_the_prior_chooses_between_two_lines():
    pixels, _, tip = needle_picture(angle_deg=30)
    other, _, _ = needle_picture(angle_deg=3, entry_mm=(0.0, 3.0), length_mm=36, brightness=180)
    both = np.maximum(pixels, other)
    shaft = ug.detect_shafts(frame_of(both), prior=ug.InsertionPrior("left", (15, 60)))[0]
    assert math.dist(shaft.distal_mm, tip) < 0.6
    flat = ug.detect_shafts(frame_of(both), prior=ug.InsertionPrior("left", (-5, 12)))[0]
    assert flat.angle_deg == pytest.approx(3, abs=1)


@pytest.mark.parametrize(
    ("size", "spacing", "message"),
    [((10, 200), 0.1, "at least 16"), ((200, 200), 0.001, "check the spacing"), ((200, 200), 5.0, "check the spacing")],
)
def test_a_frame_that_cannot_be_an_ultrasound_image(size, spacing, message):
    with pytest.raises(ug.InvalidFrameError, match=message):
        ug.detect_shafts(frame_of(np.zeros(size, np.uint8), spacing_mm=(spacing, spacing)))


def test_the_frame_is_left_alone():
    pixels, _, _ = needle_picture()
    before = pixels.copy()
    ug.detect_shafts(frame_of(pixels))
    np.testing.assert_array_equal(pixels, before)


def test_settings_reach_the_detector():
    pixels, _, _ = needle_picture()
    coarse = ug.detect_shafts(frame_of(pixels), settings=DetectionSettings(working_mm_per_px=0.3))
    assert coarse
    assert coarse[0].score != ug.detect_shafts(frame_of(pixels))[0].score
