"""Needle candidates in one frame: shafts and their tips."""

from usguide.detection.detector import (
    DetectionSettings,
    DetectorSettings,
    Evidence,
    HoughShaftDetector,
    RidgeSettings,
    confidence_of,
    detect_shafts,
    gather_evidence,
    ridge_evidence,
)

__all__ = [
    "DetectionSettings",
    "DetectorSettings",
    "Evidence",
    "HoughShaftDetector",
    "RidgeSettings",
    "confidence_of",
    "detect_shafts",
    "gather_evidence",
    "ridge_evidence",
]
