"""What is asked beside what was measured, from figures made by hand."""

import json
import math
from dataclasses import asdict

import cv2
import numpy as np
import pytest
from needle_cases import result, right_results, straight_truth

import usguide as ug
from usguide.bench.bars import BARS, Bar, bar_lines
from usguide.bench.report_bars import bars_html, subsets_html
from usguide.bench.run import run_bench
from usguide.bench.running import DetectorOutcome, Outcome, WorstFrame, _convinced
from usguide.bench.scoring import wrong_share
from usguide.bench.stills import StillScore
from usguide.bench.subsets import biopsy_figures, stills_point, subset_figures, tool_figures
from usguide.bench.suites import suites
from usguide.bench.tool import ToolScores
from usguide.bench.worst import save_sheet
from usguide.metrics import confidence_events, score_needle


def estimate(value, low=None, high=None):
    return {"value": value, "low": low, "high": high}


@pytest.mark.parametrize(
    ("relation", "limit", "value", "holds"),
    [
        ("at least", 0.96, 0.96, True),
        ("at least", 0.96, 0.9596, False),
        ("at most", 0.3, 0.3, True),
        ("at most", 0.3, 0.31, False),
        ("at most", 0.3, "infinite", False),
        ("over", 0.0, 0.0, False),
        ("over", 0.0, 0.01, True),
        ("none", 0.0, 0, True),
        ("none", 0.0, 1, False),
        ("at least", 0.9, None, None),
    ],
)
def test_a_line_holds_when_its_figure_does(relation, limit, value, holds):
    bar = Bar("g", "w", ("a", "b"), relation, limit)
    for found in (value, estimate(value, value, value)):
        (line,) = bar_lines({"a": {"b": found}}, [bar])
        assert line.holds is holds
        assert (line.measured == "not measured") is (value is None)
    assert bar_lines({"a": None}, [bar])[0].holds is None


def test_lines_show_figure_interval_and_unit():
    bar = Bar("g", "recall", ("r",), "at least", 0.96, "%")
    (line,) = bar_lines({"r": estimate(0.9596, 0.9, 1.0)}, [bar])
    assert (line.asked, line.measured) == ("at least 96.0 %", "96.0 [90.0, 100.0] %")
    (line,) = bar_lines({"r": estimate(0.25, 0.2, "infinite")}, [Bar("g", "tip", ("r",), "at most", 0.3, "mm")])
    assert (line.asked, line.measured, line.holds) == ("at most 0.3 mm", "0.25 [0.2, infinite] mm", True)


def outcome(name, found, tags, *, suite="phantom", visibility=None, angle_deg=30.0, stills=(), tool=None):
    truth, results = found
    confidence, event = confidence_events(truth, results)
    likeliest = score_needle(truth, [_convinced(r) for r in results]) if "prior" in tags else None
    scored = DetectorOutcome(score_needle(truth, results), None, confidence, event, {}, 0, stills, likeliest, tool)
    if visibility:
        tags = {**tags, "visibility": visibility}
    return Outcome(name, suite, tags, len(results), 9.0, angle_deg, 3, {"usguide": scored}, None)


def needle(hits, *, before=0, alarms=()):
    """Ten frames with a needle, hits in the first ones, after needle-free ones with alarms in some."""
    truth = straight_truth([0] * before + [20] * 10)
    said = [result(k, (40, 40)) for k in alarms] + right_results(truth, range(before, before + hits))
    return truth, sorted(said + [result(k) for k in range(before + 10) if k not in {r.index for r in said}], key=index)


def index(r):
    return r.index


@pytest.fixture
def outcomes():
    yes, no = {"needle": "yes", "shaft": "straight", "course": "advance"}, {"needle": "no"}
    free = straight_truth([0] * 20)
    alarm = free, [result(k, (5, 5) if k < 5 else None) for k in range(20)]
    quiet = free, [result(k) for k in range(20)]
    return [
        outcome("a", needle(10), yes, visibility="easy", angle_deg=70.0),
        outcome("b", needle(6, before=4, alarms=(0, 1)), {**yes, "shaft": "bent"}, visibility="normal"),
        outcome("c", needle(3), {**yes, "course": "drift", "probe motion": "slide"}, visibility="faint"),
        outcome("d", needle(8), {**yes, "course": "present"}, suite="anatomy", visibility="normal"),
        outcome("e", needle(1), {**yes, "course": "present"}, visibility="below faint", angle_deg=55.0),
        outcome("f", alarm, {**no, "event": "slide and sweep"}),
        outcome("g", quiet, {**no, "event": "slide"}),
        outcome("h", alarm, {**no, "event": "real: bone", "recording": "plus"}, suite="recordings"),
        outcome("i", alarm, {**no, "event": "real: mouse-liver"}, suite="recordings"),
        outcome("j", needle(2), {**yes, "kind": "rendered still"}, suite="stills", visibility="easy"),
    ]


