"""Tissue and probe motion, and what is new in a picture against a background that moves along with the tissue."""

from usguide.motion.background import Background, BackgroundSettings, Novelty
from usguide.motion.recent import LAGS_S, RecentFrames
from usguide.motion.registration import Registration, register_affine

__all__ = [
    "LAGS_S",
    "Background",
    "BackgroundSettings",
    "Novelty",
    "RecentFrames",
    "Registration",
    "register_affine",
]
