"""What the beams meet apart from the needle: rendered tissue, whose speckle changes a little with time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from usguide.phantoms.grid import C64, F32, Grid, tissue_grid
from usguide.phantoms.hand import lift_gain, lift_reverberation, lifted, probe_at
from usguide.phantoms.motion import carried
from usguide.phantoms.scene import PhantomScene
from usguide.phantoms.speckle import PointSpread, speckle
from usguide.phantoms.sweep import CORRELATION_MM, SweptTissue
from usguide.phantoms.tissue import Tissue, add_skin, build_tissue, mirror_echo

NOISE_AMPLITUDE = 0.02
"""Electronic noise at the probe's face; TGC raises it with depth."""
NOISE_DB_PER_MM = 0.30
_CHANGING = 3


class Backdrop(Protocol):
    """What a needle is rendered onto. Echoes are in units of the tissue's mean amplitude."""

    haze: list[C64]
    """For each look: speckle of unit power, in place."""
    outlines_mm: dict[str, NDArray[np.float64]]
    """Outlines at rest (P, 2), as the plane cuts them at the present moment: "nerve" and "vessel" are closed, "bone" and
    "pleura" are surfaces."""

    def gain(self) -> F32:
        """Return what attenuation, shading and shadows leave of an echo, at the present moment."""
        ...

    def step(self, time_s: float) -> None:
        """Go to the moment of the next frame; times do not decrease."""
        ...

    def echoes(self, origins: tuple[F32, F32]) -> Iterator[C64]:
        """Give each look's echo, before `gain`, taken from the (column, row) where each sample's tissue comes from."""
        ...

    def noise(self, look: int) -> C64:
        """Give electronic noise, new each time."""
        ...


