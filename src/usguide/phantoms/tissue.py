"""Tissue: how strongly each place scatters, and the smooth reflectors in it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from usguide.phantoms.grid import C64, F32, Grid
from usguide.phantoms.layout import Sheet
from usguide.phantoms.layouts import layout_of
from usguide.phantoms.scene import PhantomScene
from usguide.phantoms.speckle import Draws, PointSpread, convolve, noise_along, noise_at, speckle
from usguide.phantoms.structures import (
    add_bone,
    add_nerve,
    add_pleura,
    add_vessel,
    bone_depth_mm,
    bone_surface_mm,
    pleura_depth_mm,
    surface_mm,
    vessel_mm,
)

__all__ = ["Grid", "PointSpread", "Tissue", "build_tissue", "convolve", "mirror_echo", "speckle"]


JOIN_MM = 3.0
"""Sheets keep apart this far beyond their ends, which are blurred."""


@dataclass(frozen=True, slots=True, eq=False)
class Tissue:
    """What a grid's beams meet at rest.

    Parameters
    ----------
    amplitude : ndarray
        Mean amplitude of the scatterers.
    reflector : ndarray
        Amplitude of smooth reflectors (coherent), before convolution.
    gain : ndarray
        What shadows leave, and blood adds; it moves with what casts them.
    contact : ndarray
        What attenuation and uneven contact leave, on the probe's beams; it stays with the probe.
    outlines_mm : dict of str to ndarray, shape (P, 2)
        Nerve and vessel (closed), bone and pleura (their surface), as far as there are any.
    """

    amplitude: F32
    reflector: F32
    gain: F32
    contact: F32
    outlines_mm: dict[str, NDArray[np.float64]] = field(default_factory=dict)


def build_tissue(rng: Draws, grid: Grid, scene: PhantomScene, probe: Grid | None = None) -> Tissue:
    """Draw the tissue of a scene; without structures it is homogeneous.

    Parameters
    ----------
    rng
    grid : Grid
        Of all the tissue that is ever in view.
    scene : PhantomScene
    probe : Grid, optional
        Of the probe's beams, where that is another one: the probe is moved, and what belongs to it stays behind.
    """
    has = set(scene.structures)
    outlines: dict[str, NDArray[np.float64]] = {}
    x, z = grid.x_mm, grid.z_mm
    beams_of = probe or grid
    amplitude = np.ones(grid.shape, np.float32)
    reflector = np.zeros(grid.shape, np.float32)
    gain = np.ones(grid.shape, np.float32)
    layout = layout_of(scene)
    loss = 10 ** (-(scene.attenuation_db_per_mm + layout.loss_db_per_mm) * beams_of.depth_mm / 20)
    contact = np.broadcast_to(loss, beams_of.shape).astype(np.float32)
    if has:
        amplitude *= np.exp(0.25 * noise_at(rng, x, z, (4.0, 2.0)) + 0.2 * noise_at(rng, x, z, (1.2, 0.5)))
        _add_patches(rng, grid, layout.patches, amplitude)
    if "fascia" in has:
        _add_fascia(rng, grid, scene, amplitude, reflector)
    if "striation" in has:
        _add_striation(rng, grid, scene, amplitude, reflector)
    if "skin" in has and probe is None:
        add_skin(rng, grid, amplitude, reflector)
    if "vessel" in has:
        outlines["vessel"] = add_vessel(rng, grid, scene, amplitude, reflector)
        # Blood attenuates little: what lies below a vessel is brighter.
        vx, vz, vr = vessel_mm(scene)
        gain *= 1 + 0.45 * np.exp(-(((x - vx) / (0.75 * vr)) ** 4)) * (z > vz)
    if "nerve" in has:
        outlines["nerve"] = add_nerve(rng, grid, scene, amplitude, reflector)
    if "shading" in has:
        # Uneven contact and what lies near the skin darken whole beams, the more the deeper.
        beams = np.arange(beams_of.shape[1], dtype=np.float32)[None, :] * beams_of.pitch_mm[0]
        along = 0.6 * noise_along(rng, beams, 2.5) + 0.4 * noise_along(rng, beams, 0.6)
        contact *= np.exp(
            0.3 * layout.shading * along * np.sqrt(beams_of.depth_mm.clip(0) / float(beams_of.depth_mm.max()))
        )
    if "bone" in has:
        add_bone(rng, grid, scene, amplitude, reflector)
        outlines["bone"] = surface_mm(bone_surface_mm, scene)
        gain *= 1 - 0.96 / (1 + np.exp(-np.clip((z - bone_depth_mm(grid, scene) - 0.7) / 0.15, -40, 40)))
    if "pleura" in has:
        add_pleura(rng, grid, scene, amplitude, reflector)
        outlines["pleura"] = surface_mm(pleura_depth_mm, scene)
    return Tissue(np.maximum(amplitude, np.float32(0.02)), reflector, gain, contact, outlines)


def _add_patches(rng: Draws, grid: Grid, deviation: float, amplitude: F32) -> None:
    """Regions of other tissue, brighter or darker."""
    if deviation > 0:
        amplitude *= np.exp(deviation * noise_at(rng, grid.x_mm, grid.z_mm, (7.0, 4.0)))


def specular_law(slope_deg: F32, width_deg: float = 9.0) -> F32:
    """Share of a sheet's echo that comes back when it slopes against the wave front."""
    return np.asarray(0.3 + 0.7 * np.exp(-((slope_deg / width_deg) ** 2)), dtype=np.float32)


