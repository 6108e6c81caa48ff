"""Scores of a filtered picture: against a speckle-free truth, in a flat region, between two regions, along an edge.

No score stands alone. PSNR, SSIM and ENL rise with smoothing until structure is lost, and contrast-to-noise ratios rise
with any change of the grey scale; gCNR does not (Rodriguez-Molares 2020). Read them together with a score of edges.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage
from skimage.metrics import structural_similarity

from usguide._validation import ensure_float32, validate_number, validate_positive
from usguide.errors import InputError

RAYLEIGH_ENL = math.pi / (4 - math.pi)
"""ENL of fully developed speckle's envelope without averaging: 3.66."""
SSIM_WINDOW_PX = 7


def _pair(image: ArrayLike, truth: ArrayLike) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    a, b = ensure_float32(image, name="image"), ensure_float32(truth, name="truth")
    if a.shape != b.shape:
        raise InputError(f"truth: expected the image's shape {a.shape}, got {b.shape}; crop or resample one of them")
    return a, b


def _values(values: ArrayLike, *, name: str) -> NDArray[np.float64]:
    """Return pixel values as a flat array if there are at least two and all are finite, else raise."""
    try:
        flat = np.asarray(values, dtype=np.float64).ravel()
    except (TypeError, ValueError):
        raise InputError(f"{name}: expected pixel values, got {type(values).__name__}") from None
    if flat.size < 2:
        raise InputError(f"{name}: expected at least 2 pixels, got {flat.size}; enlarge the region")
    if bad := int(flat.size - np.count_nonzero(np.isfinite(flat))):
        raise InputError(f"{name}: expected finite values, got {bad} NaN or infinite; leave them out first")
    return flat


def psnr_db(image: ArrayLike, truth: ArrayLike, *, full_scale: float = 255.0) -> float:
    """Peak signal-to-noise ratio: ``10 log10(full_scale^2 / mean((image - truth)^2))``.

    Parameters
    ----------
    image, truth : array_like, shape (H, W)
        Grey levels of the same scale.
    full_scale : float
        White.

    Returns
    -------
    float
        In dB; infinite for identical pictures.

    Raises
    ------
    InvalidFrameError, InputError
        Not images; two shapes.

    Notes
    -----
    A constant offset of the grey level counts as error like speckle does: compare with the truth of the scale that the
    filter works on.
    """
    white = validate_positive(full_scale, name="full_scale")
    a, b = _pair(image, truth)
    error = float(np.mean((a.astype(np.float64) - b) ** 2))
    return math.inf if error == 0 else 10 * math.log10(white**2 / error)


def ssim(image: ArrayLike, truth: ArrayLike, *, full_scale: float = 255.0) -> float:
    """Mean structural similarity (scikit-image, uniform 7 x 7 window).

    Parameters
    ----------
    image, truth : array_like, shape (H, W)
        Grey levels of the same scale, at least 7 x 7 px.
    full_scale : float
        White.

    Returns
    -------
    float
        At most 1, for identical pictures.

    Raises
    ------
    InvalidFrameError, InputError
        Not images; two shapes; smaller than the window.

    References
    ----------
    Z. Wang, A. C. Bovik, H. R. Sheikh and E. P. Simoncelli, "Image quality assessment: from error visibility to
    structural similarity", IEEE Trans. Image Process. 13(4), 2004.
    """
    white = validate_positive(full_scale, name="full_scale")
    a, b = _pair(image, truth)
    if min(a.shape) < SSIM_WINDOW_PX:
        raise InputError(f"image: expected at least {SSIM_WINDOW_PX} x {SSIM_WINDOW_PX} px for SSIM, got {a.shape}")
    score: Any = structural_similarity(a, b, data_range=white, win_size=SSIM_WINDOW_PX)  # type: ignore[no-untyped-call]
    return float(score)


