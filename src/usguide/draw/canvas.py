"""A frame as a picture to draw on in mm: square pixels, strokes with dark outlines, words on darkened panels."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike

from usguide.draw.colours import BLACK, WHITE, Colour
from usguide.draw.pixels import Image, to_bgr
from usguide.geometry import ImageGeometry
from usguide.types import Frame

MIN_SIDE_PX = 480
"""Smaller pictures are enlarged, so that lines and words have room."""

MAX_SIDE_PX = 4096
"""No enlargement beyond this: a sliver of a picture must not become a video that no codec takes."""


class Canvas:
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

    def px(self, points_mm: ArrayLike) -> list[tuple[float, float]]:
        """Return points (n, 2) in mm as px of the picture."""
        return [(float(a), float(b)) for a, b in self.geometry.to_px(np.atleast_2d(np.asarray(points_mm, float)))]

    def stroke(
        self, points: Sequence[tuple[float, float]], colour: Colour, width: float, *, closed: bool = False
    ) -> None:
        """Anti-aliased polyline with a dark outline, placed to 1/16 px."""
        fixed = np.rint(np.clip(points, -1e5, 1e5) * 16).astype(np.int32).reshape(-1, 1, 2)
        thick = max(1, round(width * self.unit))
        for c, t in ((BLACK, thick + max(2, round(2 * self.unit))), (colour, thick)):
            cv2.polylines(self.image, [fixed], closed, c, t, cv2.LINE_AA, 4)

    def dashes(
        self, a: tuple[float, float], b: tuple[float, float], colour: Colour, width: float, dash: float = 10.0
    ) -> None:
        """Draw a broken line between two points in px."""
        length = math.dist(a, b)
        step = max(dash * self.unit, length / 400)
        for start in np.arange(0, length, 2 * step):
            stop = min(length, start + step)
            ends = [tuple(np.add(a, np.subtract(b, a) * (s / length))) for s in (start, stop)]
            self.stroke(ends, colour, width)

    def panel(self, lines: Sequence[tuple[str, float, Colour]], *, top: bool) -> int:
        """Write (words, size, colour) on a darkened panel in a left corner, smaller where the picture is too narrow.

        Returns
        -------
        int
            Height of the panel in px.
        """
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
        return int(sum(heights) + pad)

    def label(self, words: str, centre: tuple[float, float], colour: Colour) -> None:
        """Write a few words on a darkened panel, centred on a point in px and held within the picture."""
        u, font = self.unit, cv2.FONT_HERSHEY_SIMPLEX
        size, thick, pad = 0.45 * u, max(1, round(1.2 * u)), round(3 * u)
        (wide, high), _ = cv2.getTextSize(words, font, size, thick)
        h, w = self.image.shape[:2]
        x = round(min(max(centre[0] - wide / 2, pad), max(pad, w - wide - pad)))
        y = round(min(max(centre[1], high + pad), h - 2 * pad))
        box = self.image[max(0, y - high - pad) : y + 2 * pad, max(0, x - pad) : x + wide + pad]
        box[:] = (box * 0.3).astype(np.uint8)
        cv2.putText(self.image, words, (x, y), font, size, colour, thick, cv2.LINE_AA)

    def scale_bar(self) -> None:
        """Draw a bar of a round number of mm into the lower right corner."""
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
        self.stroke([(left, y), (right, y)], WHITE, 2)
        for x in (left, right):
            self.stroke([(x, y - 4 * u), (x, y + 4 * u)], WHITE, 2)
        where = (round(min(left, right - wide)), round(y - 10 * u))
        cv2.putText(self.image, words, where, cv2.FONT_HERSHEY_SIMPLEX, size, WHITE, thick, cv2.LINE_AA)


def _even(value: float) -> int:
    """Round to an even number: video codecs want even sides."""
    return max(2, 2 * round(value / 2))
