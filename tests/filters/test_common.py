"""What all filters share: types, out, region, mask, threads, kinds of values, and refusals."""

import re
from functools import partial

import numpy as np
import pytest
from scipy import ndimage

import usguide as ug
from usguide import filters
from usguide.intensity import log_compress, log_decompress

RNG = np.random.default_rng(3)
IMAGE = ndimage.gaussian_filter(RNG.uniform(0, 400, (70, 85)), 1.3).astype(np.uint8)
QUICK = {"dpad": {"iterations": 4}, "osrad": {"iterations": 3}}
DESPECKLERS = {name: partial(m.function, **QUICK.get(name, {})) for name, m in filters.DESPECKLE_METHODS.items()}
RIDGES = {name: getattr(filters, name) for name in ("frangi", "sato", "jerman", "oriented_line", "phase_symmetry")}
ALL = DESPECKLERS | RIDGES
MAPS = {name: getattr(filters, f"{name}_map") for name in RIDGES}


@pytest.fixture(params=ALL)
def function(request):
    return ALL[request.param]


def test_every_type_gives_the_same_float32_and_is_left_alone(function):
    before = IMAGE.copy()
    expected = function(IMAGE)
    assert expected.dtype == np.float32
    assert expected.shape == IMAGE.shape
    assert np.isfinite(expected).all()
    for dtype in (np.uint16, np.float16, np.float32, np.float64):
        given = IMAGE.astype(dtype)
        got = function(given)
        np.testing.assert_array_equal(got, expected)
        assert not np.shares_memory(got, given)
        np.testing.assert_array_equal(given, before.astype(dtype))


@pytest.mark.parametrize("view", [np.s_[::2, ::3], np.s_[::-1, 5:60], np.s_[3:50, ::-2]])
def test_views_are_as_good_as_copies(function, view):
    np.testing.assert_array_equal(function(IMAGE[view]), function(IMAGE[view].copy()))
    np.testing.assert_array_equal(function(np.asfortranarray(IMAGE)), function(IMAGE))


def test_read_only_pictures_are_fine(function):
    image = IMAGE.astype(np.float32)
    image.flags.writeable = False
    np.testing.assert_array_equal(function(image), function(IMAGE))


@pytest.mark.parametrize("threads", [2, 3, 100])
def test_threads_change_no_bit(function, threads):
    tall = np.tile(IMAGE, (3, 1))
    np.testing.assert_array_equal(function(tall, threads=threads), function(tall))


def test_out_takes_the_result_even_where_it_is_the_image(function):
    expected, out = function(IMAGE), np.full(IMAGE.shape, np.nan, np.float32)
    assert function(IMAGE, out=out) is out
    np.testing.assert_array_equal(out, expected)
    image = IMAGE.astype(np.float32)
    assert function(image, out=image) is image
    np.testing.assert_array_equal(image, expected)


def test_a_region_is_filtered_as_if_it_were_the_whole(function):
    x, y, w, h = region = 11, 7, 50, 41
    inside = np.s_[y : y + h, x : x + w]
    got = function(IMAGE, region=region)
    np.testing.assert_array_equal(got[inside], function(IMAGE[inside]))
    outside = np.ones(IMAGE.shape, bool)
    outside[inside] = False
    background = IMAGE if function in DESPECKLERS.values() else np.zeros(IMAGE.shape)
    np.testing.assert_array_equal(got[outside], background[outside])
    mask = ~outside
    np.testing.assert_array_equal(function(IMAGE, mask=mask), got)
    np.testing.assert_array_equal(function(IMAGE, mask=np.ones(IMAGE.shape, bool), region=region), got)


def test_what_is_outside_a_mask_has_no_influence(function):
    y, x = np.indices(IMAGE.shape)
    sector = np.hypot(x - 42, y + 10) < 70
    sector &= np.abs(x - 42) < 0.6 * (y + 10)
    other = np.where(sector, IMAGE, 255 - IMAGE)
    got = function(IMAGE, mask=sector)
    np.testing.assert_array_equal(got[sector], function(other, mask=sector)[sector])
    assert np.isfinite(got).all()
    if function in RIDGES.values():
        assert (got[~sector] == 0).all()


def test_the_black_outside_a_sector_makes_no_ridge_along_its_edge():
    y, x = np.indices((120, 160))
    sector = np.abs(x - 80) < 0.5 * (y + 20)
    picture = np.where(sector, 120, 0).astype(np.uint8)
    assert filters.frangi(picture, polarity="both").max() > 0.2
    assert filters.frangi(picture, polarity="both", mask=sector).max() == 0


@pytest.mark.parametrize("name", [n for n in DESPECKLERS if n != "none"])  # which changes nothing either way
def test_the_other_kind_of_values_is_converted_and_converted_back(name):
    made_for, f = filters.DESPECKLE_METHODS[name].made_for, DESPECKLERS[name]
    grey = np.maximum(IMAGE, 1).astype(np.float32)
    np.testing.assert_array_equal(f(grey, values=made_for), f(grey))
    if made_for == "envelope":
        envelope = log_decompress(grey, dynamic_range_db=50, reference=255)
        expected = log_compress(f(envelope), dynamic_range_db=50, reference=255)
        np.testing.assert_array_equal(f(grey, values="log_compressed", dynamic_range_db=50), expected)
    else:
        compressed = log_compress(grey, dynamic_range_db=50, reference=255)
        expected = log_decompress(f(compressed), dynamic_range_db=50, reference=255)
        np.testing.assert_array_equal(f(grey, values="envelope", dynamic_range_db=50), expected)


