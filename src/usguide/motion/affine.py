"""Affine maps (2, 3) between px of two pictures: laid onto each other, turned around, one after the other."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from usguide.motion._kernels import lay

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]


def warped(image: F32, affine: F64, how: int = cv2.INTER_LINEAR, border: int = cv2.BORDER_CONSTANT) -> F32:
    """Return the picture whose px are found in `image` by `affine`."""
    out = cv2.warpAffine(image, affine, image.shape[::-1], flags=how | cv2.WARP_INVERSE_MAP, borderMode=border)
    return np.asarray(out, dtype=np.float32)


def laid(image: F32, sure: F32, affine: F64) -> tuple[F32, F32]:
    """Return the picture whose px are found in `image` by `affine`, cubic, and how sure each is, linear; 0 outside."""
    out, out_sure = np.empty_like(image), np.empty_like(sure)
    lay(image, sure, affine, out, out_sure)
    return out, out_sure


def inverse(affine: F64) -> F64:
    """Return the way back."""
    return np.asarray(cv2.invertAffineTransform(affine), dtype=np.float64)


def product(first: F64, second: F64) -> F64:
    """Return the map that applies `second`, then `first`."""
    out = first[:, :2] @ second
    out[:, 2] += first[:, 2]
    return np.asarray(out)


def farthest_px(affine: F64, shape: tuple[int, ...]) -> float:
    """How far the corners of a picture (h, w) lie from where they are mapped to."""
    h, w = shape
    corners = np.array([[0, 0, 1], [w - 1, 0, 1], [0, h - 1, 1], [w - 1, h - 1, 1.0]])
    return float(np.abs(corners @ affine.T - corners[:, :2]).max())
