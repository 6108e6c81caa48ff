"""Needles followed over time."""

from usguide.tracking.belief import BeliefSettings
from usguide.tracking.tracker import NeedleTracker, TrackerSettings

__all__ = ["BeliefSettings", "NeedleTracker", "TrackerSettings"]
