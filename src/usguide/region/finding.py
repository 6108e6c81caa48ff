"""`find_region`: the box and shape of the ultrasound image within frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from usguide.geometry import ImageGeometry, SectorGeometry
from usguide.region.busy import RINGING_LEVELS, Evidence, Mask, bodies, coarser, gather, moving
from usguide.region.fan import MAX_SPILL, FanShape, fit_fan
from usguide.region.speckle import speckle_likeness

Box = tuple[int, int, int, int]

MIN_SHARE = 0.08
"""Of the shorter side: narrower bodies are pictograms and bars."""

MAX_COLOURED = 0.3
"""Share of coloured pixels above which a body is a photograph or a button; colour Doppler covers less."""

EDGE_OCCUPANCY = 0.2
"""Share of an outer row or column that must be textured: a logo or a word that touches the image fills less."""

LINE_COVER = 0.6
"""Share of the image's width that a skin line beyond a dark zone must cover."""

ENOUGH_COVER = 0.4
"""Share of the region that is textured: with less the box rests on a few echoes."""

CUT_SHARE = 0.1
"""Share of a body's height that its outermost columns hold where a window cuts a fan off."""

ENOUGH_CORNERS = 2
"""Of four: a rectangle with fewer textured corners is doubted."""

NO_CORNERS = 0.6
"""What is left of a doubted rectangle's edges."""

WELL_SEEN = 0.9
"""Share of a rectangle's sides that is seen."""

SNAP_SHARE = 0.012
"""Of each side of the frame: an image that ends so close to the frame's edge ends there."""

TRUSTED = 0.6
"""From this confidence on a region is offered to the user."""


