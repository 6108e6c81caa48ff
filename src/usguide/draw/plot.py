"""The spread over time as a picture: area, extent, and the way around the target, with onset, marks and warnings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from usguide.draw.colours import BLACK, ORANGE, RESEARCH_LINE, SKY_BLUE, Colour
from usguide.draw.pixels import Image
from usguide.draw.spread import warning_words
from usguide.types import GuidanceResult

F64 = NDArray[np.float64]

WIDTH_PX, PANEL_PX, STRIP_PX = 1200, 300, 30
LEFT_PX, RIGHT_PX, TOP_PX, FOOT_PX, GAP_PX = 110, 250, 84, 80, 46
MOST_ROWS = 20_000
"""More frames than the plot has pixels are thinned."""
GREY: Colour = (120, 120, 120)
PALE: Colour = (225, 225, 225)
BLUE: Colour = (178, 114, 0)  # Okabe and Ito's, dark enough for white paper; BGR
RED: Colour = (0, 94, 213)
GREEN: Colour = (115, 158, 0)
MARK = "injection marked at "


@dataclass(slots=True)
class SpreadSeries:
    """What the plot needs of each frame: a few numbers, of every second or fourth frame where there are very many.

    Attributes
    ----------
    rows : list of tuple of float
        Time, area and its standard deviation, extent along and across, ring, distance; NaN where there is none.
    pools : dict of int to list of (float, float)
        Time and area of each pool.
    warnings : dict of str to list of float
        Times at which each kind of warning was given.
    marks_s : list of float
        When injections were marked.
    onset_s : float or None
    """

    rows: list[tuple[float, ...]] = field(default_factory=list)
    pools: dict[int, list[tuple[float, float]]] = field(default_factory=dict)
    warnings: dict[str, list[float]] = field(default_factory=dict)
    marks_s: list[float] = field(default_factory=list)
    onset_s: float | None = None
    _stride: int = 1
    _seen: int = 0

    def add(self, result: GuidanceResult) -> None:
        """Take one frame."""
        self.marks_s += [float(e.removeprefix(MARK).split()[0]) for e in result.events if e.startswith(MARK)]
        fluid, self._seen = result.injectate, self._seen + 1
        if fluid is None or (self._seen - 1) % self._stride:
            return
        if len(self.rows) >= MOST_ROWS:
            self._thin()
        nan, around = math.nan, fluid.around_target
        ring = None if around is None else around.ring_deg
        self.rows.append(
            (
                result.timestamp_s,
                fluid.area_mm2,
                0.0 if fluid.area_sigma_mm2 is None else fluid.area_sigma_mm2,
                *((nan, nan) if fluid.extent_mm is None else fluid.extent_mm),
                nan if ring is None else ring,
                nan if around is None else around.distance_mm,
            )
        )
        for pool in fluid.pools:
            self.pools.setdefault(pool.pool_id, []).append((result.timestamp_s, pool.area_mm2))
        for warning in fluid.warnings:
            self.warnings.setdefault(warning_words(warning), []).append(result.timestamp_s)
        self.onset_s = fluid.onset_s if self.onset_s is None else self.onset_s

    def _thin(self) -> None:
        """Keep every other frame, so that a long run takes no more memory than a short one."""
        self._stride *= 2
        self.rows = self.rows[::2]
        self.pools = {n: areas[::2] for n, areas in self.pools.items()}
        self.warnings = {words: times[::2] for words, times in self.warnings.items()}


def draw_spread_plot(series: SpreadSeries, title: str = "") -> Image:
    """Draw the spread over time.

    Parameters
    ----------
    series : SpreadSeries
    title : str
        Name of the recording.

    Returns
    -------
    ndarray of uint8, shape (h, 1200, 3)
        BGR on white.
    """
    rows = np.array(series.rows, dtype=float).reshape(-1, 7)
    time, area, sigma, along, across, ring, distance = rows.T
    panels = 2 + int(np.isfinite(ring).any()) + int(np.isfinite(distance).any())
    strips = len(series.warnings)
    height = TOP_PX + panels * (PANEL_PX + GAP_PX) + strips * STRIP_PX + FOOT_PX
    image: Image = np.full((height, WIDTH_PX, 3), 255, np.uint8)
    first, last = (float(time[0]), float(time[-1])) if len(time) else (0.0, 1.0)
    plot = _Plot(image, first, max(last, first + 0.1), height - FOOT_PX)
    plot.text(title or "spread", (LEFT_PX, 32), 0.7, BLACK)
    pools = [np.array(p) for p in series.pools.values()]
    panel = plot.panel("area, mm2", float(np.nanmax([1.0, *(area + sigma)])))
    panel.band(time, area - sigma, area + sigma, SKY_BLUE)
    if len(pools) > 1:
        for pool, colour in zip(pools, (GREEN, RED, ORANGE, GREY) * len(pools), strict=False):
            panel.line(pool[:, 0], pool[:, 1], colour, thick=1)
        panel.legend(["all, +- 1 SD", *(f"pool {n}" for n in series.pools)], (BLUE, GREEN, RED, ORANGE, GREY))
    else:
        panel.legend(["area, +- 1 SD"], (BLUE,))
    panel.line(time, area, BLUE)
    panel = plot.panel("extent, mm", float(np.nanmax([1.0, *along, *across])))
    panel.line(time, along, BLUE)
    panel.line(time, across, RED)
    panel.legend(["along main axis", "across it"], (BLUE, RED))
    if np.isfinite(ring).any():
        panel = plot.panel("around target, deg", 360.0, ticks=(0.0, 90.0, 180.0, 270.0, 360.0))
        panel.line(time, ring, BLUE)
    if np.isfinite(distance).any():
        panel = plot.panel("gap to target, mm", float(np.nanmax([1.0, *distance])))
        panel.line(time, distance, BLUE)
    plot.moments(series.marks_s, "injection marked", RED, dashed=True)
    plot.moments([] if series.onset_s is None else [series.onset_s], "onset", GREEN)
    for words, times in series.warnings.items():
        plot.strip(words, np.array(times), time)
    plot.time_axis()
    plot.text(RESEARCH_LINE, (LEFT_PX, height - 14), 0.45, GREY)
    return image


class _Plot:
    """Panels above each other that share the axis of time."""

    def __init__(self, image: Image, first_s: float, last_s: float, bottom: int) -> None:
        self.image, self.first_s, self.last_s, self.bottom = image, first_s, last_s, bottom
        self._next = TOP_PX

    def x(self, time_s: F64) -> F64:
        share = (np.asarray(time_s) - self.first_s) / (self.last_s - self.first_s)
        return np.asarray(LEFT_PX + share * (WIDTH_PX - LEFT_PX - RIGHT_PX))

    def text(self, words: str, where: tuple[float, float], size: float, colour: Colour, *, right: bool = False) -> None:
        wide = cv2.getTextSize(words, cv2.FONT_HERSHEY_SIMPLEX, size, 1)[0][0]
        at = round(where[0] - wide * right), round(where[1])
        cv2.putText(self.image, words, at, cv2.FONT_HERSHEY_SIMPLEX, size, colour, 1, cv2.LINE_AA)

    def panel(self, name: str, most: float, ticks: Sequence[float] = ()) -> _Panel:
        top = self._next
        self._next += PANEL_PX + GAP_PX
        return _Panel(self, top, name, most, ticks)

    def moments(self, times_s: Sequence[float], words: str, colour: Colour, *, dashed: bool = False) -> None:
        """Draw a line through all panels at each time."""
        # Where both fall together, one is written above the other.
        level = TOP_PX - (24 if dashed else 6)
        for t in times_s:
            x = round(float(self.x(np.array(t))))
            for y in range(TOP_PX, self._next - GAP_PX, 14):
                cv2.line(self.image, (x, y), (x, y + (7 if dashed else 14)), colour, 2)
            self.text(words, (x, level), 0.45, colour)

    def strip(self, words: str, times_s: F64, frames_s: F64) -> None:
        """Draw when a warning was given."""
        y = self._next - GAP_PX // 2
        self._next += STRIP_PX
        step = float(np.median(np.diff(frames_s))) if len(frames_s) > 1 else 0.05
        for t in times_s:
            a, b = self.x(np.array([t - step / 2, t + step / 2]))
            cv2.rectangle(self.image, (round(a), y), (max(round(a) + 1, round(b)), y + 14), RED, cv2.FILLED)
        self.text(words, (WIDTH_PX - RIGHT_PX + 12, y + 12), 0.42, RED)

    def time_axis(self) -> None:
        y = self._next - GAP_PX // 2 + 6
        for t in _ticks(self.first_s, self.last_s):
            self.text(f"{t:g}", (float(self.x(np.array(t))) + 6, y + 14), 0.5, BLACK, right=True)
        self.text("time, s", (WIDTH_PX - RIGHT_PX + 12, y + 14), 0.5, BLACK)


class _Panel:
    def __init__(self, plot: _Plot, top: int, name: str, most: float, ticks: Sequence[float]) -> None:
        self._plot, self._top, self._bottom = plot, top, top + PANEL_PX
        marks = list(ticks) or _ticks(0.0, most)
        self._most = max(marks[-1], most)
        for v in marks:
            y = round(float(self._y(np.array(v))))
            cv2.line(plot.image, (LEFT_PX, y), (WIDTH_PX - RIGHT_PX, y), PALE, 1)
            plot.text(f"{v:g}", (LEFT_PX - 8, y + 5), 0.5, BLACK, right=True)
        for t in _ticks(plot.first_s, plot.last_s):
            x = round(float(plot.x(np.array(t))))
            cv2.line(plot.image, (x, self._bottom), (x, self._bottom + 6), BLACK, 1)
        cv2.line(plot.image, (LEFT_PX, top), (LEFT_PX, self._bottom), BLACK, 1)
        cv2.line(plot.image, (LEFT_PX, self._bottom), (WIDTH_PX - RIGHT_PX, self._bottom), BLACK, 1)
        plot.text(name, (12, top - 14), 0.5, BLACK)

    def _y(self, values: F64) -> F64:
        return np.asarray(self._bottom - np.clip(values, 0, None) / self._most * PANEL_PX)

    def _points(self, time: F64, values: F64) -> NDArray[np.int32]:
        return np.rint(np.stack([self._plot.x(time), self._y(values)], axis=-1) * 16).astype(np.int32)

    def line(self, time: F64, values: F64, colour: Colour, *, thick: int = 2) -> None:
        """Draw a line that is broken where there is no value."""
        known = np.isfinite(values)
        edges = np.flatnonzero(np.diff(np.concatenate([[False], known, [False]]).astype(int)))
        for a, b in edges.reshape(-1, 2):
            points = self._points(time[a:b], values[a:b])
            cv2.polylines(self._plot.image, [points], False, colour, thick, cv2.LINE_AA, 4)

    def band(self, time: F64, low: F64, high: F64, colour: Colour) -> None:
        """Fill between two lines, so pale that what is drawn over it is seen."""
        if len(time) < 2:
            return
        shape = np.concatenate([self._points(time, high), self._points(time, low)[::-1]])
        over = self._plot.image.copy()
        cv2.fillPoly(over, [shape], colour, cv2.LINE_AA, 4)
        self._plot.image[:] = cv2.addWeighted(over, 0.35, self._plot.image, 0.65, 0)

    def legend(self, names: Sequence[str], colours: Sequence[Colour]) -> None:
        """Write names at the right, each beside a piece of its line."""
        for k, (name, colour) in enumerate(zip(names, colours, strict=False)):
            x, y = WIDTH_PX - RIGHT_PX + 12, self._top + 18 + 24 * k
            cv2.line(self._plot.image, (x, y - 5), (x + 26, y - 5), colour, 3, cv2.LINE_AA)
            self._plot.text(name, (x + 34, y), 0.48, BLACK)


def _ticks(low: float, high: float) -> list[float]:
    """Return four to ten round numbers from `low` to `high`."""
    power = 10.0 ** math.floor(math.log10(high - low))
    step = next(s * power for s in (0.1, 0.2, 0.5, 1.0) if (high - low) / (s * power) <= 10)
    return [round(k * step, 9) for k in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]