def test_subsets_by_hand(outcomes):
    found = subset_figures(outcomes, "usguide")
    hits = {name: (f["needle"]["hits"], f["needle"]["counted_frames"]) for name, f in found.items()}
    assert hits["all needles"] == (28, 50)
    assert hits["easy and normal"] == (24, 30)
    assert hits["easy and normal, straight"] == (18, 20)
    assert hits["easy and normal, bent"] == hits["bent"] == (6, 10)
    assert hits["faint"] == hits["out-of-plane drift"] == hits["moving probe"] == (3, 10)
    assert hits["steep"] == (10, 10)  # over 55 degrees, and 55 is not
    assert hits["from the first frame"] == (9, 20)
    assert hits["from the first frame, normal"] == (8, 10)
    assert found["easy and normal"]["needle"]["precision"]["value"] == pytest.approx(24 / 26)
    alarms = {name: f["needle"]["false_alarm_share"]["value"] for name, f in found.items()}
    assert alarms["needle-free, rendered"] == 5 / 40
    assert alarms["needle-free, sliding out of plane"] == 5 / 20
    assert alarms["needle-free, real and moving"] == 5 / 20
    assert found["all rendered"]["needle"]["sequences"] == 7
    assert found["faint"]["calibration"]["count"] == 3


def test_stills_biopsies_and_tool_by_hand(outcomes):
    score = StillScore(5.0, needle=True, hit=True)
    alarm = StillScore(6.0, needle=False, hit=False)
    truth = straight_truth([20])
    real = {"needle": "yes", "prior": "side and angle"}
    tool = ToolScores(100, 85, 2, (1.0, 4.0))
    more = [
        outcome("s", needle(1), {"needle": "yes"}, suite="stills", stills=(score,)),
        outcome("n", needle(1), {"event": "real: nerve-block still"}, suite="recordings", stills=(alarm,)),
        outcome("o", needle(1), {"event": "real: pocus-phantom"}, suite="recordings", stills=(alarm,)),
        outcome("b1", (truth, right_results(truth)), real, suite="recordings"),
        # Not convincing, but first.
        outcome("b2", (truth, [result(0, (20.0, 11.0), state=ug.TrackState.SEARCHING)]), real, suite="recordings"),
        outcome("b3", (truth, [result(0)]), {**real, "prior": "none"}, suite="recordings"),
        outcome("t", needle(1), {"needle": "a moving tool"}, suite="recordings", tool=tool),
    ]
    stills = stills_point(more, "usguide")
    assert (stills["needles"], stills["needle_free"], stills["false_alarm_share"]["value"]) == (1, 1, 1.0)
    biopsy = biopsy_figures(more, "usguide")
    assert biopsy["side and angle"]["tip_error_max_mm"] == pytest.approx(1.0)
    assert biopsy["side and angle"]["angle_error_max_deg"] == pytest.approx(math.degrees(math.atan(1 / 20)))
    assert [p["convincing"] for p in biopsy["side and angle"]["pictures"].values()] == [True, False]
    assert biopsy["none"]["tip_error_max_mm"] == "infinite"
    found = tool_figures(more, "usguide")
    assert (found["tracked_share"], found["wall_frames"], found["end_error_max_mm"]) == (0.85, 2, 4.0)
    assert tool_figures(outcomes, "usguide") is None
    figures = {"subsets": subset_figures(outcomes, "usguide"), "stills": stills, "biopsy": biopsy, "tool": found}
    lines = bar_lines(figures)
    assert {line.holds for line in lines if line.group == "catheter"} == {True, False}
    text = bars_html([asdict(line) for line in lines]) + subsets_html(figures["subsets"])
    assert "sequences under 3 mm" in text
    assert "<td >infinite mm</td>" in text
    assert bars_html([asdict(line) for line in bar_lines({})]) == ""


def test_every_bar_leads_to_a_figure_of_a_run(recordings, monkeypatch, outcomes):
    """The paths are words: a figure that is called otherwise would read as not measured."""
    monkeypatch.setenv("USGUIDE_DATA_DIR", str(recordings))
    everything = [s for split in suites("all") for s in split.sequences]
    assert {s.tags.get("prior") for s in everything} >= {"side and angle", "none"}
    assert {s.tags.get("recording") for s in everything} >= {"plus", "qa-phantom", "butterfly"}
    found = subset_figures(outcomes, "usguide")
    for bar in BARS:
        if bar.path[0] == "subsets":
            assert bar.path[-1] in found[bar.path[1]][bar.path[2]], bar


def test_the_worst_sequences_come_first(outcomes):
    shares = {o.name: wrong_share(o, "usguide") for o in outcomes}
    assert shares["a"] == 0
    assert shares["b"] == pytest.approx((4 + 2) / 14)
    assert shares["e"] == 0.9
    assert shares["f"] == 0.25


def test_the_sheet_holds_each_picture(tmp_path):
    _, jpeg = cv2.imencode(".jpg", np.full((100, 480, 3), 200, np.uint8))
    frames = [WorstFrame(f"s{k}", k, "miss", 9.0, jpeg.tobytes()) for k in range(3)]
    save_sheet(tmp_path / "worst.png", frames)
    sheet = cv2.imread(str(tmp_path / "worst.png"))
    assert sheet.shape == (2 * 122, 960, 3)
    assert abs(int(sheet[60, 240, 0]) - 200) < 4
    assert abs(int(sheet[60, 720, 0]) - 200) < 4
    assert sheet[200, 720].max() == 0  # the fourth is not there
    assert [p.name for p in tmp_path.iterdir()] == ["worst.png"]


def test_a_run_without_needles_measures_nothing_of_them():
    run = run_bench(chosen=())
    assert {line["holds"] for line in run.figures["bars"]} == {None}
    assert run.worst_sequences == ()
    json.dumps(run.figures, allow_nan=False)
