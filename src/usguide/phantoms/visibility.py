"""How well a needle is seen: measured on the finished picture."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from usguide.geometry import ImageGeometry


def needle_visibility_db(
    pixels: NDArray[np.uint8],
    geometry: ImageGeometry,
    shaft_mm: NDArray[np.floating],
    *,
    dynamic_range_db: float = 60.0,
) -> float:
    """Mean grey level on the shaft's core against the bands 1 to 3 mm beside it, in dB of the displayed range.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (H, W)
    geometry : ImageGeometry
    shaft_mm : ndarray, shape (K, 2)
        Points (lateral, axial) of the visible shaft's centre line, in order; two will do for a straight one.
    dynamic_range_db : float
        What 0 to 255 stands for.

    Returns
    -------
    float
        12 and more is easy, 6 to 12 normal, 2 to 6 faint. NaN without a shaft in the picture.
    """
    points = np.asarray(shaft_mm, dtype=float)
    lengths = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    if not np.isfinite(lengths[-1]) or lengths[-1] <= 0:
        return float("nan")
    at = np.arange(0.0, lengths[-1], 0.1)
    centre = np.stack([np.interp(at, lengths, points[:, i]) for i in (0, 1)], axis=-1)
    step = np.diff(points, axis=0) / np.diff(lengths)[:, None]
    along = step[np.clip(np.searchsorted(lengths, at, side="right") - 1, 0, len(step) - 1)]
    normal = np.stack([-along[:, 1], along[:, 0]], axis=-1)

    def mean_at(offsets_mm: NDArray[np.float64]) -> float:
        places = centre + offsets_mm[:, None, None] * normal
        points = geometry.to_px(places).astype(np.float32)
        # -1 marks what lies outside the picture.
        grey = cv2.remap(
            pixels.astype(np.float32),
            np.ascontiguousarray(points[..., 0]),
            np.ascontiguousarray(points[..., 1]),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=-1e6,
        )
        known = np.asarray(grey) >= 0
        if geometry.sector is not None:
            known &= geometry.sector.contains(places)
        return float(np.asarray(grey)[known].mean()) if known.any() else float("nan")

    beside = np.arange(1.0, 3.01, 0.1)
    core = mean_at(np.array((-0.1, 0.0, 0.1)))
    return (core - mean_at(np.concatenate((-beside, beside)))) / 255 * dynamic_range_db
