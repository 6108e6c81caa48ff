"""The phantoms that ship with usguide, and how a phantom is written to a file."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from usguide.errors import InputError
from usguide.phantoms.render import Phantom
from usguide.phantoms.scene import PhantomScene

SHIPPED: dict[str, tuple[PhantomScene, int]] = {"inplane-fascia": (PhantomScene(), 7)}
"""Name to (scene, seed); `scripts/make_phantoms.py` renders them."""


def shipped_folder() -> Path:
    """Folder of the shipped phantoms: in the installed package, or at the top of the source tree."""
    package = Path(__file__).parents[1]
    installed = package / "data" / "phantoms"
    return installed if installed.is_dir() else package.parents[1] / "data" / "phantoms"


def shipped_path(name: str) -> Path:
    """Return the file of a shipped phantom.

    Raises
    ------
    InputError
        There is none of that name.
    """
    path = shipped_folder() / f"{name}.npz"
    if name not in SHIPPED or not path.is_file():
        raise InputError(f"phantom: expected one of {', '.join(SHIPPED)}, got {name!r}")
    return path


def save_phantom(path: Path, phantom: Phantom, scene: PhantomScene, seed: int) -> None:
    """Write a phantom as `.npz` (format: data/phantoms/README.md), under a temporary name until it is complete."""
    temporary = path.with_name(f".{path.stem}.part.npz")
    meta = json.dumps({"format": 1, "seed": seed, "scene": asdict(scene)})
    arrays: dict[str, Any] = {
        "frames": phantom.frames,
        "spacing_mm": np.array([phantom.geometry.axial_mm_per_px, phantom.geometry.lateral_mm_per_px]),
        "timestamps_s": phantom.timestamps_s,
        "meta": np.array(meta),
        **phantom.truth.to_npz(),
    }
    np.savez_compressed(temporary, **arrays)
    temporary.replace(path)
