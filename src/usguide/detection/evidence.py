"""What a frame shows of lines: appearance, and novelty against the background, each in units of its surroundings."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from usguide.detection._kernels.search import BLOCK_PX, block_products, in_units, second_derivatives, steps_down
from usguide.geometry import ImageGeometry
from usguide.grid import WorkingImage

F32 = NDArray[np.float32]
Mask = NDArray[np.bool_]

COARSEN = 2
"""The evidence grid's pixels are larger than the working grid's by this factor."""


@dataclass(frozen=True, slots=True)
class EvidenceSettings:
    """How grey levels become evidence. Lengths in mm, responses in grey levels per px squared of the evidence grid."""

    smooth_mm: float = 0.3
    """Standard deviation of the Gaussian in which lines are sought."""
    surroundings_mm: float = 10.0
    """A response is measured in units of what responds like that within this square."""
    look_floor: float = 3.0
    new_floor: float = 2.0
    """Responses far below this are none, however quiet the surroundings."""
    misfit_share: float = 0.3
    """So much of the appearance's own strength may be novelty by misfit of the background."""
    shade_weight: float = 0.4
    """Of evidence that a shadow begins, beside that of a line, in the search for what is new."""
    shade_near_mm: float = 0.6
    shade_over_mm: float = 2.0
    shade_under_mm: float = 3.0
    """A shadow is darker in this length under a place, from `shade_near_mm` on, than in that over it."""
    shade_width_mm: float = 0.9
    shade_floor: float = 1.5
    """Grey levels; steps far below this are none."""
    border_mm: float = 0.6
    """Response this close to where the picture ends is an edge, not a line."""


