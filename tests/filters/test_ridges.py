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
