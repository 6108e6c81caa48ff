"""A recording through the pipeline again: the same frames, the same actions at the same frames, the same numbers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from usguide.detection import LineDetector
from usguide.errors import FormatError
from usguide.guide_line import GuideLine, OnGuideLine
from usguide.live.actions import Action
from usguide.live.recording import RecordedFrames, journal_lines
from usguide.live.stepping import Stepper
from usguide.pipeline import GuidancePipeline
from usguide.settings import PipelineSettings
from usguide.types import Frame, GuidanceResult


def replay_recording(
    folder: str | Path, pipeline: GuidancePipeline | None = None
) -> Iterator[tuple[Frame | None, GuidanceResult]]:
    """Process what a live run processed, as it did, without its clock.

    Parameters
    ----------
    folder : path
        That `usguide live --record` (or a `Recorder`) wrote.
    pipeline : GuidancePipeline, optional
        New; by default one with the recording's own settings, prior and guide line. A run with stages of your own needs
        them here.

    Yields
    ------
    frame : Frame or None
        None where the run had no picture (`STALE`, or one that could not be made).
    result : GuidanceResult
        As in the run's `results.jsonl`, latency aside.

    Raises
    ------
    FormatError
        No recording, or a damaged one.
    """
    path = Path(folder)
    frames = RecordedFrames(path)
    stepper: Stepper | None = None
    waiting: dict[int, dict[str, Any]] = {}
    try:
        for line in journal_lines(path):
            kind = line["kind"]
            if stepper is None:
                stepper = Stepper(pipeline or _pipeline(line))
            elif kind == "segment":
                frames.add(line)
            elif kind == "frame":
                waiting[line["index"]] = line
            elif kind == "action":
                stepper.apply(Action(line["action"], line["arguments"]))
            elif kind == "step":
                frame = frames.frame(waiting[line["index"]])
                waiting = {k: v for k, v in waiting.items() if k > line["index"]}
                yield frame, stepper.step(frame, tuple(line["events"]))
            elif kind == "invalid":
                events = tuple(line["events"])
                yield None, stepper.invalid(line["index"], line["timestamp_s"], line["reason"], events)
            elif kind == "stale":
                yield None, stepper.stale(line["index"], line["timestamp_s"], tuple(line["events"]))
    except (KeyError, IndexError, TypeError) as error:
        raise FormatError(f"{path.name}: the recording is damaged: {type(error).__name__}: {error}") from error


def _pipeline(start: dict[str, Any]) -> GuidancePipeline:
    settings, guide = PipelineSettings.from_toml(start["settings"]), start.get("guide")
    if guide is None:
        return GuidancePipeline(settings=settings)
    detector = LineDetector(settings.detection.detector)
    return GuidancePipeline(settings=settings, detector=OnGuideLine(detector, GuideLine(**guide)))
