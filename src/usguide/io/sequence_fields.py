"""The text fields of PLUS/IGSIO sequences: times, status and transforms of each frame."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

_FRAME_FIELD = re.compile(r"Seq_Frame(\d{1,9})_(\w+)")
_TRANSFORM, _STATUS = "Transform", "TransformStatus"


@dataclass(frozen=True, slots=True, eq=False)
class FrameFields:
    """What a sequence says of one frame."""

    timestamp_s: float | None = None
    valid: bool = True
    transforms: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    """Without those that the tracker could not measure."""


def frame_fields(header: Mapping[str, str], frames: int) -> dict[int, FrameFields]:
    """Sort the ``Seq_FrameNNNN_`` fields of a header by frame; what can't be read is as good as absent.

    Returns
    -------
    dict
        Frame to its fields; frames of which the header says nothing are not in it.
    """
    by_frame: dict[int, dict[str, str]] = {}
    for key, value in header.items():
        found = _FRAME_FIELD.fullmatch(key)
        if found and int(found[1]) < frames:
            by_frame.setdefault(int(found[1]), {})[found[2]] = value.strip()
    return {index: _of_one(fields) for index, fields in by_frame.items()}


def _of_one(fields: Mapping[str, str]) -> FrameFields:
    transforms = {}
    for key, value in fields.items():
        name = key.removesuffix(_TRANSFORM)
        if name == key or fields.get(f"{name}{_STATUS}", "OK").upper() != "OK":
            continue
        matrix = _matrix(value)
        if matrix is not None:
            transforms[name] = matrix
    return FrameFields(
        _number(fields.get("Timestamp")), fields.get("ImageStatus", "OK").upper() != "INVALID", transforms
    )


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _matrix(text: str) -> NDArray[np.float64] | None:
    try:
        values = np.array(text.split(), dtype=float)
    except ValueError:
        return None
    return values.reshape(4, 4) if values.size == 16 and np.isfinite(values).all() else None


def times_of(fields: Mapping[int, FrameFields], frames: int) -> NDArray[np.float64] | None:
    """Return the frames' times in seconds, None unless every frame has one."""
    if len(fields) < frames:
        return None
    times = [fields[k].timestamp_s for k in range(frames)]
    return None if None in times else np.array(times, dtype=float)
