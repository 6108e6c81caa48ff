"""Lines that could be taken for the needle: counted where they are, and only there."""

import numpy as np
import pytest
from conftest import needle_picture

import usguide as ug
from usguide.bench.hardness import count_distractors, line_response, needle_response

GEOMETRY = ug.ImageGeometry(0.1, 0.1)


def picture(*lines):
    """Needle at 30 degrees, and horizontal lines of (depth, length, brightness) in mm."""
    pixels, entry, tip = needle_picture(entry_mm=(0.0, 5.0), length_mm=22.0, brightness=120.0)
    for depth, length, brightness in lines:
        pixels = np.maximum(
            pixels, needle_picture(entry_mm=(0.0, depth), angle_deg=0.0, length_mm=length, brightness=brightness)[0]
        )
    return pixels, np.linspace(entry, tip, 33)


@pytest.mark.parametrize(
    ("lines", "count"),
    [
        ((), 0),
        (((24.0, 15.0, 120.0), (27.0, 20.0, 120.0), (30.0, 16.0, 120.0)), 3),
        (((24.0, 6.0, 120.0),), 0),  # too short
        (((24.0, 20.0, 35.0),), 0),  # too dim beside the needle
    ],
)
def test_counts_long_bright_lines(lines, count):
    pixels, shaft = picture(*lines)
    assert count_distractors(pixels, GEOMETRY, shaft) == count


def test_without_a_needle_a_usual_one_is_the_measure():
    pixels, _, _ = needle_picture(angle_deg=0.0, entry_mm=(4.0, 20.0), brightness=120.0)
    assert count_distractors(pixels, GEOMETRY, None) == 1
    assert count_distractors(np.zeros_like(pixels) + 60, GEOMETRY, None) == 0


def test_the_needles_response_is_read_along_it():
    pixels, shaft = picture()
    response = line_response(pixels, GEOMETRY)
    on, off = needle_response(response, GEOMETRY, shaft), needle_response(response, GEOMETRY, np.add(shaft, (0.0, 4.0)))
    assert on > 4 * off
    assert np.isnan(needle_response(response, GEOMETRY, np.full((3, 2), np.nan)))
