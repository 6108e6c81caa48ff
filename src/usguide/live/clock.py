"""From a source's clock, which may be absent, stuck or set anew, to times that the pipeline can use."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

JUMP_S = 1.0
"""A source clock that differs by more than this from what it was is a clock that was set."""
STUCK_FRAMES = 3
"""So many frames in a row whose time does not increase are no repeats any more: the clock stands still or was set."""
WINDOW_S = 10.0
"""The offset is that of the quickest frame of the last 10 to 20 s, so that drifting clocks are followed."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """When a frame was taken.

    Parameters
    ----------
    time_s : float
        Since the first frame, at the pace of the source's clock, or of arrival where it has none. Not later than the
        frame before only where the frame is a repeat.
    transit_s : float or None
        How much longer the frame was on its way than the quickest of late; None without a source clock.
    event : str or None
        What is wrong with the clock.
    """

    time_s: float
    transit_s: float | None = None
    event: str | None = None


class StreamClock:
    """Stamps frames as they arrive. All frames pass here, also those that are dropped later.

    Attributes
    ----------
    offset_s : float or None
        Local monotonic clock minus the source's clock, by the quickest frame of late: it holds that frame's transit,
        which can't be told apart from the clocks' difference.
    """

    def __init__(self) -> None:
        self._time_s: float | None = None
        self._source_s: float | None = None
        self._base_s = 0.0
        self._arrival_s = 0.0
        self._not_later = 0
        self._minima: list[tuple[float, float]] = []

    @property
    def offset_s(self) -> float | None:
        """Return the offset, None where the source has no clock."""
        return min((offset for _, offset in self._minima), default=None)

    def stamp(self, source_s: float | None, arrival_s: float) -> Stamp:
        """Stamp the next frame.

        Parameters
        ----------
        source_s : float or None
            By the source's clock; one that is not finite, or 0 among others, is none.
        arrival_s : float
            By the local monotonic clock.
        """
        source = source_s if source_s is not None and math.isfinite(source_s) else None
        if source == 0 and self._source_s is not None and self._source_s > JUMP_S:
            source = None
        if self._time_s is None:
            return self._accept(0.0, source, arrival_s)
        now = self._time_s + max(0.0, arrival_s - self._arrival_s)
        if source is None or self._source_s is None:
            return self._accept(now, source, arrival_s)
        step, offset = source - self._source_s, self.offset_s
        if -JUMP_S <= step <= 0:
            self._not_later += 1
            if self._not_later < STUCK_FRAMES:
                return Stamp(source + self._base_s, self._transit(arrival_s - source))
            first = self._not_later == STUCK_FRAMES
            words = "the source's clock does not increase: times of arrival are used" if first else None
            return self._set_anew(now, source, arrival_s, words)
        self._not_later = 0
        if step < 0 or (offset is not None and arrival_s - source < offset - JUMP_S):
            by_s = step - (now - self._time_s)
            return self._set_anew(now, source, arrival_s, f"the source's clock jumped by {by_s:+.3g} s")
        return self._accept(source + self._base_s, source, arrival_s)

    def _set_anew(self, now: float, source: float, arrival_s: float, event: str | None) -> Stamp:
        """Go on at the pace of arrival; what was known of the offset holds no more."""
        self._minima, self._source_s = [], None
        return replace(self._accept(now, source, arrival_s), event=event)

    def _accept(self, time_s: float, source: float | None, arrival_s: float) -> Stamp:
        if source is not None and self._source_s is None:
            self._base_s = time_s - source
        self._time_s, self._source_s, self._arrival_s = time_s, source, arrival_s
        if source is None:
            return Stamp(time_s)
        self._learn(arrival_s, arrival_s - source)
        return Stamp(time_s, self._transit(arrival_s - source))

    def _learn(self, arrival_s: float, offset: float) -> None:
        if not self._minima or arrival_s - self._minima[-1][0] > WINDOW_S:
            self._minima = [*self._minima[-1:], (arrival_s, offset)]
        elif offset < self._minima[-1][1]:
            self._minima[-1] = (self._minima[-1][0], offset)

    def _transit(self, offset: float) -> float | None:
        least = self.offset_s
        return None if least is None else max(0.0, offset - least)
