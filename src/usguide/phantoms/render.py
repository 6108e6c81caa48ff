"""From a scene to frames and their truth."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from usguide.geometry import ImageGeometry, Point, scan_convert
from usguide.intensity import log_compress
from usguide.phantoms.grid import C64, F32, Grid, beam_grid, picture_geometry
from usguide.phantoms.motion import Lens, carried, fluid_gain, lens_at, origins
from usguide.phantoms.needle import NeedlePose, needle_echo, shaft_profile
from usguide.phantoms.scene import PhantomScene
from usguide.phantoms.speckle import CURVILINEAR_SPREAD, LINEAR_SPREAD, PointSpread, convolve, noise_at, speckle
from usguide.phantoms.tissue import Tissue, build_tissue
from usguide.phantoms.truth import PhantomTruth

DYNAMIC_RANGE_DB = 60.0
WHITE_AMPLITUDE = 42.0
"""Amplitude, in units of the tissue's, that is shown white."""
GREY_LEVELS = 64
"""Scanners show few levels; it also keeps the files small."""
NOISE_AMPLITUDE = 0.02
"""Electronic noise at the probe's face; TGC raises it with depth."""
NOISE_DB_PER_MM = 0.30
_CHANGING = 3


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
    width grows away from the focus; smooth reflectors are convolved with it and added in phase. The field moves with
    the tissue and part of it decorrelates; the needle's echo, which does not move with it, and the electronic noise
    are added before the envelope is taken and log-compressed. What is simplified: `data/phantoms/README.md`.
    """
    scene = scene or PhantomScene()
    geometry = picture_geometry(scene)
    times = np.arange(scene.frame_count) / scene.frame_rate_hz
    frames, rows, masks = [], [], []
    for envelope, pose, lens in envelopes(scene, seed, times):
        frames.append(_display(envelope, scene, geometry))
        entry, tip, visible = _in_picture(scene, geometry, pose)
        rows.append([*tip, *entry, visible, pose.angle_deg if pose and visible > 0 else math.nan])
        masks.append(_mask(scene, geometry, lens))
    table, mask = np.array(rows, dtype=np.float64), np.stack(masks)
    area = mask.sum(axis=(1, 2)) * float(np.prod(scene.spacing_mm))
    target = np.array(scene.nerve_mm, dtype=np.float64)
    truth = PhantomTruth(table[:, 0:2], table[:, 2:4], table[:, 4], table[:, 5], area, target, mask)
    stack = np.stack(frames)
    if scene.entry_side == "right":
        stack, truth = np.ascontiguousarray(stack[:, :, ::-1]), truth.mirrored(scene.size_mm[1])
    return Phantom(stack, geometry, times, truth)


def envelopes(
    scene: PhantomScene, seed: int, times: NDArray[np.float64]
) -> Iterator[tuple[F32, NeedlePose | None, Lens | None]]:
    """Give the envelope on the grid of beams, the needle's pose and the fluid at each time."""
    rng = np.random.default_rng(seed)
    grid = beam_grid(scene)
    psf = LINEAR_SPREAD if grid.sector is None else CURVILINEAR_SPREAD
    looks = int(scene.looks)
    tissue = build_tissue(rng, grid, scene)
    fields = [_look(rng, grid, psf, tissue) for _ in range(looks)]
    flat = [speckle(rng, grid, np.ones(grid.shape, np.float32), psf) for _ in range(looks)]
    profiles = shaft_profile(rng, scene.needle.gap_share if scene.needle else 0.0, looks)
    # A share of the field changes: a mixture of fields whose weights wander, at unit power altogether.
    weights = rng.standard_normal((looks, _CHANGING, 2)) @ (1, 1j)
    keep = math.exp(-1.0 / scene.frame_rate_hz)
    noise = NOISE_AMPLITUDE * 10 ** (NOISE_DB_PER_MM * grid.depth_mm / 20)
    anchor = scene.plane_mm[0]
    for t in times:
        pose = _pose(scene, float(t))
        lens = lens_at(scene.injectate, anchor, float(t)) if scene.injectate and scene.needle else None
        moving = origins(scene, grid, float(t), pose, lens)
        still = tissue.gain if lens is None or scene.injectate is None else fluid_gain(grid, scene.injectate, lens)
        still = still if still is tissue.gain else still * tissue.gain
        rows, echo = slice(0, 0), [np.zeros((0, grid.shape[1]), np.complex64)] * looks
        if scene.needle is not None and pose is not None:
            rows, echo, passes = needle_echo(grid, psf, scene.needle, pose, profiles, flat)
            still = still.copy()
            still[rows] *= passes
        power = np.zeros(grid.shape, np.float32)
        weights = keep * weights + math.sqrt(1 - keep**2) * (rng.standard_normal((*weights.shape, 2)) @ (1, 1j))
        for n, (rest, changing) in enumerate(fields):
            unit = weights[n] / np.sqrt((np.abs(weights[n]) ** 2).sum())
            field = np.complex64(math.sqrt(1 - scene.decorrelation)) * rest[0] + rest[1]
            for w, c in zip(unit, changing, strict=True):
                field += np.complex64(w * math.sqrt(scene.decorrelation)) * c
            field = carried(field, moving) * still
            field[rows] += echo[n] * tissue.gain[rows]
            # Electronic noise is new in every frame: the same field, taken from another place.
            shift = rng.integers(0, grid.shape)
            field += noise * np.roll(flat[n], (int(shift[0]), int(shift[1])), axis=(0, 1))
            power += field.real**2 + field.imag**2
        yield np.sqrt(power / looks), pose, lens


