"""A tiny benchmark from scene to page: figures that JSON can hold, a page that needs nothing, a fair order of detectors."""

import json
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

import usguide as ug
from usguide.bench import (
    BenchOptions,
    Recorded,
    Rendered,
    Sequence,
    Suite,
    Watcher,
    compare,
    load_figures,
    report_html,
    run_bench,
    save_figures,
    save_report,
)
from usguide.bench.cache import rendered_file
from usguide.bench.loading import stated_truth
from usguide.errors import FormatError, InputError
from usguide.phantoms import NeedleScene, PhantomScene
from usguide.types import NeedleTrack, Shaft, Tip

NEEDLE = NeedleScene(
    entry_mm=(0.0, 5.0), angle_deg=30.0, brightness=8.0, gap_share=0.0, advance=((0.0, 2.0), (0.8, 22.0))
)
SCENE = PhantomScene(
    shape=(150, 160),
    spacing_mm=(0.18, 0.18),
    duration_s=1.5,
    frame_rate_hz=10.0,
    needle=NEEDLE,
    injectate=None,
    structures=(),
)
PRIOR = ug.InsertionPrior("left")


def sequences():
    needle = Sequence("tiny", "phantom", "test", PRIOR, Rendered(SCENE, 1), {"needle": "yes", "probe": "linear"})
    empty = replace(SCENE, needle=None)
    free = Sequence("tiny-free", "phantom", "test", PRIOR, Rendered(empty, 2), {"needle": "no", "event": "still"})
    return Suite("phantom", (needle, free))


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    patch = pytest.MonkeyPatch()
    patch.setenv("USGUIDE_CACHE_DIR", str(folder))
    yield folder / "bench"
    patch.undo()


@pytest.fixture(scope="module")
def run(cache):  # noqa: ARG001  (rendered sequences go there)
    return run_bench(BenchOptions(jobs=1), chosen=(sequences(),))


class Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found, self.tags = [], set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.found += [v for k, v in attrs if k in ("src", "href", "srcset", "action", "data", "xlink:href")]


def test_figures_are_standard_json(run, tmp_path):
    save_figures(tmp_path / "bench.json", run.figures)

    def refuse(constant):
        raise AssertionError(constant)

    figures = json.loads((tmp_path / "bench.json").read_text(), parse_constant=refuse)
    assert figures["complete"]
    assert figures["not_done"] == []
    suite = figures["suites"]["phantom"]
    assert [s["name"] for s in suite["sequences"]] == ["tiny", "tiny-free"]
    assert set(suite["pooled"]) == {"usguide", "reference"}
    assert suite["sequences"][0]["tags"]["visibility"] in ("easy", "normal")
    ours = suite["pooled"]["usguide"]["needle"]
    assert ours["counted_frames"] > 8
    assert ours["needle_free_frames"] == 15
    assert ours["recall"]["value"] > 0.5
    assert [p.name for p in tmp_path.iterdir()] == ["bench.json"]


def test_the_page_needs_no_network(run, tmp_path):
    save_report(tmp_path / "report.html", run.figures, run.worst)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    links = Links()
    links.feed(text)
    assert all(link.startswith("data:image/jpeg;base64,") for link in links.found)
    assert not links.tags & {"script", "link", "iframe", "object"}
    assert "url(" not in text
    assert "@import" not in text
    assert "Research use only" in text
    for word in ("reference", "tip error", "Does the confidence hold?", "Latency", "absent"):
        assert word in text


def test_the_page_escapes_what_it_is_given(run):
    figures = json.loads(json.dumps(run.figures))
    figures["suites"]["phantom"]["absent"] = [{"name": "<b>x", "reason": "<script>alert(1)</script>"}]
    figures["suites"]["phantom"]["sequences"][0]["name"] = "<i>y"
    text = report_html(figures)
    assert "<script" not in text
    assert "<i>y" not in text


