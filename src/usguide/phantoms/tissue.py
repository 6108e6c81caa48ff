"""Tissue as a complex echo field: speckle with structures, convolved with a depth-dependent point-spread function."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

C64 = NDArray[np.complex64]
F32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class PointSpread:
    """Standard deviations of the point-spread function, in mm: amplitude, not power."""

    axial_mm: float = 0.10
    lateral_mm: float = 0.22
    focus_mm: float = 18.0
    divergence: float = 0.012
    """Growth of the lateral width per mm away from the focus."""

    def lateral_at(self, depth_mm: float) -> float:
        """Lateral standard deviation at a depth."""
        return float(np.hypot(self.lateral_mm, self.divergence * (depth_mm - self.focus_mm)))


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """The fine grid that echoes are computed on."""

    shape: tuple[int, int]
    spacing_mm: tuple[float, float]

    def axes_mm(self) -> tuple[F32, F32]:
        """Lateral (1, W) and axial (H, 1) positions."""
        (h, w), (dz, dx) = self.shape, self.spacing_mm
        x = (np.arange(w, dtype=np.float32) * np.float32(dx))[None, :]
        z = (np.arange(h, dtype=np.float32) * np.float32(dz))[:, None]
        return x, z


def convolve(field: C64, grid: Grid, psf: PointSpread) -> C64:
    """Convolve with the point-spread function; the lateral width changes with depth in eight steps, blended."""
    (h, _), (dz, dx) = grid.shape, grid.spacing_mm
    parts = [_blur(p, psf.axial_mm / dz, 0.0) for p in (field.real, field.imag)]
    knots = np.linspace(0, h - 1, 9)
    rows = np.arange(h, dtype=np.float32)
    out = np.zeros(field.shape, np.complex64)
    for k, knot in enumerate(knots):
        weight = np.interp(rows, knots, np.eye(9)[k]).astype(np.float32)[:, None]
        used = np.nonzero(weight[:, 0])[0]
        part = slice(used[0], used[-1] + 1)
        sigma = psf.lateral_at(knot * dz) / dx
        out.real[part] += weight[part] * _blur(parts[0][part], 0.0, sigma)
        out.imag[part] += weight[part] * _blur(parts[1][part], 0.0, sigma)
    return out


def _blur(image: F32, sigma_rows: float, sigma_columns: float) -> F32:
    # sigma 0 would let OpenCV choose one: a kernel of one tap leaves that axis alone.
    size = (1 if sigma_columns == 0 else 0, 1 if sigma_rows == 0 else 0)
    blurred = cv2.GaussianBlur(
        np.ascontiguousarray(image), size, sigma_columns or 1e-3, None, sigma_rows or 1e-3, cv2.BORDER_REFLECT
    )
    return np.asarray(blurred, dtype=np.float32)


def speckle(rng: np.random.Generator, grid: Grid, amplitude: F32, psf: PointSpread) -> C64:
    """Fully developed speckle: circular complex Gaussian scatterers of a given mean amplitude, unit power at 1."""
    noise = rng.standard_normal((2, *grid.shape), dtype=np.float32)
    field = convolve((noise[0] + 1j * noise[1]).astype(np.complex64) * amplitude, grid, psf)
    # Convolution with a Gaussian of width s leaves 1 / (2 sqrt(pi) s) of white noise's power, an axis each.
    (dz, dx) = grid.spacing_mm
    depth = np.arange(grid.shape[0]) * dz
    lateral = np.array([psf.lateral_at(float(d)) for d in depth])
    power = 2.0 / (4 * np.pi * (psf.axial_mm / dz) * (lateral / dx))
    return field / np.sqrt(power).astype(np.float32)[:, None]


def amplitude_map(rng: np.random.Generator, grid: Grid) -> F32:
    """Mean scatterer amplitude: layers, muscle striation, a vessel, a nerve, bone with nothing behind it."""
    x, z = grid.axes_mm()
    height, width = float(z[-1, 0]), float(x[0, -1])
    patchy = _smooth_noise(rng, grid, (3.0, 5.0))
    a = 1.0 + 0.25 * patchy
    a *= np.where(z < 2.0, 1.5, 1.0)  # skin
    a *= np.where((z > 2.0) & (z < 0.17 * height), 0.55, 1.0)  # subcutaneous fat
    muscle = (z > 0.2 * height) & (z < 0.78 * height)
    streaks = _smooth_noise(rng, grid, (0.22, 3.5))
    a = np.where(muscle, a * (0.75 + 0.45 * np.maximum(streaks, 0) ** 1.5), a)
    vx, vz, vr = 0.83 * width, 0.38 * height, 0.055 * width
    r = np.hypot(x - vx, (z - vz) * 1.15)
    a = np.where(r < vr, 0.05, np.where(r < vr + 0.45, 2.6, a))
    nx, nz = nerve_mm(grid)
    q = np.hypot((x - nx) / 2.6, (z - nz) / 1.7)
    comb = 0.9 + 0.9 * _smooth_noise(rng, grid, (0.35, 0.35))
    a = np.where(q < 1, np.clip(comb, 0.25, 2.2), np.where(q < 1.22, 2.8, a))
    bone = bone_depth_mm(grid)
    a = np.where(z > bone, 0.12, a)
    return np.asarray(np.maximum(a, 0.02), dtype=np.float32)


def nerve_mm(grid: Grid) -> tuple[float, float]:
    """Centre of the nerve: what the injection is meant for."""
    (h, w), (dz, dx) = grid.shape, grid.spacing_mm
    return 0.66 * w * dx, 0.62 * h * dz


def bone_depth_mm(grid: Grid) -> F32:
    """Depth of the bone's surface along the lateral axis, shape (1, W)."""
    x, _ = grid.axes_mm()
    h_mm, w_mm = grid.shape[0] * grid.spacing_mm[0], grid.shape[1] * grid.spacing_mm[1]
    return np.asarray(h_mm * (0.9 - 0.06 * np.exp(-(((x - 0.35 * w_mm) / (0.2 * w_mm)) ** 2))), dtype=np.float32)