@dataclass(frozen=True, slots=True)
class FoundRegion:
    """Where the ultrasound image is.

    Parameters
    ----------
    box : (int, int, int, int)
        ``x, y, width, height`` in px of the whole frame.
    fan : FanShape or None
        The sector within it; None for a rectangle.
    confidence : float
        0..1; under 0.5 it is a guess.
    reasons : tuple of str
        What it rests on, in words.
    """

    box: Box
    fan: FanShape | None
    confidence: float
    reasons: tuple[str, ...]

    def sector(self, geometry: ImageGeometry) -> SectorGeometry | None:
        """Give the fan in mm of `geometry` (that of the whole frame); None for a rectangle."""
        return None if self.fan is None else self.fan.sector(geometry)

    def mask(self, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Draw the fan, or the box, into a frame of `shape` (H, W): True inside."""
        x, y, w, h = self.box
        out = np.zeros(shape, bool)
        out[y : y + h, x : x + w] = True
        return out if self.fan is None else out & self.fan.mask(shape).astype(bool)

    @property
    def trusted(self) -> bool:
        """Whether it is more than a guess."""
        return self.confidence >= TRUSTED


def find_region(frames: Sequence[Any] | NDArray[Any], *, full_scale: float | None = None) -> FoundRegion | None:
    """Find the ultrasound image within a screen grab or the first frames of a video.

    The image is the largest connected body of texture: not flat, thicker than text, not coloured. Its speckle is longer
    laterally than axially, which sets it apart from photographs; what changes from frame to frame adds to it where the
    image is nearly black. Where its sides are straight and open downwards it is a fan.

    Parameters
    ----------
    frames : sequence of array_like, or ndarray
        One picture (H, W) or (H, W, 3 or 4), or several of one size in a list or tuple; uint8, uint16 or float. A few
        frames spread over some seconds see more than one.
    full_scale : float, optional
        White; needed for floating-point pixels.

    Returns
    -------
    FoundRegion or None
        None where nothing looks like an image: only text, plain areas, colour pictures.

    Raises
    ------
    InvalidFrameError
        No frames, frames of different sizes, or not pictures.
    """
    pictures = list(frames) if isinstance(frames, list | tuple) else [frames]
    evidence = gather(pictures, full_scale)
    h, w = np.asarray(pictures[0]).shape[:2]
    body = _main_body(evidence)
    found = _sparse(evidence, body) or (None if body is None else _dense(evidence, body))
    if found is None:
        return None
    factor = 1 / evidence.scale
    fan = found.fan.scaled(factor) if found.fan is not None else None
    x, y, bw, bh = found.box
    x0, y0 = min(round(x * factor), w - 1), min(round(y * factor), h - 1)
    x1, y1 = min(w, max(x0 + 1, round((x + bw) * factor))), min(h, max(y0 + 1, round((y + bh) * factor)))
    return FoundRegion((x0, y0, x1 - x0, y1 - y0), fan, found.confidence, found.reasons)


def _main_body(evidence: Evidence) -> Mask | None:
    for body in bodies(evidence.busy, evidence.side):
        _, _, w, h = cv2.boundingRect(body)
        if min(w, h) < MIN_SHARE * evidence.side:
            continue
        if float(evidence.coloured[body > 0].mean()) <= MAX_COLOURED:
            return body
    return None


def _sparse(evidence: Evidence, body: Mask | None) -> FoundRegion | None:
    """Return, for a nearly black image, where things move, if that reaches far beyond any body of texture."""
    motion = moving(evidence)
    if not motion.any():
        return None
    box = cv2.boundingRect(motion | body if body is not None else motion)
    if body is not None:
        own = cv2.boundingRect(body)
        if own[2] * own[3] > 0.5 * box[2] * box[3] and body.sum() > ENOUGH_COVER * own[2] * own[3]:
            return None
    if min(box[2:]) < MIN_SHARE * evidence.side:
        return None
    words = "little texture: the box around what changes from frame to frame, which may be too small"
    return FoundRegion(tuple(box), None, 0.35, (words,))  # type: ignore[arg-type]


def _dense(evidence: Evidence, body: Mask) -> FoundRegion:
    shape = (body.shape[0], body.shape[1])
    fan = fit_fan(body, evidence.busy)
    box = _rectangle(evidence, body)
    corners = 4 if fan is not None else _textured_corners(evidence, box)
    if corners < ENOUGH_CORNERS:
        fan = _fan_under_ringing(evidence, body)
    words = ["a rectangle of connected texture"]
    if fan is not None:
        box = _cut(fan.box(shape), body)
        words = [
            f"a fan of {fan.angle_deg[1] - fan.angle_deg[0]:.0f} degrees: straight sides, textured between two arcs"
        ]
    box = _snapped(box, shape)
    x, y, w, h = box
    if (w, h) == shape[::-1]:
        words.append("it takes the whole frame")
    likeness, why = speckle_likeness(evidence.grey, body)
    if evidence.change[body > 0].mean() > 0.05:
        words.append("it changes from frame to frame")
    inside = fan.mask(shape)[y : y + h, x : x + w] if fan is not None else np.ones((h, w), np.uint8)
    cover = float((body[y : y + h, x : x + w] & inside).sum()) / max(1.0, float(inside.sum()))
    edges = 1.0 if fan is not None else _edge_support(evidence, body, box)
    words += [why, f"{100 * cover:.0f} % of it is textured"]
    if edges < WELL_SEEN:
        words.append("its edges are not all seen: it may be larger")
    if fan is None and corners < ENOUGH_CORNERS:
        words.append("its corners are empty: it may be a fan whose sides are not seen")
        edges *= NO_CORNERS
    # The sides and arcs of a fan are evidence of their own; a rectangle may hold anything.
    least = 0.6 if fan is not None else 0.2
    confidence = (
        (least + (1 - least) * likeness) * min(1.0, cover / ENOUGH_COVER) ** 2 * min(1.0, edges / WELL_SEEN) ** 2
    )
    return FoundRegion(box, fan, round(confidence, 3), tuple(words))


def _fan_under_ringing(evidence: Evidence, body: Mask) -> FanShape | None:
    """Fit a fan to what stands out more, where the blocks of compression hide its sides; it has to hold the body."""
    around = np.ones((2 * max(3, round(0.012 * evidence.side)) + 1,) * 2, np.uint8)
    for levels in RINGING_LEVELS:
        stronger = coarser(evidence, levels)
        part = _main_body(stronger)
        fan = None if part is None else fit_fan(part, stronger.busy)
        if fan is not None:
            held = np.asarray(cv2.dilate(fan.mask((body.shape[0], body.shape[1])), around), np.uint8)
            outside = body & (1 - held)
            if outside.sum() <= MAX_SPILL * body.sum():
                return fan
    return None


def _textured_corners(evidence: Evidence, box: Box) -> int:
    """How many corners of a box hold texture: a fan in a box leaves them empty."""
    x, y, w, h = box
    part, dx, dy = evidence.busy[y : y + h, x : x + w], max(2, w // 10), max(2, h // 10)
    corners = (part[:dy, :dx], part[:dy, -dx:], part[-dy:, :dx], part[-dy:, -dx:])
    return sum(float(c.mean()) > 0.2 for c in corners)


def _cut(box: Box, body: Mask) -> Box:
    """Clip a fan's box where a window cuts the fan off: there the body ends along a line, not in a corner."""
    x, y, w, h = box
    bx, _, bw, bh = cv2.boundingRect(body)
    columns = body.mean(axis=0) * body.shape[0]
    x0 = bx if columns[bx : bx + 3].min() > CUT_SHARE * bh else x
    x1 = bx + bw if columns[bx + bw - 3 : bx + bw].min() > CUT_SHARE * bh else x + w
    return max(x, x0), y, min(x + w, x1) - max(x, x0), h


def _rectangle(evidence: Evidence, body: Mask) -> Box:
    """Return the box around a body without what juts out of it, and with a skin line that a dark zone cuts off."""
    x, y, w, h = cv2.boundingRect(body)
    for _ in range(2):
        part = body[y : y + h, x : x + w] > 0
        columns = np.flatnonzero(part.mean(axis=0) >= EDGE_OCCUPANCY)
        rows = np.flatnonzero(part.mean(axis=1) >= EDGE_OCCUPANCY)
        x, w = x + int(columns[0]), int(columns[-1] - columns[0]) + 1
        y, h = y + int(rows[0]), int(rows[-1] - rows[0]) + 1
    return _with_skin_line(evidence, (x, y, w, h))


def _with_skin_line(evidence: Evidence, box: Box) -> Box:
    """Widen a box to the echoes along the probe's face (or the deepest row) that a dark zone cuts off from the body.

    They run along rows, cover most of the width, and start or end where the body does; lines of the user interface do not.
    """
    x, y, w, h = box
    slack = max(3, round(0.01 * evidence.side))
    first = max(0, y - 2 * h)
    rows = evidence.busy[first : y + 3 * h]
    closed = cv2.morphologyEx(rows, cv2.MORPH_CLOSE, np.ones((1, 5), np.uint8))
    steps = np.diff(np.pad(closed.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    (row, start), (_, stop) = np.nonzero(steps == 1), np.nonzero(steps == -1)
    length = stop - start
    left, right = np.abs(start - x) <= slack, np.abs(stop - x - w) <= slack
    good = (left | right) & (length >= LINE_COVER * w) & (length <= w / LINE_COVER)
    if not good.any():
        return box
    row = row[good] + first
    y0, y1 = min(y, int(row.min())), max(y + h, int(row.max()) + 1)
    # The sides move only where a line goes clearly on: less is blur, or a word beside it.
    x0, x1 = int(start[good].min()), int(stop[good].max())
    x0, x1 = (x0 if x0 < x - 0.1 * w else x), (x1 if x1 > x + 1.1 * w else x + w)
    return x0, y0, x1 - x0, y1 - y0


def _edge_support(evidence: Evidence, body: Mask, box: Box) -> float:
    """How much of the four sides of a box is seen, 0..1: an image that fades out has no edge to go by."""
    x, y, w, h = box
    slack = max(3, round(0.01 * evidence.side))
    seen = body | evidence.busy
    strips = (
        (y <= 1, seen[y : y + slack, x : x + w].max(axis=0)),
        (y + h >= body.shape[0] - 1, seen[max(0, y + h - slack) : y + h, x : x + w].max(axis=0)),
        (x <= 1, seen[y : y + h, x : x + slack].max(axis=1)),
        (x + w >= body.shape[1] - 1, seen[y : y + h, max(0, x + w - slack) : x + w].max(axis=1)),
    )
    return float(np.mean([1.0 if at_frame else min(1.0, float(s.mean()) / 0.4) for at_frame, s in strips]))


def _snapped(box: Box, shape: tuple[int, int]) -> Box:
    x, y, w, h = box
    x0, x1 = _snap(x, x + w, shape[1])
    y0, y1 = _snap(y, y + h, shape[0])
    return x0, y0, x1 - x0, y1 - y0


def _snap(start: int, stop: int, length: int) -> tuple[int, int]:
    slack = SNAP_SHARE * length
    return (0 if start <= slack else start), (length if stop >= length - slack else stop)
