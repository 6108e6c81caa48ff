"""Despeckling by patches that look alike: NLM and OBNLM; and the bilateral filter, whose patch is one pixel."""

from __future__ import annotations

from functools import partial
from typing import Unpack

import numpy as np
from numpy.typing import ArrayLike

from usguide._threads import run_slabs
from usguide._validation import validate_number
from usguide.filters._common import (
    F32,
    WIDE,
    Common,
    despeckled,
    repeat_border,
    require_no_negative,
    validate_amount,
    validate_count,
    validate_odd,
)
from usguide.filters._kernels import patches, windows


def nlm(image: ArrayLike, *, patch_px: int = 5, search_px: int = 11, h: float = 26.0, **common: Unpack[Common]) -> F32:
    """Non-local means: each pixel becomes the mean of those around it whose patches look like its own.

    Made for log-compressed values.

    Parameters
    ----------
    image : array_like, shape (H, W)
        uint8, uint16 or float.
    patch_px : int
        Side of the patches that are compared, odd.
    search_px : int
        Side of the square that is searched, odd.
    h : float
        Root-mean-square difference, in grey levels, at which a patch's weight has fallen to 1/e.
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
    Weights ``exp(-mean((a - b)^2) / h^2)`` over the patch, as OpenCV's.

    References
    ----------
    A. Buades, B. Coll and J.-M. Morel, "A non-local algorithm for image denoising", CVPR 2005.
    """
    patch = validate_odd(patch_px, name="patch_px", low=1)
    reach = validate_odd(search_px, name="search_px") // 2
    scale = np.float32(1 / (patch * patch * validate_amount(h, name="h") ** 2))

    def core(x: F32, out: F32, threads: int) -> None:
        padded = repeat_border(x, reach + patch // 2)

        run_slabs(partial(patches.nlm_rows, padded, out, patch, reach, scale), x.shape[0], threads, patches.TILE_ROWS)

    return despeckled(image, core, common, made_for="log_compressed")


def obnlm(
    image: ArrayLike,
    *,
    patch_px: int = 5,
    search_px: int = 13,
    step_px: int = 2,
    h: float = 13.0,
    mean_ratio: float = 0.6,
    variance_ratio: float = 0.5,
    floor: float = 1.0,
    **common: Unpack[Common],
) -> F32:
    """Optimised Bayesian non-local means: blocks compared by Pearson's distance, which expects speckle.

    Made for grey levels whose variance grows with their mean, as an envelope's does and B-mode's still does a little.

    Parameters
    ----------
    image : array_like, shape (H, W)
        uint8, uint16 or float; 0 or more.
    patch_px : int
        Side of the blocks, odd, 3 or more.
    search_px : int
        Side of the square that is searched, odd.
    step_px : int
        Distance between blocks, 1 to half of `patch_px`, rounded up, so that they cover the picture.
    h : float
        Smoothing: a block's weight is ``exp(-distance / h^2)``.
    mean_ratio, variance_ratio : float
        0 to 1: blocks whose means, or variances, have a smaller ratio than this are not compared at all.
    floor : float
        Added to grey levels where they divide.
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
    Distance: ``sum((a - b)^2 / b)`` over the block, the Pearson distance with gamma = 0.5. Each pixel is the average of
    the estimates of the blocks that cover it. The ratio of means and variances is of values with a floor of one grey
    level added.

    References
    ----------
    P. Coupe et al., "Nonlocal means-based speckle filtering for ultrasound images", IEEE TIP 18(10), 2009.
    """
    r, reach = validate_odd(patch_px, name="patch_px") // 2, validate_odd(search_px, name="search_px") // 2
    step = validate_count(step_px, name="step_px", low=1, high=r + 1)
    scale = np.float32(1 / validate_amount(h, name="h") ** 2)
    ratios = (
        np.float32(validate_number(mean_ratio, name="mean_ratio", low=0, high=1)),
        np.float32(validate_number(variance_ratio, name="variance_ratio", low=0, high=1)),
    )
    level = np.float32(validate_amount(floor, name="floor"))

    def core(x: F32, out: F32, threads: int) -> None:
        require_no_negative(x)
        padded = repeat_border(x, reach + r)
        inverse = np.reciprocal(padded + level)
        mean, variance = np.empty_like(padded), np.empty_like(padded)

        moments = partial(windows.moments_rows, padded, mean, variance, r, WIDE)
        run_slabs(moments, padded.shape[0], threads, windows.RESTART_ROWS)
        run_slabs(
            partial(patches.obnlm_rows, padded, inverse, mean, variance, out, r, reach, step, scale, *ratios),
            x.shape[0],
            threads,
        )

    return despeckled(image, core, common, made_for="envelope")


def bilateral(
    image: ArrayLike, *, window_px: int = 11, sigma_grey: float = 50.0, sigma_px: float = 3.0, **common: Unpack[Common]
) -> F32:
    """Bilateral filter: a mean over a disc, weighted by distance and by difference in grey level.

    Made for log-compressed values.

    Parameters
    ----------
    image : array_like, shape (H, W)
        uint8, uint16 or float.
    window_px : int
        Diameter of the disc, odd, 3 or more.
    sigma_grey : float
        Standard deviation of the weights in grey levels.
    sigma_px : float
        Standard deviation of the weights in px.
    **common
        See `Common`.

    Returns
    -------
    ndarray of float32, shape (H, W)

    Raises
    ------
    InvalidFrameError, InputError
        Not an image; an option outside its range.

    References
    ----------
    C. Tomasi and R. Manduchi, "Bilateral filtering for gray and color images", ICCV 1998.
    """
    r = validate_odd(window_px, name="window_px") // 2
    inv_grey, inv_px = (
        np.float32(1 / (2 * validate_amount(v, name=name) ** 2))
        for name, v in (("sigma_grey", sigma_grey), ("sigma_px", sigma_px))
    )

    def core(x: F32, out: F32, threads: int) -> None:
        padded = repeat_border(x, r)

        run_slabs(partial(patches.bilateral_rows, padded, out, r, inv_grey, inv_px), x.shape[0], threads)

    return despeckled(image, core, common, made_for="log_compressed")
