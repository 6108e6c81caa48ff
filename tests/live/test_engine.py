"""The live engine under sources, sinks and stages that misbehave. Nothing here depends on how fast a machine is."""

import gc
import itertools
import logging
import os
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import frame_of, needle_picture
from live_cases import GEOMETRY, ListSink, QuickPipeline, ScriptedSource, gate, live_frame, picture

import usguide as ug
from usguide.io.sinks import JsonlSink
from usguide.live import CallableSource, FrameSink, LiveEngine, LiveFrame, receiving
from usguide.live.actions import mark_injection
from usguide.live.receiving import Receiver
from usguide.types import InputState, TrackState


def run(source, pipeline=None, sink=None, **options):
    """Run to the source's end; return engine, pipeline and sink."""
    pipeline, sink = pipeline or QuickPipeline(), sink or ListSink()
    engine = LiveEngine(source, pipeline, **{"stale_after_s": 30, **options})
    engine.add_sink(sink, max_waiting=10_000)
    with engine:
        assert engine.wait(30)
    return engine, pipeline, sink


def one_by_one(frames):
    """Give frames so that each is processed before the next comes; return source items and what the pipeline calls."""
    done = threading.Semaphore(1)

    def waiting(frame):
        def give():
            assert done.acquire(timeout=20)
            return frame

        return give

    return [waiting(f) for f in frames], lambda _frame: done.release()


def test_only_the_newest_waits_and_what_it_replaces_is_counted():
    inside, all_given = gate(), gate()

    def before_step(frame):
        if frame.index == 0:
            inside.set()
            all_given.wait()

    items = [live_frame(0), inside.wait, *[live_frame(k) for k in range(1, 10)], all_given.set]
    engine, pipeline, sink = run(ScriptedSource(items), QuickPipeline(before_step))
    assert pipeline.steps == sink.indices == [0, 9]
    status = engine.status()
    assert (status.received, status.processed, status.dropped, status.waiting) == (10, 2, 8, 0)
    assert sink.closed == 1


def test_two_hundred_frames_a_second_into_a_slow_pipeline():
    count, start = 200, time.monotonic()
    numbers = iter(range(count))

    def give():
        n = next(numbers)
        time.sleep(max(0.0, start + n / 200 - time.monotonic()))
        return live_frame(n)

    engine, pipeline, sink = run(CallableSource(give), QuickPipeline(lambda _: time.sleep(0.012)))
    status = engine.status()
    assert status.received == count == status.processed + status.dropped
    assert status.dropped > count / 4
    assert pipeline.steps == sink.indices == sorted(set(pipeline.steps))
    assert pipeline.steps[-1] == count - 1


def test_actions_take_effect_between_frames_and_in_order():
    inside, asked = gate(), gate()

    def before_step(frame):
        if frame.index == 0:
            inside.set()
            asked.wait()

    items = [live_frame(0), asked.wait, live_frame(1)]
    pipeline = QuickPipeline(before_step)
    engine = LiveEngine(ScriptedSource(items), pipeline)
    engine.set_target((1, 2))
    with engine:
        inside.wait()
        engine.seed(entry_mm=(0, 1), tip_mm=(5, 6))
        engine.reset()
        engine.mark_injection()
        engine.set_target(None)
        asked.set()
        assert engine.wait(20)
    assert pipeline.calls == [
        ("set_target", (1.0, 2.0)),
        ("step", 0),
        ("seed", (0.0, 1.0), (5.0, 6.0)),
        ("reset",),
        ("mark_injection", pytest.approx(0.05)),
        ("set_target", None),
        ("step", 1),
    ]


def test_a_wrong_action_is_told_to_who_asks():
    engine = LiveEngine(ScriptedSource([]), QuickPipeline())
    for call in (
        lambda: engine.set_target((1, 2, 3)),
        lambda: engine.set_target((np.nan, 1)),
        lambda: engine.set_target((1, 2), radius_mm=-1),
        lambda: engine.set_keep_out({"vessel": [(1, 2), (3, 4)]}),
        lambda: engine.seed(entry_mm=(1, 1), tip_mm=(1, 1)),
        lambda: engine.mark_injection("soon"),
        lambda: LiveEngine(ScriptedSource([]), QuickPipeline(), stale_after_s=0),
        lambda: engine.add_sink(ListSink(), max_waiting=0),
    ):
        with pytest.raises(ug.InputError):
            call()
    for _ in range(1000):
        engine.reset()
    with pytest.raises(ug.InputError, match="fewer than 1000"):
        engine.reset()
    assert mark_injection(3).at(9.0).arguments == {"time_s": 3.0}