def test_ridges_of_an_envelope_are_those_of_its_compression():
    envelope = log_decompress(IMAGE, reference=255)
    for f in RIDGES.values():
        # Compressing what was expanded gives the same picture up to rounding.
        np.testing.assert_allclose(f(envelope, values="envelope"), f(IMAGE), atol=0.02)


def with_one(value):
    image = IMAGE.astype(np.float32)
    image[5, 6] = value
    return image


BAD_PICTURES = {
    "NaN": with_one(np.nan),
    "infinity": with_one(np.inf),
    "one axis": np.zeros(4),
    "three axes": np.zeros((3, 4, 5)),
    "no pixels": np.zeros((0, 3)),
    "complex": np.zeros((3, 3), complex),
    "text": "picture.png",
    "too large for float32": np.full((3, 3), 1e200),
}


@pytest.mark.parametrize("name", BAD_PICTURES)
def test_what_is_no_picture_is_refused(function, name):
    with pytest.raises(ug.InvalidFrameError, match=r"^image: expected .*, got .*"):
        function(BAD_PICTURES[name])


BAD_OPTIONS = {
    "threads": (0, -1, 2.5, "two"),
    "out": (np.zeros((2, 2), np.float32), np.zeros(IMAGE.shape), np.zeros(IMAGE.shape[::-1], np.float32).T, 3),
    "region": ((0, 0, 0, 5), (60, 0, 50, 10), (-1, 0, 5, 5), (1, 2, 3), "all"),
    "mask": (np.zeros(IMAGE.shape, bool), np.ones((3, 3), bool), np.ones(IMAGE.shape)),
    "values": ("decibel",),
}


@pytest.mark.parametrize("option", BAD_OPTIONS)
def test_wrong_common_options_are_refused_in_one_line(function, option):
    for value in BAD_OPTIONS[option]:
        with pytest.raises(ug.InputError, match=rf"^{option}: expected [^\n]*$"):
            function(IMAGE, **{option: value})


def test_unknown_options_are_refused(function):
    with pytest.raises(TypeError, match="strength"):
        function(IMAGE, strength=3)


OWN = [
    (filters.lee, {"window_px": (4, 1, 2.5, "7"), "cu": (0, -1, np.nan, None)}),
    (filters.enhanced_lee, {"damping": (0, -1)}),
    (filters.frost, {"damping": (-1, np.inf)}),
    (filters.srad, {"iterations": (-1, 2.5), "time_step": (-0.1, 1.1), "q0": (0,), "rho": (-1,), "floor": (0,)}),
    (filters.osrad, {"along": (-0.1, 1.5), "sigma_px": (0,)}),
    (filters.nlm, {"patch_px": (4, 0), "search_px": (10, 1), "h": (0,)}),
    (filters.obnlm, {"step_px": (0, 6), "mean_ratio": (1.5,), "variance_ratio": (-1,)}),
    (filters.bilateral, {"sigma_grey": (0,), "sigma_px": (-2,)}),
    (filters.wavelet, {"levels": (0, 9), "threshold": (-1,), "sigma_grey": (0,)}),
    (filters.tv, {"weight": (0,), "iterations": (0,)}),
    (filters.frangi, {"sigmas_px": ((), (0,), (1, -2)), "beta": (0,), "c": (-1, "auto"), "polarity": ("grey",)}),
    (filters.jerman, {"tau": (1.5,), "lmax": (0, "auto")}),
    (filters.oriented_line, {"orientations": (2, 13, 100), "length": (0,), "truncate": (1, 20)}),
    (filters.phase_symmetry, {"wavelength_px": (1,), "ratio": (1,), "bandwidth": (0, 1), "noise": ("x", -1), "scales": (0,)}),
]  # fmt: skip


@pytest.mark.parametrize(("function", "options"), OWN, ids=[f.__name__ for f, _ in OWN])
def test_wrong_options_of_a_filter_are_refused_in_one_line(function, options):
    for name, values in options.items():
        for value in values:
            with pytest.raises(ug.InputError, match=rf"^{name}: expected [^\n]*got [^\n]*$"):
                function(IMAGE, **{name: value})


@pytest.mark.parametrize("f", [filters.srad, filters.dpad, filters.osrad, filters.obnlm])
def test_filters_that_divide_by_the_intensity_refuse_negative_ones(f):
    with pytest.raises(ug.InputError, match="0 or more"):
        f(IMAGE - 5.0)


def test_every_method_is_listed_with_its_options():
    for name, method in filters.DESPECKLE_METHODS.items():
        got = filters.despeckle(IMAGE, method=name, **method.options)
        np.testing.assert_array_equal(got, method.function(IMAGE))
    with pytest.raises(ug.InputError, match=re.escape("method: expected one of srad, dpad")):
        filters.despeckle(IMAGE, method="magic")
    with pytest.raises(ug.InputError, match=r"srad: expected options among .*'strength'"):
        filters.despeckle(IMAGE, method="srad", strength=3)


def test_maps_hold_the_response_and_both_details():
    for name, ridge_map in MAPS.items():
        ridge = ridge_map(IMAGE)
        np.testing.assert_array_equal(ridge.response, RIDGES[name](IMAGE))
        for plane in (ridge.orientation_rad, ridge.scale):
            assert plane.dtype == np.float32
            assert (plane[ridge.response == 0] == 0).all()
        assert np.abs(ridge.orientation_rad).max() <= np.pi / 2 + 1e-3
