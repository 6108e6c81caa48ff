import numpy as np
import pytest

import usguide as ug

G = ug.ImageGeometry(0.1, 0.1)


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.zeros(5, np.uint8), r"shape \(H, W\)"),
        (np.zeros((0, 4), np.uint8), "at least one pixel"),
        (np.zeros((4, 4), np.int32), "uint8, uint16 or float"),
        (np.full((4, 4), np.nan), "finite"),
        (np.zeros((4, 4, 2), np.uint8), "shape"),
        (np.zeros((4, 4)), "full_scale"),
    ],
)
def test_a_frame_refuses_what_is_no_picture(pixels, message):
    with pytest.raises(ug.InvalidFrameError, match=message):
        ug.Frame(pixels, G)


def test_messages_are_one_line():
    with pytest.raises(ug.InvalidFrameError) as caught:
        ug.Frame(np.zeros((4, 4, 7)), G)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("region", [(0, 0, 9, 4), (-1, 0, 4, 4), (0, 0, 0, 4), (0, 0, 4), "all"])
def test_a_region_must_fit(region):
    with pytest.raises(ug.InputError, match="region: expected"):
        ug.Frame(np.zeros((8, 8), np.uint8), G, region=region)


def test_prior_is_checked():
    for bad in ({"entry_side": "below"}, {"angle_deg": (60, 15)}, {"angle_deg": (0, 95)}, {"needle_diameter_mm": 0}):
        with pytest.raises(ug.InputError):
            ug.InsertionPrior(**bad)


def test_every_error_has_one_root_and_a_builtin_kind():
    assert issubclass(ug.InvalidFrameError, ug.InputError)
    assert issubclass(ug.InputError, (ug.UsguideError, ValueError))
    assert issubclass(ug.FormatError, OSError)
    assert issubclass(ug.MissingExtraError, ImportError)


def test_injectate_mask_lands_on_the_frame():
    mask = np.zeros((10, 10), bool)
    mask[4, 7] = True  # (lateral 3.5 + 0.5, axial 2.0 + 1.0) mm on a 0.5 mm grid
    fluid = ug.Injectate((), mask, ug.ImageGeometry(0.5, 0.5, (0.5, 1.0)), (), 0.25, None, None, None, None, 0.5)
    on = fluid.mask_on(ug.Frame(np.zeros((80, 60), np.uint8), G))
    np.testing.assert_allclose(np.argwhere(on).mean(axis=0) * 0.1, (3.0, 4.0), atol=0.06)
    assert on.sum() == 25


def test_a_disc_is_a_circle():
    points = np.array(ug.Target.disc((10.0, 5.0), 3.0).outline_mm)
    np.testing.assert_allclose(np.hypot(points[:, 0] - 10, points[:, 1] - 5), 3.0)
    assert len(points) == 72


@pytest.mark.parametrize(
    "outline",
    [
        [(0.0, 0.0), (1.0, 1.0)],
        [(0.0, 0.0), (1.0, 1.0), (2.0, 2.0)],
        [(0.0, 0.0), (1.0, 0.0), (0.0, float("nan"))],
        "outline",
    ],
    ids=["two-points", "no-area", "nan", "words"],
)
def test_a_target_that_has_no_area_is_refused(outline):
    with pytest.raises(ug.InputError, match=r"^outline_mm: expected "):
        ug.Target((0.0, 0.0), outline)


def test_the_contour_of_a_pool_is_its_first():
    outer, hole = np.ones((9, 2)), np.zeros((4, 2))
    one = ug.Pool(1, 0.0, 4.0, 0.1, 8.0, (5.0, 5.0), (2.0, 2.0), 0.0, (outer, hole), 0.8)
    assert one.contour_mm is outer


def test_a_target_is_a_point_a_disc_or_an_outline():
    assert ug.Target.of(None) is None
    assert ug.Target.of((3, 4)) == ug.Target((3.0, 4.0))
    assert ug.Target.of((3, 4), radius_mm=2) == ug.Target.disc((3.0, 4.0), 2.0)
    # The centre of an L, by hand: two boxes of 4 and 2 mm2.
    outline = [(10, 10), (14, 10), (14, 11), (11, 11), (11, 13), (10, 13)]
    assert ug.Target.of(None, outline_mm=outline).position_mm == pytest.approx(
        ((4 * 12 + 2 * 10.5) / 6, (4 * 10.5 + 2 * 12) / 6)
    )
    assert ug.Target.of((1, 2), outline_mm=outline).position_mm == (1.0, 2.0)


@pytest.mark.parametrize(
    "known",
    [
        {"target_mm": None, "radius_mm": 2.0},
        {"target_mm": (0, 0), "radius_mm": 2.0, "outline_mm": [(0, 0), (1, 0), (0, 1)]},
    ],
)
def test_a_radius_needs_a_point_and_no_outline(known):
    with pytest.raises(ug.InputError, match="expected a radius with a point, or an outline"):
        ug.Target.of(**known)
