"""The grid of beams and samples that echoes are computed on, for linear and curvilinear probes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from usguide.errors import InputError
from usguide.geometry import ImageGeometry, SectorGeometry
from usguide.phantoms.scene import PLEURA_SLIDE, PhantomScene

C64 = NDArray[np.complex64]
F32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Samples (rows) along beams (columns).

    Parameters
    ----------
    shape : (int, int)
        Samples and beams.
    spacing_mm : (float, float)
        Between samples, and between beams (of a fan: at its far end).
    first_mm : float
        Place of the first sample: depth, or distance from the apex of a fan.
    sector : SectorGeometry, optional
        The fan; None for parallel beams.
    left_mm : float
        Lateral position of the first of parallel beams.

    Attributes
    ----------
    x_mm, z_mm : ndarray
        Lateral and axial position of each sample; broadcastable to `shape`.
    depth_mm : ndarray, shape (samples, 1)
        Distance from the probe's face.
    pitch_mm : ndarray, shape (samples,)
        Distance between beams at each sample.
    tilt_rad : ndarray, shape (1, beams)
        Direction of each beam from straight down, positive towards larger lateral values.
    """

    shape: tuple[int, int]
    spacing_mm: tuple[float, float]
    first_mm: float = 0.0
    sector: SectorGeometry | None = None
    left_mm: float = 0.0
    x_mm: F32 = field(init=False, repr=False)
    z_mm: F32 = field(init=False, repr=False)
    depth_mm: F32 = field(init=False, repr=False)
    pitch_mm: F32 = field(init=False, repr=False)
    tilt_rad: F32 = field(init=False, repr=False)

    def __post_init__(self) -> None:
        (samples, beams), (dz, dx) = self.shape, self.spacing_mm
        along = (self.first_mm + dz * np.arange(samples))[:, None]
        if self.sector is None:
            x, z, depth = self.left_mm + dx * np.arange(beams)[None, :], along, along
            pitch, tilt = np.full(samples, dx), np.zeros((1, beams))
        else:
            first, last = np.radians(self.sector.angle_deg)
            tilt = np.linspace(first, last, beams)[None, :]
            x = self.sector.apex_mm[0] + along * np.sin(tilt)
            z = self.sector.apex_mm[1] + along * np.cos(tilt)
            depth, pitch = along - self.sector.radius_mm[0], along[:, 0] * (last - first) / (beams - 1)
        for name, values in (("x_mm", x), ("z_mm", z), ("depth_mm", depth), ("pitch_mm", pitch), ("tilt_rad", tilt)):
            object.__setattr__(self, name, np.asarray(values, dtype=np.float32))

    @property
    def axial_mm(self) -> float:
        """Distance between samples."""
        return self.spacing_mm[0]

    def index_at(self, x_mm: F32, z_mm: F32) -> tuple[F32, F32]:
        """Return the fractional (column, row) of positions."""
        if self.sector is None:
            return (x_mm - self.left_mm) / self.pitch_mm[0], (z_mm - self.first_mm) / self.axial_mm
        dx, dz = x_mm - self.sector.apex_mm[0], z_mm - self.sector.apex_mm[1]
        first, last = np.radians(self.sector.angle_deg)
        column = (np.arctan2(dx, dz) - first) / (last - first) * (self.shape[1] - 1)
        return column, (np.hypot(dx, dz) - self.first_mm) / self.axial_mm

    def to_index(self, x_mm: F32, z_mm: F32) -> tuple[F32, F32]:
        """Return the fractional (column, row) of positions, each in `shape`."""
        column, row = self.index_at(x_mm, z_mm)
        return (
            np.ascontiguousarray(np.broadcast_to(column, self.shape), dtype=np.float32),
            np.ascontiguousarray(np.broadcast_to(row, self.shape), dtype=np.float32),
        )

    def from_index(self, column: F32, row: F32) -> tuple[F32, F32]:
        """Return the position (lateral, axial) in mm of fractional columns and rows."""
        along = self.first_mm + self.axial_mm * row
        if self.sector is None:
            return column * self.pitch_mm[0], along
        first, last = np.radians(self.sector.angle_deg)
        tilt = first + (last - first) * column / (self.shape[1] - 1)
        return self.sector.apex_mm[0] + along * np.sin(tilt), self.sector.apex_mm[1] + along * np.cos(tilt)


