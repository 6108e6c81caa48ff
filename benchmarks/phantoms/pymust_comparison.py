"""Simulate speckle, a point and rows of scatterers with PyMUST, an independent simulator, and store what they measure.

    python benchmarks/phantoms/pymust_comparison.py [--out FILE] [--quick]

Needs `pip install pymust` and NumPy (an environment of its own will do); takes some minutes. The figures lie beside this
script (`pymust_figures.json`); `tests/phantoms/test_independent_simulator.py` compares this renderer with them.

A linear array (128 elements, 0.3 mm pitch, 7.6 MHz) sends plane waves of several tilts, whose delay-and-sum images are
added coherently; two-dimensional, no attenuation, receive f-number constant. In it: (a) scatterers at random places with
Gaussian strengths, 100 a mm2; (b) one point; (c) a 12 mm row of equal scatterers, 0.05 mm apart, through the same point,
at insertion angles from 0 to 60 degrees, smooth (all on the line) and rough (off it by a standard deviation of an eighth
of a wavelength). A row is a reflector without thickness, and all that makes it fade with the angle is interference.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pymust
from numpy.typing import NDArray
from speckle_measures import ACROSS_STEP_MM, across, amplitude_snr, sigma_mm, speckle_widths_mm, width_at

FIGURES = Path(__file__).with_name("pymust_figures.json")
PROBE, SEED = "L11-5v", 5
CENTRE_MM = (0.0, 18.0)
HALF_MM = (6.0, 5.0)
SPACING_MM = (0.025, 0.05)
TILTS_DEG = tuple(range(-15, 16, 3))
F_NUMBER = 1.5
DENSITY_PER_MM2 = 100.0
ROW_MM, ROW_STEP_MM = 12.0, 0.05
ANGLES_DEG = (0, 10, 20, 30, 40, 50, 60)
SOUND_MM_S = 1.54e6

C128 = NDArray[np.complex128]
F64 = NDArray[np.float64]


class Scanner:
    """One probe and the plane waves it sends; images scatterers given in mm."""

    def __init__(self, tilts_deg: tuple[int, ...]) -> None:
        self.param = pymust.getparam(PROBE)
        self.param.fs = 4 * self.param.fc
        self.param.fnumber = F_NUMBER
        self.param.c = SOUND_MM_S / 1e3
        self.delays = [pymust.txdelay(self.param, math.radians(tilt)) for tilt in tilts_deg]
        x = CENTRE_MM[0] + np.arange(-HALF_MM[0], HALF_MM[0] + 1e-9, SPACING_MM[1])
        z = CENTRE_MM[1] + np.arange(-HALF_MM[1], HALF_MM[1] + 1e-9, SPACING_MM[0])
        self.x_mm, self.z_mm = np.meshgrid(x, z)

    def image(self, x_mm: F64, z_mm: F64, strength: F64) -> C128:
        """Return the beamformed field, complex, on the grid."""
        field = np.zeros(self.x_mm.shape, np.complex128)
        places = [np.asarray(v, np.float64)[None, :] for v in (x_mm * 1e-3, z_mm * 1e-3, strength)]
        for delays in self.delays:
            # PyMUST writes what it derives into the settings it is given, and checks them for the last delays.
            param = copy.deepcopy(self.param)
            param.TXdelay = delays
            rf, _ = pymust.simus(*places, delays, param)
            iq = pymust.rf2iq(rf, param)
            matrix = pymust.dasmtx(1j * np.array(iq.shape), self.x_mm * 1e-3, self.z_mm * 1e-3, delays, param)
            field += (matrix @ iq.flatten(order="F")).reshape(field.shape, order="F")
        return field


def row(angle_deg: float, rough_mm: float, rng: np.random.Generator) -> tuple[F64, F64]:
    """Places of the scatterers of a needle-like row through the centre."""
    along = np.arange(-ROW_MM / 2, ROW_MM / 2 + 1e-9, ROW_STEP_MM)
    off = rough_mm * rng.standard_normal(along.size)
    a = math.radians(angle_deg)
    return (
        CENTRE_MM[0] + along * math.cos(a) - off * math.sin(a),
        CENTRE_MM[1] + along * math.sin(a) + off * math.cos(a),
    )


def main() -> None:
    """Simulate, measure, store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=FIGURES)
    parser.add_argument("--quick", action="store_true", help="two plane waves, few scatterers: does it run?")
    options = parser.parse_args()
    rng = np.random.default_rng(SEED)
    scanner = Scanner((-3, 3) if options.quick else TILTS_DEG)
    density = 5.0 if options.quick else DENSITY_PER_MM2
    started = time.perf_counter()

    margin = 2.0
    half = HALF_MM[0] + margin, HALF_MM[1] + margin
    count = round(density * 4 * half[0] * half[1])
    x, z = CENTRE_MM[0] + half[0] * rng.uniform(-1, 1, count), CENTRE_MM[1] + half[1] * rng.uniform(-1, 1, count)
    speckle = np.abs(scanner.image(x, z, rng.standard_normal(count)))
    axial_mm, lateral_mm = speckle_widths_mm(speckle, SPACING_MM)

    point = np.abs(scanner.image(np.array([CENTRE_MM[0]]), np.array([CENTRE_MM[1]]), np.ones(1)))
    top = np.unravel_index(int(point.argmax()), point.shape)
    figures: dict[str, Any] = {
        "pymust": version("pymust"),
        "numpy": version("numpy"),
        "probe": PROBE,
        "centre_frequency_hz": float(scanner.param.fc),
        "plane_waves_deg": list(TILTS_DEG),
        "f_number": F_NUMBER,
        "centre_mm": CENTRE_MM,
        "size_mm": [2 * HALF_MM[1], 2 * HALF_MM[0]],
        "spacing_mm": SPACING_MM,
        "scatterers_per_mm2": density,
        "seed": SEED,
        "speckle_amplitude_snr": amplitude_snr(speckle),
        "speckle_fwhm_mm": [axial_mm, lateral_mm],
        "point_sigma_mm": [sigma_mm(point[:, top[1]], SPACING_MM[0]), sigma_mm(point[top[0]], SPACING_MM[1])],
        "point_at_mm": [float(scanner.x_mm[top]), float(scanner.z_mm[top])],
        "rows": [],
    }
    # A row's strengths are scaled to a density: its echo over the speckle's mean is a figure up to that factor.
    wavelength_mm = SOUND_MM_S / scanner.param.fc
    for rough_mm in (0.0, wavelength_mm / 8):
        for angle_deg in ANGLES_DEG:
            places = row(angle_deg, rough_mm, rng)
            profile = across(np.abs(scanner.image(*places, np.ones(places[0].size))), angle_deg, SPACING_MM)
            fwhm_mm = width_at(profile, ACROSS_STEP_MM, 0.5)
            figures["rows"].append(
                {
                    "angle_deg": angle_deg,
                    "rough_mm": round(rough_mm, 4),
                    # A smooth row that sends its echo past the probe leaves no peak to measure.
                    "fwhm_mm": fwhm_mm if math.isfinite(fwhm_mm) else None,
                    "offset_mm": float((profile.argmax() - profile.size // 2) * ACROSS_STEP_MM),
                    "peak_over_speckle_db": float(20 * np.log10(profile.max() / speckle.mean())),
                }
            )
    figures["took_s"] = round(time.perf_counter() - started)
    temporary = options.out.with_suffix(".part")
    temporary.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    temporary.replace(options.out)
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
