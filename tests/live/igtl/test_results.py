"""What is said of a result: positions are those of an independent computation, and nothing old is said as new."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from igtl_cases import picture, turned_matrix, wait_until

import usguide as ug
from usguide.draw import draw_overlay as ug_draw
from usguide.geometry import ImageGeometry
from usguide.io.sinks.tables import result_record
from usguide.live import igtl
from usguide.types import TargetGuidance

ENTRY, DISTAL, TIP = (1.0, 2.0), (6.0, 5.0), (8.0, 6.2)
GEOMETRY = ImageGeometry(0.1, 0.25)


def frame(*, pose=True, geometry=GEOMETRY, **options):
    transforms = {igtl.IMAGE_POSE: turned_matrix()} if pose else {}
    return ug.Frame(picture(120, 64), geometry, 1000.5, 7, transforms=transforms, **options)


def result(state="TRACKING", input_state="OK", tracks=1, **options):
    track = ug.NeedleTrack(
        1,
        ug.TrackState(state),
        ug.Shaft(ENTRY, DISTAL, 5.0),
        ug.Tip(TIP, ((0.04, 0.0), (0.0, 0.01)), 0.9),
        3.0,
        0.9,
        1.0,
        2.0,
        0.0,
    )
    return ug.GuidanceResult(7, 1000.5, ug.TrackState(state), ug.InputState(input_state), (track,) * tracks, **options)


def pool():
    return ug.Pool(1, 1.0, 4.0, 0.1, 8.0, (5.0, 5.0), (2.0, 2.0), 0.0, (), 0.8)


def injectate(*outlines):
    return ug.Injectate(
        (pool(),), np.ones((4, 4), bool), GEOMETRY, outlines, 4.0, (5.0, 5.0), (2.0, 2.0), 1.0, 0.5, 0.8
    )


def told(f, r, **options):
    """Decode what is sent, by device name."""
    found = [igtl.decode(m) for m in igtl.result_messages(f, r, **options)]
    assert len({m.device for m in found}) == len(found)
    return {m.device: m for m in found}


def by_hand(x_mm, z_mm):
    """Millimetres to px, px through the matrix, all written out."""
    m, x, y = turned_matrix(), x_mm / 0.25, z_mm / 0.1
    return [m[k, 0] * x + m[k, 1] * y + m[k, 3] for k in range(3)]


def test_tip_is_the_image_matrix_times_the_point():
    pose = told(frame(), result())["NeedleTip"].content.matrix
    np.testing.assert_allclose(pose[:3, 3], by_hand(*TIP), atol=1e-5)
    forward = np.subtract(by_hand(*TIP), by_hand(*ENTRY))
    np.testing.assert_allclose(pose[:3, 2], forward / np.linalg.norm(forward), atol=1e-5)
    np.testing.assert_allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-5)
    assert np.linalg.det(pose[:3, :3]) == pytest.approx(1.0, abs=1e-5)
    assert abs(pose[:3, 1] @ turned_matrix()[:3, 0]) < 1e-5, "y is not the normal of the picture"


def test_an_origin_of_the_geometry_is_not_added_twice():
    """A cropped frame: its pixel (10, 20) is the same place as (0, 0) was, and the message's matrix speaks of pixels."""
    shifted = ImageGeometry(0.1, 0.25, origin_mm=(2.0, -1.0))
    f = frame(geometry=shifted)
    np.testing.assert_allclose(igtl.ras_of(f, (2.0, -1.0)), turned_matrix()[:3, 3])


def test_without_a_pose_lateral_is_r_and_axial_is_a():
    f = frame(pose=False, geometry=ImageGeometry(0.1, 0.25, origin_mm=(2.0, -1.0)))
    np.testing.assert_allclose(igtl.ras_of(f, (3.0, 4.0)), (3.0, 4.0, 0.0))
    np.testing.assert_allclose(igtl.image_pose(f) @ (10, 20, 0, 1), (4.5, 1.0, 0, 1))