def enl(values: ArrayLike) -> float:
    """Equivalent number of looks of a homogeneous region: ``mean^2 / variance``.

    Parameters
    ----------
    values : array_like
        Envelope of the region's pixels, 0 or more, in any shape. Undo log compression first
        (`usguide.intensity.log_decompress`).

    Returns
    -------
    float
        3.66 for fully developed speckle without averaging (Rayleigh); infinite where all pixels are equal.

    Raises
    ------
    InputError
        Fewer than 2 pixels, NaN or infinity, negative values, all zero.

    Notes
    -----
    It says how strongly a filter smooths a flat region, not how good it is: a constant picture scores infinity.
    """
    flat = _values(values, name="values")
    if flat.min() < 0:
        raise InputError(f"values: expected an envelope of 0 or more, got {flat.min():g}")
    mean, variance = float(flat.mean()), float(flat.var())
    if mean == 0:
        raise InputError("values: expected an envelope above 0 somewhere, got zeros only; choose another region")
    return math.inf if variance == 0 else mean**2 / variance


def gcnr(a: ArrayLike, b: ArrayLike, *, bins: int = 100) -> float:
    """Generalised contrast-to-noise ratio: 1 minus the overlap of two regions' histograms.

    Parameters
    ----------
    a, b : array_like
        Values of the two regions' pixels, in any shape and number.
    bins : int
        Bins over the joint range.

    Returns
    -------
    float
        0 where the regions can't be told apart by their values, 1 where a threshold parts them.

    Raises
    ------
    InputError
        Fewer than 2 pixels, NaN or infinity, fewer than 2 bins.

    Notes
    -----
    Small regions bias it upwards, since sparse histograms overlap less: use some ten pixels a bin.

    References
    ----------
    A. Rodriguez-Molares et al., "The generalized contrast-to-noise ratio: a formal definition for lesion
    detectability", IEEE Trans. Ultrason. Ferroelectr. Freq. Control 67(4), 2020.
    """
    first, second = _values(a, name="a"), _values(b, name="b")
    count = int(validate_number(bins, name="bins", low=2))
    low, high = min(first.min(), second.min()), max(first.max(), second.max())
    if low == high:
        return 0.0
    p, _ = np.histogram(first, bins=count, range=(low, high))
    q, _ = np.histogram(second, bins=count, range=(low, high))
    return float(1 - np.minimum(p / first.size, q / second.size).sum())


def _edge_map(edges: Any, *, name: str) -> NDArray[np.bool_]:
    array = np.asarray(edges)
    if array.ndim != 2 or array.size == 0:
        raise InputError(f"{name}: expected an edge map of shape (H, W), got {array.shape}")
    if array.dtype != np.bool_ and not np.isin(array, (0, 1, 255)).all():
        raise InputError(
            f"{name}: expected an edge map of True and False (or 0 and 1 or 255), got {array.dtype} values"
        )
    return np.asarray(array != 0, dtype=np.bool_)


def pratt_figure_of_merit(detected: ArrayLike, truth: ArrayLike, *, alpha: float = 1 / 9) -> float:
    """Pratt's figure of merit of an edge map: ``1 / max(Nd, Nt) sum over detected of 1 / (1 + alpha d^2)``.

    Parameters
    ----------
    detected, truth : array_like of bool, shape (H, W)
        Edge pixels, thin (one pixel wide).
    alpha : float
        Price of displacement; 1/9 halves the share of an edge pixel that is 3 px off.

    Returns
    -------
    float
        0 to 1; 1 where the two maps are the same. False and missing edges both lower it.

    Raises
    ------
    InputError
        Not edge maps; two shapes; no true edge.

    References
    ----------
    I. E. Abdou and W. K. Pratt, "Quantitative design and evaluation of enhancement/thresholding edge detectors",
    Proc. IEEE 67(5), 1979.
    """
    price = validate_positive(alpha, name="alpha")
    found, true = _edge_map(detected, name="detected"), _edge_map(truth, name="truth")
    if found.shape != true.shape:
        raise InputError(f"truth: expected the detected map's shape {found.shape}, got {true.shape}")
    if not true.any():
        raise InputError("truth: expected at least one edge pixel, got none; there is nothing to score")
    if not found.any():
        return 0.0
    distance = np.asarray(ndimage.distance_transform_edt(~true), dtype=np.float64)
    share = 1 / (1 + price * distance[found] ** 2)
    return float(share.sum() / max(np.count_nonzero(found), np.count_nonzero(true)))
