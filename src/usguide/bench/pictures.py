"""A frame with what is true and what was found, as a small JPEG for the report."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from usguide.geometry import Point
from usguide.intensity import full_scale_of
from usguide.types import Frame, GuidanceResult, TrackState

WIDTH_PX = 480
TRUTH, OURS, OTHER = (80, 220, 120), (233, 180, 86), (0, 159, 230)
"""Green, sky blue, orange, as BGR."""


def picture_of(frame: Frame, shaft_mm: NDArray[np.floating] | None, results: Mapping[str, GuidanceResult]) -> bytes:
    """Draw truth and what detectors track over a frame's region.

    Parameters
    ----------
    frame : Frame
    shaft_mm : ndarray, shape (K, 2), or None
        True shaft from entry to visible end, dashed.
    results : mapping of str to GuidanceResult
        By detector; the first is ours.

    Returns
    -------
    bytes
        JPEG, 480 px wide.
    """
    x, y, w, h = frame.region or (0, 0, frame.shape[1], frame.shape[0])
    g, scale = frame.geometry, WIDTH_PX / w
    height = max(1, round(h * scale * g.axial_mm_per_px / g.lateral_mm_per_px))
    pixels = frame.pixels[y : y + h, x : x + w]
    grey = pixels if pixels.ndim == 2 else pixels[..., :3].max(axis=2)
    bytes_ = (np.asarray(grey, np.float32) * (255 / full_scale_of(frame.pixels, frame.full_scale))).astype(np.uint8)
    image = cv2.cvtColor(cv2.resize(bytes_, (WIDTH_PX, height), interpolation=cv2.INTER_AREA), cv2.COLOR_GRAY2BGR)

    def at(point_mm: Point | NDArray[np.floating]) -> tuple[int, int]:
        px = g.to_px(point_mm)
        return round((px[0] - x + 0.5) * scale), round((px[1] - y + 0.5) * height / h)

    if shaft_mm is not None and np.isfinite(shaft_mm).all():
        corners = [at(p) for p in np.asarray(shaft_mm)[:: max(1, len(shaft_mm) // 32)]]
        for a, b in zip(corners[::2], corners[1::2], strict=False):
            cv2.line(image, a, b, TRUTH, 1, cv2.LINE_AA)
        cv2.circle(image, at(shaft_mm[-1]), 6, TRUTH, 1, cv2.LINE_AA)
    for k, result in enumerate(results.values()):
        track = result.track
        if track is None or result.state is not TrackState.TRACKING:
            continue
        colour = OTHER if k else OURS
        cv2.line(image, at(track.shaft.entry_mm), at(track.tip.position_mm), colour, 1, cv2.LINE_AA)
        cv2.drawMarker(image, at(track.tip.position_mm), colour, cv2.MARKER_TILTED_CROSS, 11, 1, cv2.LINE_AA)
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 80])
    return bytes(data.tobytes())
