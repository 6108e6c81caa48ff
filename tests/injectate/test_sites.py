"""Where fluid may come from, as a needle goes in, holds still, is drawn back and is lost."""

import numpy as np
import pytest

from usguide.geometry import ImageGeometry
from usguide.injectate.reference import Reference, ReferenceSettings
from usguide.injectate.sites import Sites, SiteSettings
from usguide.types import NeedleTrack, Shaft, Tip, TrackState

MM, SHAPE = 0.3, (120, 160)
GEOMETRY = ImageGeometry(MM, MM)
ENTRY = np.array([0.0, 6.0])
INWARDS = np.array([0.8, 0.6])


def track(length_mm):
    tip = tuple(ENTRY + length_mm * INWARDS)
    return NeedleTrack(
        track_id=1,
        state=TrackState.TRACKING,
        shaft=Shaft(tuple(ENTRY), tip, 3.0),
        tip=Tip(tip, np.eye(2) * 0.01, 0.9),
        tip_velocity_mm_s=0.0,
        confidence=0.9,
        in_plane_fraction=1.0,
        age_s=1.0,
        time_since_seen_s=0.0,
    )


def followed(lengths_mm, rate_hz=20.0):
    """Sites after a needle of these lengths; None where it is not seen."""
    reference = Reference(ReferenceSettings())
    reference.start(np.zeros(SHAPE, np.float32), np.ones(SHAPE, bool))
    sites = Sites(SiteSettings())
    for k, length in enumerate(lengths_mm):
        sites.update(reference, GEOMETRY, None if length is None else track(length), k / rate_hz)
    return sites


def fluid_at(length_mm, *, across_mm=0.0):
    mask = np.zeros(SHAPE, np.uint8)
    x, z = (ENTRY + length_mm * INWARDS + across_mm * np.array([-0.6, 0.8])) / MM
    mask[round(z), round(x)] = 1
    return mask


def may_begin(sites, mask):
    near = sites.near(SHAPE, MM, (0, 0))
    return bool((near & mask).any()), sites.steady and sites.may_begin(mask, MM, (0, 0))


def test_fluid_begins_within_reach_of_a_tip_that_holds_still():
    sites = followed([20.0] * 20)
    assert may_begin(sites, fluid_at(20.0)) == (True, True)
    assert may_begin(sites, fluid_at(20.0, across_mm=2.2)) == (True, True)
    assert may_begin(sites, fluid_at(20.0, across_mm=3.0)) == (False, False)


def test_where_the_tip_was_a_second_ago_fluid_goes_on_but_does_not_begin():
    # 6 mm in the last second.
    sites = followed([14.0 + 0.3 * k for k in range(21)])
    assert may_begin(sites, fluid_at(20.0)) == (True, True)
    assert may_begin(sites, fluid_at(15.0)) == (True, True)  # within reach of where it was half a second ago
    assert may_begin(sites, fluid_at(13.0)) == (True, False)


SPEEDS = [(-12.0, False), (-3.0, True), (0.0, True), (8.0, True), (20.0, False)]


@pytest.mark.parametrize(("speed_mm_s", "begins"), SPEEDS)
def test_nothing_begins_while_the_needle_is_drawn_back_or_pushed_on_fast(speed_mm_s, begins):
    sites = followed([25.0] * 10 + [25.0 + speed_mm_s * k / 20 for k in range(11)])
    assert may_begin(sites, fluid_at(25.0 + speed_mm_s * 0.5)) == (True, begins)


@pytest.mark.parametrize("rate_hz", [20.0, 5.0, 2.0])
def test_a_needle_that_is_lost_while_it_is_drawn_back_has_not_stopped(rate_hz):
    drawn_back = [30.0 - 12.0 * k / rate_hz for k in range(round(1.5 * rate_hz) + 1)]
    for lost in (0, 1):
        sites = followed(drawn_back + [None] * lost, rate_hz)
        assert may_begin(sites, fluid_at(drawn_back[-1])) == (True, lost / rate_hz > SiteSettings().begin_s)
    # Half a second later it may rest anywhere.
    sites = followed(drawn_back + [None] * (round(0.5 * rate_hz) + 1), rate_hz)
    assert may_begin(sites, fluid_at(drawn_back[-1])) == (True, True)


def test_the_last_place_of_a_needle_that_is_gone_is_one_where_fluid_begins():
    sites = followed([20.0] * 10 + [None] * 100)
    assert may_begin(sites, fluid_at(20.0)) == (True, True)


def test_a_seed_is_a_place_where_fluid_begins_with_or_without_a_needle():
    reference = Reference(ReferenceSettings())
    reference.start(np.zeros(SHAPE, np.float32), np.ones(SHAPE, bool))
    sites = Sites(SiteSettings())
    sites.seed((30.0, 12.0))
    sites.update(reference, GEOMETRY, None, 0.0)
    mask = np.zeros(SHAPE, np.uint8)
    mask[40, 101] = 1
    assert may_begin(sites, mask) == (True, True)
    sites.update(reference, GEOMETRY, track(20.0), 0.05)
    assert may_begin(sites, mask) == (True, True)
