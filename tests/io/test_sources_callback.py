"""Frames that another thread pushes."""

import threading
import time

import numpy as np
import pytest

import usguide as ug
from usguide.io import CallbackSource

GEOMETRY = ug.ImageGeometry(0.1, 0.1)
STACK = np.random.default_rng(9).integers(0, 256, (30, 40, 60), dtype=np.uint8)


def test_a_replay_that_waits_loses_nothing_and_keeps_order():
    source = CallbackSource(GEOMETRY, max_waiting=2, when_full="wait")

    def push():
        for k, pixels in enumerate(STACK):
            assert source.push(pixels, timestamp_s=0.1 * k)
        source.close()

    writer = threading.Thread(target=push)
    writer.start()
    frames = []
    for frame in source:
        time.sleep(0.001)
        frames.append(frame)
    writer.join(timeout=5)
    assert [f.index for f in frames] == list(range(30))
    np.testing.assert_array_equal([f.pixels for f in frames], STACK)
    assert source.dropped == 0


def test_closing_frees_a_push_that_waits():
    source = CallbackSource(GEOMETRY, max_waiting=1, when_full="wait")
    source.push(STACK[0])
    answers = []
    writer = threading.Thread(target=lambda: answers.append(source.push(STACK[1])))
    writer.start()
    time.sleep(0.05)
    assert answers == []
    source.close()
    writer.join(timeout=5)
    assert answers == [False]
    assert [f.index for f in source] == [0]
    assert list(source) == []


@pytest.mark.parametrize(
    "pixels", [np.zeros((3, 3)), np.zeros(40), [[1], [1, 2]], np.full((40, 40), np.nan), np.zeros((40, 40), int), None]
)
def test_a_bad_picture_is_counted_and_takes_no_place(pixels):
    source = CallbackSource(GEOMETRY, full_scale=255)
    assert source.push(pixels) is False
    assert source.push(STACK[0], timestamp_s=np.nan) is False
    assert source.push(STACK[0])
    source.close()
    assert [f.index for f in source] == [2]
    assert source.bad_frames == 2
    assert "frame 0 left out" in source.notes[0]


def test_take_waits_no_longer_than_asked():
    source = CallbackSource(GEOMETRY)
    start = time.monotonic()
    assert source.take(timeout_s=0.05) is None
    assert 0.04 < time.monotonic() - start < 2
    source.push(STACK[0])
    assert source.take(timeout_s=0.05).index == 0


def test_time_of_arrival_increases():
    source = CallbackSource(GEOMETRY, region=(1, 2, 30, 30))
    for pixels in STACK[:3]:
        source.push(pixels)
        time.sleep(0.002)
    source.close()
    frames = list(source)
    assert all(np.diff([f.timestamp_s for f in frames]) >= 0.002)
    assert {f.region for f in frames} == {(1, 2, 30, 30)}
    assert (source.info.shape, source.info.dtype, source.info.channels) == ((40, 60), "uint8", 1)


def test_options_are_checked():
    for options in ({"max_waiting": 0}, {"when_full": "explode"}, {"region": (1, 2)}):
        with pytest.raises(ug.InputError):
            CallbackSource(GEOMETRY, **options)
