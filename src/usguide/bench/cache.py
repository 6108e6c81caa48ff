"""Rendered sequences on disk: found again by their scene, seed, and the code and libraries that render them."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from dataclasses import asdict, replace
from functools import cache
from importlib.metadata import version
from pathlib import Path

import usguide
from usguide.bench.anatomy_suite import background_of
from usguide.bench.sequences import Rendered, Sequence
from usguide.errors import FormatError, InputError
from usguide.phantoms import Background, PhantomScene, brightness_for_visibility, render_phantom, save_phantom

CACHE_DIR_VARIABLE = "USGUIDE_CACHE_DIR"
RENDERERS = ("numpy", "scipy", "opencv-python")


def cache_folder() -> Path:
    """Return the folder of rendered suites: `USGUIDE_CACHE_DIR`, else the platform's place for caches."""
    if named := os.environ.get(CACHE_DIR_VARIABLE):
        return Path(named).expanduser() / "bench"
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "usguide" / "bench"


@cache
def code_hash(root: Path | None = None) -> str:
    """Hash the renderer's source files and the versions of what it computes with.

    Parameters
    ----------
    root : Path, optional
        Folder of the package `usguide`.
    """
    package = root or Path(usguide.__file__).parent
    digest = hashlib.sha256(json.dumps([version(name) for name in RENDERERS]).encode())
    for path in sorted([*(package / "phantoms").glob("*.py"), package / "geometry.py", package / "intensity.py"]):
        # Line ends are no code: a checkout on Windows renders the same.
        digest.update(path.name.encode() + path.read_bytes().replace(b"\r\n", b"\n"))
    return digest.hexdigest()


def cache_key(content: Rendered, code: str | None = None) -> str:
    """Return 24 hexadecimal digits that change with the scene, the seed, the still, the clip and the code."""
    digest = hashlib.sha256((code or code_hash()).encode())
    settings = [asdict(content.scene), content.seed, content.still_spacing_mm, content.visibility_db]
    if content.clip is not None:
        settings.append(asdict(content.clip))
    digest.update(json.dumps(settings, sort_keys=True).encode())
    if content.still is not None:
        series = sorted(content.still.iterdir()) if content.still.is_dir() else [content.still]
        for path in series:
            digest.update(path.read_bytes())
    return digest.hexdigest()[:24]


def rendered_file(sequence: Sequence, folder: Path) -> Path:
    """Return the `.npz` file of a rendered sequence; render it if it is not in `folder` yet.

    Raises
    ------
    InputError
        The sequence is a recording.
    FormatError
        The folder can't be written.
    """
    content = sequence.content
    if not isinstance(content, Rendered):
        raise InputError(f"{sequence.name}: expected a sequence that is rendered, got a recording")
    path = folder / f"{sequence.name}-{cache_key(content)}.npz"
    if path.exists():
        return path
    background = None if content.still is None else background_of(content.still, sequence.split, content.clip)
    scene = _as_visible_as_wanted(content, background)
    phantom = render_phantom(scene, seed=content.seed, background=background)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_phantom(path, phantom, scene, content.seed)
    except OSError as error:
        raise FormatError(
            f"{folder}: expected a folder that can be written, got: {error.strerror or error}; set {CACHE_DIR_VARIABLE}"
        ) from None
    return path


def _as_visible_as_wanted(content: Rendered, background: Background | None) -> PhantomScene:
    """Return the scene with its needle as bright as the wanted visibility takes, or its own where that can't be reached."""
    scene = content.scene
    if scene.needle is None or content.visibility_db is None:
        return scene
    try:
        brightness = brightness_for_visibility(scene, content.visibility_db, content.seed, background)
    except InputError:
        return scene
    return replace(scene, needle=replace(scene.needle, brightness=brightness))
