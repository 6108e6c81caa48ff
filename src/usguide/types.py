"""What goes in and what comes out: `Frame`, `InsertionPrior` and every result type.

Results never share memory with the pipeline's buffers and are never changed after they are made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from usguide._validation import (
    validate_number,
    validate_outline,
    validate_pixels,
    validate_point,
    validate_positive,
    validate_region,
)
from usguide.errors import InputError
from usguide.geometry import ImageGeometry, Point, insertion_angle_deg
from usguide.intensity import full_scale_of

Outline = tuple[Point, ...]
"""A closed polygon in mm: the last point joins the first."""

EntrySide = Literal["left", "right", "top", "any"]
ENTRY_SIDES: tuple[EntrySide, ...] = ("left", "right", "top", "any")


class TrackState(StrEnum):
    """What the pipeline says about the needle."""

    SEARCHING = "SEARCHING"
    TRACKING = "TRACKING"
    COASTING = "COASTING"
    LOST = "LOST"


class InputState(StrEnum):
    """What the pipeline says about its input."""

    OK = "OK"
    FROZEN = "FROZEN"
    STALE = "STALE"
    INVALID = "INVALID"


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One B-mode picture with its place in space and time.

    Parameters
    ----------
    pixels : ndarray, shape (H, W) or (H, W, 3 or 4)
        uint8, uint16 or float, finite. Never changed by usguide.
    geometry : ImageGeometry
        Of the whole delivered frame.
    timestamp_s : float
        Presentation time in seconds.
    index : int
        Position in the recording or stream, from 0.
    region : (int, int, int, int), optional
        ``x, y, width, height`` in px of the ultrasound image within the frame.
    full_scale : float, optional
        White; needed for floating-point pixels.
    transforms : mapping of str to ndarray (4, 4)
        Named poses that came with the frame.
    status : str
        What the source says of the frame: ``"OK"`` or ``"INVALID"``.

    Raises
    ------
    InvalidFrameError, InputError
        When one of them is not what it must be.
    """

    pixels: NDArray[Any]
    geometry: ImageGeometry
    timestamp_s: float = 0.0
    index: int = 0
    region: tuple[int, int, int, int] | None = None
    full_scale: float | None = None
    transforms: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    status: str = "OK"

    def __post_init__(self) -> None:
        pixels = validate_pixels(self.pixels, name="frame", colour=True)
        full_scale_of(pixels, self.full_scale)
        validate_number(self.timestamp_s, name="timestamp_s")
        if self.region is not None:
            object.__setattr__(self, "region", validate_region(self.region, pixels.shape))
        object.__setattr__(self, "pixels", pixels)

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) in px."""
        return int(self.pixels.shape[0]), int(self.pixels.shape[1])


@dataclass(frozen=True, slots=True)
class InsertionPrior:
    """What is known of the needle before it is seen.

    Parameters
    ----------
    entry_side : {"left", "right", "top", "any"}
        The edge of the image where the shaft comes in.
    angle_deg : (float, float)
        Lowest and highest insertion angle; -90 to 90.
    needle_diameter_mm : float
        Outer diameter.
    entry_mm : (float, float), optional
        Where the shaft enters the image, if known.
    """

    entry_side: EntrySide = "any"
    angle_deg: tuple[float, float] = (5.0, 80.0)
    needle_diameter_mm: float = 0.8
    entry_mm: Point | None = None

    def __post_init__(self) -> None:
        if self.entry_side not in ENTRY_SIDES:
            raise InputError(f"entry_side: expected one of {', '.join(ENTRY_SIDES)}, got {self.entry_side!r}")
        low, high = validate_point(self.angle_deg, name="angle_deg")
        if not -90 <= low < high <= 90:
            raise InputError(f"angle_deg: expected -90 <= low < high <= 90, got {self.angle_deg}")
        validate_positive(self.needle_diameter_mm, name="needle_diameter_mm")
        if self.entry_mm is not None:
            validate_point(self.entry_mm, name="entry_mm")

    def with_angle(self, angle_deg: float, tolerance_deg: float = 2.0) -> InsertionPrior:
        """Return this prior with the insertion angle locked to `angle_deg`, give or take `tolerance_deg`.

        Raises
        ------
        InputError
            The angle is not within -90 to 90, or the tolerance not above 0.
        """
        angle = validate_number(angle_deg, name="angle_deg", low=-90.0, high=90.0)
        tolerance = validate_positive(tolerance_deg, name="tolerance_deg")
        return replace(self, angle_deg=(max(-90.0, angle - tolerance), min(90.0, angle + tolerance)))


@dataclass(frozen=True, slots=True)
class Shaft:
    """A straight (or gently bent) needle shaft.

    Parameters
    ----------
    entry_mm : (float, float)
        Where it enters the image.
    distal_mm : (float, float)
        Where it ends to be seen, which is not always the tip.
    score : float
        Strength of the evidence: comparable between frames, larger is better.
    curvature_per_mm : float, optional
        Signed; None for a straight fit.
    """

    entry_mm: Point
    distal_mm: Point
    score: float
    curvature_per_mm: float | None = None

    @property
    def angle_deg(self) -> float:
        """Insertion angle of the chord, in degrees."""
        return insertion_angle_deg(self.entry_mm, self.distal_mm)

    @property
    def length_mm(self) -> float:
        """Length of the chord."""
        return float(np.hypot(self.distal_mm[0] - self.entry_mm[0], self.distal_mm[1] - self.entry_mm[1]))


@dataclass(frozen=True, slots=True)
class Tip:
    """The needle's tip with its uncertainty.

    Parameters
    ----------
    position_mm : (float, float)
        Best estimate.
    covariance_mm2 : ((float, float), (float, float))
        Symmetric; lateral first.
    confidence : float
        0..1.
    """

    position_mm: Point
    covariance_mm2: tuple[Point, Point]
    confidence: float

    @classmethod
    def on_shaft(
        cls, position_mm: Point, direction_rad: float, along_mm2: float, across_mm2: float, confidence: float
    ) -> Tip:
        """Make a tip whose uncertainty is known along its shaft and across it.

        Parameters
        ----------
        position_mm : (float, float)
        direction_rad : float
            Of the shaft, from the lateral axis towards depth.
        along_mm2, across_mm2 : float
            Variances.
        confidence : float
        """
        c, s = float(np.cos(direction_rad)), float(np.sin(direction_rad))
        mixed = (along_mm2 - across_mm2) * c * s
        first = (along_mm2 * c * c + across_mm2 * s * s, mixed)
        return cls(position_mm, (first, (mixed, along_mm2 * s * s + across_mm2 * c * c)), confidence)

    @property
    def sigma_mm(self) -> Point:
        """Standard deviations along the lateral and axial axes."""
        (a, _), (_, d) = self.covariance_mm2
        return float(np.sqrt(max(a, 0.0))), float(np.sqrt(max(d, 0.0)))


@dataclass(frozen=True, slots=True, eq=False)
class EndProfile:
    """How likely the shaft ends where, along a strip that follows it.

    Parameters
    ----------
    start_mm : (float, float)
        Where the strip starts, before the entry.
    direction_rad : float
        Of the strip there: from the lateral axis towards depth.
    curvature_per_mm : float
        Of the strip: half of it times the squared way lies off the tangent.
    step_mm : float
    least : int
        The first step at which an end was looked for.
    log_likelihood : ndarray, shape (n,)
        Of an end 0, 1, 2 ... steps along the strip, to within a constant.
    """

    start_mm: Point
    direction_rad: float
    curvature_per_mm: float
    step_mm: float
    least: int
    log_likelihood: NDArray[np.float64]

    def at_mm(self, way_mm: float) -> Point:
        """Return the point that lies so far along the strip."""
        c, s, off = np.cos(self.direction_rad), np.sin(self.direction_rad), 0.5 * self.curvature_per_mm * way_mm**2
        return float(self.start_mm[0] + c * way_mm - s * off), float(self.start_mm[1] + s * way_mm + c * off)


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """One candidate needle in one frame: the shaft and the tip that was found along it.

    Parameters
    ----------
    shaft : Shaft
        Its score is the log-odds of being a needle.
    tip : Tip
    end : EndProfile, optional
        What the frame says of where the shaft ends; None where only the tip is known.
    features : ndarray, optional
        What the log-odds rest on (`usguide.detection.candidates.FEATURE_NAMES`).
    """

    shaft: Shaft
    tip: Tip
    end: EndProfile | None = None
    features: NDArray[np.float64] | None = None


@dataclass(frozen=True, slots=True)
class NeedleTrack:
    """A needle followed over time."""

    track_id: int
    state: TrackState
    shaft: Shaft
    tip: Tip
    tip_velocity_mm_s: float
    """Along the shaft, positive while it advances."""
    confidence: float
    in_plane_fraction: float
    """Visible length over the length that the track's history implies, 0..1."""
    age_s: float
    time_since_seen_s: float
    """Since it was last `TRACKING`."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where the drug shall go: a point, or a structure with an outline.

    Parameters
    ----------
    position_mm : (float, float)
        What the needle is guided to.
    outline_mm : tuple of (float, float), optional
        The structure's edge as a closed polygon; needed for overlap and ring.
    """

    position_mm: Point
    outline_mm: Outline | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "position_mm", validate_point(self.position_mm, name="target_mm"))
        if self.outline_mm is not None:
            object.__setattr__(self, "outline_mm", validate_outline(self.outline_mm, name="outline_mm"))

    @classmethod
    def disc(cls, position_mm: Point, radius_mm: float) -> Target:
        """Make a round target, as a polygon of 72 points on the circle."""
        x, z = validate_point(position_mm, name="target_mm")
        radius = validate_positive(radius_mm, name="radius_mm")
        turn = np.linspace(0.0, 2.0 * np.pi, 72, endpoint=False)
        points = zip((x + radius * np.cos(turn)).tolist(), (z + radius * np.sin(turn)).tolist(), strict=True)
        return cls((x, z), tuple(points))

    @classmethod
    def of(
        cls, target_mm: ArrayLike | None, *, radius_mm: float | None = None, outline_mm: ArrayLike | None = None
    ) -> Target | None:
        """Make a target from what is known of it (see `usguide.GuidancePipeline.set_target`); None where nothing is.

        Raises
        ------
        InputError
            A radius without a point, or both radius and outline.
        """
        if radius_mm is not None and (target_mm is None or outline_mm is not None):
            raise InputError("target: expected a radius with a point, or an outline; give one of the two")
        if outline_mm is not None:
            outline = validate_outline(outline_mm, name="outline_mm")
            return cls(
                _centre_of(outline) if target_mm is None else validate_point(target_mm, name="target_mm"), outline
            )
        if target_mm is None:
            return None
        point = validate_point(target_mm, name="target_mm")
        return cls(point) if radius_mm is None else cls.disc(point, radius_mm)


