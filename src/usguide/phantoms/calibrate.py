"""How bright a needle has to be for a wanted visibility."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from usguide._validation import validate_number
from usguide.errors import InputError
from usguide.phantoms.anatomy import Anatomy, Background
from usguide.phantoms.grid import picture_geometry
from usguide.phantoms.layouts import placed
from usguide.phantoms.needle_truth import needle_in_picture
from usguide.phantoms.render import DYNAMIC_RANGE_DB, display, envelopes, moment_of
from usguide.phantoms.scene import PhantomScene
from usguide.phantoms.visibility import needle_visibility_db

COUNTED_MM = 5.0
"""Frames with this much shaft are scored."""
FRAMES = 3
TRIED = (1e-3, 1.5, 6.0)
RANGE = (0.05, 60.0)


@lru_cache(maxsize=256)
def brightness_for_visibility(
    scene: PhantomScene, target_db: float, seed: int = 0, background: Background | None = None
) -> float:
    """Find the needle's `brightness` with which the median of a few frames has a wanted visibility.

    The power of an echo is a square function of the needle's brightness at every sample: three renderings of a few
    frames give the picture for any. A recording rendered with the result has its own truth (`visibility_db`), which
    differs by what its other frames hold.

    Parameters
    ----------
    scene : PhantomScene
        Its needle's own brightness does not matter.
    target_db : float
        As `needle_visibility_db` measures it, -10 to 40.
    seed : int
        That of the recording.
    background : Background, optional
        Real anatomy that the scene is rendered onto.

    Returns
    -------
    float

    Raises
    ------
    InputError
        There is no needle in the picture, or no brightness gives this visibility.
    """
    validate_number(target_db, name="target_db", low=-10, high=40)
    scene = placed(scene, seed)
    if scene.needle is None:
        raise InputError("scene: expected one with a needle, got none; set its needle")
    geometry, times = picture_geometry(scene), np.arange(scene.frame_count) / scene.frame_rate_hz
    seen = [needle_in_picture(moment_of(scene, float(t)).needle, geometry, scene.size_mm) for t in times]
    visible = np.array([needle.visible_mm for needle in seen])
    counted = np.flatnonzero(visible >= min(COUNTED_MM, visible.max()))
    if visible.max() <= 0:
        raise InputError("scene: expected a needle that gets into picture and scan plane, got one that does not")
    chosen = np.unique(
        counted[np.linspace(0, counted.size - 1, min(FRAMES, counted.size) + 2).round().astype(int)[1:-1]]
    )
    # A backdrop has a state: one for each rendering.
    backdrops = [Anatomy(background, scene, seed) if background is not None else None for _ in TRIED]
    trials = [replace(scene, needle=replace(scene.needle, brightness=b)) for b in TRIED]
    power = np.array(
        [
            [np.square(envelope, dtype=np.float64) for envelope, _ in envelopes(trial, seed, times[chosen], backdrop)]
            for trial, backdrop in zip(trials, backdrops, strict=True)
        ]
    )

    def visibility_at(brightness: float) -> float:
        return float(np.median([measured(frame, brightness) for frame in range(chosen.size)]))

    def measured(frame: int, brightness: float) -> float:
        weights = lagrange(np.array(TRIED), brightness)
        envelope = np.sqrt(np.maximum(np.tensordot(weights, power[:, frame], axes=1), 0)).astype(np.float32)
        anatomy = backdrops[0]
        picture = anatomy.picture(envelope) if anatomy else display(envelope, scene, geometry)
        range_db = anatomy.dynamic_range_db if anatomy else DYNAMIC_RANGE_DB
        return needle_visibility_db(picture, geometry, seen[chosen[frame]].shaft_mm, dynamic_range_db=range_db)

    low, high = np.log(RANGE)
    reach = visibility_at(RANGE[0]), visibility_at(RANGE[1])
    if not reach[0] <= target_db <= reach[1]:
        raise InputError(
            f"target_db: expected {reach[0]:.1f} to {reach[1]:.1f}, which this scene can have, got {target_db:g}"
        )
    for _ in range(12):  # to 0.2 %
        middle = 0.5 * (low + high)
        low, high = (middle, high) if visibility_at(float(np.exp(middle))) < target_db else (low, middle)
    return float(np.exp(0.5 * (low + high)))


def lagrange(at: NDArray[np.float64], x: float) -> NDArray[np.float64]:
    """Weights of the values at `at` in the polynomial through them, taken at `x`."""
    return np.array([np.prod([(x - b) / (a - b) for b in at if b != a]) for a in at])
