"""Targets and keep-outs: outlines at rest, and where the tissue carries them."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np

from usguide.geometry import Point
from usguide.phantoms.fluid import Fluid
from usguide.phantoms.fluid_shapes import F64
from usguide.phantoms.grid import F32, Grid
from usguide.phantoms.hand import probe_at
from usguide.phantoms.motion import carry
from usguide.phantoms.scene import PhantomScene

TARGET, TARGET_OUTLINE = "target", "nerve"
"""Names of what the injection is meant for; every other outline is to be kept out of."""
_ROUNDS = 30


def outlines_at_rest(scene: PhantomScene, structures_mm: Mapping[str, F64]) -> dict[str, F64]:
    """Return the target's centre, shape (1, 2), and the outlines (P, 2) of what the tissue holds."""
    return {TARGET: np.array([scene.nerve_mm], dtype=float), **structures_mm}


def tissue_shift_mm(scene: PhantomScene, point_mm: Point, time_s: float) -> Point:
    """Return how far tissue that rests at a point has moved over the body, needle and fluid aside: (lateral, axial) mm."""
    rest = np.asarray(point_mm, dtype=float)
    lateral, axial = carry(scene, rest, time_s) - rest
    return float(lateral) + probe_at(scene, time_s)[0], float(axial)


def follow(points_mm: F64, grid: Grid, moving: tuple[F32, F32], fluid: Fluid | None) -> F64:
    """Return where tissue has been carried that lies at given points at rest.

    Parameters
    ----------
    points_mm : ndarray, shape (P, 2)
        (lateral, axial) at rest.
    grid : Grid
    moving : (ndarray, ndarray)
        Where each sample's tissue comes from, (column, row): this is followed backwards, whatever moves the tissue.
    fluid : Fluid, optional
        Where `moving` is torn: tissue on either side stays on its side.

    Returns
    -------
    ndarray, shape (P, 2)
    """
    x, z = np.asarray(points_mm, np.float32).T
    rest = np.stack(grid.index_at(x, z)).astype(np.float32)
    if fluid is not None:
        opened = fluid.opens(x, z)
        x, z = x + opened[0], z + opened[1]
    now = np.stack(grid.index_at(x, z)).astype(np.float32)
    last = np.array([[grid.shape[1] - 1], [grid.shape[0] - 1]], np.float32)
    for _ in range(_ROUNDS):
        # Beyond the grid, tissue moves as at its edge.
        seen = np.clip(now, 0, last)
        came = [cv2.remap(m, seen[:1], seen[1:], cv2.INTER_LINEAR)[0] for m in moving]
        after = rest + seen - np.stack(came)
        if fluid is not None:
            after = np.where(fluid.torn(*grid.from_index(*after)), now, after)
        now = after
    return np.stack(grid.from_index(*now), axis=-1).astype(float)
