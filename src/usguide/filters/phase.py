"""Phase symmetry: lines found by the phase of the signal, whatever their contrast."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Unpack

import numpy as np
from numpy.typing import ArrayLike
from scipy import fft

from usguide._validation import validate_number, validate_positive
from usguide.errors import InputError
from usguide.filters._common import F32, Common, median_in_place, run_filter, validate_count
from usguide.filters._kernels import phase
from usguide.filters._kernels.ridges import finish_rows
from usguide.filters._scales import Polarity, RidgeMap, Scale, sign_of
from usguide.filters.ridges import hessian_of

EPSILON = 0.01
"""Grey levels added to the amplitude, so that a picture without any has no symmetry."""
RAYLEIGH_MEAN, RAYLEIGH_SIGMA = np.sqrt(np.pi / 2), np.sqrt((4 - np.pi) / 2)


def phase_symmetry(
    image: ArrayLike,
    *,
    wavelength_px: float = 8.0,
    scales: int = 4,
    ratio: float = 1.8,
    bandwidth: float = 0.55,
    noise: float | Literal["frame"] = 2.0,
    polarity: Polarity = "bright",
    **common: Unpack[Common],
) -> F32:
    """Phase symmetry: how line-like a pixel is, bone and faint shafts as much as bright ones.

    Parameters
    ----------
    image : array_like, shape (H, W)
        uint8, uint16 or float; log-compressed grey levels.
    wavelength_px : float
        Shortest wavelength, 3 or more; a line of width w responds most at a wavelength of about 3 w.
    scales : int
        Number of wavelengths, 1 to 8.
    ratio : float
        Each wavelength over the one before, above 1.
    bandwidth : float
        k of the log-Gabor, 0 to 1; 0.55 is about two octaves.
    noise : float or "frame"
        T, in grey levels: weaker symmetry counts as none. "frame" takes it from the median amplitude of the shortest
        wavelength, as the paper does; then responses of two frames can't be compared.
    polarity : {"bright", "dark", "both"}
        Lines brighter or darker than their surroundings.
    **common
        See `Common`.

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
    Log-Gabor ``exp(-log(f/f0)^2 / (2 log(k)^2))`` at each wavelength 1/f0; even part e, odd part o the length of e's Riesz
    transform (the monogenic signal); the sum over scales of ``max(e - o - T, 0)`` over that of ``sqrt(e^2 + o^2)``. The
    Fourier transform takes the picture to be periodic: over two of the longest wavelengths, each side goes over smoothly
    into the opposite one.

    References
    ----------
    P. Kovesi, "Symmetry and asymmetry from local phase", Australian Joint Conf. on AI, 1997. M. Felsberg and G. Sommer,
    "The monogenic signal", IEEE Trans. Signal Process. 49(12), 2001.
    """
    return _symmetry(image, wavelength_px, scales, ratio, bandwidth, noise, polarity, common, full=False)[0]


def phase_symmetry_map(
    image: ArrayLike,
    *,
    wavelength_px: float = 8.0,
    scales: int = 4,
    ratio: float = 1.8,
    bandwidth: float = 0.55,
    noise: float | Literal["frame"] = 2.0,
    polarity: Polarity = "bright",
    **common: Unpack[Common],
) -> RidgeMap:
    """Phase symmetry with orientation (of the even parts' Hessian) and wavelength in px; see `phase_symmetry`."""
    return RidgeMap(*_symmetry(image, wavelength_px, scales, ratio, bandwidth, noise, polarity, common, full=True))


def _symmetry(
    image: ArrayLike,
    wavelength_px: float,
    scales: int,
    ratio: float,
    bandwidth: float,
    noise: float | Literal["frame"],
    polarity: Polarity,
    common: Common,
    *,
    full: bool,
) -> list[F32]:
    shortest = validate_number(wavelength_px, name="wavelength_px", low=3)
    count = validate_count(scales, name="scales", low=1, high=8)
    if validate_number(ratio, name="ratio") <= 1:
        raise InputError(f"ratio: expected a number above 1, got {ratio!r}")
    if not 0 < validate_number(bandwidth, name="bandwidth") < 1:
        raise InputError(f"bandwidth: expected a number between 0 and 1, got {bandwidth!r}")
    if isinstance(noise, str) and noise != "frame":
        raise InputError(f"noise: expected a number of grey levels or 'frame', got {noise!r}")
    fixed = None if noise == "frame" else validate_number(noise, name="noise", low=0)
    sign = sign_of(polarity)
    wavelengths = [shortest * ratio**k for k in range(count)]

    def core(x: F32, planes: Sequence[F32], threads: int) -> None:
        bands = _Bands(x, int(np.ceil(2 * wavelengths[-1])), bandwidth, threads)
        total, amplitude = np.zeros_like(x), np.zeros_like(x)
        best, even_sum = (np.zeros_like(x), np.zeros_like(x)) if full else (None, None)
        threshold = fixed
        for wavelength in wavelengths:
            even, lateral, axial = bands.at(wavelength)
            if threshold is None:
                threshold = _frame_noise(*(part[: x.shape[0], : x.shape[1]] for part in (even, lateral, axial)))
            before = total.copy() if full else total
            phase.add_scale(even, lateral, axial, total, amplitude, np.float32(threshold), sign)
            if best is not None and even_sum is not None:
                gain = total - before
                planes[2][...] = np.where(
                    gain > best, np.float32(wavelength), planes[2] if wavelength > shortest else 0
                )
                np.maximum(best, gain, out=best)
                even_sum += even[: x.shape[0], : x.shape[1]]
        np.divide(total, amplitude + np.float32(EPSILON), out=planes[0])
        if even_sum is not None:
            sigma = shortest / 6
            details = hessian_of(even_sum, Scale(sigma, sigma, sigma), sign, 4.0, threads)
            details[0] = planes[2]
            finish_rows(planes[0], details, 0, x.shape[0])
            planes[1][...], planes[2][...] = details[1], details[0]

    return run_filter(image, core, common, made_for="log_compressed", gives="response", planes=3 if full else 1)


def _frame_noise(even: F32, lateral: F32, axial: F32) -> float:
    """Mean and two standard deviations of Rayleigh noise with the median amplitude of this scale."""
    median = median_in_place(np.sqrt(even**2 + lateral**2 + axial**2))
    return float(median / np.sqrt(np.log(4)) * (RAYLEIGH_MEAN + 2 * RAYLEIGH_SIGMA))


def _cross_over(padded: F32, size: int) -> None:
    """Fill the rows from `size` on such that the last row goes over into the first."""
    count = padded.shape[0] - size
    t = (np.arange(1, count + 1, dtype=np.float32) / np.float32(count + 1))[:, None]
    padded[size:] = padded[size - 1] + (3 - 2 * t) * t * t * (padded[0] - padded[size - 1])


class _Bands:
    """The even part and the two odd parts of a picture at any wavelength."""

    def __init__(self, x: F32, beyond: int, bandwidth: float, threads: int) -> None:
        self._threads = threads
        h, w = self._size = tuple(fft.next_fast_len(n + beyond, real=True) for n in x.shape)
        padded = np.empty((h, w), np.float32)
        padded[: x.shape[0], : x.shape[1]] = x
        # The transform takes the picture to be periodic: let each side go over smoothly into the opposite one.
        _cross_over(padded[: x.shape[0]].T, x.shape[1])
        _cross_over(padded, x.shape[0])
        self._spectrum = fft.rfft2(padded, workers=threads)
        self._fy, self._fx = np.fft.fftfreq(h).astype(np.float32), np.fft.rfftfreq(w).astype(np.float32)
        self._odd_fy, self._odd_fx = (np.where(np.abs(f) == 0.5, np.float32(0), f) for f in (self._fy, self._fx))
        radius2 = self._fy[:, None] ** 2 + self._fx**2
        radius2[0, 0] = 1e-30
        self._log_radius = 0.5 * np.log(radius2)
        self._inv_width = np.float32(1 / (2 * np.log(validate_positive(bandwidth, name="bandwidth")) ** 2))

    def at(self, wavelength_px: float) -> tuple[F32, F32, F32]:
        """Return even, lateral odd and axial odd part, with what was added on the far sides."""
        return tuple(self._part(wavelength_px, part) for part in (phase.EVEN, phase.LATERAL, phase.AXIAL))  # type: ignore[return-value]

    def _part(self, wavelength_px: float, part: int) -> F32:
        centre = np.float32(-np.log(wavelength_px))
        work = np.empty_like(self._spectrum)
        frequencies = self._log_radius, self._fy, self._fx, self._odd_fy, self._odd_fx
        spectrum, out = self._spectrum.view(np.float32), work.view(np.float32)
        phase.band_pass(spectrum, *frequencies, centre, self._inv_width, part, out)
        return np.asarray(fft.irfft2(work, s=self._size, overwrite_x=True, workers=self._threads))
