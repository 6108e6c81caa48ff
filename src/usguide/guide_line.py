"""A line that the needle is known to follow: a needle guide's, or that of a robot or tracker's pose."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from usguide._validation import validate_number, validate_point, validate_positive
from usguide.detection import Evidence
from usguide.errors import InputError
from usguide.geometry import Point, insertion_angle_deg
from usguide.stages import ShaftDetector
from usguide.types import Detection, EntrySide, InsertionPrior, Shaft

RIGID_TOLERANCE = 1e-3
"""How far the columns of a rotation may be from unit length and right angles."""


@dataclass(frozen=True, slots=True)
class GuideLine:
    """A known guide line in the image plane, directed the way the needle travels.

    Parameters
    ----------
    entry_mm : (float, float)
        A point of the line, best where it comes into the picture: (lateral, axial).
    direction : (float, float)
        The way the needle travels, (lateral, axial), of any length above 0.
    tolerance_deg : float
        How far the needle's angle may be from the line's: play in the guide, and bending.
    tolerance_mm : float
        How far from the line the needle may be where it comes into the picture.

    Raises
    ------
    InputError
        A number is not finite, the direction has no length, or a tolerance is not above 0.
    """

    entry_mm: Point
    direction: Point
    tolerance_deg: float = 3.0
    tolerance_mm: float = 3.0

    def __post_init__(self) -> None:
        validate_point(self.entry_mm, name="entry_mm")
        if math.hypot(*validate_point(self.direction, name="direction")) == 0:
            raise InputError("direction: expected a length above 0, got (0, 0)")
        validate_positive(self.tolerance_deg, name="tolerance_deg")
        validate_positive(self.tolerance_mm, name="tolerance_mm")

    @classmethod
    def from_angle(
        cls,
        entry_mm: Point,
        angle_deg: float,
        entry_side: EntrySide,
        *,
        tolerance_deg: float = 3.0,
        tolerance_mm: float = 3.0,
    ) -> Self:
        """Make the line from an insertion angle and the side that the needle comes from.

        Parameters
        ----------
        entry_mm : (float, float)
        angle_deg : float
            Insertion angle, -90 to 90: 90 is straight down.
        entry_side : {"left", "right"}
            Any other is refused unless the needle goes straight up or down: an angle alone does not tell the side.
        tolerance_deg, tolerance_mm : float

        Raises
        ------
        InputError
            As the class, or the side is missing.
        """
        angle = math.radians(validate_number(angle_deg, name="angle_deg", low=-90.0, high=90.0))
        if entry_side not in ("left", "right") and abs(angle_deg) < 90:
            raise InputError(f"entry_side: expected left or right beside a guide's angle, got {entry_side!r}")
        sign = -1.0 if entry_side == "right" else 1.0
        return cls(entry_mm, (sign * math.cos(angle), math.sin(angle)), tolerance_deg, tolerance_mm)

    @classmethod
    def from_pose(
        cls,
        needle_to_image: ArrayLike,
        *,
        axis: Sequence[float] = (0.0, 0.0, 1.0),
        span_mm: tuple[float, float] = (0.0, 60.0),
        out_of_plane_mm: float = 1.5,
        tolerance_deg: float = 3.0,
        tolerance_mm: float = 3.0,
    ) -> Self:
        """Project the axis of a needle or guide, whose pose is known, into the image plane.

        Parameters
        ----------
        needle_to_image : array_like, shape (4, 4)
            Rigid transform from the needle's (or guide's) space to the image's: ``lateral, axial, elevational`` in mm,
            the image plane at elevational 0. PLUS's image space is in px: scale its rows by the spacing first.
        axis : sequence of 3 floats
            The way the needle points, in its own space.
        span_mm : (float, float)
            From where to where along the axis, from the pose's origin, the needle has to be in the plane: ``(0, 60)``
            from a guide's mouth onwards, ``(-60, 0)`` back from a tip.
        out_of_plane_mm : float
            How far from the plane it may be there. The slice that an image shows is about 1 to 3 mm thick.
        tolerance_deg, tolerance_mm : float

        Returns
        -------
        GuideLine
            Its entry point is the start of the span.

        Raises
        ------
        InputError
            Not a rigid transform in mm, or the needle is out of plane by more than `out_of_plane_mm`.
        """
        pose = _validate_rigid(needle_to_image)
        unit = _unit(axis)
        near, far = validate_point(span_mm, name="span_mm")
        if near >= far:
            raise InputError(f"span_mm: expected first < last, got {span_mm}")
        start, stop = (pose[:3, :3] @ (unit * along) + pose[:3, 3] for along in (near, far))
        # A straight axis is farthest from the plane at one of the two ends.
        off = max(abs(start[2]), abs(stop[2]))
        if off > validate_positive(out_of_plane_mm, name="out_of_plane_mm"):
            raise InputError(
                f"pose: expected a needle in the image plane to within {out_of_plane_mm:g} mm, got {start[2]:.1f} mm off "
                f"it at {near:g} mm and {stop[2]:.1f} mm at {far:g} mm along its axis; align the probe with the needle"
            )
        x, z, dx, dz = (float(v) for v in (*start[:2], *(stop - start)[:2]))
        return cls((x, z), (dx, dz), tolerance_deg, tolerance_mm)

    @property
    def angle_deg(self) -> float:
        """Insertion angle of the line."""
        return insertion_angle_deg((0.0, 0.0), self.direction)

    def prior(self, base: InsertionPrior | None = None) -> InsertionPrior:
        """Return `base` (needle diameter) narrowed to this line: side, angles within the tolerance, entry point."""
        angle = self.angle_deg
        locked = (base or InsertionPrior()).with_angle(angle, self.tolerance_deg)
        upright = abs(angle) + self.tolerance_deg >= 90
        side: EntrySide = "any" if upright else "left" if self.direction[0] > 0 else "right"
        return replace(locked, entry_side=side, entry_mm=self.entry_mm)

    def holds(self, shaft: Shaft) -> bool:
        """Tell whether both ends of a shaft that travels the line's way lie in its corridor.

        The corridor is `tolerance_mm` wide to each side at the entry and opens by `tolerance_deg`. The angle itself is
        the prior's business: that of a shaft of which only a few millimetres are seen is not known to three degrees.
        """
        u = np.asarray(self.direction) / math.hypot(*self.direction)
        ends = np.asarray([shaft.entry_mm, shaft.distal_mm]) - self.entry_mm
        along, across = ends @ u, ends @ (-u[1], u[0])
        room = self.tolerance_mm + math.tan(math.radians(self.tolerance_deg)) * np.maximum(along, 0.0)
        return bool(along[1] > along[0] and (np.abs(across) <= room).all())


class OnGuideLine:
    """A shaft detector of which only what lies on a guide line is kept.

    Parameters
    ----------
    detector : ShaftDetector
        Finds the candidates.
    guide : GuideLine
    """

    def __init__(self, detector: ShaftDetector, guide: GuideLine) -> None:
        self.detector, self.guide = detector, guide

    def detect(
        self, evidence: Evidence, prior: InsertionPrior, expected: Sequence[Shaft] = ()
    ) -> tuple[Detection, ...]:
        """Return the candidates on the line, best first."""
        return tuple(d for d in self.detector.detect(evidence, prior, expected) if self.guide.holds(d.shaft))


def _validate_rigid(pose: ArrayLike) -> NDArray[np.float64]:
    """Return a 4 x 4 matrix if it turns and moves and does nothing else (a mirror is let through)."""
    try:
        matrix = np.asarray(pose, dtype=float)
    except (TypeError, ValueError):
        raise InputError("pose: expected 4 x 4 numbers, got something else") from None
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
        raise InputError(f"pose: expected 4 x 4 finite numbers, got shape {matrix.shape}")
    turned = matrix[:3, :3]
    scale = np.linalg.norm(turned, axis=0)
    rigid = np.allclose(turned.T @ turned, np.eye(3), rtol=0, atol=RIGID_TOLERANCE)
    if not rigid or not np.allclose(matrix[3], (0, 0, 0, 1), rtol=0, atol=RIGID_TOLERANCE):
        raise InputError(
            "pose: expected a rigid transform in mm with last row 0 0 0 1, got columns of length "
            f"{', '.join(f'{s:.4g}' for s in scale)} and last row {' '.join(f'{v:g}' for v in matrix[3])}; "
            "an image space in px has to be scaled to mm first"
        )
    return matrix


def _unit(axis: Sequence[float]) -> NDArray[np.float64]:
    direction = np.asarray(axis, dtype=float)
    length = float(np.linalg.norm(direction)) if direction.shape == (3,) else 0.0
    if not (math.isfinite(length) and length > 0):
        raise InputError(f"axis: expected three finite numbers, not all 0, got {tuple(axis)!r}")
    return direction / length
