"""The phantoms that ship with usguide, and how a phantom is written to a file."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from usguide._shipped import shipped_folder
from usguide.errors import InputError
from usguide.phantoms.render import Phantom
from usguide.phantoms.scene import PhantomScene

FORMAT_VERSION = 2
SHIPPED: dict[str, tuple[PhantomScene, int]] = {"inplane-fascia": (PhantomScene(), 7)}
"""Name to (scene, seed); `scripts/make_phantoms.py` renders them."""


def list_shipped() -> tuple[str, ...]:
    """Names that `shipped_path` knows."""
    return tuple(SHIPPED)


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
    geometry = phantom.geometry
    meta = json.dumps(
        {
            "format": FORMAT_VERSION,
            "seed": seed,
            "scene": asdict(scene),
            "background": phantom.background,
            "split": phantom.split,
        }
    )
    arrays: dict[str, Any] = {
        "frames": phantom.frames,
        "spacing_mm": np.array([geometry.axial_mm_per_px, geometry.lateral_mm_per_px]),
        "origin_mm": np.array(geometry.origin_mm),
        "timestamps_s": phantom.timestamps_s,
        "meta": np.array(meta),
        **phantom.truth.to_npz_dict(),
    }
    if phantom.region is not None:
        arrays["region"] = np.array(phantom.region)
    if geometry.sector is not None:
        s = geometry.sector
        arrays["sector"] = np.array([*s.apex_mm, *s.radius_mm, *s.angle_deg])
    try:
        np.savez_compressed(temporary, **arrays)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
