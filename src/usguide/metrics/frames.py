"""What a result of one frame is off by, against the needle's truth."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from usguide.errors import InputError
from usguide.metrics._matching import frame_times, match_results, runs
from usguide.types import GuidanceResult, NeedleTrack, TrackState

HIT_MM = 3.0
COUNTED_MM = 5.0
LONG_MM = 10.0
"""Shaft in plane from which a first lock is timed (see `long_lock_s`)."""
OUT_OF_PLANE = 0.5
"""In-plane fraction below which a needle counts as having left the plane."""
STRAIGHT_POINTS = 33
"""Points along a shaft whose truth gives its ends only."""


class NeedleTruth(Protocol):
    """Truth a row each frame (see `usguide.phantoms.PhantomTruth`); points are (lateral, axial) in mm.

    `entry_mm` may be absent or NaN. A truth may also have ``shaft_mm``, shape (N, K, 2): points along the visible shaft
    from the entry to its in-plane end, at equal steps of arc, NaN without a needle; without it the shaft is straight
    from entry to tip. It may have ``distal_mm``, shape (N, 2): where the part of the shaft that lies in picture and
    scan plane ends. Results are then judged by that, since nothing shows where a tip out of plane is. And it may have
    ``in_plane_fraction``, shape (N,), without which no episode out of plane is known (see `return_waits_s`).
    """

    @property
    def tip_mm(self) -> NDArray[np.float64]:
        """(N, 2), NaN without a needle."""
        ...

    @property
    def entry_mm(self) -> NDArray[np.float64]:
        """(N, 2), NaN without a needle."""
        ...

    @property
    def visible_mm(self) -> NDArray[np.float64]:
        """(N,), length of shaft in plane, 0 without a needle; NaN where it is not known."""
        ...

    @property
    def angle_deg(self) -> NDArray[np.float64]:
        """(N,), insertion angle of the chord."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class NeedleFrames:
    """A sequence frame by frame: what all scores are made of. Each array has shape (N,).

    Errors are NaN in frames that do not count and where the truth can't tell, and infinite (a miss) in counted frames
    without `TRACKING`, but for the signed ones, which are NaN there.
    """

    time_s: NDArray[np.float64]
    """NaN where unknown."""
    interval_s: float | None
    """Median time between frames; None where unknown."""
    counted: NDArray[np.bool_]
    """At least 5 mm of shaft in plane, and a tip that is known."""
    needle_free: NDArray[np.bool_]
    """No needle. Frames that are neither, with little shaft or unknown truth, are not judged."""
    tracking: NDArray[np.bool_]
    visible_mm: NDArray[np.float64]
    """True length of shaft in plane; NaN where unknown."""
    in_plane_fraction: NDArray[np.float64]
    """True share of the shaft in the picture that is in plane; NaN where unknown."""
    tip_error_mm: NDArray[np.float64]
    along_error_mm: NDArray[np.float64]
    across_error_mm: NDArray[np.float64]
    angle_error_deg: NDArray[np.float64]
    perpendicular_error_mm: NDArray[np.float64]

    @property
    def hit(self) -> NDArray[np.bool_]:
        """Counted, `TRACKING`, tip within 3 mm."""
        return self.within(HIT_MM)

    def within(self, limit_mm: float) -> NDArray[np.bool_]:
        """Tell which counted frames are `TRACKING` with the tip within `limit_mm`."""
        close: NDArray[np.bool_] = self.counted & (self.tip_error_mm <= limit_mm)
        return close


