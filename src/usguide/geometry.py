"""Where a pixel is in millimetres: spacing, sector geometry of curvilinear probes, angles, scan conversion.

An image is ``[axial, lateral]``; a point is ``(lateral, axial)``: ``(x, z)`` in mm, ``(x, y)`` in px. Whole pixel
coordinates are pixel centres.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from usguide._validation import ensure_float32, validate_point, validate_positive
from usguide.errors import InputError

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class SectorGeometry:
    """The fan of a curvilinear (or phased) probe, in mm.

    Parameters
    ----------
    apex_mm : (float, float)
        Where the beams meet, (lateral, axial); above the image for a curvilinear probe.
    radius_mm : (float, float)
        Distance from the apex to the probe's face and to the deepest sample.
    angle_deg : (float, float)
        First and last beam, from straight down (axial), positive towards larger lateral values.
    """

    apex_mm: Point
    radius_mm: tuple[float, float]
    angle_deg: tuple[float, float]

    def __post_init__(self) -> None:
        validate_point(self.apex_mm, name="apex_mm")
        near, far = validate_point(self.radius_mm, name="radius_mm")
        first, last = validate_point(self.angle_deg, name="angle_deg")
        if not 0 <= near < far:
            raise InputError(f"radius_mm: expected 0 <= near < far, got {self.radius_mm}")
        if not -90 <= first < last <= 90:
            raise InputError(f"angle_deg: expected -90 <= first < last <= 90, got {self.angle_deg}")

    def to_polar(self, points_mm: ArrayLike) -> NDArray[np.float64]:
        """Convert points (..., 2) in mm to (radius_mm, angle_deg)."""
        d = np.asarray(points_mm, dtype=float) - self.apex_mm
        radius = np.hypot(d[..., 0], d[..., 1])
        return np.stack([radius, np.degrees(np.arctan2(d[..., 0], d[..., 1]))], axis=-1)

    def from_polar(self, polar: ArrayLike) -> NDArray[np.float64]:
        """Convert (radius_mm, angle_deg) (..., 2) to points in mm."""
        p = np.asarray(polar, dtype=float)
        angle = np.radians(p[..., 1])
        return np.stack([p[..., 0] * np.sin(angle), p[..., 0] * np.cos(angle)], axis=-1) + self.apex_mm

    def contains(self, points_mm: ArrayLike) -> NDArray[np.bool_]:
        """Tell which points (..., 2) in mm lie in the fan."""
        p = self.to_polar(points_mm)
        in_radius = (p[..., 0] >= self.radius_mm[0]) & (p[..., 0] <= self.radius_mm[1])
        in_angle = (p[..., 1] >= self.angle_deg[0]) & (p[..., 1] <= self.angle_deg[1])
        inside: NDArray[np.bool_] = in_radius & in_angle
        return inside


@dataclass(frozen=True, slots=True)
class ImageGeometry:
    """Pixel spacing and origin of an image: ``mm = origin_mm + px * spacing``.

    Parameters
    ----------
    axial_mm_per_px, lateral_mm_per_px : float
        Above 0; may differ.
    origin_mm : (float, float)
        (lateral, axial) of the centre of pixel (0, 0).
    sector : SectorGeometry, optional
        The fan of a curvilinear probe, in the same millimetres.
    """

    axial_mm_per_px: float
    lateral_mm_per_px: float
    origin_mm: Point = (0.0, 0.0)
    sector: SectorGeometry | None = None

    def __post_init__(self) -> None:
        validate_positive(self.axial_mm_per_px, name="axial_mm_per_px")
        validate_positive(self.lateral_mm_per_px, name="lateral_mm_per_px")
        validate_point(self.origin_mm, name="origin_mm")

    @property
    def spacing_mm(self) -> tuple[float, float]:
        """(lateral, axial) mm per px, in the order of a point."""
        return self.lateral_mm_per_px, self.axial_mm_per_px

    def to_mm(self, points_px: ArrayLike) -> NDArray[np.float64]:
        """Convert points (..., 2) from px to mm."""
        return np.asarray(points_px, dtype=float) * self.spacing_mm + self.origin_mm

    def to_px(self, points_mm: ArrayLike) -> NDArray[np.float64]:
        """Convert points (..., 2) from mm to px (not rounded)."""
        return (np.asarray(points_mm, dtype=float) - self.origin_mm) / self.spacing_mm

    def cropped(self, x: int, y: int) -> ImageGeometry:
        """Return the geometry of the image that starts at pixel (x, y): no point moves in mm."""
        ox, oz = self.to_mm((x, y))
        return replace(self, origin_mm=(float(ox), float(oz)))

    def resampled(self, shape: tuple[int, int], new_shape: tuple[int, int]) -> ImageGeometry:
        """Return the geometry after a resize from `shape` to `new_shape` (H, W) that keeps the outer edges."""
        sy, sx = shape[0] / new_shape[0], shape[1] / new_shape[1]
        ox, oz = self.to_mm((0.5 * sx - 0.5, 0.5 * sy - 0.5))
        return replace(
            self,
            axial_mm_per_px=self.axial_mm_per_px * sy,
            lateral_mm_per_px=self.lateral_mm_per_px * sx,
            origin_mm=(float(ox), float(oz)),
        )


def insertion_angle_deg(entry_mm: ArrayLike, distal_mm: ArrayLike) -> float:
    """Angle of the chord from entry to distal end against the lateral axis, in degrees.

    Returns
    -------
    float
        0 is along the lateral axis, 90 along the beam; positive where the shaft goes deeper towards the tip, negative
        where it rises. Left and right are not told apart.
    """
    dx, dz = np.asarray(distal_mm, dtype=float) - np.asarray(entry_mm, dtype=float)
    return math.degrees(math.atan2(dz, abs(dx)))


def scan_convert(
    beams: ArrayLike, sector: SectorGeometry, geometry: ImageGeometry, shape: tuple[int, int]
) -> NDArray[np.float32]:
    """Draw beam data into a picture by bilinear interpolation.

    Parameters
    ----------
    beams : array_like, shape (samples, lines)
        Axial samples from ``sector.radius_mm[0]`` to ``[1]``, lines from ``sector.angle_deg[0]`` to ``[1]``.
    sector : SectorGeometry
        The fan in mm.
    geometry : ImageGeometry
        Spacing and origin of the picture.
    shape : (int, int)
        (H, W) of the picture.

    Returns
    -------
    ndarray of float32, shape (H, W)
        0 outside the fan.
    """
    data = ensure_float32(beams, name="beams")
    h, w = shape
    yy, xx = np.mgrid[0:h, 0:w]
    polar = sector.to_polar(geometry.to_mm(np.stack([xx, yy], axis=-1)))
    (near, far), (first, last) = sector.radius_mm, sector.angle_deg
    row = ((polar[..., 0] - near) / (far - near) * (data.shape[0] - 1)).astype(np.float32)
    col = ((polar[..., 1] - first) / (last - first) * (data.shape[1] - 1)).astype(np.float32)
    drawn = cv2.remap(data, col, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    return np.asarray(drawn, dtype=np.float32)
