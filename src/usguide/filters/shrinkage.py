"""Despeckling by what is rare: the median, wavelet shrinkage and total variation."""

from __future__ import annotations

from functools import partial
from typing import Unpack

import cv2
import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage

from usguide._threads import run_slabs
from usguide._validation import validate_number
from usguide.filters._common import (
    F32,
    Common,
    despeckled,
    median_in_place,
    validate_amount,
    validate_count,
    validate_odd,
)
from usguide.filters._kernels import diffusion
from usguide.filters._kernels import wavelet as starlet

MAD_OF_GAUSSIAN = 0.6745
"""Median absolute deviation of a Gaussian of standard deviation 1."""
OPENCV_MEDIAN_PX = 5
"""OpenCV's median takes float32 up to this window, and 8-bit values in larger ones."""


def median(image: ArrayLike, *, window_px: int = 5, **common: Unpack[Common]) -> F32:
    """Median of a square window: removes isolated bright points, keeps edges, whatever the values are.

    Parameters
    ----------
    image : array_like, shape (H, W)
        uint8, uint16 or float.
    window_px : int
        Side of the window, odd, 3 or more. Above 5, uint8 is fast (OpenCV), other types are slow (SciPy).
    **common
        See `Common`: values, dynamic_range_db, region, mask, threads, out.

    Returns
    -------
    ndarray of float32, shape (H, W)

    Raises
    ------
    InvalidFrameError, InputError
        Not an image; an option outside its range.
    """
    size = validate_odd(window_px, name="window_px")
    are_bytes = getattr(image, "dtype", None) == np.uint8 and common.get("values") is None

    def core(x: F32, out: F32, threads: int) -> None:  # noqa: ARG001  (OpenCV has threads of its own)
        if are_bytes:
            out[...] = cv2.medianBlur(x.astype(np.uint8), size)
        elif size <= OPENCV_MEDIAN_PX:
            cv2.medianBlur(x, size, dst=out)
        else:
            ndimage.median_filter(x, size, mode="nearest", output=out)

    return despeckled(image, core, common, made_for="log_compressed")


def wavelet(
    image: ArrayLike,
    *,
    levels: int = 3,
    threshold: float = 1.0,
    sigma_grey: float | None = None,
    **common: Unpack[Common],
) -> F32:
    """Wavelet shrinkage: details smaller than those of speckle are taken away, at each scale.

    Made for log-compressed values. The transform is undecimated, so that the result moves with the picture.

    Parameters
    ----------
    image : array_like, shape (H, W)
        uint8, uint16 or float.
    levels : int
        Scales, 1 to 8; the coarsest is about 2 ** levels px.
    threshold : float
        Soft threshold in standard deviations of each scale's details.
    sigma_grey : float, optional
        That standard deviation in grey levels, the same at all scales. By default each scale's own, from the median of
        its absolute details; then the result depends on the whole frame.
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
    Starlet transform: each level blurs by the B3 spline with its taps 2 ** level px apart; details are the differences
    between levels.

    References
    ----------
    J.-L. Starck, J. Fadili and F. Murtagh, "The undecimated wavelet decomposition and its reconstruction", IEEE Trans.
    Image Process. 16(2), 2007. D. L. Donoho, "De-noising by soft-thresholding", IEEE Trans. Inf. Theory 41(3), 1995.
    """
    count = validate_count(levels, name="levels", low=1, high=8)
    factor = validate_number(threshold, name="threshold", low=0)
    fixed = None if sigma_grey is None else validate_amount(sigma_grey, name="sigma_grey")

    def core(x: F32, out: F32, threads: int) -> None:
        total, fine = out, x
        total[...] = 0
        for level in range(count):
            coarse = np.empty_like(x)
            run_slabs(partial(starlet.smooth_rows, fine, coarse, 2**level), x.shape[0], threads)
            sigma = _deviation(fine, coarse) if fixed is None else fixed
            least = np.float32(factor * sigma)
            run_slabs(partial(starlet.keep_details_rows, fine, coarse, total, least), x.shape[0], threads)
            fine = coarse
        total += fine

    return despeckled(image, core, common, made_for="log_compressed")


def _deviation(fine: F32, coarse: F32) -> float:
    """Robust standard deviation of the details of one scale."""
    details = cv2.absdiff(fine, coarse)
    return median_in_place(np.asarray(details, dtype=np.float32)) / MAD_OF_GAUSSIAN


def tv(image: ArrayLike, *, weight: float = 22.0, iterations: int = 50, **common: Unpack[Common]) -> F32:
    """Total variation: the picture nearest to the image whose gradients are small in sum; flat areas, sharp edges.

    Made for log-compressed values.

    Parameters
    ----------
    image : array_like, shape (H, W)
        uint8, uint16 or float.
    weight : float
        In grey levels: larger smooths more.
    iterations : int
        1 or more; always this many, so that the time is known.
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
    Chambolle's projection with a step of 1/4, as scikit-image's ``denoise_tv_chambolle`` with ``eps=0``.

    References
    ----------
    A. Chambolle, "An algorithm for total variation minimization and applications", J. Math. Imaging Vis. 20, 2004.
    """
    strength = np.float32(validate_amount(weight, name="weight"))
    n = validate_count(iterations, name="iterations", low=1)

    def core(x: F32, out: F32, threads: int) -> None:
        px, py = np.zeros_like(x), np.zeros_like(x)
        if threads == 1:
            for _ in range(n - 1):
                diffusion.tv_step(x, px, py, strength)
        else:
            px, py = _tv_in_slabs(x, px, py, strength, n - 1, threads)
        diffusion.tv_picture(x, px, py, out)

    return despeckled(image, core, common, made_for="log_compressed")


TV_STEPS_TOGETHER = 8
"""Steps that a slab makes before it takes its neighbours' rows again; each makes one row at its edge wrong."""


def _tv_in_slabs(x: F32, px: F32, py: F32, weight: np.float32, steps: int, threads: int) -> tuple[F32, F32]:
    qx, qy = np.empty_like(px), np.empty_like(py)
    for done in range(0, steps, TV_STEPS_TOGETHER):
        count = min(TV_STEPS_TOGETHER, steps - done)
        run_slabs(partial(_tv_slab, x, (px, py), (qx, qy), weight, count), x.shape[0], threads)
        px, py, qx, qy = qx, qy, px, py
    return px, py


def _tv_slab(
    x: F32, old: tuple[F32, F32], new: tuple[F32, F32], weight: np.float32, count: int, y0: int, y1: int
) -> None:
    top, bottom = max(y0 - count, 0), min(y1 + count, x.shape[0])
    work = [plane[top:bottom].copy() for plane in old]
    for _ in range(count):
        diffusion.tv_step(x[top:bottom], work[0], work[1], weight)
    for plane, part in zip(new, work, strict=True):
        plane[y0:y1] = part[y0 - top : y1 - top]
