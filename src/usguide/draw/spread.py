"""The injectate on a picture: outlines coloured by time, what is said of it, and outlines to keep out of."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from usguide.draw.canvas import Canvas
from usguide.draw.colours import TIME_COLOURS, VERMILION, WHITE, Colour, time_colour
from usguide.types import GuidanceResult, Injectate, Outline

F64 = NDArray[np.float64]
Moment = tuple[float, tuple[F64, ...]]
"""Time in s, and the outlines of then."""
Line = tuple[str, float, Colour]

FIRST_STEP_S = 0.5
MOST_MOMENTS = 6
UNSURE_BELOW = 0.5
"""Outlines of less confidence are dashed."""

WARNING_WORDS = {
    "no-spread": "NO SPREAD SEEN",
    "not-watched": "SPREAD NOT WATCHED",
    "away-from-target": "SPREAD AWAY FROM TARGET",
    "tip-outside": "TIP OUTSIDE POOL",
}


class SpreadTrail:
    """Where the injectate was: a few moments, evenly over all of its time, carried along with the tissue."""

    def __init__(self) -> None:
        self._moments: list[Moment] = []
        self._step_s = FIRST_STEP_S

    def add(self, result: GuidanceResult) -> list[Moment]:
        """Take a result; return the moments up to and with its own, oldest first; none without fluid in it."""
        fluid, time_s = result.injectate, result.timestamp_s
        if self._moments and time_s < self._moments[-1][0]:
            self._moments, self._step_s = [], FIRST_STEP_S
        if fluid is not None and fluid.tissue_motion is not None:
            m = fluid.tissue_motion
            self._moments = [(t, tuple(c @ m[:, :2].T + m[:, 2] for c in outlines)) for t, outlines in self._moments]
        if fluid is None or not fluid.contours_mm:
            return []
        now = (time_s, fluid.contours_mm)
        before = [m for m in self._moments if m[0] < time_s]
        if not self._moments or time_s - self._moments[-1][0] >= self._step_s - 1e-6:
            self._moments.append(now)
        if len(self._moments) > MOST_MOMENTS:
            self._moments, self._step_s = self._moments[::2], 2 * self._step_s
        return [*before, now]


def draw_spread(canvas: Canvas, moments: Sequence[Moment], *, sure: bool = True) -> None:
    """Draw outlines coloured by time: that of now is thickest, and dashed where it is not `sure`."""
    for k, (time_s, outlines) in enumerate(moments):
        newest = k == len(moments) - 1
        colour = time_colour(_share(moments, time_s))
        for outline in outlines:
            points = canvas.px(outline)
            if newest and not sure:
                for start in range(0, len(points), 10):
                    canvas.stroke([*points, points[0]][start : start + 6], colour, 2.5)
            else:
                canvas.stroke(points, colour, 2.5 if newest else 1.0, closed=True)


def _share(moments: Sequence[Moment], time_s: float) -> float:
    """Return how far a moment lies between the first (0) and the last (1)."""
    first, last = moments[0][0], moments[-1][0]
    return 1.0 if last <= first else (time_s - first) / (last - first)


def draw_time_key(canvas: Canvas, moments: Sequence[Moment], *, above: float) -> None:
    """Draw what the colours mean, its lower edge so far above the picture's."""
    if len(moments) < 2:
        return
    u, font = canvas.unit, cv2.FONT_HERSHEY_SIMPLEX
    words, size = f"injectate, {moments[-1][0] - moments[0][0]:.1f} s ago to now", 0.42 * u
    thick = max(1, round(1.2 * u))
    (wide, high), _ = cv2.getTextSize(words, font, size, thick)
    step, bar, pad = 12 * u, 7 * u, 6 * u
    bottom = canvas.image.shape[0] - above
    top = bottom - bar - high - 3 * pad
    box = canvas.image[
        max(0, round(top)) : max(0, round(bottom)), : round(max(wide, step * len(TIME_COLOURS)) + 3 * pad)
    ]
    box[:] = (box * 0.3).astype(np.uint8)
    for k, colour in enumerate(TIME_COLOURS):
        x, y = 1.5 * pad + k * step, bottom - pad - bar
        cv2.rectangle(canvas.image, (round(x), round(y)), (round(x + step), round(y + bar)), colour, cv2.FILLED)
    where = (round(1.5 * pad), round(bottom - 2 * pad - bar))
    cv2.putText(canvas.image, words, where, font, size, WHITE, thick, cv2.LINE_AA)


def draw_keep_out(canvas: Canvas, name: str, outline_mm: Outline) -> None:
    """Draw a hatched outline with its name: it is no other outline to whoever sees no colours."""
    points = np.array(canvas.px(outline_mm))
    (x0, y0), (x1, y1) = points.min(axis=0), points.max(axis=0)
    inside = np.zeros(canvas.image.shape[:2], np.uint8)
    cv2.fillPoly(inside, [np.rint(points).astype(np.int32)], 1)
    hatched = np.zeros_like(inside)
    for x in np.arange(x0 - (y1 - y0), x1, 11 * canvas.unit):
        ends = np.rint([(x, y1), (x + y1 - y0, y0)]).astype(int).tolist()
        cv2.line(hatched, ends[0], ends[1], 1, max(1, round(canvas.unit)))
    canvas.image[(inside & hatched) > 0] = VERMILION
    canvas.stroke([(float(x), float(y)) for x, y in points], VERMILION, 1.5, closed=True)
    canvas.label(f"keep out: {name}", (float(x0 + x1) / 2, float(y0) - 7 * canvas.unit), VERMILION)


def spread_words(fluid: Injectate) -> list[Line]:
    """Return what is said of the injectate: its area, how it lies around the target, and warnings, most urgent first."""
    lines: list[Line] = [(warning_words(w), 0.6, VERMILION) for w in fluid.warnings]
    if fluid.area_mm2 > 0:
        sigma = "" if fluid.area_sigma_mm2 is None else f" +- {fluid.area_sigma_mm2:.1f}"
        lines.append((f"injectate {fluid.area_mm2:.1f}{sigma} mm2", 0.6, WHITE))
    around = fluid.around_target
    if around is not None and around.ring_deg:
        lines.append((f"around target {around.ring_deg:.0f} deg", 0.6, WHITE))
    elif around is not None:
        lines.append((f"injectate {around.distance_mm:.1f} mm from target", 0.6, WHITE))
    return lines


def warning_words(warning: str) -> str:
    """Return a warning in a few words; its evidence is in the results."""
    code = warning.partition(":")[0]
    if code.startswith("keep-out "):
        return f"INJECTATE IN {code.removeprefix('keep-out ').upper()}"
    return WARNING_WORDS.get(code, code.upper())
