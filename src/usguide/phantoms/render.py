"""From a scene to frames and their truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from usguide.geometry import ImageGeometry, scan_convert
from usguide.intensity import log_compress
from usguide.phantoms.anatomy import Anatomy, Background, anatomy_scene
from usguide.phantoms.backdrop import Backdrop, RenderedTissue
from usguide.phantoms.fluid import Fluid, FluidEcho, Injection, fluid_at, injections_of, volume_mm3
from usguide.phantoms.fluid_shapes import F64
from usguide.phantoms.grid import F32, beam_grid, picture_geometry
from usguide.phantoms.hand import cut, probe_at
from usguide.phantoms.layouts import placed
from usguide.phantoms.motion import origins
from usguide.phantoms.needle import needle_echo
from usguide.phantoms.needle_truth import NeedleInPicture, needle_in_picture
from usguide.phantoms.outlines import TARGET, TARGET_OUTLINE, follow, outlines_at_rest, tissue_shift_mm
from usguide.phantoms.pose import NeedlePose
from usguide.phantoms.scanner import deliver
from usguide.phantoms.scene import NeedleScene, PhantomScene, ScannerScene
from usguide.phantoms.shaft import shaft_profile
from usguide.phantoms.speckle import spread_of
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
    region : (int, int, int, int), optional
        (x, y, width, height) of the picture within a screen.
    background, split : str
        Name and split of the real anatomy it is rendered onto; empty without.
    """

    frames: NDArray[np.uint8]
    geometry: ImageGeometry
    timestamps_s: NDArray[np.float64]
    truth: PhantomTruth
    region: tuple[int, int, int, int] | None = None
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
    scene = placed(scene, seed)
    anatomy = Anatomy(background, scene, seed) if background is not None else None
    dynamic_range_db = anatomy.dynamic_range_db if anatomy else DYNAMIC_RANGE_DB
    geometry = picture_geometry(scene)
    times = np.arange(scene.frame_count) / scene.frame_rate_hz
    scanner = scene.scanner or ScannerScene()
    frames, needles, masks, seen, outlines = [], [], [], [], []
    for envelope, moment in envelopes(scene, seed, times, anatomy):
        gain_db = scanner.gain_db(moment.time_s)
        picture = anatomy.picture(envelope, gain_db) if anatomy else display(envelope, scene, geometry, gain_db)
        needle = needle_in_picture(moment.needle, geometry, scene.size_mm)
        frames.append(picture)
        needles.append(needle)
        masks.append(_mask(scene, geometry, moment.fluid))
        outlines.append(moment.outlines_mm)
        seen.append(needle_visibility_db(picture, geometry, needle.shaft_mm, dynamic_range_db=dynamic_range_db))
    mask = np.stack(masks)
    area = mask.sum(axis=(1, 2)) * float(np.prod(scene.spacing_mm))
    needle_rows: dict[str, Any] = {
        f.name: np.array([getattr(n, f.name) for n in needles], dtype=np.float64) for f in fields(NeedleInPicture)
    }
    carried = {name: np.stack([o[name] for o in outlines]) for name in outlines[0]}
    truth = PhantomTruth(
        **needle_rows,
        visibility_db=np.array(seen),
        target_mm=carried.pop(TARGET)[:, 0],
        injectate_area_mm2=area,
        injectate_volume_mm3=np.array([sum(volume_mm3(i, float(t)) for i in scene.injections) for t in times], float),
        injectate_mask=mask,
        target_outline_mm=carried.pop(TARGET_OUTLINE, None),
        keep_out_mm=carried,
    )
    stack = np.stack(frames)
    if scene.entry_side == "right":
        stack, truth = np.ascontiguousarray(stack[:, :, ::-1]), truth.mirrored(scene.size_mm[1])
    of = (background.name, background.split) if background else ()
    return Phantom(*deliver(scanner, stack, geometry, times, truth), *of)


@dataclass(frozen=True, slots=True)
class Moment:
    """What a scene holds at one time, in the picture's mm."""

    time_s: float
    needle: NeedlePose | None
    fluid: Fluid | None
    outlines_mm: dict[str, F64] = field(default_factory=dict)


