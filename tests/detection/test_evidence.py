"""Evidence in units of its surroundings: the grid, the blocks, gain, borders, and what is new."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from conftest import frame_of, needle_picture

import usguide as ug
from usguide.detection import DetectionSettings, EvidenceSettings, gather, gather_evidence, to_evidence_grid
from usguide.detection._kernels.search import BLOCK_PX, block_products, mean_square
from usguide.grid import WorkingImage

SETTINGS = EvidenceSettings()
SPACING_MM = 0.15


def working(grey, valid=None, spacing_mm=(SPACING_MM, SPACING_MM), origin_mm=(0.0, 0.0)):
    valid = np.ones(grey.shape, bool) if valid is None else valid
    return WorkingImage(grey.astype(np.float32), valid, ug.ImageGeometry(*spacing_mm, origin_mm))


def evidence_of(grey, valid=None, settings=SETTINGS, **new):
    image = working(grey, valid)
    novelty = SimpleNamespace(**{"misfit": 0.0, **new}) if new else None
    return gather(image, image.grey, to_evidence_grid(image, image.grey, settings), settings, novelty)


def speckle(shape=(160, 200), seed=0, mean=70, spread=25):
    return mean + spread * cv2.GaussianBlur(np.random.default_rng(seed).normal(size=shape), (0, 0), 1.5) * 3


def with_line(grey, angle_deg=25.0, brightness=80.0, sigma_px=2.5):
    zz, xx = np.indices(grey.shape)
    a = np.radians(angle_deg)
    across = (zz - 30) * np.cos(a) - xx * np.sin(a)
    return grey + brightness * np.exp(-0.5 * (across / sigma_px) ** 2)


def response_at(maps, angle_rad, x, y):
    xx, xy, yy = maps.hessian[:, y, x]
    c, s = np.cos(angle_rad), np.sin(angle_rad)
    value = 2 * s * c * xy - s * s * xx - c * c * yy
    return value / np.sqrt(mean_square(maps.energy, y // BLOCK_PX, x // BLOCK_PX, c, s) + maps.floor2)


@pytest.mark.parametrize("shape", [(160, 200), (161, 199)])
@pytest.mark.parametrize("spacing", [(0.15, 0.15), (0.148, 0.153)])
def test_a_point_keeps_its_millimetres(shape, spacing):
    at_mm = np.array([(7.31, 5.02), (20.4, 17.7), (12.0, 12.0)])
    image = working(np.zeros(shape), spacing_mm=spacing, origin_mm=(1.5, -0.7))
    zz, xx = np.indices(shape)
    for point in at_mm:
        x, y = image.geometry.to_px(point)
        blob = 200 * np.exp(-0.5 * ((xx - x) ** 2 + (zz - y) ** 2) / 3.0**2).astype(np.float32)
        smooth, valid, geometry = to_evidence_grid(image, blob, SETTINGS)
        rows, columns = np.indices(smooth.shape)
        centre = [(c * smooth).sum() / smooth.sum() for c in (columns, rows)]
        np.testing.assert_allclose(geometry.to_mm(centre), point, atol=0.01)
        assert valid.all()
        assert geometry.spacing_mm == pytest.approx((2 * spacing[1], 2 * spacing[0]))
        assert smooth.shape == (shape[0] // 2, shape[1] // 2) == valid.shape


def test_smoothing_is_in_millimetres():
    # A point spreads to the same standard deviation in mm whatever the grid's spacing.
    for mm in (0.1, 0.2):
        image = working(np.zeros((120, 120)), spacing_mm=(mm, mm))
        point = np.zeros((120, 120), np.float32)
        point[60:62, 60:62] = 100
        smooth, _, geometry = to_evidence_grid(image, point, EvidenceSettings(smooth_mm=0.6))
        rows, _ = np.indices(smooth.shape)
        mean = (rows * smooth).sum() / smooth.sum()
        sigma_mm = np.sqrt(((rows - mean) ** 2 * smooth).sum() / smooth.sum()) * geometry.axial_mm_per_px
        assert sigma_mm == pytest.approx(0.6, rel=0.03)


def test_what_is_no_picture_does_not_bleed_in():
    grey = speckle()
    valid = np.ones(grey.shape, bool)
    valid[:, :50] = False
    valid[70:90, 120:150] = False
    found = {}
    for fill in (0.0, 255.0, -1e6):
        filled = np.where(valid, grey, fill)
        found[fill] = evidence_of(filled, valid)
    one = found[0.0]
    assert one.valid.shape == one.smooth.shape
    np.testing.assert_array_equal(one.valid, valid[::2, ::2] & valid[1::2, 1::2])
    for other in found.values():
        np.testing.assert_allclose(other.smooth, one.smooth, atol=1e-3)
        np.testing.assert_allclose(other.look.hessian, one.look.hessian, atol=1e-3)
    # Level grey stays level up to the border: there is no seam to take for a line.
    flat = evidence_of(np.where(valid, 80.0, 0.0), valid)
    np.testing.assert_allclose(flat.smooth[flat.valid], 80, atol=1e-3)
    assert np.abs(flat.look.hessian * flat.look.known).max() < 1e-2


def test_no_evidence_beside_a_border():
    valid = np.ones((160, 200), bool)
    valid[:, :50] = False
    look = evidence_of(speckle(), valid).look
    # 0.6 mm are two pixels of 0.3 mm: from the picture's end, and from where it is none.
    expected = np.zeros((80, 100), bool)
    expected[2:-2, 27:-2] = True
    np.testing.assert_array_equal(look.known > 0, expected)


def test_block_sums_are_sums_over_blocks():
    rng = np.random.default_rng(1)
    h, w = 30, 41
    xx, xy, yy = rng.normal(size=(3, h, w)).astype(np.float32)
    known = (rng.uniform(size=(h, w)) > 0.3).astype(np.float32)
    out = np.full((6, 8, 11), np.nan, np.float32)
    block_products(xx, xy, yy, known, out)
    products = (xx * xx, xx * xy, 4 * xy * xy + 2 * xx * yy, xy * yy, yy * yy, np.ones((h, w)))
    for p in range(8):
        for q in range(11):
            there = np.s_[4 * p : 4 * p + 4, 4 * q : 4 * q + 4]
            expected = [(v[there] * known[there]).sum() for v in products]
            np.testing.assert_allclose(out[:, p, q], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("angle", [0.0, 0.3, 0.8, 1.4, 2.5])
def test_energy_is_the_mean_square_response_of_the_surroundings(angle):
    found = evidence_of(with_line(speckle((320, 400))))
    xx, xy, yy = found.look.hessian.astype(float)
    c, s = np.cos(angle), np.sin(angle)
    square = (2 * s * c * xy - s * s * xx - c * c * yy) ** 2
    # A block in the middle: 10 mm are 33 px, so 9 blocks (an odd number next to 8.3) with their own pixels around it.
    p, q, half = 20, 24, 4
    there = np.s_[4 * (p - half) : 4 * (p + half + 1), 4 * (q - half) : 4 * (q + half + 1)]
    assert found.look.known[there].all()
    assert mean_square(found.look.energy, p, q, c, s) == pytest.approx(square[there].mean(), rel=1e-3)


def test_gain_changes_no_response_where_surroundings_are_above_the_floor():
    angle = np.radians(25)
    place = (40, 34)
    settings = EvidenceSettings(look_floor=0.0)
    once, twice = (evidence_of(with_line(speckle()) * gain, settings=settings).look for gain in (0.5, 2.0))
    assert response_at(once, angle, *place) > 1
    assert response_at(twice, angle, *place) == pytest.approx(response_at(once, angle, *place), rel=1e-4)
    # Brightness that is added changes nothing.
    lighter = evidence_of(with_line(speckle()) + 60, settings=settings).look
    assert response_at(lighter, angle, *place) == pytest.approx(response_at(once, angle, *place), rel=1e-3)


def test_responses_far_below_the_floor_are_none():
    angle, place = np.radians(25), (40, 34)
    faint, clear = (evidence_of(with_line(np.full((160, 200), 70.0), brightness=b)).look for b in (2.0, 80.0))
    assert response_at(faint, angle, *place) < 0.5
    assert response_at(clear, angle, *place) > 2


def test_a_bright_line_answers_in_its_own_direction_only():
    look = evidence_of(with_line(speckle(spread=5))).look
    own, other = (response_at(look, np.radians(a), 40, 34) for a in (25, 115))
    assert own > 2.5
    assert other < 0.3 * own


def test_without_a_background_nothing_is_called_new():
    found = evidence_of(speckle())
    assert found.new is None
    assert (found.activity, found.misfit) == (0.0, 0.0)


def test_novelty_shows_what_is_new_and_no_more():
    tissue = with_line(speckle(), angle_deg=-5.0)
    before, now = evidence_of(tissue), evidence_of(with_line(tissue))
    known = np.ones(now.valid.shape, bool)
    known[:, 70:] = False
    difference = np.where(known, now.smooth - before.smooth, 0)
    found = evidence_of(with_line(tissue), difference=difference, known=known, misfit=1.5)
    assert found.misfit == 1.5
    assert response_at(found.new, np.radians(25), 40, 34) > 2
    # The old line, left where only it lies, is in the look and not in what is new.
    x, y = 20, round((30 - 40 * np.tan(np.radians(5))) / 2)
    assert response_at(found.look, np.radians(-5), x, y) > 1.5
    assert abs(response_at(found.new, np.radians(-5), x, y)) < 0.2
    # Not beside what is not known (0.6 mm), nor where the picture ends.
    np.testing.assert_array_equal(found.new.known[2:-2, 60:], np.tile(np.arange(60, 100) < 68, (76, 1)))
    assert not found.new.known[:2].any()


def test_more_misfit_of_the_surroundings_makes_less_of_novelty():
    difference = np.asarray(with_line(np.zeros((80, 100)), brightness=10.0), np.float32)
    known = np.ones(difference.shape, bool)
    quiet, busy = (evidence_of(speckle(spread=s), difference=difference, known=known) for s in (2, 60))
    assert response_at(busy.new, np.radians(25), 30, 44) < 0.8 * response_at(quiet.new, np.radians(25), 30, 44)
    assert busy.activity < quiet.activity


def test_activity_compares_what_is_new_with_what_there_is():
    grey = speckle(spread=300)
    smooth = evidence_of(grey).smooth
    known = np.ones(smooth.shape, bool)
    same, little = (evidence_of(grey, difference=smooth * f, known=known).activity for f in (1.0, 0.1))
    assert same == pytest.approx(0, abs=0.05)
    # Squared responses: a tenth of the grey levels is a hundredth.
    assert little == pytest.approx(np.log(0.01), abs=0.1)


def test_a_pictures_own_evidence_is_on_the_grid_asked_for():
    pixels, _, _ = needle_picture()
    found = gather_evidence(frame_of(pixels), DetectionSettings(working_mm_per_px=0.2))
    assert found.mm_per_px == pytest.approx(0.4, rel=0.02)
    assert found.image.geometry.axial_mm_per_px == pytest.approx(0.2, rel=0.02)
    assert found.new is None
