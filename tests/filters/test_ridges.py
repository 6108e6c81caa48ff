"""Frangi and Sato against float64 versions from their equations, analytic ridges, and scikit-image where right."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.feature import hessian_matrix_eigvals

import usguide as ug
from usguide import filters

RNG = np.random.default_rng(2)
PICTURE = ndimage.gaussian_filter(RNG.uniform(0, 255, (61, 83)), 1.2)


def eigenvalues(image, sigma):
    """Hessian eigenvalues, scale-normalised, of larger and smaller magnitude; from SciPy and scikit-image."""
    blurred = ndimage.gaussian_filter(image.astype(np.float64), sigma, mode="nearest", truncate=4)
    p = np.pad(blurred, 1, mode="edge")
    c = p[1:-1, 1:-1]
    yy, xx = p[2:, 1:-1] + p[:-2, 1:-1] - 2 * c, p[1:-1, 2:] + p[1:-1, :-2] - 2 * c
    xy = (p[2:, 2:] + p[:-2, :-2] - p[2:, :-2] - p[:-2, 2:]) / 4
    pair = hessian_matrix_eigvals([v * sigma**2 for v in (yy, xy, xx)])
    order = np.argsort(np.abs(pair), axis=0)
    return np.take_along_axis(pair, order[::-1], axis=0)


def frangi_reference(image, sigmas, beta, c):
    best = np.zeros(image.shape)
    for s in sigmas:
        l2, l1 = eigenvalues(image, s)
        ratio = np.divide(l1, l2, out=np.zeros_like(l1), where=l2 != 0)
        v = np.exp(-(ratio**2) / (2 * beta**2)) * (1 - np.exp(-(l1**2 + l2**2) / (2 * c**2)))
        best = np.maximum(best, np.where(l2 < 0, v, 0))
    return best


def test_frangi_equals_its_equations():
    expected = frangi_reference(PICTURE, (1.5, 2.5), 0.5, 15)
    assert expected.max() > 0.3
    np.testing.assert_allclose(filters.frangi(PICTURE, sigmas_px=(1.5, 2.5)), expected, atol=1e-4)


def test_sato_equals_its_equations():
    expected = np.max([np.maximum(-eigenvalues(PICTURE, s).min(axis=0), 0) for s in (1.5, 2.5)], axis=0)
    np.testing.assert_allclose(filters.sato(PICTURE, sigmas_px=(1.5, 2.5)), expected, atol=1e-4 * expected.max())


def test_the_order_of_sigmas_and_the_rest_of_the_frame_do_not_matter():
    np.testing.assert_array_equal(
        filters.frangi(PICTURE, sigmas_px=(4, 1.5, 2.5)), filters.frangi(PICTURE, sigmas_px=(1.5, 2.5, 4))
    )
    brighter = PICTURE.copy()
    brighter[:, 60:] *= 5
    np.testing.assert_allclose(filters.frangi(brighter)[:, :35], filters.frangi(PICTURE)[:, :35], atol=2e-4)


@given(st.floats(-89, 89), st.sampled_from(["bright", "dark"]))
@settings(max_examples=30, deadline=None)
def test_orientation_and_centre_of_a_line(angle, polarity):
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    y, x = np.mgrid[-40:41, -40:41]
    line = 100 * np.exp(-0.5 * ((-x * s + y * c) / 2.0) ** 2)
    ridge = filters.frangi_map(200 - line if polarity == "dark" else line, polarity=polarity)
    assert ridge.response[40, 40] > 0.9
    turn = np.degrees(ridge.orientation_rad[40, 40]) - angle
    assert abs((turn + 90) % 180 - 90) < 0.5
    other = "bright" if polarity == "dark" else "dark"
    assert filters.frangi(200 - line if polarity == "dark" else line, polarity=other)[40, 40] < 0.01


@pytest.mark.parametrize("turn", [np.fliplr, np.flipud, np.transpose])
def test_mirror_and_transpose(turn):
    for f in (filters.frangi, filters.sato):
        straight = f(PICTURE)
        np.testing.assert_allclose(f(turn(PICTURE)), turn(straight), atol=2e-4 * straight.max())


def test_sato_scales_with_intensity():
    np.testing.assert_allclose(filters.sato(PICTURE * 2), 2 * filters.sato(PICTURE), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (30, 1), (2, 3)])
def test_tiny_pictures(shape):
    image = RNG.uniform(0, 255, shape)
    for f in (filters.frangi, filters.sato):
        out = f(image)
        assert out.shape == shape
        assert np.isfinite(out).all()


def test_a_constant_picture_has_no_ridge():
    assert filters.frangi(np.full((30, 30), 77, np.uint8)).max() == 0
    assert filters.sato(np.full((30, 30), 77, np.uint8)).max() < 1e-3


def test_options_are_checked():
    for options in ({"sigmas_px": ()}, {"sigmas_px": (0,)}, {"beta": 0}, {"c": -1}, {"polarity": "grey"}):
        with pytest.raises(ug.InputError):
            filters.frangi(PICTURE, **options)


RIDGE_MAPS = [filters.frangi_map, filters.sato_map, filters.jerman_map, filters.oriented_line_map]


def line_in_mm(angle_deg, spacing_mm, width_mm=0.5, shape_mm=(16, 16), height=100):
    """A Gaussian line through the centre, at an angle in mm; `spacing_mm` is (axial, lateral)."""
    dz, dx = spacing_mm
    z, x = np.mgrid[-shape_mm[0] / 2 : shape_mm[0] / 2 : dz, -shape_mm[1] / 2 : shape_mm[1] / 2 : dx]
    c, s = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    return 50 + height * np.exp(-0.5 * ((-x * s + z * c) / width_mm) ** 2)


@pytest.mark.parametrize("ridge_map", RIDGE_MAPS)
@pytest.mark.parametrize("angle", [-60, -20, 0, 10, 37, 52.5, 80])
def test_sigmas_in_mm_find_the_same_line_whatever_the_spacing(ridge_map, angle):
    """Pixels twice as long as wide: in px the line would seem to lie flatter."""
    options = {"sigmas_mm": (0.3, 0.5, 0.8)}
    if ridge_map is filters.oriented_line_map:
        options |= {"length": 5.0, "orientations": 24}
    found = []
    for spacing in ((0.1, 0.1), (0.2, 0.1), (0.08, 0.16)):
        ridge = ridge_map(line_in_mm(angle, spacing), spacing_mm=spacing, **options)
        centre = tuple(n // 2 for n in ridge.response.shape)
        turn = np.degrees(ridge.orientation_rad[centre]) - angle
        assert abs((turn + 90) % 180 - 90) < 1.5
        found.append(ridge.response[centre])
        if ridge_map is not filters.jerman_map:  # there several scales reach 1
            assert ridge.scale[centre] == np.float32(0.8)  # sqrt(2) of the line's own sigma is nearest to it
    np.testing.assert_allclose(found, found[0], rtol=0.06)


def test_one_spacing_in_mm_is_sigmas_in_px():
    for name in ("frangi", "sato", "jerman"):
        f = getattr(filters, name)
        np.testing.assert_allclose(
            f(PICTURE, sigmas_mm=(0.2, 0.4), spacing_mm=0.1), f(PICTURE, sigmas_px=(2, 4)), atol=1e-4
        )
    np.testing.assert_allclose(
        filters.oriented_line(PICTURE, sigmas_mm=0.2, spacing_mm=(0.1, 0.1), length=2.1),
        filters.oriented_line(PICTURE, sigmas_px=2, length=21),
        atol=1e-4,
    )


def test_scales_in_mm_and_px_are_not_mixed():
    for options in ({"sigmas_mm": (1,)}, {"sigmas_mm": (1,), "sigmas_px": (1,), "spacing_mm": 1.0}):
        with pytest.raises(ug.InputError, match="expected"):
            filters.sato(PICTURE, **options)
    for spacing in (0, (1, 2, 3), -1):
        with pytest.raises(ug.InputError, match="spacing_mm"):
            filters.sato(PICTURE, sigmas_mm=(1,), spacing_mm=spacing)


def test_the_scale_that_wins_is_that_of_the_line():
    for width in (1.0, 1.8, 4.0):
        y = np.arange(-40, 41)[:, None] + np.zeros(90)
        ridge = filters.sato_map(100 * np.exp(-0.5 * (y / width) ** 2))
        # Theory: s^2 w / (w^2 + s^2)^1.5, which is largest at s = sqrt(2) w.
        response = {s: s**2 * width / (width**2 + s**2) ** 1.5 for s in (1.5, 2.5, 4.0)}
        assert ridge.scale[40, 45] == np.float32(max(response, key=response.get))
        np.testing.assert_allclose(ridge.response[40, 45], 100 * max(response.values()), rtol=0.08)


def test_a_line_in_speckle_stands_out_more_along_than_across():
    """What a longer filter is for: contrast of a faint line over the speckle's own responses, in its deviations."""
    rng = np.random.default_rng(8)
    echo = ndimage.gaussian_filter(rng.normal(size=(2, 160, 200)), (0, 1.0, 1.6))
    picture = 128 + 20 * np.log(np.hypot(*echo) / 0.2)
    angle = np.radians(22)
    y, x = np.mgrid[-80:80, -100:100]
    across = -x * np.sin(angle) + y * np.cos(angle)
    picture += 30 * np.exp(-0.5 * (across / 1.5) ** 2) * (np.abs(x) < 60)
    on, off = (np.abs(across) < 1) & (np.abs(x) < 50), np.abs(across) > 20

    def contrast(response):
        return (response[on].mean() - response[off].mean()) / response[off].std()

    short, long = filters.sato(picture, sigmas_px=(2,)), filters.oriented_line(picture, sigmas_px=2, length=31)
    assert contrast(long) > 1.3 * contrast(short)
    turned = filters.oriented_line_map(picture, sigmas_px=2, length=31, orientations=16).orientation_rad[on]
    assert abs(np.degrees(np.median(turned)) - 22) < 2


def test_orientations_between_the_steps():
    """Twelve steps of 15 degrees, and still right to two."""
    for angle in np.arange(-88, 90, 3.7):
        ridge = filters.oriented_line_map(line_in_mm(angle, (0.1, 0.1), width_mm=0.2))
        turn = np.degrees(ridge.orientation_rad[80, 80]) - angle
        assert abs((turn + 90) % 180 - 90) < 2.5


@pytest.mark.parametrize("angle", [0, 25, 90, -50])
def test_phase_symmetry_is_that_of_a_line_at_any_contrast(angle):
    for height in (15, 150):
        ridge = filters.phase_symmetry_map(line_in_mm(angle, (0.1, 0.1), width_mm=0.25, height=height), noise=0.5)
        assert ridge.response[80, 80] > 0.7
        turn = np.degrees(ridge.orientation_rad[80, 80]) - angle
        assert abs((turn + 90) % 180 - 90) < 3
        assert ridge.response[20:40, 70:90].max() < 0.3 or abs(angle) in (90, 50)
