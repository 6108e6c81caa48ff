"""Presets, guide lines, locked angles and seeds on the command line."""

import json

import numpy as np
import pytest
from conftest import frame_of, stream_picture

import usguide as ug
from usguide.cli import clicking, seeding
from usguide.cli.app import app
from usguide.cli.seeding import Seeding
from usguide.presets import preset_names, preset_summary, preset_text


def run(*arguments):
    code = app([str(a) for a in arguments], standalone_mode=False)
    return code or 0


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """20 frames a second: six without a needle, then one that is there at once and still."""
    path = tmp_path_factory.mktemp("recording") / "a.npz"
    pictures = [stream_picture(20.0 * (k >= 6), k)[0] for k in range(16)]
    np.savez(path, frames=np.stack(pictures), spacing_mm=[0.1, 0.1], timestamps_s=0.05 * np.arange(16))
    return path


def summary_and_records(recording, out, *options):
    assert run("track", recording, "--out", out, "--no-video", "--quiet", *options) == 0
    records = [json.loads(line) for line in (out / "results.jsonl").read_text(encoding="utf-8").splitlines()]
    return json.loads((out / "summary.json").read_text(encoding="utf-8")), records


def test_presets_lists_each_with_its_line(capsys):
    run("presets")
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for name in preset_names():
        assert name in shown
        assert preset_summary(name).split(":")[0] in shown


def test_show_prints_the_file_itself_and_for_default_every_setting(capsys):
    run("presets", "show", "biopsy")
    assert capsys.readouterr().out == preset_text("biopsy")
    run("presets", "show", "default")
    text = capsys.readouterr().out
    assert ug.PipelineSettings.from_toml(text) == ug.PipelineSettings()
    assert "working_mm_per_px" in text
    with pytest.raises(ug.InputError, match="expected one of default, biopsy"):
        run("presets", "show", "nobody")


def test_presets_come_first_and_options_replace_them(recording, tmp_path):
    out = tmp_path / "o"
    presets = ("--preset", "curvilinear", "--preset", "lumbar-facet")
    summary, _ = summary_and_records(recording, out, *presets, "--entry", "left")
    assert summary["prior"] == {
        "entry_side": "left",
        "angle_deg": [30, 80],
        "needle_diameter_mm": 0.72,
        "entry_mm": None,
    }
    summary, _ = summary_and_records(recording, out, *presets, "--angle", "15:60")
    assert (summary["prior"]["angle_deg"], summary["prior"]["needle_diameter_mm"]) == ([15, 60], 0.72)
    summary, _ = summary_and_records(recording, out, *presets, "--lock-angle", "40")
    assert (summary["prior"]["angle_deg"], summary["prior"]["needle_diameter_mm"]) == ([38, 42], 0.72)


SEED = ("--entry", "left", "--seed", "0,6:17,16", "--seed-at-s", "0.3")


def test_a_seed_starts_the_track_at_its_time(recording, tmp_path):
    summary, records = summary_and_records(recording, tmp_path / "o", *SEED)
    assert [r["state"] for r in records] == ["SEARCHING"] * 6 + ["TRACKING"] * 10
    assert summary["events"] == [{"index": 6, "event": "track seeded by hand"}]
    tip = np.add((0.0, 6.0), 20 * np.array([np.cos(np.pi / 6), 0.5]))
    np.testing.assert_allclose(records[-1]["tip"]["position_mm"], tip, atol=0.6)


def test_without_a_time_the_first_frame_is_seeded(recording, tmp_path):
    summary, _ = summary_and_records(recording, tmp_path / "o", "--seed", "0,6:17,16", "--max-frames", "1")
    assert summary["events"] == [{"index": 0, "event": "track seeded by hand"}]


def test_a_seed_after_the_end_is_told(recording, tmp_path):
    summary, _ = summary_and_records(recording, tmp_path / "o", "--seed", "0,6:17,16", "--seed-at-s", "99")
    assert "after the last frame" in summary["events"][-1]["event"]


def test_a_guide_narrows_the_prior_and_keeps_what_is_elsewhere_out(recording, tmp_path):
    summary, records = summary_and_records(recording, tmp_path / "o", *SEED, "--guide", "0,6,30")
    assert summary["prior"]["angle_deg"] == pytest.approx([27, 33])
    assert summary["prior"]["entry_mm"] == [0, 6]
    assert {r["state"] for r in records[6:]} == {"TRACKING"}
    # The seeded frame itself tracks what the seed says; after it nothing on that guide bears it out.
    _, records = summary_and_records(recording, tmp_path / "o", *SEED, "--guide", "0,16,30")
    assert "TRACKING" not in {r["state"] for r in records[7:]}


def test_clicks_become_mm_of_the_frame(monkeypatch):
    monkeypatch.setattr(clicking, "clicks_on", lambda *_: [(0.0, 60.0), (200.0, 160.0)])
    assert clicking.click_needle(frame_of(np.zeros((300, 300), np.uint8), spacing_mm=(0.1, 0.2))) == (
        pytest.approx((0.0, 6.0)),
        pytest.approx((40.0, 16.0)),
    )


def test_clicking_is_refused_at_once_without_a_display(monkeypatch, recording, tmp_path):
    monkeypatch.setattr(clicking.sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ug.InputError, match="--seed click: expected a display, got none; state the points"):
        run("track", recording, "--out", tmp_path / "o", "--seed", "click")
    assert not (tmp_path / "o").exists()


def test_a_click_seeds_the_frame_that_is_shown(monkeypatch):
    seen = []
    monkeypatch.setattr(seeding, "click_needle", lambda frame: seen.append(frame.index) or ((0.0, 6.0), (17.0, 16.0)))
    pipeline, plan = ug.GuidancePipeline(), Seeding("click", 0.1)
    for k in range(5):
        plan.look(frame_of(np.zeros((300, 300), np.uint8), index=k, timestamp_s=0.05 * k), pipeline)
    assert seen == [2]
    assert plan.done