def _sheets(scene: PhantomScene) -> list[Sheet]:
    """All sheets; the last is the plane of the injection, if that is one of fascia."""
    width = scene.size_mm[1]
    layout = layout_of(scene)
    if layout.plane_strength == 0:
        return list(layout.sheets)
    (px, pz), slope = scene.plane_mm
    depth = pz + math.tan(math.radians(slope)) * (0.5 * width - px)
    return [*layout.sheets, Sheet(depth, slope, layout.plane_strength, -0.2 * width, 1.2 * width)]


def _add_fascia(rng: Draws, grid: Grid, scene: PhantomScene, amplitude: F32, reflector: F32) -> None:
    x, z = grid.x_mm, grid.z_mm
    width = scene.size_mm[1]
    sheets, layout = _sheets(scene), layout_of(scene)
    # Position along the picture, sampled finely: curves are drawn in it and looked up at each sample.
    at = np.linspace(float(x.min()), float(x.max()), 1200, dtype=np.float32)
    curves: list[tuple[F32, float, float, float]] = []
    for k, sheet in enumerate(sheets):
        wave = 0.4 * noise_along(rng, at, 6.0) + 0.06 * noise_along(rng, at, 1.1)
        if k == len(layout.sheets):
            # The plane of the injection passes the point where it begins.
            wave -= np.float32(np.interp(scene.plane_mm[0][0], at, wave))
        # What crosses the picture goes on beyond it, however far the probe is moved.
        crosses = sheet.start_mm < 0 and sheet.stop_mm > width
        start, stop = (-math.inf, math.inf) if crosses else (sheet.start_mm, sheet.stop_mm)
        curve = sheet.line_mm(at, 0.5 * width) + wave
        if layout.broken > 0:
            curve = run_into(at, curve, sheet, list(zip(sheets, curves, strict=False)))
        curves.append((curve.astype(np.float32), sheet.strength, start, stop))
    crossing = sorted((c for c, _, a, _ in curves if a == -math.inf), key=lambda c: float(c.mean()))
    layer = np.full(grid.shape, layout.layers[0], np.float32)
    for value, curve in zip(layout.layers[1:], crossing, strict=False):
        layer = np.where(z > np.interp(x, at, curve), np.float32(value), layer)
    amplitude *= layer
    for curve, strength, start, stop in curves:
        blurred = 0.6 + 1.2 * layout.broken
        ends = 1 / (1 + np.exp(-np.clip((at - start) / blurred, -40, 40)))
        ends /= 1 + np.exp(np.clip((at - stop) / blurred, -40, 40))
        for strand in range(3):
            # Strands part and join; each is thin, uneven and broken in its own way.
            offset = (0.28 * strand - 0.28 + 0.22 * noise_along(rng, at, 4.0)) * (1 + 0.8 * layout.broken)
            line = curve + (offset if strand != 1 else 0)
            slope_deg = np.degrees(np.arctan(np.gradient(line, at)))
            tilt = np.degrees(np.broadcast_to(grid.tilt_rad, grid.shape)) if grid.sector else np.float32(0)
            uneven = np.exp(layout.uneven * (0.55 * noise_along(rng, at, 2.5) + 0.3 * noise_along(rng, at, 0.5)))
            present = np.clip(0.8 + 0.8 * noise_along(rng, at, 4.5), 0.0, 1.0) if strand != 1 else np.float32(1)
            force = strength * (1.0 if strand == 1 else 0.45) * ends * uneven * present
            thick = np.float32(0.06)
            if layout.broken > 0:
                force *= _pieces(rng, at, layout.broken, strength)
                thick = np.interp(x, at, 0.07 * np.exp(0.35 * noise_along(rng, at, 2.0)))
            profile = np.exp(-0.5 * ((z - np.interp(x, at, line)) / thick) ** 2)
            # A beam that is tilted meets a sheet of that slope head on.
            law = specular_law(np.interp(x, at, slope_deg) + tilt)
            sheet = (np.interp(x, at, force) * profile).astype(np.float32)
            reflector += np.float32(1.9 * scene.fascia_brightness) * law * sheet
            amplitude += np.float32(0.12 * scene.fascia_brightness) * sheet
    if layout.streaks > 0:
        _add_streaks(rng, grid, layout.streaks, reflector)


