"""The working grid: one resampling to a pixel size chosen in mm, after which every frame costs the same."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from usguide._area import black_outside, count_labels, halve_shown, picture_outline, shrink_bytes
from usguide._validation import validate_positive
from usguide.errors import InvalidFrameError
from usguide.geometry import ImageGeometry
from usguide.intensity import to_grey
from usguide.types import Frame

BLACK_GREY_LEVELS = 2.0
"""At most this grey level is black: 'no picture here' where it touches the border of the region."""

LEAST_SHARE_OF_PICTURE = 0.005
"""Of the region: what is smaller and lies apart is a letter or a mark, not picture."""

EDGE_PX = 3
"""What is black this close to the picture's outline is none: where speckle is dark an outline flickers."""

MIN_SIDE_PX = 16
MIN_SIDE_MM, MAX_SIDE_MM = 3.0, 400.0
"""Sizes of the picture that a spacing can be right for; beyond them it is a mistake in the units."""


@dataclass(frozen=True, slots=True, eq=False)
class WorkingImage:
    """A frame's region on the working grid.

    Parameters
    ----------
    grey : ndarray of float32, shape (h, w)
        0..255.
    valid : ndarray of bool, shape (h, w)
        False where there is no picture: outside the fan, black borders, coloured overlays.
    geometry : ImageGeometry
        Of the working grid, in the same millimetres as the frame.
    """

    grey: NDArray[np.float32]
    valid: NDArray[np.bool_]
    geometry: ImageGeometry


MAX_WORKING_PX = 250_000
"""A very large field of view gets a coarser grid, so that no picture costs more than this."""


def to_working_grid(frame: Frame, mm_per_px: float) -> WorkingImage:
    """Crop to the frame's region and resample to `mm_per_px` (to within half a pixel over the whole side).

    Raises
    ------
    InvalidFrameError
        The region is under 16 px or its size in mm is not one an ultrasound image can have.
    """
    validate_positive(mm_per_px, name="mm_per_px")
    h_px, w_px = frame.shape
    x, y, w, h = frame.region or (0, 0, w_px, h_px)
    if min(w, h) < MIN_SIDE_PX:
        raise InvalidFrameError(f"frame: expected at least {MIN_SIDE_PX} x {MIN_SIDE_PX} px, got {w} x {h}")
    geometry = frame.geometry
    h_mm, w_mm = h * geometry.axial_mm_per_px, w * geometry.lateral_mm_per_px
    if not (MIN_SIDE_MM <= h_mm <= MAX_SIDE_MM and MIN_SIDE_MM <= w_mm <= MAX_SIDE_MM):
        raise InvalidFrameError(
            f"frame: {w} x {h} px at this spacing is {w_mm:.4g} x {h_mm:.4g} mm, expected {MIN_SIDE_MM:g} to "
            f"{MAX_SIDE_MM:g} mm a side; check the spacing (mm per px)"
        )
    pixels = frame.pixels[y : y + h, x : x + w]
    step = max(mm_per_px, math.sqrt(h_mm * w_mm / MAX_WORKING_PX))
    shape = (max(8, round(h_mm / step)), max(8, round(w_mm / step)))
    down = shape[0] <= h and shape[1] <= w
    size = (shape[1], shape[0])
    overlay = None
    if down and pixels.ndim == 2 and pixels.dtype == np.uint8:
        # What nearly every scanner sends, four times as fast as by way of floats.
        small = np.empty(shape, np.float32)
        shrink_bytes(np.ascontiguousarray(pixels), small)
    else:
        grey, overlay = to_grey(pixels, frame.full_scale)
        how = cv2.INTER_AREA if down else cv2.INTER_LINEAR
        small = np.asarray(cv2.resize(np.ascontiguousarray(grey), size, interpolation=how), dtype=np.float32)
    invalid = _black_border(small)
    if overlay is not None:
        invalid |= cv2.resize(overlay.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0
    return WorkingImage(small, ~invalid, geometry.cropped(x, y).resampled((h, w), shape))


def _black_border(grey: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Find what is black and no picture: outside a fan, or the fill of a turned picture.

    Tissue may be black as well, and a needle crosses it: what lies in the picture's convex hull, with picture over it, is
    picture. Where nothing lies over it there is no contact, or the concave top of a fan. Letters and marks beside the
    picture are too small to count.
    """
    h, w = grey.shape
    shown = np.empty((h // 2, w // 2), np.uint8)
    outside = np.zeros((h, w), np.bool_)
    if not halve_shown(grey, BLACK_GREY_LEVELS, shown):
        return outside
    # OpenCV's own statistics take three times as long as both of these.
    areas, found = cv2.connectedComponents(shown, connectivity=8)
    labels, sizes = np.asarray(found, dtype=np.int32), np.zeros(areas, np.int64)
    count_labels(labels, sizes)
    large = sizes >= LEAST_SHARE_OF_PICTURE * shown.size
    large[0] = False
    corners, top = np.empty((4 * len(shown), 2), np.int32), np.empty(w, np.int32)
    count = picture_outline(labels, large, h, w, corners, top)
    hull = np.zeros((h, w), np.uint8)
    if count > 0:
        outline = cv2.convexHull(corners[:count])
        cv2.fillConvexPoly(hull, outline, (1,))
        cv2.polylines(hull, [outline], isClosed=True, color=(0,), thickness=2 * EDGE_PX + 1)
    black_outside(grey, BLACK_GREY_LEVELS, hull, top + EDGE_PX, outside)
    return outside
