"""Oriented line filter: a ridge profile integrated along a line, at many orientations."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache, partial
from typing import Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from usguide._threads import run_slabs
from usguide.errors import InputError
from usguide.filters._common import F32, ridge_planes, validate_amount, validate_count
from usguide.filters._kernels import lines
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

SIGMAS_PX = (2.0,)
TRUNCATE = 3.0
"""Where the Gaussian ends: what is lost, 1 %, is nothing beside what the taper along the line takes."""
LENGTH = 10.5
"""Length of the integral in sigmas."""
LONGEST_PX = 1000
TAPER = 0.25
"""Standard deviation of the weights along the line, as a share of its length."""
STEP = 1.5
"""Distance between samples, in sigmas. The blur leaves nothing finer: a straight line's sum ripples by 2e-4."""


def oriented_line(
    image: ArrayLike,
    *,
    sigmas_px: Sequence[float] | None = None,
    length: float | None = None,
    orientations: int = 12,
    polarity: Polarity = "bright",
    **options: Unpack[RidgeOptions],
) -> F32:
    """How strong a straight line runs through each pixel, at the orientation where it is strongest.

    The one that suits a needle best: speckle bends across the ridge as much as a needle does, yet not along 21 px.

    Parameters
    ----------
    image : array_like, shape (H, W)
        uint8, uint16 or float; log-compressed grey levels.
    sigmas_px : sequence of float, optional
        Scales across the line in px; 2 by default, which suits lines about 4 px thick.
    length : float, optional
        Length of the integral, in px, or in mm where scales are given in mm; 10.5 times each sigma by default.
    orientations : int
        Number of orientations over half a turn, even, 4 to 64. Longer and thinner lines need more:
        ``orientations >= length / sigma`` loses less than 5 %.
    polarity : {"bright", "dark", "both"}
        Lines brighter or darker than their surroundings.
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
    The profile across orientation a is ``-s^2 d2/dn2`` of the image blurred by a Gaussian of sigma s, linear in the
    three terms of the Hessian, so that all orientations share one blur. It is summed along a with Gaussian weights of
    ``sigma = length / 4`` that end at half the length and sum to 1; samples are 1.5 s apart, at the
    pixels nearest to the line. Negative profiles count, so that speckle cancels. Beyond the border the profile of the
    edge pixel is repeated.

    References
    ----------
    W. T. Freeman and E. H. Adelson, "The design and use of steerable filters", IEEE PAMI 13(9), 1991 (the profile).
    """
    return _oriented_line(image, sigmas_px, length, orientations, polarity, options, full=False).response


def oriented_line_map(
    image: ArrayLike,
    *,
    sigmas_px: Sequence[float] | None = None,
    length: float | None = None,
    orientations: int = 12,
    polarity: Polarity = "bright",
    **options: Unpack[RidgeOptions],
) -> RidgeMap:
    """Oriented line filter with orientation (between the steps, by a parabola) and scale; see `oriented_line`."""
    return _oriented_line(image, sigmas_px, length, orientations, polarity, options, full=True)


def _oriented_line(
    image: ArrayLike,
    sigmas_px: Sequence[float] | None,
    length: float | None,
    orientations: int,
    polarity: Polarity,
    options: RidgeOptions,
    *,
    full: bool,
) -> RidgeMap:
    found = scales(sigmas_px, options, SIGMAS_PX)
    sign, cut = sign_of(polarity), truncation(options, TRUNCATE)
    count = validate_count(orientations, name="orientations", low=4, high=64)
    if count % 2:
        raise InputError(f"orientations: expected an even number, got {orientations}")
    lengths = [LENGTH * scale.given if length is None else validate_amount(length, name="length") for scale in found]
    longest = max(n * max(s.axial_px, s.lateral_px) / s.given for n, s in zip(lengths, found, strict=True))
    if longest > LONGEST_PX:
        raise InputError(f"length: expected at most {LONGEST_PX} px, got {longest:g} px")
    turns = double_angles(count)

    def core(x: F32, response: F32, details: F32, threads: int) -> None:
        response[...] = 0
        for scale, extent in zip(found, lengths, strict=True):
            samples = line_samples(count, extent / 2, scale)
            blur = half_gaussian(scale.axial_px, cut), half_gaussian(scale.lateral_px, cut)
            sigmas = np.float32(scale.axial_px), np.float32(scale.lateral_px), np.float32(scale.given)
            rows = partial(lines.line_rows, x, response, details, *blur, *sigmas, turns)
            for side in (sign,) if sign else (np.float32(1), np.float32(-1)):  # both: as it is and turned over
                run_slabs(partial(rows, *samples, side), x.shape[0], threads, lines.TILE_ROWS)
        if full:
            angle = details[1]  # still the number of the orientation
            angle *= np.float32(np.pi / count)
            np.subtract(angle, np.float32(np.pi), out=angle, where=angle > np.float32(np.pi / 2))

    response, details = ridge_planes(image, core, without(options), count=2 if full else 0)
    return RidgeMap(response, *(details[::-1] if full else (response, response)))


@cache
def double_angles(count: int) -> F32:
    """Cosine and sine of twice each of `count` orientations over half a turn, shape (N, 2)."""
    twice = np.arange(count) * 2 * np.pi / count
    return np.stack([np.cos(twice), np.sin(twice)], axis=1).astype(np.float32)


@lru_cache(maxsize=64)
def line_samples(count: int, half_length: float, scale: Scale) -> tuple[NDArray[np.int32], NDArray[np.int32], F32]:
    """Row and column offsets (N, K) of the samples along each orientation and their weights (K); K is a multiple of 7."""
    angles = np.arange(count) * np.pi / count
    per_unit = np.array([scale.lateral_px, scale.axial_px]) / scale.given  # px per unit of length
    side = int(half_length / (STEP * scale.given))
    places = STEP * scale.given * np.arange(-side, side + 1)
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=1) * per_unit
    exact = places[:, None] * directions[:, None, :]  # (N, samples, 2)
    # Halves go outwards, whatever the last digit of a cosine is, so that turned pictures have turned samples.
    offsets = (np.sign(exact) * np.floor(np.abs(exact) + 0.5 + 1e-9)).astype(np.int32)
    weights = np.exp(-0.5 * (places / (2 * half_length * TAPER)) ** 2)
    spare = -len(places) % 7
    columns, rows = (np.pad(offsets[..., k], ((0, 0), (0, spare))) for k in (0, 1))
    return rows, columns, np.pad(weights / weights.sum(), (0, spare)).astype(np.float32)
