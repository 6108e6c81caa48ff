"""Measures against what geometry says: ellipses, rings, lenses, turned, on several grids, hard and soft edges."""

import math

import numpy as np
import pytest
from scipy.special import ellipe

from usguide.errors import InputError
from usguide.geometry import ImageGeometry
from usguide.injectate.measures import TAPER_MOST_MM, growth_rate, measure_region, taper_mm, volume_mm3

CENTRE = (21.3, 14.7)
GRIDS = {
    "evidence": ImageGeometry(0.3, 0.3, (0.075, -3.0)),
    "working": ImageGeometry(0.15, 0.15),
    "oblong": ImageGeometry(0.12, 0.35, (1.0, 2.0)),
}


def places(geometry, size_mm=(42.0, 30.0)):
    shape = (round(size_mm[1] / geometry.axial_mm_per_px), round(size_mm[0] / geometry.lateral_mm_per_px))
    yy, xx = np.mgrid[: shape[0], : shape[1]]
    return np.moveaxis(geometry.to_mm(np.stack([xx, yy], axis=-1)), -1, 0)


def turned(geometry, axis_deg, centre=CENTRE):
    x, z = places(geometry)
    c, s = math.cos(math.radians(axis_deg)), math.sin(math.radians(axis_deg))
    x, z = x - centre[0], z - centre[1]
    return c * x + s * z, c * z - s * x


def ellipse(geometry, along_mm, across_mm, axis_deg=0.0, edge_mm=0.2):
    """Mask and probability of an ellipse with these semi-axes, its edge known to about `edge_mm`."""
    u, v = turned(geometry, axis_deg)
    r = np.hypot(u / along_mm, v / across_mm)
    # Distance to the edge, to first order.
    inward = (1 - r) * r / np.maximum(np.hypot(u / along_mm**2, v / across_mm**2), 1e-9)
    probability = (1 / (1 + np.exp(-np.clip(inward / edge_mm, -40, 40)))).astype(np.float32)
    return r < 1, probability


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("soft", [True, False], ids=["probability", "mask"])
@pytest.mark.parametrize(
    ("along", "across", "axis"), [(8.0, 2.0, 0.0), (8.0, 2.0, 25.0), (5.0, 3.0, -70.0), (3.0, 2.9, 40.0)]
)
def test_an_ellipse_is_measured_as_geometry_says(grid, soft, along, across, axis):
    geometry = GRIDS[grid]
    region, probability = ellipse(geometry, along, across, axis)
    found = measure_region(region, geometry, probability if soft else None)
    px = max(geometry.spacing_mm)
    assert found.area_mm2 == pytest.approx(math.pi * along * across, rel=0.01 if soft else 0.02)
    assert found.perimeter_mm == pytest.approx(
        4 * along * ellipe(1 - (across / along) ** 2), rel=0.01 if soft else 0.03
    )
    assert found.centroid_mm == pytest.approx(CENTRE, abs=0.05 * px if soft else 0.25 * px)
    assert found.extent_mm == pytest.approx((2 * along, 2 * across), abs=0.5 * px if soft else px)
    if along > 1.5 * across:
        assert found.axis_deg == pytest.approx(axis, abs=0.5 if soft else 1.0)


@pytest.mark.parametrize("edge_mm", [0.2, 0.5])
def test_the_area_is_as_unsure_as_the_edge(edge_mm):
    """Half of the band between 16 and 84 %: the edge moved by a logistic's 84 % quantile, all along."""
    geometry = GRIDS["working"]
    region, probability = ellipse(geometry, 6.0, 5.0, edge_mm=edge_mm)
    around_mm = 4 * 6.0 * ellipe(1 - (5.0 / 6.0) ** 2)
    expected = around_mm * edge_mm * math.log(0.84 / 0.16)
    if edge_mm < 0.4:
        assert measure_region(region, geometry, probability).area_sigma_mm2 == pytest.approx(expected, rel=0.1)
    else:  # the band ends 0.45 mm beyond the edge, whatever lies there
        assert measure_region(region, geometry, probability).area_sigma_mm2 <= 1.1 * expected


def test_an_edge_without_probabilities_is_known_to_a_pixel():
    geometry = GRIDS["evidence"]
    errors, sigmas = [], []
    for k in range(40):
        radius = 3.0 + 0.017 * k
        region, _ = ellipse(geometry, radius, radius)
        found = measure_region(region, geometry)
        errors.append(found.area_mm2 - math.pi * radius**2)
        sigmas.append(found.area_sigma_mm2)
    assert np.std(errors) < np.mean(sigmas) < 0.3 * 2 * math.pi * 3.4


