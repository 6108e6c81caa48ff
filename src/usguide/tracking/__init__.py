"""Needles followed over time."""

from usguide.tracking.kalman import TipFilterSettings
from usguide.tracking.tracker import NeedleTracker, TrackerSettings

__all__ = ["NeedleTracker", "TipFilterSettings", "TrackerSettings"]