def _centre_of(outline: Outline) -> Point:
    """Return the centre of area of a closed polygon."""
    first = np.array(outline)
    a = first - first[0]
    b = np.roll(a, -1, axis=0)
    cross = a[:, 0] * b[:, 1] - b[:, 0] * a[:, 1]
    x, z = first[0] + ((a + b) * cross[:, None]).sum(axis=0) / (3 * cross.sum())
    return float(x), float(z)


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """One connected body of injectate, followed over time."""

    pool_id: int
    """Stays with the pool from frame to frame."""
    onset_s: float
    """First frame that showed it."""
    area_mm2: float
    area_sigma_mm2: float
    """One standard deviation, from how sharp the edge is."""
    perimeter_mm: float
    """Length of all its edges, holes included."""
    centroid_mm: Point
    extent_mm: Point
    """Full size along the main axis, on to where evenly tapering ends would close (at most 1 mm each), and across it."""
    axis_deg: float
    """Main axis, from the lateral axis: over -90 to 90, positive where it goes deeper with growing lateral values."""
    contours_mm: tuple[NDArray[np.float64], ...]
    """Closed outlines, each (N, 2): the outer edges and those of holes, longest first."""
    confidence: float
    """0..1."""
    rate_mm2_s: float | None = None
    """Growth of the area over the last second; None while it is too young to tell."""
    rate_sigma_mm2_s: float | None = None
    volume_mm3: float | None = None
    """Under `Injectate.volume_assumption`."""

    @property
    def contour_mm(self) -> NDArray[np.float64]:
        """The longest outline, shape (N, 2)."""
        return self.contours_mm[0] if self.contours_mm else np.zeros((0, 2))


