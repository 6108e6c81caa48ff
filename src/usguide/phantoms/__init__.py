"""Rendered recordings with exact truth."""

from usguide.phantoms.anatomy import Background, anatomy_scene, picture_box
from usguide.phantoms.calibrate import brightness_for_visibility
from usguide.phantoms.gauge import gauge_to_mm
from usguide.phantoms.render import Phantom, render_phantom
from usguide.phantoms.scene import (
    INJECTATE_KINDS,
    STRUCTURES,
    HandScene,
    InjectateScene,
    NeedleScene,
    PhantomScene,
    ScannerScene,
)
from usguide.phantoms.shipped import SHIPPED, list_shipped, save_phantom, shipped_path
from usguide.phantoms.truth import PhantomTruth
from usguide.phantoms.visibility import needle_visibility_db

__all__ = [
    "INJECTATE_KINDS",
    "SHIPPED",
    "STRUCTURES",
    "Background",
    "HandScene",
    "InjectateScene",
    "NeedleScene",
    "Phantom",
    "PhantomScene",
    "PhantomTruth",
    "ScannerScene",
    "anatomy_scene",
    "brightness_for_visibility",
    "gauge_to_mm",
    "list_shipped",
    "needle_visibility_db",
    "picture_box",
    "render_phantom",
    "save_phantom",
    "shipped_path",
]
