"""The page in a real browser, before a phantom that is played over and over.

With USGUIDE_SCREENSHOTS=DIR each state is photographed at both widths, to be looked at.
"""

import csv
import json
import os
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from live_cases import ListSink

import usguide as ug
from usguide.io.sinks import CsvSink
from usguide.live import LiveEngine, LiveFrame
from usguide.types import Injectate, TargetSpread

pytest.importorskip("websockets", reason="websockets absent: pip install 'usguide[view]'")
from chromium import Page, chromium, until

from usguide.live.view import ViewServer
from usguide.live.view.messages import line_of

pytestmark = pytest.mark.skipif(chromium() is None, reason="chromium absent: apt-get install chromium")

WIDTHS = (1280, 400)
PINK = (224, 141, 187)
"""Of the target."""
KEEP_OUT = {"artery": [(28, 10), (32, 10), (32, 14), (28, 14)]}


class LoopingPhantom:
    """The shipped phantom forwards and backwards, 20 frames/s, for as long as a test asks; `mode` is what goes wrong."""

    name, dropped = "phantom", 0

    def __init__(self):
        with ug.open_source("phantom:inplane-fascia") as source:
            shown = list(source)
        self.frames = shown + shown[::-1]
        self.mode, self._k, self._due_s = "run", 0, 0.0

    def open(self):
        if self.mode == "lost":
            raise OSError("connection refused")

    def read(self, timeout_s):
        if self.mode == "lost":
            raise OSError("connection refused")
        if self.mode == "stop":
            time.sleep(timeout_s)
            return None
        time.sleep(max(0.0, self._due_s - time.monotonic()))
        self._due_s = max(self._due_s, time.monotonic() - 0.05) + 0.05
        self._k += self.mode != "freeze"
        frame = self.frames[self._k % len(self.frames)]
        pixels = frame.pixels
        if self.mode == "speckle":
            pixels = np.random.default_rng(self._k).permutation(pixels.ravel()).reshape(pixels.shape)
        return LiveFrame(pixels, frame.geometry)

    def close(self):
        pass


class GrowingPool:
    """A segmenter that always sees the same injectate grow."""

    def __init__(self):
        self.delay_s, self.warnings = 0.0, ()
        self.reset()

    def reset(self):
        self.count = 0

    def update(self, frame, track):
        time.sleep(self.delay_s)
        self.count += 1
        size = min(1.0, self.count / 100)
        turn = np.linspace(0, 2 * np.pi, 400, endpoint=False)
        outline = np.stack([20 + 6 * size * np.cos(turn), 26 + 2 * size * np.sin(turn)], axis=-1)
        mask = np.zeros((2, 2), bool)
        fluid = Injectate(
            (), mask, frame.geometry, (outline,), 37.7 * size**2, (20.0, 26.0), (12.0, 4.0), 0.0, 1.0, 0.9
        )
        around = TargetSpread(1.5, 0.2, 210.0, 5.0)
        return replace(fluid, area_sigma_mm2=2.5, rate_mm2_s=7.5, around_target=around, warnings=self.warnings)


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    """A running engine and a page that looks at it, for all tests of this file."""
    source, results, pool = LoopingPhantom(), ListSink(), GrowingPool()
    pipeline = ug.GuidancePipeline(ug.InsertionPrior("left", (15, 60)), segmenter=pool)
    engine = LiveEngine(source, pipeline, late_after_s=1.0)
    view = ViewServer(0, keep_out_mm=KEEP_OUT)
    view.start(engine)
    engine.add_sink(results, max_waiting=1000)
    page = Page(tmp_path_factory.mktemp("browser"))
    try:
        page.open(view.address)
        until(lambda: page.text("word") == "WAITING")
        with engine:
            yield SimpleNamespace(source=source, pool=pool, results=results, engine=engine, view=view, page=page)
    finally:
        engine.stop()
        page.close()


