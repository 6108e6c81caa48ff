"""Where the target lies as seen from the needle."""

from __future__ import annotations

import math

import numpy as np

from usguide.geometry import Point, insertion_angle_deg
from usguide.types import NeedleTrack, TargetGuidance, TrackState


def guide_to(target_mm: Point, track: NeedleTrack | None) -> TargetGuidance:
    """Distance and angle from a needle to a target.

    Parameters
    ----------
    target_mm : (float, float)
        (lateral, axial).
    track : NeedleTrack or None
        None, or a lost one, gives the target's position alone.

    Returns
    -------
    TargetGuidance
    """
    if track is None or track.state is TrackState.LOST:
        return TargetGuidance(target_mm)
    entry, tip, target = (np.asarray(p) for p in (track.shaft.entry_mm, track.tip.position_mm, target_mm))
    d = np.asarray(track.shaft.distal_mm) - entry
    length = float(np.hypot(d[0], d[1]))
    if length == 0:
        return TargetGuidance(target_mm, distance_mm=math.dist(tip, target_mm))
    u = d / length
    # The normal that points deeper, so that a positive miss is a target below the line.
    normal = np.array([-u[1], u[0]]) * (1.0 if u[0] >= 0 else -1.0)
    return TargetGuidance(
        target_mm,
        distance_mm=math.dist(tip, target_mm),
        along_mm=float(u @ (target - tip)),
        miss_mm=float(normal @ (target - tip)),
        angle_error_deg=insertion_angle_deg(entry, target_mm) - track.shaft.angle_deg,
    )
