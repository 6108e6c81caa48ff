"""Which part of a needle the picture holds: exact truth of one frame."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from usguide.geometry import ImageGeometry, Point, insertion_angle_deg
from usguide.phantoms.pose import BEHIND_MM, NeedlePose
from usguide.phantoms.speckle import spread_of
from usguide.phantoms.truth import SHAFT_POINTS

STEP_MM = 0.002
_NOWHERE = (math.nan, math.nan)


@dataclass(frozen=True, slots=True, eq=False)
class NeedleInPicture:
    """Truth of one needle in one frame; NaN where it is not in the picture."""

    tip_mm: Point = _NOWHERE
    entry_mm: Point = _NOWHERE
    distal_mm: Point = _NOWHERE
    shaft_mm: NDArray[np.float64] = field(default_factory=lambda: np.full((SHAFT_POINTS, 2), np.nan))
    visible_mm: float = 0.0
    in_plane_fraction: float = math.nan
    angle_deg: float = math.nan


def needle_in_picture(
    pose: NeedlePose | None, geometry: ImageGeometry, size_mm: tuple[float, float]
) -> NeedleInPicture:
    """Return where a needle is in a picture of `size_mm` (axial, lateral).

    In plane is where the slice's thickness leaves at least half (-6 dB) of the amplitude; the visible part is the
    longest piece of shaft that is in picture and in plane throughout.
    """
    if pose is None:
        return NeedleInPicture()
    height, width = size_mm
    # Fine steps rather than equations: the same for a rectangle and a fan, to within 2 micrometres.
    lengths = np.append(np.arange(-round(BEHIND_MM / STEP_MM), pose.length_mm / STEP_MM) * STEP_MM, pose.length_mm)
    points = pose.points_mm(lengths)
    inside = (points >= -1e-9).all(axis=1) & (points[:, 0] <= width) & (points[:, 1] <= height)
    depth = points[:, 1]
    if geometry.sector is not None:
        inside &= geometry.sector.contains(points)
        depth = geometry.sector.to_polar(points)[:, 0] - geometry.sector.radius_mm[0]
    tip = pose.point_mm(pose.length_mm)
    in_picture_mm = sum(float(lengths[b] - lengths[a]) for a, b in runs(inside))
    if not inside.any():
        return NeedleInPicture(tip_mm=tip)
    reach = math.sqrt(2 * math.log(2)) * spread_of(geometry.sector).elevational_at(depth)
    pieces = runs(inside & (np.abs(pose.elevation_at_mm(lengths)) <= reach))
    if not pieces:
        return NeedleInPicture(tip_mm=tip, in_plane_fraction=0.0)
    first, last = max(((float(lengths[a]), float(lengths[b])) for a, b in pieces), key=lambda p: p[1] - p[0])
    shaft = pose.points_mm(np.linspace(first, last, SHAFT_POINTS))
    entry, distal = pose.point_mm(first), pose.point_mm(last)
    return NeedleInPicture(
        tip_mm=tip,
        entry_mm=entry,
        distal_mm=distal,
        shaft_mm=shaft,
        visible_mm=last - first,
        in_plane_fraction=(last - first) / in_picture_mm if last > first else 1.0,
        angle_deg=insertion_angle_deg(entry, distal) if last > first else math.nan,
    )


def runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and last index of every run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    return [(int(a), int(b) - 1) for a, b in zip(edges[::2], edges[1::2], strict=True)]
