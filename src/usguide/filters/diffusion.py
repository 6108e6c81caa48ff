"""Despeckling by diffusion: SRAD, DPAD, OSRAD."""

from __future__ import annotations

from functools import partial
from typing import Unpack

import cv2
import numpy as np
from numpy.typing import ArrayLike

from usguide._threads import row_slabs, run_slabs
from usguide._validation import validate_number
from usguide.filters._common import (
    F32,
    WIDE,
    Common,
    despeckled,
    median_in_place,
    require_no_negative,
    validate_amount,
    validate_count,
    validate_odd,
)
from usguide.filters._kernels import diffusion, windows

STEPS_TOGETHER = 10
"""Iterations that a slab makes before it takes its neighbours' rows again."""
ROWS_LOST_A_STEP = 2
"""A step reads two rows beyond a slab, so that many at its edge are wrong after it."""


def srad(
    image: ArrayLike,
    *,
    iterations: int = 30,
    time_step: float = 0.2,
    q0: float = 0.5,
    rho: float = 0.0,
    floor: float = 1.0,
    **common: Unpack[Common],
) -> F32:
    """Speckle-reducing anisotropic diffusion: smooths where variation is that of speckle, stops at edges.

    Made for an envelope; widely used on log-compressed grey levels as they are, where at this q0 it is a plain diffusion.
    There, ``values="log_compressed", q0=0.35`` stops at edges as the paper means it to.

    Parameters
    ----------
    image : array_like, shape (H, W)
        uint8, uint16 or float; 0 or more.
    iterations : int
        0 or more.
    time_step : float
        0 to 1; the scheme is stable there.
    q0 : float
        Coefficient of variation of fully developed speckle at the start: larger smooths more.
    rho : float
        Decay of q0 with each iteration: ``q0 * exp(-rho * t)``.
    floor : float
        Added before and removed after, so that the intensity it divides by is positive.
    **common
        See `Common`: values, dynamic_range_db, region, mask, threads, out.

    Returns
    -------
    ndarray of float32, shape (H, W)

    Raises
    ------
    InvalidFrameError, InputError
        Not an image, negative values; an option outside its range.

    Notes
    -----
    ``I += dt/4 div(c grad I)``, ``c = 1 / (1 + (q^2 - q0^2) / (q0^2 (1 + q0^2)))`` clamped to 0..1, where ``q`` is the
    instantaneous coefficient of variation, from one-sided differences to the four neighbours.

    References
    ----------
    Y. Yu and S. T. Acton, "Speckle reducing anisotropic diffusion", IEEE Trans. Image Process. 11(11), 2002.
    """
    n = validate_count(iterations, name="iterations")
    step = np.float32(validate_number(time_step, name="time_step", low=0, high=1) / 4)
    q, decay = validate_number(q0, name="q0", low=1e-6, high=100), validate_number(rho, name="rho", low=0)
    level = np.float32(validate_amount(floor, name="floor"))

    def core(x: F32, out: F32, threads: int) -> None:
        a, b = _lifted(x, level), out
        levels = [np.float32(q * np.exp(-decay * t)) for t in range(n)]
        if threads == 1:
            a, b = _srad_steps(a, b, levels, step)
        else:
            slabs = row_slabs(x.shape[0], threads)
            most = max(y1 - y0 for y0, y1 in slabs) + 2 * ROWS_LOST_A_STEP * STEPS_TOGETHER
            work = {y0: np.empty((2, most, x.shape[1]), np.float32) for y0, _ in slabs}
            for first in range(0, n, STEPS_TOGETHER):
                some = levels[first : first + STEPS_TOGETHER]
                run_slabs(partial(_srad_slab, a, b, some, step, work), x.shape[0], threads)
                a, b = b, a
        np.subtract(a, level, out=out)

    return despeckled(image, core, common, made_for="envelope")


def _srad_steps(a: F32, b: F32, levels: list[np.float32], step: np.float32) -> tuple[F32, F32]:
    for level in levels:
        diffusion.srad_step(a, b, step, level)
        a, b = b, a
    return a, b


def _srad_slab(
    a: F32, b: F32, levels: list[np.float32], step: np.float32, work: dict[int, F32], y0: int, y1: int
) -> None:
    """Rows ``y0..y1`` of `b` from `a`: the slab with a margin, of which each step makes two more rows useless."""
    margin = ROWS_LOST_A_STEP * len(levels)
    top, bottom = max(y0 - margin, 0), min(y1 + margin, a.shape[0])
    first, second = work[y0][:, : bottom - top]
    diffusion.srad_step(a[top:bottom], first, step, levels[0])
    done, _ = _srad_steps(first, second, levels[1:], step)
    b[y0:y1] = done[y0 - top : y1 - top]


def _lifted(x: F32, floor: np.float32) -> F32:
    require_no_negative(x)
    return np.asarray(x + floor)


