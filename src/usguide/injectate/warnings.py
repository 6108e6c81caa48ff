"""What about the spread asks for attention, each with what was seen; nothing is said that was not seen.

Each warning is one line that starts with a code word and a colon:

- ``no-spread:`` an injection was marked, the place was watched, and no new fluid came;
- ``not-watched:`` an injection was marked, but the place could not be watched long enough to tell;
- ``away-from-target:`` the fluid grows, but away from the target;
- ``keep-out NAME:`` fluid lies within an outline that has to be avoided;
- ``tip-outside:`` the tip has left the pool that it was in.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from usguide.geometry import Point
from usguide.injectate._kernels.gaps import least_gap
from usguide.injectate.outlines import inside_of
from usguide.types import Injectate, Outline, Pool, Target

REMEMBERED_S = 4.0
"""How long after it happened an injection can be marked and still be held against what was there before."""
LONGEST_GAP_S = 1.5
"""A longer time between two frames was not watched: the stream was interrupted, or frozen."""
STAYS_MM = 0.2
"""An edge that comes nearer by less than this stays where it is."""


@dataclass(frozen=True, slots=True)
class WarningSettings:
    """When a warning is given."""

    no_spread_after_s: float = 2.5
    """Without new fluid in so much time of watching after a marked injection, it is missed."""
    least_spread_mm2: float = 1.0
    """So much more fluid than before is new fluid."""
    away_window_s: float = 1.5
    """Growth away from the target is judged over so long a time."""
    away_mm: float = 0.5
    """The fluid's centre has to move away by more than this."""
    keep_out_mm2: float = 0.5
    """So much fluid within an outline is too much."""
    tip_outside_mm: float = 1.0
    """The tip has to be further from the pool than this, and than twice its standard deviation."""
    hold_s: float = 0.3
    """What is seen has to last so long."""
    tip_outside_for_s: float = 5.0
    """A tip that has left a pool that does not grow is of interest for so long."""


@dataclass(frozen=True, slots=True)
class Watch:
    """How a frame could be watched.

    Parameters
    ----------
    tip_mm : (float, float), optional
        The tip, or the place that was pointed out; None where neither is known, or it lies outside the picture.
    tip_sigma_mm : float
        Largest standard deviation of the tip's place.
    tip_measured : bool
        Seen in this frame: neither predicted, nor remembered, nor pointed out.
    comparable : bool
        The frame could be held against the tissue before the injection: it has not moved too far, or out of plane.
    """

    tip_mm: Point | None = None
    tip_sigma_mm: float = 0.0
    tip_measured: bool = False
    comparable: bool = True


class SpreadWarnings:
    """Watches the spread frame by frame.

    Parameters
    ----------
    settings : WarningSettings, optional
    """

    def __init__(self, settings: WarningSettings | None = None) -> None:
        self.settings = settings or WarningSettings()
        self.reset()

    def reset(self) -> None:
        """Forget what was seen and marked."""
        s = self.settings
        self._last_s: float | None = None
        self._spread = _MarkedInjection(s)
        self._away = _Away(s)
        self._tip = _TipOutside(s)
        self._within_s: dict[str, float] = {}

    def mark(self, time_s: float) -> None:
        """Note when the plunger moved; a later mark replaces an earlier one."""
        self._spread.mark(time_s)

    def look(
        self,
        fluid: Injectate,
        watch: Watch,
        *,
        timestamp_s: float,
        target: Target | None = None,
        keep_out_mm: Mapping[str, Outline] | None = None,
    ) -> tuple[str, ...]:
        """Return the warnings of one frame.

        Parameters
        ----------
        fluid : Injectate
            Of the frame; without area where none is seen.
        watch : Watch
        timestamp_s : float
            Of the frame. Time that does not go on adds nothing, nor does a gap of more than 1.5 s.
        target : Target, optional
        keep_out_mm : mapping of str to outline, optional

        Returns
        -------
        tuple of str
        """
        passed = 0.0 if self._last_s is None else timestamp_s - self._last_s
        passed = passed if 0.0 <= passed <= LONGEST_GAP_S else 0.0
        self._last_s = timestamp_s
        found = [self._spread.look(fluid, watch, timestamp_s, passed), self._away.look(fluid, target, timestamp_s)]
        found += [self._keep_out(name, o, fluid, passed) for name, o in (keep_out_mm or {}).items()]
        found.append(self._tip.look(fluid, watch, passed))
        return tuple(w for w in found if w is not None)

    def _keep_out(self, name: str, outline: Outline, fluid: Injectate, passed: float) -> str | None:
        within, sure = fluid_within_mm2(fluid, outline)
        if within < self.settings.keep_out_mm2:
            self._within_s.pop(name, None)
            return None
        held = self._within_s[name] = self._within_s.get(name, 0.0) + passed
        if held < self.settings.hold_s:
            return None
        return f"keep-out {name}: {within:.1f} mm2 of the fluid lie within it, {sure:.1f} mm2 of them beyond doubt"


