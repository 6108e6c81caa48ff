"""Peers made of OpenCV calls, with every intermediate array allocated beforehand: what a careful user would write.

Each function takes the frame (whole grey levels as float32), prepares, and returns the call that is timed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
Call = Callable[[], object]
WINDOW = (7, 7)
EDGE = cv2.BORDER_REPLICATE
# OpenCV takes numbers where its stubs want arrays.
ZERO: Any = 0.0
ONE: Any = 1.0
LEAST_VARIANCE: Any = 1e-9
EPS: Any = 20.0**2


def median_float32(image: F32) -> Call:
    """5 x 5, float32."""
    out = np.empty_like(image)
    return lambda: cv2.medianBlur(image, 5, dst=out)


def median_uint8(image: F32) -> Call:
    """5 x 5, uint8."""
    pixels = image.astype(np.uint8)
    out = np.empty_like(pixels)
    return lambda: cv2.medianBlur(pixels, 5, dst=out)


def bilateral_float32(image: F32) -> Call:
    """7 x 7, float32; OpenCV's window is round."""
    out = np.empty_like(image)
    return lambda: cv2.bilateralFilter(image, 7, 25, 3, dst=out, borderType=EDGE)


def bilateral_uint8(image: F32) -> Call:
    """7 x 7, uint8; OpenCV's window is round."""
    pixels = image.astype(np.uint8)
    out = np.empty_like(pixels)
    return lambda: cv2.bilateralFilter(pixels, 7, 25, 3, dst=out, borderType=EDGE)


def nlm(image: F32) -> Call:
    """Patch 5, search 11, h 10, uint8."""
    pixels = image.astype(np.uint8)
    out = np.empty_like(pixels)
    return lambda: cv2.fastNlMeansDenoising(pixels, out, 10, 5, 11)


def lee(image: F32) -> Call:
    """Window 7, Cu 0.25: two box filters and arithmetic on whole arrays."""
    mean, variance, gain, centred = (np.empty_like(image) for _ in range(4))

    def run() -> F32:
        cv2.blur(image, WINDOW, dst=mean, borderType=EDGE)
        cv2.sqrBoxFilter(image, cv2.CV_32F, WINDOW, dst=variance, borderType=EDGE)
        cv2.multiply(mean, mean, dst=gain)
        cv2.subtract(variance, gain, dst=variance)
        cv2.max(variance, LEAST_VARIANCE, dst=variance)
        cv2.divide(gain, variance, dst=gain, scale=-(0.25**2))
        cv2.add(gain, ONE, dst=gain)
        cv2.max(gain, ZERO, dst=gain)
        cv2.subtract(image, mean, dst=centred)
        cv2.multiply(gain, centred, dst=centred)
        cv2.add(mean, centred, dst=mean)
        return mean

    return run


def guided(image: F32) -> Call:
    """Window 7, sigma 20: four box filters and arithmetic on whole arrays."""
    mean, variance, slope, offset = (np.empty_like(image) for _ in range(4))

    def run() -> F32:
        cv2.blur(image, WINDOW, dst=mean, borderType=EDGE)
        cv2.sqrBoxFilter(image, cv2.CV_32F, WINDOW, dst=variance, borderType=EDGE)
        cv2.multiply(mean, mean, dst=slope)
        cv2.subtract(variance, slope, dst=variance)
        cv2.add(variance, EPS, dst=offset)
        cv2.divide(variance, offset, dst=slope)
        cv2.multiply(slope, mean, dst=offset)
        cv2.subtract(mean, offset, dst=offset)
        cv2.blur(slope, WINDOW, dst=mean, borderType=EDGE)
        cv2.blur(offset, WINDOW, dst=variance, borderType=EDGE)
        cv2.multiply(mean, image, dst=mean)
        cv2.add(mean, variance, dst=mean)
        return mean

    return run


def _gabor_bank() -> list[F32]:
    angles = np.arange(12) * np.pi / 12
    bank = [cv2.getGaborKernel((21, 21), 4, float(a), 10, 0.5, 0, cv2.CV_32F) for a in angles]
    return [np.asarray(kernel - kernel.mean(), dtype=np.float32) for kernel in bank]


def gabor_bank(image: F32) -> Call:
    """12 directions of 21 x 21, each written to its own plane; no maximum over them."""
    bank = _gabor_bank()
    planes = [np.empty_like(image) for _ in bank]

    def run() -> list[F32]:
        for kernel, plane in zip(bank, planes, strict=True):
            cv2.filter2D(image, cv2.CV_32F, kernel, dst=plane, borderType=EDGE)
        return planes

    return run


def gabor_bank_maximum(image: F32) -> Call:
    """12 directions of 21 x 21 and the running maximum, as a ridge filter needs it."""
    bank = _gabor_bank()
    plane, best = np.empty_like(image), np.empty_like(image)

    def run() -> F32:
        best.fill(0)
        for kernel in bank:
            cv2.filter2D(image, cv2.CV_32F, kernel, dst=plane, borderType=EDGE)
            cv2.max(best, plane, dst=best)
        return best

    return run
