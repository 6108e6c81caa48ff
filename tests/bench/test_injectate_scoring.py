"""Baselines on pictures made by hand, a short run, and figures, bars and page of outcomes made by hand."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

import usguide as ug
from usguide.bench.bars import bar_lines
from usguide.bench.injectate_baselines import BASELINES, Scene
from usguide.bench.injectate_methods import COMPARED, GIVEN_TIP, OURS, true_track
from usguide.bench.injectate_running import InjectateOutcome, MethodOutcome, run_injectate
from usguide.bench.injectate_scoring import GROUPS, INJECTATE_BARS, injectate_figures, to_look_at
from usguide.bench.report_injectate import injectate_html, save_strips
from usguide.bench.sequences import Rendered, Sequence
from usguide.metrics import compare_masks, to_plain
from usguide.metrics.spread import SpreadFrames, SpreadScores
from usguide.phantoms import InjectateScene, NeedleScene, PhantomScene

GEOMETRY = ug.ImageGeometry(0.3, 0.3, (1.0, 2.0))


def disc_scene(fluid=40.0, tissue=120.0):
    """A dark disc of 4 mm radius, the tip 1 mm off its middle; speckle by a fixed seed; a vessel beside it."""
    z, x = np.mgrid[:100, :110] * 0.3
    truth = np.hypot(x - 15, z - 15) < 4
    vessel = np.hypot(x - 25, z - 15) < 3
    grey = np.where(truth | vessel, fluid, tissue) + np.random.default_rng(0).normal(0, 8, truth.shape)
    return Scene(grey.astype(np.float32), GEOMETRY, (17.0, 17.0), tissue), truth


@pytest.mark.parametrize("name", list(BASELINES))
def test_a_baseline_finds_an_easy_disc(name):
    scene, truth = disc_scene()
    found = BASELINES[name](scene)
    assert found.shape == truth.shape
    assert compare_masks(truth, found, axial_mm_per_px=0.3, lateral_mm_per_px=0.3).dice > 0.85


@pytest.mark.parametrize("name", list(BASELINES))
def test_a_baseline_leaves_alone_what_does_not_come_near_the_tip(name):
    scene, _ = disc_scene()
    away = replace(scene, tip_mm=(4.0, 28.0))
    assert not BASELINES[name](away)[:, 60:].any()


@pytest.fixture(scope="module")
def injected(tmp_path_factory):
    needle = NeedleScene(advance=((0.0, 14.0),), brightness=4.0)
    fluid = InjectateScene(kind="pool", onset_s=0.6, area_rate_mm2_s=30.0)
    scene = PhantomScene(
        shape=(150, 160), spacing_mm=(0.2, 0.2), frame_rate_hz=10.0, duration_s=2.4, needle=needle, injectate=fluid
    )
    tags = {"needle": "yes", "injectate": "pool", "echo": "0.05", "darkness": "anechoic", "tissue": "linear"}
    prior = ug.InsertionPrior("left", (5.0, 80.0))
    sequence = Sequence(
        "s", "injectate", "tune", prior, Rendered(scene, 3), tags | {"probe motion": "still"}, marked_s=0.6
    )
    return sequence, tmp_path_factory.mktemp("rendered")


def test_a_sequence_is_run_through_methods(injected):
    sequence, folder = injected
    told = []

    class Perfect:
        """Reports the true mask, and what it was told."""

        def __init__(self, truth):
            self._truth = truth

        def step(self, frame):
            mask = self._truth.injectate_mask[frame.index]
            track = true_track(self._truth, frame.index)
            told.append(track.tip.position_mm)
            onset = 0.7 if mask.any() else None
            fluid = ug.Injectate((), mask, frame.geometry, (), float(mask.sum()) * 0.04, None, None, onset, None, 1.0)
            tracks = (track,)
            return ug.GuidanceResult(
                frame.index, frame.timestamp_s, track.state, ug.InputState.OK, tracks, injectate=fluid
            )

    outcome = run_injectate(
        sequence, {"perfect": lambda _, truth: Perfect(truth), "grey threshold": COMPARED["grey threshold"]}, folder
    )
    perfect, grey = outcome.methods["perfect"].spread, outcome.methods["grey threshold"].spread
    assert perfect.raw.dice.min() == 1
    assert 0.3 < float(np.median(grey.raw.dice)) < 1
    assert outcome.needle_known is True
    assert outcome.strip is not None
    assert np.hypot(*np.subtract(told[5], sequence.content.scene.needle.tip_mm(0.5))) < 0.5


def outcome(name, dice, *, kind="lens", dark="anechoic", false_onsets=0, no_spread_s=None, others=0.5):
    def spread(value):
        n = 4 if kind in ("lens", "ring", "pool") else 0
        each = np.full(n, 1.0)
        raw = SpreadFrames(
            value * each, 0.5 * each, 0.08 * each, 0.7 * each, *2 * ((12.0 if kind == "ring" else np.nan) * each,)
        )
        delay = 0.2 if n else None
        return MethodOutcome(SpreadScores(n, delay, delay, false_onsets, no_spread_s, raw), 2.0 if n else math.nan)

    tags = {
        "injectate": kind,
        "darkness": dark,
        "needle": "yes",
        "probe motion": "still",
        "tissue": "linear",
        "echo": "0.1",
    }
    methods = {OURS: spread(dice), GIVEN_TIP: spread(dice)}
    if kind in ("lens", "ring", "pool"):
        methods |= {c: spread(others) for c in COMPARED}
    strip = cv2_strip() if kind in ("lens", "ring", "pool") else None
    return InjectateOutcome(name, tags, 10, True if strip else None, methods, strip, strip)


def cv2_strip():
    import cv2

    return bytes(cv2.imencode(".jpg", np.zeros((60, 1200, 3), np.uint8))[1])


@pytest.fixture
def outcomes():
    return [
        outcome("a", 0.9),
        outcome("b", 0.92, kind="ring"),
        outcome("c", 0.84, kind="pool", dark="hypoechoic"),
        outcome("d", 0.82, dark="hypoechoic"),
        outcome("e", 0, kind="unseen", dark="none", no_spread_s=4.6),
        outcome("f", 0, kind="none", dark="none"),
    ]


def lines_of(outcomes):
    found = to_plain(bar_lines({"injectate": injectate_figures(outcomes)}, INJECTATE_BARS))
    return {(line["group"].removeprefix("injectate: "), line["what"]): line for line in found}


def test_all_bars_are_measured_and_hold(outcomes):
    lines = lines_of(outcomes)
    assert len(lines) == len(INJECTATE_BARS)
    assert all(line["holds"] is True for line in lines.values()), [k for k, v in lines.items() if not v["holds"]]
    json.dumps(injectate_figures(outcomes), allow_nan=False)


@pytest.mark.parametrize(
    ("wrong", "broken"),
    [
        (outcome("g", 0.86, dark="anechoic"), set()),
        (outcome("g", 0, kind="none", false_onsets=1), {("free of injection", "sequences with a false onset")}),
        (outcome("g", 0, kind="unseen"), {("unseen, marked", "warned of no spread")}),
        (
            outcome("g", 0, kind="unseen", no_spread_s=4.0, false_onsets=1),
            {("unseen, marked", "sequences with an onset")},
        ),
        (outcome("g", 0.9, no_spread_s=5.0), {("not intravascular", "warned of no spread")}),
        (
            outcome("g", 0.9, others=4.0),
            {("all fluid", f"Dice above that of {c}, mean: lower end of its interval") for c in COMPARED},
        ),
    ],
)
def test_what_is_wrong_breaks_its_own_bar(outcomes, wrong, broken):
    lines = lines_of([*outcomes, wrong])
    failed = {(group, what) for (group, what), line in lines.items() if not line["holds"] and "true tip" not in group}
    assert failed == broken


def test_groups_hold_their_own(outcomes):
    members = {group: [o.name for o in outcomes if chosen(o)] for group, chosen in GROUPS.items()}
    assert members["all fluid"] == ["a", "b", "c", "d"]
    assert members["anechoic"] == ["a", "b"]
    assert members["lens"] == ["a", "d"]
    assert members["unseen, marked"] == ["e"]
    assert members["free of injection"] == ["f"]
    assert members["not intravascular"] == ["a", "b", "c", "d", "f"]


def test_the_page_and_the_pictures(outcomes, tmp_path):
    shown = to_look_at(outcomes)
    assert [(word, o.name) for word, o in shown] == [("best", "b"), ("median", "c"), ("worst", "d")]
    found = injectate_figures(outcomes)
    found["bars"] = to_plain(bar_lines({"injectate": found}, INJECTATE_BARS))
    page = injectate_html(found, shown)
    assert "best: b, Dice 0.92" in page
    assert page.count("<img") == 6  # what was found, and its course over time
    assert "GrabCut" in page
    save_strips(tmp_path / "injectate.png", shown)
    assert (tmp_path / "injectate.png").stat().st_size > 1000
    assert [p.name for p in tmp_path.iterdir()] == ["injectate.png"]
    assert to_look_at([o for o in outcomes if o.name in "ef"]) == ()
