"""What the examples compute."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from igtl_cases import wait_until

import usguide as ug

FOLDER = Path(__file__).parents[1] / "examples"


@pytest.mark.skipif(not FOLDER.is_dir(), reason="the examples are not beside the tests")
def test_a_point_goes_through_the_poses_of_its_frame():
    """2 mm right and 3 mm down at 0.5 mm/px are px (4, 6); scaled by 0.5 to mm, turned by 90 degrees, moved by 100 mm."""
    spec = importlib.util.spec_from_file_location("tip_in_tracker_space", FOLDER / "tip_in_tracker_space.py")
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    to_probe = np.diag([0.5, 0.5, 0.5, 1.0])
    to_tracker = np.array([[0.0, -1, 0, 100], [1, 0, 0, 0], [0, 0, 1, 7], [0, 0, 0, 1]])
    frame = ug.Frame(
        np.zeros((32, 32), np.uint8),
        ug.ImageGeometry(0.5, 0.5),
        transforms={"ImageToProbe": to_probe, "ProbeToTracker": to_tracker},
    )
    np.testing.assert_allclose(example.in_space(frame, (2.0, 3.0), "ImageToProbe", "ProbeToTracker"), [97, 2, 7])


@pytest.mark.skipif(not FOLDER.is_dir(), reason="the examples are not beside the tests")
def test_guidance_between_two_openigtlink_links():
    """Images in, results out: the status of each frame has its index and the image's own time."""
    from usguide.live import igtl

    spec = importlib.util.spec_from_file_location("openigtlink_guidance", FOLDER / "openigtlink_guidance.py")
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    got = []
    pixels = np.random.default_rng(0).integers(0, 99, (3, 96, 96), dtype=np.uint8)
    sink = igtl.IgtlSink(igtl.IgtlServer(0))
    with igtl.IgtlServer(0) as scanner, igtl.IgtlSource("127.0.0.1", scanner.port) as source:
        with igtl.IgtlClient("127.0.0.1", sink.server.port, on_message=got.append):
            assert wait_until(lambda: scanner.clients == 1 and sink.server.clients == 1)
            for k in range(3):
                scanner.send(
                    igtl.encode(igtl.Image(pixels[k], np.diag([0.2, 0.2, 1, 1])), "Image", timestamp_s=50.0 + k)
                )
            example.guide(source, sink, ug.GuidancePipeline(), frames=3)
            assert wait_until(lambda: sum(m.device == "NeedleMeasures" for m in got) == 3)
        sink.close()
    said = [m for m in got if m.device == "NeedleStatus"]
    assert [(m.content.subcode, m.header.timestamp_s) for m in said] == [(0, 50.0), (1, 51.0), (2, 52.0)]


@pytest.mark.skipif(not FOLDER.is_dir(), reason="the examples are not beside the tests")
def test_the_spread_is_found_with_and_without_the_needle():
    spec = importlib.util.spec_from_file_location("injectate_spread", FOLDER / "injectate_spread.py")
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    with ug.open_source(example.RECORDING) as source:
        truth = source.info.truth
    for found in (example.with_the_needle()[-1].injectate, example.without_a_needle((19.7, 19.4))[-1]):
        assert found.area_mm2 == pytest.approx(truth.injectate_area_mm2[-1], rel=0.4)
