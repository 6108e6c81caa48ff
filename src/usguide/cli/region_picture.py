"""The picture that `usguide info` draws: the first frame with its region, its fan and a grid in mm."""

from __future__ import annotations

import math
import os
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from usguide.draw import ORANGE, SKY_BLUE, WHITE, YELLOW, to_bgr
from usguide.errors import FormatError, InputError
from usguide.io.pictures import PICTURE_SUFFIXES
from usguide.io.source import SourceInfo
from usguide.region import FoundRegion
from usguide.types import Frame

Image = NDArray[np.uint8]
GRID_STEPS_MM = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
MIN_GRID_PX = 40
"""Lines closer than this would hide the picture."""


def draw_region(frame: Frame, info: SourceInfo, found: FoundRegion | None) -> Image:
    """Draw the region that is used (blue), what it looks like (yellow, its fan orange), and a grid where mm are known.

    Returns
    -------
    ndarray of uint8, shape (H, W, 3)
        BGR, in the pixels of the whole frame.
    """
    h, w = frame.shape
    picture = to_bgr(frame.pixels, frame.full_scale, (h, w))
    thick = max(1, round(min(h, w) / 500))
    lines = []
    box = info.region or (found.box if found is not None else None) or (0, 0, w, h)
    if info.geometry is not None:
        step = _grid(picture, box, info.geometry.axial_mm_per_px, info.geometry.lateral_mm_per_px)
        lines.append((f"grid {step:g} mm ({info.spacing_source})", WHITE))
    else:
        lines.append(("spacing unknown", WHITE))
    if found is not None:
        _box(picture, found.box, YELLOW, thick)
        lines.append((f"looks like {','.join(map(str, found.box))} ({100 * found.confidence:.0f} %)", YELLOW))
        if found.fan is not None:
            corners = np.rint(np.clip(found.fan.outline_px(), -1e5, 1e5) * 16).astype(np.int32)
            cv2.polylines(picture, [corners], True, ORANGE, thick, cv2.LINE_AA, 4)
    if info.region is not None:
        _box(picture, info.region, SKY_BLUE, thick)
        lines.append((f"used {','.join(map(str, info.region))} ({info.region_source})", SKY_BLUE))
    size = max(0.4, min(h, w) / 1200)
    for k, (words, colour) in enumerate(lines):
        where = (8, h - 8 - round(36 * size) * (len(lines) - 1 - k))
        cv2.putText(picture, words, where, cv2.FONT_HERSHEY_SIMPLEX, size, (0, 0, 0), 3 * thick, cv2.LINE_AA)
        cv2.putText(picture, words, where, cv2.FONT_HERSHEY_SIMPLEX, size, colour, thick, cv2.LINE_AA)
    return picture


def _box(picture: Image, box: tuple[int, int, int, int], colour: tuple[int, int, int], thick: int) -> None:
    x, y, w, h = box
    cv2.rectangle(picture, (x, y), (x + w - 1, y + h - 1), colour, thick)


def _grid(picture: Image, box: tuple[int, int, int, int], axial_mm: float, lateral_mm: float) -> float:
    """Darken and lighten lines every few mm from the region's corner; return their distance."""
    x, y, w, h = box
    fine = max(axial_mm, lateral_mm)
    step = next((s for s in GRID_STEPS_MM if s / fine >= MIN_GRID_PX), GRID_STEPS_MM[-1])
    part = picture[y : y + h, x : x + w]
    for k in range(1, math.ceil(h * axial_mm / step)):
        row = part[min(h - 1, round(k * step / axial_mm))]
        row[:] = (row * 0.6 + 90).astype(np.uint8)
    for k in range(1, math.ceil(w * lateral_mm / step)):
        column = part[:, min(w - 1, round(k * step / lateral_mm))]
        column[:] = (column * 0.6 + 90).astype(np.uint8)
    return step


def write_picture(path: Path, picture: Image) -> None:
    """Write a picture under a temporary name and move it into place.

    Raises
    ------
    InputError
        The name is not that of a picture.
    FormatError
        It can't be encoded.
    """
    if path.suffix.lower() not in PICTURE_SUFFIXES:
        raise InputError(f"--picture: expected one of {' '.join(PICTURE_SUFFIXES)}, got {path.name}")
    ok, data = cv2.imencode(path.suffix, picture)
    if not ok:
        raise FormatError(f"{path.name}: the picture can't be encoded")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        part.write_bytes(data.tobytes())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
