"""What the beams meet apart from the needle: rendered tissue, whose speckle changes a little with time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from usguide.phantoms.grid import C64, F32, Grid
from usguide.phantoms.motion import carried
from usguide.phantoms.scene import PhantomScene
from usguide.phantoms.speckle import PointSpread, convolve, noise_at, speckle
from usguide.phantoms.tissue import Tissue, build_tissue

NOISE_AMPLITUDE = 0.02
"""Electronic noise at the probe's face; TGC raises it with depth."""
NOISE_DB_PER_MM = 0.30
_CHANGING = 3


class Backdrop(Protocol):
    """What a needle is rendered onto. Echoes are in units of the tissue's mean amplitude."""

    haze: list[C64]
    """For each look: speckle of unit power, in place."""
    outlines_mm: dict[str, NDArray[np.float64]]
    """Outlines at rest (P, 2): "nerve" and "vessel" are closed, "bone" and "pleura" are surfaces."""

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
    """Scatterers and reflectors drawn from a scene; a share of the speckle's energy changes with time."""

    def __init__(self, rng: np.random.Generator, grid: Grid, psf: PointSpread, scene: PhantomScene) -> None:
        self._rng, self._scene = rng, scene
        tissue = build_tissue(rng, grid, scene)
        self._gain, self.outlines_mm = tissue.gain, tissue.outlines_mm
        self._fields = [_look(rng, grid, psf, tissue) for _ in range(scene.looks)]
        self.haze = [speckle(rng, grid, np.ones(grid.shape, np.float32), psf) for _ in range(scene.looks)]
        # A share of the field changes: a mixture of fields whose weights wander, at unit power altogether.
        self._weights: NDArray[np.complex128] | None = None
        self._noise = NOISE_AMPLITUDE * 10 ** (NOISE_DB_PER_MM * grid.depth_mm / 20)

    def gain(self) -> F32:
        """Return what attenuation, shading and shadows leave of an echo."""
        return self._gain

    def step(self, time_s: float) -> None:  # noqa: ARG002  (times are regular)
        """Let the weights wander for one frame."""
        keep = math.exp(-1.0 / self._scene.frame_rate_hz)
        before = self._new_weights() if self._weights is None else self._weights
        self._weights = keep * before + math.sqrt(1 - keep**2) * self._new_weights()

    def _new_weights(self) -> NDArray[np.complex128]:
        return np.asarray(self._rng.standard_normal((self._scene.looks, _CHANGING, 2)) @ (1, 1j))

    def echoes(self, origins: tuple[F32, F32]) -> Iterator[C64]:
        """Give each look's echo, before gain."""
        changing_share = self._scene.decorrelation
        all_weights = self._new_weights() if self._weights is None else self._weights
        for weights, (scatter, mirror, changing) in zip(all_weights, self._fields, strict=True):
            unit = weights / np.sqrt((np.abs(weights) ** 2).sum())
            field = np.complex64(math.sqrt(1 - changing_share)) * scatter + mirror
            for w, c in zip(unit, changing, strict=True):
                field += np.complex64(w * math.sqrt(changing_share)) * c
            yield carried(field, origins)

    def noise(self, look: int) -> C64:
        """Electronic noise: the same field, each time taken from another place."""
        shift = self._rng.integers(0, self.haze[look].shape)
        return np.asarray(self._noise * np.roll(self.haze[look], (int(shift[0]), int(shift[1])), axis=(0, 1)))


def _look(rng: np.random.Generator, grid: Grid, psf: PointSpread, tissue: Tissue) -> tuple[C64, C64, list[C64]]:
    """Compute one direction's view of the tissue: scatterers and reflectors at rest, and fields for what changes."""
    scatter = speckle(rng, grid, tissue.amplitude, psf)
    if tissue.reflector.any():
        # Sheets are rough: their phase wanders along them, differently from each direction.
        phase = 1.1 * noise_at(rng, grid.x_mm, grid.z_mm, (0.7, 0.3))
        mirror = convolve(tissue.reflector * np.exp(1j * phase).astype(np.complex64), grid, psf)
    else:
        mirror = np.zeros(grid.shape, np.complex64)
    return scatter, mirror, [speckle(rng, grid, tissue.amplitude, psf) for _ in range(_CHANGING)]
