"""Despeckling: speckle-reducing anisotropic diffusion, Lee's filter, the median, and a chooser by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from usguide._validation import ensure_float32, validate_number, validate_positive
from usguide.errors import InputError
from usguide.filters._kernels import srad_step

FLOOR_GREY_LEVELS = 1.0
"""Added before SRAD and removed after it, so that the intensity it divides by is positive."""


def srad(
    image: ArrayLike, *, iterations: int = 30, time_step: float = 0.2, q0: float = 0.5, rho: float = 0.0
) -> NDArray[np.float32]:
    """Speckle-reducing anisotropic diffusion (Yu and Acton 2002).

    Parameters
    ----------
    image : array_like, shape (H, W)
        Grey levels 0..255 or an envelope; uint8, uint16 or float, not negative.
    iterations : int
        0 or more.
    time_step : float
        0 to 1; the scheme is stable there.
    q0 : float
        Coefficient of variation of fully developed speckle at the start: larger smooths more.
    rho : float
        Decay of q0 with each iteration: ``q0 * exp(-rho * t)``.

    Returns
    -------
    ndarray of float32, shape (H, W)

    Raises
    ------
    InvalidFrameError, InputError
        Not an image; a parameter outside its range.

    Notes
    -----
    ``I += dt/4 div(c grad I)``, ``c = 1 / (1 + (q^2 - q0^2) / (q0^2 (1 + q0^2)))`` clamped to 0..1, where ``q`` is the
    instantaneous coefficient of variation. A floor of one grey level is added before and removed after.

    References
    ----------
    Y. Yu and S. T. Acton, "Speckle reducing anisotropic diffusion", IEEE Trans. Image Process. 11(11), 2002.
    """
    validate_number(iterations, name="iterations", low=0)
    dt = validate_number(time_step, name="time_step", low=0, high=1)
    q = validate_positive(q0, name="q0")
    decay = validate_number(rho, name="rho", low=0)
    a = ensure_float32(image) + np.float32(FLOOR_GREY_LEVELS)
    if a.min() < FLOOR_GREY_LEVELS:
        raise InputError("image: expected values of 0 or more for SRAD, got negative ones; shift or scale it first")
    b, rows = np.empty_like(a), np.empty((2, a.shape[1]), np.float32)
    for t in range(int(iterations)):
        srad_step(a, b, rows, np.float32(dt / 4), np.float32(q * np.exp(-decay * t)))
        a, b = b, a
    a -= np.float32(FLOOR_GREY_LEVELS)
    return a


def lee(image: ArrayLike, *, window_px: int = 7, cu: float = 0.25) -> NDArray[np.float32]:
    """Lee's local-statistics filter (1980): ``m + w (I - m)``, ``w = 1 - Cu^2 / Ci^2`` clamped to 0..1.

    Parameters
    ----------
    image : array_like, shape (H, W)
        Grey levels or an envelope.
    window_px : int
        Side of the square window, odd.
    cu : float
        Coefficient of variation of fully developed speckle, in the values given.

    Returns
    -------
    ndarray of float32, shape (H, W)

    References
    ----------
    J.-S. Lee, "Digital image enhancement and noise filtering by use of local statistics", IEEE PAMI 2(2), 1980.
    """
    x = ensure_float32(image)
    size = (validate_odd(window_px, name="window_px"),) * 2
    cu2 = np.float32(validate_positive(cu, name="cu") ** 2)
    mean = cv2.blur(x, size, borderType=cv2.BORDER_REPLICATE)
    square = cv2.sqrBoxFilter(x, cv2.CV_32F, size, borderType=cv2.BORDER_REPLICATE)
    variance = np.maximum(square - mean * mean, np.float32(1e-9))
    weight = np.clip(1 - cu2 * mean * mean / variance, 0, 1)
    return np.asarray(mean + weight * (x - mean), dtype=np.float32)


def median(image: ArrayLike, *, window_px: int = 5) -> NDArray[np.float32]:
    """Median over a square window (OpenCV; windows above 5 px need 8-bit values and are rounded to them).

    Parameters
    ----------
    image : array_like, shape (H, W)
        Grey levels.
    window_px : int
        Side of the window, odd.

    Returns
    -------
    ndarray of float32, shape (H, W)
    """
    size = validate_odd(window_px, name="window_px")
    x = ensure_float32(image)
    if size > 5:
        x = np.clip(np.rint(x), 0, 255).astype(np.uint8)
    return np.asarray(cv2.medianBlur(x, size), dtype=np.float32)


def validate_odd(value: int, *, name: str) -> int:
    """Return an odd window side of at least 3 px, else raise `InputError`."""
    if int(value) != value or value < 3 or value % 2 == 0:
        raise InputError(f"{name}: expected an odd number of px, 3 or more, got {value!r}")
    return int(value)


def identity(image: ArrayLike) -> NDArray[np.float32]:
    """Return the image unchanged, as float32."""
    return np.array(ensure_float32(image))


DESPECKLE_METHODS: dict[str, str] = {
    "srad": "speckle-reducing anisotropic diffusion: smooths speckle, keeps edges (Yu and Acton 2002)",
    "lee": "local statistics: mean where flat, pixel where structured (Lee 1980)",
    "median": "median of a square window: removes isolated bright points",
    "none": "no despeckling",
}
_FUNCTIONS: dict[str, Callable[..., NDArray[np.float32]]] = {
    "srad": srad,
    "lee": lee,
    "median": median,
    "none": identity,
}


def despeckle(image: ArrayLike, *, method: str = "srad", **options: Any) -> NDArray[np.float32]:
    """Despeckle by the name of a method; `options` are that filter's own.

    Raises
    ------
    InputError
        Unknown method or option.
    """
    if method not in _FUNCTIONS:
        raise InputError(f"method: expected one of {', '.join(_FUNCTIONS)}, got {method!r}")
    try:
        return _FUNCTIONS[method](image, **options)
    except TypeError as error:
        raise InputError(f"{method}: {error}") from None
