"""Grey levels: colour to grey with coloured overlays left out, full scale, log compression."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from usguide._validation import validate_pixels, validate_positive
from usguide.errors import InvalidFrameError

COLOUR_TOLERANCE = 0.12
"""Channels that differ by more than this share of full scale are a coloured overlay, not an echo."""

DB_PER_NEPER = 20 / np.log(10)
"""Decibels of an amplitude ratio of e."""

_FULL_SCALE = {np.dtype(np.uint8): 255.0, np.dtype(np.uint16): 65535.0}


def full_scale_of(pixels: NDArray[Any], full_scale: float | None) -> float:
    """Return the grey level that counts as white.

    Raises
    ------
    InvalidFrameError
        Floating-point pixels without a stated full scale.
    """
    if full_scale is not None:
        return validate_positive(full_scale, name="full_scale")
    if pixels.dtype not in _FULL_SCALE:
        raise InvalidFrameError(
            f"full_scale: {pixels.dtype} pixels have none of their own; state it (255 for grey levels, 1 for 0..1)"
        )
    return _FULL_SCALE[pixels.dtype]


def to_grey(pixels: ArrayLike, full_scale: float | None = None) -> tuple[NDArray[np.float32], NDArray[np.bool_] | None]:
    """Scale pixels to grey levels 0..255 and say where a coloured overlay hides the echo.

    Parameters
    ----------
    pixels : array_like, shape (H, W) or (H, W, 3 or 4)
        Grey, or RGB/BGR (the order does not matter: only pixels with nearly equal channels are used). A fourth
        channel is ignored.
    full_scale : float, optional
        White. Needed for floating-point pixels.

    Returns
    -------
    grey : ndarray of float32, shape (H, W)
        0..255.
    overlay : ndarray of bool, shape (H, W), or None
        True where the pixel is coloured; None when there is none.
    """
    array = validate_pixels(pixels, name="frame", colour=True)
    scale = np.float32(255.0 / full_scale_of(array, full_scale))
    if array.ndim == 2:
        return np.asarray(array, dtype=np.float32) * scale, None
    channels = cv2.split(np.ascontiguousarray(array[..., :3]))
    low = cv2.min(cv2.min(channels[0], channels[1]), channels[2])
    high = cv2.max(cv2.max(channels[0], channels[1]), channels[2])
    grey = np.asarray(channels[1], dtype=np.float32) * scale
    overlay = (np.asarray(high, np.float32) - np.asarray(low, np.float32)) * scale > 255 * COLOUR_TOLERANCE
    return grey, overlay if overlay.any() else None


def log_compress(envelope: ArrayLike, *, dynamic_range_db: float = 60.0, reference: float = 1.0) -> NDArray[np.float32]:
    """Compress an envelope to grey levels: 255 at `reference`, 0 at `dynamic_range_db` below it.

    Parameters
    ----------
    envelope : array_like
        Echo amplitude, 0 or more.
    dynamic_range_db : float
        Range that is shown.
    reference : float
        The amplitude that becomes white.

    Returns
    -------
    ndarray of float32
        0..255, clipped.
    """
    dynamic_range = validate_positive(dynamic_range_db, name="dynamic_range_db")
    ratio = np.asarray(envelope, dtype=np.float32) / np.float32(validate_positive(reference, name="reference"))
    # Natural logarithms and exponentials: NumPy vectorises those of float32.
    grey = np.log(np.maximum(ratio, np.float32(1e-12)))
    grey *= np.float32(255 * DB_PER_NEPER / dynamic_range)
    grey += np.float32(255)
    return np.asarray(np.clip(grey, 0, 255), dtype=np.float32)


def log_decompress(grey: ArrayLike, *, dynamic_range_db: float = 60.0, reference: float = 1.0) -> NDArray[np.float32]:
    """Undo `log_compress` (what was clipped stays clipped)."""
    dynamic_range = validate_positive(dynamic_range_db, name="dynamic_range_db")
    level = (np.asarray(grey, dtype=np.float32) / np.float32(255) - 1) * np.float32(dynamic_range / DB_PER_NEPER)
    return np.asarray(np.float32(validate_positive(reference, name="reference")) * np.exp(level), dtype=np.float32)
