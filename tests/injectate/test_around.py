"""The way around a target against geometry: rings with known gaps, part overlaps, gaps, grids, drawn outlines."""

import math

import numpy as np
import pytest

from usguide.geometry import ImageGeometry
from usguide.injectate.around import spread_around
from usguide.injectate.measures import measure_region
from usguide.types import Target

CENTRE = (24.2, 15.6)
NERVE_MM = 3.0
GRIDS = {
    "evidence": ImageGeometry(0.3, 0.3, (0.075, -3.0)),
    "working": ImageGeometry(0.15, 0.15),
    "oblong": ImageGeometry(0.12, 0.35, (1.0, 2.0)),
}


def from_centre(geometry, centre=CENTRE):
    yy, xx = np.mgrid[: round(30 / geometry.axial_mm_per_px), : round(46 / geometry.lateral_mm_per_px)]
    x, z = np.moveaxis(geometry.to_mm(np.stack([xx, yy], axis=-1)), -1, 0)
    return x - centre[0], z - centre[1]


def measured(geometry, inward_mm):
    """Fluid where `inward_mm` is positive, with an edge known to about 0.1 mm."""
    probability = (1 / (1 + np.exp(-np.clip(inward_mm / 0.1, -40, 40)))).astype(np.float32)
    return measure_region(inward_mm > 0, geometry, probability)


def arc(geometry, covered_deg, first_deg=20.0, inner_mm=3.2, outer_mm=4.6):
    """Distance into a ring that covers so many degrees from `first_deg` on, its ends cut along the radius."""
    x, z = from_centre(geometry)
    r = np.hypot(x, z)
    inward = 0.5 * (outer_mm - inner_mm) - np.abs(r - 0.5 * (inner_mm + outer_mm))
    if covered_deg < 360:
        middle = math.radians(first_deg + 0.5 * covered_deg)
        off = (np.arctan2(z, x) - middle + np.pi) % (2 * np.pi) - np.pi
        inward = np.minimum(inward, (math.radians(0.5 * covered_deg) - np.abs(off)) * r)
    return inward


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("covered_deg", [40.0, 180.0, 275.0, 330.0, 360.0])
def test_a_ring_covers_what_it_covers(grid, covered_deg):
    geometry = GRIDS[grid]
    found = spread_around(Target.disc(CENTRE, NERVE_MM), measured(geometry, arc(geometry, covered_deg)))
    # At the outline a pixel is seen under 6 degrees at most.
    assert found.ring_deg == pytest.approx(covered_deg, abs=5.0)
    assert found.overlap == 0.0
    assert found.ring_sigma_deg < 10
    assert found.distance_mm == pytest.approx(0.2, abs=0.06)


def test_fluid_beyond_the_band_lies_not_against_the_target():
    geometry = GRIDS["working"]
    fluid = measured(geometry, arc(geometry, 360.0, inner_mm=4.5, outer_mm=6.0))
    nerve = Target.disc(CENTRE, NERVE_MM)
    assert spread_around(nerve, fluid).ring_deg == 0.0
    assert spread_around(nerve, fluid, band_mm=1.8).ring_deg == 360.0
    assert spread_around(nerve, fluid).distance_mm == pytest.approx(1.5, abs=0.05)


@pytest.mark.parametrize("away_mm", [0.6, 2.0, 9.0])
def test_the_gap_of_two_discs(away_mm):
    geometry = GRIDS["evidence"]
    x, z = from_centre(geometry, (CENTRE[0] - NERVE_MM - away_mm - 2.5, CENTRE[1]))
    fluid = measured(geometry, 2.5 - np.hypot(x, z))
    assert spread_around(Target.disc(CENTRE, NERVE_MM), fluid).distance_mm == pytest.approx(away_mm, abs=0.05)
    # From a point it is the distance to the edge.
    point = spread_around(Target(CENTRE), fluid)
    assert point.distance_mm == pytest.approx(away_mm + NERVE_MM, abs=0.05)
    assert (point.overlap, point.ring_deg, point.ring_sigma_deg) == (None, None, None)


def test_two_discs_that_overlap_share_a_lens():
    geometry = GRIDS["working"]
    x, z = from_centre(geometry, (CENTRE[0] + 3.0, CENTRE[1]))
    fluid = measured(geometry, NERVE_MM - np.hypot(x, z))
    lens = 2 * NERVE_MM**2 * math.acos(0.5) - 1.5 * math.sqrt(4 * NERVE_MM**2 - 9)
    found = spread_around(Target.disc(CENTRE, NERVE_MM), fluid)
    assert found.distance_mm == 0.0
    assert found.overlap == pytest.approx(lens / (math.pi * NERVE_MM**2), abs=0.02)
    # Against a circle of the same radius through its centre: what is within 1 mm of the outline, either way.
    theta = np.radians(np.arange(3600) / 10)
    near = np.zeros(len(theta), bool)
    for radius in np.arange(2.0, 4.001, 0.05):
        near |= np.hypot(radius * np.cos(theta) - 3.0, radius * np.sin(theta)) < NERVE_MM
    assert found.ring_deg == pytest.approx(360 * near.mean(), abs=4.0)


def test_fluid_at_a_point():
    geometry = GRIDS["evidence"]
    x, z = from_centre(geometry)
    fluid = measured(geometry, 2.5 - np.hypot(x, z))
    assert spread_around(Target((CENTRE[0] + 2.0, CENTRE[1])), fluid).distance_mm == 0.0
    assert spread_around(Target((CENTRE[0] + 3.5, CENTRE[1])), fluid).distance_mm == pytest.approx(1.0, abs=0.05)


def test_an_outline_that_folds_is_met_at_its_outermost():
    """A crescent, open to the right: its centre sees two edges in some directions."""
    geometry = GRIDS["working"]
    theta = np.radians(np.linspace(40, 320, 60))
    outer, inner = (np.stack([r * np.cos(theta), r * np.sin(theta)], axis=-1) for r in (5.0, 3.0))
    crescent = Target(CENTRE, tuple(map(tuple, np.concatenate([outer, inner[::-1]]) + CENTRE)))
    found = spread_around(crescent, measured(geometry, arc(geometry, 360.0, inner_mm=5.3, outer_mm=6.5)))
    # The centre of a crescent lies to the left: nothing is against it in the directions of its mouth.
    assert 180 < found.ring_deg < 320
    assert found.overlap == 0.0


def test_an_unsure_edge_makes_an_unsure_ring():
    geometry = GRIDS["working"]
    inward = arc(geometry, 270.0)
    sure, unsure = (
        measure_region(inward > 0, geometry, (1 / (1 + np.exp(-np.clip(inward / e, -40, 40)))).astype(np.float32))
        for e in (0.1, 0.4)
    )
    nerve = Target.disc(CENTRE, NERVE_MM)
    assert spread_around(nerve, unsure).ring_sigma_deg > 2 * spread_around(nerve, sure).ring_sigma_deg
