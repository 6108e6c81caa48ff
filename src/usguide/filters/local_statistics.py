"""Despeckling by the mean and variance of a window: Lee, Kuan, enhanced Lee, Frost, and the guided filter.

The first four weigh by the coefficient of variation, which log compression ties to the grey level of the tissue: of
B-mode they are best given ``values="log_compressed"``, which filters the envelope.
"""

from __future__ import annotations

from functools import partial
from typing import Unpack

import numpy as np
from numpy.typing import ArrayLike

from usguide._threads import run_slabs
from usguide._validation import validate_number
from usguide.filters._common import F32, Common, despeckled, repeat_border, sums_for, validate_amount, validate_odd
from usguide.filters._kernels import windows


def lee(image: ArrayLike, *, window_px: int = 7, cu: float = 0.25, **common: Unpack[Common]) -> F32:
    """Lee's filter: the mean where the window is no more varied than speckle, the pixel where it is.

    Made for an envelope, whose speckle is multiplicative.

    Parameters
    ----------
    image : array_like, shape (H, W)
        uint8, uint16 or float; 0 or more.
    window_px : int
        Side of the square window, odd, 3 or more.
    cu : float
        Coefficient of variation of fully developed speckle, in the values given: 0.52 for an envelope of one look;
        about 0.25 suits 8-bit B-mode.
    **common
        See `Common`: values, dynamic_range_db, region, mask, threads, out.

    Returns
    -------
    ndarray of float32, shape (H, W)

    Raises
    ------
    InvalidFrameError, InputError
        Not an image; an option outside its range.

    Notes
    -----
    ``m + w (I - m)``, ``w = 1 - Cu^2 / Ci^2`` clamped to 0..1, with m and v mean and variance of the window and
    ``Ci^2 = v / m^2``.

    References
    ----------
    J.-S. Lee, "Digital image enhancement and noise filtering by use of local statistics", IEEE PAMI 2(2), 1980.
    """
    return _linear(image, window_px, cu, common, kuan=False)


def kuan(image: ArrayLike, *, window_px: int = 7, cu: float = 0.25, **common: Unpack[Common]) -> F32:
    """Kuan's filter: as Lee's, with the weight of a linear minimum-mean-square-error estimate.

    Made for an envelope. Smooths structure a little more than `lee` does, by the factor ``1 / (1 + Cu^2)``.

    Parameters
    ----------
    image : array_like, shape (H, W)
        uint8, uint16 or float; 0 or more.
    window_px : int
        Side of the square window, odd, 3 or more.
    cu : float
        Coefficient of variation of fully developed speckle; see `lee`.
    **common
        See `Common`.

    Returns
    -------
    ndarray of float32, shape (H, W)

    Raises
    ------
    InvalidFrameError, InputError
        Not an image; an option outside its range.

    Notes
    -----
    ``m + w (I - m)``, ``w = (1 - Cu^2 / Ci^2) / (1 + Cu^2)``, clamped to 0..1.

    References
    ----------
    D. T. Kuan et al., "Adaptive noise smoothing filter for images with signal-dependent noise", IEEE PAMI 7(2), 1985.
    """
    return _linear(image, window_px, cu, common, kuan=True)


def _linear(image: ArrayLike, window_px: int, cu: float, common: Common, *, kuan: bool) -> F32:
    r = validate_odd(window_px, name="window_px") // 2
    cu2 = validate_amount(cu, name="cu") ** 2
    gain = 1 / (1 + cu2) if kuan else 1.0

    def core(x: F32, out: F32, threads: int) -> None:
        run_slabs(
            partial(windows.linear_rows, x, out, r, np.float32(cu2), np.float32(gain), sums_for(x)),
            x.shape[0],
            threads,
            windows.RESTART_ROWS,
        )

    return despeckled(image, core, common, made_for="envelope")


