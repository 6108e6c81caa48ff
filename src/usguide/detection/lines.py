"""Lines on the working grid: Hough peaks, the run of evidence along a line, refinement below a pixel."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from usguide.detection._kernels import best_run, fit_centre, hough_votes, strip_along
from usguide.filters import RidgeMap


@dataclass(frozen=True, slots=True)
class Line:
    """A directed line in px of the working grid: where it enters the grid, and its direction of travel."""

    start_px: tuple[float, float]
    angle_rad: float
    """From the lateral axis towards depth, the way the needle travels; -pi..pi."""
    length_px: int
    """Steps until it leaves the grid."""

    def at(self, along_px: float, across_px: float = 0.0) -> tuple[float, float]:
        """Point at a distance along the line and across it."""
        c, s = math.cos(self.angle_rad), math.sin(self.angle_rad)
        x, y = self.start_px
        return x + along_px * c - across_px * s, y + along_px * s + across_px * c


@dataclass(frozen=True, slots=True)
class Run:
    """The best stretch of evidence on a line, in steps from its start."""

    line: Line
    score: float
    start: int
    stop: int
    entry: int
    """First step that lies in the picture."""


def line_through(point: tuple[float, float], angle_rad: float, shape: tuple[int, int]) -> Line | None:
    """Return the line through `point`, cut to a grid of `shape` (h, w), or None if it misses the grid."""
    h, w = shape
    (x, y), c, s = point, math.cos(angle_rad), math.sin(angle_rad)
    low, high = -math.inf, math.inf
    for p, d, last in ((x, c, w - 1), (y, s, h - 1)):
        if abs(d) < 1e-12:
            if not 0 <= p <= last:
                return None
            continue
        t0, t1 = sorted(((0 - p) / d, (last - p) / d))
        low, high = max(low, t0), min(high, t1)
    if high - low < 2:
        return None
    return Line((x + low * c, y + low * s), angle_rad, int(high - low) + 1)


def hough_peaks(
    ridge: RidgeMap, travel_rad: NDArray[np.float64], *, gate_rad: float, floor: float, count: int
) -> list[tuple[float, float]]:
    """Strongest (direction of travel, offset in px), at most `count`, best first.

    `travel_rad` are directions of travel; a line and its reverse share one vote.
    """
    h, w = ridge.response.shape
    direction = np.mod(travel_rad + np.pi / 2, np.pi) - np.pi / 2
    rho_max = math.ceil(math.hypot(h, w) / 2) + 1
    votes = hough_votes(
        ridge.response,
        ridge.orientation_rad,
        direction.astype(np.float32),
        np.float32(gate_rad),
        np.float32(floor),
        rho_max,
    )
    votes = ndimage.uniform_filter1d(votes, 3, axis=1, mode="constant")
    peak = (votes == ndimage.maximum_filter(votes, size=(5, 7), mode="constant")) & (votes > 0)
    k, r = np.nonzero(peak)
    order = np.argsort(-votes[k, r], kind="stable")[:count]
    return [(float(travel_rad[k[n]]), _signed_offset(direction[k[n]], travel_rad[k[n]], r[n] - rho_max)) for n in order]


def _signed_offset(direction: float, travel: float, offset: float) -> float:
    """Flip the offset where the travel is opposite to the voted direction: its sign belongs to the normal."""
    return float(offset if math.cos(direction - travel) > 0 else -offset)


def line_from_hough(travel_rad: float, offset_px: float, shape: tuple[int, int]) -> Line | None:
    """Return the line with a direction of travel and an offset from the grid's centre."""
    h, w = shape
    x = 0.5 * (w - 1) - offset_px * math.sin(travel_rad)
    y = 0.5 * (h - 1) + offset_px * math.cos(travel_rad)
    return line_through((x, y), travel_rad, shape)


def _strip(
    ridge: RidgeMap, valid: NDArray[np.bool_], line: Line, half_width: int, gate_rad: float
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    out = np.empty((line.length_px, 2 * half_width + 1), np.float32)
    inside = np.empty(line.length_px, bool)
    x, y = line.start_px
    strip_along(
        ridge.response, ridge.orientation_rad, valid, x, y, line.angle_rad, line.length_px, half_width,
        np.float32(gate_rad), out, inside,
    )  # fmt: skip
    return out, inside


def find_run(
    ridge: RidgeMap,
    valid: NDArray[np.bool_],
    line: Line,
    *,
    gate_rad: float,
    threshold: float,
    entry_cost: float,
) -> Run:
    """Find the best run of evidence (response less `threshold`, a step of 1 px each) on a line."""
    strip, inside = _strip(ridge, valid, line, 1, gate_rad)
    evidence = (strip.max(axis=1) - np.float32(threshold)).astype(np.float32)
    score, start, stop = best_run(evidence, inside, np.float32(entry_cost))
    return Run(line, score, start, stop, int(np.argmax(inside)))


def response_near_end(ridge: RidgeMap, valid: NDArray[np.bool_], run: Run, *, gate_rad: float, last_px: int) -> float:
    """Mean gated response of another ridge map over the last steps of a run, 0..1."""
    strip, _ = _strip(ridge, valid, run.line, 1, gate_rad)
    part = strip[max(run.start, run.stop - last_px) : run.stop].max(axis=1)
    return float(part.mean()) if part.size else 0.0


def refine_line(
    ridge: RidgeMap, valid: NDArray[np.bool_], run: Run, *, gate_rad: float, half_width_px: int
) -> Line | None:
    """Fit the line to the ridge's centre below a pixel: weighted least squares, twice, far points played down."""
    strip, _ = _strip(ridge, valid, run.line, half_width_px, gate_rad)
    scales = np.array([half_width_px, 0.5 * half_width_px])
    used, slope, offset, middle = fit_centre(strip, run.start, run.stop, scales)
    if used < 8:
        return None
    point = run.line.at(middle, offset + slope * middle)
    return line_through(
        point, run.line.angle_rad + math.atan(slope), (ridge.response.shape[0], ridge.response.shape[1])
    )
