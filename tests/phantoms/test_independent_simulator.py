"""This renderer against stored figures of PyMUST, which simulates the array's elements (benchmarks/phantoms)."""

import importlib.util
import json
import math
from pathlib import Path

import numpy as np
import pytest

from usguide.phantoms.grid import Grid
from usguide.phantoms.speckle import PointSpread, convolve, speckle

FOLDER = Path(__file__).parents[2] / "benchmarks" / "phantoms"


@pytest.fixture(scope="module")
def measures():
    path = FOLDER / "speckle_measures.py"
    if not path.is_file():
        pytest.skip("the benchmarks are not part of an installed package")
    spec = importlib.util.spec_from_file_location("speckle_measures", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def figures():
    if not FOLDER.is_dir():
        pytest.skip("the benchmarks are not part of an installed package")
    return json.loads((FOLDER / "pymust_figures.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def ours(figures):
    """A grid and a point-spread function as wide as PyMUST's point, the same at every depth."""
    axial, lateral = figures["point_sigma_mm"]
    (dz, dx), size = figures["spacing_mm"], figures["size_mm"]
    grid = Grid((round(size[0] / dz) + 1, round(size[1] / dx) + 1), (dz, dx))
    return grid, PointSpread(axial_mm=axial, lateral_mm=lateral, divergence=0.0)


def measured(fields, grid, measures):
    envelopes = [np.abs(f).astype(float) for f in fields]
    widths = [measures.speckle_widths_mm(e, grid.spacing_mm) for e in envelopes]
    return np.mean([measures.amplitude_snr(e) for e in envelopes]), np.mean(widths, axis=0)


def sparse_field(grid, psf, density_per_mm2, seed):
    """Scatterers of Gaussian strength at random places, as many as the simulation had."""
    rng = np.random.default_rng(seed)
    count = round(density_per_mm2 * np.prod(grid.shape) * np.prod(grid.spacing_mm))
    field = np.zeros(grid.shape, np.complex64)
    at = tuple(rng.integers(0, n, count) for n in grid.shape)
    strengths = rng.standard_normal(count) * np.exp(2j * math.pi * rng.random(count))
    np.add.at(field, at, strengths.astype(np.complex64))
    return convolve(field, grid, psf)


def test_speckle_is_as_wide_as_that_of_the_same_point_in_pymust(figures, ours, measures):
    """3 % axially and 1 % laterally when it was stored; 8 % covers one picture's 1000 cells."""
    grid, psf = ours
    ones = np.ones(grid.shape, np.float32)
    _, widths = measured([speckle(np.random.default_rng(k), grid, ones, psf) for k in range(4)], grid, measures)
    np.testing.assert_allclose(widths, figures["speckle_fwhm_mm"], rtol=0.08)


def test_speckle_of_as_few_scatterers_is_as_contrasted(figures, ours, measures):
    """PyMUST's amplitude SNR was 1.72 and not 1.91: 14 scatterers of unequal strength in a cell are not many."""
    grid, psf = ours
    few, _ = measured([sparse_field(grid, psf, figures["scatterers_per_mm2"], k) for k in range(4)], grid, measures)
    assert few == pytest.approx(figures["speckle_amplitude_snr"], abs=0.12)
    ones = np.ones(grid.shape, np.float32)
    many, _ = measured([speckle(np.random.default_rng(k), grid, ones, psf) for k in range(4)], grid, measures)
    assert many == pytest.approx(1.91, abs=0.05)


def row_profile(grid, psf, angle_deg, measures, seed):
    """A row of points of random phase through the centre, as the comparison's rough rows are."""
    a = math.radians(angle_deg)
    along = np.arange(-6, 6.001, 0.05)
    columns = along * math.cos(a) / grid.spacing_mm[1] + (grid.shape[1] - 1) / 2
    rows = along * math.sin(a) / grid.spacing_mm[0] + (grid.shape[0] - 1) / 2
    inside = (rows >= 0) & (rows <= grid.shape[0] - 1) & (columns >= 0) & (columns <= grid.shape[1] - 1)
    field = np.zeros(grid.shape, np.complex64)
    phases = np.exp(2j * math.pi * np.random.default_rng(seed).random(along.size))
    at = np.rint(rows[inside]).astype(int), np.rint(columns[inside]).astype(int)
    np.add.at(field, at, phases[inside].astype(np.complex64))
    return measures.across(np.abs(convolve(field, grid, psf)).astype(float), angle_deg, grid.spacing_mm)


def test_a_row_is_as_wide_across_at_every_angle(figures, ours, measures):
    """Rough rows: within 10 % from 20 degrees on.

    Nearly across the beam PyMUST's is wider, by a quarter at 0 degrees: its points lie off the line by an eighth of a
    wavelength, which is a good part of the axial width, and ours do not. Smooth rows have no width to compare once
    they send their echo past the probe.
    """
    grid, psf = ours
    for row in (r for r in figures["rows"] if r["rough_mm"] > 0):
        profiles = [row_profile(grid, psf, row["angle_deg"], measures, k) for k in range(3)]
        width = np.mean([measures.width_at(p, measures.ACROSS_STEP_MM, 0.5) for p in profiles])
        limit = 0.10 if row["angle_deg"] >= 20 else 0.30
        assert width == pytest.approx(row["fwhm_mm"], rel=limit), row["angle_deg"]
        assert abs(row["offset_mm"]) < 0.03


def test_rows_fade_with_the_angle_and_smooth_ones_vanish(figures):
    """What the needle's specular law stands between: a rough row loses 11 dB to 60 degrees, a smooth one all by 20."""
    fades = {
        rough: [r["peak_over_speckle_db"] for r in figures["rows"] if (r["rough_mm"] > 0) == rough]
        for rough in (True, False)
    }
    assert fades[True] == sorted(fades[True], reverse=True)
    assert 8 < fades[True][0] - fades[True][-1] < 15
    assert fades[False][0] - fades[False][2] > 40
