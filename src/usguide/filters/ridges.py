"""Ridge filters on the scale-normalised Hessian: Frangi, Sato, Jerman.

The response never depends on the order of the scales, nor on the frame's own maximum unless that is asked for.
Each has two forms: `frangi` gives the response, `frangi_map` orientation and scale with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal, Unpack

import numpy as np
from numpy.typing import ArrayLike

from usguide._threads import run_slabs
from usguide._validation import validate_number
from usguide.errors import InputError
from usguide.filters._common import F32, ridge_planes, validate_amount
from usguide.filters._kernels import ridges
from usguide.filters._scales import (
    Polarity,
    RidgeMap,
    RidgeOptions,
    Scale,
    half_gaussian,
    scales,
    sign_of,
    truncation,
    without,
)

SIGMAS_PX = (1.5, 2.5, 4.0)
LEAST_GREY = 1e-3
"""A frame's own maximum counts at least this: in a flat picture it is rounding."""


def frangi(
    image: ArrayLike,
    *,
    sigmas_px: Sequence[float] | None = None,
    beta: float = 0.5,
    c: float | Literal["frame"] = 15.0,
    polarity: Polarity = "bright",
    **options: Unpack[RidgeOptions],
) -> F32:
    """Frangi's vesselness in 2D: how much a pixel looks like a line, and not like a blob.

    Parameters
    ----------
    image : array_like, shape (H, W)
        uint8, uint16 or float; log-compressed grey levels.
    sigmas_px : sequence of float, optional
        Scales in px, in any order; 1.5, 2.5 and 4 by default. A line responds most at a sigma of 0.6 of its thickness
        (full width at half maximum).
    beta : float
        Sensitivity to blobs: smaller lets fewer through.
    c : float or "frame"
        Sensitivity to weak structure, in grey levels. "frame" takes half the frame's largest Hessian norm at each
        scale, as the paper suggests; then responses of two frames can't be compared.
    polarity : {"bright", "dark", "both"}
        Ridges brighter or darker than their surroundings.
    **options
        See `RidgeOptions` (sigmas_mm, spacing_mm, truncate) and `Common` (values, region, mask, threads, out).

    Returns
    -------
    ndarray of float32, shape (H, W)
        0 to 1.

    Raises
    ------
    InvalidFrameError, InputError
        Not an image; an option outside its range.

    Notes
    -----
    With ``|l1| <= |l2|`` the eigenvalues of the scale-normalised Hessian:
    ``exp(-(l1/l2)^2 / 2 beta^2) (1 - exp(-(l1^2 + l2^2) / 2 c^2))``, 0 where ``l2 > 0`` (bright); maximum over scales.

    References
    ----------
    A. F. Frangi et al., "Multiscale vessel enhancement filtering", MICCAI 1998.
    """
    return _frangi(image, sigmas_px, beta, c, polarity, options, full=False).response


def frangi_map(
    image: ArrayLike,
    *,
    sigmas_px: Sequence[float] | None = None,
    beta: float = 0.5,
    c: float | Literal["frame"] = 15.0,
    polarity: Polarity = "bright",
    **options: Unpack[RidgeOptions],
) -> RidgeMap:
    """Frangi's vesselness with the ridge's orientation and scale; see `frangi`."""
    return _frangi(image, sigmas_px, beta, c, polarity, options, full=True)


def sato(
    image: ArrayLike,
    *,
    sigmas_px: Sequence[float] | None = None,
    polarity: Polarity = "bright",
    **options: Unpack[RidgeOptions],
) -> F32:
    """Sato's ridge measure in 2D: how strongly the picture bends across the ridge, in grey levels.

    Parameters
    ----------
    image : array_like, shape (H, W)
        uint8, uint16 or float; log-compressed grey levels.
    sigmas_px : sequence of float, optional
        Scales in px, in any order; 1.5, 2.5 and 4 by default.
    polarity : {"bright", "dark", "both"}
        Ridges brighter or darker than their surroundings.
    **options
        See `RidgeOptions` and `Common`.

    Returns
    -------
    ndarray of float32, shape (H, W)
        0 or more, in grey levels; scales with the image.

    Raises
    ------
    InvalidFrameError, InputError
        Not an image; an option outside its range.

    Notes
    -----
    ``max(-l, 0)`` with l the lower eigenvalue of the scale-normalised Hessian (bright); maximum over scales. As
    scikit-image's ``sato``.

    References
    ----------
    Y. Sato et al., "Three-dimensional multi-scale line filter", Medical Image Analysis 2(2), 1998.
    """
    return _sato(image, sigmas_px, polarity, options, full=False).response


