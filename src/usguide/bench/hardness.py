"""How many lines in a picture could be taken for the needle."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from usguide.filters import oriented_line
from usguide.geometry import ImageGeometry

LINE_MM = 10.0
SHARE = 0.5
"""Of the needle's mean ridge response, that a line's own has to reach."""
BAND_MM = 2.5
"""To each side of the needle, and beyond its tip: lines there are the needle's own."""
NEEDLE_RESPONSE = 16.0
"""Taken for the needle's where there is none: the median over test needles of normal visibility, in grey levels."""
SIGMA_MM = 0.3
LENGTH_MM = 4.0


def line_response(pixels: NDArray[np.uint8], geometry: ImageGeometry) -> NDArray[np.float32]:
    """Return the oriented line filter's response, shape (H, W), in grey levels."""
    spacing = (geometry.axial_mm_per_px, geometry.lateral_mm_per_px)
    return oriented_line(pixels, sigmas_mm=(SIGMA_MM,), spacing_mm=spacing, length=LENGTH_MM, orientations=16)


def needle_response(response: NDArray[np.float32], geometry: ImageGeometry, shaft_mm: NDArray[np.floating]) -> float:
    """Mean response along a shaft (K, 2) in mm, of the strongest pixel within 0.3 mm; NaN without a shaft."""
    points = np.asarray(shaft_mm, dtype=float)
    if not np.isfinite(points).all():
        return float("nan")
    size = 2 * max(1, round(0.3 / geometry.axial_mm_per_px)) + 1
    strongest = cv2.dilate(response, np.ones((size, size), np.uint8))
    x, y = np.rint(geometry.to_px(points)).astype(int).T
    h, w = response.shape
    return float(np.mean(np.asarray(strongest)[np.clip(y, 0, h - 1), np.clip(x, 0, w - 1)]))


def count_distractors(pixels: NDArray[np.uint8], geometry: ImageGeometry, shaft_mm: NDArray[np.floating] | None) -> int:
    """Count lines of 10 mm and more, away from the needle, whose mean ridge response is at least half the needle's.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (H, W)
        The picture alone, without a screen around it.
    geometry : ImageGeometry
    shaft_mm : ndarray, shape (K, 2), or None
        Points along the true shaft; None or NaN without a needle: `NEEDLE_RESPONSE` then stands for it.

    Returns
    -------
    int
        Connected ridges: two that touch count as one.
    """
    response = line_response(pixels, geometry)
    away = np.ones(response.shape, np.uint8)
    wanted = NEEDLE_RESPONSE
    if shaft_mm is not None and np.isfinite(shaft_mm).all():
        wanted = needle_response(response, geometry, shaft_mm)
        points = np.rint(geometry.to_px(np.asarray(shaft_mm))).astype(np.int32)
        width = max(1, round(2 * BAND_MM / geometry.axial_mm_per_px))
        cv2.polylines(away, [points.reshape(-1, 1, 2)], isClosed=False, color=0, thickness=width)
    strong = ((response >= SHARE * wanted) & (away > 0)).astype(np.uint8)
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(strong, connectivity=8)
    found = 0
    for k in range(1, count):
        x, y, w, h, _ = (int(v) for v in boxes[k])
        if np.hypot(w * geometry.lateral_mm_per_px, h * geometry.axial_mm_per_px) < LINE_MM:
            continue
        rows, columns = np.nonzero(np.asarray(labels)[y : y + h, x : x + w] == k)
        mm = np.stack([columns * geometry.lateral_mm_per_px, rows * geometry.axial_mm_per_px], axis=-1)
        _, _, axes = np.linalg.svd(mm - mm.mean(axis=0), full_matrices=False)
        along = (mm - mm.mean(axis=0)) @ axes[0]
        found += bool(np.ptp(along) >= LINE_MM)
    return found
