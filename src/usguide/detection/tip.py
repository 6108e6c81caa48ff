"""The tip along a shaft's line: where the bright shaft ends."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from usguide.detection.lines import Run
from usguide.geometry import ImageGeometry
from usguide.types import Tip

ACROSS_SIGMA_MM = 0.25
"""How well the refined line fixes the tip across the shaft."""


def profile_along(
    image: NDArray[np.float32], run: Run, *, half_width_px: float, first: int, stop: int
) -> NDArray[np.float32]:
    """Mean grey level across a band of the line, at each step ``first..stop``; edge pixels are repeated."""
    along = np.arange(first, stop, dtype=np.float32)
    across = np.linspace(-half_width_px, half_width_px, 2 * math.ceil(half_width_px) + 1, dtype=np.float32)
    c, s = np.float32(math.cos(run.line.angle_rad)), np.float32(math.sin(run.line.angle_rad))
    x = np.float32(run.line.start_px[0]) + along[:, None] * c - across * s
    y = np.float32(run.line.start_px[1]) + along[:, None] * s + across * c
    samples = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    mean: NDArray[np.float32] = samples.mean(axis=1, dtype=np.float32)
    return mean


def locate_tip(
    image: NDArray[np.float32], run: Run, geometry: ImageGeometry, *, needle_diameter_mm: float, confidence: float
) -> tuple[Tip, float]:
    """Find the change from bright shaft to tissue near the end of the run.

    The end is where the mean grey level of the 2 mm before it exceeds that of the 2 mm behind it the most, searched
    from 1.5 mm before the run's end to 2 mm beyond. How flat that contrast is gives the uncertainty along the shaft.

    Returns
    -------
    tip : Tip
    along_px : float
        Distance of the tip from the start of the line, below a pixel.
    """
    mm = math.sqrt(geometry.axial_mm_per_px * geometry.lateral_mm_per_px)
    window = max(3, round(2.0 / mm))
    low = max(run.start + 2, run.stop - round(1.5 / mm))
    high = max(low + 1, min(run.line.length_px, run.stop + round(2.0 / mm)))
    # The profile starts and ends a window outside the search, so that every candidate sees a full window.
    profile = profile_along(
        image, run, half_width_px=max(1.0, 0.5 * needle_diameter_mm / mm), first=low - window, stop=high + window
    )
    total = np.concatenate([[0.0], np.cumsum(profile, dtype=np.float64)])
    n = np.arange(window, window + high - low)
    before, behind = total[n] - total[n - window], total[n + window] - total[n]
    contrast = (before - behind) / window
    best = int(np.argmax(contrast))
    along = low + best + _parabola_peak(contrast, best) - 0.5
    # Beyond the run's end the line may go on into any bright tissue: a weak contrast leaves the run's end as it is.
    strength = float(np.clip(contrast[best] / 25.0, 0.0, 1.0))
    along = strength * along + (1 - strength) * (run.stop - 0.5)
    near = contrast >= 0.8 * contrast[best]
    sigma_along = math.hypot(0.3, 0.5 * mm * float(np.count_nonzero(near)) * 0.5) / max(strength, 0.25)
    x, y = run.line.at(along)
    tip_mm = geometry.to_mm((x, y))
    direction = geometry.to_mm(run.line.at(along + 1.0)) - tip_mm
    u = direction / np.hypot(direction[0], direction[1])
    v = np.array([-u[1], u[0]])
    cov = sigma_along**2 * np.outer(u, u) + ACROSS_SIGMA_MM**2 * np.outer(v, v)
    covariance = ((float(cov[0, 0]), float(cov[0, 1])), (float(cov[1, 0]), float(cov[1, 1])))
    return Tip((float(tip_mm[0]), float(tip_mm[1])), covariance, confidence), along


def _parabola_peak(values: NDArray[np.float64], k: int) -> float:
    """Offset of the maximum of the parabola through the neighbours of `k`, within half a step."""
    if not 0 < k < values.size - 1:
        return 0.0
    a, b, c = values[k - 1 : k + 2]
    bend = a - 2 * b + c
    return float(np.clip(0.5 * (a - c) / bend, -0.5, 0.5)) if bend < 0 else 0.0
