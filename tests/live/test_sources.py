"""Addresses, and the sources behind them; streams are sent by ffmpeg, which no one here wrote."""

import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from live_cases import ListSink, QuickPipeline, free_port, live_frame, picture

import usguide as ug
from usguide.io import CallbackSource, cast_callback, open_source
from usguide.live import (
    CallableSource,
    EndOfStreamError,
    LiveEngine,
    PushedSource,
    ReplaySource,
    open_live_source,
    parse_address,
    register_scheme,
    sources,
)

GEOMETRY = ug.ImageGeometry(0.1, 0.1)


@pytest.mark.parametrize(
    ("text", "scheme", "host", "port", "path", "name"),
    [
        ("camera:0", "camera", "", None, "0", "camera:0"),
        ("udp://0.0.0.0:5000", "udp", "0.0.0.0", 5000, "", "udp://0.0.0.0:5000"),
        ("UDP://@:5000?fifo_size=9", "udp", "", 5000, "", "udp://:5000"),
        ("rtsp://me:secret@cart.local:554/live/1?key=k", "rtsp", "cart.local", 554, "live/1", "rtsp://cart.local:554/live/1"),
        ("http://[::1]:80/a", "http", "::1", 80, "a", "http://[::1]:80/a"),
        ("igtl://127.0.0.1:18944/Image_Reference", "igtl", "127.0.0.1", 18944, "Image_Reference", "igtl://127.0.0.1:18944/Image_Reference"),
        ("replay:/data/a b.mp4", "replay", "", None, "/data/a b.mp4", "replay:a b.mp4"),
        ("replay:C:/x.mp4", "replay", "", None, "C:/x.mp4", "replay:x.mp4"),
    ],
)  # fmt: skip
def test_addresses(text, scheme, host, port, path, name):
    found = parse_address(text)
    assert (found.scheme, found.host, found.port, found.path, found.name) == (scheme, host, port, path, name)


@pytest.mark.parametrize(
    "text",
    ["", "a.mp4", "/data/a.mp4", "camera:", "camera:one", "camera:-1", "udp:5000", "udp://", "udp://h:port", "igtl://", "x y://h", "rtsp://h:99999"],
)  # fmt: skip
def test_what_is_no_address(text):
    with pytest.raises(ug.InputError, match="source: expected"):
        parse_address(text)


def test_mistakes_are_told_before_anything_runs(tmp_path):
    with pytest.raises(ug.InputError, match="spacing is missing"):
        open_live_source("camera:0")
    with pytest.raises(ug.InputError, match="region in px"):
        open_live_source("udp://127.0.0.1:5000", spacing_mm=0.1, region="auto")
    with pytest.raises(ug.InputError, match="expected one of"):
        open_live_source("gopher://host/x", spacing_mm=0.1)
    with pytest.raises(ug.FormatError):
        open_live_source(f"replay:{tmp_path / 'nothing.mp4'}")
    with pytest.raises(ug.FormatError, match="is it on"):
        open_live_source("camera:93", spacing_mm=0.1).open()


def test_another_module_registers_its_scheme(monkeypatch):
    monkeypatch.setattr(sources, "_OPENERS", dict(sources._OPENERS))
    asked = []
    register_scheme("scan", lambda address, options: asked.append((address.path, options.spacing_mm)) or "a source")
    assert open_live_source("scan://host:1/Device", spacing_mm=0.2) == "a source"
    assert asked == [("Device", (0.2, 0.2))]


def recording(path, times):
    np.savez(path, frames=np.stack([picture(k) for k in range(len(times))]), spacing_mm=0.2, timestamps_s=times)
    return path


def taken(source):
    """Read a source to its end; return frames and when each came."""
    source.open()
    frames, when = [], []
    try:
        while True:
            live = source.read(0.1)
            if live is not None:
                frames.append(live)
                when.append(time.monotonic())
    except EndOfStreamError:
        source.close()
    return frames, np.array(when)


def test_a_replay_keeps_the_recordings_times_and_never_runs_ahead(tmp_path):
    times = np.array([4.0, 4.02, 4.3, 4.31, 4.4])
    frames, when = taken(open_live_source(f"replay:{recording(tmp_path / 'a.npz', times)}"))
    assert [f.source_time_s for f in frames] == times.tolist()
    assert all(when - when[0] >= times - times[0] - 0.01)
    np.testing.assert_array_equal(frames[2].pixels, picture(2))
    assert frames[0].geometry.spacing_mm == (0.2, 0.2)


def test_a_replay_through_the_engine_gives_what_the_pipeline_gives():
    source = open_live_source("replay:phantom:inplane-fascia")
    prior = ug.InsertionPrior("left", (15, 60))
    engine, sink = LiveEngine(source, ug.GuidancePipeline(prior)), ListSink()
    engine.add_sink(sink, max_waiting=1000)
    with engine:
        engine.wait(1.5)
    pipeline = ug.GuidancePipeline(prior)
    with open_source("phantom:inplane-fascia") as again:
        frames = {f.index: f for f in again}
    assert sink.updates
    for update in sink.updates:
        expected = pipeline.step(frames[update.result.index])
        assert update.result.timestamp_s == expected.timestamp_s
        assert update.result.tracks == expected.tracks


