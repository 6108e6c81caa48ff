"""Rendered recordings with exact truth."""

from usguide.phantoms.render import Phantom, render_phantom
from usguide.phantoms.scene import InjectateScene, NeedleScene, PhantomScene
from usguide.phantoms.shipped import SHIPPED, save_phantom, shipped_path
from usguide.phantoms.truth import PhantomTruth

__all__ = [
    "SHIPPED",
    "InjectateScene",
    "NeedleScene",
    "Phantom",
    "PhantomScene",
    "PhantomTruth",
    "render_phantom",
    "save_phantom",
    "shipped_path",
]