def run_into(at: F32, curve: F32, sheet: Sheet, others: list[tuple[Sheet, tuple[F32, float, float, float]]]) -> F32:
    """Bend a sheet so that it runs into those before it and along them, where it would cross them."""
    own = (at > sheet.start_mm) & (at < sheet.stop_mm)
    for _, (other, _, start, stop) in others:
        there = (at > start - JOIN_MM) & (at < stop + JOIN_MM)
        if not (own & there).any():
            continue
        away = curve - other
        side = np.sign(np.mean(away[own & there]))
        kept = 0.5 * (side * away + np.sqrt(away**2 + 0.16))
        curve = np.where(there, other + side * kept, curve)
    return curve


def _pieces(rng: Draws, at: F32, broken: float, strength: float) -> F32:
    """Amplitude of a strand in pieces of 3 to 15 mm with blurred ends. Strong ones thin out between, weak ones end."""
    there = 1 / (1 + np.exp(-(noise_along(rng, at, 3.0) + 0.35) / 0.3))
    most, least = (1.05, 0.25) if strength > 0.75 else (0.75, 0.02)
    slow = np.exp(0.55 * broken * noise_along(rng, at, 7.0))
    return np.asarray(most * slow * (1 - broken * (1 - least) * (1 - there)), np.float32)


def _add_streaks(rng: Draws, grid: Grid, strong: float, reflector: F32) -> None:
    """Lay connective tissue everywhere: bright specks and streaks of 2 to 6 mm, nearly level, in clusters."""
    x, z = np.broadcast_to(grid.x_mm, grid.shape), np.broadcast_to(grid.z_mm, grid.shape)
    crowd = noise_at(rng, x, z, (8.0, 3.0))
    for turn_deg, long_mm in zip(rng.uniform(-8, 8, 2), (0.7, 1.8), strict=True):
        # Their direction wanders from place to place by some degrees.
        v = z - math.tan(math.radians(turn_deg)) * x + 0.6 * noise_at(rng, x, z, (5.0, 4.0))
        streaks = noise_at(rng, x, v, (long_mm, 0.07)) + 0.5 * crowd - np.float32(1.6)
        reflector += np.float32(strong * 3.0) * np.maximum(streaks, 0) ** 1.5


def _add_striation(rng: Draws, grid: Grid, scene: PhantomScene, amplitude: F32, reflector: F32) -> None:
    """Perimysium: short bright streaks along the fibres, whose direction differs between muscles."""
    height = scene.size_mm[0]
    x, z = np.broadcast_to(grid.x_mm, grid.shape), np.broadcast_to(grid.z_mm, grid.shape)
    for top, bottom, fibre_deg, density in layout_of(scene).muscles:
        a = math.radians(fibre_deg)
        bend = 0.3 * noise_at(rng, x, z, (5.0, 5.0))
        u, v = x * math.cos(a) + z * math.sin(a), -x * math.sin(a) + z * math.cos(a) + bend
        within = 1 / (1 + np.exp(-np.clip((z - top) / (0.01 * height), -40, 40)))
        within /= 1 + np.exp(np.clip((z - bottom) / (0.01 * height), -40, 40))
        fine = noise_at(rng, u, v, (2.6, 0.10))
        coarse = noise_at(rng, u, v, (4.5, 0.35))
        streaks = np.maximum(fine + 0.6 * coarse - density, 0) * within
        reflector += (5.5 * streaks).astype(np.float32)
        amplitude *= np.exp(within * (0.30 * coarse + 0.12 * fine)).astype(np.float32)


def add_skin(rng: Draws, grid: Grid, amplitude: F32, reflector: F32) -> None:
    """Skin scatters evenly, and the probe's own reverberation rings through its first millimetre."""
    depth = np.broadcast_to(grid.depth_mm, grid.shape)
    amplitude += (0.35 * np.exp(-((depth / 1.2) ** 2))).astype(np.float32)
    beams = np.arange(grid.shape[1], dtype=np.float32)[None, :] * grid.pitch_mm[0]
    for k in range(4):
        uneven = 1 + 0.25 * noise_along(rng, beams, 3.0)
        line = np.exp(-0.5 * ((depth - 0.15 - 0.38 * k) / 0.08) ** 2)
        reflector += (7.0 * 0.5**k * uneven * line).astype(np.float32)


def mirror_echo(rng: Draws, grid: Grid, psf: PointSpread, reflector: F32) -> C64:
    """Echo of smooth reflectors. Sheets are rough: their phase wanders along them, differently from each direction."""
    if not reflector.any():
        return np.zeros(grid.shape, np.complex64)
    phase = 1.1 * noise_at(rng, grid.x_mm, grid.z_mm, (0.7, 0.3))
    return convolve(reflector * np.exp(1j * phase).astype(np.complex64), grid, psf)
