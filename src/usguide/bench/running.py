"""One sequence through all detectors: what comes of it, small enough to be sent between processes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from usguide.bench.detectors import GuideFactory
from usguide.bench.hardness import count_distractors
from usguide.bench.loading import Truth, open_sequence
from usguide.bench.pictures import picture_of
from usguide.bench.sequences import Recorded, Sequence
from usguide.bench.stills import StillScore, score_stills
from usguide.bench.tool import ToolScores, score_tool
from usguide.metrics import (
    InjectateScores,
    NeedleScores,
    confidence_events,
    score_injectate,
    score_needle,
)
from usguide.phantoms import PhantomTruth
from usguide.types import Frame, GuidanceResult, TrackState

VISIBILITY_DB = ((12.0, "easy"), (6.0, "normal"), (2.0, "faint"), (-math.inf, "below faint"))
Fault = Literal["false alarm", "wrong tip", "miss"]


@dataclass(frozen=True, slots=True, eq=False)
class DetectorOutcome:
    """What one detector made of one sequence."""

    needle: NeedleScores
    injectate: InjectateScores | None
    """None where the detector reports no injectate, or the truth holds none."""
    confidence: NDArray[np.float64]
    event: NDArray[np.bool_]
    latency_ms: Mapping[str, NDArray[np.float64]]
    bad_frames: int
    stills: tuple[StillScore, ...] = ()
    """Of a sequence of unrelated pictures."""
    likeliest: NeedleScores | None = None
    """Of unrelated pictures: each one's likeliest candidate, whether or not it was convincing."""
    tool: ToolScores | None = None
    """Where what moves is no needle."""