def moment_of(scene: PhantomScene, time_s: float, injections: tuple[Injection, ...] = ()) -> Moment:
    """Return what a scene holds at one time, where the picture shows it."""
    lateral, elevational = probe_at(scene, time_s)
    pose = scene.needle.pose(time_s).moved(lateral, elevational) if scene.needle is not None else None
    fluid = fluid_at(injections, time_s, partial(tissue_shift_mm, scene))
    fluid = None if fluid is None else fluid.shifted((-lateral, 0.0))
    return Moment(time_s, pose if pose is not None and pose.length_mm > 0 else None, fluid)


def envelopes(
    scene: PhantomScene, seed: int, times: NDArray[np.float64], anatomy: Anatomy | None = None
) -> Iterator[tuple[F32, Moment]]:
    """Give the envelope on the grid of beams, and what the scene holds, at each time."""
    scene = placed(scene, seed)
    rng = np.random.default_rng(seed)
    grid = anatomy.grid if anatomy else beam_grid(scene)
    psf = spread_of(grid.sector)
    backdrop: Backdrop = anatomy or RenderedTissue(rng, grid, psf, scene)
    injections = injections_of(scene, seed, backdrop.outlines_mm)
    fluid_echo = FluidEcho(grid, psf, injections, backdrop.haze)
    shaft = scene.needle or NeedleScene(gap_share=0.0)
    profiles = shaft_profile(rng, shaft.gap_share, scene.looks, shaft.unevenness)
    for t in times:
        moment = moment_of(scene, float(t), injections)
        backdrop.step(moment.time_s)
        gain = backdrop.gain()
        still = gain
        if moment.fluid is not None:
            still = fluid_echo.step(moment.fluid, moment.time_s) * gain
        rows, echo = slice(0, 0), [np.zeros((0, grid.shape[1]), np.complex64)] * scene.looks
        if scene.needle is not None and moment.needle is not None:
            rows, echo, passes = needle_echo(grid, psf, scene.needle, moment.needle, profiles, backdrop.haze)
            still = still.copy()
            still[rows] *= passes
        power = np.zeros(grid.shape, np.float32)
        moving = origins(scene, grid, moment.time_s, moment.needle, moment.fluid)
        for n, tissue in enumerate(backdrop.echoes(moving)):
            if n == 0:
                fluid_echo.learn(tissue)
            total = tissue * still
            total[rows] += echo[n] * gain[rows]
            if moment.fluid is not None:
                fluid_echo.add(total, gain, n)
            total += backdrop.noise(n)
            power += total.real**2 + total.imag**2
        rest = outlines_at_rest(cut(scene, moment.time_s), backdrop.outlines_mm)
        outlines = {name: follow(points, grid, moving, moment.fluid) for name, points in rest.items()}
        yield np.sqrt(power / scene.looks), replace(moment, outlines_mm=outlines)


def _mask(scene: PhantomScene, geometry: ImageGeometry, fluid: Fluid | None) -> NDArray[np.bool_]:
    h, w = scene.shape
    if fluid is None:
        return np.zeros((h, w), dtype=bool)
    x = (np.arange(w) * scene.spacing_mm[1])[None, :].astype(np.float32)
    z = (np.arange(h) * scene.spacing_mm[0])[:, None].astype(np.float32)
    mask = np.broadcast_to(fluid.contains(x, z), (h, w))
    if geometry.sector is None:
        return np.ascontiguousarray(mask)
    return mask & geometry.sector.contains(np.stack(np.broadcast_arrays(x, z), axis=-1))


def display(envelope: F32, scene: PhantomScene, geometry: ImageGeometry, gain_db: float = 0.0) -> NDArray[np.uint8]:
    """Draw an envelope on the grid of beams as the picture of a scene."""
    if geometry.sector is not None:
        envelope = scan_convert(envelope, geometry.sector, geometry, scene.shape)
    elif envelope.shape[0] > scene.shape[0]:
        # The mean of neighbouring samples, as a scanner's display does.
        envelope = envelope.reshape(scene.shape[0], -1, scene.shape[1]).mean(axis=1)
    white = WHITE_AMPLITUDE / 10 ** (gain_db / 20)
    grey = log_compress(envelope, dynamic_range_db=DYNAMIC_RANGE_DB, reference=white)
    step = 255 / (GREY_LEVELS - 1)
    return np.asarray(np.rint(np.rint(grey / step) * step), dtype=np.uint8)
