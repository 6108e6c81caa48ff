"""Picture scores against values that follow from their definitions."""

import math

import numpy as np
import pytest
from scipy.stats import norm

from usguide.errors import InputError, InvalidFrameError
from usguide.image_quality import RAYLEIGH_ENL, enl, gcnr, pratt_figure_of_merit, psnr_db, ssim

RNG = np.random.default_rng(0)


def test_psnr_of_a_known_error() -> None:
    truth = RNG.uniform(0, 200, (40, 50))
    assert psnr_db(truth + 10, truth) == pytest.approx(20 * math.log10(25.5), abs=1e-4)
    assert psnr_db(truth / 255 + 0.1, truth / 255, full_scale=1) == pytest.approx(20, abs=1e-4)
    assert psnr_db(truth, truth) == math.inf


def test_ssim_is_one_for_the_same_picture_and_falls_with_speckle() -> None:
    truth = np.full((64, 64), 100.0)
    truth[:, 32:] = 180
    assert ssim(truth, truth) == pytest.approx(1)
    weak, strong = (ssim(truth + s * RNG.standard_normal(truth.shape), truth) for s in (2, 20))
    assert strong < weak < 1


def test_ssim_of_two_constants_is_its_luminance_term() -> None:
    a, b, c1 = 100.0, 120.0, (0.01 * 255) ** 2
    expected = (2 * a * b + c1) / (a * a + b * b + c1)
    assert ssim(np.full((20, 20), a), np.full((20, 20), b)) == pytest.approx(expected, abs=1e-4)


def test_enl_of_rayleigh_speckle_and_of_its_averages() -> None:
    envelope = RNG.rayleigh(3.0, (4, 250_000))
    assert pytest.approx(3.66, abs=0.005) == RAYLEIGH_ENL
    assert enl(envelope) == pytest.approx(RAYLEIGH_ENL, rel=0.01)
    assert enl(envelope.mean(axis=0)) == pytest.approx(4 * RAYLEIGH_ENL, rel=0.02)
    assert enl(7 * envelope) == pytest.approx(enl(envelope))
    assert enl(np.ones((3, 3))) == math.inf


@pytest.mark.parametrize("distance", [0.5, 1.0, 2.0, 4.0])
def test_gcnr_of_two_gaussians(distance: float) -> None:
    n = 400_000
    a, b = RNG.standard_normal(n), distance + RNG.standard_normal(n)
    overlap = 2 * norm.cdf(-distance / 2)
    assert gcnr(a, b) == pytest.approx(1 - overlap, abs=0.01)
    assert gcnr(b, a) == gcnr(a, b)


def test_gcnr_of_uniform_regions_and_its_limits() -> None:
    a, b = np.linspace(0, 1, 100_001), np.linspace(0.75, 1.75, 50_001)
    assert gcnr(a, b) == pytest.approx(0.75, abs=0.02)
    assert gcnr(a, a) == 0
    assert gcnr(a, a + 2) == 1
    assert gcnr(np.ones(5), np.ones(9)) == 0


def test_gcnr_is_blind_to_the_grey_scale_where_cnr_is_not() -> None:
    a, b = RNG.rayleigh(1, 200_000), 2 * RNG.rayleigh(1, 200_000)

    def cnr(x: np.ndarray, y: np.ndarray) -> float:
        return abs(x.mean() - y.mean()) / math.sqrt(x.var() + y.var())

    # Compression raises CNR without making the regions easier to tell apart.
    assert cnr(a, b) > 1.15 * cnr(a**2, b**2)
    assert gcnr(np.sqrt(a), np.sqrt(b)) == pytest.approx(gcnr(a, b), abs=0.01)
    assert gcnr(a**2, b**2) == pytest.approx(gcnr(a, b), abs=0.01)


@pytest.mark.parametrize("shift", [0, 1, 3, 6])
def test_pratt_of_a_shifted_edge(shift: int) -> None:
    truth, found = np.zeros((2, 30, 40), bool)
    truth[:, 10] = found[:, 10 + shift] = True
    assert pratt_figure_of_merit(found, truth) == pytest.approx(1 / (1 + shift**2 / 9))


def test_pratt_charges_missing_false_and_no_edges() -> None:
    truth = np.zeros((30, 40), bool)
    truth[:, 10] = True
    half, far = truth.copy(), truth.copy()
    half[15:] = False
    far[:, 39] = True
    assert pratt_figure_of_merit(half, truth) == pytest.approx(0.5)
    assert pratt_figure_of_merit(far, truth) == pytest.approx(0.5 + 0.5 / (1 + 29**2 / 9))
    assert pratt_figure_of_merit(np.zeros_like(truth), truth) == 0
    assert pratt_figure_of_merit(255 * truth.astype(np.uint8), truth) == 1
    assert pratt_figure_of_merit(far, truth, alpha=1) < pratt_figure_of_merit(far, truth)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: psnr_db(np.ones((4, 4)), np.ones((4, 5))), "truth: expected the image's shape"),
        (lambda: psnr_db(np.ones((4, 4)), np.ones((4, 4)), full_scale=0), "full_scale"),
        (lambda: psnr_db(np.ones(4), np.ones(4)), "image: expected shape"),
        (lambda: ssim(np.ones((4, 4)), np.ones((4, 4))), "at least 7 x 7"),
        (lambda: enl([1.0]), "at least 2 pixels"),
        (lambda: enl([1.0, np.nan]), "finite"),
        (lambda: enl([1.0, -1.0]), "0 or more"),
        (lambda: enl([0.0, 0.0]), "zeros only"),
        (lambda: enl("grey"), "values: expected pixel values"),
        (lambda: gcnr([], [1.0, 2.0]), "a: expected at least 2 pixels"),
        (lambda: gcnr([1.0, 2.0], [1.0, 2.0], bins=1), "bins"),
        (lambda: pratt_figure_of_merit(np.ones((4, 4), bool), np.zeros((4, 4), bool)), "nothing to score"),
        (lambda: pratt_figure_of_merit(np.ones((4, 4), bool), np.ones((4, 5), bool)), "truth: expected the detected"),
        (lambda: pratt_figure_of_merit(np.full((4, 4), 0.3), np.ones((4, 4), bool)), "detected: expected an edge map"),
        (lambda: pratt_figure_of_merit(np.ones(4, bool), np.ones(4, bool)), "detected: expected an edge map of shape"),
        (lambda: pratt_figure_of_merit(np.eye(4) > 0, np.eye(4) > 0, alpha=-1), "alpha"),
    ],
)
def test_bad_input_says_what_was_expected(call, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()


def test_nan_is_an_invalid_frame() -> None:
    with pytest.raises(InvalidFrameError, match="NaN"):
        psnr_db(np.full((8, 8), np.nan), np.ones((8, 8)))
