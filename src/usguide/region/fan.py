"""The fan of a curvilinear or phased probe, from the outline of what is textured."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from usguide.geometry import ImageGeometry, SectorGeometry
from usguide.region.busy import Mask

Points = NDArray[np.float64]

MIN_OPENING_DEG = 3.0
"""Sides that open by less are those of a rectangle."""

TOLERANCE_PX = 1.5
"""How far outline points may lie from the line or arc that they belong to."""

OUTSIDE_COST = 3.0
"""A point beyond an edge speaks against it as much as so many on the edge speak for it."""

MIN_SUPPORT = 0.06
"""Of the outline's extent: a side that is seen over less is none."""

MAX_SPILL = 0.03
"""Share of the body that may lie outside its fan: words that touch it."""

FACE_COVER = 0.7
"""Share of the angles over which the probe's face is seen; a straight line across the wedge meets an arc in fewer."""


@dataclass(frozen=True, slots=True)
class FanShape:
    """A sector in px of the frame; pixels are square.

    Parameters
    ----------
    apex_px : (float, float)
        Where the sides meet, (x, y); may lie outside the frame.
    radius_px : (float, float)
        To the probe's face and to the deepest sample.
    angle_deg : (float, float)
        First and last beam from straight down, positive to the right.
    """

    apex_px: tuple[float, float]
    radius_px: tuple[float, float]
    angle_deg: tuple[float, float]

    def sector(self, geometry: ImageGeometry) -> SectorGeometry:
        """Give the fan in mm; with unequal spacing a circle is none, and the axial spacing counts for radii."""
        x, z = geometry.to_mm(self.apex_px)
        near, far = (r * geometry.axial_mm_per_px for r in self.radius_px)
        ratio = geometry.lateral_mm_per_px / geometry.axial_mm_per_px
        first, last = (math.degrees(math.atan(math.tan(math.radians(a)) * ratio)) for a in self.angle_deg)
        return SectorGeometry((float(x), float(z)), (near, far), (first, last))

    def scaled(self, factor: float) -> FanShape:
        """Give the fan in a picture `factor` times as large (outer edges kept)."""
        x, y = ((v + 0.5) * factor - 0.5 for v in self.apex_px)
        near, far = (r * factor for r in self.radius_px)
        return FanShape((x, y), (near, far), self.angle_deg)

    def outline_px(self, points: int = 64) -> Points:
        """Corners of a polygon around the fan, shape (2 * points, 2)."""
        turn = np.radians(np.linspace(*self.angle_deg, points))
        rays = np.stack([np.sin(turn), np.cos(turn)], axis=-1)
        near, far = self.radius_px
        return np.vstack([rays * near, rays[::-1] * far]) + self.apex_px

    def mask(self, shape: tuple[int, int]) -> Mask:
        """Draw the fan into a picture of `shape`."""
        out = np.zeros(shape, np.uint8)
        corners = np.rint(np.clip(self.outline_px(), -1e5, 1e5) * 16).astype(np.int32)
        cv2.fillPoly(out, [corners], (1,), shift=4)
        return out

    def box(self, shape: tuple[int, int]) -> tuple[int, int, int, int]:
        """Give the box around the fan, within a picture of `shape`."""
        low, high = self.outline_px().min(axis=0), self.outline_px().max(axis=0)
        x0, y0 = (max(0, round(v)) for v in low)
        x1, y1 = (min(n, round(v) + 1) for v, n in zip(high, shape[::-1], strict=True))
        return x0, y0, max(1, x1 - x0), max(1, y1 - y0)


def fit_fan(body: Mask, busy: Mask) -> FanShape | None:
    """Fit a fan to a filled body; None where its sides are not those of a fan.

    Parameters
    ----------
    body : Mask
        The body of the image, without holes.
    busy : Mask
        Everything that is not flat: a probe's face that is drawn apart from the echoes lies in the same wedge.
    """
    outline = _outline(body)
    if len(outline) < 40:
        return None
    left, right = (_side(outline, sign) for sign in (-1, 1))
    if left is None or right is None:
        return None
    (tilt_left, at_left), (tilt_right, at_right) = left, right
    # x = at + y * slope on both sides; they meet above the image where the sides open downwards.
    slope_left, slope_right = math.tan(math.radians(tilt_left)), math.tan(math.radians(tilt_right))
    if tilt_right - tilt_left < MIN_OPENING_DEG or tilt_left > 0 or tilt_right < 0:
        return None
    y = (at_left - at_right) / (slope_right - slope_left)
    x = at_left + y * slope_left
    far = _arc(outline, (x, y), (tilt_left, tilt_right))
    if far is not None and body[-1].any():
        # The frame cuts the deepest arc off: the fan goes on at least to the deepest corner that is seen.
        bottom = np.flatnonzero(body[-1])
        corners = np.array([[bottom[0], body.shape[0] - 1], [bottom[-1], body.shape[0] - 1]], dtype=float)
        far = max(far, float(_polar(corners, (x, y))[0].max()))
    near = _face(body | busy, (x, y), (tilt_left, tilt_right), far)
    if far is None or near is None or not 0 <= near < 0.95 * far:
        return None
    fan = FanShape((x, y), (near, far), (tilt_left, tilt_right))
    spill = float((body & (1 - fan.mask((body.shape[0], body.shape[1])))).sum()) / float(body.sum())
    return fan if spill <= MAX_SPILL else None


