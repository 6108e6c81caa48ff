"""The whole way from a frame to a result: `GuidancePipeline`."""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from usguide._validation import validate_number, validate_point
from usguide.detection import Evidence, HoughShaftDetector, confidence_of, ridge_evidence
from usguide.errors import InputError, InvalidFrameError
from usguide.filters import despeckle
from usguide.geometry import Point
from usguide.grid import WorkingImage, to_working_grid
from usguide.guidance import guide_to
from usguide.motion import Background
from usguide.settings import PipelineSettings
from usguide.stages import Despeckler, Segmenter, ShaftDetector, Tracker
from usguide.stream import StreamMonitor
from usguide.tracking import NeedleTracker
from usguide.types import (
    Detection,
    Frame,
    GuidanceResult,
    InputState,
    InsertionPrior,
    NeedleTrack,
    Shaft,
    Tip,
    TrackState,
)


class GuidancePipeline:
    """A frame in, a `GuidanceResult` out. Causal: a result rests on this frame and those before it.

    Parameters
    ----------
    prior : InsertionPrior, optional
        What is known of the needle; the settings' own when None.
    settings : PipelineSettings, optional
    despeckler, detector, tracker, segmenter : optional
        Stages of your own (see `usguide.stages`). Without a segmenter no injectate is reported.
    """

    def __init__(
        self,
        prior: InsertionPrior | None = None,
        settings: PipelineSettings | None = None,
        *,
        despeckler: Despeckler | None = None,
        detector: ShaftDetector | None = None,
        tracker: Tracker | None = None,
        segmenter: Segmenter | None = None,
    ) -> None:
        self.settings = settings or PipelineSettings()
        self.prior = prior or self.settings.prior
        self._despeckler = despeckler or self._own_despeckler
        self._detector = detector or HoughShaftDetector(self.settings.detection.detector)
        self._tracker = tracker or NeedleTracker(self.settings.tracker)
        self._segmenter = segmenter
        self._background = Background(self.settings.background)
        self._monitor = StreamMonitor(self.settings.stream.frozen_after_s)
        self._target_mm: Point | None = None
        self._pending_events: list[str] = []
        self._last: GuidanceResult | None = None

    def _own_despeckler(self, image: NDArray[np.float32], /) -> NDArray[np.float32]:
        s = self.settings.detection
        return despeckle(image, method=s.despeckle_method, **s.despeckle_options)

    def set_target(self, target_mm: ArrayLike | None) -> None:
        """Set the (lateral, axial) point to guide to, in mm; None removes it."""
        self._target_mm = None if target_mm is None else validate_point(target_mm, name="target_mm")

    def seed(self, *, entry_mm: ArrayLike, tip_mm: ArrayLike) -> None:
        """Start a track from a shaft that someone pointed out (a click, a needle guide, a robot)."""
        if not isinstance(self._tracker, NeedleTracker):
            raise InputError("seed: expected usguide's own tracker, got another; start the track in that one")
        entry, tip = validate_point(entry_mm, name="entry_mm"), validate_point(tip_mm, name="tip_mm")
        if entry == tip:
            raise InputError("seed: expected two different points, got the same one twice")
        strong = self.settings.tracker.confirm_score_mm
        detection = Detection(Shaft(entry, tip, strong), Tip(tip, ((0.25, 0.0), (0.0, 0.25)), confidence_of(strong)))
        self._tracker.seed(detection, self._last.timestamp_s if self._last else 0.0)
        self._pending_events.append("track seeded by hand")

    def mark_injection(self, time_s: float) -> None:
        """Note in the results when the plunger moved."""
        validate_number(time_s, name="time_s")
        self._pending_events.append(f"injection marked at {time_s:g} s")

    def reset(self) -> None:
        """Forget needle, fluid and stream; keep settings, prior and target."""
        self._tracker.reset()
        self._monitor.reset()
        self._background.reset()
        if self._segmenter is not None:
            self._segmenter.reset()
        self._pending_events.clear()
        self._last = None

    def step(self, frame: Frame) -> GuidanceResult:
        """Process the next frame of a stream.

        Raises
        ------
        InvalidFrameError
            The frame can't be used; the pipeline's state is as before.
        """
        clock = _StageClock()
        image = self._grid(frame)
        clock.lap("grid")
        report = self._monitor.look(frame, image)
        events = (*self._take_events(), *report.events)
        if report.repeat and report.input_state is InputState.OK and self._last is not None:
            result = self._repeated(frame, clock, events)
        else:
            frozen = report.input_state is InputState.FROZEN
            if frozen:
                tracks = self._tracker.update([], frame.timestamp_s)
            else:
                evidence = self._evidence(image, clock, moving=True)
                tracks = self._tracker.update(self._detect(evidence, clock), frame.timestamp_s)
                needle = _needle_band(tracks, image)
                self._background.learn(evidence.despeckled, image.valid, frame.timestamp_s, needle)
            clock.lap("track")
            track = tracks[0] if tracks else None
            injectate = self._segmenter.update(frame, track) if self._segmenter is not None else None
            if self._segmenter is not None:
                clock.lap("injectate")
            result = GuidanceResult(
                index=frame.index,
                timestamp_s=frame.timestamp_s,
                state=track.state if track else TrackState.SEARCHING,
                input_state=report.input_state,
                tracks=tracks,
                injectate=injectate,
                target=guide_to(self._target_mm, track) if self._target_mm else None,
                latency_ms=clock.stop(),
                events=events,
            )
        self._last = result
        return result

    def step_still(self, frame: Frame) -> GuidanceResult:
        """Process a picture on its own: no memory of other frames is used or left.

        Returns
        -------
        GuidanceResult
            `TRACKING` with one track a candidate where the best is convincing, else `SEARCHING`.

        Raises
        ------
        InvalidFrameError
            The picture can't be used.
        """
        clock = _StageClock()
        image = self._grid(frame)
        clock.lap("grid")
        found = self._detect(self._evidence(image, clock, moving=False), clock)
        strong = [d for d in found if d.shaft.score >= self.settings.tracker.confirm_score_mm]
        tracks = tuple(_still_track(k + 1, d) for k, d in enumerate(strong))
        track = tracks[0] if tracks else None
        return GuidanceResult(
            index=frame.index,
            timestamp_s=frame.timestamp_s,
            state=TrackState.TRACKING if track else TrackState.SEARCHING,
            input_state=InputState.OK,
            tracks=tracks,
            target=guide_to(self._target_mm, track) if self._target_mm else None,
            latency_ms=clock.stop(),
            events=self._take_events(),
        )

    def _grid(self, frame: Frame) -> WorkingImage:
        if frame.status != "OK":
            raise InvalidFrameError(f"frame {frame.index}: the source marks it {frame.status}; it is left out")
        return to_working_grid(frame, self.settings.detection.working_mm_per_px)

    def _evidence(self, image: WorkingImage, clock: _StageClock, *, moving: bool) -> Evidence:
        settings = self.settings.detection.ridge
        smooth = self._despeckler(image.grey)
        clock.lap("despeckle")
        ridge, novelty = ridge_evidence(image, smooth, settings), None
        clock.lap("ridge")
        if moving:
            novelty = ridge_evidence(image, self._background.novelty(smooth, image.valid), settings)
            clock.lap("novelty")
        return Evidence(image, smooth, ridge, novelty)

    def _detect(self, evidence: Evidence, clock: _StageClock) -> list[Detection]:
        found = list(self._detector.detect(evidence, self.prior))
        clock.lap("detect")
        return found

    def _repeated(self, frame: Frame, clock: _StageClock, events: tuple[str, ...]) -> GuidanceResult:
        """Give the last result again, older by the time that passed: a repeat is no new evidence."""
        last = self._last
        if last is None:
            raise AssertionError("a repeat has something before it")
        passed = max(0.0, frame.timestamp_s - last.timestamp_s)
        tracks = tuple(
            replace(t, age_s=t.age_s + passed, time_since_seen_s=t.time_since_seen_s + passed)
            for t in last.tracks
            if t.state is not TrackState.LOST
        )
        track = tracks[0] if tracks else None
        return replace(
            last,
            index=frame.index,
            timestamp_s=max(frame.timestamp_s, last.timestamp_s),
            state=track.state if track else TrackState.SEARCHING,
            tracks=tracks,
            target=guide_to(self._target_mm, track) if self._target_mm else None,
            latency_ms=clock.stop(),
            events=events,
        )

    def _take_events(self) -> tuple[str, ...]:
        events = tuple(self._pending_events)
        self._pending_events.clear()
        return events


