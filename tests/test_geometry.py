import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import usguide as ug
from usguide.geometry import insertion_angle_deg, scan_convert

finite = st.floats(-1e3, 1e3)
spacing = st.floats(0.01, 2.0)


@given(spacing, spacing, finite, finite, finite, finite)
def test_px_and_mm_are_inverse(axial, lateral, ox, oz, x, y):
    g = ug.ImageGeometry(axial, lateral, (ox, oz))
    np.testing.assert_allclose(g.to_px(g.to_mm((x, y))), (x, y), atol=1e-6)


def test_axes_are_not_mixed_up():
    g = ug.ImageGeometry(axial_mm_per_px=0.5, lateral_mm_per_px=0.1, origin_mm=(10.0, 20.0))
    np.testing.assert_allclose(g.to_mm([(3, 4)]), [(10.3, 22.0)])


def test_a_crop_moves_no_point():
    g = ug.ImageGeometry(0.2, 0.3, (1.0, 2.0))
    np.testing.assert_allclose(g.cropped(5, 7).to_mm((0, 0)), g.to_mm((5, 7)))


@given(st.integers(8, 200), st.integers(8, 200), st.integers(8, 200), st.integers(8, 200))
def test_resampling_keeps_the_outer_edges(h, w, new_h, new_w):
    g = ug.ImageGeometry(0.2, 0.3, (1.0, 2.0))
    r = g.resampled((h, w), (new_h, new_w))
    np.testing.assert_allclose(r.to_mm((-0.5, -0.5)), g.to_mm((-0.5, -0.5)), atol=1e-9)
    np.testing.assert_allclose(r.to_mm((new_w - 0.5, new_h - 0.5)), g.to_mm((w - 0.5, h - 0.5)), atol=1e-9)


@pytest.mark.parametrize(
    ("entry", "distal", "angle"),
    [
        ((0, 0), (10, 10), 45.0),
        ((10, 0), (0, 10), 45.0),
        ((0, 0), (0, 5), 90.0),
        ((0, 10), (10, 0), -45.0),
        ((0, 0), (10, 10 * math.tan(math.radians(30))), 30.0),
    ],
)
def test_insertion_angle(entry, distal, angle):
    assert insertion_angle_deg(entry, distal) == pytest.approx(angle)


def test_insertion_angle_is_measured_in_mm_not_px():
    g = ug.ImageGeometry(axial_mm_per_px=0.05, lateral_mm_per_px=0.1)
    assert insertion_angle_deg(*g.to_mm([(0, 0), (100, 200)])) == pytest.approx(45.0)


sector = ug.SectorGeometry((20.0, -40.0), (45.0, 110.0), (-30.0, 30.0))


@given(st.floats(45, 110), st.floats(-30, 30))
def test_sector_polar_is_inverse_and_inside(radius, angle):
    point = sector.from_polar((radius, angle))
    np.testing.assert_allclose(sector.to_polar(point), (radius, angle), atol=1e-9)


def test_sector_contains():
    inside = sector.contains([(20, 30), (20, 0), (20, 80), (80, 10)])
    assert inside.tolist() == [True, False, False, False]
    assert sector.contains(sector.from_polar((60, 0)))


def test_scan_conversion_puts_a_sample_where_the_geometry_says():
    beams = np.zeros((131, 61), np.float32)
    beams[60, 45] = 1.0  # radius 45 + 60 * 0.5 = 75 mm, angle 15 degrees
    g = ug.ImageGeometry(0.1, 0.1, (-20.0, 0.0), sector)
    picture = scan_convert(beams, sector, g, (700, 800))
    y, x = np.unravel_index(picture.argmax(), picture.shape)
    np.testing.assert_allclose(g.to_mm((x, y)), sector.from_polar((75, 15)), atol=0.15)
    assert picture[0, 0] == 0


@pytest.mark.parametrize("bad", [0, -1, math.nan, math.inf, "wide", None])
def test_spacing_must_be_a_positive_number(bad):
    with pytest.raises(ug.InputError, match="axial_mm_per_px: expected"):
        ug.ImageGeometry(bad, 0.1)


def test_sector_bounds_are_checked():
    with pytest.raises(ug.InputError, match="radius_mm"):
        ug.SectorGeometry((0, 0), (50, 40), (-30, 30))
    with pytest.raises(ug.InputError, match="angle_deg"):
        ug.SectorGeometry((0, 0), (40, 50), (30, -30))