def _outline(body: Mask) -> Points:
    """Outline points as (x, y) that do not lie on the picture's own edge: an image that is cut off has no edge there."""
    contours, _ = cv2.findContours(body, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return np.empty((0, 2))
    points: Any = max(contours, key=len).reshape(-1, 2).astype(float)
    h, w = body.shape
    inside = (points > 1).all(axis=1) & (points[:, 0] < w - 2) & (points[:, 1] < h - 2)
    return np.asarray(points[inside])


def _side(outline: Points, sign: int) -> tuple[float, float] | None:
    """Find the straight side at the left (sign -1) or right (1): its tilt in degrees from straight down and x at y 0.

    A vote over tilts and places as in a Hough transform, then a line through the points that voted for it.
    """
    tilts = sign * np.arange(0.0, 85.1, 0.5)
    turn = np.radians(tilts)
    # Distance along the outward normal of each tilt: (cos, -sin) for a line that runs along (sin, cos).
    reach = sign * (np.outer(np.cos(turn), outline[:, 0]) - np.outer(np.sin(turn), outline[:, 1]))
    best, place = -math.inf, (0, 0.0)
    for k, values in enumerate(reach):
        edge, score = best_edge(values)
        if score > best:
            best, place = score, (k, edge)
    extent = np.ptp(outline, axis=0).max()
    if best < MIN_SUPPORT * extent:
        return None
    k, edge = place
    members = outline[np.abs(reach[k] - edge) <= 2 * TOLERANCE_PX]
    for width in (TOLERANCE_PX, TOLERANCE_PX):
        centre = members.mean(axis=0)
        _, _, axes = np.linalg.svd(members - centre, full_matrices=False)
        direction = axes[0] * (1 if axes[0][1] >= 0 else -1)
        away = (outline - centre) @ np.array([direction[1], -direction[0]])
        along = (outline - centre) @ direction
        span = np.abs((members - centre) @ direction).max() + 5
        members = outline[(np.abs(away) <= width) & (np.abs(along) <= span)]
        if len(members) < 8:
            return None
    if direction[1] < 0.05:
        return None
    slope = direction[0] / direction[1]
    return math.degrees(math.atan(slope)), float(centre[0] - slope * centre[1])


def best_edge(values: NDArray[np.float64]) -> tuple[float, float]:
    """Find where many of the values end: the place with most values near it and few beyond, and its score."""
    depth = values.max() - values
    bins = np.bincount(np.minimum(depth, 62).astype(int), minlength=63)[:62].astype(float)
    near = bins[1:-1] + bins[:-2] + bins[2:]
    near = np.concatenate([[bins[0] + bins[1]], near])[:60]
    beyond = np.concatenate([[0, 0], np.cumsum(bins)])[:60]
    score = near - OUTSIDE_COST * beyond
    k = int(np.argmax(score))
    members = values[np.abs(depth - (k + 0.5)) <= TOLERANCE_PX]
    return float(np.median(members)), float(score[k])


def _polar(points: Points, apex: tuple[float, float]) -> tuple[Any, Any]:
    d = points - np.asarray(apex)
    return np.hypot(d[:, 0], d[:, 1]), np.degrees(np.arctan2(d[:, 0], d[:, 1]))


def _arc(outline: Points, apex: tuple[float, float], angles: tuple[float, float]) -> float | None:
    """Radius of the deepest arc: the outermost that many outline points agree on."""
    radius, angle = _polar(outline, apex)
    margin = 0.05 * (angles[1] - angles[0])
    radius = radius[(angle > angles[0] + margin) & (angle < angles[1] - margin)]
    if len(radius) < 10:
        return None
    edge, _ = best_edge(radius)
    return edge


def _face(busy: Mask, apex: tuple[float, float], angles: tuple[float, float], far: float | None) -> float | None:
    """Radius of the probe's face: the first at which something is seen over most of the angles.

    Seen in (radius, angle) a fan is a rectangle, and words above it cover a few of the angles only.
    """
    if far is None:
        return None
    turn = np.radians(np.linspace(*angles, 181)[9:-9])
    radii = np.arange(0.0, far, 0.5)
    xs = (apex[0] + np.outer(radii, np.sin(turn))).astype(np.float32)
    ys = (apex[1] + np.outer(radii, np.cos(turn))).astype(np.float32)
    seen = cv2.remap(busy.astype(np.float32), xs, ys, cv2.INTER_LINEAR, borderValue=0) >= 0.5
    h, w = busy.shape
    inside = (xs >= 0) & (xs < w) & (ys >= 0) & (ys < h)
    known = inside.sum(axis=1)
    covered = (seen & inside).sum(axis=1) / np.maximum(known, 1)
    good = np.flatnonzero((covered >= FACE_COVER) & (known >= 0.3 * len(turn)))
    return float(radii[good[0]]) if len(good) else None
