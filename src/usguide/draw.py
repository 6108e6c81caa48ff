"""The overlay: shaft, tip with its uncertainty, state, target, scale bar, over the frame's own pixels.

Colours are from Okabe and Ito's palette, which people with any colour vision tell apart; line style and words say the
same again. Every stroke has a dark outline, so that it is read on bright fascia and on black.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from usguide.geometry import ImageGeometry
from usguide.intensity import full_scale_of
from usguide.types import Frame, GuidanceResult, InputState, NeedleTrack, TrackState

Image = NDArray[np.uint8]
Colour = tuple[int, int, int]

# Okabe-Ito, as BGR.
SKY_BLUE: Colour = (233, 180, 86)
ORANGE: Colour = (0, 159, 230)
YELLOW: Colour = (66, 228, 240)
PURPLE: Colour = (187, 141, 224)  # the palette's reddish purple, lightened for dark tissue
WHITE: Colour = (255, 255, 255)
BLACK: Colour = (0, 0, 0)

MIN_HEIGHT_PX = 480
"""Smaller pictures are enlarged by a whole number, so that lines and words have room."""

STATE_COLOUR = {
    TrackState.TRACKING: SKY_BLUE,
    TrackState.COASTING: ORANGE,
    TrackState.LOST: ORANGE,
    TrackState.SEARCHING: WHITE,
}
RESEARCH_LINE = "Research use only: not a medical device"


def draw_overlay(frame: Frame, result: GuidanceResult) -> Image:
    """Draw a result over its frame.

    Parameters
    ----------
    frame : Frame
        With a region, only the region is shown: text that the scanner burnt in around it stays out.
    result : GuidanceResult
        Of the same frame.

    Returns
    -------
    ndarray of uint8, shape (h, w, 3)
        BGR, with even sides; at least 480 rows high.
    """
    return _Canvas(frame).draw(result)


class _Canvas:
    """A picture with the mapping from mm to its pixels."""

    def __init__(self, frame: Frame) -> None:
        h, w = frame.shape
        x, y, w, h = frame.region or (0, 0, w, h)
        pixels = frame.pixels[y : y + h, x : x + w]
        # Square pixels, or circles and angles would lie; at least MIN_HEIGHT_PX high.
        g = frame.geometry
        fine = min(g.axial_mm_per_px, g.lateral_mm_per_px)
        height = h * g.axial_mm_per_px / fine
        enlarge = max(1, math.ceil(MIN_HEIGHT_PX / height))
        shape = (_even(height * enlarge), _even(w * g.lateral_mm_per_px / fine * enlarge))
        self.image: Image = _to_bgr(pixels, frame.full_scale, shape)
        self.geometry: ImageGeometry = g.cropped(x, y).resampled((h, w), shape)
        self.unit = max(1.0, shape[0] / 600)
        """Strokes and letters grow with the picture."""

    def draw(self, result: GuidanceResult) -> Image:
        track = result.track
        if track is not None and track.state is not TrackState.LOST:
            self._needle(track)
        if result.target is not None:
            self._target(result.target.position_mm, track)
        self._words(result)
        self._scale_bar()
        return self.image

    def _px(self, points_mm: ArrayLike) -> list[tuple[float, float]]:
        return [(float(a), float(b)) for a, b in self.geometry.to_px(np.atleast_2d(np.asarray(points_mm, float)))]

    def _stroke(
        self, points: Sequence[tuple[float, float]], colour: Colour, width: float, *, closed: bool = False
    ) -> None:
        """Anti-aliased polyline with a dark outline, placed to 1/16 px."""
        fixed = np.rint(np.asarray(points) * 16).astype(np.int32).reshape(-1, 1, 2)
        thick = max(1, round(width * self.unit))
        for c, t in ((BLACK, thick + max(2, round(2 * self.unit))), (colour, thick)):
            cv2.polylines(self.image, [fixed], closed, c, t, cv2.LINE_AA, 4)

    def _dashes(self, a: tuple[float, float], b: tuple[float, float], colour: Colour, width: float) -> None:
        length = math.dist(a, b)
        step = 10 * self.unit
        for start in np.arange(0, length, 2 * step):
            stop = min(length, start + step)
            ends = [tuple(np.add(a, np.subtract(b, a) * (s / length))) for s in (start, stop)]
            self._stroke(ends, colour, width)

    def _needle(self, track: NeedleTrack) -> None:
        colour = STATE_COLOUR[track.state]
        entry, tip = self._px([track.shaft.entry_mm, track.tip.position_mm])
        if track.state is TrackState.TRACKING:
            self._stroke([entry, tip], colour, 1.5)
        else:
            self._dashes(entry, tip, colour, 1.5)
        self._ellipse(track, YELLOW if track.state is TrackState.TRACKING else ORANGE)
        arm = 4 * self.unit
        x, y = tip
        for sign in (1, -1):
            self._stroke([(x - arm, y - sign * arm), (x + arm, y + sign * arm)], YELLOW, 1.0)

    def _ellipse(self, track: NeedleTrack, colour: Colour) -> None:
        """95 % of the tip's probability."""
        values, vectors = np.linalg.eigh(np.asarray(track.tip.covariance_mm2))
        axes = np.sqrt(np.maximum(values, 0) * 5.991)
        turn = np.linspace(0, 2 * np.pi, 48, endpoint=False)
        circle = np.stack([axes[0] * np.cos(turn), axes[1] * np.sin(turn)])
        self._stroke(self._px((vectors @ circle).T + track.tip.position_mm), colour, 1.0, closed=True)

    def _target(self, target_mm: tuple[float, float], track: NeedleTrack | None) -> None:
        (x, y) = self._px(target_mm)[0]
        if track is not None and track.state is not TrackState.LOST:
            self._dashes(self._px(track.tip.position_mm)[0], (x, y), PURPLE, 1.0)
        r = 9 * self.unit
        turn = np.linspace(0, 2 * np.pi, 40, endpoint=False)
        self._stroke([(x + r * math.cos(t), y + r * math.sin(t)) for t in turn], PURPLE, 1.2, closed=True)
        self._stroke([(x - 1.6 * r, y), (x + 1.6 * r, y)], PURPLE, 1.0)
        self._stroke([(x, y - 1.6 * r), (x, y + 1.6 * r)], PURPLE, 1.0)

    def text(self, words: str, x: float, y: float, *, colour: Colour = WHITE, size: float = 0.5) -> None:
        """Write with a dark outline; (x, y) is the lower left corner."""
        scale, edge = size * self.unit, max(1, round(1.2 * self.unit))
        # Shifted copies make the outline: a thicker stroke has wider letters in some versions of OpenCV.
        shifts = [(i, j) for i in (-edge, 0, edge) for j in (-edge, 0, edge) if i or j]
        for dx, dy in [*shifts, (0, 0)]:
            where = (round(x) + dx, round(y) + dy)
            c = colour if dx == dy == 0 else BLACK
            cv2.putText(self.image, words, where, cv2.FONT_HERSHEY_SIMPLEX, scale, c, edge, cv2.LINE_AA)

    def _words(self, result: GuidanceResult) -> None:
        u, h = self.unit, self.image.shape[0]
        head = (
            str(result.state) if result.input_state is InputState.OK else f"{result.state}  INPUT {result.input_state}"
        )
        lines = []
        track = result.track
        if track is not None and track.state is not TrackState.LOST:
            head += f"  {100 * track.confidence:.0f} %"
            lines.append(
                f"{track.shaft.angle_deg:.0f} deg  {math.dist(track.shaft.entry_mm, track.tip.position_mm):.1f} mm in"
            )
        if result.target is not None and result.target.distance_mm is not None:
            lines.append(f"{result.target.distance_mm:.1f} mm to target")
        self.text(head, 10 * u, 24 * u, colour=STATE_COLOUR[result.state], size=0.65)
        for n, line in enumerate(lines):
            self.text(line, 10 * u, (46 + 20 * n) * u)
        self.text(f"{result.timestamp_s:.2f} s  frame {result.index}", 10 * u, h - 24 * u, size=0.4)
        self.text(RESEARCH_LINE, 10 * u, h - 9 * u, size=0.36)

    def _scale_bar(self) -> None:
        h, w = self.image.shape[:2]
        mm_per_px = self.geometry.lateral_mm_per_px
        fitting = [v for v in (1, 2, 5, 10, 20, 50) if v <= 0.25 * w * mm_per_px]
        length_mm = fitting[-1] if fitting else 1
        u, y = self.unit, h - 12 * self.unit
        right = w - 14 * u
        left = right - length_mm / mm_per_px
        self._stroke([(left, y), (right, y)], WHITE, 1.5)
        for x in (left, right):
            self._stroke([(x, y - 4 * u), (x, y + 4 * u)], WHITE, 1.5)
        self.text(f"{length_mm} mm", left, y - 9 * u, size=0.45)


def _even(value: float) -> int:
    """Round to an even number: video codecs want even sides."""
    return max(2, 2 * round(value / 2))


def _to_bgr(pixels: NDArray[Any], full_scale: float | None, shape: tuple[int, int]) -> Image:
    eight = pixels
    if pixels.dtype != np.uint8 or full_scale not in (None, 255.0):
        scaled = np.asarray(pixels, np.float32) * np.float32(255 / full_scale_of(pixels, full_scale))
        eight = np.clip(scaled, 0, 255).astype(np.uint8)
    if eight.ndim == 2:
        bgr = cv2.cvtColor(np.ascontiguousarray(eight), cv2.COLOR_GRAY2BGR)
    else:
        bgr = np.ascontiguousarray(eight[..., :3])
    if bgr.shape[:2] == shape:
        return np.array(bgr, dtype=np.uint8)
    return np.asarray(cv2.resize(bgr, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)
