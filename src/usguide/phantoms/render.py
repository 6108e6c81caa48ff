"""From a scene to frames and their truth."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from usguide.geometry import ImageGeometry
from usguide.intensity import log_compress
from usguide.phantoms.needle import needle_echo, shaft_profile
from usguide.phantoms.scene import InjectateScene, NeedleScene, PhantomScene
from usguide.phantoms.tissue import (
    C64,
    F32,
    Grid,
    PointSpread,
    amplitude_map,
    bone_depth_mm,
    nerve_mm,
    speckle,
    specular_lines,
)
from usguide.phantoms.truth import PhantomTruth

DYNAMIC_RANGE_DB = 60.0
WHITE_AMPLITUDE = 42.0
"""Amplitude, in units of the tissue's, that is shown white."""
GREY_LEVELS = 64
"""Scanners show few levels; it also keeps the files small."""


@dataclass(frozen=True, slots=True, eq=False)
class Phantom:
    """Rendered frames with their truth.

    Parameters
    ----------
    frames : ndarray of uint8, shape (N, H, W)
    geometry : ImageGeometry
    timestamps_s : ndarray, shape (N,)
    truth : PhantomTruth
    """

    frames: NDArray[np.uint8]
    geometry: ImageGeometry
    timestamps_s: NDArray[np.float64]
    truth: PhantomTruth


def render_phantom(scene: PhantomScene | None = None, *, seed: int = 0) -> Phantom:
    """Render a recording. The same scene and seed give the same frames.

    Parameters
    ----------
    scene : PhantomScene, optional
    seed : int

    Returns
    -------
    Phantom

    Notes
    -----
    Complex Gaussian scatterers, weighted by a map of tissue, are convolved with a point-spread function whose lateral
    width grows away from the focus; smooth reflectors are added in phase. The field moves with the tissue and part of
    it decorrelates; the needle's echo, which does not move with it, and the electronic noise are added before the
    envelope is taken and log-compressed. Attenuation is taken as compensated by TGC, which leaves noise that grows
    with depth. Simplified: no refraction, no elevational thickness, straight needle, linear probe.
    """
    scene = scene or PhantomScene()
    rng = np.random.default_rng(seed)
    grid, psf = _fine_grid(scene), PointSpread()
    amplitude, flat = amplitude_map(rng, grid), np.ones(grid.shape, np.float32)
    reflectors = specular_lines(rng, grid, scene.fascia_brightness)
    looks = [speckle(rng, grid, amplitude, psf) + reflectors for _ in range(int(scene.looks))]
    changing = [speckle(rng, grid, flat, psf) for _ in looks]
    profile = shaft_profile(rng, scene.needle.gap_share) if scene.needle else np.ones(1)
    depth = grid.axes_mm()[1]
    gain = (10 ** (-scene.attenuation_db_per_mm * depth / 20)).astype(np.float32)
    gain = gain * np.where(depth > bone_depth_mm(grid) + 0.4, np.float32(0.08), np.float32(1))
    keep = math.exp(-1.0 / scene.frame_rate_hz)
    frames, rows = [], []
    for k in range(scene.frame_count):
        t = k / scene.frame_rate_hz
        row, still, moving, echo = _instant(scene, grid, psf, profile, t)
        power = np.zeros(grid.shape, np.float32)
        for n, look in enumerate(looks):
            fresh = speckle(rng, grid, flat, psf)
            changing[n] = np.complex64(keep) * changing[n] + np.complex64(math.sqrt(1 - keep**2)) * fresh
            share = np.float32(scene.decorrelation)
            field = _carried(np.sqrt(1 - share) * look + np.sqrt(share) * amplitude * changing[n], moving)
            # The electronic noise is as fast as the decorrelation's new part, and independent of where tissue is.
            field = field * still * gain + echo * gain + np.float32(0.02) * fresh[::-1]
            power += field.real**2 + field.imag**2
        rows.append(row)
        frames.append(_display(np.sqrt(power / len(looks)), scene))
    geometry = ImageGeometry(*scene.spacing_mm)
    truth = _truth(rows, np.array(nerve_mm(grid)))
    stack = np.stack(frames)
    if scene.entry_side == "right":
        stack, truth = np.ascontiguousarray(stack[:, :, ::-1]), _mirrored(truth, scene)
    return Phantom(stack, geometry, np.arange(scene.frame_count) / scene.frame_rate_hz, truth)


def _fine_grid(scene: PhantomScene) -> Grid:
    """Twice the picture's axial samples where its pixels are coarse, so that the envelope is not undersampled."""
    factor = max(1, math.ceil(scene.spacing_mm[0] / 0.07))
    return Grid((scene.shape[0] * factor, scene.shape[1]), (scene.spacing_mm[0] / factor, scene.spacing_mm[1]))


