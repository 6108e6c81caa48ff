"""How well one mask of fluid fits another."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from usguide._validation import validate_positive
from usguide.errors import InputError


@dataclass(frozen=True, slots=True)
class MaskErrors:
    """A reported mask against the true one."""

    dice: float
    """Twice the common area over the sum of areas, 0..1; 1 if both are empty."""
    hausdorff95_mm: float
    """Larger of the two 95th percentiles of `surface_distances_mm`; infinite if one mask is empty, NaN if both are."""
    mean_surface_distance_mm: float
    """Mean of `surface_distances_mm`, both ways pooled; infinite if one mask is empty, NaN if both are."""
    area_error_mm2: float
    """Signed: positive is too much."""


def surface_distances_mm(
    a: ArrayLike, b: ArrayLike, *, axial_mm_per_px: float, lateral_mm_per_px: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distance from each edge pixel of one mask to the nearest edge pixel of the other, between pixel centres.

    An edge pixel belongs to the mask and has one of its four neighbours, or the picture's border, outside it.

    Parameters
    ----------
    a, b : array_like of bool, shape (H, W)
        Neither empty.
    axial_mm_per_px, lateral_mm_per_px : float
        Above 0; may differ.

    Returns
    -------
    from_a, from_b : ndarray, shape (number of edge pixels,)
        In mm.

    Raises
    ------
    InputError
        Not masks of one shape, an empty one, a spacing not above 0.
    """
    first, second = _pair(a, b)
    spacing = _spacing(axial_mm_per_px, lateral_mm_per_px)
    if not (first.any() and second.any()):
        raise InputError("mask: expected pixels in both, got an empty one; its distance is infinite or unknown")
    # Only the box that holds both matters, and it is small beside the picture.
    box = ndimage.find_objects((first | second).astype(np.int8))[0]
    edges = [m[box] & ~ndimage.binary_erosion(m[box]) for m in (first, second)]
    away = [np.asarray(ndimage.distance_transform_edt(~edge, sampling=spacing)) for edge in edges]
    return away[1][edges[0]], away[0][edges[1]]


def compare_masks(
    truth: ArrayLike, reported: ArrayLike, *, axial_mm_per_px: float, lateral_mm_per_px: float
) -> MaskErrors:
    """Compare a reported mask with the true one; parameters and errors as in `surface_distances_mm`, empty ones allowed."""
    a, b = _pair(truth, reported)
    spacing = _spacing(axial_mm_per_px, lateral_mm_per_px)
    size_a, size_b = int(np.count_nonzero(a)), int(np.count_nonzero(b))
    area_error = (size_b - size_a) * math.prod(spacing)
    if size_a == 0 or size_b == 0:
        alike = size_a == size_b
        distance = math.nan if alike else math.inf
        return MaskErrors(float(alike), distance, distance, area_error)
    ways = surface_distances_mm(a, b, axial_mm_per_px=spacing[0], lateral_mm_per_px=spacing[1])
    return MaskErrors(
        dice=2 * int(np.count_nonzero(a & b)) / (size_a + size_b),
        hausdorff95_mm=max(float(np.percentile(way, 95)) for way in ways),
        mean_surface_distance_mm=float(np.concatenate(ways).mean()),
        area_error_mm2=area_error,
    )


def _pair(a: ArrayLike, b: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    first, second = np.asarray(a), np.asarray(b)
    for mask in (first, second):
        if mask.dtype != np.bool_ or mask.ndim != 2:
            raise InputError(
                f"mask: expected bool (H, W), got {mask.dtype} {mask.shape}; compare with a threshold first"
            )
    if first.shape != second.shape:
        raise InputError(f"mask: expected the shape of the other, {first.shape}, got {second.shape}")
    return first, second


def _spacing(axial_mm_per_px: float, lateral_mm_per_px: float) -> tuple[float, float]:
    return (
        validate_positive(axial_mm_per_px, name="axial_mm_per_px"),
        validate_positive(lateral_mm_per_px, name="lateral_mm_per_px"),
    )
