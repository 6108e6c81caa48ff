"""Pixels of any type as pictures of 8 bits."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from usguide.intensity import full_scale_of

Image = NDArray[np.uint8]


def to_eight_bits(pixels: NDArray[Any], full_scale: float | None) -> Image:
    """Return pixels of any type as 8 bits; those that are already are returned as they are."""
    if pixels.dtype == np.uint8 and full_scale in (None, 255.0):
        return np.asarray(pixels, np.uint8)
    scaled = np.asarray(pixels, np.float32) * np.float32(255 / full_scale_of(pixels, full_scale))
    return np.asarray(np.clip(scaled, 0, 255), np.uint8)


def to_bgr(pixels: NDArray[Any], full_scale: float | None, shape: tuple[int, int]) -> Image:
    """Return pixels as BGR of 8 bits, resampled to `shape` (H, W); never the array that came in."""
    eight = to_eight_bits(pixels, full_scale)
    if eight.ndim == 2:
        bgr = cv2.cvtColor(np.ascontiguousarray(eight), cv2.COLOR_GRAY2BGR)
    else:
        bgr = np.ascontiguousarray(eight[..., :3])
    if bgr.shape[:2] == shape:
        return np.array(bgr, dtype=np.uint8)
    return np.asarray(cv2.resize(bgr, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)