@dataclass(frozen=True, slots=True)
class TargetSpread:
    """Where the injectate lies as seen from the target."""

    distance_mm: float
    """Gap between the injectate's edge and the target's (or its point); 0 where they touch."""
    overlap: float | None = None
    """Share of the target's area that fluid covers, 0..1; None for a point."""
    ring_deg: float | None = None
    """How much of the way around the target fluid lies against it, 0..360; None for a point."""
    ring_sigma_deg: float | None = None
    """One standard deviation, from how far the injectate's edge is known."""


@dataclass(frozen=True, slots=True, eq=False)
class Injectate:
    """The injected fluid, as far as it is seen: all pools together, and each.

    Parameters
    ----------
    pools : tuple of Pool
        Largest first.
    mask : ndarray of bool, shape (h, w)
    geometry : ImageGeometry
        Of the mask.
    contours_mm : tuple of ndarray, each (N, 2)
        Closed outlines of all pools, holes included.
    area_mm2 : float
    centroid_mm : (float, float), optional
        None, as extent and axis, without fluid.
    extent_mm : (float, float), optional
        Full size along the main axis and across it, over all pools (see `Pool`).
    onset_s : float, optional
        Of the first pool; kept when its fluid is gone again.
    rate_mm2_s : float, optional
        Growth of the area over the last second.
    confidence : float
        0..1, that what the mask shows is injectate.
    warnings : tuple of str
        Each starts with a code word and a colon, then says what was seen (`usguide.injectate.warnings`).
    area_sigma_mm2, perimeter_mm, axis_deg, rate_sigma_mm2_s : float, optional
        As in `Pool`.
    volume_mm3 : float, optional
        Under `volume_assumption`, which is empty where no volume is given.
    around_target : TargetSpread, optional
        None without a target or without fluid.
    probability : ndarray of float32, shape (h, w), optional
        Of being fluid, on the mask's grid.
    tissue_motion : ndarray, shape (2, 3), optional
        Takes a point (x, z, 1) of the frame before, in mm, to where its tissue is in this one; None where that is not
        known.
    """

    pools: tuple[Pool, ...]
    mask: NDArray[np.bool_]
    geometry: ImageGeometry
    contours_mm: tuple[NDArray[np.float64], ...]
    area_mm2: float
    centroid_mm: Point | None
    extent_mm: Point | None
    onset_s: float | None
    rate_mm2_s: float | None
    confidence: float
    warnings: tuple[str, ...] = ()
    area_sigma_mm2: float | None = None
    perimeter_mm: float | None = None
    axis_deg: float | None = None
    rate_sigma_mm2_s: float | None = None
    volume_mm3: float | None = None
    volume_assumption: str = ""
    around_target: TargetSpread | None = None
    probability: NDArray[np.float32] | None = None
    tissue_motion: NDArray[np.float64] | None = None

    def mask_on(self, frame: Frame) -> NDArray[np.bool_]:
        """Give the mask in the pixels of `frame`, shape (H, W), by nearest neighbour."""
        h, w = frame.shape
        columns = self.geometry.to_px(frame.geometry.to_mm(np.stack([np.arange(w), np.zeros(w)], axis=-1)))[:, 0]
        rows = self.geometry.to_px(frame.geometry.to_mm(np.stack([np.zeros(h), np.arange(h)], axis=-1)))[:, 1]
        c, r = np.rint(columns).astype(int), np.rint(rows).astype(int)
        c_in, r_in = (c >= 0) & (c < self.mask.shape[1]), (r >= 0) & (r < self.mask.shape[0])
        out = np.zeros((h, w), dtype=bool)
        out[np.ix_(r_in, c_in)] = self.mask[np.ix_(r[r_in], c[c_in])]
        return out