@pytest.fixture
def tracking(stage):
    """The page as it is while a needle is tracked, live, without a target."""
    stage.source.mode, stage.pool.delay_s = "run", 0.0
    if not stage.page.run("document.getElementById('paused').hidden"):
        stage.page.press(" ")
    stage.page.press("Escape")
    stage.engine.set_target(None)
    until(lambda: stage.page.text("word") == "TRACKING", 40)
    # The one of the test before may still be on the screen.
    until(lambda: not has_colour(stage.page, *PINK))
    stage.page.errors.clear()
    yield stage
    assert stage.page.errors == []


def place_of(stage, point_mm):
    """Where a point in mm is on the page, from the size of the canvas and of the phantom alone."""
    x, y, w, h = stage.page.run("(r => [r.x, r.y, r.width, r.height])(document.getElementById('canvas').getBoundingClientRect())")  # fmt: skip
    frame = stage.source.frames[0]
    (high, wide), mm = frame.shape, frame.geometry.lateral_mm_per_px
    scale = min(w / wide, h / high)
    left, top = x + (w - wide * scale) / 2, y + (h - high * scale) / 2
    return left + scale * (point_mm[0] / mm + 0.5), top + scale * (point_mm[1] / mm + 0.5)


def target_of(stage):
    last = stage.results.updates[-1].result.target
    return None if last is None else last.position_mm


def distance_shown(stage):
    text = stage.page.text("distance").lstrip("~")
    return None if text == "\N{EN DASH}" else float(text)


def photograph(stage, name):
    folder = os.environ.get("USGUIDE_SCREENSHOTS")
    if folder:
        for width in WIDTHS:
            stage.page.size(width, 800)
            time.sleep(0.5)
            stage.page.screenshot(Path(folder) / f"{name}-{width}.png")
        stage.page.size(WIDTHS[0], 800)
        time.sleep(0.3)


# What the operator does


def test_a_click_sets_the_target_and_the_distance_follows(tracking):
    """Two targets, one near the needle's line and one far from all of it: what is shown can be of one of them only."""
    ranges = []
    for target in ((22.0, 14.0), (2.0, 34.0)):
        tracking.page.click(*place_of(tracking, target))
        until(lambda: target_of(tracking) is not None and np.allclose(target_of(tracking), target, atol=0.1))  # noqa: B023
        until(lambda: any(abs(d - (distance_shown(tracking) or -1)) < 0.051 for d in distances_to(tracking, target)))  # noqa: B023
        ranges.append(distances_to(tracking, target))
    assert max(ranges[0]) < min(ranges[1])
    photograph(tracking, "tracking")
    tracking.page.press("c")
    until(lambda: target_of(tracking) is None)
    until(lambda: distance_shown(tracking) is None)


def distances_to(stage, target):
    """Every distance that the engine gave for a target."""
    given = [u.result.target for u in stage.results.updates if u.result.target is not None]
    return [t.distance_mm for t in given if t.distance_mm is not None and np.allclose(t.position_mm, target, atol=0.1)]


def test_a_click_beside_the_picture_does_nothing(tracking):
    x, y = place_of(tracking, (0.0, 10.0))
    tracking.page.click(x - 30, y)
    before = len(tracking.results.updates)
    until(lambda: len(tracking.results.updates) > before + 5)
    assert target_of(tracking) is None


def test_it_pauses_and_scrubs_while_live_goes_on(tracking):
    page = tracking.page
    until(lambda: page.run("Number(document.getElementById('scrub').max)") > 40)
    page.press(" ")
    assert page.text("paused").startswith("PAUSED 0.0 s")
    last = page.run("Number(document.getElementById('scrub').value)")
    before = tracking.engine.status().processed
    indices, pictures = [], set()
    for k in range(4):
        assert page.run("Number(document.getElementById('scrub').value)") == last - k
        indices.append(index_looked_at(page))
        until(lambda: index_drawn(page) == indices[-1])
        pictures.add(canvas_hash(page))
        page.press("ArrowLeft")
    assert len(pictures) == 4
    assert indices == sorted(set(indices), reverse=True)
    photograph(tracking, "paused")
    page.press("ArrowLeft", shift=True)
    assert float(page.text("moment").replace("\N{MINUS SIGN}", "-").removesuffix(" s")) <= -1.0
    page.press("Home")
    assert page.run("Number(document.getElementById('scrub').value)") == 0
    page.press("End")
    assert page.run("Number(document.getElementById('scrub').value)") == last
    until(lambda: tracking.engine.status().processed > before + 10)
    assert page.run("Number(document.getElementById('scrub').value)") == last
    page.press(" ")
    assert page.run("document.getElementById('paused').hidden")
    assert page.text("moment") == "live"