def test_a_source_that_is_lost_comes_back(caplog):
    caplog.set_level(logging.CRITICAL, "usguide.live")
    items, release = one_by_one([live_frame(k) for k in range(4)])
    script = [items[0], OSError("unplugged"), ValueError(), items[1], items[2], RuntimeError("again"), items[3]]
    source = ScriptedSource(script)
    engine, pipeline, sink = run(source, QuickPipeline(release))
    assert pipeline.steps == [0, 1, 2, 3]
    assert source.opened == source.closed == 4
    assert engine.status().restarts == 2
    events = [e for u in sink.updates for e in u.result.events]
    assert events == [
        "the source is lost: unplugged",
        "the source is back",
        "the source is lost: again",
        "the source is back",
    ]


def test_a_source_that_can_not_be_opened_is_tried_until_it_can():
    source = ScriptedSource([live_frame(0)])
    tries, really = [], source.open

    def refuse():
        tries.append(len(tries))
        if len(tries) < 4:
            raise ug.FormatError("nobody there")
        really()

    source.open = refuse
    engine, pipeline, _ = run(source)
    assert len(tries) == 4
    assert pipeline.steps == [0]
    assert engine.status().lost_because is None


def test_tries_come_ever_more_rarely_until_frames_come_again(monkeypatch, caplog):
    caplog.set_level(logging.CRITICAL, "usguide.live")
    monkeypatch.setattr(receiving, "BACK_OFF_S", (0.25, 4.0))
    refused, waits = OSError("no"), []
    source = ScriptedSource([refused] * 6 + [live_frame(0), refused, refused])
    receiver = Receiver(source, lambda _: None, lambda _: None, lambda: None)
    receiver._stop = SimpleNamespace(is_set=lambda: False, wait=waits.append)
    receiver._run()
    assert waits == [0.25, 0.5, 1, 2, 4, 4, 0.25, 0.5]


def test_stale_is_said_once_a_gap_and_without_a_needle(caplog):
    caplog.set_level(logging.CRITICAL, "usguide.live")
    stale = gate()

    class Sink(ListSink):
        def write(self, update):
            super().write(update)
            if update.result.input_state is InputState.STALE:
                stale.set()

    items = [live_frame(0), stale.wait, lambda: time.sleep(0.15), live_frame(1), lambda: time.sleep(0.5), live_frame(2)]
    engine, _, sink = run(ScriptedSource(items), sink=Sink(), stale_after_s=0.05)
    assert [str(u.result.input_state) for u in sink.updates] == ["OK", "STALE", "OK", "STALE", "OK"]
    said = sink.updates[1]
    assert said.frame is None
    assert said.result.tracks == ()
    assert said.result.index == 0
    assert said.result.timestamp_s >= 0.05
    assert engine.counts.snapshot().input_states == {"OK": 3, "STALE": 2}


def test_the_same_picture_with_the_same_time_becomes_frozen():
    arrivals = iter(time.monotonic() - 100 + 0.05 * np.arange(60))
    done = threading.Semaphore(1)

    class Pipeline(ug.GuidancePipeline):
        def step(self, frame):
            result = super().step(frame)
            done.release()
            return result

    def give():
        assert done.acquire(timeout=20)
        return LiveFrame(picture(0), GEOMETRY, 77.0, arrival_s=next(arrivals))

    _, _, sink = run(CallableSource(give), Pipeline())
    states = [str(u.result.input_state) for u in sink.updates]
    assert states[0] == "OK"
    assert states[15:] == ["FROZEN"] * 45


def test_a_late_result_is_marked():
    now = time.monotonic()
    arrivals = [now, now - 30, now]
    items, release = one_by_one([live_frame(k, time_s=None, arrival_s=a) for k, a in enumerate(arrivals)])
    _, _, sink = run(ScriptedSource(items), QuickPipeline(release), late_after_s=20)
    assert [u.late for u in sink.updates] == [False, True, False]
    assert sink.updates[1].age_ms() > 30_000
    assert sink.updates[1].result.latency_ms["end_to_end"] > 30_000


def test_latency_stages_add_up():
    engine, _, sink = run(ScriptedSource([live_frame(0)]), ug.GuidancePipeline())
    ms = sink.updates[0].result.latency_ms
    assert {"total", "grid", "detect", "receive", "wait", "transit", "end_to_end"} <= ms.keys()
    assert min(ms.values()) >= 0
    assert ms["end_to_end"] >= ms["receive"] + ms["wait"] + ms["total"]
    assert engine.counts.latency_ms()["end_to_end"]["max"] == pytest.approx(ms["end_to_end"], abs=1e-3)
    local_minus_source = time.time() - live_frame(0).source_time_s
    assert engine.status().clock_offset_s == pytest.approx(local_minus_source, abs=30)