def _instant(
    scene: PhantomScene, grid: Grid, psf: PointSpread, profile: NDArray[np.float64], time_s: float
) -> tuple[list[float], F32, tuple[F32, F32], F32]:
    """Compute what holds for every look of one frame.

    Returns
    -------
    row : list of float
        Truth: tip, entry, visible length, angle, area of fluid.
    still : ndarray
        What needle shadow and fluid leave of the tissue's echo, 0..1.
    moving : (ndarray, ndarray)
        Where each sample's tissue comes from: (column, row) on the grid.
    echo : ndarray
        The needle's own echo.
    """
    needle, fluid = scene.needle, scene.injectate
    length = needle.length_mm(time_s) if needle else 0.0
    tip = _tip(needle, length) if needle else (math.nan, math.nan)
    area = max(0.0, (time_s - fluid.onset_s) * fluid.area_rate_mm2_s) if fluid and needle else 0.0
    moving = _origins(scene, grid, time_s, tip, area)
    still, echo = np.ones(grid.shape, np.float32), np.zeros(grid.shape, np.float32)
    if fluid and area > 0:
        still -= np.float32(1 - fluid.echo) * _lens(grid, fluid, tip, area)[2]
    if needle is None or length <= 0:
        return [math.nan] * 4 + [0.0, math.nan, 0.0], still, moving, echo
    echo, passes = needle_echo(grid, psf, needle, profile, length)
    return [*tip, *needle.entry_mm, length, needle.angle_deg, area], still * passes, moving, echo


def _tip(needle: NeedleScene, length_mm: float) -> tuple[float, float]:
    a = math.radians(needle.angle_deg)
    return needle.entry_mm[0] + length_mm * math.cos(a), needle.entry_mm[1] + length_mm * math.sin(a)


def _lens(grid: Grid, fluid: InjectateScene, tip: tuple[float, float], area: float) -> tuple[F32, F32, F32]:
    """Half thickness of the lens along the plane, distance from the plane, and the soft mask of the fluid."""
    x, z = grid.axes_mm()
    a = math.radians(fluid.plane_deg)
    half_thickness = math.sqrt(area / (math.pi * fluid.aspect))
    half_length = fluid.aspect * half_thickness
    cx, cz = tip[0] + 0.35 * half_length, tip[1] + 0.3
    u, v = (x - cx) * math.cos(a) + (z - cz) * math.sin(a), -(x - cx) * math.sin(a) + (z - cz) * math.cos(a)
    opening = half_thickness * np.sqrt(np.clip(1 - (u / half_length) ** 2, 0, None))
    mask = 1 / (1 + np.exp(np.clip((np.abs(v) - opening) / 0.08, -40, 40))) * (np.abs(u) < half_length)
    return opening.astype(np.float32), np.asarray(v, dtype=np.float32), mask.astype(np.float32)


def _origins(scene: PhantomScene, grid: Grid, time_s: float, tip: tuple[float, float], area: float) -> tuple[F32, F32]:
    """Where each sample's tissue comes from: slow motion, and fluid that parts it (what was there is pushed away)."""
    x, z = grid.axes_mm()
    depth = z / float(z[-1, 0])
    dx = scene.motion_mm * math.sin(2 * math.pi * time_s / 3.7) * (0.5 + 0.5 * depth) + 0 * x
    dz = 0.6 * scene.motion_mm * math.sin(2 * math.pi * time_s / 2.9 + 1) * depth + 0 * x
    if scene.injectate and area > 0:
        opening, v, _ = _lens(grid, scene.injectate, tip, area)
        beyond = np.abs(v) - opening
        dz = dz + np.where(beyond > 0, np.sign(v) * opening * np.exp(-np.maximum(beyond, 0) / 5.0), 0)
    column = np.broadcast_to((x - dx) / grid.spacing_mm[1], grid.shape).astype(np.float32)
    row = np.broadcast_to((z - dz) / grid.spacing_mm[0], grid.shape).astype(np.float32)
    return column, row


def _carried(field: C64, origins: tuple[F32, F32]) -> C64:
    parts = [
        cv2.remap(np.ascontiguousarray(p), *origins, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
        for p in (field.real, field.imag)
    ]
    return np.asarray(parts[0] + 1j * parts[1], dtype=np.complex64)


def _display(envelope: F32, scene: PhantomScene) -> NDArray[np.uint8]:
    factor = envelope.shape[0] // scene.shape[0]
    if factor > 1:
        # The mean of neighbouring samples, as a scanner's display does.
        envelope = envelope.reshape(scene.shape[0], factor, scene.shape[1]).mean(axis=1)
    grey = log_compress(envelope, dynamic_range_db=DYNAMIC_RANGE_DB, reference=WHITE_AMPLITUDE)
    step = 255 / (GREY_LEVELS - 1)
    return np.asarray(np.rint(grey / step) * step, dtype=np.uint8)


def _truth(rows: list[list[float]], target: NDArray[np.float64]) -> PhantomTruth:
    table = np.array(rows, dtype=np.float64)
    return PhantomTruth(table[:, 0:2], table[:, 2:4], table[:, 4], table[:, 5], table[:, 6], target)


def _mirrored(truth: PhantomTruth, scene: PhantomScene) -> PhantomTruth:
    last_mm = (scene.shape[1] - 1) * scene.spacing_mm[1]

    def flip(points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.stack([last_mm - points[..., 0], points[..., 1]], axis=-1)

    return PhantomTruth(
        flip(truth.tip_mm),
        flip(truth.entry_mm),
        truth.visible_mm,
        truth.angle_deg,
        truth.injectate_area_mm2,
        flip(truth.target_mm),
    )
