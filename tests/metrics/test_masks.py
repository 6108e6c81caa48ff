"""Masks against distances counted by hand and against a plain version of them."""

import math

import numpy as np
import pytest
from scipy.spatial.distance import cdist

import usguide as ug
from usguide.metrics import compare_masks, surface_distances_mm

SPACING = {"axial_mm_per_px": 0.2, "lateral_mm_per_px": 0.5}


def box(rows, columns, shape=(20, 30)):
    mask = np.zeros(shape, bool)
    mask[slice(*rows), slice(*columns)] = True
    return mask


def disc(radius_mm, centre_mm, spacing_mm, size_mm=(12, 12)):
    dz, dx = spacing_mm
    z = (np.arange(round(size_mm[0] / dz)) * dz)[:, None] - centre_mm[1]
    x = (np.arange(round(size_mm[1] / dx)) * dx)[None, :] - centre_mm[0]
    return x**2 + z**2 <= radius_mm**2


def plain_distances(a, b, axial_mm_per_px, lateral_mm_per_px):
    """Edge by looking at the four neighbours one by one; distances of all pairs."""

    def edge(mask):
        padded = np.pad(mask, 1)
        inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
        return np.argwhere(mask & ~inner) * (axial_mm_per_px, lateral_mm_per_px)

    d = cdist(edge(a), edge(b))
    return d.min(axis=1), d.min(axis=0)


def test_a_shifted_box_by_hand():
    """4 x 6 px moved by 2 px laterally: 4 x 4 px in common; dice 2 * 16 / (24 + 24)."""
    e = compare_masks(box((5, 9), (5, 11)), box((5, 9), (7, 13)), **SPACING)
    assert e.dice == pytest.approx(32 / 48)
    assert e.area_error_mm2 == 0
    # The 16 edge pixels of the first: two columns to the left of the other box are 1 and 0.5 mm away from its near side
    # in all 4 rows (column 5: 1.0, of column 6 only top and bottom rows are edge: 0.5). Top and bottom rows over the
    # other box lie on its edge; the right side (column 10, the middle rows 6 and 7) is inside: up or down 1 row, 0.2.
    expected = [1.0] * 4 + [0.5] * 2 + [0.0] * 8 + [0.2] * 2
    first, second = surface_distances_mm(box((5, 9), (5, 11)), box((5, 9), (7, 13)), **SPACING)
    assert sorted(first) == pytest.approx(sorted(expected))
    assert sorted(second) == pytest.approx(sorted(expected))
    assert e.mean_surface_distance_mm == pytest.approx(sum(expected) / 16)
    assert e.hausdorff95_mm == pytest.approx(np.percentile(expected, 95))
    assert e.hausdorff95_mm == pytest.approx(1.0)  # place 14.25 of 0 to 15, and the four largest are 1


def test_two_pixels_by_hand():
    """3 rows and 4 columns apart: 0.6 and 2.0 mm."""
    e = compare_masks(box((2, 3), (2, 3)), box((5, 6), (6, 7)), **SPACING)
    assert e.dice == 0
    assert e.hausdorff95_mm == pytest.approx(math.hypot(0.6, 2.0))
    assert e.mean_surface_distance_mm == pytest.approx(math.hypot(0.6, 2.0))


def test_the_area_error_is_signed():
    e = compare_masks(box((0, 4), (0, 4)), box((0, 4), (0, 7)), **SPACING)
    assert e.area_error_mm2 == pytest.approx(12 * 0.1)
    assert compare_masks(box((0, 4), (0, 7)), box((0, 4), (0, 4)), **SPACING).area_error_mm2 == pytest.approx(-1.2)


def test_concentric_discs():
    """Radii 4 and 3 mm at 0.05 mm: 1 mm apart everywhere, dice 2 * 9 / (9 + 16)."""
    a, b = (disc(r, (6, 6), (0.05, 0.05)) for r in (4, 3))
    e = compare_masks(a, b, axial_mm_per_px=0.05, lateral_mm_per_px=0.05)
    assert e.dice == pytest.approx(18 / 25, abs=0.002)
    assert e.mean_surface_distance_mm == pytest.approx(1.0, abs=0.03)
    assert e.hausdorff95_mm == pytest.approx(1.0, abs=0.06)
    assert e.area_error_mm2 == pytest.approx(-7 * math.pi, abs=0.1)


