"""What a DICOM header says of spacing, region and times; nothing of the patient is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from usguide.io.options import Region

if TYPE_CHECKING:
    from pydicom import Dataset

TISSUE_2D = (1, 1)
"""Region Spatial Format 2D and Region Data Type Tissue (DICOM PS3.3, C.8.5.5.1)."""
CENTIMETRES = 3
_FRAME_TIME_MS = 1e-3, 1e6
"""Also the limits of a rate in Hz: what lies outside is no time between two frames."""
_BEYOND_PX = 1
"""Some scanners give the size in place of the last pixel: so far beyond the image is clipped in silence."""


@dataclass(frozen=True, slots=True)
class TissueRegion:
    """A 2D tissue region of an ultrasound image; `spacing_mm` (axial, lateral) is None where its unit is no length."""

    box: Region
    spacing_mm: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class HeaderFacts:
    """What a header says; notes are for the user."""

    regions: tuple[TissueRegion, ...]
    pixel_spacing_mm: tuple[float, float] | None
    """From Pixel Spacing, where there are no regions."""
    times_s: NDArray[np.float64] | None
    times_source: str
    notes: tuple[str, ...]


def read_facts(header: Dataset, shape: tuple[int, int], frames: int) -> HeaderFacts:
    """Read what a header says of regions, spacing and times."""
    notes: list[str] = []
    regions = tissue_regions(header, shape, notes)
    times, times_source = frame_times(header, frames, notes)
    spacing = None if "SequenceOfUltrasoundRegions" in header else _pixel_spacing(header)
    return HeaderFacts(regions, spacing, times, times_source, tuple(notes))


def tissue_regions(header: Dataset, shape: tuple[int, int], notes: list[str]) -> tuple[TissueRegion, ...]:
    """List the 2D tissue regions, largest first. What lies outside the image is told in `notes` and left out."""
    height, width = shape
    found = []
    for item in header.get("SequenceOfUltrasoundRegions") or ():
        if (_int(item, "RegionSpatialFormat"), _int(item, "RegionDataType")) != TISSUE_2D:
            continue
        corners = [_int(item, f"RegionLocation{name}") for name in ("MinX0", "MinY0", "MaxX1", "MaxY1")]
        if None in corners:
            notes.append("a region without its corners is left out")
            continue
        left, top, right, bottom = (int(c) for c in corners if c is not None)
        if right < left or bottom < top or right >= width + _BEYOND_PX or bottom >= height + _BEYOND_PX:
            notes.append(
                f"the region x {left} to {right}, y {top} to {bottom} does not lie in the image of {width} x {height} px:"
                " the picture was rescaled after the scan, so neither the region nor its spacing is used"
            )
            continue
        box = (left, top, min(right, width - 1) - left + 1, min(bottom, height - 1) - top + 1)
        found.append(TissueRegion(box, _spacing_of(item)))
    return tuple(sorted(found, key=lambda r: -r.box[2] * r.box[3]))


def choose_region(regions: tuple[TissueRegion, ...], given: Region | None, notes: list[str]) -> TissueRegion | None:
    """Return the region that `given` lies in, or the largest; several are listed in `notes`."""
    if given is not None:
        holds = [r for r in regions if _overlap(r.box, given) > 0.5 * given[2] * given[3]]
        return TissueRegion(given, holds[0].spacing_mm) if holds else None
    if len(regions) > 1:
        boxes = "; ".join(",".join(map(str, r.box)) for r in regions)
        notes.append(f"{len(regions)} tissue regions: {boxes}; the largest is used, choose another with --roi")
    return regions[0] if regions else None


def frame_times(header: Dataset, frames: int, notes: list[str]) -> tuple[NDArray[np.float64] | None, str]:
    """Return the times of the frames in seconds and where they come from: frame time vector, frame time, or a rate."""
    steps = header.get("FrameTimeVector")
    if steps is not None:
        steps_ms = _numbers(steps)
        # The first increment is the time of the first frame against itself. A step can be lost beside a huge one: it is the
        # times that have to rise.
        with np.errstate(all="ignore"):  # numbers beyond all floats are refused below
            times = np.concatenate([[0.0], np.cumsum(steps_ms[1:])]) / 1e3
            rising = bool(np.isfinite(times).all() and (np.diff(times) > 0).all())
        if len(steps_ms) == frames and rising:
            return times, "file: frame time vector"
        notes.append(f"the frame time vector is not one rising step for each of {frames} frames: it is not used")
    for name in ("FrameTime", "CineRate", "RecommendedDisplayFrameRate"):
        values = _numbers(header.get(name))
        if len(values) == 1 and _FRAME_TIME_MS[0] <= values[0] <= _FRAME_TIME_MS[1]:
            step_s: float = values[0] / 1e3 if name == "FrameTime" else 1 / values[0]
            words = "".join(f" {c.lower()}" if c.isupper() else c for c in name).strip()
            return np.arange(frames, dtype=np.float64) * step_s, f"file: {words}"
    return None, ""


def _spacing_of(item: Dataset) -> tuple[float, float] | None:
    units = _int(item, "PhysicalUnitsXDirection"), _int(item, "PhysicalUnitsYDirection")
    deltas = [*_numbers(item.get("PhysicalDeltaY")), *_numbers(item.get("PhysicalDeltaX"))]
    if units != (CENTIMETRES, CENTIMETRES) or len(deltas) != 2 or not np.isfinite(deltas).all() or 0 in deltas:
        return None
    axial, lateral = (abs(float(d)) * 10 for d in deltas)  # a delta is negative where an axis points the other way
    return axial, lateral


def _pixel_spacing(header: Dataset) -> tuple[float, float] | None:
    """Pixel Spacing is (between rows, between columns), that is (axial, lateral), in mm."""
    values = _numbers(header.get("PixelSpacing"))
    return (values[0], values[1]) if len(values) == 2 and all(0 < v < np.inf for v in values) else None


def _numbers(value: object) -> list[float]:
    if value is None or value == "":
        return []
    try:
        return [float(v) for v in np.asarray(value, dtype=float).ravel()]
    except (TypeError, ValueError):
        return []


def _int(item: Dataset, name: str) -> int | None:
    values = _numbers(item.get(name))
    return int(values[0]) if len(values) == 1 and np.isfinite(values[0]) else None


def _overlap(a: Region, b: Region) -> int:
    wide = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    high = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    return max(wide, 0) * max(high, 0)
