"""Tissue and probe motion, and what is new in a picture against a background that moves along with the tissue."""

from usguide.motion.background import Background, BackgroundSettings, Novelty
from usguide.motion.registration import Registration, register_affine

__all__ = ["Background", "BackgroundSettings", "Novelty", "Registration", "register_affine"]