def _look(rng: np.random.Generator, grid: Grid, psf: PointSpread, tissue: Tissue) -> tuple[tuple[C64, C64], list[C64]]:
    """Compute one direction's view of the tissue: scatterers and reflectors at rest, and fields for what changes."""
    scatter = speckle(rng, grid, tissue.amplitude, psf)
    if tissue.reflector.any():
        # Sheets are rough: their phase wanders along them, differently from each direction.
        phase = 1.1 * noise_at(rng, grid.x_mm, grid.z_mm, (0.7, 0.3))
        mirror = convolve(tissue.reflector * np.exp(1j * phase).astype(np.complex64), grid, psf)
    else:
        mirror = np.zeros(grid.shape, np.complex64)
    return (scatter, mirror), [speckle(rng, grid, tissue.amplitude, psf) for _ in range(_CHANGING)]


def _pose(scene: PhantomScene, time_s: float) -> NeedlePose | None:
    needle = scene.needle
    if needle is None or needle.length_mm(time_s) <= 0:
        return None
    return NeedlePose(needle.entry_mm, needle.angle_at(time_s), needle.length_mm(time_s))


def _in_picture(scene: PhantomScene, geometry: ImageGeometry, pose: NeedlePose | None) -> tuple[Point, Point, float]:
    """Where the shaft enters the picture, its tip, and how much of it the picture holds."""
    nowhere = ((math.nan, math.nan), (math.nan, math.nan), 0.0)
    if pose is None:
        return nowhere
    a = math.radians(pose.angle_deg)
    direction = np.array((math.cos(a), math.sin(a)))
    height, width = scene.size_mm

    def inside(length_mm: NDArray[np.float64]) -> NDArray[np.bool_]:
        points = np.asarray(pose.start_mm) + length_mm[:, None] * direction
        held: NDArray[np.bool_] = (points >= -1e-9).all(axis=1) & (points[:, 0] <= width) & (points[:, 1] <= height)
        return held if geometry.sector is None else held & geometry.sector.contains(points)

    # Fine steps rather than equations: the same for a rectangle and a fan, to within 2 micrometres.
    lengths = np.append(np.arange(0.0, pose.length_mm, 0.002), pose.length_mm)
    held = np.nonzero(inside(lengths))[0]
    if held.size == 0:
        return nowhere
    entry = np.asarray(pose.start_mm) + lengths[held[0]] * direction
    tip = np.asarray(pose.start_mm) + pose.length_mm * direction
    visible = float(lengths[held[-1]] - lengths[held[0]])
    return (float(entry[0]), float(entry[1])), (float(tip[0]), float(tip[1])), visible


def _mask(scene: PhantomScene, geometry: ImageGeometry, lens: Lens | None) -> NDArray[np.bool_]:
    h, w = scene.shape
    if lens is None:
        return np.zeros((h, w), dtype=bool)
    x = (np.arange(w) * scene.spacing_mm[1])[None, :].astype(np.float32)
    z = (np.arange(h) * scene.spacing_mm[0])[:, None].astype(np.float32)
    mask = np.broadcast_to(lens.contains(x, z), (h, w))
    if geometry.sector is None:
        return np.ascontiguousarray(mask)
    return mask & geometry.sector.contains(np.stack(np.broadcast_arrays(x, z), axis=-1))


def _display(envelope: F32, scene: PhantomScene, geometry: ImageGeometry) -> NDArray[np.uint8]:
    if geometry.sector is not None:
        envelope = scan_convert(envelope, geometry.sector, geometry, scene.shape)
    elif envelope.shape[0] > scene.shape[0]:
        # The mean of neighbouring samples, as a scanner's display does.
        envelope = envelope.reshape(scene.shape[0], -1, scene.shape[1]).mean(axis=1)
    grey = log_compress(envelope, dynamic_range_db=DYNAMIC_RANGE_DB, reference=WHITE_AMPLITUDE)
    step = 255 / (GREY_LEVELS - 1)
    return np.asarray(np.rint(np.rint(grey / step) * step), dtype=np.uint8)
