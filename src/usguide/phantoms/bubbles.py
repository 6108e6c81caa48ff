"""Gas in the fluid: bright specks that are carried along, ring a little, shade what lies below, and die slowly."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from usguide.phantoms.fluid_shapes import F64, Shape
from usguide.phantoms.grid import C64, F32, Grid
from usguide.phantoms.scene import InjectateScene
from usguide.phantoms.speckle import PointSpread

RISE_MM_S = 0.15
RING_DOWN_MM = 2.5
SHADE_MM = 5.0
_FADES_S = 0.6


@dataclass(frozen=True, slots=True, eq=False)
class Bubbles:
    """All bubbles of one injection.

    Parameters
    ----------
    uniform : ndarray, shape (K, 2)
        Where each lies in the fluid (`Shape.place`).
    born_mm2 : ndarray, shape (K,)
        Area of fluid at which each comes in, rising.
    lasts_s : ndarray, shape (K,)
    strength : ndarray, shape (K,)
        Amplitude over that of the tissue.
    rings : ndarray, shape (K,)
        Share of the amplitude that rings on below.
    phase : ndarray, shape (K,)
    """

    uniform: F64
    born_mm2: F64
    lasts_s: F64
    strength: F64
    rings: F64
    phase: F64

    @classmethod
    def drawn(cls, rng: np.random.Generator, scene: InjectateScene, until_s: float) -> Bubbles:
        """Draw as many as there will be by a time."""
        count = math.ceil(scene.bubbles * scene.area_mm2(until_s))
        return cls(
            uniform=rng.random((count, 2)),
            born_mm2=(np.arange(count) + rng.random(count)) / max(scene.bubbles, 1e-9),
            lasts_s=0.5 + rng.exponential(4.0, count),
            strength=2.5 * np.exp(0.6 * rng.standard_normal(count)),
            # Few are large enough to ring.
            rings=0.5 * (rng.random(count) < 0.3) * rng.random(count),
            phase=rng.uniform(0, 2 * math.pi, count),
        )

    def at(self, shape: Shape, scene: InjectateScene, time_s: float) -> tuple[F64, F64, NDArray[np.intp]]:
        """Return position (M, 2) in mm, amplitude (M,) and index (M,) of those that are there at a time."""
        age = time_s - scene.time_s(self.born_mm2)
        amplitude = self.strength * np.clip((self.lasts_s - age) / _FADES_S, 0, 1)
        held = np.nonzero((self.born_mm2 < scene.area_mm2(time_s)) & (amplitude > 0))[0]
        points = shape.place(self.uniform[held])
        # Gas rises, as far as the fluid reaches.
        for share in (0.25, 0.5, 0.75, 1.0):
            risen = points.copy()
            risen[:, 1] = shape.place(self.uniform[held])[:, 1] - share * RISE_MM_S * age[held]
            x, z = risen.astype(np.float32).T
            points = np.where(shape.contains(x, z)[:, None], risen, points)
        return points, amplitude[held], held


@dataclass(frozen=True, slots=True, eq=False)
class Specks:
    """Bubbles on the grid at one moment: a patch of echo each, and the share of sound that passes."""

    boxes: list[tuple[slice, slice]]
    echoes: list[F32]
    phases: list[float]

    def add(self, field: C64, gain: F32, look: int) -> None:
        """Add their echoes to a look's field, in place. Each direction sees them at another phase."""
        for box, echo, phase in zip(self.boxes, self.echoes, self.phases, strict=True):
            field[box] += np.complex64(np.exp(1j * (phase + 2.4 * look))) * echo * gain[box]


def specks_of(
    bubbles: Bubbles, grid: Grid, psf: PointSpread, shape: Shape, scene: InjectateScene, time_s: float, passes: F32
) -> Specks:
    """Lay the bubbles onto the grid; what lies below each is shaded in `passes`, in place."""
    specks = Specks([], [], [])
    if not len(bubbles.phase):
        return specks
    points, amplitude, index = bubbles.at(shape, scene, time_s)
    columns, rows = grid.index_at(*points.astype(np.float32).T)
    for column, row, strength, k in zip(columns, rows, amplitude, index, strict=True):
        if not (0 <= row < grid.shape[0] - 1 and 0 <= column < grid.shape[1] - 1):
            continue
        lateral = float(psf.lateral_at(float(grid.depth_mm[int(row), 0]))) / float(grid.pitch_mm[int(row)])
        axial = psf.axial_mm / grid.axial_mm
        first, last = (max(0, math.ceil(column + s * 3 * lateral)) for s in (-1, 1))
        top = max(0, math.ceil(row - 3 * axial))
        across = np.exp(-0.5 * ((np.arange(first, min(last, grid.shape[1])) - column) / lateral) ** 2)

        def down(length_mm: float, top: int = top, row: float = row) -> F64:
            bottom = min(grid.shape[0], math.ceil(row + length_mm / grid.axial_mm))
            return np.asarray((np.arange(top, bottom) - row) * grid.axial_mm)

        below = down(RING_DOWN_MM)
        line = np.exp(-0.5 * (below / psf.axial_mm) ** 2)
        ringing = np.exp(-np.maximum(below, 0) / 0.7) * (0.6 + 0.4 * np.cos(2 * math.pi * below / 0.4))
        line += bubbles.rings[k] * (below > 0) * ringing
        specks.boxes.append((slice(top, top + len(below)), slice(first, first + len(across))))
        specks.echoes.append(np.asarray(strength * line[:, None] * across, np.float32))
        specks.phases.append(float(bubbles.phase[k]))
        below = down(SHADE_MM)
        shade = 0.25 * min(1.0, strength / 4) * (below > psf.axial_mm) * np.exp(-np.maximum(below, 0) / 2.0)
        passes[top : top + len(below), first : first + len(across)] *= 1 - np.outer(shade, across).astype(np.float32)
    return specks