def check_truth(truth: NeedleTruth) -> int:
    """Return the number of frames; `InputError` where the arrays do not fit each other."""
    n = len(truth.visible_mm)
    wanted = {"visible_mm": (n,), "tip_mm": (n, 2), "distal_mm": (n, 2), "entry_mm": (n, 2)}
    wanted |= {"angle_deg": (n,), "in_plane_fraction": (n,)}
    for name, shape in wanted.items():
        array = getattr(truth, name, None)
        if array is not None and np.shape(array) != shape:
            raise InputError(f"truth.{name}: expected shape {shape}, one row a frame, got {np.shape(array)}")
    shaft = getattr(truth, "shaft_mm", None)
    if shaft is not None and (np.ndim(shaft) != 3 or np.shape(shaft)[::2] != (n, 2) or np.shape(shaft)[1] < 2):
        raise InputError(f"truth.shaft_mm: expected shape ({n}, K, 2) with K of 2 or more, got {np.shape(shaft)}")
    return n


def seen_tip_mm(truth: NeedleTruth) -> NDArray[np.float64]:
    """Return where the tip can be seen, shape (N, 2): the end of the shaft in picture and plane, if the truth has it."""
    tip = np.asarray(truth.tip_mm, dtype=float)
    distal = getattr(truth, "distal_mm", None)
    return tip if distal is None else np.where(np.isfinite(distal), distal, tip)


def judge_frames(
    truth: NeedleTruth,
    results: Sequence[GuidanceResult],
    *,
    timestamps_s: ArrayLike | None = None,
    frames: int | None = None,
) -> NeedleFrames:
    """Compare results with truth, frame by frame; parameters and errors as in `score_needle`."""
    stated = check_truth(truth)
    n = stated if frames is None else frames
    if not 0 <= n <= stated:
        raise InputError(f"frames: expected 0 to {stated}, as many as the truth has, got {n}")
    matched = match_results(results, n)
    times, interval = frame_times(matched, n, timestamps_s)
    visible = np.asarray(truth.visible_mm, dtype=float)[:n]
    tips = seen_tip_mm(truth)
    counted = (visible >= COUNTED_MM) & np.isfinite(tips[:n]).all(axis=-1)
    tracking = np.zeros(n, dtype=bool)
    # Tip, angle and line miss a frame that is not tracked; along and across have no sign for it.
    missed = np.where(counted, math.inf, math.nan)
    errors = np.stack([missed, np.full(n, math.nan), np.full(n, math.nan), missed, missed])
    for k, r in matched.items():
        tracking[k] = r.state is TrackState.TRACKING and r.track is not None
        if r.track is not None and tracking[k] and counted[k]:
            errors[:, k] = _track_errors(truth, k, tips[k], r.track)
    fraction = getattr(truth, "in_plane_fraction", None)
    in_plane = np.full(n, math.nan) if fraction is None else np.asarray(fraction, dtype=float)[:n]
    free = visible <= 0
    return NeedleFrames(times, interval, counted, free, tracking, visible, in_plane, *errors)


def _track_errors(
    truth: NeedleTruth, k: int, tip_mm: NDArray[np.float64], track: NeedleTrack
) -> tuple[float, float, float, float, float]:
    """Tip, along, across (mm), angle (degrees) and perpendicular error (mm); NaN what the truth can't tell."""
    d = _finite_or_nan(track.tip.position_mm) - tip_mm
    start = _finite_or_nan(track.shaft.entry_mm)
    reported = _finite_or_nan(track.shaft.distal_mm) - start
    curve = _true_shaft(truth, k, tip_mm)
    if curve is None:
        known = float(truth.angle_deg[k])
        angle = math.nan if math.isnan(known) else _miss_if_nan(abs(track.shaft.angle_deg - known))
        return _miss_if_nan(math.hypot(*d)), math.nan, math.nan, angle, math.nan
    forward, deeper = _tangent_and_normal(curve)
    return (
        _miss_if_nan(math.hypot(*d)),
        float(d @ forward),
        float(d @ deeper),
        _miss_if_nan(_angle_between_deg(reported, curve[-1] - curve[0])),
        _miss_if_nan(float(np.mean(np.abs(_cross(_unit(reported), curve - start))))),
    )


