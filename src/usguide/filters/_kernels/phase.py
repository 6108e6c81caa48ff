"""Phase symmetry: band-pass in the frequency domain, and what one scale adds."""

from __future__ import annotations

import numpy as np

from usguide._jit import kernel
from usguide.filters._kernels.basics import F32, exp_negative, half_angle

EVEN, LATERAL, AXIAL = 0, 1, 2


@kernel
def _gain_row(
    log_radius: F32,
    fy: np.float32,
    fx: F32,
    odd_fy: np.float32,
    odd_fx: F32,
    log_centre: np.float32,
    inv_width: np.float32,
    part: int,
    gain: F32,
) -> None:
    for j in range(gain.size):
        d = log_radius[j] - log_centre
        gain[j] = exp_negative(-inv_width * d * d)
    if part == LATERAL:
        for j in range(gain.size):
            gain[j] *= odd_fx[j] / np.sqrt(fx[j] * fx[j] + fy * fy + np.float32(1e-30))
    elif part == AXIAL:
        for j in range(gain.size):
            gain[j] *= odd_fy / np.sqrt(fx[j] * fx[j] + fy * fy + np.float32(1e-30))


@kernel
def _scale_row(source: F32, gain: F32, out: F32) -> None:
    for j in range(gain.size):
        out[2 * j] = gain[j] * source[2 * j]
        out[2 * j + 1] = gain[j] * source[2 * j + 1]


@kernel
def _scale_and_turn_row(source: F32, gain: F32, out: F32) -> None:
    """Multiply by -1j as well."""
    for j in range(gain.size):
        real, imaginary = source[2 * j], source[2 * j + 1]
        out[2 * j] = gain[j] * imaginary
        out[2 * j + 1] = -gain[j] * real


@kernel
def band_pass(
    spectrum: F32,
    log_radius: F32,
    fy: F32,
    fx: F32,
    odd_fy: F32,
    odd_fx: F32,
    log_centre: np.float32,
    inv_width: np.float32,
    part: int,
    out: F32,
) -> None:
    """Spectrum times a log-Gabor, or times it and the lateral or axial Riesz kernel.

    `spectrum` and `out` hold real and imaginary parts in turn. `log_radius` is very low at the mean, which is taken away.
    `odd_fy` and `odd_fx` are `fy` and `fx`, but 0 at the Nyquist frequency, which has no odd part.
    """
    gain = np.empty(log_radius.shape[1], np.float32)
    for i in range(out.shape[0]):
        _gain_row(log_radius[i], fy[i], fx, odd_fy[i], odd_fx, log_centre, inv_width, part, gain)
        if part == EVEN:
            _scale_row(spectrum[i], gain, out[i])
        else:
            _scale_and_turn_row(spectrum[i], gain, out[i])


@kernel
def _add_row(even: F32, odd2: F32, total: F32, amplitude: F32, noise: np.float32, sign: np.float32) -> None:
    for j in range(total.size):
        e = abs(even[j]) if sign == np.float32(0) else sign * even[j]
        total[j] += max(e - np.sqrt(odd2[j]) - noise, np.float32(0))
        amplitude[j] += np.sqrt(even[j] * even[j] + odd2[j])


@kernel
def add_scale(even: F32, odd2: F32, total: F32, amplitude: F32, noise: np.float32, sign: np.float32) -> None:
    """Add max(e - o - T, 0) and sqrt(e^2 + o^2) of one scale; `sign` 1 bright, -1 dark, 0 both; `even` may be larger."""
    w = total.shape[1]
    for i in range(total.shape[0]):
        _add_row(even[i, :w], odd2[i], total[i], amplitude[i], noise, sign)


@kernel
def keep_scale(
    even: F32, odd2: F32, noise: np.float32, sign: np.float32, label: np.float32, best: F32, labels: F32
) -> None:
    """Keep `label` where this scale's max(e - o - T, 0) is the largest so far."""
    for i in range(best.shape[0]):
        for j in range(best.shape[1]):
            v = even[i, j]
            gain = (abs(v) if sign == np.float32(0) else sign * v) - np.sqrt(odd2[i, j]) - noise
            if gain > best[i, j]:
                best[i, j], labels[i, j] = gain, label


@kernel
def orient_scale(hessian: F32, labels: F32, label: np.float32, angle: F32) -> None:
    """Write the direction along the ridge where `labels` is `label`; `hessian` as `ridges.hessian_row` makes it."""
    for i in range(angle.shape[0]):
        for j in range(angle.shape[1]):
            if labels[i, j] == label:
                angle[i, j] = half_angle(hessian[2, i, j], hessian[1, i, j])