def test_frames_that_took_long_on_their_way_are_late_too():
    """Made at 0, 1 and 29.5 s, arrived 0, 29 and 29.5 s after the first left, which was 30 s ago."""
    start = time.monotonic() - 30
    made, arrived = [0, 1, 29.5], [0, 29, 29.5]
    frames = [
        live_frame(k, time_s=100 + m, arrival_s=start + a) for k, (m, a) in enumerate(zip(made, arrived, strict=True))
    ]
    items, release = one_by_one(frames)
    _, _, sink = run(ScriptedSource(items), QuickPipeline(release), late_after_s=20)
    assert [u.transit_ms for u in sink.updates] == pytest.approx([0, 28_000, 0], abs=1)
    assert [u.result.latency_ms["end_to_end"] > 20_000 for u in sink.updates] == [True, False, False]
    assert [u.late for u in sink.updates] == [True, True, False]


def test_clock_jumps_and_zeros_leave_times_that_increase():
    rng = np.random.default_rng(8)
    start, source_times, offset = time.monotonic() - 100, [], 1e6
    for k in range(120):
        if rng.random() < 0.1:
            offset += float(rng.choice([-5000.0, -3.0, 4.0, 1e5]))
        source_times.append(0.0 if rng.random() < 0.1 else offset + 0.05 * k)
    frames = [
        live_frame(k, time_s=t, arrival_s=start + 0.05 * k + float(rng.uniform(0, 0.01)))
        for k, t in enumerate(source_times)
    ]
    items, release = one_by_one(frames)
    stamps = []
    _, pipeline, sink = run(ScriptedSource(items), QuickPipeline(lambda f: (stamps.append(f.timestamp_s), release(f))))
    assert len(pipeline.steps) == 120
    assert all(np.diff(stamps) > 0.02)
    assert stamps[-1] == pytest.approx(119 * 0.05, abs=0.5)
    assert any("jumped" in e for u in sink.updates for e in u.result.events)


def test_sizes_and_spacings_may_change_in_mid_stream():
    pictures = []
    for k in range(24):
        spacing = (0.1, 0.1) if k % 12 < 6 else (0.2, 0.15)
        pixels, _, _ = needle_picture(length_mm=8 + 0.5 * k, spacing_mm=spacing, seed=k)
        pictures.append(frame_of(pixels, spacing_mm=spacing, index=k, timestamp_s=0.05 * k))
    done = threading.Semaphore(1)

    class Pipeline(ug.GuidancePipeline):
        def step(self, frame):
            result = super().step(frame)
            done.release()
            return result

    frames = iter(pictures)

    def give():
        assert done.acquire(timeout=20)
        return next(frames)

    _, _, sink = run(CallableSource(give), Pipeline(ug.InsertionPrior("left", (15, 60))))
    expected = ug.GuidancePipeline(ug.InsertionPrior("left", (15, 60)))
    for update, frame in zip(sink.updates, pictures, strict=True):
        result = expected.step(frame)
        assert update.result.tracks == result.tracks
        assert update.result.events == result.events
    assert sum("size (H, W) px changed" in e for u in sink.updates for e in u.result.events) == 3


def test_pictures_that_can_not_be_used_are_results_that_say_so():
    broken = [
        LiveFrame(np.full((60, 80), np.nan), GEOMETRY, 5.2, full_scale=255),
        LiveFrame(np.zeros((60, 80, 7), np.uint8), GEOMETRY, 5.3),
        live_frame(7, region=(50, 0, 80, 60)),
        live_frame(8, status="INVALID"),
    ]
    pending = iter([live_frame(0), *broken, live_frame(9)])
    seen = threading.Semaphore(1)

    class Sink(ListSink):
        def write(self, update):
            super().write(update)
            seen.release()

    def give():
        assert seen.acquire(timeout=20)
        return next(pending)

    engine, _, sink = run(CallableSource(give), ug.GuidancePipeline(), Sink())
    assert [str(u.result.input_state) for u in sink.updates] == ["OK", *["INVALID"] * 4, "OK"]
    assert [u.frame is None for u in sink.updates] == [False, True, True, True, False, False]
    assert engine.status().invalid == 4
    assert all(u.result.events for u in sink.updates[1:5])


def test_a_bug_in_a_stage_is_contained_and_the_pipeline_reset(caplog):
    caplog.set_level(logging.CRITICAL, "usguide.live")
    items, release = one_by_one([live_frame(k) for k in range(4)])

    def before_step(frame):
        release(frame)
        if frame.index == 1:
            raise ZeroDivisionError("a stage's own")

    engine, pipeline, sink = run(ScriptedSource(items), QuickPipeline(before_step))
    assert [str(u.result.input_state) for u in sink.updates] == ["OK", "INVALID", "OK", "OK"]
    assert pipeline.calls[2] == ("reset",)
    assert engine.error is None


