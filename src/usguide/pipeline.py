"""The whole way from a frame to a result: `GuidancePipeline`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from time import perf_counter

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from usguide._validation import validate_number, validate_outline, validate_point
from usguide.detection import Evidence, LineDetector, despeckled_as_set, gather, to_evidence_grid
from usguide.detection.schedule import SearchSchedule
from usguide.errors import InputError, InvalidFrameError
from usguide.geometry import ImageGeometry
from usguide.grid import WorkingImage, to_working_grid
from usguide.guidance import guide_to
from usguide.injectate import InjectateSegmenter, SharedFrame
from usguide.motion import Background, Novelty, RecentFrames
from usguide.settings import PipelineSettings
from usguide.stages import AttentiveSegmenter, Despeckler, Segmenter, ShaftDetector, Tracker
from usguide.stream import StreamMonitor
from usguide.tracking import NeedleTracker
from usguide.types import (
    Detection,
    Frame,
    GuidanceResult,
    InputState,
    InsertionPrior,
    NeedleTrack,
    Outline,
    Shaft,
    Target,
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
        Stages of your own (see `usguide.stages`). Injectate is reported with a segmenter of your own, or where
        ``settings.injectate.on`` says so.
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
        self._detector = detector or LineDetector(self.settings.detection.detector)
        self._tracker = tracker or NeedleTracker(self.settings.tracker)
        self._segmenter = segmenter or self._own_segmenter()
        self._background = Background(self.settings.background)
        self._recent = RecentFrames()
        self._monitor = StreamMonitor(self.settings.stream.frozen_after_s)
        self._target: Target | None = None
        self._keep_out_mm: Mapping[str, Outline] = {}
        self._pending_events: list[str] = []
        self._last: GuidanceResult | None = None
        self._schedule = SearchSchedule(self.settings.detection.look_every_s)

    def _own_despeckler(self, image: NDArray[np.float32], /) -> NDArray[np.float32]:
        return despeckled_as_set(image, self.settings.detection)

    def _own_segmenter(self) -> InjectateSegmenter | None:
        return InjectateSegmenter(self.settings.injectate) if self.settings.injectate.on else None

    def set_target(
        self,
        target_mm: ArrayLike | None = None,
        *,
        radius_mm: float | None = None,
        outline_mm: ArrayLike | None = None,
    ) -> None:
        """Set what to guide to and to measure the spread around; without arguments it is removed.

        Parameters
        ----------
        target_mm : (float, float), optional
            (lateral, axial); by default the centre of the outline.
        radius_mm : float, optional
            Of a round target.
        outline_mm : array_like, shape (n, 2), optional
            Closed outline of a target that is not round.

        Raises
        ------
        InputError
            What is no point, radius or outline; a radius without a point, or both radius and outline.
        """
        self._target = Target.of(target_mm, radius_mm=radius_mm, outline_mm=outline_mm)
        if isinstance(self._segmenter, AttentiveSegmenter):
            self._segmenter.set_target(self._target)

    def set_keep_out(self, keep_out_mm: Mapping[str, ArrayLike]) -> None:
        """Set outlines, by name, that injectate must not reach: results show them and warn of fluid within.

        Parameters
        ----------
        keep_out_mm : mapping of str to array_like, shape (n, 2)
            Closed outlines, in place of those of before. A surface, such as the pleura, is closed along the picture's lower
            edge.

        Raises
        ------
        InputError
            An outline that encloses no area.
        """
        self._keep_out_mm = {str(name): validate_outline(o, name=f"keep-out {name}") for name, o in keep_out_mm.items()}
        if isinstance(self._segmenter, AttentiveSegmenter):
            self._segmenter.set_keep_out(self._keep_out_mm)

    def seed(self, *, entry_mm: ArrayLike, tip_mm: ArrayLike) -> None:
        """Start a track from a shaft that someone pointed out (a click, a needle guide, a robot)."""
        if not isinstance(self._tracker, NeedleTracker):
            raise InputError("seed: expected usguide's own tracker, got another; start the track in that one")
        entry, tip = validate_point(entry_mm, name="entry_mm"), validate_point(tip_mm, name="tip_mm")
        if entry == tip:
            raise InputError("seed: expected two different points, got the same one twice")
        self._tracker.seed(Detection(Shaft(entry, tip, SEED_LOG_ODDS), Tip(tip, ((0.25, 0.0), (0.0, 0.25)), 0.9)))
        self._pending_events.append("track seeded by hand")

    def seed_injectate(self, point_mm: ArrayLike) -> None:
        """Say where fluid comes out, (lateral, axial) in mm: for a needle that is not seen, or a recording without one.

        Raises
        ------
        InputError
            No point, or no segmenter that takes one.
        """
        point = validate_point(point_mm, name="point_mm")
        if not isinstance(self._segmenter, AttentiveSegmenter):
            raise InputError(
                "seed_injectate: expected a segmenter that takes a seed, got none; set settings.injectate.on"
            )
        self._segmenter.seed(point)
        self._pending_events.append(f"injectate seeded by hand at {point[0]:g}, {point[1]:g} mm")

    def mark_injection(self, time_s: float) -> None:
        """Note when the plunger moved, in the frames' time: spread that does not follow is warned of."""
        validate_number(time_s, name="time_s")
        if isinstance(self._segmenter, AttentiveSegmenter):
            self._segmenter.mark_injection(time_s)
        self._pending_events.append(f"injection marked at {time_s:g} s")

    def reset(self) -> None:
        """Forget needle, fluid and stream; keep settings, prior, target and what is to be kept out of."""
        self._tracker.reset()
        self._monitor.reset()
        self._background.reset()
        self._recent.reset()
        if self._segmenter is not None:
            self._segmenter.reset()
        self._pending_events.clear()
        self._last = None
        self._schedule.reset()

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
        if report.moved:
            # What is known in px lies elsewhere now; the tracks are in mm.
            self._background.reset()
            self._recent.reset()
        if report.repeat and report.input_state is InputState.OK and self._last is not None:
            result = self._repeated(frame, clock, events)
        else:
            frozen = report.input_state is InputState.FROZEN
            if frozen:
                tracks = self._tracker.update([], frame.timestamp_s)
            else:
                evidence, novelty = self._evidence(image, clock, frame.timestamp_s)
                tracked = self._last is not None and self._last.state is TrackState.TRACKING
                planned = self._schedule.plan(evidence, frame.timestamp_s, tracked=tracked)
                found = self._detect(planned, self._expected(), clock)
                tracks = self._tracker.update(found, frame.timestamp_s)
                suspected = self._suspected()
                needle = needle_band(suspected, evidence.geometry, evidence.valid.shape)
                self._background.learn(evidence.smooth, evidence.valid, frame.timestamp_s, needle)
                shared = SharedFrame(image, evidence.smooth, evidence.valid, evidence.geometry, novelty, suspected)
            clock.lap("track")
            track = tracks[0] if tracks else None
            injectate = self._last.injectate if frozen and self._last is not None else None
            if self._segmenter is not None and not frozen:
                # A frozen picture shows nothing of the spread, and is no time in which it was watched.
                if isinstance(self._segmenter, InjectateSegmenter):
                    injectate = self._segmenter.update(frame, track, shared)
                else:
                    injectate = self._segmenter.update(frame, track)
                clock.lap("injectate")
            result = GuidanceResult(
                index=frame.index,
                timestamp_s=frame.timestamp_s,
                state=track.state if track else TrackState.SEARCHING,
                input_state=report.input_state,
                tracks=tracks,
                injectate=injectate,
                target=guide_to(self._target, track) if self._target else None,
                latency_ms=clock.stop(),
                events=events,
                keep_out_mm=self._keep_out_mm,
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
        found = self._detect(self._evidence(image, clock)[0], (), clock)
        tracks = tuple(_still_track(k + 1, d) for k, d in enumerate(found))
        track = tracks[0] if tracks else None
        strong = track is not None and track.confidence >= self.settings.detection.still_confidence
        return GuidanceResult(
            index=frame.index,
            timestamp_s=frame.timestamp_s,
            state=TrackState.TRACKING if strong else TrackState.SEARCHING,
            input_state=InputState.OK,
            tracks=tracks,
            target=guide_to(self._target, track) if self._target else None,
            latency_ms=clock.stop(),
            events=self._take_events(),
            keep_out_mm=self._keep_out_mm,
        )

    def _grid(self, frame: Frame) -> WorkingImage:
        if frame.status != "OK":
            raise InvalidFrameError(f"frame {frame.index}: the source marks it {frame.status}; it is left out")
        return to_working_grid(frame, self.settings.detection.working_mm_per_px)

    def _evidence(
        self, image: WorkingImage, clock: _StageClock, timestamp_s: float | None = None
    ) -> tuple[Evidence, Novelty | None]:
        """Gather what a frame of a stream shows; without a time it is a picture on its own."""
        settings = self.settings.detection.evidence
        despeckled = self._despeckler(image.grey)
        clock.lap("despeckle")
        grid = to_evidence_grid(image, despeckled, settings)
        clock.lap("smooth")
        novelty = since = None
        if timestamp_s is not None:
            smooth, valid, geometry = grid
            novelty = self._background.novelty(smooth, valid, needle_band(self._suspected(), geometry, valid.shape))
            since = self._recent.changes(smooth, valid, timestamp_s, novelty)
            clock.lap("motion")
        evidence = gather(image, despeckled, grid, settings, novelty, since)
        clock.lap("evidence")
        return evidence, novelty

    def _detect(self, evidence: Evidence, expected: Sequence[Shaft], clock: _StageClock) -> Sequence[Detection]:
        found = self._detector.detect(evidence, self.prior, expected)
        clock.lap("detect")
        return found

    def _expected(self) -> tuple[Shaft, ...]:
        return self._tracker.expected() if isinstance(self._tracker, NeedleTracker) else ()

    def _suspected(self) -> tuple[Shaft, ...]:
        return self._tracker.suspected() if isinstance(self._tracker, NeedleTracker) else ()

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
            target=guide_to(self._target, track) if self._target else None,
            latency_ms=clock.stop(),
            events=events,
            keep_out_mm=self._keep_out_mm,
        )

    def _take_events(self) -> tuple[str, ...]:
        events = tuple(self._pending_events)
        self._pending_events.clear()
        return events


SEED_LOG_ODDS = 3.0
NEEDLE_BAND_MM = 3.0
"""Width of the band around a needle that the background does not learn from; it also reaches so far beyond the tip."""


def needle_band(shafts: tuple[Shaft, ...], geometry: ImageGeometry, shape: tuple[int, int]) -> NDArray[np.bool_] | None:
    """Where needles are, or may be in the next frames, on a grid; None without any.

    Parameters
    ----------
    shafts : tuple of Shaft
    geometry : ImageGeometry
        Of the grid.
    shape : (int, int)
        Of the grid.
    """
    if not shafts:
        return None
    band = np.zeros(shape, np.uint8)
    width = max(1, round(NEEDLE_BAND_MM / geometry.axial_mm_per_px))
    for shaft in shafts:
        entry, tip = np.asarray(shaft.entry_mm), np.asarray(shaft.distal_mm)
        beyond = (tip - entry) * (NEEDLE_BAND_MM / max(1e-6, float(np.hypot(*(tip - entry)))))
        # A bend leaves the chord by its sagitta, which the band's width holds.
        (x0, y0), (x1, y1) = np.rint(geometry.to_px([entry - beyond, tip + beyond])).astype(int).tolist()
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
