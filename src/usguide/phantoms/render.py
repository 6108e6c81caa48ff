"""From a scene to frames and their truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from usguide.geometry import ImageGeometry, scan_convert
from usguide.intensity import log_compress
from usguide.phantoms.anatomy import Anatomy, Background, anatomy_scene
from usguide.phantoms.backdrop import Backdrop, RenderedTissue
from usguide.phantoms.fluid import Lens, fluid_at, fluid_gain
from usguide.phantoms.grid import F32, beam_grid, picture_geometry
from usguide.phantoms.motion import origins
from usguide.phantoms.needle import needle_echo, shaft_profile
from usguide.phantoms.needle_truth import NeedleInPicture, needle_in_picture
from usguide.phantoms.pose import NeedlePose
from usguide.phantoms.scene import PhantomScene
from usguide.phantoms.speckle import CURVILINEAR_SPREAD, LINEAR_SPREAD
from usguide.phantoms.truth import PhantomTruth
from usguide.phantoms.visibility import needle_visibility_db

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
    background, split : str
        Name and split of the real anatomy it is rendered onto; empty without.
    """

    frames: NDArray[np.uint8]
    geometry: ImageGeometry
    timestamps_s: NDArray[np.float64]
    truth: PhantomTruth
    background: str = ""
    split: str = ""


def render_phantom(
    scene: PhantomScene | None = None, *, seed: int = 0, background: Background | None = None
) -> Phantom:
    """Render a recording. The same scene and seed give the same frames.

    Parameters
    ----------
    scene : PhantomScene, optional
        Onto a background: from `anatomy_scene`.
    seed : int
    background : Background, optional
        Real anatomy to render onto, in place of rendered tissue.

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
    if scene is None:
        scene = PhantomScene() if background is None else anatomy_scene(background)
    anatomy = Anatomy(background, scene, seed) if background is not None else None
    dynamic_range_db = anatomy.dynamic_range_db if anatomy else DYNAMIC_RANGE_DB
    target_mm = (anatomy.target_mm if anatomy else None) or scene.nerve_mm
    geometry = picture_geometry(scene)
    times = np.arange(scene.frame_count) / scene.frame_rate_hz
    frames, needles, masks, seen = [], [], [], []
    for envelope, moment in envelopes(scene, seed, times, anatomy):
        picture = anatomy.picture(envelope) if anatomy else _display(envelope, scene, geometry)
        needle = needle_in_picture(moment.needle, geometry, scene.size_mm)
        frames.append(picture)
        needles.append(needle)
        masks.append(_mask(scene, geometry, moment.fluid))
        seen.append(needle_visibility_db(picture, geometry, needle.shaft_mm, dynamic_range_db=dynamic_range_db))
    mask = np.stack(masks)
    area = mask.sum(axis=(1, 2)) * float(np.prod(scene.spacing_mm))
    needle_rows: dict[str, Any] = {
        f.name: np.array([getattr(n, f.name) for n in needles], dtype=np.float64) for f in fields(NeedleInPicture)
    }
    truth = PhantomTruth(
        **needle_rows,
        visibility_db=np.array(seen),
        target_mm=np.tile(np.array(target_mm, dtype=float), (len(frames), 1)),
        injectate_area_mm2=area,
        injectate_volume_mm3=np.full(len(frames), np.nan),
        injectate_mask=mask,
    )
    stack = np.stack(frames)
    if scene.entry_side == "right":
        stack, truth = np.ascontiguousarray(stack[:, :, ::-1]), truth.mirrored(scene.size_mm[1])
    of = (background.name, background.split) if background else ()
    return Phantom(stack, geometry, times, truth, *of)


@dataclass(frozen=True, slots=True)
class Moment:
    """What a scene holds at one time, in the picture's mm."""

    time_s: float
    needle: NeedlePose | None
    fluid: Lens | None


def moment_of(scene: PhantomScene, time_s: float) -> Moment:
    """Return what a scene holds at one time."""
    pose = scene.needle.pose(time_s) if scene.needle is not None else None
    fluid = fluid_at(scene.injectate, scene.plane_mm[0], time_s) if scene.injectate and scene.needle else None
    return Moment(time_s, pose if pose is not None and pose.length_mm > 0 else None, fluid)


def envelopes(
    scene: PhantomScene, seed: int, times: NDArray[np.float64], anatomy: Anatomy | None = None
) -> Iterator[tuple[F32, Moment]]:
    """Give the envelope on the grid of beams, and what the scene holds, at each time."""
    rng = np.random.default_rng(seed)
    grid = anatomy.grid if anatomy else beam_grid(scene)
    psf = LINEAR_SPREAD if grid.sector is None else CURVILINEAR_SPREAD
    backdrop: Backdrop = anatomy or RenderedTissue(rng, grid, psf, scene)
    profiles = shaft_profile(rng, scene.needle.gap_share if scene.needle else 0.0, scene.looks)
    for t in times:
        moment = moment_of(scene, float(t))
        backdrop.step(moment.time_s)
        gain = backdrop.gain()
        still = gain
        if moment.fluid is not None and scene.injectate is not None:
            still = fluid_gain(grid, scene.injectate, moment.fluid) * gain
        rows, echo = slice(0, 0), [np.zeros((0, grid.shape[1]), np.complex64)] * scene.looks
        if scene.needle is not None and moment.needle is not None:
            rows, echo, passes = needle_echo(grid, psf, scene.needle, moment.needle, profiles, backdrop.haze)
            still = still.copy()
            still[rows] *= passes
        power = np.zeros(grid.shape, np.float32)
        moving = origins(scene, grid, moment.time_s, moment.needle, moment.fluid)
        for n, tissue in enumerate(backdrop.echoes(moving)):
            field = tissue * still
            field[rows] += echo[n] * gain[rows]
            field += backdrop.noise(n)
            power += field.real**2 + field.imag**2
        yield np.sqrt(power / scene.looks), moment


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