def test_the_same_seed_gives_the_same_frames(cache, tmp_path):
    sequence = sequences().sequences[0]
    first, again = rendered_file(sequence, cache), rendered_file(sequence, tmp_path)
    with np.load(first) as a, np.load(again) as b:
        assert a.files == b.files
        for name in a.files:
            np.testing.assert_array_equal(a[name], b[name], err_msg=name)
    other = replace(sequence, content=replace(sequence.content, seed=9))
    with np.load(first) as a, np.load(rendered_file(other, tmp_path)) as b:
        assert (a["frames"] != b["frames"]).mean() > 0.5


@pytest.mark.usefixtures("run")
def test_what_is_rendered_is_used_again(cache):
    before = {p: p.stat().st_mtime_ns for p in cache.iterdir()}
    rendered_file(sequences().sequences[0], cache)
    assert {p: p.stat().st_mtime_ns for p in cache.iterdir()} == before
    assert all(p.suffix == ".npz" and not p.name.startswith(".") for p in before)


class Fixed:
    """Says the same of every frame."""

    def __init__(self, tip=None):
        self._tip = tip

    def tip(self, frame):
        return self._tip

    def step(self, frame):
        tip, tracks, state = self.tip(frame), (), ug.TrackState.SEARCHING
        if tip is not None:
            state = ug.TrackState.TRACKING
            shaft = Shaft((0.0, 5.0), tip, 1.0)
            tracks = (NeedleTrack(1, state, shaft, Tip(tip, ((1.0, 0.0), (0.0, 1.0)), 0.9), 0.0, 0.9, 1.0, 0.0, 0.0),)
        return ug.GuidanceResult(
            frame.index, frame.timestamp_s, state, ug.InputState.OK, tracks, latency_ms={"total": 1.0}
        )

    step_still = step


class RandomLines(Fixed):
    def __init__(self, seed):
        self._rng = np.random.default_rng(seed)

    def tip(self, frame):
        return tuple(float(v) for v in self._rng.uniform((2, 2), (27, 25)))


class HalfOfTheTime(Fixed):
    """Knows the truth, and says it in every second frame."""

    def tip(self, frame):
        return SCENE.needle.tip_mm(frame.timestamp_s) if frame.index % 2 else None


@pytest.mark.usefixtures("cache")
def test_bad_detectors_score_as_they_should():
    factories = {
        "usguide": ug.GuidancePipeline,
        "never": lambda _: Fixed(),
        "always here": lambda _: Fixed((25.0, 22.0)),
        "random": lambda _: RandomLines(4),
        "half": lambda _: HalfOfTheTime(),
    }
    run = run_bench(BenchOptions(jobs=1), chosen=(sequences(),), factories=factories)
    needle = {name: f["needle"] for name, f in run.figures["suites"]["phantom"]["pooled"].items()}
    recall = {name: f["recall"]["value"] for name, f in needle.items()}
    alarms = {name: f["false_alarm_share"]["value"] for name, f in needle.items()}
    assert recall["never"] == 0
    assert needle["never"]["precision"]["value"] is None
    assert alarms["never"] == 0
    assert alarms["always here"] == alarms["random"] == 1
    assert recall["half"] == pytest.approx(0.5, abs=0.06)
    assert recall["random"] < 0.25 < recall["half"] < recall["usguide"]
    assert recall["always here"] < recall["usguide"]
    assert needle["never"]["tip_error_all_median_mm"]["value"] == "infinite"
    assert needle["never"]["tip_error_all_mm"]["misses"] == needle["never"]["counted_frames"]
    brier = run.figures["suites"]["phantom"]["pooled"]["random"]["calibration"]["brier_skill"]
    assert brier is None or brier < 0


class StopAfterOne(Watcher):
    def __init__(self):
        self.count = 0

    def done(self, name):
        self.count += 1

    def stopped(self):
        return self.count >= 1


@pytest.mark.usefixtures("cache")
def test_a_stopped_run_says_what_was_not_done():
    run = run_bench(BenchOptions(jobs=1), chosen=(sequences(),), watcher=StopAfterOne())
    assert not run.figures["complete"]
    assert run.figures["not_done"] == ["tiny-free"]
    assert "Not done: tiny-free" in report_html(run.figures, run.worst)


