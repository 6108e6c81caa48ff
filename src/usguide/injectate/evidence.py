"""What each place says for fluid: darker than before, or than what is around, once needle and shadow are taken off."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from usguide.injectate._kernels.likelihood import likelihood_ratio
from usguide.injectate._kernels.shadow import lift_shadow

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class LikelihoodSettings:
    """How grey levels become log-likelihood ratios of fluid against tissue. Grey levels are 0..255."""

    drops: tuple[float, ...] = (1.0, 1.6, 2.4, 3.5)
    """How far below the tissue fluid may lie while its own level is not known, in standard deviations of speckle."""
    same_share: float = 0.85
    """Share of tissue that lies where it lay; the rest may have been pushed aside."""
    still: float = 3.0
    still_per_misfit: float = 0.5
    """Grey levels by which still tissue differs from before: in itself, and for each of the registration's misfit."""
    prior: float = 0.1
    """Log-odds of fluid at a place of which nothing is seen."""
    limit: float = 3.0
    """Largest log-likelihood ratio that one place may give."""
    least_fluid_spread: float = 12.0
    least_tissue_spread: float = 12.0
    least_spread_share: float = 0.3
    """While the fluid's level is not known even tissue's speckle is taken to spread no less (in grey levels, and as a share
    of its level, since black squeezes them together): what is a little darker there is not fluid yet."""
    needle_mm: float = 1.5
    """Width of the band around a shaft that says nothing against fluid."""
    beyond_tip_mm: float = 0.6
    edge_share: float = 0.4
    """Share of fluid that lies in its soft edge, where it is of any grey level between fluid and tissue."""
    fill_mm: float = 2.1
    """Across a shaft, evidence is taken from a square of this side."""
    shadow_strip_mm: float = 1.2
    shadow_clear_mm: float = 0.9
    deepest_shadow: float = 35.0


@dataclass(frozen=True, slots=True)
class FluidLevel:
    """Grey level of the fluid and its spread; a negative level is not known yet."""

    level: float = -1.0
    spread: float = 1.0

    def followed(self, grey: F32, tissue_level: float, tissue_spread: float, least: float, share: float) -> FluidLevel:
        """Follow the grey levels of a pool's core; never up to what the tissue around looks like."""
        middle = median_of(grey)
        spread = 1.4826 * median_of(np.abs(grey - middle))
        middle = max(0.0, min(middle, tissue_level - tissue_spread))
        spread = min(max(spread, min(least, 0.8 * tissue_spread)), tissue_spread)
        if self.level < 0:
            return FluidLevel(middle, spread)
        return FluidLevel(self.level + share * (middle - self.level), self.spread + share * (spread - self.spread))


def median_of(values: F32) -> float:
    """NumPy's median costs ten times as much on so few values."""
    ordered = np.sort(values)
    n = len(ordered)
    return 0.5 * (float(ordered[(n - 1) // 2]) + float(ordered[n // 2]))


def shaft_band(shape: tuple[int, int], shafts_px: F64, width_px: float, beyond_px: float) -> NDArray[np.uint8]:
    """Draw bands along shafts (n, 2 ends, 2) in px, which reach beyond their tips."""
    band = np.zeros(shape, np.uint8)
    for entry, tip in shafts_px:
        beyond = (tip - entry) * (beyond_px / max(1e-6, float(np.hypot(*(tip - entry)))))
        (x0, y0), (x1, y1) = np.rint([entry, tip + beyond]).astype(int).tolist()
        cv2.line(band, (x0, y0), (x1, y1), 1, max(1, round(width_px)))
    return band


def fluid_evidence(
    grey: F32,
    reference: F32,
    level: F32,
    spread: F32,
    valid: F32,
    *,
    shafts_px: F64,
    apex_px: F64,
    not_shadow: NDArray[np.uint8] | None,
    mm_per_px: float,
    misfit: float,
    fluid: FluidLevel,
    pushed: Callable[[F32, F32], F32],
    settings: LikelihoodSettings,
) -> F32:
    """Return the log-likelihood ratio of fluid against tissue at each place of a window.

    Parameters
    ----------
    grey : ndarray of float32, shape (h, w)
        The frame; changed where a shaft's shadow is lifted.
    reference, level, spread : ndarray of float32, shape (h, w)
        Tissue as it was, with its mean and standard deviation around each place.
    valid : ndarray of float32, shape (h, w)
        1 where there is a picture.
    shafts_px : ndarray, shape (n, 2, 2)
        Entry and tip of each needle, in px of the window.
    apex_px : ndarray, shape (2,)
        Where the beams meet.
    not_shadow : ndarray of uint8, shape (h, w), optional
        Not 0 where fluid is known, which tells nothing of a shadow.
    mm_per_px, misfit : float
    fluid : FluidLevel
    pushed : callable
        Takes the frame and the tissue as it was, and returns that with its tissue where the frame has it.
    settings : LikelihoodSettings
    """
    s = settings
    near = shaft_band(grey.shape, shafts_px, s.needle_mm / mm_per_px, s.beyond_tip_mm / mm_per_px)
    usable = valid * (near == 0)
    if not_shadow is not None:
        usable *= not_shadow == 0
    for entry, tip in shafts_px:
        along = (tip - entry) / max(1e-6, float(np.hypot(*(tip - entry))))
        end = tip + along * (s.beyond_tip_mm / mm_per_px)
        lift_shadow(
            grey,
            reference,
            usable,
            float(apex_px[0]),
            float(apex_px[1]),
            float(entry[0]),
            float(entry[1]),
            float(end[0]),
            float(end[1]),
            s.shadow_strip_mm / mm_per_px,
            s.shadow_clear_mm / mm_per_px,
            s.deepest_shadow,
        )
    if fluid.level < 0:
        least = np.minimum(np.float32(s.least_spread_share) * level, np.float32(s.least_tissue_spread))
        spread = np.maximum(spread, least)
    out = np.empty_like(grey)
    likelihood_ratio(
        grey,
        reference,
        pushed(grey, reference),
        level,
        spread,
        valid,
        s.still + s.still_per_misfit * misfit,
        s.same_share,
        fluid.level,
        fluid.spread,
        np.asarray(s.drops),
        s.edge_share,
        s.prior,
        s.limit,
        out,
    )
    if len(shafts_px):
        _fill_across(out, valid, near, max(3, round(s.fill_mm / mm_per_px)) | 1)
    return out


def _fill_across(evidence: F32, valid: F32, near: NDArray[np.uint8], side: int) -> None:
    """Take what a bright shaft hides from beside it, where that says more for fluid."""
    band = (near > 0) & (valid > 0)
    beside = valid * (near == 0)
    total = cv2.blur(evidence * beside, (side, side))
    weight = cv2.blur(beside, (side, side))
    filled = total / np.maximum(weight, np.float32(1e-3))
    evidence[band] = np.maximum(evidence[band], filled[band])


def decay(passed_s: float, time_constant_s: float) -> float:
    """Return the share that something new has after so much time."""
    return 1 - math.exp(-passed_s / time_constant_s)
