"""Each filter against its definition in float64, on pictures of every kind and of odd sizes."""

import cv2
import filter_references as reference
import numpy as np
import pytest
from scipy import fft, ndimage
from skimage.filters import sato as skimage_sato
from skimage.restoration import denoise_tv_chambolle

from usguide import filters

RNG = np.random.default_rng(1)
PICTURES = {
    "random": RNG.rayleigh(50, (37, 53)),
    "bytes": RNG.integers(0, 256, (41, 35), dtype=np.uint8),
    "smooth": (ndimage.gaussian_filter(RNG.uniform(0, 1500, (61, 83)), 3) - 620).clip(0, 255),
    "constant": np.full((20, 31), 80.0),
    "step": np.repeat([[20.0] * 15 + [200.0] * 16], 24, axis=0),
    "zeros": np.zeros((12, 9)),
    "half of it zero": np.pad(RNG.rayleigh(50, (19, 23)), ((0, 20), (0, 0))),
    "one pixel": np.array([[7.0]]),
    "one row": RNG.uniform(0, 255, (1, 40)),
    "one column": RNG.uniform(0, 255, (40, 1)),
    "two by three": RNG.uniform(0, 255, (2, 3)),
}
PICTURES = {name: p if p.dtype == np.uint8 else p.astype(np.float32) for name, p in PICTURES.items()}


def total_variation(image, weight=22.0, iterations=50):
    return denoise_tv_chambolle(image.astype(np.float64), weight=weight, eps=0, max_num_iter=iterations)


CASES = [
    (filters.lee, reference.lee, {}),
    (filters.lee, reference.lee, {"window_px": 5, "cu": 0.5}),
    (filters.lee, reference.lee, {"window_px": 13, "cu": 0.1}),
    (filters.kuan, reference.kuan, {}),
    (filters.kuan, reference.kuan, {"window_px": 3, "cu": 0.4}),
    (filters.enhanced_lee, reference.enhanced_lee, {}),
    (filters.enhanced_lee, reference.enhanced_lee, {"window_px": 5, "cu": 0.5, "damping": 2.0}),
    (filters.frost, reference.frost, {}),
    (filters.frost, reference.frost, {"window_px": 9, "damping": 0.5}),
    (filters.guided, reference.guided, {}),
    (filters.guided, reference.guided, {"window_px": 11, "sigma_grey": 20.0}),
    (filters.srad, reference.srad, {}),
    (filters.srad, reference.srad, {"rho": 0.05, "time_step": 0.7, "q0": 0.3, "iterations": 11}),
    (filters.dpad, reference.dpad, {"iterations": 10}),
    (filters.osrad, reference.osrad, {"iterations": 5}),
    (filters.nlm, reference.nlm, {}),
    (filters.nlm, reference.nlm, {"patch_px": 3, "search_px": 7, "h": 30.0}),
    (filters.obnlm, reference.obnlm, {}),
    (filters.obnlm, reference.obnlm, {"patch_px": 3, "search_px": 9, "step_px": 1, "h": 3.0}),
    (filters.bilateral, reference.bilateral, {}),
    (filters.bilateral, reference.bilateral, {"window_px": 7, "sigma_grey": 80.0, "sigma_px": 2.0}),
    (filters.wavelet, reference.wavelet, {}),
    (filters.wavelet, reference.wavelet, {"levels": 2, "threshold": 3.0, "sigma_grey": 7.0}),
    (filters.tv, total_variation, {}),
    (filters.tv, total_variation, {"weight": 5.0, "iterations": 7}),
    (filters.frangi, reference.frangi, {}),
    (filters.frangi, reference.frangi, {"polarity": "dark", "sigmas_px": (2.0,), "truncate": 3.0}),
    (filters.frangi, reference.frangi, {"polarity": "both", "c": "frame", "beta": 1.0}),
    (filters.sato, reference.sato, {}),
    (filters.sato, reference.sato, {"polarity": "dark"}),
    (filters.sato, reference.sato, {"polarity": "both"}),
    (filters.jerman, reference.jerman, {}),
    (filters.jerman, reference.jerman, {"polarity": "both", "lmax": "frame", "tau": 0.8}),
    (filters.oriented_line, reference.oriented_line, {}),
    (filters.oriented_line, reference.oriented_line, {"sigmas_px": (1.0, 3.0), "length": 40.0, "orientations": 20}),
    (filters.oriented_line, reference.oriented_line, {"polarity": "both", "length": 9.0}),
]


def tolerance(function):
    return 1e-5 if function is filters.srad else 1e-4


