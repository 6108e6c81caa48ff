"""`usguide live` and `usguide replay` as people run them."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from conftest import needle_picture

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
        "live", f"replay:{source}", *PRIOR, "--target", "25,20", "--record", tmp_path / "deep" / "run", "--json"
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
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
    assert stderr == ""
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
