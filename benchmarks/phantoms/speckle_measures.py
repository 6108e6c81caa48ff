"""What is measured on speckle and on a line in it, the same way for every simulator. Needs NumPy only."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
ACROSS_STEP_MM = 0.02


def amplitude_snr(envelope: F64) -> float:
    """Mean over standard deviation of the amplitude; 1.91 for fully developed speckle."""
    return float(envelope.mean() / envelope.std())


def width_at(profile: F64, step: float, share: float) -> float:
    """Full width of a peak at a share of its height, between linearly interpolated crossings."""
    top = int(profile.argmax())
    level = share * profile[top]
    ends = []
    for side in (profile[top::-1], profile[top:]):
        below = np.nonzero(side < level)[0]
        if below.size == 0:
            return float("nan")
        k = int(below[0])
        ends.append(k - 1 + (side[k - 1] - level) / (side[k - 1] - side[k]))
    return float(sum(ends) * step)


def speckle_widths_mm(envelope: F64, spacing_mm: tuple[float, float]) -> tuple[float, float]:
    """Full width at half maximum of the envelope's autocovariance: axial, lateral."""
    centred = envelope - envelope.mean()
    padded = [2 * n for n in centred.shape]
    power = np.abs(np.fft.fft2(centred, padded)) ** 2
    covariance = np.fft.ifft2(power).real
    # Fewer pairs are that far apart.
    axial = covariance[: centred.shape[0] // 4, 0] / np.arange(centred.shape[0], 0, -1)[: centred.shape[0] // 4]
    lateral = covariance[0, : centred.shape[1] // 4] / np.arange(centred.shape[1], 0, -1)[: centred.shape[1] // 4]
    both = [np.concatenate([half[:0:-1], half]) for half in (axial, lateral)]
    return width_at(both[0], spacing_mm[0], 0.5), width_at(both[1], spacing_mm[1], 0.5)


def sigma_mm(profile: F64, step_mm: float) -> float:
    """Return the standard deviation of the Gaussian that is as wide at half height as this profile."""
    return width_at(profile, step_mm, 0.5) / math.sqrt(8 * math.log(2))


def across(envelope: F64, angle_deg: float, spacing_mm: tuple[float, float]) -> F64:
    """Mean profile across a line through the picture's centre, over its middle 6 mm, up to 1.2 mm to each side."""
    a = math.radians(angle_deg)
    t, v = np.meshgrid(np.arange(-3, 3.01, 0.05), np.arange(-1.2, 1.21, ACROSS_STEP_MM), indexing="ij")
    (rows, columns), (dz, dx) = envelope.shape, spacing_mm
    column = (t * math.cos(a) - v * math.sin(a)) / dx + (columns - 1) / 2
    line = (t * math.sin(a) + v * math.cos(a)) / dz + (rows - 1) / 2
    c, r = np.floor(column).astype(int), np.floor(line).astype(int)
    u, w = column - c, line - r
    upper = (1 - u) * envelope[r, c] + u * envelope[r, c + 1]
    lower = (1 - u) * envelope[r + 1, c] + u * envelope[r + 1, c + 1]
    profile: F64 = ((1 - w) * upper + w * lower).mean(axis=0)
    return profile
