"""`usguide info`: what a recording holds, what it lacks, and where its image is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from usguide.cli.clicking import click_spacing
from usguide.cli.console import console, silence_opencv
from usguide.cli.memory import (
    RegionOption,
    Remembered,
    forget,
    open_remembered,
    remember,
    the_recording,
    with_suggestion,
)
from usguide.cli.region_picture import draw_region, write_picture
from usguide.errors import InputError
from usguide.io import open_source
from usguide.io.regions import find_in
from usguide.io.source import SourceInfo
from usguide.region import FoundRegion


@dataclass(frozen=True, slots=True)
class InfoOptions:
    """What the command line asked for."""

    spacing_mm: tuple[float, float] | None
    depth_mm: float | None
    region: RegionOption
    frame_rate_hz: float | None
    full_scale: float | None
    as_json: bool
    picture: Path | None = None
    click_mm: float | None = None
    remember: bool = False
    forget: bool = False


def run_info(inputs: list[str], options: InfoOptions) -> None:
    """Print what `SourceInfo` says and what the region looks like; draw it, and keep it, where asked."""
    recording = the_recording(inputs)
    if (options.remember or options.forget) and recording is None:
        raise InputError("--remember and --forget: expected one file as INPUT; folders and cameras are not remembered")
    if options.forget and recording is not None:
        forget(recording)
    silence_opencv()
    spacing = options.spacing_mm
    first, found = None, None
    if not inputs[0].startswith("camera:"):
        with open_source(inputs, spacing_mm=1.0, full_scale=options.full_scale) as source:
            first = next(iter(source), None)
            found = find_in(source)
    if options.click_mm is not None and first is not None:
        spacing = click_spacing(first, options.click_mm)
    with open_remembered(
        inputs,
        spacing_mm=spacing,
        depth_mm=options.depth_mm,
        region=options.region,
        frame_rate_hz=options.frame_rate_hz,
        full_scale=options.full_scale,
        require_spacing=False,
    ) as opened:
        info, notes = with_suggestion(opened.info, found), list(opened.notes)
    facts = describe(info) | describe_found(found, info)
    facts["notes"] = [n for n in notes if not n.startswith("region found")]
    if options.picture is not None and first is not None:
        write_picture(options.picture, draw_region(first, info, found))
        facts["picture"] = str(options.picture)
    if options.remember and recording is not None:
        _remember(recording, info)
        facts["remembered"] = "region and spacing as shown, for this file"
    _print(info.name, facts, as_json=options.as_json)


def _remember(recording: Path, info: SourceInfo) -> None:
    """Keep what was stated or found, not what the file says itself."""
    region = info.region if info.region_source in ("given", "found", "remembered") else None
    own = info.spacing_source.startswith("given") or info.spacing_source == "remembered"
    g = info.geometry if own else None
    spacing = (g.axial_mm_per_px, g.lateral_mm_per_px) if g is not None else None
    if region is None and spacing is None:
        raise InputError(
            "--remember: expected a region or spacing to keep, got none; add --roi auto, --roi X,Y,W,H, --spacing-mm,"
            " --depth-mm or --two-points"
        )
    remember(recording, Remembered(region, spacing))


def _print(name: str, facts: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(facts, indent=2))  # noqa: T201  (what --json is for)
        return
    table = Table(title=name, title_justify="left", show_header=False)
    for key, value in facts.items():
        if key in ("missing", "notes", "region_looks_because"):
            for line in value:
                table.add_row(key.removesuffix("s") if key == "notes" else key, line)
        else:
            table.add_row(key, "unknown" if value is None else str(value))
    console().print(table)


def describe_found(found: FoundRegion | None, info: SourceInfo) -> dict[str, Any]:
    """Return what the region looks like, whatever is taken for it."""
    facts: dict[str, Any] = {
        "region_looks_like_px (x, y, w, h)": list(found.box) if found is not None else None,
        "region_looks_confidence": round(found.confidence, 2) if found is not None else None,
        "region_looks_because": list(found.reasons) if found is not None else [],
    }
    if found is not None and found.fan is not None:
        fan = found.fan
        numbers = [*fan.apex_px, *fan.radius_px]
        facts["fan_px (apex x, y, radius near, far)"] = [round(v, 1) for v in numbers]
        facts["fan_deg (first, last)"] = [round(v, 1) for v in fan.angle_deg]
        if info.geometry is not None and (sector := found.sector(info.geometry)) is not None:
            numbers = [*sector.apex_mm, *sector.radius_mm]
            facts["fan_mm (apex x, z, radius near, far)"] = [round(v, 1) for v in numbers]
    return facts


def describe(info: SourceInfo) -> dict[str, Any]:
    """Return the facts in words and numbers, units in the names."""
    g, shape = info.geometry, info.shape
    duration = info.frame_count / info.frame_rate_hz if info.frame_count and info.frame_rate_hz else None
    box = info.region or ((0, 0, shape[1], shape[0]) if shape else None)
    size_mm = [round(box[3] * g.axial_mm_per_px, 2), round(box[2] * g.lateral_mm_per_px, 2)] if g and box else None
    return {
        "kind": info.kind,
        "frames": info.frame_count,
        "height_px": shape[0] if shape else None,
        "width_px": shape[1] if shape else None,
        "pixels": f"{info.dtype}, {'grey' if info.channels == 1 else f'{info.channels} channels'}"
        if info.dtype
        else None,
        "spacing_mm_per_px (axial, lateral)": [g.axial_mm_per_px, g.lateral_mm_per_px] if g else None,
        "spacing_source": info.spacing_source,
        "region_px (x, y, w, h)": list(info.region) if info.region else None,
        "region_source": info.region_source,
        "region_mm (axial, lateral)": size_mm,
        "frame_rate_hz": round(info.frame_rate_hz, 3) if info.frame_rate_hz else None,
        "duration_s": round(duration, 3) if duration else None,
        "times_source": info.times_source,
        "truth": "yes, rendered" if info.truth is not None else "no",
        "missing": list(info.missing),
    }
