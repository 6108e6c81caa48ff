"""The loop of `usguide track`."""

from __future__ import annotations

import math

from usguide.cli.console import FrameCounter
from usguide.cli.interrupt import StopRequest
from usguide.cli.seeding import Seeding
from usguide.cli.spreading import FluidSeeding
from usguide.errors import InvalidFrameError
from usguide.io import Source
from usguide.io.sinks import RunSummary, Sink
from usguide.pipeline import GuidancePipeline
from usguide.stream import without_needle
from usguide.types import InputState, TrackState

GIVE_UP_AFTER = 100
"""So many bad frames before the first good one mean that the input or its spacing is wrong."""


def run_frames(
    source: Source,
    pipeline: GuidancePipeline,
    summary: RunSummary,
    sinks: list[Sink],
    progress: FrameCounter,
    stop: StopRequest,
    *,
    stills: bool = False,
    max_frames: int | None = None,
    seeding: Seeding | FluidSeeding | None = None,
    first_s: float = -math.inf,
) -> None:
    """Take every frame from `first_s` on to a result and every result to the sinks, until the end or a wish to stop.

    A frame that the pipeline refuses gets a result that says so, and the run goes on.
    """
    state = TrackState.SEARCHING
    last_shape = None
    for frame in source:
        if frame.timestamp_s < first_s:
            if stop.asked:
                return
            continue
        if seeding is not None:
            seeding.look(frame, pipeline)
        try:
            result = pipeline.step_still(frame) if stills else pipeline.step(frame)
        except InvalidFrameError as error:
            summary.first_reason = summary.first_reason or str(error)
            result = without_needle(frame.index, frame.timestamp_s, state, InputState.INVALID, str(error))
        if stills and last_shape not in (None, frame.shape):
            summary.event(frame.index, f"size (H, W) px changed: {last_shape} -> {frame.shape}")
        last_shape, state = frame.shape, result.state
        for sink in reversed(sinks):  # the summary last: it counts what the files hold
            sink.write(frame, result)
        progress.advance()
        summary.stopped_early = summary.frames == max_frames
        hopeless = summary.frames == summary.bad_frames == GIVE_UP_AFTER
        if stop.asked or summary.stopped_early or hopeless:
            return