def enhanced_lee(
    image: ArrayLike, *, window_px: int = 7, cu: float = 0.25, damping: float = 1.0, **common: Unpack[Common]
) -> F32:
    """Enhanced Lee: three classes of pixels, flat (the mean), point-like (left alone) and in between.

    Made for an envelope.

    Parameters
    ----------
    image : array_like, shape (H, W)
        uint8, uint16 or float; 0 or more.
    window_px : int
        Side of the square window, odd, 3 or more.
    cu : float
        Coefficient of variation of fully developed speckle; see `lee`.
    damping : float
        k, above 0: how fast the weight of the mean falls between the two classes.
    **common
        See `Common`.

    Returns
    -------
    ndarray of float32, shape (H, W)

    Raises
    ------
    InvalidFrameError, InputError
        Not an image; an option outside its range.

    Notes
    -----
    ``Ci <= Cu``: m. ``Ci >= Cmax = sqrt(1 + 2 Cu^2)``: I. Between: ``m W + I (1 - W)``,
    ``W = exp(-k (Ci - Cu) / (Cmax - Ci))``.

    References
    ----------
    A. Lopes, R. Touzi and E. Nezry, "Adaptive speckle filters and scene heterogeneity", IEEE TGRS 28(6), 1990.
    """
    r = validate_odd(window_px, name="window_px") // 2
    c = validate_amount(cu, name="cu")
    cmax, k = np.float32(np.sqrt(1 + 2 * c * c)), np.float32(validate_amount(damping, name="damping"))

    def core(x: F32, out: F32, threads: int) -> None:
        run_slabs(
            partial(windows.enhanced_lee_rows, x, out, r, np.float32(c), cmax, k, sums_for(x)),
            x.shape[0],
            threads,
            windows.RESTART_ROWS,
        )

    return despeckled(image, core, common, made_for="envelope")


def frost(image: ArrayLike, *, window_px: int = 7, damping: float = 2.0, **common: Unpack[Common]) -> F32:
    """Frost's filter: a mean whose weights fall with distance, the faster the more varied the window is.

    Made for an envelope.

    Parameters
    ----------
    image : array_like, shape (H, W)
        uint8, uint16 or float; 0 or more.
    window_px : int
        Side of the square window, odd, 3 or more.
    damping : float
        K, 0 or more; 0 is the plain mean.
    **common
        See `Common`.

    Returns
    -------
    ndarray of float32, shape (H, W)

    Raises
    ------
    InvalidFrameError, InputError
        Not an image; an option outside its range.

    Notes
    -----
    Weights ``exp(-K Ci^2 d)``, d the distance to the centre in px, normalised to a sum of 1.

    References
    ----------
    V. S. Frost et al., "A model for radar images and its application to adaptive digital filtering of multiplicative
    noise", IEEE PAMI 4(2), 1982.
    """
    r = validate_odd(window_px, name="window_px") // 2
    k = np.float32(validate_number(damping, name="damping", low=0))

    def core(x: F32, out: F32, threads: int) -> None:
        padded = repeat_border(x, r)

        run_slabs(
            partial(windows.frost_rows, x, padded, out, r, k, sums_for(x)), x.shape[0], threads, windows.RESTART_ROWS
        )

    return despeckled(image, core, common, made_for="envelope")


def guided(image: ArrayLike, *, window_px: int = 7, sigma_grey: float = 40.0, **common: Unpack[Common]) -> F32:
    """Guided filter with the image as its own guide: flat windows are averaged, edges stay.

    Made for log-compressed values.

    Parameters
    ----------
    image : array_like, shape (H, W)
        uint8, uint16 or float.
    window_px : int
        Side of the square window, odd, 3 or more.
    sigma_grey : float
        Standard deviation, in grey levels, up to which a window counts as flat.
    **common
        See `Common`.

    Returns
    -------
    ndarray of float32, shape (H, W)

    Raises
    ------
    InvalidFrameError, InputError
        Not an image; an option outside its range.

    Notes
    -----
    ``mean(a) I + mean(b)``, ``a = v / (v + sigma^2)``, ``b = (1 - a) m``; the means are over the window.

    References
    ----------
    K. He, J. Sun and X. Tang, "Guided image filtering", ECCV 2010.
    """
    r = validate_odd(window_px, name="window_px") // 2
    eps = np.float32(validate_amount(sigma_grey, name="sigma_grey") ** 2)

    def core(x: F32, out: F32, threads: int) -> None:
        mean = x.mean()  # the filter moves with the grey levels: around 0 they keep their digits
        x = x - mean
        slope, offset = np.empty_like(x), np.empty_like(x)
        fit = partial(windows.guide_rows, x, slope, offset, r, eps, sums_for(x))
        apply = partial(windows.apply_guide_rows, x, slope, offset, out, r)
        for half in (fit, apply):
            run_slabs(half, x.shape[0], threads, windows.RESTART_ROWS)
        out += mean

    return despeckled(image, core, common, made_for="log_compressed")
