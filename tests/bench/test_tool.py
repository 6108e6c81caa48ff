"""The catheter's scores on frames made by hand: walls, visible end, share of frames."""

import math

import numpy as np
import pytest
from needle_cases import result

import usguide as ug
from usguide.bench import Recorded
from usguide.bench.recordings_suite import CATHETER, CATHETER_BY_EYE
from usguide.bench.sequences import Tool
from usguide.bench.tool import on_a_wall, score_tool
from usguide.errors import InputError
from usguide.geometry import ImageGeometry
from usguide.types import Shaft

GEOMETRY = ImageGeometry(0.5, 0.5)
WALL = (((100, 40), (200, 50)), ((100, 60), (200, 70)))
TOOL = Tool(judged_from=2, walls=(WALL,))


def shaft(*points_px):
    (a, b) = (tuple(float(v) for v in GEOMETRY.to_mm(p)) for p in points_px)
    return Shaft(a, b, 1.0)


@pytest.mark.parametrize(
    ("ends_px", "expected"),
    [
        (((100, 50), (200, 60)), True),  # along its middle
        (((0, 50), (200, 60)), True),  # only what lies beside a known wall counts
        (((100, 90), (200, 90)), False),
        (((100, 80), (200, 40)), False),  # crosses it: inside from column 140 to 180
        (((100, 66), (200, 46)), True),  # inside from column 120 to 186.7: two thirds
        (((0, 50), (90, 50)), False),  # no wall is known there
    ],
)
def test_a_wall_is_taken_for_it_when_more_than_half_lies_on_it(ends_px, expected):
    assert on_a_wall(shaft(*ends_px), TOOL, GEOMETRY) is expected


def test_counted_by_hand():
    """Of frames 2 to 6: one tracked 2.5 mm off, one on the wall, one coasting, one tracked and not read, one nothing."""
    free, wall = ((50, 90), (150, 90)), ((100, 50), (190, 58))

    def found(index, ends, state=ug.TrackState.TRACKING):
        entry, distal = (GEOMETRY.to_mm(p) for p in ends)
        return result(index, tuple(map(float, distal)), entry=tuple(map(float, entry)), state=state)

    results = [
        found(1, wall),  # before it is judged
        found(2, free),
        found(3, wall),
        found(4, free, ug.TrackState.COASTING),
        found(5, free),
    ]
    by_eye = {1: ((0, 0), None), 2: ((153, 94), None), 3: ((190, 98), None), 4: ((150, 90), None)}
    s = score_tool(Recorded((), by_eye=by_eye, tool=TOOL), GEOMETRY, results, 7)
    assert (s.frames, s.tracked_frames, s.wall_frames) == (5, 2, 1)
    assert s.end_errors_mm == (pytest.approx(2.5), pytest.approx(20.0), math.inf)
    with pytest.raises(InputError, match="expected a recording with a tool"):
        score_tool(Recorded((), by_eye=by_eye), GEOMETRY, results, 7)


def test_the_catheter_as_read_is_on_neither_wall_and_the_walls_are():
    geometry = ImageGeometry(0.256, 0.256)
    for name, (x, y) in CATHETER_BY_EYE.items():
        if int(name[:6]) < CATHETER.judged_from:
            continue
        for start in (120, 250):
            ends = (start, y + (x - start) * math.tan(math.radians(18))), (x, y)
            a, b = (tuple(float(v) for v in geometry.to_mm(p)) for p in ends)
            assert not on_a_wall(Shaft(a, b, 1.0), CATHETER, geometry), (name, start)
    for upper, lower in CATHETER.walls:
        middle = (np.array(upper) + np.array(lower)) / 2
        a, b = (tuple(float(v) for v in geometry.to_mm(p)) for p in middle[[0, 4]])
        assert on_a_wall(Shaft(a, b, 1.0), CATHETER, geometry)