def specular_lines(rng: np.random.Generator, grid: Grid, brightness: float) -> F32:
    """Fascia and bone as thin smooth reflectors; those across the beam shine, slanting ones are weaker."""
    x, z = grid.axes_mm()
    h_mm, w_mm = grid.shape[0] * grid.spacing_mm[0], grid.shape[1] * grid.spacing_mm[1]
    out = np.zeros(grid.shape, np.float32)
    lines = (
        (0.055, 0.5, 0.6),
        (0.17, 2.0, 1.0),
        (0.29, -4.0, 0.8),
        (0.47, 9.0, 0.75),
        (0.63, 5.0, 0.6),
        (0.76, -7.0, 0.9),
    )
    for share, slope_deg, strength in lines:
        wave = 0.35 * np.sin(2 * np.pi * x / (0.5 * w_mm) + rng.uniform(0, 6.28)) + 0.12 * np.sin(
            x / 1.7 + rng.uniform(0, 6)
        )
        depth = share * h_mm + np.tan(np.radians(slope_deg)) * (x - 0.5 * w_mm) + wave
        slope = np.gradient(depth[0], x[0])
        law = 0.35 + 0.65 * np.exp(-((np.degrees(np.arctan(slope)) / 9.0) ** 2))
        broken = np.clip(0.6 + 0.6 * _noise_along(rng, x.shape[1], 4.0 / grid.spacing_mm[1]), 0.03, 1.5)
        profile = np.exp(-0.5 * ((z - depth) / 0.12) ** 2)
        out += (brightness * strength * (law * broken)[None, :] * profile).astype(np.float32)
    bone = bone_depth_mm(grid)
    out += (1.3 * brightness * np.exp(-0.5 * ((z - bone) / 0.22) ** 2)).astype(np.float32)
    return out


def _noise_along(rng: np.random.Generator, n: int, sigma: float) -> NDArray[np.float64]:
    noise = cv2.GaussianBlur(rng.standard_normal((1, n)), (0, 0), sigma).ravel()
    return np.asarray(noise / noise.std(), dtype=np.float64)


def _smooth_noise(rng: np.random.Generator, grid: Grid, size_mm: tuple[float, float]) -> F32:
    """Noise of unit deviation that varies over `size_mm` (axial, lateral)."""
    noise = _blur(
        rng.standard_normal(grid.shape, dtype=np.float32),
        size_mm[0] / grid.spacing_mm[0],
        size_mm[1] / grid.spacing_mm[1],
    )
    return np.asarray(noise / noise.std(), dtype=np.float32)
