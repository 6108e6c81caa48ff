"""What counts as picture on the working grid: fans, turned pictures, black tissue, letters beside the picture."""

import cv2
import numpy as np
import pytest
from conftest import frame_of

from usguide.grid import to_working_grid

MM = 0.15


def valid_of(pixels):
    return to_working_grid(frame_of(pixels.astype(np.uint8), spacing_mm=(MM, MM)), MM).valid


def speckle(shape, seed=0):
    return np.random.default_rng(seed).integers(20, 160, shape)


def fan(shape=(240, 260)):
    """A curvilinear picture's outline: two straight sides, an arc above and one below."""
    i, j = np.indices(shape)
    x, z = j - shape[1] / 2, i + 60.0
    r, angle = np.hypot(x, z), np.degrees(np.arctan2(x, z))
    return (r > 80) & (r < 280) & (np.abs(angle) < 25)


def test_a_whole_picture_is_picture():
    assert valid_of(speckle((200, 220))).all()


def test_outside_a_fan_there_is_none_above_its_concave_top_neither():
    inside = fan()
    valid = valid_of(speckle(inside.shape) * inside)
    assert (valid == inside).mean() > 0.985
    assert not valid[2, 130]
    assert not valid[:, 2].any()


@pytest.mark.parametrize("degrees", [-10, 10])
def test_the_fill_of_a_turned_picture_is_none(degrees):
    matrix = cv2.getRotationMatrix2D((110, 100), degrees, 1.0)
    turned = [
        cv2.warpAffine(p.astype(np.uint8), matrix, (220, 200)) for p in (speckle((200, 220)), np.ones((200, 220)))
    ]
    assert (valid_of(turned[0]) == (turned[1] > 0)).mean() > 0.985


@pytest.mark.parametrize("mirrored", [False, True])
def test_black_tissue_at_the_side_is_picture_with_what_crosses_it(mirrored):
    pixels = speckle((200, 220))
    pixels[60:150, 150:] = 0
    line = np.zeros_like(pixels, dtype=np.uint8)
    cv2.line(line, (219, 70), (160, 140), 200, 3)
    pixels = np.maximum(pixels, line)
    valid = valid_of(pixels[:, ::-1] if mirrored else pixels)
    # At the very edge of a picture nothing is told of what is black.
    assert valid[:, 6:-6].all()


def test_without_contact_there_is_no_picture():
    pixels = speckle((200, 220))
    pixels[:, 180:] = 0
    valid = valid_of(pixels)
    assert valid[:, :178].all()
    assert not valid[:, 182:].any()


def test_letters_beside_a_fan_make_no_picture_of_what_lies_between():
    inside = fan()
    plain = valid_of(speckle(inside.shape) * inside)
    pixels = speckle(inside.shape) * inside
    pixels[8:14, 4:16] = 255
    lettered = valid_of(pixels)
    assert (plain != lettered).sum() <= 6 * 12


def test_a_black_frame_is_no_picture():
    assert not valid_of(np.zeros((100, 120))).any()
