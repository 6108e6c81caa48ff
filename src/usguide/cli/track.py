"""`usguide track`: frames through the pipeline into the results folder."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path

from usguide._threads import set_opencv_threads
from usguide._warmup import warmup
from usguide.cli import INTERRUPTED
from usguide.cli.console import frame_progress, print_report, silence_opencv
from usguide.cli.frames import run_frames
from usguide.cli.interrupt import StopRequest
from usguide.cli.memory import RegionOption, open_remembered, suggest_region
from usguide.cli.needle import pipeline_for
from usguide.cli.seeding import Seeding, SeedOption
from usguide.cli.spreading import FluidSeeding, OutlineOption, SpreadAsked, tell_pipeline
from usguide.errors import FormatError, InputError, UsguideError
from usguide.io import Source
from usguide.io.pictures import natural_key
from usguide.io.sinks import (
    CsvSink,
    JsonlSink,
    MaskFiles,
    OverlayPictures,
    OverlayVideo,
    RunFolder,
    RunSummary,
    Sink,
    SpreadPlot,
)
from usguide.io.sinks.folder import FILES, PICTURES
from usguide.io.sinks.spread import PLOT
from usguide.io.source import ASSUMED_RATE_HZ
from usguide.pipeline import GuidancePipeline
from usguide.types import EntrySide


@dataclass(frozen=True, slots=True)
class TrackOptions:
    """What the command line asked for."""

    inputs: tuple[str, ...]
    out: Path
    spacing_mm: tuple[float, float] | None
    depth_mm: float | None
    region: RegionOption
    entry: EntrySide | None
    angle_deg: tuple[float, float] | None
    lock_angle_deg: float | None
    guide: tuple[float, ...] | None
    presets: tuple[str, ...] | None
    seed: SeedOption | None
    seed_at_s: float | None
    stills: bool
    target_mm: OutlineOption | None
    spread: SpreadAsked | None
    frame_rate_hz: float | None
    full_scale: float | None
    max_frames: int | None
    threads: int
    video: bool
    quiet: bool
    as_json: bool


def run_track(options: TrackOptions) -> int:
    """Run, write, report; return the exit code.

    Raises
    ------
    UsguideError
        The input or an option is wrong, and nothing was written.
    """
    spread = options.spread or SpreadAsked()
    pipeline = pipeline_for(
        injectate=spread.on,
        elevational_width_mm=spread.elevational_width_mm,
        presets=options.presets or (),
        entry=options.entry,
        angle_deg=options.angle_deg,
        lock_angle_deg=options.lock_angle_deg,
        guide=options.guide,
    )
    tell_pipeline(pipeline, spread, options.target_mm)
    seeding = _seeding(options)
    _check_inputs_survive(options)
    set_opencv_threads(options.threads)
    silence_opencv()
    # A shell lists frame10 before frame2; pictures of one recording are put in natural order.
    inputs = list(options.inputs) if options.stills else sorted(options.inputs, key=lambda p: natural_key(Path(p)))
    with open_remembered(
        inputs,
        spacing_mm=options.spacing_mm,
        depth_mm=options.depth_mm,
        region=options.region,
        frame_rate_hz=options.frame_rate_hz,
        full_scale=options.full_scale,
        stills=options.stills,
    ) as source:
        if options.region is None:
            suggest_region(source, inputs, full_scale=options.full_scale, stills=options.stills)
        if seeding is not None:
            seeding.check(source.info)
        warmup(injectate=spread.on)  # after all that can be wrong: a mistake is told at once
        with StopRequest() as stop:
            return _run_and_report(source, pipeline, options, seeding, stop)


def _run_and_report(
    source: Source,
    pipeline: GuidancePipeline,
    options: TrackOptions,
    seeding: Seeding | FluidSeeding | None,
    stop: StopRequest,
) -> int:
    summary = RunSummary(source, pipeline.settings, pipeline.prior, threads=options.threads)
    folder = RunFolder(options.out)
    try:
        ended, bug = _process(source, pipeline, summary, folder.work, options, seeding, stop)
        if summary.frames == summary.bad_frames:
            folder.discard()
            return _nothing(source, summary, ended, bug)
    except BaseException:
        folder.discard()
        raise
    try:
        report = summary.save(folder.work / "summary.json", ended=ended)
    except OSError as error:
        ended = ended if ended not in ("complete", "interrupted") else _reason(error)
        report = summary.to_dict(ended=ended)
    paths = folder.publish()
    if options.as_json:
        print(json.dumps(report, indent=2))  # noqa: T201  (what --json is for)
    elif not options.quiet:
        print_report(report, paths)
    if bug is not None:
        raise bug
    if ended not in ("complete", "interrupted"):
        sys.stderr.write(f"usguide: error: {ended}; the results of the {summary.frames} frames up to there are kept\n")
    return {"complete": 0, "interrupted": INTERRUPTED}.get(ended, 1)


def _nothing(source: Source, summary: RunSummary, ended: str, bug: Exception | None) -> int:
    """Say why not one frame could be used."""
    if bug is not None:
        raise bug
    if ended == "interrupted":
        return INTERRUPTED
    reason = source.notes[0] if source.notes else summary.first_reason or ended
    raise FormatError(f"{source.info.name}: no frame could be used: {reason}")


def _check_inputs_survive(options: TrackOptions) -> None:
    results = {(options.out / name).resolve() for name in FILES}
    for name in options.inputs:
        if Path(name).resolve() in results:
            raise InputError(f"--out: {name} would be overwritten by this run's own; choose another folder")


def _seeding(options: TrackOptions) -> Seeding | FluidSeeding | None:
    if options.spread is not None and options.spread.seed is not None:
        return FluidSeeding(options.spread)
    if options.seed is None:
        if options.seed_at_s is not None:
            raise InputError("--seed-at-s: expected --seed with it, got none; add --seed EX,EZ:TX,TZ or --seed click")
        return None
    if options.stills:
        raise InputError("--seed: expected a recording, got --stills; unrelated pictures share no track")
    return Seeding(options.seed, options.seed_at_s)


def _process(
    source: Source,
    pipeline: GuidancePipeline,
    summary: RunSummary,
    work: Path,
    options: TrackOptions,
    seeding: Seeding | FluidSeeding | None,
    stop: StopRequest,
) -> tuple[str, Exception | None]:
    """Run the frames; return how it ended, and an error that only a bug explains. The files are valid afterwards."""
    ended, bug = "complete", None
    sinks: list[Sink] = [summary]
    try:
        _open_sinks(sinks, source, work, options, summary)
        with frame_progress(_total(source, options), quiet=options.quiet or options.as_json) as progress:
            run_frames(
                source,
                pipeline,
                summary,
                sinks,
                progress,
                stop,
                stills=options.stills,
                max_frames=options.max_frames,
                seeding=seeding,
                first_s=options.spread.first_s if options.spread is not None else -math.inf,
            )
        if seeding is not None and not seeding.done:
            summary.event(summary.frames - 1, "the seed's time is after the last frame: nothing was seeded")
        if stop.asked:
            ended = "interrupted"
    except KeyboardInterrupt:
        ended = "interrupted"
    except (UsguideError, OSError, MemoryError) as error:
        ended = _reason(error)
    except Exception as error:  # noqa: BLE001  (raised again once the results are safe)
        ended, bug = f"{type(error).__name__}: {_reason(error)}", error
    stop.ignore()
    for sink in sinks:
        try:
            sink.close()
        except (UsguideError, OSError) as error:
            ended = _reason(error) if ended in ("complete", "interrupted") else ended
    return ended, bug


def _reason(error: BaseException) -> str:
    """One line without paths: it goes into the summary too."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(str(text).split()) or type(error).__name__


def _open_sinks(sinks: list[Sink], source: Source, work: Path, options: TrackOptions, summary: RunSummary) -> None:
    """Add one sink after the other, so that those which are open get closed whatever happens."""
    sinks.append(JsonlSink(work / "results.jsonl"))
    sinks.append(CsvSink(work / "results.csv"))
    if options.spread is not None and options.spread.on and not options.stills:
        sinks.append(SpreadPlot(work / PLOT, source.info.name))
        if options.spread.masks:
            sinks.append(MaskFiles(work))
    if options.video:
        video = OverlayVideo(
            work / "overlay.mp4", source.info.frame_rate_hz or (1.0 if options.stills else ASSUMED_RATE_HZ)
        )
        summary.overlay_rate_hz = video.rate_hz
        sinks.append(video)
        if options.stills:
            sinks.append(OverlayPictures(work / PICTURES, [Path(p).stem for p in getattr(source, "paths", ())]))


def _total(source: Source, options: TrackOptions) -> int | None:
    counts = [n for n in (source.info.frame_count, options.max_frames) if n is not None]
    return min(counts) if counts else None
