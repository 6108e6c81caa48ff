"""`usguide spread`, and what other commands do with injectate, on the shipped phantom and its exact truth."""

import json
from pathlib import Path

import nrrd
import numpy as np
import pytest

import usguide as ug
from usguide.cli.app import app
from usguide.cli.console import print_report
from usguide.cli.parsing import parse_fluid_seed, parse_outlines, parse_target
from usguide.metrics import score_injectate

PHANTOM = ("phantom:inplane-fascia", "--entry", "left", "--angle", "15:60")


def run(*arguments):
    return app([str(a) for a in arguments], standalone_mode=False) or 0


def records_of(out):
    return [json.loads(line) for line in (out / "results.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def truth():
    with ug.open_source("phantom:inplane-fascia") as source:
        return source.info.truth


@pytest.fixture(scope="module")
def spread(tmp_path_factory):
    out = tmp_path_factory.mktemp("spread") / "out"
    options = ("--from", 2.4, "--target", "25,22.3,3", "--keep-out", "vessel=33,13,2.2", "--keep-out", "8,30,1")
    assert run("spread", *PHANTOM, *options, "--out", out, "--quiet") == 0
    return out


def test_everything_is_written(spread):
    names = {
        "results.jsonl",
        "results.csv",
        "overlay.mp4",
        "spread.png",
        "injectate.npz",
        "injectate.seq.nrrd",
        "summary.json",
    }
    assert {p.name for p in spread.iterdir()} == names


def test_the_fluid_is_where_it_was_rendered(spread, truth):
    with np.load(spread / "injectate.npz") as found:
        labels, index = found["labels"], found["index"]
    late = [k for k in range(len(index)) if truth.injectate_area_mm2[index[k]] > 10]
    assert len(late) > 5
    for k in late:
        a, b = labels[k] > 0, truth.injectate_mask[index[k]]
        assert 2 * (a & b).sum() / (a.sum() + b.sum()) > 0.7
    assert not labels[truth.injectate_area_mm2[index] == 0].any(), "fluid before there was any"
    stored, _ = nrrd.read(str(spread / "injectate.seq.nrrd"))
    np.testing.assert_array_equal(np.moveaxis(stored[..., 0, :], -1, 0).transpose(0, 2, 1), labels)


def test_the_numbers_are_in_the_results(spread, truth):
    last = records_of(spread)[-1]
    fluid = last["injectate"]
    assert fluid["area_mm2"] == pytest.approx(truth.injectate_area_mm2[-1], rel=0.35)
    # The first frame with 1 mm2; onset_delay_s is how late it was noticed.
    times = np.array([r["timestamp_s"] for r in records_of(spread)])
    assert fluid["onset_s"] == pytest.approx(times[np.argmax(truth.injectate_area_mm2 >= 1)], abs=0.6)
    assert 60 < fluid["around_target"]["ring_deg"] < 200
    assert fluid["volume_assumption"].endswith("short axis")
    assert fluid["warnings"] == []
    assert json.loads((spread / "summary.json").read_text(encoding="utf-8"))["settings"]["injectate"]["on"] is True


def test_the_summary_tells_the_end_of_it(spread, capsys):
    summary = json.loads((spread / "summary.json").read_text(encoding="utf-8"))
    last, fluid = records_of(spread)[-1]["injectate"], summary["injectate"]
    assert fluid["onset_s"] == last["onset_s"]
    first = next(r["timestamp_s"] for r in records_of(spread) if r["injectate"]["area_mm2"] > 0)
    assert fluid["noticed_s"] == pytest.approx(first)
    assert fluid["last"]["area_mm2"] == pytest.approx(last["area_mm2"], abs=1e-3)
    assert fluid["warnings"] == {}
    print_report(summary | {"injectate": fluid | {"warnings": {"no-spread": 3}}}, [])
    shown = capsys.readouterr().out
    assert f"at the end {last['area_mm2']:.1f} mm2" in shown
    assert "no-spread, in 3 frames" in shown


def test_a_seed_does_without_a_needle(tmp_path, truth):
    """The needle is not looked for on the right side: the place is pointed out."""
    x, z = truth.tip_mm[48]
    out = tmp_path / "out"
    options = ("--entry", "right", "--from", 2.4, "--seed", f"{x:.2f},{z:.2f}", "--no-video", "--no-masks", "--quiet")
    assert run("spread", PHANTOM[0], *options, "--out", out) == 0
    records = records_of(out)
    assert records[-1]["injectate"]["area_mm2"] == pytest.approx(truth.injectate_area_mm2[-1], rel=0.5)
    assert any("injectate seeded by hand" in e for r in records for e in r["events"])
    assert {p.name for p in out.iterdir()} == {"results.jsonl", "results.csv", "spread.png", "summary.json"}


def test_frames_long_before_the_injection_are_passed_over(tmp_path):
    path = tmp_path / "a.npz"
    frames = np.random.default_rng(0).integers(40, 120, (40, 80, 100), dtype=np.uint8)
    np.savez(path, frames=frames, spacing_mm=[0.3, 0.3], timestamps_s=0.5 * np.arange(40))
    assert run("spread", path, "--from", 12, "--seed", "15,12", "--out", tmp_path / "o", "--no-video", "--quiet") == 0
    assert [r["index"] for r in records_of(tmp_path / "o")] == list(range(14, 40))


def test_an_elevational_width_makes_the_volume_a_slab(tmp_path):
    out = tmp_path / "out"
    options = ("--from", 2.4, "--elevational-width-mm", 6, "--no-video", "--no-masks", "--quiet")
    assert run("spread", *PHANTOM, *options, "--out", out) == 0
    fluid = records_of(out)[-1]["injectate"]
    assert fluid["volume_mm3"] == pytest.approx(6 * fluid["area_mm2"], rel=1e-3)
    assert "6 mm in elevation" in fluid["volume_assumption"]


def test_outlines_come_from_files(tmp_path, truth):
    nerve, vessel = tmp_path / "nerve.json", tmp_path / "vessel.mrk.json"
    nerve.write_text(json.dumps(truth.target_outline_mm[0].tolist()))
    points = [{"position": [-x, -z, 0.0]} for x, z in truth.keep_out_mm["vessel"][0].tolist()]
    vessel.write_text(json.dumps({"markups": [{"coordinateSystem": "RAS", "controlPoints": points}]}))
    out = tmp_path / "out"
    options = (
        "--from",
        2.4,
        "--target",
        nerve,
        "--keep-out",
        f"vessel={vessel}",
        "--no-video",
        "--no-masks",
        "--quiet",
    )
    assert run("spread", *PHANTOM, *options, "--out", out) == 0
    last = records_of(out)[-1]
    assert 60 < last["injectate"]["around_target"]["ring_deg"] < 200
    assert last["target"]["position_mm"] == pytest.approx(truth.target_mm[0].tolist(), abs=0.5)


def test_track_measures_injectate_when_asked_and_leaves_nothing_of_it_else(tmp_path):
    out, short = tmp_path / "out", ("--max-frames", 4, "--no-video", "--quiet")
    assert run("track", *PHANTOM, *short, "--masks", "--out", out) == 0
    assert (out / "spread.png").exists()
    assert (out / "injectate.npz").exists()
    assert records_of(out)[-1]["injectate"]["area_mm2"] == 0
    assert run("track", *PHANTOM, *short, "--out", out) == 0
    assert records_of(out)[-1]["injectate"] is None
    assert {p.name for p in out.iterdir()} == {"results.jsonl", "results.csv", "summary.json"}
    assert run("track", *PHANTOM, *short, "--injection-at-s", 0.05, "--out", out) == 0
    assert records_of(out)[-1]["injectate"] is not None
    assert "injection marked at 0.05 s" in records_of(out)[0]["events"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("track", "--no-injectate", "--masks"), "--no-injectate: expected no --masks"),
        (("track", "--target", "1,2,0"), "--target: expected a radius above 0"),
        (("track", "--target", "1"), "--target: expected X,Z"),
        (("track", "--keep-out", "vessel=1,2"), "--keep-out: expected"),
        (("track", "--keep-out", "vessel=1,2,0"), "--keep-out: expected a radius above 0"),
        (("spread", "--target", "nowhere.json"), "nowhere.json: expected an outline"),
        (("track", "--keep-out", "a=1,2,3", "--keep-out", "a=2,3,4"), "a name of its own"),
        (("spread", "--seed", "1"), "--seed: expected X,Z in mm"),
        (("spread", "--seed", "100,10"), "--seed: expected a place inside the picture"),
        (("spread", "--elevational-width-mm", "0"), "--elevational-width-mm"),
    ],
)
def test_a_wrong_call_says_what_is_wrong_and_makes_nothing(tmp_path, arguments, message):
    command, *rest = arguments
    with pytest.raises(ug.UsguideError, match=message):
        run(command, PHANTOM[0], *rest, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_circles_have_names_or_numbers():
    found = parse_outlines(["1,2,3", "left vessel=4,5,6", "pleura=a/b.json"], "--keep-out")
    assert found == {"1": (1, 2, 3), "left vessel": (4, 5, 6), "pleura": Path("a/b.json")}
    assert parse_outlines(None, "--keep-out") == {}
    assert parse_target("nerve.mrk.json") == Path("nerve.mrk.json")
    assert parse_target("1,2") == (1.0, 2.0)
    assert parse_target("1,2,3") == (1.0, 2.0, 3.0)
    assert parse_fluid_seed("click") == "click"
    assert parse_fluid_seed(None) is None


def test_the_pipeline_scores_on_the_phantom(truth):
    """What the command does, from Python, and scored as benchmarks are."""
    settings = ug.PipelineSettings.from_toml("[injectate]\non = true\n")
    pipeline = ug.GuidancePipeline(ug.InsertionPrior("left", (15, 60)), settings)
    pipeline.mark_injection(2.4)
    with ug.open_source("phantom:inplane-fascia") as source:
        results = [pipeline.step(frame) for frame in source]
        scores = score_injectate(truth.injectate_mask, results, source.info.geometry)
    assert scores.false_onsets == 0
    assert scores.onset_notice_delay_s < 1.0
