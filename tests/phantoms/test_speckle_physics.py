"""Speckle obeys the laws it should: intensity, widths, attenuation, compounding."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from usguide.phantoms import PhantomScene
from usguide.phantoms.grid import Grid, beam_grid
from usguide.phantoms.render import envelopes
from usguide.phantoms.speckle import CURVILINEAR_SPREAD, LINEAR_SPREAD, convolve, speckle

BARE = PhantomScene(
    shape=(300, 300),
    spacing_mm=(0.1, 0.1),
    needle=None,
    injectate=None,
    structures=(),
    motion_mm=0.0,
    attenuation_db_per_mm=0.0,
    looks=1,
)


def envelope_of(scene, seed):
    envelope, _ = next(envelopes(scene, seed, np.zeros(1)))
    return envelope.astype(float)


def test_intensity_of_speckle_is_exponential():
    """Squared amplitudes, taken further apart than they are correlated, against the exponential law."""
    grid = Grid((900, 400), (0.06, 0.1))
    fields = [speckle(np.random.default_rng(k), grid, np.ones(grid.shape, np.float32), LINEAR_SPREAD) for k in range(2)]
    power = np.abs(np.stack(fields).astype(complex))[:, 20:-20:8, 20:-20:16].ravel() ** 2
    assert power.size > 4000
    assert stats.kstest(power / power.mean(), "expon").pvalue > 0.01
    # The moments of an exponential law: E[I^2] = 2 E[I]^2. A Gaussian field's real part alone would give 3.
    assert (power**2).mean() / power.mean() ** 2 == pytest.approx(2.0, rel=0.1)


@pytest.mark.parametrize("psf", [LINEAR_SPREAD, CURVILINEAR_SPREAD], ids=["linear", "curvilinear"])
def test_a_point_is_as_wide_as_stated(psf):
    """Second moments of a point's echo at the focus, along and across the beam."""
    grid = Grid((round(2 * psf.focus_mm / 0.05), 240), (0.05, 0.05))
    point = np.zeros(grid.shape, np.complex64)
    row = round(psf.focus_mm / 0.05)
    point[row, 120] = 1
    echo = np.abs(convolve(point, grid, psf)).astype(float)
    for axis, expected in ((1, psf.axial_mm), (0, psf.lateral_mm)):
        profile = echo.sum(axis=axis)
        at = np.arange(profile.size) * 0.05
        mean = np.average(at, weights=profile)
        assert np.sqrt(np.average((at - mean) ** 2, weights=profile)) == pytest.approx(expected, rel=0.04)
        assert mean == pytest.approx((row if axis == 1 else 120) * 0.05, abs=0.01)
    assert echo.sum() == pytest.approx(1.0, rel=0.01)


def test_speckle_is_as_wide_as_the_point_that_makes_it():
    """The envelope's autocovariance of Gaussian speckle has the point's own standard deviations (to 8 %).

    The field is correlated as a Gaussian of sqrt(2) sigma, and the envelope's covariance follows its square closely.
    """
    grid = Grid((700, 500), (0.05, 0.08))
    field = speckle(np.random.default_rng(1), grid, np.ones(grid.shape, np.float32), LINEAR_SPREAD)
    envelope = np.abs(field.astype(complex))[240:480]  # around the focus at 18 mm
    envelope -= envelope.mean()
    variance = (envelope**2).mean()
    for axis, step, sigma in ((0, 0.05, LINEAR_SPREAD.axial_mm), (1, 0.08, LINEAR_SPREAD.lateral_mm)):
        lags = np.arange(1, 4)
        first = np.moveaxis(envelope, axis, 0)
        rho = np.array([(first[k:] * first[:-k]).mean() for k in lags]) / variance
        fitted = np.sqrt((lags * step) ** 2 / (-2 * np.log(rho.clip(1e-3))))[rho > 0.3]
        assert fitted.mean() == pytest.approx(sigma, rel=0.08)


@pytest.mark.parametrize("setting", [0.3, 0.8])
@pytest.mark.parametrize("probe", ["linear", "curvilinear"])
def test_the_envelope_falls_by_the_attenuation_asked_for(setting, probe):
    scene = replace(BARE, attenuation_db_per_mm=setting, probe=probe, spacing_mm=(0.1, 0.15), shape=(260, 300))
    depth = beam_grid(scene).depth_mm[:, 0].astype(float)
    # Over the same speckle without attenuation: what is left is the law.
    power = [(envelope_of(s, 2) ** 2).mean(axis=1) for s in (scene, replace(scene, attenuation_db_per_mm=0.0))]
    # Below 15 mm the noise, which TGC raises, comes near the strongest attenuation.
    used = (depth > 1) & (depth < 15)
    slope = np.polyfit(depth[used], 10 * np.log10(power[0] / power[1])[used], 1)[0]
    assert -slope == pytest.approx(setting, abs=0.02)


def test_looks_divide_the_variance_of_the_intensity():
    contrast = []
    for looks in (1, 2, 4):
        power = envelope_of(replace(BARE, looks=looks), 7)[40:-40, 20:-20] ** 2
        contrast.append(power.var() / power.mean() ** 2)
    assert contrast[0] == pytest.approx(1.0, rel=0.1)
    assert contrast[1] == pytest.approx(1 / 2, rel=0.12)
    assert contrast[2] == pytest.approx(1 / 4, rel=0.15)