@dataclass(frozen=True, slots=True)
class WorstFrame:
    """The frame of a sequence in which our result is furthest off."""

    sequence: str
    index: int
    fault: Fault
    size: float
    """How bad: error in mm; for a false alarm its confidence, for a miss how well the needle is seen, in dB."""
    jpeg: bytes


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What came of one sequence."""

    name: str
    suite: str
    tags: Mapping[str, str]
    frames: int
    visibility_db: float | None
    """Median over counted frames, measured."""
    angle_deg: float | None
    """True insertion angle, median over counted frames."""
    distractors: int
    """Lines that could be taken for the needle; median over five frames."""
    detectors: Mapping[str, DetectorOutcome]
    worst: WorstFrame | None


def run_sequence(sequence: Sequence, factories: Mapping[str, GuideFactory], folder: Path) -> Outcome:
    """Run every detector over a sequence and score it.

    Parameters
    ----------
    sequence : Sequence
    factories : mapping of str to GuideFactory
        By name; the first is ours.
    folder : Path
        Cache of rendered sequences.

    Returns
    -------
    Outcome
    """
    with open_sequence(sequence, folder) as (source, truth):
        frames = list(source)
    still = sequence.content.stills
    results = {name: _run(make, sequence, frames, still=still) for name, make in factories.items()}
    scored = {name: _score(sequence, truth, found, frames) for name, found in results.items()}
    ours = next(iter(results))
    visibility = _visibility_db(truth, scored[ours].needle)
    tags = dict(sequence.tags)
    if visibility is not None:
        tags["visibility"] = next(word for limit, word in VISIBILITY_DB if visibility >= limit)
    return Outcome(
        name=sequence.name,
        suite=sequence.suite,
        tags=tags,
        frames=len(frames),
        visibility_db=visibility,
        angle_deg=_median_of_counted(truth.angle_deg, scored[ours].needle),
        distractors=_distractors(truth, frames),
        detectors=scored,
        worst=_worst(sequence.name, truth, frames, results, scored[ours].needle),
    )


def _run(make: GuideFactory, sequence: Sequence, frames: list[Frame], *, still: bool) -> list[GuidanceResult]:
    guide = make(sequence.prior)
    return [guide.step_still(f) if still else guide.step(f) for f in frames]


def _score(sequence: Sequence, truth: Truth, results: list[GuidanceResult], frames: list[Frame]) -> DetectorOutcome:
    content, still = sequence.content, sequence.content.stills
    rows = len(truth.visible_mm)
    complete = len(frames) == rows
    times = [f.timestamp_s for f in frames] if complete and not still else None
    mask = truth.injectate_mask if isinstance(truth, PhantomTruth) else None
    reports = any(r.injectate is not None for r in results)
    stages: dict[str, list[float]] = {}
    for r in results:
        for stage, ms in r.latency_ms.items():
            stages.setdefault(stage, []).append(ms)
    confidence, event = confidence_events(truth, results)
    return DetectorOutcome(
        needle=score_needle(truth, results, timestamps_s=times),
        injectate=score_injectate(mask, results, frames[0].geometry, timestamps_s=times)
        if mask is not None and reports
        else None,
        confidence=confidence,
        event=event,
        latency_ms={stage: np.array(ms) for stage, ms in stages.items()},
        bad_frames=rows - len(frames),
        stills=score_stills(truth, results) if still else (),
        likeliest=score_needle(truth, [_convinced(r) for r in results]) if still else None,
        tool=score_tool(content, frames[0].geometry, results, rows)
        if isinstance(content, Recorded) and content.tool is not None
        else None,
    )


def _convinced(result: GuidanceResult) -> GuidanceResult:
    return replace(result, state=TrackState.TRACKING) if result.track else result


def _visibility_db(truth: Truth, scores: NeedleScores) -> float | None:
    return _median_of_counted(truth.visibility_db, scores) if isinstance(truth, PhantomTruth) else None


def _median_of_counted(values: NDArray[np.float64], scores: NeedleScores) -> float | None:
    known = values[scores.raw.counted]
    return float(np.nanmedian(known)) if np.isfinite(known).any() else None


def _distractors(truth: Truth, frames: list[Frame]) -> int:
    """Median over five frames; those with most shaft where there is a needle."""
    visible = np.nan_to_num(truth.visible_mm, posinf=0.0)
    rows = [f for f in frames if visible[f.index] >= 0.6 * visible.max()]
    counts = []
    for k in np.linspace(0, len(rows) - 1, min(5, len(rows))).round().astype(int):
        frame = rows[k]
        x, y, w, h = frame.region or (0, 0, frame.shape[1], frame.shape[0])
        pixels = np.asarray(frame.pixels[y : y + h, x : x + w])
        grey = np.ascontiguousarray(pixels if pixels.ndim == 2 else pixels[..., :3].max(axis=2))
        origin = frame.geometry.to_mm((float(x), float(y)))
        geometry = type(frame.geometry)(
            frame.geometry.axial_mm_per_px, frame.geometry.lateral_mm_per_px, (float(origin[0]), float(origin[1]))
        )
        counts.append(count_distractors(grey, geometry, _shaft(truth, frame.index)))
    return int(np.median(counts)) if counts else 0


def _shaft(truth: Truth, index: int) -> NDArray[np.float64] | None:
    if not truth.visible_mm[index] > 0:
        return None
    if isinstance(truth, PhantomTruth):
        return np.asarray(truth.shaft_mm[index], dtype=np.float64)
    return np.stack([truth.entry_mm[index], truth.tip_mm[index]])


def _worst(
    name: str, truth: Truth, frames: list[Frame], results: Mapping[str, list[GuidanceResult]], scores: NeedleScores
) -> WorstFrame | None:
    """Find the worst frame of the first detector: a false alarm before a wrong tip before a miss."""
    raw, ours = scores.raw, next(iter(results.values()))
    confidence = np.full(len(raw.counted), np.nan)
    for r in ours:
        confidence[r.index] = r.track.confidence if r.track else np.nan
    seen = truth.visibility_db if isinstance(truth, PhantomTruth) else np.full(len(raw.counted), np.nan)
    alarm = np.where(raw.needle_free & raw.tracking, confidence, np.nan)
    far = np.where(np.isfinite(raw.tip_error_mm) & (raw.tip_error_mm > 3), raw.tip_error_mm, np.nan)
    missed = np.where(np.isinf(raw.tip_error_mm), seen, np.nan)
    faults: dict[Fault, NDArray[np.float64]] = {"false alarm": alarm, "wrong tip": far, "miss": missed}
    for fault, sizes in faults.items():
        if not np.isfinite(sizes).any():
            continue
        index = int(np.nanargmax(sizes))
        at = next((k for k, f in enumerate(frames) if f.index == index), None)
        if at is None:
            continue
        shown = {label: found[at] for label, found in results.items()}
        return WorstFrame(name, index, fault, float(sizes[index]), picture_of(frames[at], _shaft(truth, index), shown))
    return None
