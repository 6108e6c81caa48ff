"""Ridge filters on the scale-normalised Hessian: response and orientation, the same for every frame.

The response never depends on the frame's own maximum or on the order of the sigmas.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from usguide._validation import ensure_float32, validate_positive
from usguide.errors import InputError
from usguide.filters._kernels import frangi_scale, sato_scale

Polarity = Literal["bright", "dark"]


@dataclass(frozen=True, slots=True, eq=False)
class RidgeMap:
    """Response of a ridge filter and the direction along the ridge.

    Parameters
    ----------
    response : ndarray of float32, shape (H, W)
        0 or more.
    orientation_rad : ndarray of float32, shape (H, W)
        From the lateral axis towards depth, -pi/2..pi/2; 0 where there is no response.
    """

    response: NDArray[np.float32]
    orientation_rad: NDArray[np.float32]


def _padded_blur(image: NDArray[np.float32], sigma_px: float) -> NDArray[np.float32]:
    radius = int(np.ceil(4 * sigma_px))
    size = (2 * radius + 1, 2 * radius + 1)
    blurred = cv2.GaussianBlur(image, size, sigma_px, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.copyMakeBorder(blurred, 1, 1, 1, 1, cv2.BORDER_REPLICATE), dtype=np.float32)


def _validate_sigmas(sigmas_px: Sequence[float]) -> list[float]:
    sigmas = sorted(validate_positive(s, name="sigmas_px") for s in sigmas_px)
    if not sigmas:
        raise InputError("sigmas_px: expected at least one scale, got none")
    return sigmas


def _sign(polarity: Polarity) -> np.float32:
    if polarity not in ("bright", "dark"):
        raise InputError(f"polarity: expected 'bright' or 'dark', got {polarity!r}")
    return np.float32(1 if polarity == "bright" else -1)


def frangi_map(
    image: ArrayLike,
    *,
    sigmas_px: Sequence[float] = (1.5, 2.5, 4.0),
    beta: float = 0.5,
    c: float = 15.0,
    polarity: Polarity = "bright",
) -> RidgeMap:
    """Frangi's vesselness with the orientation of the ridge; see `frangi`."""
    x, sigmas, sign = ensure_float32(image), _validate_sigmas(sigmas_px), _sign(polarity)
    inv_beta = np.float32(1 / (2 * validate_positive(beta, name="beta") ** 2))
    inv_c = np.float32(1 / (2 * validate_positive(c, name="c") ** 2))
    ridge = RidgeMap(np.zeros_like(x), np.zeros_like(x))
    for s in sigmas:
        blurred = _padded_blur(x, s)
        frangi_scale(blurred, ridge.response, ridge.orientation_rad, np.float32(s * s), inv_beta, inv_c, sign)
    return ridge


def frangi(
    image: ArrayLike,
    *,
    sigmas_px: Sequence[float] = (1.5, 2.5, 4.0),
    beta: float = 0.5,
    c: float = 15.0,
    polarity: Polarity = "bright",
) -> NDArray[np.float32]:
    """Frangi's vesselness in 2D, maximum over scales (Frangi 1998).

    Parameters
    ----------
    image : array_like, shape (H, W)
        Grey levels 0..255.
    sigmas_px : sequence of float
        Scales in px; their order does not matter.
    beta : float
        Sensitivity to blobs.
    c : float
        Sensitivity to weak structure, in grey levels; never taken from the frame's own maximum.
    polarity : {"bright", "dark"}
        Ridges that are brighter or darker than their surroundings.

    Returns
    -------
    ndarray of float32, shape (H, W)
        0..1.

    Notes
    -----
    With ``|l1| <= |l2|`` the eigenvalues of the scale-normalised Hessian:
    ``exp(-(l1/l2)^2 / 2 beta^2) (1 - exp(-(l1^2 + l2^2) / 2 c^2))``, 0 where ``l2 > 0`` (bright).

    References
    ----------
    A. F. Frangi et al., "Multiscale vessel enhancement filtering", MICCAI 1998.
    """
    return frangi_map(image, sigmas_px=sigmas_px, beta=beta, c=c, polarity=polarity).response


def sato_map(
    image: ArrayLike, *, sigmas_px: Sequence[float] = (1.5, 2.5, 4.0), polarity: Polarity = "bright"
) -> RidgeMap:
    """Sato's ridge measure with the orientation of the ridge; see `sato`."""
    x, sigmas, sign = ensure_float32(image), _validate_sigmas(sigmas_px), _sign(polarity)
    ridge = RidgeMap(np.zeros_like(x), np.zeros_like(x))
    for s in sigmas:
        sato_scale(_padded_blur(x, s), ridge.response, ridge.orientation_rad, np.float32(s * s), sign)
    return ridge


def sato(
    image: ArrayLike, *, sigmas_px: Sequence[float] = (1.5, 2.5, 4.0), polarity: Polarity = "bright"
) -> NDArray[np.float32]:
    """Sato's ridge measure in 2D: ``max(-l2, 0)`` of the scale-normalised Hessian, maximum over scales (1998).

    Parameters
    ----------
    image : array_like, shape (H, W)
        Grey levels 0..255.
    sigmas_px : sequence of float
        Scales in px; their order does not matter.
    polarity : {"bright", "dark"}
        Ridges that are brighter or darker than their surroundings.

    Returns
    -------
    ndarray of float32, shape (H, W)
        In grey levels, 0 or more.

    References
    ----------
    Y. Sato et al., "Three-dimensional multi-scale line filter", Medical Image Analysis 2(2), 1998.
    """
    return sato_map(image, sigmas_px=sigmas_px, polarity=polarity).response