def test_far_outliers_below_five_per_cent_do_not_move_it_and_more_do():
    """A 30 x 30 box has 116 edge pixels; 6 of 122 (4.9 %) lie far off, 8 of 124 are 6.5 %."""
    truth, few, many = (box((5, 35), (5, 35), (50, 200)) for _ in range(3))
    few[5:17:2, 150] = True
    many[5:21:2, 150] = True
    unit = {"axial_mm_per_px": 1.0, "lateral_mm_per_px": 1.0}
    assert compare_masks(truth, few, **unit).hausdorff95_mm == pytest.approx(0, abs=1e-9)
    assert compare_masks(truth, many, **unit).hausdorff95_mm > 100


def test_random_blobs_agree_with_the_plain_version():
    rng = np.random.default_rng(0)
    for _ in range(10):
        a, b = (rng.random((15, 20)) < 0.2 for _ in range(2))
        found, plain = surface_distances_mm(a, b, **SPACING), plain_distances(a, b, **SPACING)
        assert found[0] == pytest.approx(plain[0])
        assert found[1] == pytest.approx(plain[1])


def test_empty_masks():
    nothing, something = box((0, 0), (0, 0)), box((3, 5), (3, 5))
    both = compare_masks(nothing, nothing, **SPACING)
    assert (both.dice, both.area_error_mm2) == (1, 0)
    assert math.isnan(both.hausdorff95_mm)
    assert math.isnan(both.mean_surface_distance_mm)
    for pair in ((nothing, something), (something, nothing)):
        e = compare_masks(*pair, **SPACING)
        assert (e.dice, e.hausdorff95_mm, e.mean_surface_distance_mm) == (0, math.inf, math.inf)
    same = compare_masks(something, something, **SPACING)
    assert (same.dice, same.hausdorff95_mm, same.mean_surface_distance_mm) == (1, 0, 0)
    with pytest.raises(ug.InputError, match="empty"):
        surface_distances_mm(nothing, something, **SPACING)


def test_mirror_exchange_and_scale():
    rng = np.random.default_rng(3)
    a, b = (rng.random((15, 20)) < 0.3 for _ in range(2))
    e = compare_masks(a, b, **SPACING)
    mirrored = compare_masks(a[:, ::-1], b[:, ::-1], **SPACING)
    assert mirrored == e
    turned = compare_masks(a.T, b.T, axial_mm_per_px=0.5, lateral_mm_per_px=0.2)
    assert turned.mean_surface_distance_mm == pytest.approx(e.mean_surface_distance_mm)
    back = compare_masks(b, a, **SPACING)
    assert (back.dice, back.hausdorff95_mm, back.area_error_mm2) == pytest.approx(
        (e.dice, e.hausdorff95_mm, -e.area_error_mm2)
    )
    double = compare_masks(a, b, axial_mm_per_px=0.4, lateral_mm_per_px=1.0)
    assert (
        double.dice,
        double.hausdorff95_mm,
        double.mean_surface_distance_mm,
        double.area_error_mm2,
    ) == pytest.approx((e.dice, 2 * e.hausdorff95_mm, 2 * e.mean_surface_distance_mm, 4 * e.area_error_mm2))


def test_another_sampling_of_the_same_shapes_scores_alike():
    fine, coarse = (
        compare_masks(disc(4, (6, 6), s), disc(4, (6.8, 6), s), axial_mm_per_px=s[0], lateral_mm_per_px=s[1])
        for s in ((0.05, 0.05), (0.1, 0.07))
    )
    assert fine.dice == pytest.approx(coarse.dice, abs=0.01)
    assert fine.hausdorff95_mm == pytest.approx(coarse.hausdorff95_mm, abs=0.1)
    assert fine.mean_surface_distance_mm == pytest.approx(coarse.mean_surface_distance_mm, abs=0.05)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (np.zeros((3, 3)), np.zeros((3, 3), bool), "expected bool"),
        (np.zeros((3, 3), bool), np.zeros((3, 4), bool), "shape of the other"),
        (np.zeros((3, 3, 1), bool), np.zeros((3, 3, 1), bool), "expected bool"),
    ],
)
def test_bad_masks_are_refused(a, b, message):
    with pytest.raises(ug.InputError, match=message):
        compare_masks(a, b, **SPACING)


def test_bad_spacing_is_refused():
    with pytest.raises(ug.InputError, match="lateral_mm_per_px"):
        compare_masks(box((0, 0), (0, 0)), box((0, 0), (0, 0)), axial_mm_per_px=0.1, lateral_mm_per_px=0)
