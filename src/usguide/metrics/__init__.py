"""Scores against truth: the same everywhere, and no miss is dropped.

A frame counts when at least 5 mm of shaft is in plane. A hit is `TRACKING` with the tip within 3 mm. Recall is hits
over counted frames. Precision is hits over `TRACKING` frames, needle-free ones included, frames with some but under
5 mm of shaft left out. A miss is infinitely far off, and counts in every mean, percentile and interval.
"""

from usguide.metrics.calibration import Calibration, ReliabilityBin, calibrate, confidence_events
from usguide.metrics.frames import COUNTED_MM, HIT_MM, NeedleFrames, NeedleTruth
from usguide.metrics.injectate import InjectateScores, PooledInjectateScores, pool_injectate, score_injectate
from usguide.metrics.intervals import Estimate, estimate_quantile, estimate_ratio, resample_counts
from usguide.metrics.latency import LatencySummary, score_latency, summarise_latency
from usguide.metrics.masks import MaskErrors, compare_masks, surface_distances_mm
from usguide.metrics.needle import NeedleScores, score_needle
from usguide.metrics.plain import to_plain
from usguide.metrics.pooled import PooledNeedleScores, pool_needle
from usguide.metrics.spread import (
    PooledSpreadScores,
    SpreadScores,
    extent_along_mm,
    pool_spread,
    ring_deg,
    score_spread,
)
from usguide.metrics.summaries import ErrorSummary, quantile, summarise

__all__ = [
    "COUNTED_MM",
    "HIT_MM",
    "Calibration",
    "ErrorSummary",
    "Estimate",
    "InjectateScores",
    "LatencySummary",
    "MaskErrors",
    "NeedleFrames",
    "NeedleScores",
    "NeedleTruth",
    "PooledInjectateScores",
    "PooledNeedleScores",
    "PooledSpreadScores",
    "ReliabilityBin",
    "SpreadScores",
    "calibrate",
    "compare_masks",
    "confidence_events",
    "estimate_quantile",
    "estimate_ratio",
    "extent_along_mm",
    "pool_injectate",
    "pool_needle",
    "pool_spread",
    "quantile",
    "resample_counts",
    "ring_deg",
    "score_injectate",
    "score_latency",
    "score_needle",
    "score_spread",
    "summarise",
    "summarise_latency",
    "surface_distances_mm",
    "to_plain",
]
