"""OpenIGTLink through the engine: images of a server in, needle and measures out."""

import json
import time

import numpy as np
from conftest import stream_picture
from igtl_cases import wait_until
from live_cases import QuickPipeline

import usguide as ug
from usguide.live import LiveEngine, igtl, open_live_source
from usguide.live.igtl_sink import IgtlLiveSink


def image(k, spacing_mm=0.2):
    pixels = np.random.default_rng(k).integers(0, 99, (96, 128), dtype=np.uint8)
    return igtl.Image(pixels, np.diag([spacing_mm, spacing_mm, 1, 1]))


def test_images_in_and_needle_out():
    """The tip that a viewer receives is the needle's, in the image's own millimetres, with the image's own time."""
    got, tips = [], []
    viewers = igtl.IgtlServer(0)
    with igtl.IgtlServer(0) as scanner, igtl.IgtlClient("127.0.0.1", viewers.port, on_message=got.append):
        engine = LiveEngine(
            open_live_source(f"igtl://127.0.0.1:{scanner.port}/Image"),
            ug.GuidancePipeline(ug.InsertionPrior("left", (15, 60))),
        )
        engine.add_sink(IgtlLiveSink(igtl.IgtlSink(viewers)))
        with engine:
            assert wait_until(lambda: scanner.clients == 1 and viewers.clients == 1)
            for k in range(24):
                pixels, tip = stream_picture(max(0.0, 0.6 * (k - 3)), k)
                tips.append(tip)
                shown = igtl.Image(pixels, np.diag([0.1, 0.1, 1, 1]))
                scanner.send(igtl.encode(shown, "Image", timestamp_s=1e9 + 0.05 * k))
                assert wait_until(lambda k=k: sum(m.device == "NeedleMeasures" for m in got) == k + 1)
            assert engine.status().received == engine.status().processed == 24
    said = [m for m in got if m.device == "NeedleTip"]
    assert len(said) >= 4
    for message in said:
        k = round((message.header.timestamp_s - 1e9) / 0.05)
        np.testing.assert_allclose(message.content.matrix[:2, 3], tips[k], atol=1.0)


def test_a_server_that_goes_and_comes_back():
    scanner = igtl.IgtlServer(0)
    port = scanner.port
    engine = LiveEngine(open_live_source(f"igtl://127.0.0.1:{port}"), QuickPipeline(), stale_after_s=0.1)
    with engine:
        assert wait_until(lambda: scanner.clients == 1)
        scanner.send(igtl.encode(image(0), "Image", timestamp_s=50.0))
        assert wait_until(lambda: engine.status().processed == 1)
        scanner.close()
        assert wait_until(lambda: engine.status().lost_because is not None and engine.status().stale)
        with igtl.IgtlServer(port) as scanner:
            assert wait_until(lambda: scanner.clients == 1)
            scanner.send(igtl.encode(image(1), "Image", timestamp_s=51.0))
            assert wait_until(lambda: engine.status().processed == 2)
            assert engine.status().restarts == 1
            assert engine.status().lost_because is None


def test_a_viewer_is_told_that_the_stream_stopped():
    got = []
    viewers = igtl.IgtlServer(0)
    with igtl.IgtlServer(0) as scanner, igtl.IgtlClient("127.0.0.1", viewers.port, on_message=got.append):
        engine = LiveEngine(open_live_source(f"igtl://127.0.0.1:{scanner.port}"), QuickPipeline(), stale_after_s=0.1)
        engine.add_sink(IgtlLiveSink(igtl.IgtlSink(viewers)))
        with engine:
            assert wait_until(lambda: scanner.clients == 1 and viewers.clients == 1)
            before = time.time()
            scanner.send(igtl.encode(image(0), "Image"))
            assert wait_until(lambda: any("STALE" in m.content.text for m in got if m.device == "NeedleStatus"))
    last = [m for m in got if m.device == "NeedlePoints"][-1]
    assert last.content.points == ()
    # The image had no time: that of sending is given in its place.
    assert before - 1 < last.header.timestamp_s < time.time() + 1
    measures = [json.loads(m.content.text) for m in got if m.device == "NeedleMeasures"]
    assert [m["input_state"] for m in measures] == ["OK"]
