"""Needle candidates in one frame: shafts and their tips."""

from usguide.detection.detector import (
    DetectionSettings,
    DetectorSettings,
    LineDetector,
    despeckled_as_set,
    detect_shafts,
    gather_evidence,
)
from usguide.detection.evidence import Evidence, EvidenceSettings, LineMaps, gather, to_evidence_grid
from usguide.detection.search import SearchSettings

__all__ = [
    "DetectionSettings",
    "DetectorSettings",
    "Evidence",
    "EvidenceSettings",
    "LineDetector",
    "LineMaps",
    "SearchSettings",
    "despeckled_as_set",
    "detect_shafts",
    "gather",
    "gather_evidence",
    "to_evidence_grid",
]