def test_a_replay_that_decodes_too_slowly_plays_slower(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "MAX_LAG_S", 0.0)
    path = recording(tmp_path / "a.npz", np.arange(6) * 0.01)

    class Slow:
        def __init__(self):
            self.info, self.close = SimpleNamespace(name="slow"), lambda: None

        def __iter__(self):
            with open_source(path) as frames:
                for frame in frames:
                    time.sleep(0.03)
                    yield frame

    source = ReplaySource(Slow())
    frames, when = taken(source)
    assert len(frames) == 6
    assert when[-1] - when[0] >= 0.12


def test_a_function_is_a_source():
    items = iter([None, live_frame(0), ug.Frame(picture(1), GEOMETRY, 3.5), None, live_frame(2)])
    frames, _ = taken(CallableSource(lambda: next(items)))
    assert [f.source_time_s for f in frames] == [5.0, 3.5, 5.1]
    assert CallableSource(lambda: None).read(0.01) is None


def test_frames_that_a_program_pushes():
    callback = CallbackSource(GEOMETRY, max_waiting=1)
    sink, engine = ListSink(), LiveEngine(PushedSource(callback), QuickPipeline())
    engine.add_sink(sink, max_waiting=100)
    with engine:
        for k in range(40):
            callback.push(picture(k), 1.0 + 0.02 * k)
            time.sleep(0.001)
        callback.close()
        assert engine.wait(20)
    status = engine.status()
    assert status.received + status.dropped_by_source == 40
    assert status.received == status.processed + status.dropped
    assert sink.updates[-1].source_time_s == pytest.approx(1.78)
    np.testing.assert_array_equal(sink.updates[-1].frame.pixels, picture(39))


# Clarius Cast


def cast(bytes_per_px=1):
    source = CallbackSource(ug.ImageGeometry(1, 1), max_waiting=8)
    return source, cast_callback(source), bytearray(48 * 64 * bytes_per_px)


def test_cast_pictures_are_copied_before_the_call_returns():
    source, new_processed_image, buffer = cast()
    for k in range(3):
        buffer[:] = picture(k, (48, 64)).tobytes()
        new_processed_image(buffer, 64, 48, len(buffer), 80.5, 2_000_000_000 + k * 50_000_000, 0.0, [])
    buffer[:] = bytes(len(buffer))
    source.close()
    frames = list(source)
    np.testing.assert_array_equal([f.pixels for f in frames], [picture(k, (48, 64)) for k in range(3)])
    assert [f.timestamp_s for f in frames] == [2.0, 2.05, 2.1]
    assert frames[0].geometry.spacing_mm == (0.0805, 0.0805)


def test_cast_argb_a_change_of_depth_and_a_time_of_zero():
    source, new_processed_image, buffer = cast(4)
    argb = np.random.default_rng(3).integers(0, 256, (48, 64, 4), dtype=np.uint8)
    buffer[:] = argb.tobytes()
    new_processed_image(memoryview(buffer), 64, 48, len(buffer), 100.0, 0, 0.0, [])
    new_processed_image(bytes(buffer), 64, 48, len(buffer), 150.0, 0, 0.0, [])
    source.close()
    first, second = source
    np.testing.assert_array_equal(first.pixels, argb[..., :3])
    assert (first.geometry.axial_mm_per_px, second.geometry.axial_mm_per_px) == (0.1, 0.15)
    assert 0 <= first.timestamp_s < second.timestamp_s < 10


def test_cast_never_gets_an_exception():
    source, new_processed_image, buffer = cast()
    for image, width, size, microns in [
        (buffer, 64, 17, 80.0),  # JPEG
        (buffer[:9], 64, len(buffer), 80.0),
        (buffer, 0, 0, 80.0),
        (buffer, 64, len(buffer), 0.0),
        (buffer, 64, len(buffer), float("nan")),
        (None, 64, len(buffer), 80.0),
    ]:
        new_processed_image(image, width, 48, size, microns, 1, 0.0, [])
    assert source.bad_frames == 6
    source.close()
    new_processed_image(buffer, 64, 48, len(buffer), 80.0, 1, 0.0, [])
    assert list(source) == []


# Streams


def test_a_udp_stream_is_received_lost_and_received_again(udp_sender, caplog):
    caplog.set_level("CRITICAL", "usguide.live")
    port = free_port()
    first = udp_sender(port)
    seen = threading.Semaphore(0)

    class Sink(ListSink):
        def write(self, update):
            super().write(update)
            seen.release()

    sink = Sink()
    engine = LiveEngine(open_live_source(f"udp://127.0.0.1:{port}", depth_mm=24.0), QuickPipeline())
    engine.add_sink(sink, max_waiting=1000)
    with engine:
        for _ in range(5):
            assert seen.acquire(timeout=20)
        first.kill()
        deadline = time.monotonic() + 20
        while engine.status().lost_because is None and time.monotonic() < deadline:
            time.sleep(0.02)
        assert "stopped giving pictures" in engine.status().lost_because
        udp_sender(port)
        while engine.status().restarts == 0 and time.monotonic() < deadline + 20:
            time.sleep(0.02)
    assert engine.status().restarts == 1
    frame = sink.updates[0].frame
    assert frame.shape == (240, 320)
    assert frame.pixels.ndim == 3  # a test picture is coloured
    assert frame.geometry.spacing_mm == (0.1, 0.1)
    assert np.ptp(frame.pixels) > 200
    states = [str(u.result.input_state) for u in sink.updates]
    assert "STALE" in states
    assert sorted(u.result.timestamp_s for u in sink.updates if u.frame) == [u.result.timestamp_s for u in sink.updates if u.frame]  # fmt: skip
