"""`usguide live` and `usguide replay` as people run them."""

import json
import signal
import subprocess
import sys
import time
import urllib.request

import numpy as np
import pytest
from conftest import needle_picture
from live_cases import free_port

import usguide as ug
from usguide.cli.live import status_text
from usguide.live import EngineStatus, LiveUpdate, igtl
from usguide.types import InputState, NeedleTrack, Shaft, TargetGuidance, Tip, TrackState

MAIN = "from usguide.cli import main; main()"
PRIOR = ("--entry", "left", "--angle", "15:60")


def usguide(*arguments):
    command = [sys.executable, "-c", MAIN, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def recording(path, count=12, *, still=1):
    """Write an insertion at 20 frames/s; each picture stays for `still` frames."""
    pictures = [needle_picture(length_mm=9 + 0.4 * (k // still), seed=k // still)[0] for k in range(count)]
    np.savez(path, frames=np.stack(pictures), spacing_mm=0.1, timestamps_s=0.05 * np.arange(count))
    return path


def lines_of(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_run_is_recorded_and_replays(tmp_path):
    source = recording(tmp_path / "a.npz")
    done = usguide(
        "live",
        f"replay:{source}",
        *PRIOR,
        "--target",
        "25,20",
        "--stale-after",
        "30",
        "--record",
        tmp_path / "deep" / "run",
        "--json",
    )
    assert done.returncode == 0, done.stderr
    summary, run = json.loads(done.stdout), tmp_path / "deep" / "run"
    assert summary["ended"] == "source at its end"
    assert summary["received"] == 12 == summary["processed"] + summary["dropped"]
    assert summary["recording"]["complete"] is True
    assert {"total", "receive", "wait", "end_to_end", "transit"} <= summary["latency_ms"].keys()
    assert json.loads((run / "summary.json").read_text(encoding="utf-8")) == summary
    assert sorted(p.name for p in run.iterdir()) == ["frames-000.mhd", "frames-000.raw", "journal.jsonl", "results.jsonl", "summary.json"]  # fmt: skip
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["run"]
    records = lines_of(run / "results.jsonl")
    assert len(records) == summary["processed"]
    assert all(r["target"]["position_mm"] == [25.0, 20.0] for r in records)
    assert str(tmp_path) not in (run / "journal.jsonl").read_text(encoding="utf-8")

    again = usguide("replay", run, "--out", tmp_path / "again.jsonl")
    assert again.returncode == 0, again.stderr
    assert f"{len(records)} results, the same" in again.stdout
    assert [r["tip"] for r in lines_of(tmp_path / "again.jsonl")] == [r["tip"] for r in records]

    records[3]["timestamp_s"] += 0.001
    (run / "results.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records[:-1]), encoding="utf-8")
    other = usguide("replay", run)
    assert other.returncode == 1
    assert "2 of" in other.stderr
    assert "first in line 4" in other.stderr

    twice = usguide("live", f"replay:{source}", "--record", run)
    assert twice.returncode == 2
    assert "new or empty folder" in twice.stderr


@pytest.mark.parametrize(("options", "found"), [(("--guide", "0,6,30"), True), (("--guide", "0,25,30"), False), (("--lock-angle", "30"), True)])  # fmt: skip
def test_a_run_on_a_guide_line_replays(tmp_path, options, found):
    """The guide line is in the recording: a replay without it would find the needle that lies off the line."""
    source, run = recording(tmp_path / "a.npz"), tmp_path / "run"
    done = usguide("live", f"replay:{source}", "--entry", "left", *options, "--record", run, "--json")
    assert done.returncode == 0, done.stderr
    assert ("TRACKING" in json.loads(done.stdout)["states"]) == found
    again = usguide("replay", run)
    assert again.returncode == 0, again.stderr


def test_a_page_for_the_browser_is_served(tmp_path):
    """Said on stderr where; it has the circle that must be kept out of."""
    client = pytest.importorskip("websockets.sync.client", reason="websockets absent: pip install 'usguide[view]'")
    source = recording(tmp_path / "a.npz", 60)
    command = [sys.executable, "-c", MAIN, "live", f"replay:{source}", *PRIOR, "--view", "--view-port", "0", "--keep-out", "20,15,4"]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        address = process.stderr.readline().split()[-1]
        assert address.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(address, timeout=20) as answer:
            assert b"usguide live" in answer.read()
        with client.connect(address.replace("http", "ws") + "socket", origin=address.rstrip("/")) as page:
            outline = np.array(json.loads(page.recv(timeout=10)[4:].rpartition(b"}")[0] + b"}")["keep_out_mm"]["1"])
        process.communicate(timeout=60)
    assert process.returncode == 0
    np.testing.assert_allclose(np.hypot(*(outline - (20, 15)).T), 4.0)


def test_results_go_out_over_openigtlink(tmp_path):
    """Said on stderr where; a viewer that connects there gets the status of frames."""
    source = recording(tmp_path / "a.npz", 60)
    command = [sys.executable, "-c", MAIN, "live", f"replay:{source}", *PRIOR, "--igtl-out", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        place = process.stderr.readline().split()[-1]
        got = []
        with igtl.IgtlClient("127.0.0.1", int(place.rpartition(":")[2]), on_message=got.append):
            process.communicate(timeout=60)
    assert process.returncode == 0
    assert place.startswith("127.0.0.1:")
    assert {"NeedleStatus", "NeedleMeasures"} <= {m.device for m in got}


@pytest.mark.parametrize(
    ("arguments", "ended"),
    [(("--max-frames", "3"), "frames reached"), (("--duration", "0.3"), "duration reached")],
)
def test_it_stops_when_asked_for(tmp_path, arguments, ended):
    source = recording(tmp_path / "a.npz", 200, still=4)
    done = usguide("live", f"replay:{source}", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["ended"] == ended
    assert summary["processed"] < 100


def test_ctrl_c_leaves_a_valid_recording(tmp_path):
    source, run = recording(tmp_path / "a.npz", 400, still=4), tmp_path / "run"
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN, "live", f"replay:{source}", "--record", str(run)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not any(
        p.stat().st_size > 2000 for p in tmp_path.glob(".run.*/results.jsonl")
    ):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "error" not in stderr
    assert "interrupted" in stdout
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.npz", "run"]
    assert json.loads((run / "summary.json").read_text(encoding="utf-8"))["ended"] == "interrupted"
    assert usguide("replay", run).returncode == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("live",),
        ("live", "a.npz"),
        ("live", "replay:nothing.npz"),
        ("live", "replay:a.npz", "--preset", "nothing"),
        ("live", "camera:93", "--spacing-mm", "0.1", "--record", "r"),
        ("live", "udp://127.0.0.1:5000"),
        ("live", "replay:a.npz", "--stale-after", "0"),
        ("live", "replay:a.npz", "--guide", "0,6"),
        ("live", "replay:a.npz", "--entry", "left", "--guide", "0,6,30", "--lock-angle", "30"),
        ("live", "replay:a.npz", "--view", "--keep-out", "1,2"),
        ("live", "replay:a.npz", "--view", "--keep-out", "1,2,0"),
        ("live", "replay:a.npz", "--view", "--view-host", "192.0.2.1"),
        ("live", "replay:a.npz", "--igtl-out", "70000"),
        ("replay", "nothing"),
    ],
    ids=" ".join,
)
def test_a_wrong_call_is_one_line(tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    recording(tmp_path / "a.npz", 2)
    done = usguide(*arguments)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("usguide: error: ")
    assert [p.name for p in tmp_path.iterdir()] == ["a.npz"]


def test_what_happens_to_the_source_is_told(tmp_path):
    np.savez(tmp_path / "a.npz", frames=np.stack([needle_picture(seed=k)[0] for k in range(3)]), spacing_mm=0.1, timestamps_s=[0, 0.1, 0.9])  # fmt: skip
    done = usguide("live", f"replay:{tmp_path / 'a.npz'}", "--json")
    assert done.returncode == 0, done.stderr
    assert "usguide: replay:a.npz: no frame for" in done.stderr
    assert json.loads(done.stdout)["input_states"]["STALE"] >= 1
    assert usguide("live", f"replay:{tmp_path / 'a.npz'}", "--quiet").stderr == ""


def test_a_recording_of_nothing_leaves_nothing(tmp_path):
    done = usguide(
        "live", "udp://127.0.0.1:1", "--spacing-mm", "0.1", "--duration", "0.2", "--record", tmp_path / "d" / "run"
    )
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_stream_that_ffmpeg_sends(tmp_path, udp_sender):
    port = free_port()
    udp_sender(port)
    done = usguide(
        "live",
        f"udp://127.0.0.1:{port}",
        "--depth-mm",
        "30",
        "--max-frames",
        "8",
        "--record",
        tmp_path / "run",
        "--json",
    )
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["processed"] >= 8
    assert "transit" not in summary["latency_ms"]
    assert usguide("replay", tmp_path / "run").returncode == 0
    with ug.open_source(tmp_path / "run" / "frames-000.mhd") as frames:
        first = next(iter(frames))
    assert first.shape == (240, 320)
    assert first.geometry.spacing_mm == (0.125, 0.125)


def status(**changes):
    track = NeedleTrack(1, TrackState.TRACKING, Shaft((0, 5), (20, 18), 9.0), Tip((20.04, 18.26), ((0.1, 0), (0, 0.1)), 0.9), 2.0, 0.9, 1.0, 1.0, 0.0)  # fmt: skip
    result = ug.GuidanceResult(
        7, 0.35, TrackState.TRACKING, InputState.OK, (track,), target=TargetGuidance((22, 20), 2.62)
    )
    values = {
        "running": True,
        "source": "camera:0",
        "lost_because": None,
        "seconds_since_frame": 0.02,
        "stale": False,
        "received": 100,
        "processed": 90,
        "dropped": 10,
        "waiting": 0,
        "dropped_by_source": 2,
        "invalid": 0,
        "late": 0,
        "restarts": 0,
        "rate_in_hz": 60.2,
        "rate_out_hz": 29.7,
        "clock_offset_s": None,
        "last": LiveUpdate(None, result, late=False, arrival_s=0.0),
    }
    return EngineStatus(**values | changes)


def test_the_status_line_shows_a_needle_only_where_one_is_seen_now():
    latency = (12.3, 20.6)
    now = status_text(status(), latency).plain
    assert now == "TRACKING  tip 20.0, 18.3 mm  target 2.6 mm  30 of 60 frames/s  12 dropped  latency 12 ms, p95 21 ms"
    for changes, words in [
        ({"stale": True, "seconds_since_frame": 1.23}, "INPUT STALE 1.2 s"),
        ({"lost_because": "unplugged", "stale": True}, "NO SOURCE (unplugged)"),
        ({"last": None}, "WAITING FOR THE FIRST FRAME"),
        ({"last": LiveUpdate(None, status().last.result, late=True, arrival_s=0.0)}, "LATE"),
    ]:
        line = status_text(status(**changes), latency).plain
        assert line.startswith(words)
        assert "tip" not in line
