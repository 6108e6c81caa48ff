"""`usguide spread`: its options. Nothing heavy is imported here, so that ``--help`` is quick."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from usguide.cli.options import (
    Angle,
    AsJson,
    Depth,
    Entry,
    Inputs,
    KeepOut,
    MaxFrames,
    NoVideo,
    Preset,
    Quiet,
    Rate,
    Roi,
    Scale,
    Spacing,
    TargetAt,
    Threads,
    TwoPoints,
)
from usguide.cli.parsing import (
    one_spacing,
    parse_fluid_seed,
    parse_outlines,
    parse_range,
    parse_region,
    parse_spacing,
    parse_target,
    parse_two_points,
)


def spread(
    inputs: Inputs,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="folder for the results")],
    from_s: Annotated[
        float | None,
        typer.Option(
            "--from",
            metavar="S",
            help="time in s at which the injection begins: the 5 s before it are what fluid is told from",
        ),
    ] = None,
    seed: Annotated[
        str | None,
        typer.Option(
            "--seed",
            metavar="X,Z|click",
            help="where fluid comes out, lateral and axial mm at that time, or clicked; by default at the needle's tip",
        ),
    ] = None,
    spacing: Spacing = None,
    depth_mm: Depth = None,
    two_points: TwoPoints = None,
    roi: Roi = None,
    entry: Entry = None,
    angle: Angle = None,
    preset: Preset = None,
    target: TargetAt = None,
    keep_out: KeepOut = None,
    elevational_width_mm: Annotated[
        float | None,
        typer.Option(
            "--elevational-width-mm",
            metavar="W",
            help="for the volume: what is seen goes on over this width; by default it is a body of revolution",
        ),
    ] = None,
    frame_rate: Rate = None,
    full_scale: Scale = None,
    max_frames: MaxFrames = None,
    threads: Threads = 1,
    no_masks: Annotated[bool, typer.Option("--no-masks", help="write no masks")] = False,
    no_video: NoVideo = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Measure where injected fluid spreads: what track writes, a plot (spread.png) and masks go into DIR.

    Fluid is what has become dark since before the injection, at the needle's tip or at the seed. The recording has to show
    the place before the injection.

    Exit codes: 0 complete, 1 stopped by an error midway (what is valid is kept), 2 bad input, 130 interrupted (kept).
    """
    from usguide.cli.spreading import SpreadAsked  # noqa: PLC0415
    from usguide.cli.track import TrackOptions, run_track  # noqa: PLC0415

    asked = SpreadAsked(
        on=True,
        keep_out=parse_outlines(keep_out, "--keep-out"),
        injection_at_s=from_s,
        masks=not no_masks,
        from_s=from_s,
        seed=parse_fluid_seed(seed),
        elevational_width_mm=elevational_width_mm,
    )
    options = TrackOptions(
        inputs=tuple(inputs),
        out=out,
        spacing_mm=one_spacing(parse_spacing(spacing), parse_two_points(two_points), depth_mm),
        depth_mm=depth_mm,
        region=parse_region(roi),
        entry=entry,
        angle_deg=parse_range(angle, "--angle"),
        lock_angle_deg=None,
        guide=None,
        presets=tuple(preset or ()),
        seed=None,
        seed_at_s=None,
        stills=False,
        target_mm=parse_target(target),
        spread=asked,
        frame_rate_hz=frame_rate,
        full_scale=full_scale,
        max_frames=max_frames,
        threads=threads,
        video=not no_video,
        quiet=quiet,
        as_json=as_json,
    )
    code = run_track(options)
    if code:
        raise typer.Exit(code)
