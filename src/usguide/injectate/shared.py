"""What the pipeline has computed of a frame already, for a segmenter that stands on the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from usguide.geometry import ImageGeometry
from usguide.grid import WorkingImage
from usguide.motion import Novelty
from usguide.types import Shaft


@dataclass(frozen=True, slots=True, eq=False)
class SharedFrame:
    """One frame on the working grid and on the evidence grid, with its place on the frames before.

    Parameters
    ----------
    image : WorkingImage
    smooth : ndarray of float32, shape (h, w)
        Grey levels on the evidence grid.
    valid : ndarray of bool, shape (h, w)
    geometry : ImageGeometry
        Of the evidence grid.
    novelty : Novelty, optional
        Motion, gain and misfit against the frames before; None for the first frame, and where the picture has changed so
        much that nothing of before holds.
    suspected : tuple of Shaft
        Where needles are, or may be.
    """

    image: WorkingImage
    smooth: NDArray[np.float32]
    valid: NDArray[np.bool_]
    geometry: ImageGeometry
    novelty: Novelty | None
    suspected: tuple[Shaft, ...] = ()