def dpad(
    image: ArrayLike,
    *,
    iterations: int = 20,
    time_step: float = 0.7,
    window_px: int = 9,
    floor: float = 1.0,
    **common: Unpack[Common],
) -> F32:
    """Detail-preserving anisotropic diffusion: SRAD with statistics of a window, and a speckle level it finds itself.

    Made for an envelope.

    Parameters
    ----------
    image : array_like, shape (H, W)
        uint8, uint16 or float; 0 or more.
    iterations : int
        0 or more.
    time_step : float
        0 to 1; near 1 a pattern of single pixels is hardly damped.
    window_px : int
        Side of the square window of the statistics, odd.
    floor : float
        Added before and removed after.
    **common
        See `Common`.

    Returns
    -------
    ndarray of float32, shape (H, W)

    Raises
    ------
    InvalidFrameError, InputError
        Not an image, negative values; an option outside its range.

    Notes
    -----
    ``I += dt/4 div(c grad I)``, ``c = (1 + 1/Ci^2) / (1 + 1/Cu^2)`` clamped to 0..1; Cu^2 is the median of Ci^2 over the
    image at each iteration. Where half of the frame is flat, as around a sector, that is 0 and nothing is smoothed: give
    the sector as `mask`, or its box as `region`.

    References
    ----------
    S. Aja-Fernandez and C. Alberola-Lopez, "On the estimation of the coefficient of variation for anisotropic diffusion
    speckle filtering", IEEE Trans. Image Process. 15(9), 2006.
    """
    n = validate_count(iterations, name="iterations")
    step = np.float32(validate_number(time_step, name="time_step", low=0, high=1) / 4)
    r = validate_odd(window_px, name="window_px") // 2
    level = np.float32(validate_amount(floor, name="floor"))

    def core(x: F32, out: F32, threads: int) -> None:
        a, b, c = _lifted(x, level), out, np.empty_like(x)
        for _ in range(n):
            _dpad_coefficients(a, c, b, r, threads)  # b is free until it takes the step
            run_slabs(partial(diffusion.flux_rows, a, c, b, step), x.shape[0], threads)
            a, b = b, a
        np.subtract(a, level, out=out)

    return despeckled(image, core, common, made_for="envelope")


def _dpad_coefficients(a: F32, c: F32, scratch: F32, r: int, threads: int) -> None:
    """Fill `c` with DPAD's coefficients of `a`."""
    h = a.shape[0]
    # In float64: the speckle level may be that of variances far below the grey level's square.
    run_slabs(partial(windows.moments_rows, a, scratch, c, r, WIDE), h, threads, windows.RESTART_ROWS)
    run_slabs(partial(diffusion.squared_variation_rows, scratch, c, c), h, threads)
    np.copyto(scratch, c)
    cu2 = median_in_place(scratch)
    run_slabs(partial(diffusion.dpad_coefficient_rows, c, c, np.float32(cu2)), h, threads)


def osrad(
    image: ArrayLike,
    *,
    iterations: int = 20,
    time_step: float = 0.7,
    window_px: int = 9,
    sigma_px: float = 1.5,
    along: float = 0.95,
    floor: float = 1.0,
    **common: Unpack[Common],
) -> F32:
    """Oriented SRAD: diffuses along structure always, and across it only where variation is that of speckle.

    Made for an envelope. Keeps thin lines better than `srad` and `dpad` do, at several times their cost.

    Parameters
    ----------
    image : array_like, shape (H, W)
        uint8, uint16 or float; 0 or more.
    iterations : int
        0 or more.
    time_step : float
        0 to 1; near 1 a pattern of single pixels is hardly damped.
    window_px : int
        Side of the square window of the statistics, odd.
    sigma_px : float
        Smoothing of the structure tensor.
    along : float
        Diffusion along the structure, 0 to 1.
    floor : float
        Added before and removed after.
    **common
        See `Common`.

    Returns
    -------
    ndarray of float32, shape (H, W)

    Raises
    ------
    InvalidFrameError, InputError
        Not an image, negative values; an option outside its range.

    Notes
    -----
    ``I += dt/4 div(c_n (grad I . n) n + c_t (grad I . t) t)`` with n across and t along the structure, from the smoothed
    structure tensor; c_n is that of `dpad`. Fluxes are taken half a pixel from the centre. A point has no direction:
    there both are their mean. As for `dpad`, give a sector on black as `mask`.

    References
    ----------
    K. Krissian et al., "Oriented speckle reducing anisotropic diffusion", IEEE Trans. Image Process. 16(5), 2007.
    """
    n = validate_count(iterations, name="iterations")
    step = np.float32(validate_number(time_step, name="time_step", low=0, high=1) / 4)
    r = validate_odd(window_px, name="window_px") // 2
    sigma = validate_amount(sigma_px, name="sigma_px")
    c_t = np.float32(validate_number(along, name="along", low=0, high=1))
    level = np.float32(validate_amount(floor, name="floor"))

    def core(x: F32, out: F32, threads: int) -> None:
        a, b, c = _lifted(x, level), out, np.empty_like(x)
        xx, xy, yy = (np.empty_like(x) for _ in range(3))
        for _ in range(n):
            _dpad_coefficients(a, c, b, r, threads)  # b is free until it takes the step
            run_slabs(partial(diffusion.structure_rows, a, xx, xy, yy), x.shape[0], threads)
            for plane in (xx, xy, yy):
                cv2.GaussianBlur(plane, (0, 0), sigma, dst=plane, borderType=cv2.BORDER_REPLICATE)
            run_slabs(partial(diffusion.tensor_rows, xx, xy, yy, c, c_t), x.shape[0], threads)
            run_slabs(partial(diffusion.tensor_flux_rows, a, xx, xy, yy, b, step), x.shape[0], threads)
            a, b = b, a
        np.subtract(a, level, out=out)

    return despeckled(image, core, common, made_for="envelope")