def index_looked_at(page):
    return int(page.run("document.getElementById('scrub').getAttribute('aria-valuetext')").split()[1].rstrip(","))


def index_drawn(page):
    return page.run("Number(document.getElementById('canvas').dataset.index)")


def canvas_hash(page):
    return page.run("(c => { const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; let h = 0; for (let k = 0; k < d.length; k += 97) h = (h * 31 + d[k]) | 0; return String(h); })(document.getElementById('canvas'))")  # fmt: skip


def test_target_and_needle_by_keys(tracking):
    page, frame = tracking.page, tracking.source.frames[0]
    middle = np.array(frame.shape[::-1]) * frame.geometry.lateral_mm_per_px / 2
    page.press("t")
    page.press("ArrowRight", shift=True)
    page.press("ArrowUp")
    page.press("Enter")
    until(lambda: target_of(tracking) is not None)
    np.testing.assert_allclose(target_of(tracking), middle + np.array([5 - 0.0625, -0.5 - 0.0625]), atol=0.002)
    page.press("n")
    page.press("Enter")
    page.press("ArrowDown", shift=True)
    photograph(tracking, "seeding")
    page.press("Enter")
    until(lambda: any("track seeded by hand" in u.result.events for u in tracking.results.updates))
    page.press("i")
    until(
        lambda: any(e.startswith("injection marked") for u in tracking.results.updates[-40:] for e in u.result.events)
    )


def test_a_needle_by_two_clicks_and_by_dragging(tracking):
    page = tracking.page
    seeds = lambda: sum("track seeded by hand" in u.result.events for u in tracking.results.updates)  # noqa: E731
    entry, tip = place_of(tracking, (2.0, 10.0)), place_of(tracking, (15.0, 16.0))
    page.press_button("seed")
    before = seeds()
    page.click(*entry)
    assert seeds() == before
    page.click(*tip)
    until(lambda: seeds() == before + 1)
    page.click(*entry, to=tip)
    until(lambda: seeds() == before + 2)
    page.press("r")
    page.press_button("target")


def test_a_snapshot_has_the_target_where_it_was_set(tracking):
    page, target = tracking.page, (12.0, 24.0)
    tracking.engine.set_target(target)
    # Looked at and taken in one go: between two calls a late result could take needle and target off the screen.
    until(lambda: page.run(f"{colour_on_canvas(*PINK)} && (document.getElementById('snapshot').click(), true)"))
    picture = snapshot_of(page)
    frame = tracking.source.frames[0]
    scale = picture.shape[1] / frame.shape[1]
    assert picture.shape[1] >= 960
    np.testing.assert_allclose(middle_of_pink(picture), scale * (frame.geometry.to_px(target) + 0.5), atol=2.5)


def test_a_snapshot_is_what_was_on_the_screen(tracking):
    """Also where the state has changed since, and the screen is about to be painted anew."""
    page, target = tracking.page, (12.0, 24.0)
    tracking.engine.set_target(target)
    hold = "(window.held = [], window.whenPainted = requestAnimationFrame, requestAnimationFrame = f => held.push(f), true)"
    until(lambda: page.run(f"{colour_on_canvas(*PINK)} && {hold}"))
    try:
        tracking.source.mode = "stop"
        until(lambda: page.text("word") == "STALE")
        assert has_colour(page, *PINK)
        page.press("s")
        assert np.isfinite(middle_of_pink(snapshot_of(page))).all()
    finally:
        page.run("(requestAnimationFrame = whenPainted, held.forEach(requestAnimationFrame), true)")
    until(lambda: not has_colour(page, *PINK))


