"""The pictures that are filtered: speckle over slow shades, with bright lines in it, the same on every machine."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Size = tuple[int, int]
SIZES: tuple[Size, ...] = ((480, 640), (768, 1024), (1080, 1920))
SLOW_SIZE: Size = (256, 256)


def frame(size: Size, seed: int = 0) -> NDArray[np.float32]:
    """Return whole grey levels 0..255 as float32 (a peer that wants uint8 gets the same numbers)."""
    height, width = size
    rng = np.random.default_rng(seed)
    depth, lateral = np.mgrid[0:height, 0:width].astype(np.float32)
    shade = 45 + 20 * np.sin(depth / 37) * np.cos(lateral / 53)
    for k in range(3):
        start = (0, int(height * (0.15 + 0.2 * k)))
        end = (int(width * 0.8), int(height * (0.45 + 0.2 * k)))
        cv2.line(shade, start, end, 150.0 - 25 * k, 3 + 2 * k, cv2.LINE_AA)
    # Speckle with a grain of a few px: Rayleigh from a blurred complex normal field.
    field = [cv2.GaussianBlur(rng.standard_normal(size).astype(np.float32), (0, 0), 1.2) for _ in "ab"]
    grain = np.hypot(*field)
    pixels = shade * grain / grain.mean()
    return np.asarray(np.clip(np.rint(pixels), 0, 255), dtype=np.float32)


def size_from(text: str) -> Size:
    """Read 'HxW', such as 480x640."""
    height, width = (int(part) for part in text.lower().split("x"))
    if min(height, width) < 16:
        raise ValueError(f"size: expected HEIGHTxWIDTH of at least 16x16, got {text!r}")
    return height, width


def name_of(size: Size) -> str:
    """Return 'H x W'."""
    return f"{size[0]} x {size[1]}"