def sato_map(
    image: ArrayLike,
    *,
    sigmas_px: Sequence[float] | None = None,
    polarity: Polarity = "bright",
    **options: Unpack[RidgeOptions],
) -> RidgeMap:
    """Sato's ridge measure with the ridge's orientation and scale; see `sato`."""
    return _sato(image, sigmas_px, polarity, options, full=True)


def jerman(
    image: ArrayLike,
    *,
    sigmas_px: Sequence[float] | None = None,
    tau: float = 0.5,
    lmax: float | Literal["frame"] = 60.0,
    polarity: Polarity = "bright",
    **options: Unpack[RidgeOptions],
) -> F32:
    """Jerman's ridge measure in 2D: nearly the same for strong and weak ridges, where Frangi's fades with contrast.

    Parameters
    ----------
    image : array_like, shape (H, W)
        uint8, uint16 or float; log-compressed grey levels.
    sigmas_px : sequence of float, optional
        Scales in px, in any order; 1.5, 2.5 and 4 by default.
    tau : float
        0 to 1: ridges stronger than ``tau * lmax / 2`` respond with 1.
    lmax : float or "frame"
        A strong ridge's eigenvalue in grey levels. "frame" takes the frame's largest at each scale, as the paper does;
        then responses of two frames can't be compared.
    polarity : {"bright", "dark", "both"}
        Ridges brighter or darker than their surroundings.
    **options
        See `RidgeOptions` and `Common`.

    Returns
    -------
    ndarray of float32, shape (H, W)
        0 to 1.

    Raises
    ------
    InvalidFrameError, InputError
        Not an image; an option outside its range.

    Notes
    -----
    With ``l`` minus the eigenvalue of larger magnitude (bright) and ``p = max(l, tau lmax)``: 0 where ``l <= 0``, 1 where
    ``l >= p/2``, else ``l^2 (p - l) 27 / (l + p)^3``; maximum over scales.

    References
    ----------
    T. Jerman et al., "Enhancement of vascular structures in 3D and 2D angiographic images", IEEE TMI 35(9), 2016.
    """
    return _jerman(image, sigmas_px, tau, lmax, polarity, options, full=False).response


def jerman_map(
    image: ArrayLike,
    *,
    sigmas_px: Sequence[float] | None = None,
    tau: float = 0.5,
    lmax: float | Literal["frame"] = 60.0,
    polarity: Polarity = "bright",
    **options: Unpack[RidgeOptions],
) -> RidgeMap:
    """Jerman's ridge measure with the ridge's orientation and scale; see `jerman`."""
    return _jerman(image, sigmas_px, tau, lmax, polarity, options, full=True)


def _frangi(
    image: ArrayLike,
    sigmas_px: Sequence[float] | None,
    beta: float,
    c: float | Literal["frame"],
    polarity: Polarity,
    options: RidgeOptions,
    *,
    full: bool,
) -> RidgeMap:
    inv_beta = 1 / (2 * validate_amount(beta, name="beta") ** 2)
    fixed = _number_or_frame(c, "c")

    def parameters(hessian: Callable[[], F32]) -> tuple[float, float]:
        if fixed is not None:
            return inv_beta, 1 / (2 * fixed**2)
        half_norm = 0.5 * _largest(hessian(), lambda t, d, m: np.sqrt(2 * (t * t + d * d + m * m)))
        return inv_beta, 1 / (2 * half_norm**2)

    return _planes(image, ridges.FRANGI, sigmas_px, polarity, parameters, options, full=full)


