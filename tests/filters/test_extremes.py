"""Where a filter could give nonsense: tiny pictures, wide ranges, flat frames, options at their limits."""

import filter_references as reference
import numpy as np
import pytest
from scipy import ndimage

import usguide as ug
from usguide import filters

RNG = np.random.default_rng(11)
IMAGE = ndimage.gaussian_filter(RNG.uniform(0, 400, (60, 60)), 1.3).clip(0, 255).astype(np.float32)
RIDGES = ("frangi", "sato", "jerman", "oriented_line", "phase_symmetry")
ALL = {name: m.function for name, m in filters.DESPECKLE_METHODS.items()} | {n: getattr(filters, n) for n in RIDGES}


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 2), (3, 5), (4, 300)])
def test_tiny_and_thin_pictures(name, shape):
    got = ALL[name](RNG.uniform(0, 255, shape))
    assert got.shape == shape
    assert np.isfinite(got).all()


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("value", [1e12, 65535, 1e-6])
def test_large_and_small_values_stay_finite(name, value):
    image = (IMAGE / 255 * value).astype(np.float32)
    got = ALL[name](image)
    assert np.isfinite(got).all()
    with pytest.raises(ug.InvalidFrameError, match=r"image: expected values of at most 1e\+12, got"):
        ALL[name](IMAGE * np.float32(1e20))


@pytest.mark.parametrize("patch", [3, 5, 7, 9])
@pytest.mark.parametrize("width", [19, 20, 21, 22, 23])
def test_blocks_of_obnlm_cover_the_picture_to_its_edge(patch, width):
    for step in range(1, patch // 2 + 2):
        assert np.isfinite(filters.obnlm(IMAGE[:21, :width], patch_px=patch, step_px=step)).all()
    with pytest.raises(ug.InputError, match="step_px"):
        filters.obnlm(IMAGE, patch_px=patch, step_px=patch // 2 + 2)


def test_jerman_at_the_ends_of_tau():
    for tau in (0, 1):
        got = filters.jerman(IMAGE, tau=tau)
        assert np.isfinite(got).all()
        assert got.max() == 1
    assert filters.jerman(np.full((9, 9), 50.0), tau=0).max() == 0


@pytest.mark.parametrize("name", ["dpad", "osrad"])
def test_a_sector_on_black_is_despeckled_by_its_mask(name):
    """Without it the speckle level, a median over the frame, would be that of the black."""
    y, x = np.indices(IMAGE.shape)
    sector = np.abs(x - 30) < 0.4 * y
    frame = np.where(sector, IMAGE, 0)
    got, part = ALL[name](frame, mask=sector), ALL[name](IMAGE)
    inside = sector & (np.abs(x - 30) < 0.3 * y) & (y > 30)
    assert got[inside].std() < 0.7 * frame[inside].std()
    assert abs(got[inside].std() - part[inside].std()) < 0.3 * part[inside].std()


@pytest.mark.parametrize("name", ["lee", "kuan", "enhanced_lee", "frost", "guided"])
def test_a_saturated_line_in_a_16_bit_picture_leaves_nothing_behind(name):
    image = np.abs(RNG.normal(20, 3, (60, 80))).astype(np.uint16)
    image[20:24] = 65535
    expected = getattr(reference, name)(image)
    np.testing.assert_allclose(ALL[name](image)[30:], expected[30:], atol=0.01)


def test_the_guided_filter_moves_with_the_grey_levels():
    np.testing.assert_allclose(filters.guided(IMAGE + np.float32(60000)) - 60000, filters.guided(IMAGE), atol=0.05)


@pytest.mark.parametrize("name", ALL)
def test_what_a_conversion_can_not_hold_is_refused(name):
    other = {"envelope": "log_compressed", "log_compressed": "envelope"}
    made_for = filters.DESPECKLE_METHODS[name].made_for if name in filters.DESPECKLE_METHODS else "log_compressed"
    if name == "none":
        return
    for image in (IMAGE * 3, IMAGE - 200):
        with pytest.raises(ug.InputError, match="0 to 255"):
            ALL[name](image, values=other[made_for])


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: filters.median(IMAGE, window_px=257), "window_px"),
        (lambda: filters.lee(IMAGE, cu=1e200), "cu"),
        (lambda: filters.nlm(IMAGE, h=1e-20), "h"),
        (lambda: filters.tv(IMAGE, weight=1e-40), "weight"),
        (lambda: filters.srad(IMAGE, q0=1e9), "q0"),
        (lambda: filters.srad(IMAGE, floor=1e20), "floor"),
        (lambda: filters.srad(IMAGE, iterations=10**400), "iterations"),
        (lambda: filters.lee(IMAGE, cu=10**400), "cu"),
        (lambda: filters.frangi(IMAGE, sigmas_px="abc"), "sigmas_px"),
        (lambda: filters.frangi(IMAGE, sigmas_px=[[1, 2], [3]]), "sigmas_px"),
        (lambda: filters.frangi(IMAGE, sigmas_px=1e5), "sigmas_px"),
        (lambda: filters.frangi(IMAGE, sigmas_px=1e-3), "sigmas_px"),
        (lambda: filters.frangi(IMAGE, spacing_mm=0.1), "spacing_mm"),
        (lambda: filters.frangi(IMAGE, sigmas_mm=1, spacing_mm="x"), "spacing_mm"),
        (lambda: filters.frangi(IMAGE, polarity=["bright"]), "polarity"),
        (lambda: filters.oriented_line(IMAGE, length=30000), "length"),
        (lambda: filters.phase_symmetry(IMAGE, wavelength_px=3000), "wavelength_px|scales, ratio"),
        (lambda: filters.phase_symmetry(IMAGE, ratio=50), "scales, ratio"),
        (lambda: filters.lee(IMAGE, region=(0, 0, np.inf, 5)), "region"),
        (lambda: filters.lee(IMAGE, region="1234"), "region"),
        (lambda: filters.lee(IMAGE, region=(0.9, 0, 5, 5)), "region"),
        (lambda: filters.lee(IMAGE, dynamic_range_db="junk"), "dynamic_range_db"),
        (lambda: filters.lee([[1.0, 2.0], [3.0]]), "image"),
        (lambda: filters.lee(IMAGE, mask=[[True], [True, False]]), "mask"),
        (lambda: filters.lee(np.ma.masked_array(IMAGE, IMAGE > 5)), "image"),
        (lambda: filters.lee(np.full((5, 5), 1e39), region=(0, 0, 2, 2)), "image"),
        (lambda: filters.despeckle(IMAGE, method=["srad"]), "method"),
        (lambda: filters.Persistence(gate_grey=1e-50), "gate_grey"),
        (lambda: filters.Persistence(window_px=2**31 + 1), "window_px"),
    ],
)
def test_the_message_is_one_line_and_names_the_option(call, name):
    with pytest.raises(ug.InputError, match=rf"^({name}): expected [^\n]*$"):
        call()