def snapshot_of(page):
    """Return the picture that was saved last, and remove its file."""
    file = until(lambda: next(page.downloads.glob("*.png"), None))
    until(lambda: cv2.imread(str(file)) is not None)
    picture = cv2.imread(str(file))
    file.unlink()
    return picture


def middle_of_pink(picture):
    """(x, y) in px of the middle of what is pink: the target."""
    rows, columns = np.nonzero(np.abs(picture.astype(int) - PINK[::-1]).sum(axis=-1) < 30)
    assert rows.size > 0
    return np.array([(columns.min() + columns.max()) / 2, (rows.min() + rows.max()) / 2])


def test_the_last_seconds_are_exported_as_they_were_sent(tracking, tmp_path):
    page = tracking.page
    page.press(" ")
    page.press("e")
    file = until(lambda: next(page.downloads.glob("*.jsonl"), None))
    lines = until(lambda: file.read_text(encoding="utf-8")).splitlines(keepends=True)
    known = {u.result.index: u for u in tracking.results.updates if u.frame is not None}
    records = [json.loads(line) for line in lines]
    whole = [k for k, r in enumerate(records) if r["input_state"] != "STALE"]
    assert len(whole) > 10
    assert [lines[k] for k in whole] == [line_of(known[records[k]["index"]]) for k in whole]
    indices = [r["index"] for r in records]
    assert indices == sorted(indices)

    page.press("e", shift=True)
    file = until(lambda: next(page.downloads.glob("*.csv"), None))
    rows = list(csv.reader(until(lambda: file.read_text(encoding="utf-8")).splitlines()))
    sink = CsvSink(tmp_path / "own.csv")
    for k in whole:
        update = known[records[k]["index"]]
        sink.write(update.frame, update.result)
    sink.close()
    own = list(csv.reader((tmp_path / "own.csv").read_text(encoding="utf-8").splitlines()))
    as_numbers = lambda row: [float(c) if c and c[-1].isdigit() else c for c in row]  # noqa: E731
    assert rows[0] == own[0]
    assert [as_numbers(rows[1 + k]) for k in whole] == [as_numbers(r) for r in own[1:]]


# What is shown


def test_pictures_come_at_the_pace_of_the_stream(tracking):
    before, at = tracking.view.pictures_shown, tracking.engine.status().processed
    until(lambda: tracking.engine.status().processed >= at + 40)
    shown = tracking.view.pictures_shown - before
    # A busy machine may leave some out; a page that shows none of them is broken.
    assert shown > 10
    assert "mm²" in tracking.page.text("area")
    assert "p95" in tracking.page.text("latency")


def test_the_spread_is_told_with_its_doubt_and_its_warnings(tracking):
    page = tracking.page
    until(lambda: page.text("area").endswith("± 2.5 mm²"))
    assert [page.text(i) for i in ("extent", "growth", "ring", "gap")] == [
        "12.0 \u00d7 4.0 mm",
        "7.5 mm²/s",
        "210 °",
        "1.5 mm",
    ]
    assert page.run("document.getElementById('warnings').hidden")
    tracking.pool.warnings = ("no-spread: none in 2.0 s", "tip-outside: for 0.5 s")
    until(lambda: not page.run("document.getElementById('warnings').hidden"))
    assert page.text("warnings").split("\n") == list(tracking.pool.warnings)
    tracking.pool.warnings = ()
    until(lambda: page.run("document.getElementById('warnings').hidden"))


