"""`usguide track`: frames through the pipeline into the results folder."""

from __future__ import annotations

import json
import signal
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from usguide._threads import set_opencv_threads
from usguide._warmup import warmup
from usguide.cli.console import frame_progress, print_report
from usguide.errors import FormatError, InputError, InvalidFrameError, UsguideError
from usguide.io import Source, open_source
from usguide.io.sinks import CsvSink, JsonlSink, OverlayPictures, OverlayVideo, RunFolder, RunSummary, Sink
from usguide.io.source import ASSUMED_RATE_HZ
from usguide.pipeline import GuidancePipeline
from usguide.settings import PipelineSettings
from usguide.types import EntrySide, Frame, GuidanceResult, InputState, InsertionPrior, TrackState

GIVE_UP_AFTER = 100
"""So many bad frames before the first good one mean that the input or its spacing is wrong."""

INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class TrackOptions:
    """What the command line asked for."""

    inputs: tuple[str, ...]
    out: Path
    spacing_mm: tuple[float, float] | None
    depth_mm: float | None
    region: tuple[int, int, int, int] | None
    entry: EntrySide | None
    angle_deg: tuple[float, float] | None
    preset: str | None
    stills: bool
    target_mm: tuple[float, ...] | None
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
    settings = PipelineSettings.load(options.preset) if options.preset else PipelineSettings()
    prior = _prior(options, settings)
    set_opencv_threads(options.threads)
    warmup()
    with open_source(
        list(options.inputs),
        spacing_mm=options.spacing_mm,
        depth_mm=options.depth_mm,
        region=options.region,
        frame_rate_hz=options.frame_rate_hz,
        full_scale=options.full_scale,
        stills=options.stills,
    ) as source:
        pipeline = GuidancePipeline(prior, settings)
        pipeline.set_target(options.target_mm)
        summary = RunSummary(source, settings, prior, threads=options.threads)
        folder = RunFolder(options.out)
        ended = _process(source, pipeline, summary, folder, options)
        if summary.frames == summary.bad_frames:
            folder.discard()
            if ended == "interrupted":
                return INTERRUPTED
            reason = source.notes[0] if source.notes else summary.first_reason or ended
            raise FormatError(f"{source.info.name}: no frame could be used: {reason}")
        report = summary.save(folder.work / "summary.json", ended=ended)
        paths = folder.publish()
    if options.as_json:
        print(json.dumps(report, indent=2))  # noqa: T201  (what --json is for)
    elif not options.quiet:
        print_report(report, paths)
    if ended not in ("complete", "interrupted"):
        Console(stderr=True).print(f"usguide: error: {ended}; the results up to there are kept", highlight=False)
    return {"complete": 0, "interrupted": INTERRUPTED}.get(ended, 1)


def _prior(options: TrackOptions, settings: PipelineSettings) -> InsertionPrior:
    changes: dict[str, Any] = {}
    if options.entry is not None:
        changes["entry_side"] = options.entry
    if options.angle_deg is not None:
        changes["angle_deg"] = options.angle_deg
    return replace(settings.prior, **changes)


def _process(
    source: Source, pipeline: GuidancePipeline, summary: RunSummary, folder: RunFolder, options: TrackOptions
) -> str:
    """Run the frames; return how it ended. Files in the folder are valid afterwards, whatever happened."""
    handler = signal.getsignal(signal.SIGINT)
    with ExitStack() as stack:
        try:
            sinks: list[Sink] = [summary, *_file_sinks(source, folder, options)]
            for sink in sinks:
                stack.callback(sink.close)
            progress = stack.enter_context(
                frame_progress(_total(source, options), quiet=options.quiet or options.as_json)
            )
            _run_frames(source, pipeline, summary, sinks, options, progress)
        except KeyboardInterrupt:
            return "interrupted"
        except (UsguideError, OSError) as error:
            if summary.frames == 0 and isinstance(error, InputError):
                folder.discard()
                raise
            return " ".join(str(error).split())
        finally:
            # A second Ctrl-C must not cut short what makes the files valid.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            stack.callback(signal.signal, signal.SIGINT, handler)
    return "complete"


def _run_frames(
    source: Source,
    pipeline: GuidancePipeline,
    summary: RunSummary,
    sinks: list[Sink],
    options: TrackOptions,
    progress: Any,
) -> None:
    state = TrackState.SEARCHING
    last_shape = None
    for frame in source:
        if options.max_frames is not None and summary.frames >= options.max_frames:
            return
        try:
            result = pipeline.step_still(frame) if options.stills else pipeline.step(frame)
        except InvalidFrameError as error:
            summary.bad_frames += 1
            summary.first_reason = summary.first_reason or str(error)
            if summary.frames == summary.bad_frames - 1 and summary.bad_frames >= GIVE_UP_AFTER:
                raise
            result = _invalid(frame, state, str(error))
        if options.stills and last_shape not in (None, frame.shape):
            summary.event(frame.index, f"size (H, W) px changed: {last_shape} -> {frame.shape}")
        last_shape, state = frame.shape, result.state
        for sink in sinks:
            sink.write(frame, result)
        progress.advance()


def _invalid(frame: Frame, state: TrackState, reason: str) -> GuidanceResult:
    return GuidanceResult(frame.index, frame.timestamp_s, state, InputState.INVALID, events=(reason,))


def _file_sinks(source: Source, folder: RunFolder, options: TrackOptions) -> list[Sink]:
    sinks: list[Sink] = [JsonlSink(folder.work / "results.jsonl"), CsvSink(folder.work / "results.csv")]
    if options.video:
        rate = source.info.frame_rate_hz or (1.0 if options.stills else ASSUMED_RATE_HZ)
        sinks.append(OverlayVideo(folder.work / "overlay.mp4", rate))
        if options.stills:
            names = [Path(p).stem for p in getattr(source, "paths", ())]
            sinks.append(OverlayPictures(folder.work / "overlays", names))
    return sinks


def _total(source: Source, options: TrackOptions) -> int | None:
    counts = [n for n in (source.info.frame_count, options.max_frames) if n is not None]
    return min(counts) if counts else None