def test_sigmas_may_be_a_number_or_anything_that_iterates():
    expected = filters.frangi(IMAGE, sigmas_px=(1.5, 2.5))
    for sigmas in ([2.5, 1.5], {1.5, 2.5}, np.array([1.5, 2.5, 2.5]), (s for s in (1.5, 2.5))):
        np.testing.assert_array_equal(filters.frangi(IMAGE, sigmas_px=sigmas), expected)
    np.testing.assert_array_equal(filters.frangi(IMAGE, sigmas_px=2), filters.frangi(IMAGE, sigmas_px=(2.0,)))


def test_out_is_left_alone_by_a_call_that_fails_and_is_itself_what_comes_back(tmp_path):
    out = np.full(IMAGE.shape, 7, np.float32)
    for call in (
        lambda: filters.jerman(IMAGE, lmax=-1, out=out),
        lambda: filters.frangi(IMAGE, c=-1, out=out),
        lambda: filters.srad(IMAGE, q0=-1, out=out),
    ):
        with pytest.raises(ug.InputError):
            call()
    assert (out == 7).all()
    mapped = np.memmap(tmp_path / "out.raw", np.float32, "w+", shape=IMAGE.shape)
    assert filters.lee(IMAGE, out=mapped) is mapped
    np.testing.assert_array_equal(mapped, filters.lee(IMAGE))


def test_the_recommended_default_is_lees_filter_on_the_envelope():
    got = filters.despeckle(IMAGE)
    np.testing.assert_array_equal(got, filters.lee(IMAGE, window_px=13, cu=0.45, values="log_compressed"))
    np.testing.assert_array_equal(
        filters.despeckle(IMAGE, window_px=7), filters.lee(IMAGE, window_px=7, cu=0.45, values="log_compressed")
    )