@pytest.mark.usefixtures("cache")
def test_two_processes_give_the_same(run):
    other = run_bench(BenchOptions(jobs=2), chosen=(sequences(),))
    for a, b in zip(*(r.figures["suites"]["phantom"]["sequences"] for r in (run, other)), strict=True):
        assert a == b


@pytest.mark.usefixtures("cache")
def test_no_jobs_are_refused():
    with pytest.raises(InputError, match="jobs: expected 1 or more, got 0"):
        run_bench(BenchOptions(jobs=0), chosen=(sequences(),))


def test_truth_by_eye_judges_what_was_read():
    geometry = ug.ImageGeometry(0.5, 0.25)
    content = Recorded((), by_eye={1: ((40, 20), (8, 4)), 3: ((10, 10), None)})
    truth = stated_truth(content, geometry, 5)
    np.testing.assert_allclose(truth.tip_mm[1], (10.0, 10.0))
    np.testing.assert_allclose(truth.entry_mm[1], (2.0, 2.0))
    assert truth.angle_deg[1] == pytest.approx(45.0)
    assert np.isnan(truth.visible_mm[[0, 2, 4]]).all()
    assert truth.visible_mm[3] > 5
    assert (stated_truth(replace(content, by_eye=None), geometry, 2).visible_mm == 0).all()


def made_up(hits, *, alarms=0, error=1.0, sequences=12):
    """Figures of a run with so many hits in 100 frames of each sequence."""
    rows = [
        {
            "name": f"s{k}",
            "detectors": {
                "usguide": {
                    "needle": {
                        "hits": hits + k % 3,
                        "counted_frames": 100,
                        "hit_rate_1_mm": 0.2,
                        "judged_tracking_frames": 100,
                        "good": False,
                        "false_alarm_frames": alarms,
                        "needle_free_frames": 50,
                    },
                    "tip_errors_mm": [error] * 90 + ["infinite"] * 10,
                }
            },
        }
        for k in range(sequences)
    ]
    return {
        "schema_version": 1,
        "options": {"split": "test", "quick": False},
        "detectors": ["usguide"],
        "suites": {"phantom": {"sequences": rows, "frames_digest": {r["name"]: "x" for r in rows}}},
    }


def verdicts(a, b):
    return {d.score: d.verdict for d in compare(a, b).differences}


def test_compare_tells_better_from_worse():
    a, b = made_up(50, alarms=10, error=2.0), made_up(70, alarms=20, error=1.0)
    found = verdicts(a, b)
    assert found["recall"] == found["precision"] == "better"
    assert found["false alarm share"] == "worse"
    assert found["tip error while tracking, median mm"] == "better"
    assert found["hit rate at 1 mm"] == "no clear difference"
    assert verdicts(b, a)["recall"] == "worse"
    assert set(verdicts(a, a).values()) == {"no clear difference"}
    (recall,) = (d for d in compare(a, b).differences if d.score == "recall")
    assert recall.change == pytest.approx(0.2)
    assert recall.low <= recall.change <= recall.high


def test_compare_says_what_is_not_the_same():
    a, b = made_up(50), made_up(50, sequences=8)
    b["options"]["quick"] = True
    b["suites"]["phantom"]["frames_digest"]["s0"] = "y"
    b["suites"]["speed"] = {"sequences": []}
    notes = " ".join(compare(a, b).notes)
    assert "quick: False against True" in notes
    assert "8 sequences are in both" in notes
    assert "1 sequences were rendered by other code" in notes
    assert "speed: in one run only" in notes


def test_a_real_run_compares_with_itself(run, tmp_path):
    save_figures(tmp_path / "bench.json", run.figures)
    found = load_figures(tmp_path)
    assert {d.verdict for d in compare(found, found).differences} <= {"no clear difference", "not comparable"}


@pytest.mark.parametrize("text", [None, "{", "[]", '{"schema_version": 99, "suites": {}}'])
def test_other_files_are_refused(tmp_path, text):
    if text is not None:
        (tmp_path / "bench.json").write_text(text)
    with pytest.raises(FormatError, match="expected"):
        load_figures(tmp_path)
