"""Rough segments: the best runs of evidence that come in from the entry edge, over all directions and offsets."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from usguide.detection._kernels.search import count_entered, pick_lines, search_lines
from usguide.detection.evidence import LineMaps, Mask
from usguide.types import EntrySide, InsertionPrior

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """The line search in one kind of evidence. A response is in units of its surroundings."""

    offset: float
    """Response that speaks neither for a shaft nor against one."""
    high: float
    """More than this for a pixel is no stronger evidence."""
    low: float = -1.0
    cost_per_mm: float = 0.05
    """Price of a start away from the entry edge."""
    least: float = 1.0
    """Sum, per mm, below which a run is not looked at."""
    count: int = 10
    """Segments to return."""


class Segment(NamedTuple):
    """A rough segment on the evidence grid."""

    score: float
    angle_rad: float
    ends_px: F64
    """Shape (2, 2): x, y of where it starts and where it ends, in the direction of travel."""


SAME_ANGLE_RAD, SAME_ACROSS_MM = math.radians(8), 1.0
BESIDE_ANGLES, BESIDE_OFFSETS = 2, 3
"""What lies so near to a peak is the same line seen a little worse."""


@lru_cache(maxsize=16)
def travel_directions_rad(side: EntrySide, angle_deg: tuple[float, float], step_deg: float) -> F64:
    """Directions of travel from one side, ``left`` or ``right``: radians from the lateral axis towards depth."""
    low, high = angle_deg
    count = max(2, math.ceil((high - low) / step_deg) + 1)
    angles = np.linspace(low, high, count)
    angles = np.radians(angles if side == "left" else 180.0 - angles)
    angles.setflags(write=False)
    return angles


def sides_of(prior: InsertionPrior) -> tuple[EntrySide, ...]:
    """Return the sides that a needle may travel from: both, unless one is named."""
    return (prior.entry_side,) if prior.entry_side in ("left", "right") else ("left", "right")


def entered_px(valid: Mask, side: EntrySide) -> F32:
    """Count the pixels of picture between the edge of entry and here, along each row: shape (h, w)."""
    out = np.empty(valid.shape, np.float32)
    count_entered(valid, 1 if side == "left" else -1, out)
    return out


def find_segments(
    maps: LineMaps, entered: F32, angles_rad: F64, settings: SearchSettings, mm_per_px: float, stride_px: int = 1
) -> list[Segment]:
    """Return the best runs of evidence, best first, no two on the same line.

    Parameters
    ----------
    maps : LineMaps
    entered : ndarray of float32, shape (h, w)
        See `entered_px`.
    angles_rad : ndarray, shape (n,)
    settings : SearchSettings
    mm_per_px : float
    stride_px : int
        Evidence is summed over so many px along a line at a time.
    """
    h, w = entered.shape
    pad = max(h, w) + 4
    offsets = 2 * pad + max(h, w)
    shade = np.zeros_like(maps.known) if maps.shade is None else maps.shade
    score, front, start = (np.empty((len(angles_rad), offsets), np.float32) for _ in range(3))
    search_lines(
        maps.hessian,
        _transposed(maps.hessian),
        maps.known,
        _transposed(maps.known[None])[0],
        entered,
        _transposed(entered[None])[0],
        maps.energy,
        _transposed(maps.energy),
        shade,
        _transposed(shade[None])[0],
        maps.floor2,
        angles_rad,
        settings.offset,
        settings.low,
        settings.high,
        settings.cost_per_mm,
        stride_px,
        mm_per_px,
        score,
        front,
        start,
        pad,
    )
    lines = np.empty((settings.count, 6))
    same = (SAME_ANGLE_RAD, SAME_ACROSS_MM / mm_per_px)
    count = pick_lines(
        score, front, start, angles_rad, pad, settings.least, BESIDE_ANGLES, BESIDE_OFFSETS, *same, lines
    )
    ends = lines[:count, 2:].reshape(-1, 2, 2)
    return [Segment(value, angle, e) for (value, angle), e in zip(lines[:count, :2].tolist(), ends, strict=True)]


def _transposed(planes: F32) -> F32:
    """Turn each of some planes (k, h, w) over; OpenCV does it several times as fast as NumPy."""
    k, h, w = planes.shape
    out = np.empty((k, w, h), np.float32)
    for plane, turned in zip(planes, out, strict=True):
        turned[:] = cv2.transpose(plane)
    return out
