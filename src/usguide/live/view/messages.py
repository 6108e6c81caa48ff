"""What goes over the socket.

To the browser, binary: length of the head (4 bytes, little-endian), head (JSON), length of the lines, lines (as in
`results.jsonl`), picture (JPEG). From the browser: JSON as text, one command each.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from usguide.draw import to_eight_bits
from usguide.errors import InputError
from usguide.io.sinks import result_record
from usguide.live.engine import LiveEngine
from usguide.live.frames import LiveUpdate
from usguide.types import Frame

MAX_SIDE_PX = 1280
"""Larger pictures are made smaller for the browser."""
JPEG_QUALITY = 85
MAX_CONTOUR_POINTS = 160


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A picture, and what is drawn on it that the line of the result does not hold."""

    jpeg: bytes
    head: Mapping[str, Any]
    arrival_s: float
    transit_ms: float = 0.0


def pack(head: Mapping[str, Any], lines: str = "", picture: bytes = b"") -> bytes:
    """Return one message."""
    first, second = json.dumps(head, allow_nan=False).encode(), lines.encode()
    return b"".join((struct.pack("<I", len(first)), first, struct.pack("<I", len(second)), second, picture))


def line_of(update: LiveUpdate) -> str:
    """Return the line of an update, as recordings have it."""
    record = result_record(update.frame, update.result) | {"late": update.late}
    return json.dumps(record, allow_nan=False) + "\n"


def picture_of(update: LiveUpdate) -> Picture | None:
    """Return the picture of an update, of its region only: what a scanner burnt in around it stays here."""
    frame = update.frame
    if frame is None:
        return None
    pixels, place = _shown(frame)
    done, jpeg = cv2.imencode(".jpg", pixels, (cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY))
    if not done:
        raise InputError(f"view: expected a picture that JPEG can hold, got {pixels.shape}")
    track, fluid, target = update.result.track, update.result.injectate, update.result.target
    head = {
        "index": update.result.index,
        "place": place,
        "covariance_mm2": None if track is None else np.round(track.tip.covariance_mm2, 4).tolist(),
        "contours_mm": [] if fluid is None else [_thinned(c) for c in fluid.contours_mm if len(c)],
        "target_outline_mm": None if target is None or target.outline_mm is None else _thinned(target.outline_mm),
        "keep_out_mm": {name: _thinned(outline) for name, outline in update.result.keep_out_mm.items()},
    }
    return Picture(jpeg.tobytes(), head, update.arrival_s, update.transit_ms or 0.0)


def _shown(frame: Frame) -> tuple[NDArray[np.uint8], dict[str, Any]]:
    x, y, w, h = frame.region or (0, 0, frame.shape[1], frame.shape[0])
    pixels = to_eight_bits(frame.pixels[y : y + h, x : x + w], frame.full_scale)
    scale = min(1.0, MAX_SIDE_PX / max(w, h))
    shape = max(1, round(h * scale)), max(1, round(w * scale))
    if shape != (h, w):
        pixels = np.asarray(cv2.resize(pixels, (shape[1], shape[0]), interpolation=cv2.INTER_AREA), np.uint8)
    g = frame.geometry.cropped(x, y).resampled((h, w), shape)
    place = {
        "width": shape[1],
        "height": shape[0],
        "origin_mm": list(g.origin_mm),
        "lateral_mm_per_px": g.lateral_mm_per_px,
        "axial_mm_per_px": g.axial_mm_per_px,
    }
    return np.ascontiguousarray(pixels[..., :3] if pixels.ndim == 3 else pixels), place


def _thinned(contour_mm: ArrayLike) -> list[list[float]]:
    points = np.asarray(contour_mm, dtype=float)
    thinned: list[list[float]] = np.round(points[:: -(-len(points) // MAX_CONTOUR_POINTS)], 2).tolist()
    return thinned


def status_head(engine: LiveEngine) -> dict[str, Any]:
    """Return the head of a message that says how the engine is."""
    status, latency = engine.status(), engine.counts.recent_ms("end_to_end")
    return {
        "kind": "status",
        "running": status.running,
        "lost_because": status.lost_because,
        "stale": status.stale,
        "seconds_since_frame": status.seconds_since_frame,
        "received": status.received,
        "processed": status.processed,
        "dropped": status.dropped + status.dropped_by_source,
        "late": status.late,
        "invalid": status.invalid,
        "rate_in_hz": status.rate_in_hz,
        "rate_out_hz": status.rate_out_hz,
        "latency_ms": latency,
        "dead_sinks": [s.name for s in status.sinks if not s.alive],
        "error": status.error,
    }


@dataclass(frozen=True, slots=True)
class Command:
    """What a browser asks for: a method of the engine with its arguments, or ``shown`` with a number."""

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)


ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    "set_target": ("target_mm",),
    "seed": ("entry_mm", "tip_mm"),
    "mark_injection": (),
    "reset": (),
    "shown": ("number",),
}


def parse_command(text: str | bytes) -> Command:
    """Read a command; values are checked by whoever carries it out.

    Raises
    ------
    InputError
        None that there is.
    """
    try:
        said = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        said = None
    name = said.get("do") if isinstance(said, dict) else None
    if not isinstance(said, dict) or not isinstance(name, str) or name not in ARGUMENTS:
        raise InputError(f"view: expected one of {', '.join(ARGUMENTS)}, got {text!r:.60}")
    arguments = {k: v for k, v in said.items() if k != "do"}
    if set(arguments) != set(ARGUMENTS[name]):
        raise InputError(f"{name}: expected {' and '.join(ARGUMENTS[name]) or 'nothing else'}, got {text!r:.80}")
    return Command(name, arguments)
