"""The command line as people run it: a process of its own, its exit code, and what it leaves behind."""

import csv
import json
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
from conftest import needle_picture, stream_picture

RNG = np.random.default_rng(4)


def usguide(*arguments, **options):
    command = [sys.executable, "-c", "from usguide.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, **options)


def lines_of(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def insertion(folder, count=12, **options):
    folder.mkdir(exist_ok=True)
    for k in range(count):
        cv2.imwrite(str(folder / f"{k}.png"), stream_picture(1.2 * k, k, **options)[0])
    return folder


def test_track_writes_everything_and_nothing_else(tmp_path):
    source, out = insertion(tmp_path / "in"), tmp_path / "deep" / "out"
    done = usguide(
        "track", source, "--out", out, "--spacing-mm", "0.1", "--entry", "left", "--angle", "15:60", "--target", "25,20"
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert sorted(p.name for p in out.iterdir()) == ["overlay.mp4", "results.csv", "results.jsonl", "summary.json"]
    records = lines_of(out / "results.jsonl")
    assert [r["index"] for r in records] == list(range(12))
    keys = {
        "schema_version",
        "index",
        "timestamp_s",
        "state",
        "input_state",
        "confidence",
        "shaft",
        "tip",
        "other_tracks",
    }
    assert all(keys | {"injectate", "target", "latency_ms"} <= r.keys() for r in records)
    last = records[-1]
    assert last["state"] == "TRACKING"
    assert last["shaft"].keys() == {"entry_mm", "distal_mm", "angle_deg", "entry_px", "distal_px"}
    assert last["tip"].keys() == {"position_mm", "position_px", "sigma_mm", "velocity_mm_s"}
    np.testing.assert_allclose(np.array(last["tip"]["position_px"]) * 0.1, last["tip"]["position_mm"], atol=0.01)
    assert last["target"]["distance_mm"] > 0
    rows = list(csv.DictReader((out / "results.csv").read_text(encoding="utf-8").splitlines()))
    assert float(rows[-1]["tip_x_mm"]) == last["tip"]["position_mm"][0]
    assert rows[0]["tip_x_mm"] == ""
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert summary["complete"] is True
    assert summary["frames"] == sum(summary["states"].values()) == 12
    assert summary["input"]["spacing_source"] == "given"
    assert summary["prior"]["entry_side"] == "left"
    assert {"count", "p50", "p95", "p99", "max", "mean"} == summary["latency_ms"]["total"].keys()
    video = cv2.VideoCapture(str(out / "overlay.mp4"))
    assert int(video.get(cv2.CAP_PROP_FRAME_COUNT)) == 12


def test_the_shipped_phantom_prints_its_errors(tmp_path):
    done = usguide(
        "track", "phantom:inplane-fascia", "--entry", "left", "--angle", "15:60", "--out", tmp_path / "o", "--no-video"
    )
    assert done.returncode == 0, done.stderr
    assert "tip error" in done.stdout
    scores = json.loads((tmp_path / "o" / "summary.json").read_text(encoding="utf-8"))["scores"]
    assert scores["recall"] > 0.85
    assert f"{scores['tip_error_mm']['median']:.2f} mm" in done.stdout


def test_stills_of_different_sizes(tmp_path):
    (tmp_path / "in").mkdir()
    for name, spacing in (("a.png", 0.1), ("b.png", 0.12)):
        cv2.imwrite(str(tmp_path / "in" / name), needle_picture(spacing_mm=(spacing, spacing))[0])
    files = [tmp_path / "in" / n for n in ("a.png", "b.png")]
    done = usguide(
        "track", *files, "--stills", "--out", tmp_path / "o", "--spacing-mm", "0.1", "--entry", "left", "--json"
    )
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["frames"] == 2
    assert "size" in summary["events"][0]["event"]
    assert sorted(p.name for p in (tmp_path / "o" / "overlays").iterdir()) == ["0000_a.png", "0001_b.png"]
    assert [r["state"] for r in lines_of(tmp_path / "o" / "results.jsonl")] == ["TRACKING"] * 2


def test_a_change_of_size_in_mid_stream_is_in_the_summary(tmp_path):
    source = insertion(tmp_path / "in")
    for k in range(12, 16):
        cv2.imwrite(str(source / f"{k}.png"), stream_picture(15, k, size_mm=(30, 30))[0])
    done = usguide("track", source, "--out", tmp_path / "o", "--spacing-mm", "0.1", "--entry", "left", "--quiet")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    summary = json.loads((tmp_path / "o" / "summary.json").read_text(encoding="utf-8"))
    assert summary["frames"] == 16
    assert any("size" in e["event"] and e["index"] == 12 for e in summary["events"])


def test_bad_frames_are_counted_and_told(tmp_path):
    source = insertion(tmp_path / "in")
    (source / "5.png").write_bytes(b"broken")
    cv2.imwrite(str(source / "7.png"), np.zeros((12, 12), np.uint8))
    done = usguide("track", source, "--out", tmp_path / "o", "--spacing-mm", "0.1", "--no-video")
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "o" / "summary.json").read_text(encoding="utf-8"))
    assert summary["bad_frames"] == 2
    assert summary["frames"] == 10
    assert any("5.png" in n for n in summary["input"]["notes"])


FAULTS = {
    "missing": (None, ()),
    "empty folder": (lambda p: p.mkdir(), ()),
    "random.mp4": (lambda p: p.write_bytes(RNG.bytes(9000)), ()),
    "truncated.mp4": (lambda p: p.write_bytes(b"\x00\x00\x00\x20ftypisom" + RNG.bytes(500)), ()),
    "zero.png": (lambda p: p.write_bytes(b""), ()),
    "nan.npy": (lambda p: np.save(p, np.full((2, 40, 40), np.nan)), ("--full-scale", "1")),
    "line.npy": (lambda p: np.save(p, np.zeros(40, np.uint8)), ()),
    "pixel.npy": (lambda p: np.save(p, np.zeros((1, 1, 1), np.uint8)), ()),
    "cut.npz": (lambda p: p.write_bytes(b"PK\x03\x04" + RNG.bytes(99)), ()),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_one_line_and_leave_nothing(tmp_path, name):
    make, extra = FAULTS[name]
    path = tmp_path / name
    if make:
        make(path)
    done = usguide("track", path, "--out", tmp_path / "o", "--spacing-mm", "0.1", *extra)
    check_fault(done, tmp_path)


def check_fault(done, tmp_path):
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stderr.startswith("usguide: error: ")
    assert done.stdout == ""
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    "options",
    [
        ("--spacing-mm", "0"),
        ("--spacing-mm", "wide"),
        ("--spacing-mm", "100"),
        ("--spacing-mm", "0.1", "--depth-mm", "30"),
        ("--spacing-mm", "0.1", "--roi", "0,0,9"),
        ("--spacing-mm", "0.1", "--roi", "0,0,5000,5000"),
        ("--spacing-mm", "0.1", "--angle", "60:15"),
        ("--spacing-mm", "0.1", "--angle", "steep"),
        ("--spacing-mm", "0.1", "--preset", "nobody"),
        ("--spacing-mm", "0.1", "--target", "1"),
        ("--spacing-mm", "0.1", "--preset", "linear", "--preset", "nobody"),
        ("--spacing-mm", "0.1", "--lock-angle", "120"),
        ("--spacing-mm", "0.1", "--lock-angle", "30", "--angle", "10:50"),
        ("--spacing-mm", "0.1", "--entry", "left", "--guide", "0,6,30", "--lock-angle", "30"),
        ("--spacing-mm", "0.1", "--entry", "left", "--guide", "0,6"),
        ("--spacing-mm", "0.1", "--guide", "0,6,30"),
        ("--spacing-mm", "0.1", "--seed", "0,6"),
        ("--spacing-mm", "0.1", "--seed", "0,6:0,6"),
        ("--spacing-mm", "0.1", "--seed", "0,6:200,100"),
        ("--spacing-mm", "0.1", "--seed", "0,6:10,10", "--stills"),
        ("--spacing-mm", "0.1", "--seed-at-s", "1"),
        (),
    ],
    ids=" ".join,
)
def test_mistakes_in_options(tmp_path, options):
    np.save(tmp_path / "a.npy", np.stack([needle_picture(seed=k)[0] for k in range(3)]))
    check_fault(usguide("track", tmp_path / "a.npy", "--out", tmp_path / "o", *options), tmp_path)


def test_negative_angles_are_taken_as_they_are(tmp_path):
    np.save(tmp_path / "a.npy", needle_picture()[0])
    done = usguide(
        "track", tmp_path / "a.npy", "--out", tmp_path / "o", "--spacing-mm", "0.1", "--angle", "-40:0", "--json"
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["prior"]["angle_deg"] == [-40.0, 0.0]


def test_older_results_survive_a_run_that_fails(tmp_path):
    out = tmp_path / "o"
    out.mkdir()
    (out / "results.jsonl").write_text("old")
    assert usguide("track", tmp_path / "none", "--out", out, "--spacing-mm", "0.1").returncode == 2
    assert [p.name for p in out.iterdir()] == ["results.jsonl"]
    assert (out / "results.jsonl").read_text() == "old"


def test_an_interrupted_run_leaves_valid_files(tmp_path):
    frames = np.stack([needle_picture(length_mm=10 + 0.05 * k, seed=k % 10)[0] for k in range(40)])
    np.savez(tmp_path / "long.npz", frames=np.tile(frames, (60, 1, 1)), spacing_mm=[0.1, 0.1])
    out = tmp_path / "o"
    command = [sys.executable, "-c", "from usguide.cli import main; main()", "track", str(tmp_path / "long.npz")]
    process = subprocess.Popen([*command, "--out", str(out)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        partial = list(out.glob(".usguide-*/results.jsonl"))
        if partial and len(partial[0].read_text(encoding="utf-8").splitlines()) > 20:
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert "Traceback" not in stderr
    assert sorted(p.name for p in out.iterdir()) == ["overlay.mp4", "results.csv", "results.jsonl", "summary.json"]
    records = lines_of(out / "results.jsonl")
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert summary["complete"] is False
    assert summary["ended"] == "interrupted"
    assert 20 < len(records) == summary["frames"] < 2400
    video = cv2.VideoCapture(str(out / "overlay.mp4"))
    assert abs(int(video.get(cv2.CAP_PROP_FRAME_COUNT)) - len(records)) <= 1
    assert video.read()[0]


def test_info_tells_what_is_there_and_what_is_missing(tmp_path):
    insertion(tmp_path / "in", count=2)
    facts = json.loads(usguide("info", tmp_path / "in", "--json").stdout)
    assert facts["frames"] == 2
    assert (facts["height_px"], facts["width_px"]) == (320, 360)
    assert facts["spacing_source"] == "unknown"
    assert any("--spacing-mm" in m for m in facts["missing"])
    given = usguide("info", tmp_path / "in", "--depth-mm", "32").stdout
    assert "given by depth" in given
    check_fault(usguide("info", tmp_path / "none"), tmp_path)


def test_despeckle_keeps_the_kind_of_the_input(tmp_path):
    source = insertion(tmp_path / "in", count=3)
    assert usguide("despeckle", source, "--out", tmp_path / "pictures").returncode == 0
    assert sorted(p.name for p in (tmp_path / "pictures").iterdir()) == ["0.png", "1.png", "2.png"]
    first = cv2.imread(str(source / "0.png"), cv2.IMREAD_UNCHANGED)
    smooth = cv2.imread(str(tmp_path / "pictures" / "0.png"), cv2.IMREAD_UNCHANGED)
    assert smooth.shape == first.shape
    assert smooth[250:, 200:].std() < 0.9 * first[250:, 200:].std()
    stack = np.stack([first, first])
    np.savez(tmp_path / "a.npz", frames=stack, spacing_mm=[0.1, 0.2], timestamps_s=[0.0, 0.3])
    done = usguide(
        "despeckle",
        tmp_path / "a.npz",
        "--out",
        tmp_path / "b.npz",
        "--roi",
        "10,20,200,100",
        "-m",
        "srad",
        "-s",
        "iterations=3",
    )
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "b.npz") as written:
        assert written["frames"].shape == (2, 100, 200)
        assert written["timestamps_s"].tolist() == [0.0, 0.3]
        np.testing.assert_allclose(written["origin_mm"], [10 * 0.2, 20 * 0.1])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.npz", "b.npz", "in", "pictures"]
    for wrong in (("--method", "magic"), ("-s", "iterations"), ("-s", "power=3")):
        check_fault(usguide("despeckle", source, "--out", tmp_path / "o", *wrong), tmp_path)
    assert "srad" in usguide("despeckle", "--list").stdout


def test_help_teaches():
    for command in ((), ("track",), ("info",), ("despeckle",)):
        done = usguide(*command, "--help")
        assert done.returncode == 0
        assert "Research use only" in done.stdout
    assert "phantom:inplane-fascia" in usguide("track", "--help").stdout
    assert usguide("--version").stdout.startswith("usguide 0")


def test_the_command_line_starts_without_the_heavy_libraries():
    code = "import sys, usguide.cli.app; print([m for m in ('cv2', 'numba', 'scipy', 'skimage', 'numpy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_importing_usguide_imports_nothing_else():
    code = (
        "import sys, usguide; print(sorted(m for m in sys.modules if m.startswith('usguide') or m in ('cv2', 'numpy')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['usguide']"