def fluid_within_mm2(fluid: Injectate, outline_mm: Outline) -> tuple[float, float]:
    """Return the area of fluid within an outline, and that part of it whose probability is 0.84 and more."""
    g, outline = fluid.geometry, np.array(outline_mm)
    # Only the box around the outline is looked into.
    x0, y0 = np.maximum(np.floor(g.to_px(outline.min(axis=0))).astype(int), 0)
    x1, y1 = np.maximum(np.ceil(g.to_px(outline.max(axis=0))).astype(int) + 1, 0)
    rows, columns = np.nonzero(fluid.mask[y0:y1, x0:x1])
    rows, columns = rows + y0, columns + x0
    within = inside_of(g.to_mm(np.stack([columns, rows], axis=-1)), outline)
    sure = within if fluid.probability is None else within & (fluid.probability[rows, columns] >= 0.84)
    each_mm2 = g.axial_mm_per_px * g.lateral_mm_per_px
    return float(within.sum()) * each_mm2, float(sure.sum()) * each_mm2


class _MarkedInjection:
    """Whether fluid came after the plunger moved, and for how long it was looked for."""

    def __init__(self, settings: WarningSettings) -> None:
        self._s = settings
        self._marked_s: float | None = None
        self._came = False
        self._watched_s = self._measured_s = 0.0
        self._recent: deque[tuple[float, float]] = deque()
        self._before_mm2: float | None = None
        self._more_s = 0.0

    def mark(self, time_s: float) -> None:
        self._marked_s, self._came, self._before_mm2 = time_s, False, None
        self._watched_s = self._measured_s = self._more_s = 0.0

    def look(self, fluid: Injectate, watch: Watch, timestamp_s: float, passed: float) -> str | None:
        marked = self._marked_s
        self._recent.append((timestamp_s, fluid.area_mm2))
        while self._recent[0][0] < timestamp_s - REMEMBERED_S:
            self._recent.popleft()
        if marked is None or timestamp_s <= marked:
            return None
        if self._before_mm2 is None:
            before = [a for t, a in self._recent if marked - 1.0 <= t <= marked]
            self._before_mm2 = float(np.median(before)) if before else 0.0
        more = fluid.area_mm2 - self._before_mm2
        self._more_s = self._more_s + passed if more >= self._s.least_spread_mm2 else 0.0
        # Fluid may be dated back to before it was sure, and the mark a little late.
        new = any(p.onset_s >= marked - 0.5 and p.area_mm2 >= self._s.least_spread_mm2 for p in fluid.pools)
        self._came = self._came or new or self._more_s >= self._s.hold_s
        if self._came:
            return None
        passed = min(passed, timestamp_s - marked)
        if watch.comparable and watch.tip_mm is not None:
            self._watched_s += passed
            self._measured_s += passed * watch.tip_measured
        since = timestamp_s - marked
        if self._watched_s >= self._s.no_spread_after_s:
            return (
                f"no-spread: no {self._s.least_spread_mm2:g} mm2 of new fluid in {since:.1f} s since the injection marked "
                f"at {marked:.2f} s; its place was watched for {self._watched_s:.1f} s of them, {self._measured_s:.1f} s "
                "with the tip seen. It may be in a vessel or out of plane"
            )
        if since >= 2 * self._s.no_spread_after_s:
            return (
                f"not-watched: whether fluid spreads is not known: in {since:.1f} s since the injection marked at "
                f"{marked:.2f} s its place was watched for {self._watched_s:.1f} s; the tip was out of view, or the "
                "picture moved too much"
            )
        return None