def test_points_lines_and_outlines():
    square = np.array([[1.0, 1.0], [3.0, 1.0], [3.0, 2.0]])
    r = result(injectate=injectate(square, square + 4, np.zeros((0, 2))), target=TargetGuidance((9.0, 9.0)))
    said = told(frame(), r)
    points = {p.name: p for p in said["NeedlePoints"].content.points}
    assert list(points) == ["Entry", "Distal", "Tip", "Target"]
    for name, at_mm in (("Entry", ENTRY), ("Distal", DISTAL), ("Tip", TIP), ("Target", (9.0, 9.0))):
        np.testing.assert_allclose(points[name].position_mm, by_hand(*at_mm), atol=1e-5)
    assert points["Tip"].group == "TRACKING"
    assert points["Tip"].diameter_mm == pytest.approx(2 * 0.2 * 2.448, rel=1e-5)
    shaft = said["NeedleShaft"].content
    np.testing.assert_allclose(shaft.points_mm, [by_hand(*p) for p in (ENTRY, DISTAL, TIP)], atol=1e-5)
    assert [c.tolist() for c in shaft.lines] == [[0, 1], [1, 2]]
    outline = said["Injectate"].content
    assert [c.tolist() for c in outline.lines] == [[0, 1, 2, 0], [3, 4, 5, 3]]
    np.testing.assert_allclose(outline.points_mm[4], by_hand(7.0, 5.0), atol=1e-5)


def test_the_status_names_the_warnings_of_the_injectate():
    warned = replace(injectate(), warnings=("no-spread: none in 2.0 s", "keep-out vessel: 2.0 mm2"))
    assert told(frame(), result(injectate=warned))["NeedleStatus"].content.text.endswith(
        "injectate 4.0 mm2, warning no-spread, warning keep-out vessel"
    )


def test_measures_are_the_line_of_results_jsonl():
    f, r = frame(), result(injectate=injectate())
    assert json.loads(told(f, r)["NeedleMeasures"].content.text) == result_record(f, r)


def test_measures_too_long_for_a_message_lose_what_is_least():
    r = result(injectate=replace(injectate(), pools=(pool(),) * 1000))
    record = json.loads(told(frame(), r)["NeedleMeasures"].content.text)
    assert record["injectate"]["pools"] == []
    assert record["tip"]["position_mm"] == list(TIP)


@pytest.mark.parametrize(
    ("r", "tip", "points", "code"),
    [
        (result(), "NeedleTip", 3, 1),
        (result("COASTING"), "NeedleTipPredicted", 3, 4),
        (result("LOST"), None, 0, 4),
        (result("SEARCHING", tracks=0), None, 0, 4),
        (result(input_state="INVALID"), None, 0, 0),
        (result(input_state="STALE"), None, 0, 13),
        (result("COASTING", "FROZEN"), "NeedleTipPredicted", 3, 13),
    ],
)
def test_no_old_tip_is_sent_as_a_new_one(r, tip, points, code):
    """Without a needle there is no tip, and points and lines are empty, so that what was shown goes away."""
    said = told(frame(), r)
    assert {n for n in said if n.startswith("NeedleTip")} == ({tip} if tip else set())
    assert len(said["NeedlePoints"].content.points) == points
    assert len(said["NeedleShaft"].content.lines) == (2 if points else 0)
    status = said["NeedleStatus"].content
    assert (status.code, status.subcode, status.name) == (code, 7, str(r.state))
    assert f"input {r.input_state}" in status.text


