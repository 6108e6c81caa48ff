"""The overlay: shaft, tip with its uncertainty, state, target, scale bar, over the frame's own pixels.

Colours are from Okabe and Ito's palette, which people with any colour vision tell apart; line style, form and words say the
same again. Strokes have a dark outline and words a dark panel, so that they are read on bright fascia and on black.
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

MIN_SIDE_PX = 480
"""Smaller pictures are enlarged, so that lines and words have room."""

MAX_SIDE_PX = 4096
"""No enlargement beyond this: a sliver of a picture must not become a video that no codec takes."""

PATH_MM = 10.0
"""Length of the predicted path beyond the tip, where no target gives it."""

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
        BGR, with square pixels and even sides, each at least 480 px unless the other would pass 4096.
    """
    return _Canvas(frame).draw(result)


class _Canvas:
    """A picture with the mapping from mm to its pixels."""

    def __init__(self, frame: Frame) -> None:
        h, w = frame.shape
        x, y, w, h = frame.region or (0, 0, w, h)
        pixels = frame.pixels[y : y + h, x : x + w]
        # Square pixels, or circles and angles would lie.
        g = frame.geometry
        fine = min(g.axial_mm_per_px, g.lateral_mm_per_px)
        height, width = h * g.axial_mm_per_px / fine, w * g.lateral_mm_per_px / fine
        enlarge = max(1.0, MIN_SIDE_PX / min(height, width))
        enlarge = min(enlarge, max(MAX_SIDE_PX, h, w) / max(height, width))
        shape = (_even(height * enlarge), _even(width * enlarge))
        self.image: Image = to_bgr(pixels, frame.full_scale, shape)
        self.geometry: ImageGeometry = g.cropped(x, y).resampled((h, w), shape)
        self.unit = max(1.0, min(shape[0] / 600, shape[1] / 560))
        """Strokes and letters grow with the picture."""

    def draw(self, result: GuidanceResult) -> Image:
        track = result.track if result.track is not None and result.track.state is not TrackState.LOST else None
        if result.target is not None:
            self._target(result.target.position_mm)
        if track is not None:
            self._needle(track, result.target.along_mm if result.target is not None else None)
        self._words(result, track)
        self._scale_bar()
        return self.image

    def _px(self, points_mm: ArrayLike) -> list[tuple[float, float]]:
        return [(float(a), float(b)) for a, b in self.geometry.to_px(np.atleast_2d(np.asarray(points_mm, float)))]

    def _stroke(
        self, points: Sequence[tuple[float, float]], colour: Colour, width: float, *, closed: bool = False
    ) -> None:
        """Anti-aliased polyline with a dark outline, placed to 1/16 px."""
        fixed = np.rint(np.clip(points, -1e5, 1e5) * 16).astype(np.int32).reshape(-1, 1, 2)
        thick = max(1, round(width * self.unit))
        for c, t in ((BLACK, thick + max(2, round(2 * self.unit))), (colour, thick)):
            cv2.polylines(self.image, [fixed], closed, c, t, cv2.LINE_AA, 4)

    def _dashes(
        self, a: tuple[float, float], b: tuple[float, float], colour: Colour, width: float, dash: float = 10.0
    ) -> None:
        length = math.dist(a, b)
        step = max(dash * self.unit, length / 400)
        for start in np.arange(0, length, 2 * step):
            stop = min(length, start + step)
            ends = [tuple(np.add(a, np.subtract(b, a) * (s / length))) for s in (start, stop)]
            self._stroke(ends, colour, width)

    def _needle(self, track: NeedleTrack, along_mm: float | None) -> None:
        """Draw what is seen solid, what is predicted dashed, and the way ahead dotted."""
        seen = track.state is TrackState.TRACKING
        colour = STATE_COLOUR[track.state]
        entry_mm, tip_mm = np.asarray(track.shaft.entry_mm), np.asarray(track.tip.position_mm)
        entry, distal, tip = self._px([track.shaft.entry_mm, track.shaft.distal_mm, track.tip.position_mm])
        length_mm = float(np.hypot(*(tip_mm - entry_mm)))
        if length_mm > 0:
            ahead_mm = PATH_MM if along_mm is None else max(along_mm, 0.0)
            end = self._px(tip_mm + (tip_mm - entry_mm) * (ahead_mm / length_mm))[0]
            self._dashes(tip, end, colour, 2.0, dash=6)
        # The visible end and the tip are two things: between them the shaft is a prediction.
        visible = distal if math.dist(entry, distal) < math.dist(entry, tip) else tip
        if seen:
            self._dashes(visible, tip, colour, 2.5)
            self._stroke([entry, visible], colour, 2.5)
        else:
            self._dashes(entry, tip, colour, 2.5)
        self._ellipse(track, YELLOW if seen else ORANGE, dashed=not seen)
        self._tip_mark(tip, seen=seen)

    def _tip_mark(self, tip: tuple[float, float], *, seen: bool) -> None:
        """Draw a cross where the tip is measured, an open diamond where it is predicted."""
        (x, y), r = tip, (6 if seen else 8) * self.unit
        if seen:
            for sign in (1, -1):
                self._stroke([(x - r, y - sign * r), (x + r, y + sign * r)], YELLOW, 2.0)
        else:
            self._stroke([(x - r, y), (x, y - r), (x + r, y), (x, y + r)], ORANGE, 2.0, closed=True)

    def _ellipse(self, track: NeedleTrack, colour: Colour, *, dashed: bool) -> None:
        """95 % of the tip's probability."""
        values, vectors = np.linalg.eigh(np.asarray(track.tip.covariance_mm2))
        axes = np.sqrt(np.maximum(values, 0) * 5.991)
        turn = np.linspace(0, 2 * np.pi, 64, endpoint=False)
        circle = np.stack([axes[0] * np.cos(turn), axes[1] * np.sin(turn)])
        points = self._px((vectors @ circle).T + track.tip.position_mm)
        if dashed:
            for k in range(0, len(points), 8):
                self._stroke(points[k : k + 5], colour, 2.0)
        else:
            self._stroke(points, colour, 1.5, closed=True)

    def _target(self, target_mm: tuple[float, float]) -> None:
        """Draw a reticle that leaves its centre free."""
        (x, y), r = self._px(target_mm)[0], 10 * self.unit
        turn = np.linspace(0, 2 * np.pi, 40, endpoint=False)
        self._stroke([(x + r * math.cos(t), y + r * math.sin(t)) for t in turn], PURPLE, 2.0, closed=True)
        for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            near, far = 0.5 * r, 1.8 * r
            self._stroke([(x + near * dx, y + near * dy), (x + far * dx, y + far * dy)], PURPLE, 2.0)

    def _panel(self, lines: Sequence[tuple[str, float, Colour]], *, top: bool) -> None:
        """Write lines on a darkened panel in a left corner, smaller where the picture is too narrow for them."""
        u, font = self.unit, cv2.FONT_HERSHEY_SIMPLEX
        thick, pad = max(1, round(1.2 * u)), round(6 * u)
        widest = max(cv2.getTextSize(words, font, size * u, thick)[0][0] for words, size, _ in lines)
        fit = min(1.0, (self.image.shape[1] - 4 * pad) / widest)
        heights = [round(34 * size * u * fit) for _, size, _ in lines]
        y0 = 0 if top else self.image.shape[0] - sum(heights) - pad
        box = self.image[max(0, y0) : y0 + sum(heights) + pad, : round(widest * fit) + 3 * pad]
        box[:] = (box * 0.3).astype(np.uint8)
        y = y0 + pad // 2
        for (words, size, colour), height in zip(lines, heights, strict=True):
            y += height
            where = (round(1.5 * pad), y - round(0.22 * height))
            cv2.putText(self.image, words, where, font, size * u * fit, colour, thick, cv2.LINE_AA)

    def _words(self, result: GuidanceResult, track: NeedleTrack | None) -> None:
        head, colour = str(result.state), STATE_COLOUR[result.state]
        if track is not None:
            head += f"  {100 * track.confidence:.0f} %"
        lines = [(head, 0.8, colour)]
        if result.input_state is InputState.INVALID:
            # Nothing was seen in this frame: the state is the one before it, and must not look like a finding.
            lines = [("INPUT INVALID", 0.8, ORANGE)]
        elif result.input_state is not InputState.OK:
            lines.append((f"INPUT {result.input_state}", 0.6, ORANGE))
        if track is not None:
            inside_mm = math.dist(track.shaft.entry_mm, track.tip.position_mm)
            lines.append((f"{track.shaft.angle_deg:.0f} deg   {inside_mm:.1f} mm in", 0.6, WHITE))
            if result.target is not None and result.target.distance_mm is not None:
                lines.append((f"{result.target.distance_mm:.1f} mm to target", 0.6, WHITE))
        self._panel(lines, top=True)
        foot = f"{result.timestamp_s:.2f} s   frame {result.index}"
        self._panel([(foot, 0.45, WHITE), (RESEARCH_LINE, 0.42, WHITE)], top=False)

    def _scale_bar(self) -> None:
        h, w = self.image.shape[:2]
        mm_per_px = self.geometry.lateral_mm_per_px
        fitting = [v for v in (1, 2, 5, 10, 20, 50) if v <= 0.25 * w * mm_per_px]
        length_mm = fitting[-1] if fitting else 1
        u, y = self.unit, h - 12 * self.unit
        right = w - 14 * u
        left = right - length_mm / mm_per_px
        words, size = f"{length_mm} mm", 0.55 * u
        thick = max(1, round(1.2 * u))
        wide = cv2.getTextSize(words, cv2.FONT_HERSHEY_SIMPLEX, size, thick)[0][0]
        corner = max(0, round(min(left, right - wide) - 8 * u))
        box = self.image[max(0, round(h - 40 * u)) :, corner:]
        box[:] = (box * 0.3).astype(np.uint8)
        self._stroke([(left, y), (right, y)], WHITE, 2)
        for x in (left, right):
            self._stroke([(x, y - 4 * u), (x, y + 4 * u)], WHITE, 2)
        where = (round(min(left, right - wide)), round(y - 10 * u))
        cv2.putText(self.image, words, where, cv2.FONT_HERSHEY_SIMPLEX, size, WHITE, thick, cv2.LINE_AA)


def _even(value: float) -> int:
    """Round to an even number: video codecs want even sides."""
    return max(2, 2 * round(value / 2))


def to_eight_bits(pixels: NDArray[Any], full_scale: float | None) -> Image:
    """Return pixels of any type as 8 bits; those that are already are returned as they are."""
    if pixels.dtype == np.uint8 and full_scale in (None, 255.0):
        return np.asarray(pixels, np.uint8)
    scaled = np.asarray(pixels, np.float32) * np.float32(255 / full_scale_of(pixels, full_scale))
    return np.asarray(np.clip(scaled, 0, 255), np.uint8)


def to_bgr(pixels: NDArray[Any], full_scale: float | None, shape: tuple[int, int]) -> Image:
    """Return pixels as BGR of 8 bits, resampled to `shape` (H, W); never the array that came in."""
    eight = to_eight_bits(pixels, full_scale)
    if eight.ndim == 2:
        bgr = cv2.cvtColor(np.ascontiguousarray(eight), cv2.COLOR_GRAY2BGR)
    else:
        bgr = np.ascontiguousarray(eight[..., :3])
    if bgr.shape[:2] == shape:
        return np.array(bgr, dtype=np.uint8)
    return np.asarray(cv2.resize(bgr, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)
