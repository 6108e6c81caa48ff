"""Shafts on pictures with exact truth, turned, mirrored and rescaled."""

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest
from conftest import frame_of, needle_picture

import usguide as ug
from usguide.detection import DetectionSettings, DetectorSettings, LineDetector, SearchSettings, gather_evidence
from usguide.detection.detector import needle_forest
from usguide.errors import InputError


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
    # The halved grid falls differently on a mirrored picture of this width.
    assert right.angle_deg == pytest.approx(left.angle_deg, abs=0.25)
    # Log-odds: the search grid lies half a pixel elsewhere on the mirror image.
    assert right.score == pytest.approx(left.score, abs=0.5)


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
    grey, colour = (np.repeat(pixels[..., None], 3, axis=2) for _ in range(2))
    cv2.line(grey, (0, 60), (250, 200), (255, 255, 255), 8)
    cv2.line(colour, (0, 60), (250, 200), (0, 255, 255), 8)
    on_line = [
        max(
            (s.score for s in ug.detect_shafts(frame_of(picture)) if math.dist(s.distal_mm, (25, 20)) < 2),
            default=-math.inf,
        )
        for picture in (grey, colour)
    ]
    assert on_line[0] > -math.inf
    assert on_line[1] < on_line[0] - 2


@pytest.mark.parametrize("pixels", [np.zeros((200, 200), np.uint8), np.full((200, 200), 255, np.uint8)])
def test_an_empty_picture_has_no_needle(pixels):
    assert ug.detect_shafts(frame_of(pixels)) == ()


@pytest.mark.parametrize("seed", range(4))
def test_a_needle_is_likely_and_speckle_alone_is_not(seed):
    empty, _, _ = needle_picture(brightness=0, seed=seed)
    needle, _, _ = needle_picture(seed=seed)
    best = max((s.score for s in ug.detect_shafts(frame_of(empty))), default=-math.inf)
    # Scores are log-odds: 0 is even.
    assert best < 0 < ug.detect_shafts(frame_of(needle))[0].score


def test_candidates_are_ranked_and_differ():
    shafts = ug.detect_shafts(frame_of(needle_picture()[0]))
    assert [s.score for s in shafts] == sorted((s.score for s in shafts), reverse=True)
    for k, one in enumerate(shafts):
        for other in shafts[:k]:
            a, b = (np.subtract(s.distal_mm, s.entry_mm) / s.length_mm for s in (one, other))
            apart = math.degrees(math.acos(np.clip(a @ b, -1, 1)))
            assert apart > 2 or math.dist(one.distal_mm, other.distal_mm) > 0.8


@pytest.mark.parametrize("bend_per_mm", [-0.004, 0.004])
def test_a_bent_needle_keeps_its_tip_and_tells_its_bend(bend_per_mm):
    pixels, _, _ = needle_picture(brightness=0)
    along = np.linspace(0, 25, 400)
    off = 0.5 * bend_per_mm * along**2
    c, s = math.cos(math.radians(30)), math.sin(math.radians(30))
    x, z = along * c - off * s, 6 + along * s + off * c
    line = np.zeros(pixels.shape, np.float32)
    cv2.polylines(line, [np.rint(np.stack([x, z], axis=1) / 0.1 * 16).astype(np.int32)], False, 255, 6, cv2.LINE_AA, 4)
    bright = np.clip(pixels + 0.6 * cv2.GaussianBlur(line, (0, 0), 2), 0, 255).astype(np.uint8)
    shaft = ug.detect_shafts(frame_of(bright), prior=ug.InsertionPrior("left", (10, 60)))[0]
    assert math.dist(shaft.distal_mm, (x[-1], z[-1])) < 0.8
    assert shaft.curvature_per_mm == pytest.approx(bend_per_mm, abs=0.0015)


def test_an_expected_line_is_looked_at_whatever_else_is_found():
    pixels, entry, tip = needle_picture(brightness=40)
    evidence = gather_evidence(frame_of(pixels), DetectionSettings())
    # A search that finds nothing by itself.
    blind = SearchSettings(offset=0.6, high=1.0, least=1e6)
    detector = LineDetector(DetectorSettings(look=blind, new=blind, least_log_odds=-20.0))
    prior = ug.InsertionPrior("left", (15, 60))
    assert detector.detect(evidence, prior) == ()
    beside = ug.Shaft((entry[0], entry[1] + 0.3), (tip[0] - 1.0, tip[1]), 0.0)
    (found,) = detector.detect(evidence, prior, (beside,))
    assert math.dist(found.shaft.distal_mm, tip) < 0.8
    assert found.features is not None
    # Its profile says the same as its tip, and starts before its entry.
    way = found.end.step_mm * (int(np.argmax(found.end.log_likelihood[found.end.least :])) + found.end.least)
    assert math.dist(found.end.at_mm(way), tip) < 1.0


@pytest.mark.parametrize("most_expected", [0, 1])
def test_what_lies_where_a_needle_is_expected_is_read_whatever_the_trees_say(most_expected):
    pixels, entry, tip = needle_picture()
    evidence = gather_evidence(frame_of(pixels), DetectionSettings())
    trees = replace(needle_forest(alone=True), base=needle_forest(alone=True).base - 30.0)
    settings = DetectorSettings(most_expected=most_expected, least_read_log_odds=-40.0)
    detector, prior = LineDetector(settings, trees), ug.InsertionPrior("left", (15, 60))
    assert detector.detect(evidence, prior) == ()
    elsewhere = ug.Shaft((0.0, 25.0), (20.0, 30.0), 0.0)
    found = detector.detect(evidence, prior, (ug.Shaft(entry, tip, 0.0), elsewhere))
    assert [math.dist(d.shaft.distal_mm, tip) < 0.8 for d in found] == [True] * most_expected


@pytest.mark.parametrize(("entry_mm", "found"), [((0.0, 6.0), True), ((8.66, 11.0), True), ((0.0, 14.0), False)])
def test_a_known_entry_point_leaves_out_lines_that_pass_beside_it(entry_mm, found):
    pixels, _, tip = needle_picture()
    shafts = ug.detect_shafts(frame_of(pixels), prior=ug.InsertionPrior("left", (15, 60), entry_mm=entry_mm))
    assert any(math.dist(s.distal_mm, tip) < 0.6 for s in shafts) is found


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
    assert coarse[0] != ug.detect_shafts(frame_of(pixels))[0]


@pytest.mark.parametrize(
    ("name", "value", "least"),
    [("stream_stride_px", 0, 1), ("stream_stride_px", -1, 1), ("most_read", 0, 1), ("most_expected", -1, 0)],
)
def test_counts_too_small_are_refused(name, value, least):
    with pytest.raises(InputError, match=f"{name}: expected {least} or more, got {value}"):
        DetectorSettings(**{name: value})
