"""Presets that travel with the package: a TOML file each, to use by name or to copy and edit."""

from __future__ import annotations

from pathlib import Path

from usguide.errors import InputError

DEFAULT = "default"
"""The name of the settings as they are without a preset."""


def preset_names() -> tuple[str, ...]:
    """Names that `usguide.PipelineSettings.load` knows, in alphabetical order after ``default``."""
    return (DEFAULT, *sorted(p.stem for p in Path(__file__).parent.glob("*.toml")))


def preset_text(name: str) -> str:
    """Return a shipped preset's file: comments that say why, and the settings that differ from the defaults.

    Raises
    ------
    InputError
        There is no such preset.
    """
    names = preset_names()
    if name not in names:
        raise InputError(f"preset: expected one of {', '.join(names)}, got {name!r}")
    if name == DEFAULT:
        return "# Default: what holds wherever a preset or a file names nothing else.\n"
    return (Path(__file__).parent / f"{name}.toml").read_text(encoding="utf-8")


def preset_summary(name: str) -> str:
    """Return the first line of a preset's head comment."""
    return preset_text(name).partition("\n")[0].removeprefix("# ")
