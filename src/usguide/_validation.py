"""Checks at the boundary: one place that says what an image, a number or a range must be."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from usguide.errors import InputError, InvalidFrameError

IMAGE_DTYPES = "uint8, uint16 or float"


def validate_pixels(pixels: Any, *, name: str = "image", colour: bool = False) -> NDArray[Any]:
    """Return `pixels` as an array if they are an image, else raise.

    Parameters
    ----------
    pixels : array_like, shape (H, W) or, with `colour`, (H, W, 3 or 4)
        uint8, uint16 or floating point; finite.
    name : str
        What the message calls it.
    colour : bool
        Whether a third axis of 3 or 4 channels is allowed.

    Raises
    ------
    InvalidFrameError
        Wrong number of dimensions, no pixels, wrong type, NaN or infinity.
    """
    try:
        array = np.asarray(pixels)
    except ValueError:
        raise InvalidFrameError(f"{name}: expected rows of one length, got rows of different lengths") from None
    shapes = "(H, W) or (H, W, 3 or 4)" if colour else "(H, W)"
    is_image = array.ndim == 2 or (colour and array.ndim == 3 and array.shape[2] in (3, 4))
    if not is_image:
        raise InvalidFrameError(f"{name}: expected shape {shapes}, got {array.shape}; pass one picture at a time")
    if array.size == 0:
        raise InvalidFrameError(f"{name}: expected at least one pixel, got shape {array.shape}")
    if array.dtype not in (np.uint8, np.uint16) and not np.issubdtype(array.dtype, np.floating):
        raise InvalidFrameError(f"{name}: expected {IMAGE_DTYPES}, got {array.dtype}; convert it first")
    if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
        bad = int(array.size - np.count_nonzero(np.isfinite(array)))
        raise InvalidFrameError(f"{name}: expected finite values, got {bad} NaN or infinite; replace them first")
    return array


def ensure_float32(image: Any, *, name: str = "image") -> NDArray[np.float32]:
    """Return a validated grey image as contiguous float32 (a copy only where one is needed)."""
    pixels = validate_pixels(image, name=name)
    if pixels.dtype.itemsize > np.dtype(np.float32).itemsize and np.abs(pixels).max() > np.finfo(np.float32).max:
        raise InvalidFrameError(f"{name}: expected values that float32 can hold, got {np.abs(pixels).max():g}")
    return np.ascontiguousarray(pixels, dtype=np.float32)


def validate_number(value: Any, *, name: str, low: float = -math.inf, high: float = math.inf) -> float:
    """Return `value` as a finite float within ``low..high``, else raise `InputError`."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"{name}: expected a number, got {value!r}") from None
    if not math.isfinite(number) or not low <= number <= high:
        bounds = "" if math.isinf(low) and math.isinf(high) else f" in {low:g} to {high:g}"
        raise InputError(f"{name}: expected a finite number{bounds}, got {number:g}")
    return number


def validate_positive(value: Any, *, name: str) -> float:
    """Return `value` as a finite float above zero, else raise `InputError`."""
    number = validate_number(value, name=name)
    if number <= 0:
        raise InputError(f"{name}: expected a number above 0, got {number:g}")
    return number


def validate_point(value: ArrayLike, *, name: str) -> tuple[float, float]:
    """Return `value` as a pair of finite floats, else raise `InputError`."""
    try:
        x, y = (float(v) for v in np.asarray(value, dtype=float).ravel())
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"{name}: expected two numbers, got {value!r:.120}") from None
    if not (math.isfinite(x) and math.isfinite(y)):
        raise InputError(f"{name}: expected finite numbers, got {value!r}")
    return x, y


def validate_outline(value: ArrayLike, *, name: str) -> tuple[tuple[float, float], ...]:
    """Return `value` as at least three points that enclose an area, else raise `InputError`."""
    try:
        points = np.asarray(value, dtype=float)
    except (TypeError, ValueError, OverflowError):
        points = np.zeros(0)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 3:
        raise InputError(f"{name}: expected an outline of at least three points (x, z) in mm, got {value!r:.120}")
    if not np.isfinite(points).all():
        raise InputError(f"{name}: expected finite numbers, got {value!r:.120}")
    x, z = (points - points[0]).T
    if float(np.dot(x, np.roll(z, -1)) - np.dot(z, np.roll(x, -1))) == 0.0:
        raise InputError(f"{name}: expected an outline that encloses an area, got points that enclose none")
    return tuple((float(a), float(b)) for a, b in points.tolist())


def validate_region(region: Any, shape: tuple[int, ...], *, name: str = "region") -> tuple[int, int, int, int]:
    """Return ``(x, y, width, height)`` in px if it lies inside an image of `shape`, else raise `InputError`."""
    try:
        x, y, w, h = (int(v) for v in region)
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"{name}: expected x, y, width, height in px, got {region!r}") from None
    height, width = shape[:2]
    if w < 1 or h < 1 or x < 0 or y < 0 or x + w > width or y + h > height:
        raise InputError(
            f"{name}: expected a box inside the {width} x {height} image, got x={x} y={y} width={w} height={h}"
        )
    return x, y, w, h
