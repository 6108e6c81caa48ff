"""Which pixels of a screen could be ultrasound: neither flat, nor thin as text, rulers and frames are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from usguide.errors import InvalidFrameError
from usguide.intensity import to_grey

Mask = NDArray[np.uint8]
"""0 or 1, shape (H, W)."""

WORKING_SIDE_PX = 1024
"""Larger pictures are reduced to this: a box needs no more, and the time stays the same for every screen."""

FLAT_LEVELS = 2
"""Neighbours that differ by no more than this (of 255) are flat: compression leaves as much on a plain background."""

RINGING_LEVELS = (4, 8, 14)
"""Compression leaves as much around echoes and words, in blocks that hide the straight sides of a fan."""

CHANGE_LEVELS = 8
"""More than a frame grabber's own noise."""

STROKE_SHARE = 0.035
"""Of the shorter side: text lines, rulers, grey bars and buttons are lower than this, an ultrasound image is not."""

SPECK_SHARE = 0.02
"""Of the shorter side: flat patches smaller than a square of this are a part of the texture around them."""

SPUR_SHARE = 0.008
"""Of the shorter side: strokes of letters, ticks and frames are thinner."""

MOST_BODIES = 4

MIN_MOVING_PX = 6
"""Smaller changes are noise."""


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What a few frames tell, on the working grid."""

    grey: NDArray[np.uint8]
    """First frame, 0..255."""
    roughness: NDArray[np.uint8]
    """Largest difference among neighbours (3 x 3), in any frame."""
    busy: Mask
    """Not part of a larger flat patch in some frame, or changing."""
    change: Mask
    """Changes from frame to frame."""
    coloured: Mask
    scale: float
    """Working px per px of the frame."""

    @property
    def side(self) -> int:
        """Shorter side in px."""
        h, w = self.grey.shape
        return int(min(h, w))


def gather(frames: Sequence[Any], full_scale: float | None) -> Evidence:
    """Reduce frames of one size to `Evidence`.

    Raises
    ------
    InvalidFrameError
        No frames, or frames of different sizes.
    """
    if not frames:
        raise InvalidFrameError("frames: expected at least one picture, got none")
    shape = to_grey(frames[0], full_scale)[0].shape
    scale = min(1.0, WORKING_SIDE_PX / max(shape))
    first, coloured = _small(frames[0], shape, full_scale, scale)
    low, high, texture = first, first, _rough(first)
    for pixels in frames[1:]:
        small, tint = _small(pixels, shape, full_scale, scale)
        low, high = np.minimum(low, small), np.maximum(high, small)
        texture, coloured = np.maximum(texture, _rough(small)), np.maximum(coloured, tint)
    change = (cv2.subtract(high, low) > CHANGE_LEVELS).astype(np.uint8)
    busy = _busy(texture, change, FLAT_LEVELS)
    return Evidence(first, texture, busy, change, np.asarray(coloured, np.uint8), scale)


def coarser(evidence: Evidence, levels: int) -> Evidence:
    """Return the same evidence with differences up to `levels` taken for flat."""
    return replace(evidence, busy=_busy(evidence.roughness, evidence.change, levels))


def _busy(roughness: NDArray[np.uint8], change: Mask, levels: int) -> Mask:
    flat = ((roughness <= levels) & (change == 0)).astype(np.uint8)
    return np.asarray(1 - _large_only(flat, (SPECK_SHARE * min(flat.shape)) ** 2), np.uint8)


def _small(
    pixels: Any, shape: tuple[int, ...], full_scale: float | None, scale: float
) -> tuple[NDArray[np.uint8], Mask]:
    """Return grey levels and coloured pixels on the working grid."""
    grey, overlay = to_grey(pixels, full_scale)
    if grey.shape != shape:
        raise InvalidFrameError(f"frames: expected pictures of one size, got {shape} and {grey.shape}")
    tint = (overlay if overlay is not None else np.zeros(shape, bool)).astype(np.uint8)
    eight = np.clip(grey + np.float32(0.5), 0, 255).astype(np.uint8)
    if scale == 1.0:
        return eight, tint
    size = (max(1, round(shape[1] * scale)), max(1, round(shape[0] * scale)))
    return (
        np.asarray(cv2.resize(eight, size, interpolation=cv2.INTER_AREA), np.uint8),
        np.asarray(cv2.resize(tint, size, interpolation=cv2.INTER_NEAREST), np.uint8),
    )


def _rough(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.subtract(cv2.dilate(grey, _square(3)), cv2.erode(grey, _square(3))), np.uint8)


def bodies(mask: Mask, side: int) -> list[Mask]:
    """Split a mask into connected bodies that are thicker than text, largest first, their holes filled.

    Thinner parts come back where they hang together with a body: the corners of a fan do, text beside it does not.
    """
    thick = max(3, round(STROKE_SHARE * side) | 1)
    fine = cv2.morphologyEx(mask, cv2.MORPH_OPEN, _disc(max(3, round(SPUR_SHARE * side) | 1)))
    # Beyond the frame everything counts as busy, so that an image that is cut off keeps its corners.
    cores = cv2.morphologyEx(fine, cv2.MORPH_OPEN, _square(thick))
    count, labels = cv2.connectedComponents(fine, connectivity=4)
    with_core = np.bincount(labels[cores > 0], minlength=count)
    order = sorted((k for k in range(1, count) if with_core[k]), key=lambda k: (-int(with_core[k]), k))
    return [filled((labels == k).astype(np.uint8)) for k in order[:MOST_BODIES]]


def moving(evidence: Evidence) -> Mask:
    """Return what changes, without blinking words: those stand among other strokes that stay."""
    staying = cv2.morphologyEx(evidence.busy & (1 - evidence.change), cv2.MORPH_OPEN, _square(3))
    among = cv2.dilate(staying, _square(max(3, round(STROKE_SHARE * evidence.side) | 1)))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(evidence.change, connectivity=8)
    beside = np.bincount(labels.ravel(), weights=among.ravel(), minlength=count)
    area = stats[:, cv2.CC_STAT_AREA]
    keep = (area >= MIN_MOVING_PX) & (beside < 0.5 * area)
    keep[0] = False
    return np.asarray(keep[labels], np.uint8)


def filled(mask: Mask) -> Mask:
    """Fill holes: anechoic fluid and saturated echoes inside an image are flat too.

    The rim is one px too wide, since an edge makes both of its sides rough; it is taken off.
    """
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    out = np.zeros_like(mask)
    cv2.drawContours(out, contours, -1, 1, cv2.FILLED)
    # Where the picture ends there is no other side.
    return np.asarray(cv2.erode(out, _square(3), borderType=cv2.BORDER_CONSTANT, borderValue=1), np.uint8)


def _large_only(mask: Mask, area_px: float) -> Mask:
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
    keep = stats[:, cv2.CC_STAT_AREA] >= area_px
    keep[0] = False
    return np.asarray(keep[labels], np.uint8)


def _square(side: int) -> NDArray[np.uint8]:
    return np.ones((side, side), np.uint8)


def _disc(side: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), np.uint8)
