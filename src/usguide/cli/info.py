"""`usguide info`: what a recording holds, and what it lacks."""

from __future__ import annotations

import json
from typing import Any

from rich.table import Table

from usguide.cli.console import console
from usguide.io import open_source
from usguide.io.source import SourceInfo


def run_info(
    inputs: list[str],
    *,
    spacing_mm: tuple[float, float] | None,
    depth_mm: float | None,
    region: tuple[int, int, int, int] | None,
    frame_rate_hz: float | None,
    full_scale: float | None,
    as_json: bool,
) -> None:
    """Print what `SourceInfo` says."""
    with open_source(
        inputs,
        spacing_mm=spacing_mm,
        depth_mm=depth_mm,
        region=region,
        frame_rate_hz=frame_rate_hz,
        full_scale=full_scale,
        require_spacing=False,
    ) as source:
        facts = describe(source.info) | {"notes": list(source.notes)}
    if as_json:
        print(json.dumps(facts, indent=2))  # noqa: T201  (what --json is for)
        return
    table = Table(title=source.info.name, title_justify="left", show_header=False)
    for name, value in facts.items():
        if name in ("missing", "notes"):
            for line in value:
                table.add_row(name, line)
        else:
            table.add_row(name, "unknown" if value is None else str(value))
    console().print(table)


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
