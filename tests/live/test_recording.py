"""Recorded and replayed: the same numbers, byte for byte, latency aside."""

import itertools
import json
import logging
import threading
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from conftest import needle_picture
from live_cases import ListSink, QuickPipeline, ScriptedSource, live_frame

import usguide as ug
from usguide.io import open_source
from usguide.io.sinks import result_record
from usguide.live import LiveEngine, LiveFrame, Recorder, replay_recording
from usguide.live.clock import Stamp
from usguide.live.receiving import Received
from usguide.live.recording import journal_lines, recorded_results, without_latency

PRIOR = ug.InsertionPrior("left", (15, 60), 0.9)


def insertion(count, *, spacing_mm=(0.1, 0.1), first=0, colour=False):
    frames = []
    for k in range(first, first + count):
        pixels, _, _ = needle_picture(length_mm=8 + 0.4 * k, spacing_mm=spacing_mm, seed=k)
        pixels = np.stack([pixels] * 3, axis=-1) if colour else pixels
        if colour:
            pixels[5:12, 5:30] = (10, 40, 230)
        frames.append(LiveFrame(pixels, ug.ImageGeometry(*spacing_mm, (1.0, -2.0)), 1000 + 0.05 * k))
    return frames


def record(folder, script, *, between=None, pipeline=None):
    """Run a script; after the result of index k, `between[k]` is called with the engine. Return engine and summary."""
    between = between or {}
    done = threading.Semaphore(1)
    pipeline = pipeline or ug.GuidancePipeline(PRIOR)
    recorder = Recorder(folder, pipeline, "script")

    class Sink(ListSink):
        def write(self, update):
            super().write(update)
            between.get(update.result.index, lambda _engine: None)(engine)
            done.release()

    def waiting(item):
        def give():
            assert done.acquire(timeout=20)
            return item

        return give

    items = [waiting(item) if isinstance(item, LiveFrame) else item for item in script]
    engine = LiveEngine(ScriptedSource(items), pipeline, recorder=recorder, stale_after_s=30)
    engine.add_sink(Sink(), max_waiting=1000)
    with engine:
        assert engine.wait(60)
    return engine, recorder.finish({"ended": "source at its end"})


def replayed(folder, **options):
    return [without_latency(result_record(f, r)) for f, r in replay_recording(folder, **options)]


def recorded(folder):
    return [without_latency(r) for r in recorded_results(folder)]


def test_a_run_with_everything_in_it_replays_byte_for_byte(tmp_path, caplog):
    caplog.set_level(logging.CRITICAL, "usguide")
    script = [
        *insertion(14),
        OSError("cable"),
        *insertion(6, first=14, spacing_mm=(0.2, 0.15)),
        LiveFrame(np.zeros((60, 80, 7), np.uint8), ug.ImageGeometry(0.1, 0.1), 1001.05),
        live_frame(3, time_s=12.0, status="INVALID"),
        *insertion(10, first=22, colour=True),
    ]
    between = {
        2: lambda e: e.set_target((20, 15)),
        5: lambda e: e.mark_injection(),
        9: lambda e: (e.reset(), e.set_target((21, 16), radius_mm=2)),
        12: lambda e: e.set_keep_out({"vessel": [(1, 1), (5, 1), (5, 4)]}),
        15: lambda e: e.seed(entry_mm=(1, 4), tip_mm=(15.5, 12)),
        25: lambda e: (e.mark_injection(0.3), e.set_target(None)),
    }
    engine, folder = record(tmp_path / "run", script, between=between)
    assert engine.error is None
    lines = recorded(folder)
    assert len(lines) == 32
    assert replayed(folder) == lines
    again = [json.loads(line) for line in lines]
    assert {r["input_state"] for r in again} == {"OK", "INVALID"}
    assert sum(r["state"] == "TRACKING" for r in again) > 5
    assert [bool(r["target"]) for r in again].count(True) > 15
    assert "track seeded by hand" in again[16]["events"]
    kinds = [line["kind"] for line in journal_lines(folder)]
    assert kinds.count("action") == 8
    assert kinds.count("segment") == 4


def test_the_actions_are_what_makes_the_numbers(tmp_path):
    _, folder = record(tmp_path / "run", insertion(6), between={1: lambda e: e.set_target((20, 15))})
    journal = folder / "journal.jsonl"
    lines = journal.read_text(encoding="utf-8").splitlines(keepends=True)
    journal.write_text("".join(line for line in lines if '"action"' not in line), encoding="utf-8")
    assert replayed(folder) != recorded(folder)


