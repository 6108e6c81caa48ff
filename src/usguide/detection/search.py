"""Rough segments: the best runs of evidence that come in from the entry edge, over all directions and offsets."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from usguide.detection._kernels.search import count_entered, pick_peaks, search_lines
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


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """A rough segment on the evidence grid, px, in the direction of travel."""

    score: float
    angle_rad: float
    start: F64
    end: F64


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
        np.ascontiguousarray(maps.known.T),
        entered,
        np.ascontiguousarray(entered.T),
        maps.energy,
        _transposed(maps.energy),
        shade,
        np.ascontiguousarray(shade.T),
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
    at_angle, at_offset = np.empty((2, 4 * settings.count), np.int64)
    picked = pick_peaks(score.copy(), settings.least, BESIDE_ANGLES, BESIDE_OFFSETS, at_angle, at_offset)
    found: list[_Line] = []
    for k, i in zip(at_angle[:picked].tolist(), at_offset[:picked].tolist(), strict=True):
        if len(found) == settings.count:
            break
        line = _line(float(score[k, i]), float(angles_rad[k]), i - pad, float(start[k, i]), float(front[k, i]))
        if not any(_same_line(line, other, mm_per_px) for other in found):
            found.append(line)
    return [Segment(n.score, n.angle_rad, np.array((n.x0, n.y0)), np.array((n.x1, n.y1))) for n in found]


class _Line(NamedTuple):
    """A segment in plain numbers: many are compared."""

    score: float
    angle_rad: float
    x0: float
    y0: float
    x1: float
    y1: float


def _transposed(planes: F32) -> F32:
    return np.ascontiguousarray(planes.transpose(0, 2, 1))


def _line(score: float, angle: float, offset: int, start: float, front: float) -> _Line:
    c, s = math.cos(angle), math.sin(angle)
    if abs(s) <= abs(c):
        return _Line(score, angle, start, offset + s / c * start, front, offset + s / c * front)
    return _Line(score, angle, offset + c / s * start, start, offset + c / s * front, front)


def _same_line(a: _Line, b: _Line, mm_per_px: float) -> bool:
    if abs(math.remainder(a.angle_rad - b.angle_rad, 2 * math.pi)) >= SAME_ANGLE_RAD:
        return False
    x, y = 0.5 * (a.x0 + a.x1) - b.x0, 0.5 * (a.y0 + a.y1) - b.y0
    across = y * math.cos(b.angle_rad) - x * math.sin(b.angle_rad)
    return abs(across) * mm_per_px < SAME_ACROSS_MM
