"""What a user states about a recording, checked once for every kind of source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from usguide._validation import validate_positive
from usguide.errors import InputError
from usguide.geometry import ImageGeometry

Region = tuple[int, int, int, int]

DEPTH_MM = (5.0, 300.0)
"""No ultrasound image is shallower or deeper: a file whose spacing says so is not believed."""


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """What a user states about a recording."""

    spacing_mm: tuple[float, float] | None = None
    """(axial, lateral)."""
    depth_mm: float | None = None
    """Height of the region."""
    region: Region | None = None
    frame_rate_hz: float | None = None
    full_scale: float | None = None
    stills: bool = False
    require_spacing: bool = True
    timestamps_s: tuple[float, ...] | None = None
    find_region: bool = False
    """Whether the region is to be found where the recording does not state it."""

    @classmethod
    def checked(
        cls,
        *,
        spacing_mm: Any = None,
        depth_mm: float | None = None,
        region: Any = None,
        frame_rate_hz: float | None = None,
        full_scale: float | None = None,
        stills: bool = False,
        require_spacing: bool = True,
        timestamps_s: Any = None,
    ) -> SourceOptions:
        """Check what a user states.

        Raises
        ------
        InputError
            An option that can't be, or two that contradict each other.
        """
        if spacing_mm is not None and depth_mm is not None:
            raise InputError("spacing: expected spacing_mm or depth_mm, got both; give one")
        if timestamps_s is not None and frame_rate_hz is not None:
            raise InputError("times: expected timestamps_s or frame_rate_hz, got both; give one")
        auto = isinstance(region, str) and region == "auto"
        return cls(
            None if spacing_mm is None else _spacing(spacing_mm),
            None if depth_mm is None else validate_positive(depth_mm, name="depth_mm"),
            None if region is None or auto else _box(region),
            None if frame_rate_hz is None else validate_positive(frame_rate_hz, name="frame_rate_hz"),
            None if full_scale is None else validate_positive(full_scale, name="full_scale"),
            stills,
            require_spacing,
            None if timestamps_s is None else _times(timestamps_s),
            auto,
        )

    def geometry_for(
        self, shape: tuple[int, int], region: Region | None, from_file: ImageGeometry | None = None
    ) -> tuple[ImageGeometry | None, str]:
        """Spacing for frames of `shape`, and where it comes from; None where nobody states it.

        What the user gives replaces all that the file says: an origin or a sector in the file's mm would not fit it. What
        the file says is believed only where the image is as deep as ultrasound images are.
        """
        if self.spacing_mm is not None:
            return ImageGeometry(*self.spacing_mm), "given"
        if self.depth_mm is not None:
            spacing = self.depth_mm / (region[3] if region else shape[0])
            return ImageGeometry(spacing, spacing), "given by depth"
        if from_file is None:
            return None, "unknown"
        deep_mm = from_file.axial_mm_per_px * (region[3] if region else shape[0])
        if not DEPTH_MM[0] <= deep_mm <= DEPTH_MM[1]:
            return None, f"file, refused: {deep_mm:.3g} mm deep, not {DEPTH_MM[0]:g} to {DEPTH_MM[1]:g}"
        return from_file, "file"


def geometry_of_spacing(spacing_mm: tuple[float, float] | None) -> ImageGeometry | None:
    """Return the geometry for a file's spacing (axial, lateral); None where it states none that can be."""
    try:
        return None if spacing_mm is None else ImageGeometry(*spacing_mm)
    except InputError:
        return None


def _spacing(spacing_mm: Any) -> tuple[float, float]:
    several = isinstance(spacing_mm, tuple | list) or np.ndim(spacing_mm) > 0
    values = tuple(spacing_mm) if several else (spacing_mm, spacing_mm)
    if len(values) != 2:
        raise InputError(f"spacing_mm: expected one number or (axial, lateral), got {spacing_mm!r}")
    axial, lateral = (validate_positive(v, name="spacing_mm") for v in values)
    return axial, lateral


def _box(region: Any) -> Region:
    try:
        x, y, w, h = (int(v) for v in region)
        whole = (x, y, w, h) == tuple(region)
    except (TypeError, ValueError, OverflowError):
        whole = False
    if not whole or x < 0 or y < 0 or w < 1 or h < 1:
        raise InputError(f"region: expected x, y, width, height in whole px of the frame, or 'auto', got {region!r}")
    return x, y, w, h


def _times(timestamps_s: Any) -> tuple[float, ...]:
    try:
        times = np.asarray(timestamps_s, dtype=float)
    except (TypeError, ValueError):
        times = np.array([np.nan])
    if times.ndim != 1 or not np.isfinite(times).all() or (np.diff(times) <= 0).any():
        raise InputError("timestamps_s: expected finite seconds that increase, one for each frame; correct them")
    return tuple(float(t) for t in times)
