"""Whether texture is speckle: the point spread of an array is longer laterally than axially."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

LAG_PX = 2
FULL_EXCESS = 0.2
"""Lateral minus axial autocorrelation at the lag; ultrasound has 0.2 to 0.8, photographs 0.05 and less."""

DARK, BRIGHT = 120.0, 180.0
"""Median grey level: ultrasound is dark for the most part."""


def speckle_likeness(grey: NDArray[np.uint8], body: NDArray[np.uint8]) -> tuple[float, str]:
    """Return 0..1, and what was seen in words.

    Parameters
    ----------
    grey, body : ndarray of uint8, shape (H, W)
        0..255, and where to look.
    """
    inner = cv2.erode(body, np.ones((9, 9), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=1) > 0
    inner[-LAG_PX:] = False
    inner[:, -LAG_PX:] = False
    if np.count_nonzero(inner) < 400:
        return 0.0, "too small for its texture to be judged"
    level = grey.astype(np.float32)
    residual = level - cv2.GaussianBlur(level, (0, 0), 4)
    power = float(np.mean(residual[inner] ** 2)) + 1e-6
    lateral = float(np.mean((residual * np.roll(residual, -LAG_PX, axis=1))[inner])) / power
    axial = float(np.mean((residual * np.roll(residual, -LAG_PX, axis=0))[inner])) / power
    excess = min(1.0, max(0.0, (lateral - axial) / FULL_EXCESS))
    dark = min(1.0, max(0.0, (BRIGHT - float(np.median(grey[inner]))) / (BRIGHT - DARK)))
    long = (
        "longer laterally than axially, as speckle is" if excess > 0.5 else "not longer laterally, as speckle would be"
    )
    return excess * dark, f"its texture is {long}"
