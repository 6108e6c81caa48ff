"""The needle's echo, exact below a pixel: a line with the point-spread function's profile."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from usguide.phantoms.scene import NeedleScene
from usguide.phantoms.tissue import F32, Grid, PointSpread


def shaft_profile(rng: np.random.Generator, gap_share: float) -> NDArray[np.float64]:
    """Reflectivity along the shaft in steps of 0.1 mm from the tip, over 120 mm: it travels with the needle."""
    n = 1200
    rough = _smooth(rng.standard_normal(n), 8)
    gaps = _smooth(rng.standard_normal(n), 14)
    value = 1.0 + 0.25 * rough
    value[gaps < np.quantile(gaps, gap_share)] *= 0.25
    value[:12] = np.maximum(value[:12], 0.9)  # the bevel reflects whatever the shaft does
    return np.maximum(_smooth(value, 2, unit=False), 0.05)


def _smooth(values: NDArray[np.float64], sigma: float, *, unit: bool = True) -> NDArray[np.float64]:
    t = np.arange(-math.ceil(4 * sigma), math.ceil(4 * sigma) + 1)
    kernel = np.exp(-0.5 * (t / sigma) ** 2)
    pad = len(t) // 2
    smooth = np.convolve(np.pad(values, pad, mode="reflect"), kernel / kernel.sum(), mode="valid")
    return smooth / smooth.std() if unit else smooth


def needle_echo(
    grid: Grid, psf: PointSpread, scene: NeedleScene, profile: NDArray[np.float64], length_mm: float
) -> tuple[F32, F32]:
    """Amplitude of the needle's echo, and the share of sound that passes it (shadow), on the grid.

    The shaft's centre line runs from ``scene.entry_mm`` over `length_mm`; its end is the tip. The profile across is a
    Gaussian as wide as the specular front of the tube and the point-spread function together.
    """
    x, z = grid.axes_mm()
    a = math.radians(scene.angle_deg)
    c, s = math.cos(a), math.sin(a)
    ex, ez = scene.entry_mm
    along, across = (x - ex) * c + (z - ez) * s, -(x - ex) * s + (z - ez) * c
    tip_z = ez + length_mm * s
    lateral = psf.lateral_at(tip_z)
    sigma_across = math.sqrt((0.25 * scene.diameter_mm) ** 2 + (psf.axial_mm * c) ** 2 + (lateral * s) ** 2)
    sigma_along = math.hypot(psf.axial_mm * s, lateral * c)
    # Sound that meets the shaft aslant is reflected away from the probe.
    law = 0.3 + 0.7 * math.exp(-((scene.angle_deg / 40.0) ** 2))
    from_tip = np.clip((length_mm - along) / 0.1, 0, len(profile) - 1)
    reflect = np.interp(from_tip, np.arange(len(profile)), profile)
    inside = ndtr((length_mm - along) / sigma_along)
    line = law * reflect * inside * np.exp(-0.5 * (across / sigma_across) ** 2)
    bevel = 0.5 * np.exp(-0.5 * (((along - length_mm + 0.4) / 0.35) ** 2 + (across / sigma_across) ** 2))
    echo = line + bevel
    for k in (1, 2):  # reverberation within the tube
        shifted = (across - k * 1.1 * scene.diameter_mm) / (1.3 * sigma_across)
        echo += 0.15**k * law * inside * np.exp(-0.5 * shifted**2)
    below = ndtr((across - 0.3) / 0.3) * inside
    return (scene.brightness * echo).astype(np.float32), (1 - 0.35 * below).astype(np.float32)