NEEDLE_BAND_MM = 3.0
"""Width of the band around a needle that the background does not learn from; it also reaches so far beyond the tip."""


def _needle_band(tracks: tuple[NeedleTrack, ...], image: WorkingImage) -> NDArray[np.bool_] | None:
    """Where needles are, or may be in the next frames, on the working grid."""
    if not tracks:
        return None
    band = np.zeros(image.grey.shape, np.uint8)
    width = max(1, round(NEEDLE_BAND_MM / image.geometry.axial_mm_per_px))
    for t in tracks:
        entry, tip = np.asarray(t.shaft.entry_mm), np.asarray(t.tip.position_mm)
        beyond = tip + (tip - entry) * (NEEDLE_BAND_MM / max(1e-6, float(np.hypot(*(tip - entry)))))
        (x0, y0), (x1, y1) = np.rint(image.geometry.to_px([entry, beyond])).astype(int).tolist()
        cv2.line(band, (x0, y0), (x1, y1), 1, width)
    return np.asarray(band, dtype=bool)


class _StageClock:
    """Time of each stage of one step, in ms."""

    def __init__(self) -> None:
        self._start = self._last = perf_counter()
        self._laps: dict[str, float] = {}

    def lap(self, stage: str) -> None:
        now = perf_counter()
        self._laps[stage] = 1e3 * (now - self._last)
        self._last = now

    def stop(self) -> dict[str, float]:
        return {"total": 1e3 * (perf_counter() - self._start), **self._laps}


def _still_track(track_id: int, d: Detection) -> NeedleTrack:
    return NeedleTrack(track_id, TrackState.TRACKING, d.shaft, d.tip, 0.0, d.tip.confidence, 1.0, 0.0, 0.0)