def test_stale_moments_replay_too(tmp_path, caplog):
    caplog.set_level(logging.CRITICAL, "usguide.live")
    frames = insertion(4)
    noticed = threading.Event()
    pipeline = ug.GuidancePipeline(PRIOR)
    recorder = Recorder(tmp_path / "run", pipeline, "script")

    class Sink(ListSink):
        def write(self, update):
            if update.frame is None:
                noticed.set()

    script = [frames[0], lambda: noticed.wait(20) and None, frames[1]]
    engine = LiveEngine(ScriptedSource(script), pipeline, recorder=recorder, stale_after_s=0.05)
    engine.add_sink(Sink())
    with engine:
        assert engine.wait(20)
    folder = recorder.finish({})
    assert replayed(folder) == recorded(folder)
    assert [json.loads(line)["input_state"] for line in recorded(folder)] == ["OK", "STALE", "OK"]


def test_frames_are_kept_as_they_came_also_those_that_were_dropped(tmp_path):
    inside, given = threading.Event(), threading.Event()
    transforms = {"ProbeToTracker": np.arange(16.0).reshape(4, 4)}
    frames = [live_frame(k, transforms=transforms) for k in range(8)]

    def before_step(frame):
        if frame.index == 0:
            inside.set()
            assert given.wait(20)

    pipeline = QuickPipeline(before_step)
    recorder = Recorder(tmp_path / "run", pipeline, "script")
    script = [frames[0], lambda: inside.wait(20) and None, *frames[1:], given.set]
    engine = LiveEngine(ScriptedSource(script), pipeline, recorder=recorder)
    with engine:
        assert engine.wait(20)
    folder = recorder.finish({})
    lines = list(journal_lines(folder))
    assert [line["index"] for line in lines if line["kind"] == "frame"] == list(range(8))
    assert [line["index"] for line in lines if line["kind"] == "step"] == [0, 7]
    with open_source(folder / "frames-000.mhd") as source:
        stored = list(source)
    np.testing.assert_array_equal([f.pixels for f in stored], [f.pixels for f in frames])
    np.testing.assert_array_equal([f.timestamp_s for f in stored], np.arange(8) * 0.05 + 5.0 - 5.0)
    np.testing.assert_array_equal(stored[3].transforms["ProbeToTracker"], transforms["ProbeToTracker"])
    assert [f.index for f, _ in replay_recording(folder, QuickPipeline())] == [0, 7]


@pytest.mark.parametrize(
    "pixels",
    [
        np.random.default_rng(0).integers(0, 65535, (40, 50), dtype=np.uint16),
        np.random.default_rng(0).random((40, 50)),
        np.random.default_rng(0).random((40, 50)).astype(np.float32),
        np.random.default_rng(0).integers(0, 255, (40, 50, 3), dtype=np.uint8),
        np.random.default_rng(0).integers(0, 255, (40, 50, 4), dtype=np.uint8),
        np.random.default_rng(0).integers(0, 255, (50, 40), dtype=np.uint8).T,
    ],
    ids=["uint16", "float64", "float32", "colour", "alpha", "transposed"],
)
def test_every_kind_of_pixels_comes_back(tmp_path, pixels):
    sector = ug.SectorGeometry((4.0, -20.0), (22.0, 60.0), (-30.0, 30.5))
    frame = LiveFrame(
        pixels, ug.ImageGeometry(0.1, 0.2, (3.0, 4.0), sector), 3.1, region=(1, 2, 30, 20), full_scale=1.5e4
    )
    seen = []
    _, folder = record(tmp_path / "run", [frame], pipeline=QuickPipeline(seen.append))
    ((back, _),) = replay_recording(folder, QuickPipeline())
    np.testing.assert_array_equal(back.pixels, pixels)
    assert back.pixels.dtype == pixels.dtype
    for name in ("geometry", "region", "full_scale", "timestamp_s", "index", "status"):
        assert getattr(back, name) == getattr(seen[0], name), name


def test_colours_are_where_other_programs_look_for_them(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (40, 50, 3), dtype=np.uint8)
    _, folder = record(tmp_path / "run", [LiveFrame(pixels, ug.ImageGeometry(0.2, 0.2), 3.1)], pipeline=QuickPipeline())
    with open_source(folder / "frames-000.mhd") as source:
        np.testing.assert_array_equal(next(iter(source)).pixels, pixels)
    image = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "frames-000.mhd")))
    np.testing.assert_array_equal(image[0], pixels[..., ::-1])


def test_a_recording_is_never_written_over(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "precious").write_text("x")
    (tmp_path / "file").write_text("x")
    for name in ("run", "file"):
        with pytest.raises(ug.InputError, match="new or empty folder"):
            Recorder(tmp_path / name, QuickPipeline(), "script")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "run"]
    with pytest.raises(ug.FormatError):
        Recorder(tmp_path / "file" / "deeper", QuickPipeline(), "script")


