"""Bytes shrunk by area: the same means as OpenCV's, from sizes that fit and from those that do not."""

import cv2
import numpy as np
import pytest
from conftest import frame_of

from usguide._area import count_labels, shrink_bytes
from usguide.grid import to_working_grid

RNG = np.random.default_rng(3)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ((768, 1024), (256, 341)),
        ((90, 60), (30, 20)),
        ((50, 47), (23, 17)),
        ((40, 41), (40, 40)),
        ((9, 9), (9, 9)),
        ((80, 82), (40, 41)),
        ((61, 70), (40, 39)),
    ],
)
def test_the_means_are_those_of_the_covered_areas(old, new):
    pixels, out = RNG.integers(0, 256, old, dtype=np.uint8), np.empty(new, np.float32)
    shrink_bytes(pixels, out)
    expected = cv2.resize(pixels.astype(np.float64), new[::-1], interpolation=cv2.INTER_AREA)
    np.testing.assert_allclose(out, expected, atol=1e-3)
    # Nothing is lost: the mean of the means is the mean.
    assert out.mean() == pytest.approx(pixels.mean(), abs=0.01)


def test_an_even_picture_stays_even():
    out = np.empty((37, 53), np.float32)
    shrink_bytes(np.full((111, 160), 200, np.uint8), out)
    np.testing.assert_allclose(out, 200, atol=1e-3)


def test_labels_are_counted():
    labels = RNG.integers(0, 3, (40, 60)).repeat(5, axis=1).astype(np.int32)
    counts = np.zeros(4, np.int64)
    count_labels(labels, counts)
    np.testing.assert_array_equal(counts, np.bincount(labels.ravel(), minlength=4))


def test_bytes_and_floats_have_the_same_working_grid():
    pixels = RNG.integers(3, 256, (200, 300), dtype=np.uint8)
    fast = to_working_grid(frame_of(pixels), 0.15)
    slow = to_working_grid(frame_of(pixels.astype(np.float32), full_scale=255.0), 0.15)
    np.testing.assert_allclose(fast.grey, slow.grey, atol=1e-3)
    assert fast.geometry == slow.geometry
