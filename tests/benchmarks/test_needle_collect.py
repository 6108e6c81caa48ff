"""What the needle's trees are fitted on: turned pictures and their truth lie on each other."""

import math

import cv2
import numpy as np
import pytest
from benchmark_scripts import loaded
from conftest import frame_of, needle_picture

import usguide as ug


@pytest.fixture(scope="module")
def collect():
    return loaded("needle/collect.py")


def grey_at(frame, points_mm):
    x, y = np.asarray(frame.geometry.to_px(points_mm), np.float32).T
    return cv2.remap(frame.pixels.astype(np.float32), x, y, cv2.INTER_LINEAR).ravel()


@pytest.mark.parametrize("spacing", [(0.1, 0.1), (0.08, 0.14)])
@pytest.mark.parametrize("degrees", [20.0, -20.0])
def test_a_turned_needle_lies_on_its_turned_truth(collect, degrees, spacing):
    pixels, entry, tip = needle_picture((8.0, 10.0), 15.0, 14.0, spacing_mm=spacing, brightness=180, width_mm=0.6)
    screen = np.zeros((pixels.shape[0] + 30, pixels.shape[1] + 50), np.uint8)
    screen[20 : 20 + pixels.shape[0], 40 : 40 + pixels.shape[1]] = pixels
    corner = np.array([40 * spacing[1], 20 * spacing[0]])
    shaft = np.linspace(np.add(entry, corner), np.add(tip, corner), 30)
    frame = frame_of(screen, spacing_mm=spacing, region=(40, 20, pixels.shape[1], pixels.shape[0]), index=3)
    turned = collect._turned(collect.Look(frame, 14.0, shaft), degrees)
    assert (turned.visible_mm, turned.frame.index, turned.frame.region) == (14.0, 3, None)
    found = turned.shaft_mm
    # Turned by that, in mm, and as long as it was.
    u, v = shaft[-1] - shaft[0], found[-1] - found[0]
    assert math.degrees(math.atan2(v[1], v[0]) - math.atan2(u[1], u[0])) == pytest.approx(degrees)
    assert np.linalg.norm(v) == pytest.approx(np.linalg.norm(u))
    # Bright on it, and at once dark beyond its tip and beside it.
    along, across = v / np.linalg.norm(v), np.array([-v[1], v[0]]) / np.linalg.norm(v)
    on = grey_at(turned.frame, found[1:-1])
    assert on.min() > 0.6 * 255 * collect.DIMMED
    for beside in (-1.2, 1.2):
        assert grey_at(turned.frame, found + beside * across).mean() < 0.6 * on.mean()
    beyond = found[-1] + np.linspace(0.5, 3.0, 10)[:, None] * along
    assert grey_at(turned.frame, beyond).mean() < 0.6 * on.mean()


def test_a_picture_without_a_needle_is_turned_and_dimmed(collect):
    pixels = np.full((200, 260), 100, np.uint8)
    turned = collect._turned(collect.Look(frame_of(pixels), 0.0, None), 30.0)
    assert turned.shaft_mm is None
    assert turned.frame.pixels[100, 130] == int(100 * collect.DIMMED)
    assert turned.frame.pixels[0, 0] == 0  # what the turn leaves empty is no picture
    assert pixels[100, 130] == 100


def test_a_line_is_the_needles_when_it_lies_on_it(collect):
    truth = np.linspace((0.0, 5.0), (20.0, 15.0), 20)

    def judged(entry, end):
        return collect._judged(truth, ug.Shaft(entry, end, 0.0))

    line, tip, turn = judged((0.2, 5.1), (19.0, 14.5))
    assert line
    assert tip == pytest.approx(math.dist((19.0, 14.5), (20.0, 15.0)))
    assert turn < 1
    # Beside it, turned, or the other way round it is not.
    assert not judged((0.0, 7.0), (20.0, 17.0))[0]
    assert not judged((0.0, 5.0), (20.0, 17.5))[0]
    assert not judged((20.0, 15.0), (0.0, 5.0))[0]
    assert collect._judged(None, ug.Shaft((0.0, 5.0), (20.0, 15.0), 0.0))[:2] == (False, math.inf)
