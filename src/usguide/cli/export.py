"""`usguide export`: results for labelling tools and 3D Slicer."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from usguide.cli.console import console
from usguide.errors import FormatError, InputError
from usguide.io.exports import coco, markups, mot, read_records

NAMES = {"coco": "coco.json", "mot": "mot.txt", "markups": "needle.mrk.json"}


def run_export(folder: Path, formats: list[str], out: Path | None, *, quiet: bool) -> None:
    """Write the results in `folder` in each of the formats, beside them or into `out`."""
    if unknown := [f for f in formats if f not in NAMES]:
        raise InputError(f"--format: expected one of {', '.join(NAMES)}, got {unknown[0]}")
    records = read_records(folder / "results.jsonl")
    name, shape = _recording(folder / "summary.json")
    text: dict[str, Callable[[], str]] = {
        "coco": lambda: json.dumps(coco(records, shape, name)),
        "mot": lambda: mot(records, shape),
        "markups": lambda: json.dumps(markups(records, name), indent=1),
    }
    target = out or folder
    try:
        target.mkdir(parents=True, exist_ok=True)
        for wanted in formats:
            path = target / NAMES[wanted]
            part = path.with_name(f".{path.name}.part")
            try:
                part.write_text(text[wanted](), encoding="utf-8")
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)
            if not quiet:
                console().print(str(path), soft_wrap=True)
    except OSError as error:
        raise FormatError(f"{target}: exports can't be written there: {error.strerror or error}") from None


def _recording(summary: Path) -> tuple[str, tuple[int, int]]:
    """Name of the recording, and (H, W) of its frames."""
    try:
        facts: dict[str, Any] = json.loads(summary.read_text(encoding="utf-8"))["input"]
        height, width = facts["shape_px"]
        return str(facts["name"]), (int(height), int(width))
    except (OSError, ValueError, KeyError, TypeError):
        raise FormatError(
            f"{summary}: expected the summary of a run, which holds the frames' size, got none; run 'usguide track' again"
        ) from None