def picture_geometry(scene: PhantomScene) -> ImageGeometry:
    """Spacing and, for a curvilinear probe, the fan of the rendered picture."""
    sector = _fan(scene) if scene.probe == "curvilinear" else None
    return ImageGeometry(scene.spacing_mm[0], scene.spacing_mm[1], sector=sector)


def beam_grid(scene: PhantomScene) -> Grid:
    """Build the grid of a scene, fine enough that the envelope is not undersampled."""
    sector = picture_geometry(scene).sector
    return _linear(scene) if sector is None else _curvilinear(scene, sector)


def deepest_mm(scene: PhantomScene) -> float:
    """Axial position of the deepest sample of `beam_grid`."""
    height = scene.size_mm[0]
    return height + (0.0 if scene.probe == "curvilinear" else 0.5 * (scene.spacing_mm[0] - _fine_mm(scene)))


def tissue_grid(scene: PhantomScene, grid: Grid) -> tuple[Grid, tuple[int, int]]:
    """Build the grid of all the tissue that comes into view, and (rows, columns) before the first sample of `grid`.

    Its samples lie at the same steps. It is the grid of the beams itself where nothing slides.
    """
    left, right = (-scene.hand.slide_range_mm[0], scene.hand.slide_range_mm[1]) if scene.hand else (0.0, 0.0)
    lung = PLEURA_SLIDE * scene.breathing_mm if "pleura" in scene.structures else 0.0
    if left == right == lung == 0:
        return grid, (0, 0)
    # The tissue's own movement needs a little beyond that.
    before, after = left + lung + 1.0, right + lung + 1.0
    (samples, beams), (dz, dx) = grid.shape, grid.spacing_mm
    if grid.sector is None:
        n, m = math.ceil(before / dx), math.ceil(after / dx)
        return Grid((samples, beams + n + m), grid.spacing_mm, grid.first_mm, left_mm=-n * dx), (0, n)
    first, last = grid.sector.angle_deg
    step, near = (last - first) / (beams - 1), grid.sector.radius_mm[0]
    n, m = (math.ceil(math.degrees(way / max(near - way, 0.2 * near)) / step) for way in (before, after))
    # A fan that is moved sideways looks above and below its first rows, too.
    more = math.ceil(max(before, after) * math.sin(math.radians(max(-first, last))) / dz)
    wider = replace(grid.sector, angle_deg=(first - n * step, last + m * step))
    return Grid((samples + 2 * more, beams + n + m), grid.spacing_mm, grid.first_mm - more * dz, wider), (more, n)


def _fine_mm(scene: PhantomScene) -> float:
    """Step of samples along parallel beams, a whole part of a row."""
    return scene.spacing_mm[0] / max(1, math.ceil(scene.spacing_mm[0] / 0.07))


def _linear(scene: PhantomScene) -> Grid:
    (h, w), (dz, dx) = scene.shape, scene.spacing_mm
    fine = _fine_mm(scene)
    factor = round(dz / fine)
    # The mean of a row's samples has to lie at the centre of the row.
    return Grid((h * factor, w), (fine, dx), -0.5 * (factor - 1) * fine)


def _fan(scene: PhantomScene) -> SectorGeometry:
    """Give the widest fan that the picture holds: its upper corners touch the top, its deepest sample the bottom."""
    height, width = scene.size_mm
    for half in np.radians(np.linspace(scene.fan_deg / 2, 5, 400)):
        top = scene.probe_radius_mm * math.cos(half)
        if (height + top) * math.sin(half) <= width / 2 and height + top > scene.probe_radius_mm + 1:
            angle = math.degrees(half)
            return SectorGeometry((width / 2, -top), (scene.probe_radius_mm, height + top), (-angle, angle))
    raise InputError(f"shape: expected a picture that holds a fan of 10 degrees or more, got {scene.shape}")


def _curvilinear(scene: PhantomScene, sector: SectorGeometry) -> Grid:
    near, far = sector.radius_mm
    first, last = np.radians(sector.angle_deg)
    samples = 1 + math.ceil((far - near) / min(0.1, scene.spacing_mm[0]))
    beams = 1 + math.ceil(far * (last - first) / scene.spacing_mm[1])
    spacing = ((far - near) / (samples - 1), far * float(last - first) / (beams - 1))
    return Grid((samples, beams), spacing, near, sector)
