"""Results on disk: whole lines, every key, all or nothing."""

import csv
import json
import math
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from conftest import frame_of

import usguide as ug
from usguide.errors import FormatError
from usguide.io.sinks import CsvSink, JsonlSink, OverlayPictures, OverlayVideo, RunFolder, RunSummary, result_record
from usguide.io.sinks.folder import folder_for
from usguide.io.sinks.tables import CSV_COLUMNS

KEYS = {
    "schema_version", "index", "timestamp_s", "state", "input_state", "confidence", "shaft", "tip", "other_tracks",
    "injectate", "target", "track", "events", "latency_ms",
}  # fmt: skip


def track_of(track_id=1, tip=(20.0, 15.0), cov=((0.09, 0.0), (0.0, 0.04))):
    shaft = ug.Shaft((0.0, 5.0), tip, 9.0)
    return ug.NeedleTrack(track_id, ug.TrackState.TRACKING, shaft, ug.Tip(tip, cov, 0.9), 4.0, 0.9, 1.0, 1.0, 0.0)


def result_of(index=0, tracks=(), **options):
    state = ug.TrackState.TRACKING if tracks else ug.TrackState.SEARCHING
    options = {"latency_ms": {"total": 4.0}, **options}
    return ug.GuidanceResult(index, 0.1 * index, state, ug.InputState.OK, tracks, **options)


def frame(index=0, size=(64, 80), **options):
    return frame_of(np.full(size, 80, np.uint8), spacing_mm=(0.5, 0.4), index=index, timestamp_s=0.1 * index, **options)


def test_every_key_is_there_with_and_without_a_needle():
    full = result_record(frame(), result_of(tracks=(track_of(), track_of(2))))
    assert result_record(frame(), result_of()).keys() == full.keys() == KEYS
    assert full["shaft"].keys() == {"entry_mm", "distal_mm", "angle_deg", "entry_px", "distal_px"}
    assert full["tip"] == {
        "position_mm": [20.0, 15.0],
        "position_px": [50.0, 30.0],
        "sigma_mm": [0.3, 0.2],
        "velocity_mm_s": 4.0,
    }
    assert [t["track_id"] for t in full["other_tracks"]] == [2]


def test_pixels_are_those_of_the_whole_frame_also_with_a_region():
    record = result_record(frame(region=(20, 10, 40, 40)), result_of(tracks=(track_of(),)))
    assert record["tip"]["position_px"] == [50.0, 30.0]


def test_what_is_no_number_is_null():
    odd = track_of(cov=((math.nan, 0.0), (0.0, 0.04)))
    record = result_record(frame(), result_of(tracks=(odd,), latency_ms={"total": math.inf}))
    assert record["tip"]["sigma_mm"] == [None, 0.2]
    assert record["latency_ms"] == {"total": None}
    json.dumps(record, allow_nan=False)


def test_a_line_is_in_the_file_when_write_returns(tmp_path):
    lines, table = JsonlSink(tmp_path / "r.jsonl"), CsvSink(tmp_path / "r.csv")
    for k in range(3):
        for sink in (lines, table):
            sink.write(frame(k), result_of(k, (track_of(),) if k else ()))
        assert len((tmp_path / "r.jsonl").read_text(encoding="utf-8").splitlines()) == k + 1
    rows = list(csv.DictReader((tmp_path / "r.csv").read_text(encoding="utf-8").splitlines()))
    assert tuple(rows[0]) == CSV_COLUMNS
    assert [r["tip_x_mm"] for r in rows] == ["", "20.0", "20.0"]
    lines.close()
    table.close()


class FullDisk:
    """A file that takes half of a line and then no more."""

    def __init__(self, file, room):
        self._file, self.room = file, room

    def write(self, data):
        if self.room <= 0:
            raise OSError(28, "No space left on device")
        count = self._file.write(data[: self.room])
        self.room -= count
        return count

    def __getattr__(self, name):
        return getattr(self._file, name)


def test_a_full_disk_leaves_whole_lines(tmp_path):
    sink = JsonlSink(tmp_path / "r.jsonl")
    sink.write(frame(), result_of())
    whole = (tmp_path / "r.jsonl").read_bytes()
    sink._file._file = FullDisk(sink._file._file, 20)
    with pytest.raises(OSError, match="No space"):
        sink.write(frame(1), result_of(1))
    sink.close()
    assert (tmp_path / "r.jsonl").read_bytes() == whole


def test_video_of_changing_sizes_keeps_the_first_and_every_frame(tmp_path):
    video = OverlayVideo(tmp_path / "o.mp4", 12.5)
    for k, size in enumerate([(480, 600), (480, 600), (600, 480), (64, 80)]):
        video.write(frame(k, size), result_of(k))
    video.close()
    read = cv2.VideoCapture(str(tmp_path / "o.mp4"))
    assert read.get(cv2.CAP_PROP_FPS) == pytest.approx(12.5)
    shapes = []
    while (got := read.read())[0]:
        shapes.append(got[1].shape)
    read.release()
    assert len(shapes) == 4
    assert len(set(shapes)) == 1


@pytest.mark.parametrize("rate", [1e-4, 7.123456789, 29.97, 1e6])
def test_any_rate_makes_a_video(tmp_path, rate):
    video = OverlayVideo(tmp_path / "o.mp4", rate)
    for k in range(3):
        video.write(frame(k), result_of(k))
    video.close()
    assert (tmp_path / "o.mp4").stat().st_size > 0
    assert video.rate_hz == pytest.approx(min(max(rate, 1.0), 240.0), abs=1e-3)


