"""SRAD and Lee against plain float64 versions written from their equations with array shifts, not loops over rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

import usguide as ug
from usguide import filters


def srad_reference(image, iterations, dt, q0, rho=0.0):
    x = image.astype(np.float64) + 1.0
    for t in range(iterations):
        p = np.pad(x, 1, mode="edge")
        n, s, w, e = p[:-2, 1:-1] - x, p[2:, 1:-1] - x, p[1:-1, :-2] - x, p[1:-1, 2:] - x
        g2, lap = n**2 + s**2 + w**2 + e**2, n + s + w + e
        q2 = (g2 / 2 - lap**2 / 16) / (x + lap / 4) ** 2
        k2 = (q0 * np.exp(-rho * t)) ** 2
        c = np.pad(np.clip(1 / (1 + (q2 - k2) / (k2 * (1 + k2))), 0, 1), 1, mode="edge")
        here, south, east = c[1:-1, 1:-1], c[2:, 1:-1], c[1:-1, 2:]
        x = x + dt / 4 * (here * (n + w) + south * s + east * e)
    return x - 1.0


RNG = np.random.default_rng(1)
PICTURES = {
    "random": RNG.rayleigh(50, (37, 53)),
    "constant": np.full((20, 31), 80.0),
    "step": np.repeat([[20.0] * 15 + [200.0] * 16], 24, axis=0),
    "zeros": np.zeros((12, 9)),
    "one pixel": np.array([[7.0]]),
    "one row": RNG.uniform(0, 255, (1, 40)),
    "one column": RNG.uniform(0, 255, (40, 1)),
}


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("rho", [0.0, 0.05])
def test_srad_equals_its_equations(name, rho):
    image = PICTURES[name]
    expected = srad_reference(image, 30, 0.2, 0.5, rho)
    got = filters.srad(image, iterations=30, time_step=0.2, q0=0.5, rho=rho)
    assert got.dtype == np.float32
    assert np.abs(got - expected).max() <= 1e-5 * max(expected.max(), 1.0)


@pytest.mark.parametrize("name", PICTURES)
def test_lee_equals_its_equations(name):
    image = PICTURES[name]
    mean = ndimage.uniform_filter(image, 5, mode="nearest")
    variance = np.maximum(ndimage.uniform_filter(image**2, 5, mode="nearest") - mean**2, 1e-9)
    expected = mean + np.clip(1 - 0.3**2 * mean**2 / variance, 0, 1) * (image - mean)
    np.testing.assert_allclose(filters.lee(image, window_px=5, cu=0.3), expected, atol=1e-3 * max(1, expected.max()))


@given(arrays(np.uint8, st.tuples(st.integers(1, 20), st.integers(1, 20))))
@settings(max_examples=40, deadline=None)
def test_srad_keeps_the_range_and_transposes_with_the_picture(image):
    smooth = filters.srad(image, iterations=5)
    assert smooth.min() >= image.min() - 1e-3
    assert smooth.max() <= image.max() + 1e-3
    # The flux uses c of the pixel for north and west alike: transposing the picture transposes the result.
    np.testing.assert_allclose(filters.srad(image.T, iterations=5), smooth.T, atol=1e-3)


def test_uint8_and_float_agree_and_the_input_is_left_alone():
    image = RNG.integers(0, 256, (30, 40), dtype=np.uint8)
    before = image.copy()
    for method in filters.DESPECKLE_METHODS:
        got = filters.despeckle(image, method=method)
        np.testing.assert_array_equal(got, filters.despeckle(image.astype(np.float32), method=method))
        assert got.dtype == np.float32
        assert not np.shares_memory(got, image)
    np.testing.assert_array_equal(image, before)


def test_srad_smooths_speckle_and_keeps_the_step():
    speckle = RNG.rayleigh(1.0, (60, 80)) * np.where(np.arange(80) < 40, 20, 120)
    smooth = filters.srad(speckle, iterations=60, q0=0.52, time_step=0.5)
    assert smooth[:, 5:30].std() < 0.4 * speckle[:, 5:30].std()
    assert smooth[:, 45:].mean() - smooth[:, :35].mean() > 0.8 * (speckle[:, 45:].mean() - speckle[:, :35].mean())


def test_non_contiguous_pictures_are_fine():
    image = RNG.integers(0, 256, (40, 60), dtype=np.uint8)
    np.testing.assert_array_equal(filters.srad(image[::2, ::3]), filters.srad(image[::2, ::3].copy()))


@pytest.mark.parametrize("bad", [np.full((3, 3), np.nan), np.zeros(4), np.zeros((0, 3)), np.zeros((3, 3), complex)])
def test_what_is_no_picture_is_refused(bad):
    with pytest.raises(ug.InvalidFrameError, match="image: expected"):
        filters.srad(bad)


def test_options_are_checked():
    image = np.zeros((8, 8), np.uint8)
    for call in (
        lambda: filters.despeckle(image, method="magic"),
        lambda: filters.despeckle(image, method="srad", strength=3),
        lambda: filters.srad(image, q0=0),
        lambda: filters.srad(image, time_step=2),
        lambda: filters.srad(image - 5.0),
        lambda: filters.lee(image, window_px=4),
    ):
        with pytest.raises(ug.InputError):
            call()