class _Away:
    """Whether fluid that grows moves away from a target that it has not reached."""

    def __init__(self, settings: WarningSettings) -> None:
        self._s = settings
        self._history: deque[tuple[float, float, float, float]] = deque()

    def look(self, fluid: Injectate, target: Target | None, timestamp_s: float) -> str | None:
        around, centre = fluid.around_target, fluid.centroid_mm
        if target is None or around is None or centre is None or around.distance_mm == 0:
            self._history.clear()
            return None
        history = self._history
        if history and timestamp_s < history[-1][0]:
            history.clear()
        history.append((timestamp_s, fluid.area_mm2, around.distance_mm, math.dist(centre, target.position_mm)))
        while timestamp_s - history[0][0] > self._s.away_window_s + 1e-6:
            history.popleft()
        if timestamp_s - history[0][0] < 0.9 * self._s.away_window_s:
            return None
        # The median of a third at either end: one frame decides nothing.
        third = max(1, len(history) // 3)
        rows = np.array(history)
        first, last = (np.median(rows[part], axis=0) for part in (slice(None, third), slice(-third, None)))
        (seconds, grown, nearer, away), moved = last - first, self._s.away_mm
        if grown < self._s.least_spread_mm2 or away < moved or nearer < -STAYS_MM:
            return None
        return (
            f"away-from-target: in {seconds:.1f} s the fluid grew by {grown:.1f} mm2, its centre moved {away:.1f} mm away "
            f"from the target, and its edge stayed {around.distance_mm:.1f} mm from it"
        )


class _TipOutside:
    """Whether the tip has left the pool that it was in."""

    def __init__(self, settings: WarningSettings) -> None:
        self._s = settings
        self._pool_id: int | None = None
        self._outside_s = 0.0

    def look(self, fluid: Injectate, watch: Watch, passed: float) -> str | None:
        tip = watch.tip_mm
        if tip is None or not watch.tip_measured or not fluid.pools:
            # A tip that is not seen may be anywhere: what was true is no longer known.
            self._outside_s = 0.0
            return None
        gaps = {p.pool_id: _gap_mm(tip, p) for p in fluid.pools}
        at = min(gaps, key=gaps.__getitem__)
        if gaps[at] <= self._s.tip_outside_mm:
            self._pool_id, self._outside_s = at, 0.0
            return None
        pool = next((p for p in fluid.pools if p.pool_id == self._pool_id), None)
        if pool is None or gaps[pool.pool_id] <= 2 * watch.tip_sigma_mm:
            self._outside_s = 0.0
            return None
        self._outside_s += passed
        rate, sigma = pool.rate_mm2_s, pool.rate_sigma_mm2_s
        grows = rate is not None and sigma is not None and rate > max(2 * sigma, 1.0)
        if self._outside_s < self._s.hold_s or (self._outside_s > self._s.tip_outside_for_s and not grows):
            return None
        going_on = ", which still grows" if grows else ""
        return (
            f"tip-outside: for {self._outside_s:.1f} s the tip has been {gaps[pool.pool_id]:.1f} mm from the edge of pool "
            f"{pool.pool_id}{going_on}; its place is known to {watch.tip_sigma_mm:.1f} mm"
        )


def _gap_mm(tip_mm: Point, pool: Pool) -> float:
    """Return how far a point lies outside a pool's outermost edge; 0 within it."""
    outline = pool.contour_mm
    if len(outline) < 3:
        return math.inf
    if cv2.pointPolygonTest(outline.astype(np.float32).reshape(-1, 1, 2), tip_mm, False) >= 0:
        return 0.0
    return float(least_gap(np.array([tip_mm]), outline))