@pytest.mark.parametrize("grid", GRIDS)
def test_a_ring_has_two_edges(grid):
    geometry = GRIDS[grid]
    u, v = turned(geometry, 0.0)
    r = np.hypot(u, v)
    probability = (1 / (1 + np.exp(-np.clip((1.5 - np.abs(r - 5.0)) / 0.15, -40, 40)))).astype(np.float32)
    found = measure_region(np.abs(r - 5.0) < 1.5, geometry, probability)
    assert found.area_mm2 == pytest.approx(math.pi * (6.5**2 - 3.5**2), rel=0.01)
    assert found.perimeter_mm == pytest.approx(2 * math.pi * 10.0, rel=0.01)
    assert len(found.contours_mm) == 2
    np.testing.assert_allclose(np.hypot(*(found.contours_mm[0] - CENTRE).T), 6.5, atol=0.1)
    assert volume_mm3(found) is None, "no symmetry gives the volume of what surrounds something"
    assert volume_mm3(found, elevational_width_mm=6.0) == pytest.approx(6.0 * found.area_mm2)


@pytest.mark.parametrize(("symmetry", "expected"), [("disc", 8.0**2 * 2.0), ("spindle", 8.0 * 2.0**2)])
@pytest.mark.parametrize("axis", [0.0, 30.0, 90.0])
def test_an_ellipse_turns_into_an_ellipsoid(symmetry, expected, axis):
    geometry = GRIDS["working"]
    region, probability = ellipse(geometry, 8.0, 2.0, axis)
    found = volume_mm3(measure_region(region, geometry, probability), symmetry=symmetry)
    assert found == pytest.approx(4 / 3 * math.pi * expected, rel=0.02)


def test_a_region_at_the_border_ends_there():
    geometry = ImageGeometry(0.5, 0.5)
    region = np.zeros((10, 12), bool)
    region[4:, :] = True
    found = measure_region(region, geometry, region.astype(np.float32))
    assert found.area_mm2 == pytest.approx(6 * 12 * 0.25, rel=0.01)
    assert found.extent_mm == pytest.approx((6.0, 3.0), abs=0.01)


def test_another_pool_is_no_part_of_an_edge():
    """Two pools that nearly touch: the one's probability does not make the other larger or less sure."""
    geometry = ImageGeometry(0.3, 0.3)
    x, _ = places(geometry)
    first, second = np.zeros(x.shape, bool), np.zeros(x.shape, bool)
    first[20:40, 20:40], second[20:40, 42:60] = True, True
    probability = (first | second).astype(np.float32) * 0.8
    probability[20:40, 40:42] = 0.3
    alone = measure_region(first, geometry, first.astype(np.float32) * 0.8)
    beside = measure_region(first, geometry, probability, others=second)
    assert beside.area_mm2 == pytest.approx(alone.area_mm2, rel=0.02)
    with_both = measure_region(first | second, geometry, probability)
    assert with_both.area_mm2 == pytest.approx(alone.area_mm2 * (1 + 18 / 20), rel=0.05)


def test_what_the_probabilities_contradict_is_the_region():
    geometry = ImageGeometry(0.3, 0.3)
    region = np.zeros((40, 40), bool)
    region[10:30, 10:30] = True
    said_of_all = np.full(region.shape, 0.9, np.float32)
    said_of_none = np.full(region.shape, 0.1, np.float32)
    for probability in (said_of_all, said_of_none):
        assert measure_region(region, geometry, probability).area_mm2 == pytest.approx(36.0, rel=0.05)


def test_no_region_has_no_measures():
    assert measure_region(np.zeros((8, 8), bool), ImageGeometry(1.0, 1.0)) is None


@pytest.mark.parametrize(
    ("region", "probability"),
    [(np.zeros((8, 8)), None), (np.zeros(8, bool), None), (np.zeros((8, 8), bool), np.zeros((4, 4), np.float32))],
    ids=["no-mask", "no-picture", "other-shape"],
)
def test_what_can_not_be_measured_is_refused(region, probability):
    with pytest.raises(InputError, match="expected"):
        measure_region(region, ImageGeometry(1.0, 1.0), probability)


def test_a_rate_is_that_of_the_line_and_no_outlier_moves_it():
    t = np.arange(26) / 25
    a = 4.0 + 18.0 * t
    assert growth_rate(t, a) == pytest.approx((18.0, 0.0), abs=1e-9)
    a[13] += 50
    rate, sigma = growth_rate(t, a)
    assert rate == pytest.approx(18.0, abs=0.5)
    assert sigma < 1.0