def test_a_video_that_is_cut_short_is_told(tmp_path):
    video = OverlayVideo(tmp_path / "o.mp4", 20.0)
    video.write(frame(), result_of())
    video.release()
    (tmp_path / "o.mp4").write_bytes(b"")
    video._writer = SimpleNamespace(release=lambda: None)
    with pytest.raises(FormatError, match="expected 1 frames, 0"):
        video.close()
    assert not (tmp_path / "o.mp4").exists()


def test_one_picture_a_still(tmp_path):
    sink = OverlayPictures(tmp_path / "overlays", ["a", "b"])
    for k in range(2):
        sink.write(frame(k), result_of(k))
    assert sorted(p.name for p in (tmp_path / "overlays").iterdir()) == ["0000_a.png", "0001_b.png"]


def test_results_appear_at_once_and_old_ones_do_not_stay_beside_them(tmp_path):
    out = tmp_path / "out"
    (out / "overlays").mkdir(parents=True)
    for name in ("results.jsonl", "overlay.mp4", "summary.json", "notes.txt", "overlays/0000_a.png", "overlays/my.png"):
        (out / name).write_text("old")
    folder = RunFolder(out)
    (folder.work / "results.jsonl").write_text("new")
    (folder.work / "summary.json").write_text("new")
    assert (out / "results.jsonl").read_text() == "old"
    assert [p.name for p in folder.publish()][-2:] == ["summary.json", "overlays"]
    found = {str(p.relative_to(out)): p.read_text() for p in out.rglob("*") if p.is_file()}
    assert found == {"results.jsonl": "new", "summary.json": "new", "notes.txt": "old", "overlays/my.png": "old"}


def test_a_discarded_run_leaves_nothing_that_it_made(tmp_path):
    (tmp_path / "kept").mkdir()
    folder = RunFolder(tmp_path / "kept" / "a" / "b")
    (folder.work / "results.jsonl").write_text("half")
    folder.discard()
    assert list((tmp_path / "kept").iterdir()) == []


def test_names_that_are_taken_are_told_before_any_work(tmp_path):
    (tmp_path / "o" / "summary.json").mkdir(parents=True)
    with pytest.raises(FormatError, match=r"summary\.json"):
        RunFolder(tmp_path / "o")
    (tmp_path / "file").write_text("")
    with pytest.raises(FormatError, match="got a file"):
        RunFolder(tmp_path / "file")


def test_a_folder_made_for_a_failure_is_taken_away(tmp_path):
    with pytest.raises(ValueError, match="broken"), folder_for(tmp_path / "a" / "b"):
        raise ValueError("broken")
    assert not (tmp_path / "a").exists()


def summary_of(truth=None):
    pixels = np.full((4, 64, 80), 80, np.uint8)
    source = ug.open_source(pixels, spacing_mm=0.5)
    if truth is not None:
        source = SimpleNamespace(
            info=SimpleNamespace(**{n: getattr(source.info, n) for n in source.info.__slots__} | {"truth": truth}),
            notes=[],
            bad_frames=0,
        )
    return RunSummary(source, ug.PipelineSettings(), ug.InsertionPrior())


def test_the_summary_counts_what_was_written(tmp_path):
    summary = summary_of()
    summary.write(frame(), result_of())
    summary.write(frame(1), result_of(1, (track_of(),), events=("size changed",)))
    bad = ug.GuidanceResult(2, 0.2, ug.TrackState.TRACKING, ug.InputState.INVALID)
    summary.write(frame(2), bad)
    written = summary.save(tmp_path / "summary.json", ended="interrupted")
    assert json.loads((tmp_path / "summary.json").read_text(encoding="utf-8")) == json.loads(json.dumps(written))
    assert written["complete"] is False
    assert written["states"] == {"SEARCHING": 1, "TRACKING": 2}
    assert written["input_states"] == {"OK": 2, "INVALID": 1}
    assert (written["frames"], written["bad_frames"]) == (3, 1)
    assert written["events"] == [{"index": 1, "event": "size changed"}]
    assert written["latency_ms"]["total"] == {"count": 2, "mean": 4.0, "p50": 4.0, "p95": 4.0, "p99": 4.0, "max": 4.0}
    assert {"usguide", "python", "numpy", "numba", "opencv-python", "platform", "cpus"} <= written["versions"].keys()
    assert written["settings_digest"] == ug.PipelineSettings().digest


def test_a_run_cut_short_is_scored_on_what_it_saw():
    tip = np.tile([20.0, 15.0], (4, 1))
    truth = SimpleNamespace(
        tip_mm=tip, entry_mm=np.tile([0.0, 5.0], (4, 1)), visible_mm=np.full(4, 22.0), angle_deg=np.full(4, 26.565)
    )
    summary = summary_of(truth)
    for k in range(2):
        summary.write(frame(k), result_of(k, (track_of(),)))
    assert summary.to_dict(ended="complete")["scores"]["recall"] == 0.5
    assert summary.to_dict(ended="interrupted")["scores"]["recall"] == 1.0
    assert summary.to_dict(ended="complete")["scores"]["tip_error_all_mm"]["maximum"] == "infinite"