def _true_shaft(truth: NeedleTruth, k: int, tip_mm: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Points (K, 2) along the visible shaft; None if the truth does not tell."""
    shaft, entry = getattr(truth, "shaft_mm", None), getattr(truth, "entry_mm", None)
    if shaft is not None and np.isfinite(shaft[k]).all():
        return np.asarray(shaft[k], dtype=float)
    if entry is None or not np.isfinite(entry[k]).all():
        return None
    return np.linspace(entry[k], tip_mm, STRAIGHT_POINTS)


def _tangent_and_normal(curve: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return unit vectors at the tip: on along the shaft, and across it to the deeper side; NaN without a length."""
    u = _unit(curve[-1] - curve[-2])
    # The deeper side, not the left or the right one: a mirrored recording then has the same errors.
    side = 1.0 if u[0] >= 0 else -1.0
    return u, side * np.array([-u[1], u[0]])


def _unit(v: NDArray[np.float64]) -> NDArray[np.float64]:
    length = math.hypot(*v)
    return v / length if length > 0 else np.full(2, math.nan)


def _cross(u: NDArray[np.float64], v: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0])


def _angle_between_deg(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """0..180, so that a shaft from the other side, or one reported backwards, is wrong; NaN without a direction."""
    u, v = _unit(a), _unit(b)
    return abs(math.degrees(math.atan2(float(_cross(u, v)), float(u @ v))))


def _finite_or_nan(point: ArrayLike) -> NDArray[np.float64]:
    p = np.asarray(point, dtype=float)
    return np.where(np.isfinite(p), p, math.nan)


def _miss_if_nan(error: float) -> float:
    """Make an error that the report itself left undefined (a NaN tip, a shaft without length) a miss."""
    return math.inf if math.isnan(error) else error


def relock_waits_s(frames: NeedleFrames) -> list[float]:
    """How long the lock took to come back, each time it had to.

    A wait begins at the first frame of each run of counted frames but the sequence's first (the needle is in plane
    again), and, after a hit, at the first counted frame that is no hit (coasting, lost or on the wrong line alike). It
    ends at the next hit of the same run of counted frames: 0 s for a lock that was never lost. Where there is none, as
    the needle leaves the plane or the recording ends, it is infinite.
    """
    hit, waits = frames.hit, []
    for number, (start, stop) in enumerate(runs(frames.counted)):
        since = start if number > 0 else None
        locked = False
        for k in range(start, stop):
            if hit[k] and since is not None:
                waits.append(float(frames.time_s[k] - frames.time_s[since]))
                since = None
            elif not hit[k] and locked and since is None:
                since = k
            locked = locked or bool(hit[k])
        if since is not None:
            waits.append(math.inf)
    return waits


def long_lock_s(frames: NeedleFrames) -> float:
    """How long the first lock took, from the first frame with 10 mm of shaft in plane to the first hit.

    0 where the hit came before; infinite without a hit; NaN where the shaft never gets so long, or the times are unknown.
    """
    long, hit = np.flatnonzero(frames.visible_mm >= LONG_MM), np.flatnonzero(frames.hit)
    if long.size == 0:
        return math.nan
    if hit.size == 0:
        return math.inf
    return float(np.maximum(0.0, frames.time_s[hit[0]] - frames.time_s[long[0]]))


def return_waits_s(frames: NeedleFrames) -> list[float]:
    """How long the lock took to come back, each time that the needle came back into the plane.

    A return is the first frame of a run of counted frames before which, since the run before it, the in-plane fraction
    was under a half. Its wait ends at the first hit of the run, and is infinite where there is none. A shaft that is
    short because the probe slid or the needle was drawn back has not left the plane.
    """
    counted, waits = runs(frames.counted), []
    for (_, left), (start, stop) in itertools.pairwise(counted):
        if not (frames.in_plane_fraction[left:start] < OUT_OF_PLANE).any():
            continue
        hit = np.flatnonzero(frames.hit[start:stop])
        waits.append(float(frames.time_s[start + hit[0]] - frames.time_s[start]) if hit.size else math.inf)
    return waits
