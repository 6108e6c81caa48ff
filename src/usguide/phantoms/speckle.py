"""Speckle: complex Gaussian scatterers convolved with a point-spread function that changes with depth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from usguide.geometry import SectorGeometry
from usguide.phantoms.grid import C64, F32, Grid


class Draws(Protocol):
    """What is drawn at random: a `numpy.random.Generator`, or one whose draws change with elevation."""

    def standard_normal(self, size: Any = ..., dtype: Any = ...) -> Any:
        """Draw from a Gaussian of deviation 1."""
        ...

    def normal(self, loc: Any = ..., scale: Any = ...) -> Any:
        """Draw one number from a Gaussian."""
        ...

    def uniform(self, low: Any = ..., high: Any = ..., size: Any = ...) -> Any:
        """Draw evenly."""
        ...


@dataclass(frozen=True, slots=True)
class PointSpread:
    """Standard deviations of the point-spread function in mm, of the amplitude (not the power), two-way.

    Elevational widths are those of a lens of 4 to 5 mm height (linear probe, 10 MHz) and of 12 mm (curvilinear,
    3.5 MHz): at -6 dB a slice of 1.6 and 3.3 mm at the elevational focus, 3 and 8 mm at the probe's face.
    """

    axial_mm: float = 0.085
    lateral_mm: float = 0.20
    focus_mm: float = 18.0
    divergence: float = 0.012
    """Growth of the lateral width per mm away from the focus."""
    elevational_mm: float = 0.7
    elevational_focus_mm: float = 18.0
    elevational_divergence: float = 0.06

    def lateral_at(self, depth_mm: NDArray[np.floating] | float) -> NDArray[np.float64]:
        """Lateral standard deviation at a depth."""
        away = np.asarray(depth_mm, dtype=float) - self.focus_mm
        return np.asarray(np.hypot(self.lateral_mm, self.divergence * away), dtype=float)

    def elevational_at(self, depth_mm: NDArray[np.floating] | float) -> NDArray[np.float64]:
        """Elevational standard deviation at a depth."""
        away = np.asarray(depth_mm, dtype=float) - self.elevational_focus_mm
        return np.asarray(np.hypot(self.elevational_mm, self.elevational_divergence * away), dtype=float)


LINEAR_SPREAD = PointSpread()
CURVILINEAR_SPREAD = PointSpread(
    axial_mm=0.16,
    lateral_mm=0.5,
    focus_mm=35.0,
    divergence=0.018,
    elevational_mm=1.4,
    elevational_focus_mm=60.0,
    elevational_divergence=0.05,
)
"""Lower frequency, longer pulse, wider beam."""


def spread_of(sector: SectorGeometry | None) -> PointSpread:
    """Return the point-spread function of a probe: of a curvilinear one if its pictures are fans."""
    return LINEAR_SPREAD if sector is None else CURVILINEAR_SPREAD


_KNOTS = 9


def blur(image: F32, sigma_rows: float, sigma_columns: float) -> F32:
    """Blur by a Gaussian of unit sum; a deviation of 0 leaves that axis alone."""
    # sigma 0 would let OpenCV choose one: a kernel of one tap leaves the axis alone.
    size = (1 if sigma_columns == 0 else 0, 1 if sigma_rows == 0 else 0)
    blurred = cv2.GaussianBlur(
        np.ascontiguousarray(image), size, sigma_columns or 1e-3, None, sigma_rows or 1e-3, cv2.BORDER_REFLECT
    )
    return np.asarray(blurred, dtype=np.float32)


def convolve(field: C64, grid: Grid, psf: PointSpread) -> C64:
    """Convolve with the point-spread function (unit sum), whose lateral width is blended between depths."""
    samples = grid.shape[0]
    parts = [blur(p, psf.axial_mm / grid.axial_mm, 0.0) for p in (field.real, field.imag)]
    knots = np.linspace(0, samples - 1, _KNOTS)
    rows = np.arange(samples, dtype=np.float32)
    out = np.zeros(field.shape, np.complex64)
    sigmas = psf.lateral_at(grid.depth_mm[:, 0]) / grid.pitch_mm
    for k, knot in enumerate(knots):
        weight = np.interp(rows, knots, np.eye(_KNOTS)[k]).astype(np.float32)[:, None]
        used = np.nonzero(weight[:, 0])[0]
        part = slice(used[0], used[-1] + 1)
        sigma = float(sigmas[round(knot)])
        out.real[part] += weight[part] * blur(parts[0][part], 0.0, sigma)
        out.imag[part] += weight[part] * blur(parts[1][part], 0.0, sigma)
    return out


def speckle(rng: Draws, grid: Grid, amplitude: F32, psf: PointSpread) -> C64:
    """Fully developed speckle of a given mean amplitude: unit power where `amplitude` is 1."""
    noise = rng.standard_normal((2, *grid.shape), dtype=np.float32)
    field = convolve((noise[0] + 1j * noise[1]).astype(np.complex64) * amplitude, grid, psf)
    # A Gaussian of unit sum and deviation s leaves 1 / (2 sqrt(pi) s) of white noise's power, for each axis.
    lateral = psf.lateral_at(grid.depth_mm[:, 0]) / grid.pitch_mm
    power = 2.0 / (4 * math.pi * (psf.axial_mm / grid.axial_mm) * lateral)
    return field / np.sqrt(power).astype(np.float32)[:, None]


def noise_at(rng: Draws, u_mm: F32, v_mm: F32, size_mm: tuple[float, float]) -> F32:
    """Smooth noise of unit deviation over a plane, taken at positions (u, v), varying over `size_mm` = (u, v).

    It is drawn on a plane of its own, so that its grain follows the coordinates given, not the beams.
    """
    shape = np.broadcast_shapes(u_mm.shape, v_mm.shape)
    du, dv = (max(s / 2.5, 0.04) for s in size_mm)
    u0, v0 = float(u_mm.min()) - du, float(v_mm.min()) - dv
    columns = math.ceil((float(u_mm.max()) - u0) / du) + 2
    rows = math.ceil((float(v_mm.max()) - v0) / dv) + 2
    plane = blur(rng.standard_normal((rows, columns), dtype=np.float32), size_mm[1] / dv, size_mm[0] / du)
    sigma = math.sqrt(size_mm[0] / du * size_mm[1] / dv)
    plane *= np.float32(2 * math.sqrt(math.pi) * sigma)
    at_u = np.ascontiguousarray(np.broadcast_to((u_mm - u0) / du, shape), dtype=np.float32)
    at_v = np.ascontiguousarray(np.broadcast_to((v_mm - v0) / dv, shape), dtype=np.float32)
    taken = cv2.remap(plane, at_u, at_v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(taken, dtype=np.float32)


def noise_along(rng: Draws, u_mm: F32, size_mm: float) -> F32:
    """Smooth noise of unit deviation along one axis, in the shape of `u_mm`."""
    du = size_mm / 3
    u0 = float(u_mm.min()) - du
    n = math.ceil((float(u_mm.max()) - u0) / du) + 3
    white = np.pad(rng.standard_normal(n), 12, mode="reflect" if n > 12 else "wrap")
    t = np.arange(-12, 13)
    kernel = np.exp(-0.5 * (t / 3.0) ** 2)
    smooth = np.convolve(white, kernel / np.sqrt((kernel**2).sum()), mode="valid")
    return np.interp(u_mm, u0 + du * np.arange(n), smooth).astype(np.float32)