@pytest.mark.parametrize("together", [0.0, 0.7], ids=["independent", "hanging-together"])
def test_a_rate_is_as_unsure_as_it_says(together):
    rng = np.random.default_rng(3)
    t = np.arange(31) / 30
    misses = []
    for _ in range(400):
        noise = np.zeros(len(t))
        for k, step in enumerate(rng.normal(0, 0.5, len(t))):
            noise[k] = together * noise[k - 1] + step
        rate, sigma = growth_rate(t, 20.0 * t + noise)
        misses.append((rate - 20.0) / sigma)
    within = float(np.mean(np.abs(misses) < 1))
    assert 0.5 < within < 0.8, within


def test_a_rate_needs_time():
    assert growth_rate([0.0, 0.1, 0.2], [1.0, 2.0, 3.0]) is None
    assert growth_rate(np.arange(9) / 100, np.arange(9.0)) is None
    fast = np.arange(2000) / 1000
    assert growth_rate(fast, 3 * fast)[0] == pytest.approx(3.0)
    with pytest.raises(InputError, match="as many times as areas"):
        growth_rate([0.0, 1.0], [1.0])


def region_of(half_width, *, length_mm=14.0, turn_deg=0.0, spacing_mm=0.12, cut_mm=0.0):
    """A region about an axis whose half width at a place along it, -0.5..0.5 of its length, is given; its ends cut off."""
    n = round(20 / spacing_mm)
    x, z = (np.arange(n) - n / 2) * spacing_mm, (np.arange(n)[:, None] - n / 2) * spacing_mm
    a = np.radians(turn_deg)
    u, v = x * np.cos(a) + z * np.sin(a), z * np.cos(a) - x * np.sin(a)
    within_mm = np.minimum(
        half_width(np.clip(u / length_mm, -0.5, 0.5)) - np.abs(v), length_mm / 2 - cut_mm - np.abs(u)
    )
    sure = (1 / (1 + np.exp(-within_mm / 0.08))).astype(np.float32)
    return measure_region(sure >= 0.5, ImageGeometry(spacing_mm, spacing_mm), sure)


def wedge(share):
    return 1.3 * (1 - (2 * share) ** 2)


def rounded(share):
    return 1.3 * np.sqrt(1 - (2 * share) ** 2)


@pytest.mark.parametrize("turn_deg", [0.0, 10.0, -35.0, 80.0])
@pytest.mark.parametrize("spacing_mm", [0.084, 0.12, 0.17])
def test_a_wedge_that_breaks_off_is_as_long_as_it_would_be(turn_deg, spacing_mm):
    found = region_of(wedge, turn_deg=turn_deg, spacing_mm=spacing_mm, cut_mm=0.6)
    outline = np.concatenate(found.contours_mm) @ np.array([np.cos(np.radians(turn_deg)), np.sin(np.radians(turn_deg))])
    assert np.ptp(outline) == pytest.approx(14.0 - 1.2, abs=0.35)
    assert found.extent_mm[0] == pytest.approx(14.0, abs=0.5)


@pytest.mark.parametrize("turn_deg", [0.0, 10.0, 80.0])
def test_round_and_blunt_ends_are_where_they_are(turn_deg):
    assert region_of(rounded, turn_deg=turn_deg).extent_mm[0] == pytest.approx(14.0, abs=0.3)
    assert region_of(lambda share: 1.3 + 0 * share, turn_deg=turn_deg).extent_mm[0] == pytest.approx(14.0, abs=0.6)


def test_no_end_runs_on_for_more_than_is_allowed():
    assert taper_mm(np.array([0.1, 0.11, 0.12, 0.13, 0.14])) == TAPER_MOST_MM
    assert taper_mm(np.array([0.5, 0.4, 0.3, 0.2, 0.1])) == 0.0
    assert taper_mm(np.array([2.0, 2.5, 3.0, 3.5, 4.0])) == 0.0


def test_what_a_segmenter_leaves_out_lengthens_slender_regions_alone():
    geometry, mask = ImageGeometry(0.12, 0.12), np.zeros((120, 120), bool)
    mask[50:62, 20:90] = True
    plain, longer = (measure_region(mask, geometry, blunted_mm=b).extent_mm for b in (0.0, 0.2))
    assert longer == pytest.approx((plain[0] + 0.4, plain[1]))
    mask[20:90] = mask[50]
    assert measure_region(mask, geometry, blunted_mm=0.2).extent_mm == measure_region(mask, geometry).extent_mm
