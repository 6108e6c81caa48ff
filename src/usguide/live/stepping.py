"""From frames and actions to results, without threads and clocks: the engine and a replay do the same here."""

from __future__ import annotations

import logging
from dataclasses import replace

from usguide.errors import InputError, InvalidFrameError
from usguide.live.actions import Action
from usguide.pipeline import GuidancePipeline
from usguide.stream import without_needle
from usguide.types import Frame, GuidanceResult, InputState, TrackState

logger = logging.getLogger("usguide.live")

STALE_WORDS = "the input stopped arriving"


class Stepper:
    """Holds a pipeline and what its last result said.

    Parameters
    ----------
    pipeline : GuidancePipeline

    Attributes
    ----------
    failures : int
        Steps in a row, up to the last one, that ended in an error which only a bug explains.
    failure : Exception or None
        The last such error.
    """

    def __init__(self, pipeline: GuidancePipeline) -> None:
        self._pipeline = pipeline
        self._state = TrackState.SEARCHING
        self.failures = 0
        self.failure: Exception | None = None

    def apply(self, action: Action) -> str | None:
        """Apply what the operator asked for; return why not, where the pipeline refuses it."""
        try:
            action.apply(self._pipeline)
        except InputError as error:
            logger.warning("%s", error)
            return str(error)
        return None

    def step(self, frame: Frame, events: tuple[str, ...] = ()) -> GuidanceResult:
        """Process a frame; one that can't be used, and an error in a stage, give a result that says so.

        After an error that only a bug explains, the pipeline's state is not to be trusted: it is reset.

        Parameters
        ----------
        frame : Frame
        events : tuple of str
            What happened to the stream before it.
        """
        try:
            result = self._pipeline.step(frame)
            self.failures = 0
        except InvalidFrameError as error:
            return self.invalid(frame.index, frame.timestamp_s, str(error), events)
        except Exception as error:
            logger.exception("frame %d: an error in the pipeline; it is reset", frame.index)
            self.failures, self.failure = self.failures + 1, error
            self._pipeline.reset()
            reason = f"error in the pipeline, which was reset: {type(error).__name__}: {error}"
            return self.invalid(frame.index, frame.timestamp_s, " ".join(reason.split()), events)
        self._state = result.state
        return replace(result, events=(*events, *result.events)) if events else result

    def invalid(self, index: int, timestamp_s: float, reason: str, events: tuple[str, ...] = ()) -> GuidanceResult:
        """Return the result of a frame that can't be used."""
        return self._without(index, timestamp_s, InputState.INVALID, reason, events)

    def stale(self, index: int, timestamp_s: float, events: tuple[str, ...] = ()) -> GuidanceResult:
        """Return the result of a stream that has stopped, after frame `index`."""
        return self._without(index, timestamp_s, InputState.STALE, STALE_WORDS, events)

    def _without(
        self, index: int, timestamp_s: float, state: InputState, reason: str, events: tuple[str, ...]
    ) -> GuidanceResult:
        result = without_needle(index, timestamp_s, self._state, state, reason)
        self._state = result.state
        return replace(result, events=(*events, reason))
