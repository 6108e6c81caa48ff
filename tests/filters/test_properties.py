"""Properties that hold whatever the picture is: shift, mirror, turn, intensity scale."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from usguide import filters

# Odd sides: blocks of OBNLM lie on every second pixel from the first one, and so from the last one too.
PICTURES = arrays(np.uint8, st.tuples(*[st.sampled_from(range(1, 30, 2))] * 2))
SMOOTHERS = ("lee", "kuan", "enhanced_lee", "frost", "guided", "nlm", "bilateral", "wavelet", "tv", "median")
RIDGES = ("frangi", "sato", "jerman", "oriented_line")
OPTIONS = {"srad": {"iterations": 4}, "dpad": {"iterations": 3}, "osrad": {"iterations": 3}, "tv": {"iterations": 8}}


def run(name, image, **options):
    return getattr(filters, name)(image, **OPTIONS.get(name, {}), **options)


def close(got, expected, share=2e-4):
    np.testing.assert_allclose(got, expected, atol=share * max(np.abs(expected).max(), 1.0), rtol=0)


@pytest.mark.parametrize("name", [*SMOOTHERS, *RIDGES, "srad", "dpad", "osrad"])
@given(image=PICTURES)
@settings(max_examples=15, deadline=None)
def test_transposing_the_picture_transposes_the_result(name, image):
    close(run(name, image.T), run(name, image).T)


# SRAD and DPAD look for c to the south and east: mirrored, they are another discretisation. TV's differences are forward.
@pytest.mark.parametrize("name", [n for n in (*SMOOTHERS, *RIDGES, "osrad") if n != "tv"])
@given(image=PICTURES)
@settings(max_examples=15, deadline=None)
def test_mirroring_the_picture_mirrors_the_result(name, image):
    close(run(name, image[:, ::-1]), run(name, image)[:, ::-1])
    close(run(name, image[::-1]), run(name, image)[::-1])


REACH = {
    "lee": 3, "kuan": 3, "enhanced_lee": 3, "frost": 3, "guided": 6, "nlm": 7, "bilateral": 5, "median": 2, "srad": 8,
    "tv": 8, "frangi": 17, "sato": 17, "jerman": 17, "oriented_line": 20, "obnlm": 10,
}  # fmt: skip


@pytest.mark.parametrize("name", REACH)
@given(seed=st.integers(0, 10**6), dy=st.integers(0, 6), dx=st.integers(0, 6))
@settings(max_examples=6, deadline=None)
def test_the_result_moves_with_the_picture(name, seed, dy, dx):
    if name == "obnlm":
        dy, dx = 2 * (dy // 2), 2 * (dx // 2)
    r, n = REACH[name], 24
    big = np.random.default_rng(seed).uniform(0, 255, (n + 2 * r + 8, n + 2 * r + 8)).astype(np.float32)
    here, there = big[: n + 2 * r, : n + 2 * r], big[dy : dy + n + 2 * r, dx : dx + n + 2 * r]
    a, b = run(name, here), run(name, there)
    close(a[r + dy : r + n, r + dx : r + n], b[r : r + n - dy, r : r + n - dx])


# The options that are grey levels, and so grow with the picture.
GREY = {
    "lee": {}, "kuan": {}, "enhanced_lee": {}, "frost": {}, "median": {}, "sato": {}, "oriented_line": {}, "wavelet": {},
    "srad": {"floor": 1.0}, "dpad": {"floor": 1.0}, "osrad": {"floor": 1.0}, "guided": {"sigma_grey": 20.0},
    "bilateral": {"sigma_grey": 40.0}, "nlm": {"h": 15.0}, "tv": {"weight": 25.0},
}  # fmt: skip


@pytest.mark.parametrize("name", GREY)
@given(seed=st.integers(0, 10**6), factor=st.sampled_from([1e-3, 0.3, 2.0, 100.0]))
@settings(max_examples=8, deadline=None)
def test_a_brighter_picture_gives_as_much_brighter_a_result(name, seed, factor):
    image = np.random.default_rng(seed).rayleigh(50, (25, 31)).astype(np.float32)
    scaled = {key: value * factor for key, value in GREY[name].items()}
    got, expected = run(name, image * np.float32(factor), **scaled), run(name, image, **GREY[name])
    np.testing.assert_allclose(got / factor, expected, atol=2e-4 * expected.max(), rtol=0)


@pytest.mark.parametrize("name", ["frangi", "jerman"])
def test_relative_responses_scale_with_their_grey_levels(name):
    image = np.random.default_rng(5).rayleigh(50, (40, 50)).astype(np.float32)
    key = {"frangi": "c", "jerman": "lmax"}[name]
    close(run(name, image * 10, **{key: 200.0}), run(name, image, **{key: 20.0}))
    close(run(name, image * 10, **{key: "frame"}), run(name, image, **{key: "frame"}))


@pytest.mark.parametrize(
    "name", ["srad", "lee", "kuan", "enhanced_lee", "frost", "nlm", "obnlm", "bilateral", "median", "tv"]
)
@given(image=PICTURES)
@settings(max_examples=15, deadline=None)
def test_means_stay_within_the_range_of_the_picture(name, image):
    smooth = run(name, image)
    assert smooth.min() >= image.min() - 0.02
    assert smooth.max() <= image.max() + 0.02


@pytest.mark.parametrize("name", RIDGES)
@given(image=PICTURES, sigmas=st.permutations([1.5, 2.5, 4.0]))
@settings(max_examples=10, deadline=None)
def test_order_and_polarity_of_ridges(name, image, sigmas):
    np.testing.assert_array_equal(run(name, image, sigmas_px=sigmas), run(name, image, sigmas_px=(4.0, 2.5, 1.5)))
    bright, dark, both = (run(name, image, polarity=p) for p in ("bright", "dark", "both"))
    close(np.maximum(bright, dark), both)
    close(run(name, 255 - image), dark, 1e-3)  # rounded differently, twice


@pytest.mark.parametrize("name", ["frangi", "sato", "jerman", "oriented_line", "phase_symmetry"])
def test_the_rest_of_the_frame_has_no_influence(name):
    image = np.random.default_rng(6).rayleigh(50, (120, 260)).astype(np.float32)
    brighter = image.copy()
    brighter[:, 230:] *= 5
    change = np.abs(run(name, brighter) - run(name, image))[:, :100]
    if name == "phase_symmetry":  # the transform's picture is periodic, and its kernels are wide
        assert change[:, 40:].mean() < 0.01
    else:
        assert change.max() < 2e-4 * run(name, image).max()
