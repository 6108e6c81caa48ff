"""Where the target lies as seen from the needle."""

from __future__ import annotations

import math

import numpy as np

from usguide.geometry import insertion_angle_deg
from usguide.types import NeedleTrack, Target, TargetGuidance, TrackState


def guide_to(target: Target, track: NeedleTrack | None) -> TargetGuidance:
    """Distance and angle from a needle to a target.

    Parameters
    ----------
    target : Target
    track : NeedleTrack or None
        None, or a lost one, gives the target's position alone.

    Returns
    -------
    TargetGuidance
    """
    at_mm, outline = target.position_mm, target.outline_mm
    if track is None or track.state is TrackState.LOST:
        return TargetGuidance(at_mm, outline_mm=outline)
    entry, tip, goal = (np.asarray(p) for p in (track.shaft.entry_mm, track.tip.position_mm, at_mm))
    d = np.asarray(track.shaft.distal_mm) - entry
    length = float(np.hypot(d[0], d[1]))
    if length == 0:
        return TargetGuidance(at_mm, distance_mm=math.dist(tip, goal), outline_mm=outline)
    u = d / length
    # The normal that points deeper, so that a positive miss is a target below the line.
    normal = np.array([-u[1], u[0]]) * (1.0 if u[0] >= 0 else -1.0)
    return TargetGuidance(
        at_mm,
        distance_mm=math.dist(tip, goal),
        along_mm=float(u @ (goal - tip)),
        miss_mm=float(normal @ (goal - tip)),
        angle_error_deg=insertion_angle_deg(entry, goal) - track.shaft.angle_deg,
        outline_mm=outline,
    )
