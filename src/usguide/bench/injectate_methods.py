"""What the injectate suite scores: ours with its own needle, ours with the true tip, and baselines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from usguide.bench.injectate_baselines import BASELINES, Baseline, Scene, Scenes
from usguide.bench.loading import Truth
from usguide.bench.sequences import Sequence
from usguide.geometry import Point
from usguide.injectate import InjectateSegmenter
from usguide.phantoms import PhantomTruth
from usguide.pipeline import GuidancePipeline
from usguide.settings import PipelineSettings
from usguide.types import (
    Frame,
    GuidanceResult,
    Injectate,
    InputState,
    NeedleTrack,
    Shaft,
    Target,
    Tip,
    TrackState,
)

OURS, GIVEN_TIP = "usguide", "usguide, true tip"


def with_injectate() -> PipelineSettings:
    """Return the default settings with injectate on."""
    settings = PipelineSettings()
    return replace(settings, injectate=replace(settings.injectate, on=True))


class Method(Protocol):
    """One method on one sequence, new for each."""

    def step(self, frame: Frame) -> GuidanceResult:
        """Process the next frame."""
        ...


MethodFactory = Callable[[Sequence, Truth], Method]


class _Marks:
    """Tells of a marked injection once: with the first frame that is not before it."""

    def __init__(self, marked_s: float | None, tell: Callable[[float], None]) -> None:
        self._marked_s, self._tell = marked_s, tell

    def look(self, time_s: float) -> None:
        if self._marked_s is not None and time_s >= self._marked_s:
            self._tell(self._marked_s)
            self._marked_s = None


def target_outline_mm(truth: Truth, row: int) -> NDArray[np.float64] | None:
    """Return the target's outline in a frame, where there is one: every method of ours is told where it is."""
    outlines = truth.target_outline_mm if isinstance(truth, PhantomTruth) else None
    return None if outlines is None or not np.isfinite(outlines[row]).all() else outlines[row]


class _Ours:
    """The pipeline as it is used: it finds the needle itself."""

    def __init__(self, sequence: Sequence, truth: Truth) -> None:
        self._pipeline = GuidancePipeline(sequence.prior, settings=with_injectate())
        self._marks = _Marks(sequence.marked_s, self._pipeline.mark_injection)
        self._truth = truth

    def step(self, frame: Frame) -> GuidanceResult:
        self._marks.look(frame.timestamp_s)
        outline = target_outline_mm(self._truth, frame.index)
        if outline is not None:
            self._pipeline.set_target(outline_mm=outline)
        return self._pipeline.step(frame)


class _GivenTip:
    """The segmenter alone with the true needle; without a needle it watches the middle of the picture."""

    def __init__(self, sequence: Sequence, truth: Truth) -> None:
        self._segmenter = InjectateSegmenter()
        self._marks = _Marks(sequence.marked_s, self._segmenter.mark_injection)
        self._truth, self._needle = truth, sequence.tags.get("needle") == "yes"
        self._clicked = False

    def step(self, frame: Frame) -> GuidanceResult:
        self._marks.look(frame.timestamp_s)
        if not self._needle and not self._clicked:
            self._segmenter.seed(_middle_mm(frame))
            self._clicked = True
        outline = target_outline_mm(self._truth, frame.index)
        if outline is not None:
            self._segmenter.set_target(Target.of(None, outline_mm=outline))
        track = true_track(self._truth, frame.index)
        return _result(frame, self._segmenter.update(frame, track), track)


def _middle_mm(frame: Frame) -> Point:
    x, y, w, h = frame.region or (0, 0, frame.shape[1], frame.shape[0])
    point = frame.geometry.to_mm((x + 0.5 * (w - 1), y + 0.5 * (h - 1)))
    return float(point[0]), float(point[1])


def true_track(truth: Truth, row: int) -> NeedleTrack | None:
    """Return the needle as it was rendered; None where none of it is in the plane."""
    if not isinstance(truth, PhantomTruth) or not truth.visible_mm[row] > 0:
        return None
    ends: list[Point] = [(float(p[row, 0]), float(p[row, 1])) for p in (truth.entry_mm, truth.distal_mm)]
    tip = Tip(ends[1], ((0.01, 0.0), (0.0, 0.01)), 1.0)
    share = float(truth.in_plane_fraction[row])
    return NeedleTrack(1, TrackState.TRACKING, Shaft(ends[0], ends[1], 10.0), tip, 0.0, 1.0, share, 1.0, 0.0)


def _result(frame: Frame, fluid: Injectate | None, track: NeedleTrack | None) -> GuidanceResult:
    state = TrackState.SEARCHING if track is None else track.state
    return GuidanceResult(
        frame.index, frame.timestamp_s, state, InputState.OK, () if track is None else (track,), injectate=fluid
    )


class _Compared:
    """A baseline, from the true onset on: no fluid before it, and each frame by itself after it."""

    def __init__(self, baseline: Baseline, truth: Truth) -> None:
        if not isinstance(truth, PhantomTruth):
            raise AssertionError("a baseline is given the true onset, which a recording does not tell")  # noqa: TRY004
        self._baseline, self._scenes = baseline, Scenes(truth)

    def step(self, frame: Frame) -> GuidanceResult:
        scene = self._scenes.next(frame)
        return _result(
            frame, None if scene is None else _fluid(scene, self._baseline(scene), self._scenes.onset_s), None
        )


def _fluid(scene: Scene, mask: NDArray[np.bool_], onset_s: float) -> Injectate:
    area = float(mask.sum()) * scene.geometry.axial_mm_per_px * scene.geometry.lateral_mm_per_px
    return Injectate((), mask, scene.geometry, (), area, None, None, onset_s, None, 1.0)


def ours(sequence: Sequence, truth: Truth) -> Method:
    """Make the pipeline, with its own needle."""
    return _Ours(sequence, truth)


def given_tip(sequence: Sequence, truth: Truth) -> Method:
    """Make our segmenter, with the true needle."""
    return _GivenTip(sequence, truth)


def grey_threshold(sequence: Sequence, truth: Truth) -> Method:  # noqa: ARG001
    """Make the first baseline."""
    return _Compared(BASELINES["grey threshold"], truth)


def chan_vese(sequence: Sequence, truth: Truth) -> Method:  # noqa: ARG001
    """Make the second baseline."""
    return _Compared(BASELINES["Chan-Vese"], truth)


def grab_cut(sequence: Sequence, truth: Truth) -> Method:  # noqa: ARG001
    """Make the third baseline."""
    return _Compared(BASELINES["GrabCut"], truth)


METHODS: Mapping[str, MethodFactory] = {OURS: ours, GIVEN_TIP: given_tip}
COMPARED: Mapping[str, MethodFactory] = {"grey threshold": grey_threshold, "Chan-Vese": chan_vese, "GrabCut": grab_cut}
"""Scored where there is fluid."""