def test_until_it_is_finished_it_is_hidden_and_discarded_it_leaves_nothing(tmp_path):
    recorder = Recorder(tmp_path / "deep" / "run", QuickPipeline(), "script")
    assert [p.name.startswith(".run") for p in (tmp_path / "deep").iterdir()] == [True]
    recorder.discard()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "empty").mkdir()
    assert Recorder(tmp_path / "empty", QuickPipeline(), "script").finish({}) == tmp_path / "empty"
    assert [p.name for p in tmp_path.iterdir()] == ["empty"]


def test_a_full_disk_ends_the_recording_and_nothing_else(tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.CRITICAL, "usguide.live")
    from usguide.live import recording

    real, calls = recording.Segment.write, itertools.count()

    def write(self, frame):
        if next(calls) >= 5:
            raise OSError(28, "No space left on device")
        return real(self, frame)

    monkeypatch.setattr(recording.Segment, "write", write)
    engine, folder = record(tmp_path / "run", insertion(9))
    assert engine.status().processed == 9
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    assert summary["recording"]["complete"] is False
    assert "No space left" in summary["recording"]["stopped_because"]
    assert summary["recording"]["frames"] == 5
    assert replayed(folder) == recorded(folder)
    assert len(recorded(folder)) == 5
    with open_source(folder / "frames-000.mhd") as source:
        assert len(list(source)) == 5


def test_recording_ends_before_the_disk_is_full(tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.CRITICAL, "usguide.live")
    from usguide.live import recording

    monkeypatch.setattr(recording, "CHECK_ROOM_BYTES", 2 * insertion(1)[0].pixels.nbytes)
    free = itertools.chain([10**12, 10**12], itertools.repeat(50 << 20))
    monkeypatch.setattr(recording.shutil, "disk_usage", lambda _: SimpleNamespace(free=next(free)))
    engine, folder = record(tmp_path / "run", insertion(12))
    assert engine.status().processed == 12
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    assert "nearly full: 50 MiB" in summary["recording"]["stopped_because"]
    assert 0 < len(recorded(folder)) < 12
    assert replayed(folder) == recorded(folder)


def test_odd_transforms_and_times_are_kept(tmp_path):
    transforms = {"Probe To-Tracker": np.eye(4), "StylusToProbe": np.full((4, 4), np.nan), "ok": 2 * np.eye(4)}
    frames = [live_frame(0, transforms=transforms), live_frame(1, time_s=np.nan, transforms=transforms)]
    _, folder = record(tmp_path / "run", frames, pipeline=QuickPipeline())
    for back, _ in replay_recording(folder, QuickPipeline()):
        for name, matrix in transforms.items():
            np.testing.assert_array_equal(back.transforms[name], matrix)
    with open_source(folder / "frames-000.mhd") as source:
        assert [set(f.transforms) for f in source] == [{"ok"}, {"ok"}]


def received(index):
    live = live_frame(index)
    frame = ug.Frame(live.pixels, live.geometry, 0.05 * index, index)
    return Received(index, frame, Stamp(0.05 * index), 0.0, 0.0, None)


def test_a_slow_disk_loses_what_was_not_processed_first(tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.CRITICAL, "usguide.live")
    from usguide.live import recording

    let_go, started = threading.Event(), threading.Event()
    real = recording.Segment.write

    def write(self, frame):
        started.set()
        assert let_go.wait(20)
        return real(self, frame)

    monkeypatch.setattr(recording.Segment, "write", write)
    size = received(0).frame.pixels.nbytes
    recorder = Recorder(tmp_path / "run", QuickPipeline(), "script", max_waiting_bytes=10 * size)
    recorder.taken(received(0))
    assert started.wait(20)
    for k in range(1, 9):
        recorder.skipped(received(k))
    assert recorder.left_out == 3
    for k in range(9, 13):
        recorder.taken(received(k))
    assert recorder.stopped_because is None
    recorder.taken(received(13))
    assert "too slow" in recorder.stopped_because
    let_go.set()
    folder = recorder.finish({})
    frames = [line["index"] for line in journal_lines(folder) if line["kind"] == "frame"]
    assert frames == [0, 1, 2, 3, 4, 5, 9, 10, 11, 12]
    assert recorder.status()["frames"] == 10


def test_what_is_no_recording_is_said_so(tmp_path):
    with pytest.raises(ug.FormatError, match="journal"):
        next(replay_recording(tmp_path))
    for text in ("{", "[1]\n", '{"kind": "start", "schema_version": 99}\n'):
        (tmp_path / "journal.jsonl").write_text(text, encoding="utf-8")
        with pytest.raises(ug.FormatError):
            list(replay_recording(tmp_path))
    _, folder = record(tmp_path / "run", insertion(2))
    (folder / "frames-000.raw").write_bytes(b"")
    with pytest.raises(ug.FormatError, match="damaged"):
        list(replay_recording(folder))
