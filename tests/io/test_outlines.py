"""Outlines from files of other programs."""

import json

import pytest

from usguide.errors import FormatError
from usguide.io.outlines import read_outline

TRIANGLE = ((1.0, 2.0), (5.0, 2.0), (3.0, 6.0))


def test_a_list_of_points(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(TRIANGLE))
    assert read_outline(path) == TRIANGLE


@pytest.mark.parametrize(("system", "sign"), [("LPS", 1), ("RAS", -1), (None, 1)])
def test_a_closed_curve_of_3d_slicer(tmp_path, system, sign):
    curve = {"type": "ClosedCurve", "controlPoints": [{"position": [sign * x, sign * z, 4.0]} for x, z in TRIANGLE]}
    path = tmp_path / "a.mrk.json"
    path.write_text(json.dumps({"markups": [curve | ({"coordinateSystem": system} if system else {})]}))
    assert read_outline(path) == TRIANGLE


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "[[1, 2]]",
        "[[0, 0], [1, 1], [2, 2]]",
        '{"markups": []}',
        '"outline"',
        "[[1, 2], [3]]",
        "[" * 2000,
    ],
)
def test_what_is_no_outline_is_one_line(tmp_path, text):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(FormatError, match=r"^a\.json: .*expected"):
        read_outline(path)
    with pytest.raises(FormatError, match="expected an outline, got"):
        read_outline(tmp_path / "nothing.json")