class RenderedTissue:
    """Scatterers and reflectors drawn from a scene; a share of the speckle's energy changes with time.

    Parameters
    ----------
    rng : numpy.random.Generator
    grid : Grid
        Of the probe's beams.
    psf, scene
    """

    def __init__(self, rng: np.random.Generator, grid: Grid, psf: PointSpread, scene: PhantomScene) -> None:
        self._rng, self._scene, self._probe = rng, scene, grid
        self._grid, self._before = tissue_grid(scene, grid)
        sweeps = scene.hand is not None and bool(scene.hand.sweep)
        moved = sweeps or self._grid is not grid
        aside = rng.spawn(1)[0]
        self._swept: SweptTissue | None = None
        self._face: list[C64] = []
        self._stacks: list[C64] = []
        if sweeps:
            self._swept = SweptTissue(int(aside.integers(2**31)), self._grid, grid, psf, scene)
            self._contact, self.outlines_mm = self._swept.contact, self._swept.outlines_mm
        else:
            tissue = build_tissue(rng, self._grid, scene, grid if moved else None)
            self._tissue_gain, self._contact, self.outlines_mm = tissue.gain, tissue.contact, tissue.outlines_mm
            self._stacks = [_look(rng, self._grid, psf, tissue) for _ in range(scene.looks)]
        if moved and "skin" in scene.structures:
            # What rings between probe and skin goes with the probe.
            skin, ringing = np.zeros(grid.shape, np.float32), np.zeros(grid.shape, np.float32)
            add_skin(aside, grid, skin, ringing)
            self._face = [
                speckle(aside, grid, skin, psf) + mirror_echo(aside, grid, psf, ringing) for _ in range(scene.looks)
            ]
        self.haze = [speckle(rng, grid, np.ones(grid.shape, np.float32), psf) for _ in range(scene.looks)]
        lifts = scene.hand is not None and bool(scene.hand.lift_off)
        self._ringing = [lift_reverberation(aside, grid, psf) for _ in range(scene.looks)] if lifts else []
        self._lost: F32 | None = None
        # A share of the field changes: a mixture of fields whose weights wander, at unit power altogether.
        self._weights: NDArray[np.complex128] | None = None
        self._noise = (NOISE_AMPLITUDE * 10 ** (NOISE_DB_PER_MM * grid.depth_mm / 20)).astype(np.float32)
        self._now_gain = self._contact

    def gain(self) -> F32:
        """Return what attenuation, uneven contact and shadows leave of an echo."""
        return self._now_gain

    def step(self, time_s: float) -> None:
        """Go to a time: the weights wander, the probe moves."""
        keep = math.exp(-1.0 / self._scene.frame_rate_hz)
        before = self._new_weights() if self._weights is None else self._weights
        self._weights = keep * before + math.sqrt(1 - keep**2) * self._new_weights()
        lateral, elevational = probe_at(self._scene, time_s)
        if self._swept is not None:
            # Speckle changes because tissue does not stay in the plane: by as much as `decorrelation` says.
            wander = float(np.clip(self._weights[0, 0].real, -2, 2))
            spread = CORRELATION_MM * math.sqrt(-0.25 * math.log(max(1 - self._scene.decorrelation, 0.1)))
            at = self._swept.at(elevational, elevational + spread * wander)
            self._tissue_gain, self._swept_looks, self.outlines_mm = at
        self._lost = lifted(self._scene, self._probe, time_s)
        self._now_gain = self._contact * self._seen_gain(lateral)
        if self._lost is not None:
            self._now_gain *= lift_gain(self._probe, self._lost)

    def _seen_gain(self, lateral_mm: float) -> F32:
        """Give the tissue's gain where the probe is now."""
        if self._grid is self._probe:
            return self._tissue_gain
        at = self._probe.to_index(self._probe.x_mm + np.float32(lateral_mm), self._probe.z_mm)
        seen = cv2.remap(self._tissue_gain, *self._on_tissue(at), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(seen, np.float32)

    def _on_tissue(self, at: tuple[F32, F32]) -> tuple[F32, F32]:
        """Give (column, row) on the tissue's grid for those on the probe's."""
        if self._grid is self._probe:
            return at
        rows, columns = self._before
        return at[0] + np.float32(columns), at[1] + np.float32(rows)

    def _new_weights(self) -> NDArray[np.complex128]:
        return np.asarray(self._rng.standard_normal((self._scene.looks, _CHANGING, 2)) @ (1, 1j))

    def echoes(self, origins: tuple[F32, F32]) -> Iterator[C64]:
        """Give each look's echo, before gain."""
        origins = self._on_tissue(origins)
        for look in range(self._scene.looks):
            echo = carried(self._mixed(look), origins)
            if self._face:
                echo += self._face[look]
            yield echo

    def _mixed(self, look: int) -> C64:
        """Give one look's field at rest, at the present moment."""
        if self._swept is not None:
            return self._swept_looks[look]
        share, weights = self._scene.decorrelation, (self._new_weights() if self._weights is None else self._weights)
        unit = weights[look] / np.sqrt((np.abs(weights[look]) ** 2).sum())
        mix = np.array([math.sqrt(1 - share), 1.0, *(math.sqrt(share) * unit)], np.complex64)
        stack = self._stacks[look]
        return np.asarray(mix @ stack.reshape(len(stack), -1)).reshape(stack.shape[1:])

    def noise(self, look: int) -> C64:
        """Electronic noise: the same field, each time taken from another place; and what rings where contact is lost."""
        haze, out = self.haze[look], np.empty(self._probe.shape, np.complex64)
        down, right = (int(n) for n in self._rng.integers(0, haze.shape))
        rows, columns = haze.shape
        for to, source in ((slice(0, down), slice(rows - down, rows)), (slice(down, rows), slice(0, rows - down))):
            np.multiply(haze[source, columns - right :], self._noise[to], out=out[to, :right])
            np.multiply(haze[source, : columns - right], self._noise[to], out=out[to, right:])
        if self._lost is not None:
            out += self._lost * self._ringing[look]
        return out


def _look(rng: np.random.Generator, grid: Grid, psf: PointSpread, tissue: Tissue) -> C64:
    """Compute one direction's view of the tissue: scatterers, reflectors, and fields for what changes, stacked."""
    scatter = speckle(rng, grid, tissue.amplitude, psf)
    mirror = mirror_echo(rng, grid, psf, tissue.reflector)
    return np.stack([scatter, mirror, *(speckle(rng, grid, tissue.amplitude, psf) for _ in range(_CHANGING))])
