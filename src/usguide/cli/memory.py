"""Region and spacing of a recording, kept for the next time beside the user's settings."""

from __future__ import annotations

import hashlib
import os
import sys
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from usguide._validation import validate_positive
from usguide.errors import InputError, UsguideError
from usguide.io import Source, open_source
from usguide.io.regions import find_in, in_words, is_whole
from usguide.io.source import BaseSource, SourceInfo
from usguide.region import FoundRegion

RegionOption = tuple[int, int, int, int] | Literal["auto"] | None
HASHED_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Remembered:
    """What was stated of a recording, or found and agreed to."""

    region: tuple[int, int, int, int] | None = None
    spacing_mm: tuple[float, float] | None = None
    """(axial, lateral)."""


def config_folder() -> Path:
    """Return the user's folder for usguide's settings: USGUIDE_CONFIG_DIR, or where the system keeps such files."""
    if stated := os.environ.get("USGUIDE_CONFIG_DIR"):
        return Path(stated)
    if sys.platform == "win32":
        base = Path(os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return base / "usguide"


def memory_file(recording: Path) -> Path:
    """Return where a recording's region and spacing are kept.

    The name is a hash of the file's name, size and first 64 KiB: a file that changed is another one, and no name of a
    patient gets into the folder.
    """
    with recording.open("rb") as stream:
        start = stream.read(HASHED_BYTES)
    head = f"{recording.name}\0{recording.stat().st_size}\0".encode("utf-8", "surrogateescape")
    return config_folder() / "recordings" / f"{hashlib.sha256(head + start).hexdigest()[:32]}.toml"


def remember(recording: Path, known: Remembered) -> Path:
    """Keep region and spacing for the next time; return the file they are in."""
    target = memory_file(recording)
    lines = [
        "# Region (x, y, width, height, px) and spacing (axial, lateral, mm per px) of a recording; see usguide info."
    ]
    if known.region is not None:
        lines.append(f"region = {[int(v) for v in known.region]}")
    if known.spacing_mm is not None:
        lines.append(f"spacing_mm = {[float(v) for v in known.spacing_mm]}")
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(f".{os.getpid()}.part")
    try:
        part.write_text("\n".join(lines) + "\n", encoding="utf-8")
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return target


def recall(recording: Path) -> tuple[Remembered | None, str | None]:
    """Return what is kept of a recording, and a note where it can't be used."""
    try:
        target = memory_file(recording)
        text = target.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None, None
    except (OSError, UnicodeDecodeError):
        return None, "what was remembered of this recording can't be read and is ignored; --forget removes it"
    try:
        data = tomllib.loads(text)
        region, spacing = data.get("region"), data.get("spacing_mm")
        return Remembered(
            None if region is None else _box(region),
            None if spacing is None else (_number(spacing, 0), _number(spacing, 1)),
        ), None
    except (tomllib.TOMLDecodeError, UsguideError, TypeError, ValueError, IndexError, KeyError):
        return (
            None,
            f"what was remembered of this recording is damaged and is ignored ({target.name}); --forget removes it",
        )


def forget(recording: Path) -> bool:
    """Remove what is kept of a recording; tell whether there was something."""
    target = memory_file(recording)
    there = target.exists()
    target.unlink(missing_ok=True)
    return there


def the_recording(inputs: list[str]) -> Path | None:
    """Return the one file that is opened, which is what memory is kept for."""
    path = Path(inputs[0]) if len(inputs) == 1 else None
    return path if path is not None and path.is_file() else None


def open_remembered(
    inputs: list[str],
    *,
    region: RegionOption = None,
    spacing_mm: tuple[float, float] | None = None,
    depth_mm: float | None = None,
    **options: Any,
) -> Source:
    """Open as `usguide.open_source` does, with the region and spacing that were remembered where none is stated."""
    recording = the_recording(inputs)
    known, note = recall(recording) if recording is not None else (None, None)
    old_region = known.region if known is not None and region is None else None
    old_spacing = known.spacing_mm if known is not None and spacing_mm is None and depth_mm is None else None
    source = open_source(
        inputs, region=region or old_region, spacing_mm=spacing_mm or old_spacing, depth_mm=depth_mm, **options
    )
    if isinstance(source, BaseSource):
        if note is not None:
            source.note(note)
        if old_region is not None:
            source.info = replace(source.info, region_source="remembered")
        if old_spacing is not None:
            source.info = replace(source.info, spacing_source="remembered")
    return source


def suggest_region(source: Source, inputs: list[str], *, full_scale: float | None, stills: bool) -> None:
    """Say what the region looks like where it is the whole frame; it is not used unless it is asked for."""
    info = source.info
    if (
        info.kind in ("camera", "callback")
        or not is_whole(info.region, info.shape)
        or not isinstance(source, BaseSource)
    ):
        return
    with open_source(inputs, spacing_mm=1.0, full_scale=full_scale, stills=stills) as again:
        found = find_in(again, stills=stills)
    source.info = with_suggestion(info, found)
    for line in source.info.missing:
        if line not in info.missing:
            source.note(line)


def with_suggestion(info: SourceInfo, found: FoundRegion | None) -> SourceInfo:
    """Say among what is missing what the region looks like, where that is more than a guess and less than the frame."""
    if not is_whole(info.region, info.shape) or found is None or not found.trusted or is_whole(found.box, info.shape):
        return info
    line = f"region: looks like {in_words(found)}; use --roi auto"
    return replace(info, missing=(*(m for m in info.missing if not m.startswith("region:")), line))


def _box(values: Any) -> tuple[int, int, int, int]:
    x, y, w, h = values
    if not all(type(v) is int for v in (x, y, w, h)) or min(x, y) < 0 or min(w, h) < 1:
        raise InputError(f"region: expected x, y, width, height in px, got {values!r}")
    return x, y, w, h


def _number(values: Any, place: int) -> float:
    if len(values) != 2:
        raise InputError(f"spacing_mm: expected two numbers, got {values!r}")
    return validate_positive(values[place], name="spacing_mm")
