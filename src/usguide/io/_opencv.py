"""OpenCV as the edges need it: quiet, and grey pictures as grey."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# FFmpeg writes its own complaints to stderr unless told otherwise before OpenCV first uses it; ours are one line.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

import cv2
import numpy as np
from numpy.typing import NDArray

GREY_TOLERANCE = 24
"""Chroma of a grey video, after compression, stays within this many grey levels of 255; overlays do not."""

_TOLERANCE = {
    np.dtype(np.uint8): GREY_TOLERANCE,
    np.dtype(np.uint16): GREY_TOLERANCE * 257,
}

# OpenCV moved the switch: cv2.getLogLevel in some releases, cv2.utils.logging.getLogLevel in others.
_LOGGING: Any = cv2 if hasattr(cv2, "getLogLevel") else cv2.utils.logging
_SILENT = 0


@contextmanager
def quiet_opencv() -> Iterator[None]:
    """Keep OpenCV from writing to stderr."""
    level = _LOGGING.getLogLevel()
    _LOGGING.setLogLevel(_SILENT)
    try:
        yield
    finally:
        _LOGGING.setLogLevel(level)


def grey_if_colourless(pixels: NDArray[Any]) -> NDArray[Any]:
    """Return one channel where the picture is grey, else the three colours without alpha.

    Compression leaves a trace of colour in a grey video. One pixel in 16 is looked at, which finds an overlay of any
    use and costs little. Green is taken: codecs keep brightness finest, and most of that is green.
    """
    if pixels.ndim == 2:
        return pixels
    sample = pixels[::4, ::4, :3]
    spread = sample.max(axis=2) - sample.min(axis=2)
    # Floating-point pictures state no full scale here, so only equal channels are grey.
    if float(spread.max()) <= _TOLERANCE.get(pixels.dtype, 0):
        return np.ascontiguousarray(pixels[..., 1])
    return np.ascontiguousarray(pixels[..., :3])
