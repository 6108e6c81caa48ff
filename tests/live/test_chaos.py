"""Everything that can go wrong, at random from a seed, at once: every frame is accounted for, and it all replays."""

import itertools
import json
import logging
import time
from functools import partial

import numpy as np
import pytest
from live_cases import GEOMETRY, ListSink, ScriptedSource, live_frame

import usguide as ug
from usguide.io.sinks import result_record
from usguide.live import LiveEngine, LiveFrame, Recorder, replay_recording
from usguide.live.recording import journal_lines, recorded_results, without_latency


class FlakySink(ListSink):
    def __init__(self, rng):
        super().__init__()
        self._rng = rng

    def write(self, update):
        if self._rng.random() < 0.3:
            raise OSError("a sink's own")
        time.sleep(float(self._rng.uniform(0, 0.01)))
        super().write(update)


def random_script(rng, count):
    """Return source items, and how many of them are frames."""
    items, frames, offset = [], 0, 1000.0
    for k in range(count):
        what = rng.choice(["frame", "lost", "nothing", "broken", "jump", "still", "pause"], p=[0.62, 0.05, 0.08, 0.08, 0.07, 0.05, 0.05])  # fmt: skip
        if what == "lost":
            items.append(OSError("unplugged"))
            continue
        if what in {"nothing", "pause"}:
            items.append(partial(time.sleep, float(rng.uniform(0.0, 0.08 if what == "pause" else 0.002))))
            continue
        if what == "jump":
            offset += float(rng.choice([-1e6, -2.0, 3.0, 1e4]))
        seed = 0 if what == "still" else k
        time_s = rng.choice([offset + 0.02 * k, 0.0, np.nan], p=[0.9, 0.05, 0.05])
        shape, spacing = ((60, 80), GEOMETRY) if rng.random() < 0.7 else ((50, 90), ug.ImageGeometry(0.3, 0.25))
        frame = live_frame(seed, time_s=time_s, shape=shape, geometry=spacing)
        if what == "broken":
            pixels = [np.full(shape, np.nan), np.zeros((*shape, 5), np.uint8), np.zeros(3, np.uint8)][rng.integers(3)]
            frame = LiveFrame(pixels, spacing, time_s, full_scale=255.0)
        items.append(partial(LiveFrame, frame.pixels, frame.geometry, time_s, full_scale=frame.full_scale))
        frames += 1
    return items, frames


@pytest.mark.parametrize("seed", range(4))
def test_at_random(tmp_path, seed, caplog):
    caplog.set_level(logging.CRITICAL, "usguide")
    rng = np.random.default_rng(seed)
    items, frames = random_script(rng, 250)
    pipeline = ug.GuidancePipeline(ug.InsertionPrior("left", (15, 60)))
    recorder = Recorder(tmp_path / "run", pipeline, "chaos")
    engine = LiveEngine(ScriptedSource(items), pipeline, recorder=recorder, stale_after_s=0.05)
    sink = ListSink()
    engine.add_sink(sink, max_waiting=1000)
    engine.add_sink(FlakySink(np.random.default_rng(seed)), max_waiting=2)
    asked = 0
    with engine:
        while not engine.wait(float(rng.uniform(0, 0.03))):
            asked += 1
            [
                lambda: engine.set_target(rng.uniform(0, 15, 2)),
                lambda: engine.seed(entry_mm=(0, float(rng.uniform(1, 4))), tip_mm=(9, 8)),
                engine.mark_injection,
                engine.reset,
            ][rng.integers(4)]()
    assert engine.error is None
    status = engine.status()
    assert status.received == frames == status.processed + status.dropped
    with_frames = [u.result.index for u in sink.updates if str(u.result.input_state) != "STALE"]
    assert with_frames == sorted(set(with_frames))
    assert len(with_frames) == status.processed
    assert with_frames[-1] == frames - 1

    folder = recorder.finish({})
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    assert summary["recording"]["complete"], summary
    lines = [without_latency(r) for r in recorded_results(folder)]
    assert lines == [without_latency(result_record(u.frame, u.result)) for u in sink.updates]
    assert lines == [without_latency(result_record(f, r)) for f, r in replay_recording(folder)]
    kinds = [line["kind"] for line in journal_lines(folder)]
    assert kinds.count("action") <= asked
    assert kinds.count("step") + kinds.count("invalid") == status.processed
    good = [u.result.timestamp_s for u in sink.updates if u.frame is not None and str(u.result.input_state) == "OK"]
    assert all(b >= a - 1.0 for a, b in itertools.pairwise(good))
