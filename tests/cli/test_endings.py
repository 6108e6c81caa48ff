"""How a run can end other than well: nothing is lost that was valid, nothing is left that is not."""

import json
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from conftest import needle_picture

import usguide as ug
from usguide.cli import track as track_command
from usguide.cli.console import FrameCounter
from usguide.cli.frames import GIVE_UP_AFTER, run_frames
from usguide.cli.interrupt import StopRequest
from usguide.errors import InputError, InvalidFrameError
from usguide.io.sinks import JsonlSink, RunSummary

MAIN = "from usguide.cli import main; main()"
# A small limit on the size of files stands in for a full disk; it is set when all is loaded and compiled.
FULL_DISK = """
import resource, sys, usguide
usguide.warmup()
limit = int(sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
from usguide.cli import main
main()
"""


def usguide(*arguments, code=MAIN):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def recording(path, count=12):
    np.savez(path, frames=np.stack([needle_picture(length_mm=9 + 0.4 * k, seed=k)[0] for k in range(count)]), spacing_mm=0.1)  # fmt: skip
    return path


@pytest.mark.parametrize(
    "arguments",
    [
        ("track", "a.npz"),
        ("track", "a.npz", "--out", "o", "--entry", "up"),
        ("track", "a.npz", "--out", "o", "--depth-mm", "deep"),
        ("track", "a.npz", "--out", "o", "--bogus"),
        ("track", "a.npz", "--out", "o", "--roi", "nan,0,9,9"),
        ("track", "a.npz", "--out", "o", "--roi", "0,0,inf,9"),
        ("track", "--out", "o"),
        ("despeckle", "a.npz"),
        ("vanish",),
    ],
    ids=" ".join,
)
def test_a_wrong_call_is_one_line(tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    recording(tmp_path / "a.npz", 2)
    done = usguide(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("usguide: error: ")
    assert [p.name for p in tmp_path.iterdir()] == ["a.npz"]


def test_a_full_disk_keeps_what_is_valid(tmp_path):
    done = usguide(2500, "track", recording(tmp_path / "a.npz"), "--out", tmp_path / "o", "--no-video", code=FULL_DISK)
    assert done.returncode == 1, done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "File too large" in done.stderr
    records = [json.loads(line) for line in (tmp_path / "o" / "results.jsonl").read_text(encoding="utf-8").splitlines()]
    assert 0 < len(records) < 12
    assert sorted(p.suffix for p in (tmp_path / "o").iterdir()) == [".csv", ".jsonl"]


def test_a_disk_full_from_the_start_leaves_nothing(tmp_path):
    done = usguide(50, "track", recording(tmp_path / "a.npz"), "--out", tmp_path / "o", "--no-video", code=FULL_DISK)
    assert done.returncode == 2
    assert "File too large" in done.stderr
    assert not (tmp_path / "o").exists()


def test_a_terminated_run_is_an_interrupted_one(tmp_path):
    frames = np.tile(np.stack([needle_picture(seed=k)[0] for k in range(4)]), (300, 1, 1))
    np.savez(tmp_path / "long.npz", frames=frames, spacing_mm=0.1)
    out = tmp_path / "o"
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN, "track", str(tmp_path / "long.npz"), "--out", str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not any(p.stat().st_size > 2000 for p in out.glob(".usguide-*/*.jsonl")):
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert stderr == ""
    lines = (out / "results.jsonl").read_text(encoding="utf-8").splitlines()
    rows = (out / "results.csv").read_text(encoding="utf-8").splitlines()
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    video = cv2.VideoCapture(str(out / "overlay.mp4"))
    count = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
    video.release()
    assert len(lines) == len(rows) - 1 == summary["frames"] == count
    assert summary["ended"] == "interrupted"


def test_the_first_request_waits_for_the_frame_and_the_second_does_not():
    before = signal.getsignal(signal.SIGINT)
    with StopRequest() as stop:
        signal.raise_signal(signal.SIGINT)
        assert stop.asked
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        stop.ignore()
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


class Picky:
    """A pipeline that refuses some frames, and breaks at others."""

    settings, prior = ug.PipelineSettings(), ug.InsertionPrior()

    def __init__(self, refused=(), broken=()):
        self._refused, self._broken = refused, broken

    def set_target(self, target_mm):
        pass

    def step(self, frame):
        if frame.index in self._broken:
            raise ZeroDivisionError("a bug")
        if frame.index in self._refused:
            raise InvalidFrameError("frame: expected better")
        return ug.GuidanceResult(
            frame.index, frame.timestamp_s, ug.TrackState.TRACKING, ug.InputState.OK, latency_ms={"total": 1.0}
        )


def run(pipeline, path, count=6, **options):
    source = ug.open_source(np.full((count, 64, 80), 80, np.uint8), spacing_mm=0.5)
    summary, sink = RunSummary(source, pipeline.settings, pipeline.prior), JsonlSink(path)
    run_frames(source, pipeline, summary, [summary, sink], FrameCounter(), options.pop("stop", StopRequest()), **options)  # fmt: skip
    sink.close()
    return summary, [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_refused_frame_has_its_line(tmp_path):
    summary, records = run(Picky(refused=(2, 3)), tmp_path / "r.jsonl")
    assert [r["input_state"] for r in records] == ["OK", "OK", "INVALID", "INVALID", "OK", "OK"]
    assert [r["state"] for r in records] == ["TRACKING"] * 6
    assert records[2]["shaft"] is records[2]["tip"] is records[2]["confidence"] is None
    assert records[2]["events"] == ["frame: expected better"]
    assert (summary.frames, summary.bad_frames) == (6, 2)


def test_refused_frames_at_the_start_do_not_end_the_run_but_very_many_do(tmp_path):
    _, records = run(Picky(refused=range(5)), tmp_path / "r.jsonl")
    assert len(records) == 6
    _, records = run(Picky(refused=range(500)), tmp_path / "r.jsonl", count=500)
    assert len(records) == GIVE_UP_AFTER


def test_limits_and_requests_stop_the_run_after_a_whole_frame(tmp_path):
    summary, records = run(Picky(), tmp_path / "r.jsonl", max_frames=2)
    assert summary.stopped_early
    assert len(records) == 2
    _, records = run(Picky(), tmp_path / "r.jsonl", stop=SimpleNamespace(asked=True))
    assert len(records) == 1


def options_for(tmp_path, **changes):
    np.savez(tmp_path / "a.npz", frames=np.full((6, 64, 80), 80, np.uint8), spacing_mm=0.5)
    names = track_command.TrackOptions.__slots__
    given = {"inputs": (str(tmp_path / "a.npz"),), "out": tmp_path / "o", "threads": 1, "video": True, "quiet": True}
    false = dict.fromkeys(("stills", "as_json"), False)
    return track_command.TrackOptions(**(dict.fromkeys(names) | false | given | changes))


def test_a_bug_shows_itself_and_the_results_before_it_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(track_command, "pipeline_for", lambda **_: Picky(broken=(3,)))
    with pytest.raises(ZeroDivisionError):
        track_command.run_track(options_for(tmp_path))
    summary = json.loads((tmp_path / "o" / "summary.json").read_text(encoding="utf-8"))
    assert summary["ended"] == "ZeroDivisionError: a bug"
    assert summary["frames"] == len((tmp_path / "o" / "results.jsonl").read_text(encoding="utf-8").splitlines()) == 3


def test_a_bug_at_the_first_frame_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(track_command, "pipeline_for", lambda **_: Picky(broken=(0,)))
    with pytest.raises(ZeroDivisionError):
        track_command.run_track(options_for(tmp_path))
    assert [p.name for p in tmp_path.iterdir()] == ["a.npz"]


def test_a_recording_is_not_overwritten_by_its_own_results(tmp_path):
    (tmp_path / "overlay.mp4").write_bytes(b"a recording")
    with pytest.raises(InputError, match="overwritten"):
        track_command.run_track(options_for(tmp_path, inputs=(str(tmp_path / "overlay.mp4"),), out=tmp_path))


def test_despeckling_neither_overwrites_its_input_nor_mixes_pictures_up(tmp_path):
    for k, name in enumerate(("a", "b")):
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / "1.png"), np.full((40, 50), 50 + 100 * k, np.uint8))
    done = usguide("despeckle", tmp_path / "a", "--out", tmp_path / "a")
    assert done.returncode == 2
    assert "overwrite" in done.stderr
    done = usguide("despeckle", tmp_path / "a" / "1.png", tmp_path / "b" / "1.png", "--out", tmp_path / "o")
    assert done.returncode == 0, done.stderr
    levels = {p.name: int(cv2.imread(str(p), 0).mean()) for p in (tmp_path / "o").iterdir()}
    assert levels == {"0000_1.png": 50, "0001_1.png": 150}


def test_names_are_shown_as_they_are(tmp_path):
    path = recording(tmp_path / "[bold]a:b.npz", 3)
    done = usguide("track", path, "--out", tmp_path / "o", "--max-frames", "2")
    assert done.returncode == 0, done.stderr
    assert "[bold]a:b.npz: 2 frames" in done.stdout
    assert "\x1b" not in done.stdout
