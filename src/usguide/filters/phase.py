"""Phase symmetry: lines found by the phase of the signal, whatever their contrast."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Unpack

import numpy as np
from numpy.typing import ArrayLike
from scipy import fft

from usguide._validation import validate_number
from usguide.errors import InputError
from usguide.filters._common import F32, Common, median_in_place, ridge_planes, validate_count
from usguide.filters._kernels import phase
from usguide.filters._scales import Polarity, RidgeMap, Scale, sign_of
from usguide.filters.ridges import hessian_of, without_mean

LONGEST_PX = 2000
SHORT_PX = 128
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
    Fourier transform takes the picture to be periodic: over two of the longest wavelengths (at most half of the picture),
    each side goes over smoothly into the opposite one. For both polarities |e| is added up over scales, which is not the
    larger of the two.

    References
    ----------
    P. Kovesi, "Symmetry and asymmetry from local phase", Australian Joint Conf. on AI, 1997. M. Felsberg and G. Sommer,
    "The monogenic signal", IEEE Trans. Signal Process. 49(12), 2001.
    """
    return _symmetry(image, wavelength_px, scales, ratio, bandwidth, noise, polarity, common, full=False).response


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
    """Phase symmetry with the wavelength in px that responded most, and its orientation; see `phase_symmetry`."""
    return _symmetry(image, wavelength_px, scales, ratio, bandwidth, noise, polarity, common, full=True)


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
) -> RidgeMap:
    shortest = validate_number(wavelength_px, name="wavelength_px", low=3)
    count = validate_count(scales, name="scales", low=1, high=8)
    if validate_number(ratio, name="ratio") <= 1:
        raise InputError(f"ratio: expected a number above 1, got {ratio!r}")
    if not 0 < validate_number(bandwidth, name="bandwidth") < 1:
        raise InputError(f"bandwidth: expected a number between 0 and 1, got {bandwidth!r}")
    if isinstance(noise, str) and noise != "frame":
        raise InputError(f"noise: expected a number of grey levels or 'frame', got {noise!r}")
    fixed = None if isinstance(noise, str) else validate_number(noise, name="noise", low=0)
    sign = sign_of(polarity)
    wavelengths = [shortest * ratio**k for k in range(count)]
    if wavelengths[-1] > LONGEST_PX:
        raise InputError(f"scales, ratio: expected wavelengths up to {LONGEST_PX} px, got {wavelengths[-1]:g} px")

    def core(x: F32, response: F32, details: F32, threads: int) -> None:
        bands = _Bands(x, wavelengths[-1], bandwidth, threads)
        response[...] = 0
        amplitude, odd2 = np.zeros_like(x), np.empty_like(x)
        # Of a map, the second detail is the largest gain so far, until it becomes the orientation.
        label, best = details if full else (odd2, odd2)
        threshold = fixed
        for wavelength in wavelengths:
            bands.odd_squared(wavelength, odd2)
            even = bands.part(wavelength, phase.EVEN)
            if threshold is None:
                threshold = _frame_noise(even[: x.shape[0], : x.shape[1]], odd2)
            limits = np.float32(threshold), sign
            phase.add_scale(even, odd2, response, amplitude, *limits)
            if full:
                phase.keep_scale(even, odd2, *limits, np.float32(wavelength), best, label)
        amplitude += np.float32(EPSILON)
        np.divide(response, amplitude, out=response)
        if full:
            del bands, even, amplitude, odd2  # what comes takes as much
            _orient(x, response, details, sign, wavelengths, threads)

    response, details = ridge_planes(image, core, common, count=2 if full else 0)
    return RidgeMap(response, *(details[::-1] if full else (response, response)))


def _orient(x: F32, response: F32, details: F32, sign: np.float32, wavelengths: Sequence[float], threads: int) -> None:
    """Replace `details[1]` by the orientation of the Hessian at a quarter of the wavelength that `details[0]` names."""
    label, angle = details
    x = without_mean(x)
    label[response == 0] = 0
    for wavelength in wavelengths:
        sigma = wavelength / 4
        hessian = hessian_of(x, Scale(sigma, sigma, sigma), sign, 4.0, threads)
        phase.orient_scale(hessian, label, np.float32(wavelength), angle)
    angle[label == 0] = 0


def _frame_noise(even: F32, odd2: F32) -> float:
    """Mean and two standard deviations of Rayleigh noise with the median amplitude of this scale."""
    median = median_in_place(np.sqrt(even**2 + odd2))
    return float(median / np.sqrt(np.log(4)) * (RAYLEIGH_MEAN + 2 * RAYLEIGH_SIGMA))


def _cross_over(padded: F32, size: int) -> None:
    """Fill the rows from `size` on such that the last row goes over into the first."""
    count = padded.shape[0] - size
    t = (np.arange(1, count + 1, dtype=np.float32) / np.float32(count + 1))[:, None]
    padded[size:] = padded[size - 1] + (3 - 2 * t) * t * t * (padded[0] - padded[size - 1])


class _Bands:
    """The even part and the two odd parts of a picture at any wavelength."""

    def __init__(self, x: F32, longest_px: float, bandwidth: float, threads: int) -> None:
        self._threads = threads
        # Two wavelengths more on each axis, and for long ones no more than half of the picture's own size.
        beyond = (int(np.ceil(min(2 * longest_px, max(n / 2, SHORT_PX)))) for n in x.shape)
        h, w = self._size = tuple(
            fft.next_fast_len(n + more, real=True) for n, more in zip(x.shape, beyond, strict=True)
        )
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
        self._inv_width = np.float32(1 / (2 * np.log(bandwidth) ** 2))

    def odd_squared(self, wavelength_px: float, out: F32) -> None:
        """Write the squared length of the odd part to `out`."""
        inside = np.s_[: out.shape[0], : out.shape[1]]
        np.square(self.part(wavelength_px, phase.LATERAL)[inside], out=out)
        axial = self.part(wavelength_px, phase.AXIAL)[inside]
        out += np.square(axial, out=axial)

    def part(self, wavelength_px: float, part: int) -> F32:
        """Return the even, lateral odd or axial odd part, with what was added on the far sides."""
        centre = np.float32(-np.log(wavelength_px))
        work = np.empty_like(self._spectrum)
        frequencies = self._log_radius, self._fy, self._fx, self._odd_fy, self._odd_fx
        spectrum, out = self._spectrum.view(np.float32), work.view(np.float32)
        phase.band_pass(spectrum, *frequencies, centre, self._inv_width, part, out)
        # In two steps, of which the first works in place: irfft2 would take a copy.
        work = fft.ifft(work, axis=0, overwrite_x=True, workers=self._threads)
        return np.asarray(fft.irfft(work, n=self._size[1], axis=1, workers=self._threads))
