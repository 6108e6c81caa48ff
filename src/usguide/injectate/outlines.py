"""Outlines of a region below a pixel, in mm, and the moments of what they enclose."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.measure import points_in_poly

from usguide.geometry import ImageGeometry, Point
from usguide.injectate._kernels.contours import follow_edges
from usguide.injectate._kernels.polygons import add_moments, closed_length

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Mask = NDArray[np.bool_]

MARGIN_MM = 0.45
"""Further outside than this an edge is not, whatever the probabilities say; so wide is the margin of the box around it."""
WITHIN_POINTS = 2000
"""So many points of an outline's inside are asked whether there is fluid."""
SMOOTH_PX = 1.0
"""Standard deviation with which the steps of a mask without probabilities are rounded."""


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """How surely each pixel belongs to one region, in a box around it.

    Parameters
    ----------
    sure : ndarray of float32, shape (h, w)
        0.5 is crossed where the region's edge lies; 0 all along the border.
    geometry : ImageGeometry
        Of the box.
    """

    sure: F32
    geometry: ImageGeometry

    def outlines_mm(self, level: float = 0.5) -> tuple[F64, ...]:
        """Return the closed outlines (N, 2) at a level, longest first; those of holes run the other way round."""
        points, starts = follow_edges(self.sure, level)
        mm = self.geometry.to_mm(points)
        found = [mm[a:b] for a, b in pairwise(starts.tolist())]
        return tuple(sorted(found, key=len, reverse=True))

    def at_mm(self, points_mm: F64) -> F32:
        """Return how sure it is at points (n, m, 2) in mm, between pixels by bilinear interpolation; 0 beyond the box."""
        px = self.geometry.to_px(points_mm).astype(np.float32)
        sure = cv2.remap(self.sure, px[..., 0], px[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        return np.asarray(sure, np.float32)

    def band_mm2(self) -> float:
        """Return the area of the band in which the edge lies with 68 %: where neither side is surer than 84 %."""
        g = self.geometry
        rows, columns = _margin_px(g)
        near = cv2.dilate((self.sure >= 0.5).astype(np.uint8), np.ones((2 * rows + 1, 2 * columns + 1), np.uint8))
        unsure = (near > 0) & (self.sure > 0.16) & (self.sure < 0.84)
        return float(np.count_nonzero(unsure)) * g.axial_mm_per_px * g.lateral_mm_per_px


def field_of(
    region: Mask, probability: F32 | None, geometry: ImageGeometry, others: Mask | None = None
) -> Field | None:
    """Return what is known of a region's edge; None for an empty region.

    Parameters
    ----------
    region : ndarray of bool, shape (h, w)
    probability : ndarray of float32, shape (h, w), optional
        Of being fluid. Where it contradicts the region (which may be smoother, or one of several), the region holds.
    geometry : ImageGeometry
    others : ndarray of bool, shape (h, w), optional
        What belongs to other regions.
    """
    left, top, columns, rows = cv2.boundingRect(region.view(np.uint8))
    if not rows:
        return None
    down, across = _margin_px(geometry)
    y0, y1, x0, x1 = top - down, top + rows + down, left - across, left + columns + across
    h, w = region.shape
    inner = np.s_[max(y0, 0) : min(y1, h), max(x0, 0) : min(x1, w)]
    # Beyond the picture there is nothing: outlines close along its border.
    padding = ((max(-y0, 0), max(y1 - h, 0)), (max(-x0, 0), max(x1 - w, 0)))
    cut = any(map(any, padding))

    def padded(values: NDArray[Any]) -> NDArray[Any]:
        return np.pad(values, padding) if cut else values

    inside = padded(region[inner])
    if probability is None:
        said = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), SMOOTH_PX, borderType=cv2.BORDER_CONSTANT)
    else:
        said = padded(probability[inner])
    sure: F32 = np.where(inside, np.where(said >= 0.5, said, 0.75), np.where(said < 0.5, said, 0.25)).astype(np.float32)
    if others is not None:
        sure[padded(others[inner])] = 0
    sure[0] = sure[-1] = sure[:, 0] = sure[:, -1] = 0
    return Field(sure, geometry.cropped(x0, y0))


def _margin_px(geometry: ImageGeometry) -> tuple[int, int]:
    """Rows and columns of the margin; two at least, for an outline within it."""
    axial, lateral = (max(2, math.ceil(MARGIN_MM / s)) for s in (geometry.axial_mm_per_px, geometry.lateral_mm_per_px))
    return axial, lateral


@dataclass(frozen=True, slots=True)
class Moments:
    """Area, and first and second moments about the origin of mm, of what outlines enclose; they add up."""

    area: float
    x: float
    z: float
    xx: float
    xz: float
    zz: float

    def __add__(self, other: Moments) -> Moments:
        return Moments(
            self.area + other.area,
            self.x + other.x,
            self.z + other.z,
            self.xx + other.xx,
            self.xz + other.xz,
            self.zz + other.zz,
        )

    @property
    def centroid_mm(self) -> tuple[float, float]:
        """Centre of area."""
        return self.x / self.area, self.z / self.area

    @property
    def axis_rad(self) -> float:
        """Direction of the main axis from the lateral axis towards depth, over -pi/2 to pi/2."""
        (cx, cz), n = self.centroid_mm, self.area
        xx, xz, zz = self.xx / n - cx * cx, self.xz / n - cx * cz, self.zz / n - cz * cz
        turn = 0.5 * np.arctan2(2 * xz, xx - zz)
        return float(turn if turn > -np.pi / 2 else turn + np.pi)


def moments_of(outlines_mm: tuple[F64, ...]) -> Moments:
    """Return the exact moments of the polygons; holes, which run the other way round, are taken off."""
    total = np.zeros(6)
    for outline in outlines_mm:
        add_moments(outline, total)
    return Moments(*(float(m) for m in (total if total[0] >= 0 else -total)))


def perimeter_mm(outlines_mm: tuple[F64, ...]) -> float:
    """Return the length of all outlines."""
    return math.fsum(closed_length(o) for o in outlines_mm)


def extent_mm(outlines_mm: tuple[F64, ...], axis_rad: float) -> tuple[float, float]:
    """Return the full size along an axis and across it."""
    points = np.concatenate(outlines_mm)
    c, s = np.cos(axis_rad), np.sin(axis_rad)
    along, across = points @ np.array([c, s]), points @ np.array([-s, c])
    return float(np.ptp(along)), float(np.ptp(across))


def inside_of(points_mm: F64, outline_mm: F64) -> Mask:
    """Tell which points (n, 2) lie in an outline (m, 2)."""
    return np.asarray(points_in_poly(points_mm, outline_mm))  # type: ignore[no-untyped-call]


@lru_cache(maxsize=16)
def points_within(outline_mm: tuple[Point, ...]) -> F64:
    """Return points (1, n, 2) evenly over an outline's inside."""
    outline = np.array(outline_mm)
    step = float(np.sqrt(moments_of((outline,)).area / WITHIN_POINTS))
    axes = [np.arange(a + 0.5 * step, b, step) for a, b in zip(outline.min(axis=0), outline.max(axis=0), strict=True)]
    lattice = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
    within = lattice[inside_of(lattice, outline)]
    # A sliver may lie between the points.
    points = within if len(within) else outline.mean(axis=0, keepdims=True)
    return points[None]
