"""How well a needle is seen: measured on the finished picture."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from usguide.geometry import ImageGeometry, Point
from usguide.phantoms.render import DYNAMIC_RANGE_DB


def needle_visibility_db(
    pixels: NDArray[np.uint8],
    geometry: ImageGeometry,
    entry_mm: Point,
    tip_mm: Point,
    *,
    dynamic_range_db: float = DYNAMIC_RANGE_DB,
) -> float:
    """Mean grey level on the shaft's core against the bands 1 to 3 mm beside it, in dB of the displayed range.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (H, W)
    geometry : ImageGeometry
    entry_mm, tip_mm : (float, float)
        Ends of the visible shaft.
    dynamic_range_db : float
        What 0 to 255 stands for.

    Returns
    -------
    float
        12 and more is easy, 6 to 12 normal, 2 to 6 faint. NaN without a shaft.
    """
    start, end = np.asarray(entry_mm, dtype=float), np.asarray(tip_mm, dtype=float)
    length = float(np.hypot(*(end - start)))
    if not np.isfinite(length) or length <= 0:
        return float("nan")
    along = (end - start) / length
    normal = np.array((-along[1], along[0]))
    centre = start + np.arange(0.0, length, 0.1)[:, None] * along

    def mean_at(offsets_mm: NDArray[np.float64]) -> float:
        points = geometry.to_px(centre[None] + offsets_mm[:, None, None] * normal).astype(np.float32)
        # -1 marks what lies outside the picture.
        grey = cv2.remap(
            pixels.astype(np.float32),
            np.ascontiguousarray(points[..., 0]),
            np.ascontiguousarray(points[..., 1]),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=-1e6,
        )
        return float(np.asarray(grey)[np.asarray(grey) >= 0].mean())

    beside = np.arange(1.0, 3.01, 0.1)
    core = mean_at(np.array((-0.1, 0.0, 0.1)))
    return (core - mean_at(np.concatenate((-beside, beside)))) / 255 * dynamic_range_db