def largest_error(got, expected):
    return np.abs(got - expected).max() / max(np.abs(expected).max(), 1.0)


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize(("function", "definition", "options"), CASES)
def test_filters_equal_their_definitions(function, definition, options, name):
    image = PICTURES[name]
    got = function(image, **options)
    assert got.dtype == np.float32
    assert got.shape == image.shape
    expected = definition(image, **options)
    assert largest_error(got, expected) <= tolerance(function)


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("options", [{}, {"polarity": "both", "noise": "frame"}, {"scales": 2, "bandwidth": 0.7}])
def test_phase_symmetry_equals_its_definition(name, options):
    image = PICTURES[name]
    beyond = int(np.ceil(2 * 8 * 1.8 ** (options.get("scales", 4) - 1)))
    sizes = tuple(fft.next_fast_len(n + int(np.ceil(min(beyond, max(n / 2, 128)))), real=True) for n in image.shape)
    expected = reference.phase_symmetry(image, sizes=sizes, **options)
    # Where there is hardly any amplitude, in flat pictures, rounding is all that a ratio of amplitudes can show.
    assert np.abs(filters.phase_symmetry(image, **options) - expected).max() <= (2e-4 if np.ptp(image) else 1e-2)


@pytest.mark.parametrize("size", [3, 5, 7, 11])
@pytest.mark.parametrize("name", PICTURES)
def test_median_equals_scipys(name, size):
    image = PICTURES[name]
    expected = ndimage.median_filter(image, size, mode="nearest")
    np.testing.assert_array_equal(filters.median(image, window_px=size), expected)


def test_real_frames(real_frame):
    """All of them at once on a corner of a recording, at an odd size."""
    image = real_frame[101:202, 150:281]
    for function, definition, options in CASES:
        assert largest_error(function(image, **options), definition(image, **options)) <= tolerance(function)


def test_sato_and_frangi_beside_scikit_image():
    """Sato is the same there. Frangi there differs: no blob term is scale-normalised, and c is the frame's own."""
    image = PICTURES["smooth"]
    inside = np.s_[20:-20, 20:-20]  # scikit-image differentiates across the border in another way
    ours = filters.sato(image, sigmas_px=(2.0, 3.0))
    theirs = skimage_sato(image.astype(np.float64), sigmas=(2.0, 3.0), black_ridges=False, mode="nearest")
    assert np.corrcoef(ours[inside].ravel(), theirs[inside].ravel())[0, 1] > 0.999
    assert np.median(np.abs(ours - theirs)[inside]) < 0.03 * np.median(theirs[inside])


def test_lee_kuan_and_frost_beside_findpeaks():
    """findpeaks' window of 7 holds 6 x 6 pixels, off centre, and it rounds; else its Lee and Kuan are the definition.

    With that window the definition gives findpeaks' figures, with the centred one ours. Its Frost weighs by difference in
    grey level instead of by distance: another filter, so only the order of magnitude can agree.
    """
    stored = np.load(__file__.replace("filters/test_definitions.py", "data/findpeaks.npz"))
    image = stored["image"].astype(np.float64)
    six = np.lib.stride_tricks.sliding_window_view(np.pad(image, 3, mode="edge"), (6, 6))[:64, :64]
    m, ci2 = six.mean(axis=(2, 3)), six.var(axis=(2, 3)) / six.mean(axis=(2, 3)) ** 2
    weight = np.clip(1 - 0.25**2 / ci2, 0, 1)
    inside = np.s_[4:-4, 4:-4]  # findpeaks cuts windows off at the border
    for name, w in (("lee", weight), ("kuan", weight / (1 + 0.25**2))):
        assert np.abs(np.rint(m + w * (image - m)) - stored[name])[inside].max() <= 1
        ours = getattr(filters, name)(image, window_px=7, cu=0.25)
        assert np.median(np.abs(ours - stored[name])[inside]) < 0.05 * image.mean()
        assert np.corrcoef(ours[inside].ravel(), stored[name][inside].ravel())[0, 1] > 0.95
    frost = filters.frost(image, window_px=7, damping=2.0)
    assert np.corrcoef(frost[inside].ravel(), stored["frost"][inside].ravel())[0, 1] > 0.9


def test_nlm_beside_opencv():
    """OpenCV's for bytes rounds its weights and its result."""
    image = cv2.GaussianBlur(PICTURES["bytes"], (0, 0), 1.5)
    ours = filters.nlm(image, patch_px=5, search_px=11, h=10.0)
    theirs = cv2.fastNlMeansDenoising(image, None, 10, 5, 11)
    assert np.abs(ours - theirs)[8:-8, 8:-8].max() < 1.5
