"""An affine map between two smooth pictures, below a pixel."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from usguide.motion._kernels import damped_step, normal_equations

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

FIRST_SCALE, LEAST_SCALE = 12.0, 1.5
"""Grey levels at which a residual counts half: at first, and at least."""
LEAST_PIXELS, LEAST_SHARE = 100, 0.2
DAMPING = 1e-3
CLOSE_ENOUGH_PX = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class Registration:
    """How one picture lies on another.

    Parameters
    ----------
    affine : ndarray, shape (2, 3)
        From pixels of the image to pixels of the reference.
    offset : float
        Grey levels by which the image is brighter.
    overlap : float
        Share of the image that lies on the reference, 0..1.
    misfit : float
        Root mean square of the residuals in grey levels, large ones limited.
    """

    affine: F64
    offset: float
    overlap: float
    misfit: float


def register_affine(
    reference: F32,
    image: F32,
    start: F64,
    iterations: int,
    *,
    known: F32 | None = None,
    use: F32 | None = None,
    offset: float = 0.0,
) -> Registration:
    """Find the affine map from pixels of `image` to pixels of `reference`, by robust Gauss-Newton steps.

    Parameters
    ----------
    reference, image : ndarray of float32, shape (h, w)
        Smooth pictures of the same size.
    start : ndarray, shape (2, 3)
        First guess.
    iterations : int
    known, use : ndarray of float32, shape (h, w), optional
        1 where the reference is known, and where the image is to be looked at.
    offset : float
        First guess of the difference in grey level.

    Returns
    -------
    Registration
        With the map so far where the pictures hardly overlap.
    """
    h, w = image.shape
    known = np.ones((h, w), np.float32) if known is None else known
    use = np.ones((h, w), np.float32) if use is None else use
    affine, normal, right, step = start.copy(), np.zeros((7, 7)), np.zeros(7), np.zeros(7)
    total = max(1, int(np.count_nonzero(use)))
    scale, overlap, misfit = FIRST_SCALE, 0.0, 0.0
    for _ in range(iterations):
        count, squares = normal_equations(reference, known, image, use, affine, offset, scale, normal, right)
        overlap = count / total
        if count < max(LEAST_PIXELS, LEAST_SHARE * total):
            break
        misfit = math.sqrt(squares / count)
        scale = max(LEAST_SCALE, 1.2 * misfit)
        # A little damping keeps flat pictures, which say nothing of motion, where they are.
        damped_step(normal, right, DAMPING, step)
        for axis, (a, b, c) in enumerate(step[:6].reshape(2, 3)):
            affine[axis] += a / w, b / h, c - 0.5 * a - 0.5 * b
        offset += float(step[6])
        if np.abs(step[:6]).max() < CLOSE_ENOUGH_PX:
            break
    return Registration(affine, offset, overlap, misfit)
