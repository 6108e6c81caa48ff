"""The frozen reference: finds what is easy, and stays as it is."""

import math

import numpy as np
import pytest
from conftest import frame_of, needle_picture

import usguide as ug
from usguide.bench import ReferenceDetector


@pytest.mark.parametrize("side", ["left", "right"])
def test_finds_an_easy_needle(side):
    pixels, entry, tip = needle_picture(angle_deg=30.0)
    last_mm = (pixels.shape[1] - 1) * 0.1
    if side == "right":
        pixels, entry, tip = pixels[:, ::-1].copy(), (last_mm - entry[0], entry[1]), (last_mm - tip[0], tip[1])
    result = ReferenceDetector(ug.InsertionPrior(entry_side=side)).step(frame_of(pixels, index=4, timestamp_s=0.2))
    assert result.state is ug.TrackState.TRACKING
    assert (result.index, result.timestamp_s) == (4, 0.2)
    assert math.dist(result.track.tip.position_mm, tip) < 2.0
    assert abs(result.track.shaft.angle_deg - 30.0) < 2.0
    assert math.dist(result.track.shaft.entry_mm, entry) < 3.0


def test_takes_the_brighter_of_two_lines():
    dim, _, _ = needle_picture(entry_mm=(0.0, 18.0), angle_deg=20.0, brightness=90.0)
    bright, _, tip = needle_picture(entry_mm=(0.0, 4.0), angle_deg=20.0, brightness=170.0)
    result = ReferenceDetector(ug.InsertionPrior("left")).step(frame_of(np.maximum(dim, bright)))
    assert math.dist(result.track.tip.position_mm, tip) < 2.0


def test_gives_nothing_without_a_line():
    pixels, _, _ = needle_picture(brightness=0.0)
    result = ReferenceDetector().step(frame_of(pixels))
    assert result.state is ug.TrackState.SEARCHING
    assert result.tracks == ()


def test_follows_the_prior():
    pixels, _, _ = needle_picture(angle_deg=30.0)
    for prior in (ug.InsertionPrior("right"), ug.InsertionPrior("left", (45.0, 80.0))):
        assert ReferenceDetector(prior).step(frame_of(pixels)).track is None


def test_a_region_changes_no_coordinate():
    pixels, _, _ = needle_picture(angle_deg=30.0)
    screen = np.zeros((400, 500), np.uint8)
    screen[37 : 37 + pixels.shape[0], 61 : 61 + pixels.shape[1]] = pixels
    region = (61, 37, pixels.shape[1], pixels.shape[0])
    prior = ug.InsertionPrior("left")
    alone = ReferenceDetector(prior).step(frame_of(pixels)).track.tip.position_mm
    within = ReferenceDetector(prior).step(frame_of(screen, region=region)).track.tip.position_mm
    assert within == pytest.approx((alone[0] + 6.1, alone[1] + 3.7), abs=1e-6)


FROZEN_TIP_MM = (19.225, 22.225)
FROZEN_CONFIDENCE = 0.742


def test_it_has_not_changed():
    """Frozen: these are the figures of its first version. A change here makes every older report incomparable."""
    pixels, _, _ = needle_picture(angle_deg=40.0, seed=3)
    track = ReferenceDetector(ug.InsertionPrior("left")).step(frame_of(pixels)).track
    assert track.tip.position_mm == pytest.approx(FROZEN_TIP_MM, abs=0.31)
    assert track.confidence == pytest.approx(FROZEN_CONFIDENCE, abs=0.03)