@pytest.mark.parametrize(("f", "late"), [(None, False), (frame(), True)])
def test_without_a_picture_or_too_late_nothing_has_a_place(f, late):
    """What was shown goes away, and the status says why."""
    stale = result(input_state="STALE") if f is None else result()
    said = told(f, stale, late=late, overlay=True, version=2)
    assert set(said) == {"NeedleStatus", "NeedlePoints", "NeedleShaft", "Injectate"}
    assert said["NeedlePoints"].content == igtl.Points()
    assert not said["NeedleShaft"].content.lines
    status = said["NeedleStatus"]
    assert status.content.code == 13
    assert ("late" in status.content.text, status.metadata.get("Late")) == ((True, "true") if late else (False, None))


def test_sink_sends_to_a_server_and_draws_for_nobody(monkeypatch):
    drawn = []
    monkeypatch.setattr("usguide.live.igtl.results.draw_overlay", lambda f, r: drawn.append(f.index) or ug_draw(f, r))
    got = []
    server = igtl.IgtlServer(0)
    sink = igtl.IgtlSink(server, overlay=True, image=True)
    sink.write(frame(), result())
    assert drawn == []
    with igtl.IgtlClient("127.0.0.1", server.port, on_message=got.append):
        assert wait_until(lambda: server.clients == 1)
        sink.write(frame(), result())
        sink.write(None, result(input_state="STALE"))
        assert wait_until(lambda: len(got) == 8 + 4)
        sink.close()
    assert drawn == [7]
    assert [m.device for m in got[:8]] == [
        "NeedleStatus", "NeedleTip", "NeedlePoints", "NeedleShaft", "Injectate", "NeedleMeasures", "NeedleOverlay", "Image",
    ]  # fmt: skip


def test_header_versions_times_and_metadata():
    for m in told(frame(), result()).values():
        assert (m.header.version, m.header.timestamp_s, m.metadata) == (1, 1000.5, {})
    for m in told(frame(), result(), version=2, timestamp_s=5.0).values():
        assert (m.header.version, m.header.timestamp_s) == (2, 5.0)
        assert m.metadata == {"State": "TRACKING", "InputState": "OK", "FrameIndex": "7", "Confidence": "0.9000"}
    assert told(frame(), result(), timestamp_s=-3.0)["NeedleStatus"].header.timestamp_s is None


def test_overlay_lies_where_the_image_is():
    """A corner of the region is at the same place in RAS, whether taken from the frame or from the drawing."""
    f = frame(region=(8, 20, 48, 80))
    drawn = told(f, result(), overlay=True)["NeedleOverlay"].content
    height, width = drawn.pixels.shape[:2]
    for corner, px in (((-0.5, -0.5), (7.5, 19.5)), ((width - 0.5, height - 0.5), (55.5, 99.5))):
        np.testing.assert_allclose(drawn.px_to_ras @ (*corner, 0, 1), turned_matrix() @ (*px, 0, 1), atol=1e-4)
    expected = cv2.cvtColor(ug_draw(f, result()), cv2.COLOR_BGR2RGB)
    np.testing.assert_array_equal(drawn.pixels, expected)


def test_a_frame_goes_out_and_comes_back_as_it_was():
    f = frame()
    back = igtl.FrameBuilder().take(igtl.decode(igtl.image_message(f)), 0.0)
    np.testing.assert_array_equal(back.pixels, f.pixels)
    assert back.geometry == f.geometry
    assert back.timestamp_s == f.timestamp_s
    np.testing.assert_allclose(back.transforms[igtl.IMAGE_POSE], turned_matrix(), atol=1e-5)
    colour = ug.Frame(np.stack([picture(seed=k) for k in range(3)], axis=-1), GEOMETRY)
    np.testing.assert_array_equal(
        igtl.FrameBuilder().take(igtl.decode(igtl.image_message(colour)), 0.0).pixels, colour.pixels
    )


def test_a_needle_without_length_has_a_pose_too():
    track = result().track
    dot = ug.NeedleTrack(1, track.state, ug.Shaft(TIP, TIP, 1.0), track.tip, 0.0, 0.5, 1.0, 1.0, 0.0)
    pose = igtl.tip_pose(frame(), dot)
    np.testing.assert_allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-9)