def _sato(
    image: ArrayLike, sigmas_px: Sequence[float] | None, polarity: Polarity, options: RidgeOptions, *, full: bool
) -> RidgeMap:
    return _planes(image, ridges.SATO, sigmas_px, polarity, lambda _: (0.0, 0.0), options, full=full)


def _jerman(
    image: ArrayLike,
    sigmas_px: Sequence[float] | None,
    tau: float,
    lmax: float | Literal["frame"],
    polarity: Polarity,
    options: RidgeOptions,
    *,
    full: bool,
) -> RidgeMap:
    share = validate_number(tau, name="tau", low=0, high=1)
    fixed = _number_or_frame(lmax, "lmax")

    def parameters(hessian: Callable[[], F32]) -> tuple[float, float]:
        top = fixed or _largest(hessian(), lambda t, d, m: np.where(t < 0, np.sqrt(d * d + m * m) - t, 0))
        return share * top, 0.0

    return _planes(image, ridges.JERMAN, sigmas_px, polarity, parameters, options, full=full)


def _number_or_frame(value: float | str, name: str) -> float | None:
    """Return a number of grey levels, or None for "frame"."""
    if isinstance(value, str) and value == "frame":
        return None
    if isinstance(value, str):
        raise InputError(f"{name}: expected a number of grey levels or 'frame', got {value!r}")
    return validate_amount(value, name=name)


def _largest(hessian: F32, measure: Callable[[F32, F32, F32], F32]) -> float:
    """Return the largest value of a measure, worked out a few rows at a time to save memory."""
    parts = (hessian[:, y : y + 64] for y in range(0, hessian.shape[1], 64))
    return max(LEAST_GREY, *(float(measure(*part).max()) for part in parts))


def _planes(
    image: ArrayLike,
    kind: int,
    sigmas_px: Sequence[float] | None,
    polarity: Polarity,
    parameters: Callable[[Callable[[], F32]], tuple[float, float]],
    options: RidgeOptions,
    *,
    full: bool,
) -> RidgeMap:
    """One measure's response, and its orientation and scale if `full`; `parameters` may ask for the frame's Hessian."""
    found = scales(sigmas_px, options, SIGMAS_PX)
    sign, cut = sign_of(polarity), truncation(options, 4.0)

    def core(x: F32, response: F32, details: F32, threads: int) -> None:
        response[...] = 0
        x = without_mean(x)
        for scale in found:
            blur = half_gaussian(scale.axial_px, cut), half_gaussian(scale.lateral_px, cut)
            sigmas = np.float32(scale.axial_px), np.float32(scale.lateral_px)
            first, second = parameters(partial(hessian_of, x, scale, sign, cut, threads))
            measure = kind, np.float32(first), np.float32(second)
            rows = partial(ridges.ridge_rows, x, response, details, *blur, *sigmas, np.float32(scale.given), sign)
            run_slabs(partial(rows, *measure), x.shape[0], threads)
        if full:  # orientation is worked out once, from the Hessian of the scale that won
            run_slabs(partial(ridges.finish_rows, response, details), x.shape[0], threads)

    response, details = ridge_planes(image, core, without(options), count=3 if full else 0)
    return RidgeMap(response, *(details[1::-1] if full else (response, response)))


def without_mean(x: F32) -> F32:
    """Return the picture around 0, where float32 has most digits: second differences need them."""
    return np.asarray(x - x.mean())


def hessian_of(x: F32, scale: Scale, sign: np.float32, truncate: float, threads: int) -> F32:
    """Half trace, half difference and mixed term of the scale-normalised Hessian, shape (3, H, W)."""
    planes = np.empty((3, *x.shape), np.float32)
    blur = half_gaussian(scale.axial_px, truncate), half_gaussian(scale.lateral_px, truncate)
    sigmas = np.float32(scale.axial_px), np.float32(scale.lateral_px)
    run_slabs(partial(ridges.hessian_rows, x, planes, *blur, *sigmas, sign, 0), x.shape[0], threads)
    return planes
