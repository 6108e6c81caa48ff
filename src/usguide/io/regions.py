"""The region of a recording where nobody states it: found in its first frames."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from usguide.region import FoundRegion, find_region

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from usguide.io.source import BaseSource, Source, SourceInfo

LOOK_AT = 8
"""Frames that are compared."""

LOOK_FOR_S = 20.0
"""They are spread over the first seconds, since frames in a row hardly differ."""

MOST_READ = 200
"""Frames that are read for it at most, whatever their times."""

NEARLY_WHOLE = 0.95
"""A region of this share of the frame is the frame: nothing surrounds it."""


def find_in(source: Source, *, stills: bool = False) -> FoundRegion | None:
    """Find the region in the first frames of a source that can be read again from its start.

    Parameters
    ----------
    source : Source
        Open, with some spacing.
    stills : bool
        Frames are unrelated: only the first is looked at.

    Returns
    -------
    FoundRegion or None
    """
    kept: list[NDArray[Any]] = []
    full_scale, start = None, 0.0
    for seen, frame in enumerate(source, 1):
        if not kept:
            start, full_scale = frame.timestamp_s, frame.full_scale
        if kept and frame.pixels.shape[:2] != kept[0].shape[:2]:
            break
        if frame.timestamp_s - start >= len(kept) * LOOK_FOR_S / LOOK_AT or frame.timestamp_s < start:
            kept.append(frame.pixels)
        if stills or len(kept) == LOOK_AT or seen == MOST_READ:
            break
    return find_region(kept, full_scale=full_scale) if kept else None


def is_whole(region: tuple[int, int, int, int] | None, shape: tuple[int, int] | None) -> bool:
    """Tell whether a region is (nearly) all of the frame."""
    return region is None or (shape is not None and region[2] * region[3] >= NEARLY_WHOLE * shape[0] * shape[1])


def in_words(found: FoundRegion) -> str:
    """Say where the image seems to be, as ``--roi`` takes it."""
    return ",".join(str(v) for v in found.box)


def take_found(source: BaseSource, found: FoundRegion) -> None:
    """Say in a source's info that its region was found; a fan becomes its sector where the spacing is known."""
    info: SourceInfo = source.info
    geometry = info.geometry
    if geometry is not None and geometry.sector is None and (sector := found.sector(geometry)) is not None:
        geometry = replace(geometry, sector=sector)
    source.info = replace(info, region_source="found", geometry=geometry)
    source.note(f"region found: {in_words(found)} ({'; '.join(found.reasons)})")
