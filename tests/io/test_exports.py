"""Exports say what the results say, in each format's own counting."""

import json

import numpy as np
import pytest
from needle_cases import result, straight_truth

import usguide as ug
from usguide.errors import FormatError
from usguide.io.exports import coco, markups, mot, read_records
from usguide.io.sinks import JsonlSink

SHAPE = (80, 200)
GEOMETRY = ug.ImageGeometry(0.5, 0.25)


@pytest.fixture
def records(tmp_path):
    """Frame 0 without a needle, 1 and 2 with: entry (0, 10) mm, tips at (20, 15) and (60, 15) mm, the last out of the frame."""
    sink = JsonlSink(tmp_path / "results.jsonl")
    for r in (result(0), result(1, (20.0, 15.0), confidence=0.5), result(2, (60.0, 15.0), confidence=0.75)):
        sink.write(ug.Frame(np.zeros(SHAPE, np.uint8), GEOMETRY, r.timestamp_s, r.index), r)
    sink.close()
    return read_records(tmp_path / "results.jsonl")


def test_coco_has_a_box_and_two_keypoints_a_needle(records):
    found = coco(records, SHAPE, "scan.mp4")
    assert [i["id"] for i in found["images"]] == [0, 1, 2]
    assert found["images"][1] == {
        "id": 1,
        "file_name": "scan_000001.png",
        "width": 200,
        "height": 80,
        "timestamp_s": 0.1,
    }
    first, second = found["annotations"]
    # 0.25 mm a column, 0.5 mm a row: entry (0, 20), tip (80, 30).
    assert first["keypoints"] == [0, 20, 2, 80, 30, 2]
    assert first["bbox"] == [0, 20, 80, 10]
    assert first["area"] == 800
    assert (first["image_id"], first["score"], first["category_id"]) == (1, 0.5, found["categories"][0]["id"])
    # The tip lies at column 240 of 200: the keypoint says so, the box ends with the frame.
    assert second["keypoints"][3] == 240
    assert second["bbox"] == [0, 20, 199, 10]
    assert len({a["id"] for a in found["annotations"]}) == 2
    json.dumps(found, allow_nan=False)


def test_mot_counts_from_one(records):
    assert mot(records, SHAPE).splitlines() == [
        "2,1,1.00,21.00,80.00,10.00,0.5000,-1,-1,-1",
        "3,1,1.00,21.00,199.00,10.00,0.7500,-1,-1,-1",
    ]


def test_markups_hold_the_tips_path_and_the_last_shaft_in_mm(records):
    tips, shaft = markups(records, "scan.mp4")["markups"]
    assert (tips["type"], shaft["type"], tips["coordinateSystem"]) == ("Curve", "Line", "LPS")
    assert [p["position"] for p in tips["controlPoints"]] == [[20, 15, 0], [60, 15, 0]]
    assert [p["position"] for p in shaft["controlPoints"]] == [[0, 10, 0], [60, 15, 0]]
    assert tips["controlPoints"][0]["label"].startswith("1: 0.100 s")


def test_nothing_found_is_a_valid_file(tmp_path):
    sink = JsonlSink(tmp_path / "r.jsonl")
    sink.write(ug.Frame(np.zeros(SHAPE, np.uint8), GEOMETRY), result(0))
    sink.close()
    records = read_records(tmp_path / "r.jsonl")
    assert coco(records, SHAPE, "a")["annotations"] == []
    assert mot(records, SHAPE) == ""
    assert [m["controlPoints"] for m in markups(records, "a")["markups"]] == [[]]


def test_a_needle_that_only_coasts_is_shown_and_a_lost_one_is_not(tmp_path):
    sink = JsonlSink(tmp_path / "r.jsonl")
    truth = straight_truth([10.0, 12.0])
    for k, state in enumerate((ug.TrackState.COASTING, ug.TrackState.LOST)):
        r = result(k, truth.tip_mm[k], state=state)
        sink.write(ug.Frame(np.zeros(SHAPE, np.uint8), GEOMETRY, r.timestamp_s, k), r)
    sink.close()
    assert [line.split(",")[0] for line in mot(read_records(tmp_path / "r.jsonl"), SHAPE).splitlines()] == ["1"]


@pytest.mark.parametrize(
    "line", ["no json", "[1]", '{"index": 0}', '{"index": 0, "other_tracks": 3}', '{"index": "0", "other_tracks": []}']
)
def test_what_are_no_results_is_said_with_its_line(tmp_path, line):
    (tmp_path / "results.jsonl").write_text(line + "\n")
    with pytest.raises(FormatError, match=r"results.jsonl: expected a record of one frame in line 1"):
        read_records(tmp_path / "results.jsonl")
    with pytest.raises(FormatError, match="expected the results of 'usguide track'"):
        read_records(tmp_path / "absent.jsonl")