@pytest.mark.parametrize(
    ("mode", "word", "key", "needle"),
    [
        ("speckle", "COASTING", "coasting", True),
        ("speckle", "SEARCHING", "searching", False),
        ("freeze", "FROZEN", "bad", None),
        ("stop", "STALE", "bad", False),
        ("slow", "LATE", "bad", False),
        ("lost", "NO SOURCE", "bad", False),
    ],
)
def test_every_state_is_told_and_nothing_old_is_shown_as_new(tracking, mode, word, key, needle):
    page = tracking.page
    tracking.engine.set_target((20.0, 15.0))
    until(lambda: distance_shown(tracking) is not None)
    tracking.source.mode, tracking.pool.delay_s = mode, 1.1 * (mode == "slow")
    until(lambda: page.text("word") == word, 30)
    if word == "COASTING":  # it does not last: looked at in the past
        page.press(" ")
        until(lambda: "COASTING" in page.text("paused"))
        assert page.text("distance").startswith("~")
    else:
        assert page.run("document.getElementById('state').dataset.key") == key
        if needle is False:
            until(lambda: distance_shown(tracking) is None)
    if word == "LATE":  # not to be shown as the present, and no better in the past
        until(lambda: tracking.results.updates[-1].late)
        page.press(" ")
        until(lambda: "PAUSED" in page.text("paused"))
        assert distance_shown(tracking) is None
    photograph(tracking, word.lower().replace(" ", "-"))
    for width in WIDTHS:
        page.size(width, 800)
        assert page.run("document.documentElement.scrollWidth <= innerWidth")
        over = page.run("[...document.querySelectorAll('#word, button, dd, dt, #distance')].filter(e => e.offsetParent && (e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).display !== 'inline' || e.getBoundingClientRect().right > innerWidth + 0.5)).map(e => e.id || e.textContent)")  # fmt: skip
        assert over == []
    page.size(WIDTHS[0], 800)
    if needle is False:
        until(lambda: not has_needle(page))


def colour_on_canvas(red, green, blue):
    """Script that tells whether something of a colour is on the canvas."""
    near = f"Math.abs(d[k] - {red}) + Math.abs(d[k + 1] - {green}) + Math.abs(d[k + 2] - {blue}) < 12"
    return f"(c => {{ const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; let n = 0; for (let k = 0; k < d.length; k += 4) n += {near}; return n > 30; }})(document.getElementById('canvas'))"  # fmt: skip


def has_colour(page, red, green, blue):
    """Whether something of a colour is on the canvas."""
    return page.run(colour_on_canvas(red, green, blue))


def has_needle(page):
    return has_colour(page, 86, 180, 233)


def test_a_needle_that_is_seen_is_drawn(tracking):
    until(lambda: has_needle(tracking.page))


def test_a_picture_has_the_record_of_its_own_frame(tracking):
    """Also where results without a picture came after it, and where the stream stopped at it."""
    script = """import('/history.js').then(({ History }) => {
      const history = new History();
      const line = (index, input_state) => JSON.stringify({ index, input_state, events: [] });
      history.addLines([line(1, 'OK'), line(2, 'OK'), line(2, 'STALE'), line(3, 'OK')], 0);
      history.addPicture({ index: 2, contours_mm: [] }, new Uint8Array(5), 0, 1);
      const { record } = history.pictures[0];
      history.addLines([line(4, 'OK')], 31);
      history.addPicture({ index: 4, contours_mm: [] }, new Uint8Array(7), 31, 1);
      return [record.index, record.input_state, history.results.length, history.pictures.length, history.bytes];
    })"""
    assert tracking.page.run(script) == [2, "OK", 1, 1, 7]


def test_a_server_that_goes_is_told(tmp_path):
    """And one that comes back at the same place is found again."""
    view, engine = ViewServer(0), LiveEngine(LoopingPhantom(), ug.GuidancePipeline())
    view.start(engine)
    page = Page(tmp_path / "browser")
    try:
        page.open(view.address)
        with engine:
            until(lambda: view.pictures_shown > 20, 30)
        until(lambda: page.text("word") == "OFFLINE")
        again, engine = ViewServer(view.port), LiveEngine(LoopingPhantom(), ug.GuidancePipeline())
        again.start(engine)
        with engine:
            until(lambda: page.text("word") in ("SEARCHING", "TRACKING"), 30)
            before = again.pictures_shown
            until(lambda: again.pictures_shown > before + 5)
    finally:
        page.close()
        engine.stop()