@dataclass(frozen=True, slots=True, eq=False)
class LineMaps:
    """Second derivatives of a smooth picture, and how strong they are around each place.

    Parameters
    ----------
    hessian : ndarray of float32, shape (3, h, w)
        xx, xy, yy per px.
    known : ndarray of float32, shape (h, w)
        1 where there is evidence.
    energy : ndarray of float32, shape (5, ceil(h / 4), ceil(w / 4))
        What the mean square response of the surroundings at any angle is made of.
    floor2 : float
        Added to that mean square.
    shade : ndarray of float32, shape (h, w), optional
        Evidence at any angle beside the response: how much darker it is under each place than over it.
    """

    hessian: F32
    known: F32
    energy: F32
    floor2: float
    shade: F32 | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What a detector sees of one frame.

    Parameters
    ----------
    image : WorkingImage
        Grey levels before despeckling, valid pixels, geometry: the working grid.
    despeckled : ndarray of float32
        The same after despeckling, or itself where there is none: not to be written to.
    smooth : ndarray of float32, shape (h, w)
        On the evidence grid, of half as many pixels a side.
    valid : ndarray of bool, shape (h, w)
    geometry : ImageGeometry
        Of the evidence grid.
    look : LineMaps
        Appearance: lines in the frame itself.
    new : LineMaps or None
        Novelty: lines in the frame less its background. None for a picture on its own, and for a first frame.
    difference : ndarray of float32, shape (h, w), or None
        Grey levels above the background; None with `new`.
    since : ndarray of float32, shape (2, h, w), or None
        Grey levels above the same tissue 0.3 and 1 s before (`usguide.motion.LAGS_S`), or since memory began where that is
        shorter; 0 where that is not known.
    search_look : bool
        Whether new lines are to be sought in appearance, too: it changes less than novelty, and is not sought in every
        frame of a stream.
    search_new : bool
        Whether new lines are to be sought in novelty. While a needle is tracked that is left out in frames whose appearance
        is searched, but for streams so slow that each frame's is (`SearchSchedule`).
    search_widely : bool
        Whether more lines are to be looked at in appearance than while a needle is tracked.
    activity : float
        Log of how much is new everywhere, against how much there is.
    misfit : float
        Of the background, in grey levels.
    """

    image: WorkingImage
    despeckled: F32
    smooth: F32
    valid: Mask
    geometry: ImageGeometry
    look: LineMaps
    new: LineMaps | None = None
    difference: F32 | None = None
    since: F32 | None = None
    activity: float = 0.0
    misfit: float = 0.0
    search_look: bool = True
    search_new: bool = True
    search_widely: bool = True

    @property
    def mm_per_px(self) -> float:
        """Mean spacing of the (nearly isotropic) evidence grid."""
        return mm_per_px(self.geometry)


def mm_per_px(geometry: ImageGeometry) -> float:
    """Mean spacing of a nearly isotropic grid."""
    return math.sqrt(geometry.axial_mm_per_px * geometry.lateral_mm_per_px)


def to_evidence_grid(
    image: WorkingImage, despeckled: F32, settings: EvidenceSettings
) -> tuple[F32, Mask, ImageGeometry]:
    """Halve the working grid and smooth it, without letting what is not picture bleed in."""
    h, w = despeckled.shape
    size = (w // COARSEN, h // COARSEN)
    crop = np.s_[: size[1] * COARSEN, : size[0] * COARSEN]
    geometry = image.geometry.resampled((size[1] * COARSEN, size[0] * COARSEN), (size[1], size[0]))
    sigma = settings.smooth_mm / mm_per_px(geometry)

    def smoothed(full: F32) -> F32:
        small = cv2.resize(full[crop], size, interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.GaussianBlur(small, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE), dtype=np.float32)

    if image.valid.all():
        return smoothed(despeckled), np.ones((size[1], size[0]), bool), geometry
    share = image.valid.astype(np.float32)
    weight = smoothed(share)
    smooth = smoothed(despeckled * share) / np.maximum(weight, np.float32(0.05))
    valid = np.asarray(cv2.resize(share[crop], size, interpolation=cv2.INTER_AREA) > 0.99)
    return np.where(weight > 0.05, smooth, np.float32(0)), valid, geometry


class NewPicture(Protocol):
    """What a background leaves of a frame: grey levels above it, where they are known, and how badly it fits."""

    @property
    def difference(self) -> F32:
        """Shape (h, w)."""
        ...

    @property
    def known(self) -> Mask:
        """Shape (h, w)."""
        ...

    @property
    def misfit(self) -> float:
        """Root mean square, in grey levels."""
        ...


def gather(
    image: WorkingImage,
    despeckled: F32,
    grid: tuple[F32, Mask, ImageGeometry],
    settings: EvidenceSettings,
    novelty: NewPicture | None = None,
    since: F32 | None = None,
) -> Evidence:
    """Put together the evidence of one frame.

    Parameters
    ----------
    image : WorkingImage
    despeckled : ndarray of float32
        On the working grid.
    grid : tuple
        What `to_evidence_grid` gave for it.
    settings : EvidenceSettings
    novelty : NewPicture, optional
        What the frame shows that a background does not, on the evidence grid (`usguide.motion.Novelty` is one).
    since : ndarray of float32, shape (2, h, w), optional
        By how much it is brighter than moments before, tissue held still.
    """
    smooth, valid, geometry = grid
    border = max(1, round(settings.border_mm / mm_per_px(geometry)))
    inner = _eroded(valid, border)
    hessian, energy = _hessian_and_energy(smooth, inner, settings, geometry)
    look = LineMaps(hessian, inner, energy, settings.look_floor**2)
    if novelty is None:
        return Evidence(image, despeckled, smooth, valid, geometry, look)
    seen = _eroded(novelty.known, border) * inner
    hessian, energy = _hessian_and_energy(novelty.difference, seen, settings, geometry)
    strength = [float(e[0].mean() + e[4].mean()) + 1.0 for e in (energy, look.energy)]
    energy += np.float32(settings.misfit_share**2) * look.energy
    shade = shading(novelty.difference, seen, settings, geometry)
    new = LineMaps(hessian, seen, energy, settings.new_floor**2, shade)
    activity = math.log(strength[0] / strength[1])
    return Evidence(
        image, despeckled, smooth, valid, geometry, look, new, novelty.difference, since, activity, novelty.misfit
    )


def shading(difference: F32, known: F32, settings: EvidenceSettings, geometry: ImageGeometry) -> F32:
    """Evidence that a shadow begins at each place: darker under it than over it, in units of what is usual around.

    A shaft that reflects its beam away is hardly seen, but takes the echo from what lies under it.
    """
    mm = mm_per_px(geometry)
    lengths = (settings.shade_near_mm, settings.shade_over_mm, settings.shade_under_mm)
    near, over, under = (max(1, round(x / mm)) for x in lengths)
    wide = max(1, round(settings.shade_width_mm / mm)) | 1
    step = np.empty(difference.shape, np.float32)
    level = np.asarray(cv2.blur(difference, (wide, 1), borderType=cv2.BORDER_REPLICATE), dtype=np.float32)
    steps_down(level, known, near, over, under, step)
    side = max(3, round(settings.surroundings_mm / mm)) | 1
    share = cv2.blur(known, (side, side), borderType=cv2.BORDER_REFLECT)
    square = cv2.blur(step * step, (side, side), borderType=cv2.BORDER_REFLECT)
    in_units(
        step,
        np.asarray(square, np.float32),
        np.asarray(share, np.float32),
        settings.shade_floor**2,
        settings.shade_weight,
    )
    return step


def _eroded(mask: Mask, by_px: int) -> F32:
    size = 2 * by_px + 1
    small = cv2.erode(
        mask.astype(np.uint8), np.ones((size, size), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0
    )
    return np.asarray(small, dtype=np.float32)


def _hessian_and_energy(image: F32, known: F32, settings: EvidenceSettings, geometry: ImageGeometry) -> tuple[F32, F32]:
    h, w = image.shape
    hessian = np.empty((3, h, w), np.float32)
    second_derivatives(image, hessian)
    blocks = np.empty((6, -(-h // BLOCK_PX), -(-w // BLOCK_PX)), np.float32)
    block_products(hessian[0], hessian[1], hessian[2], known, blocks)
    side = max(1, round(settings.surroundings_mm / mm_per_px(geometry) / BLOCK_PX)) | 1
    sums = [cv2.blur(b, (side, side), borderType=cv2.BORDER_REFLECT) for b in blocks]
    pixels = np.maximum(sums[5], np.float32(0.05 * BLOCK_PX**2))
    return hessian, np.stack([np.asarray(s, dtype=np.float32) / pixels for s in sums[:5]])