@dataclass(frozen=True, slots=True)
class TargetGuidance:
    """Where the target lies as seen from the needle (all in mm and degrees)."""

    position_mm: Point
    distance_mm: float | None = None
    """From the tip to the target; None without a needle."""
    along_mm: float | None = None
    """How far to advance until the tip is beside the target; negative if it is past it."""
    miss_mm: float | None = None
    """How far the shaft's line passes from the target; positive where the target is deeper than the line."""
    angle_error_deg: float | None = None
    """Insertion angle from the entry to the target minus the shaft's own: positive means steeper is needed."""
    outline_mm: Outline | None = None
    """The target's edge, where it was given."""


@dataclass(frozen=True, slots=True, eq=False)
class GuidanceResult:
    """All that the pipeline says of one frame."""

    index: int
    timestamp_s: float
    state: TrackState
    input_state: InputState
    tracks: tuple[NeedleTrack, ...] = ()
    injectate: Injectate | None = None
    target: TargetGuidance | None = None
    latency_ms: Mapping[str, float] = field(default_factory=dict)
    events: tuple[str, ...] = ()
    """What changed at this frame: size, spacing, reset."""
    keep_out_mm: Mapping[str, Outline] = field(default_factory=dict)
    """Outlines of what has to be avoided, by name."""

    @property
    def track(self) -> NeedleTrack | None:
        """The best track, or None."""
        return self.tracks[0] if self.tracks else None