def test_a_bug_that_no_reset_helps_ends_the_engine(caplog):
    caplog.set_level(logging.CRITICAL, "usguide.live")

    def fail(_frame):
        raise ZeroDivisionError("always")

    numbers = itertools.count()

    def give():
        time.sleep(0.0005)
        return live_frame(next(numbers))

    engine, _, _ = run(CallableSource(give), QuickPipeline(fail))
    assert isinstance(engine.error, ZeroDivisionError)
    assert "ZeroDivisionError: always" in engine.status().error


def test_a_slow_and_a_dead_sink_hold_up_nobody(caplog):
    caplog.set_level(logging.CRITICAL, "usguide.live")
    let_go = threading.Event()

    class Slow(ListSink):
        def write(self, update):
            let_go.wait(20)
            super().write(update)

    class Dead(ListSink):
        def write(self, update):
            raise ConnectionError("gone")

        def close(self):
            raise ConnectionError("gone too")

    items, release = one_by_one([live_frame(k) for k in range(60)])
    slow, good = Slow(), ListSink()
    engine = LiveEngine(ScriptedSource(items), QuickPipeline(release))
    engine.add_sink(slow, name="slow", max_waiting=3)
    engine.add_sink(Dead(), name="dead", max_waiting=100)
    engine.add_sink(good, max_waiting=100)
    engine.start()
    assert engine.wait(20)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and (engine.status().sinks[1].alive or len(good.updates) < 60):
        time.sleep(0.01)
    counts = {s.name: s for s in engine.status().sinks}
    assert counts["ListSink"].written == 60
    assert counts["slow"].written == 0
    assert counts["slow"].dropped >= 60 - 4
    let_go.set()
    assert engine.stop()
    counts = {s.name: s for s in engine.status().sinks}
    assert counts["slow"].written + counts["slow"].dropped == 60
    assert slow.indices[-3:] == [57, 58, 59]
    assert counts["dead"].written == 0
    assert counts["dead"].dropped == 60
    assert not counts["dead"].alive


def test_a_sink_that_never_returns_is_left_behind(monkeypatch, caplog):
    caplog.set_level(logging.CRITICAL, "usguide.live")
    monkeypatch.setattr("usguide.live.engine.SINKS_STOP_S", 0.1)
    let_go = threading.Event()

    class Stuck(ListSink):
        def write(self, update):
            let_go.wait(30)

    engine = LiveEngine(ScriptedSource([live_frame(0)]), QuickPipeline())
    engine.add_sink(Stuck())
    engine.start()
    assert engine.wait(20)
    assert engine.stop() is False
    let_go.set()


def test_a_sink_may_stop_the_engine():
    answers = []

    class Stop(ListSink):
        def write(self, update):
            answers.append(engine.stop())

    def give():
        time.sleep(0.001)
        return live_frame(next(numbers))

    numbers = itertools.count()
    engine = LiveEngine(CallableSource(give), QuickPipeline())
    engine.add_sink(Stop())
    engine.start()
    assert engine.wait(20)
    deadline = time.monotonic() + 20
    while not answers and time.monotonic() < deadline:
        time.sleep(0.005)
    assert answers[0] is True


def test_file_sinks_fit(tmp_path):
    sink = FrameSink(JsonlSink(tmp_path / "r.jsonl"))
    items, release = one_by_one([live_frame(k) for k in range(5)])
    run(ScriptedSource(items), QuickPipeline(release), sink)
    assert len((tmp_path / "r.jsonl").read_text(encoding="utf-8").splitlines()) == 5


def test_an_engine_runs_once():
    engine, _, _ = run(ScriptedSource([live_frame(0)]))
    engine.stop()
    for call in (engine.start, lambda: engine.add_sink(ListSink())):
        with pytest.raises(ug.InputError):
            call()


def test_twenty_starts_and_stops_leave_nothing(tmp_path):
    def once(k):
        numbers = itertools.count()

        def give():
            time.sleep(0.001)
            return live_frame(next(numbers))

        engine = LiveEngine(CallableSource(give), QuickPipeline())
        engine.add_sink(ListSink())
        engine.add_sink(FrameSink(JsonlSink(tmp_path / f"{k}.jsonl")))
        engine.start()
        while engine.status().processed < 3:
            time.sleep(0.002)
        assert engine.stop()
        counts = engine.status()
        assert counts.received == counts.processed + counts.dropped

    def files():
        folder = "/proc/self/fd"
        return len(os.listdir(folder)) if os.path.isdir(folder) else 0  # noqa: PTH112, PTH208

    once(0)
    gc.collect()
    threads, before = threading.active_count(), files()
    for k in range(1, 21):
        once(k)
    gc.collect()
    assert threading.active_count() == threads
    assert files() == before


def test_states_start_with_searching():
    _, _, sink = run(ScriptedSource([LiveFrame(np.zeros((60, 80, 7), np.uint8), GEOMETRY, 5.3)]))
    assert sink.updates[0].result.state is TrackState.SEARCHING
