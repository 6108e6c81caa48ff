"""Runs the pipeline over tuning recordings and keeps what its trees are fitted on, with what the truth says of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from usguide import Frame, GuidancePipeline, InsertionPrior, Shaft
from usguide.bench.cache import cache_folder
from usguide.bench.loading import Truth, open_sequence
from usguide.bench.sequences import Recorded
from usguide.bench.sequences import Sequence as Recording
from usguide.detection import Evidence, LineDetector
from usguide.detection._kernels.ends import INPUTS
from usguide.detection.candidates import FEATURE_NAMES, Candidate, weigh
from usguide.detection.ends import EndNet, inputs_along
from usguide.detection.forest import Forest
from usguide.phantoms import PhantomTruth
from usguide.settings import PipelineSettings
from usguide.tracking import NeedleTracker
from usguide.tracking.hypothesis import TRACK_FEATURES

F64 = NDArray[np.float64]
COUNTED_MM = 5.0
SAME_TURN_DEG, SAME_ACROSS_MM, TIP_MM = 5.0, 1.0, 2.0
"""A line is the needle's within these; a tip is right within that."""
DIMMED = 0.7


@dataclass(frozen=True, slots=True)
class Job:
    """One run over a recording: turned by some degrees (and dimmed), every so many frames, from a frame on.

    `brighter` is by how many grey levels the needle is painted over, and how wide in mm: real ones are brighter, wider and
    evener than rendered ones, and cast less of a shadow.
    """

    recording: Recording
    turn_deg: float = 0.0
    stride: int = 1
    first: int = 0
    brighter: tuple[float, float] | None = None

    @property
    def name(self) -> str:
        """Name that tells runs apart."""
        return f"{self.recording.name}@{self.turn_deg:g}/{self.stride}+{self.first}" + ("!" if self.brighter else "")

    @property
    def plain(self) -> bool:
        """Tell whether this is the recording as it is."""
        return not self.turn_deg and self.stride == 1 and not self.first and self.brighter is None


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Features with what the truth says, a row each; arrays of the same length."""

    features: F64
    frame: NDArray[np.int64]
    visible_mm: F64
    line: NDArray[np.bool_]
    """On the needle's line."""
    tip_error_mm: F64
    turn_deg: F64
    alone: NDArray[np.bool_]
    """From a picture on its own."""


@dataclass(frozen=True, slots=True, eq=False)
class Strip:
    """One strip along a needle: `inputs` of `end_inputs`, the first place an end is sought at, and the true one in px."""

    inputs: NDArray[np.float16]
    least: int
    true_px: float


@dataclass(frozen=True, slots=True)
class Look:
    """A frame and its truth."""

    frame: Frame
    visible_mm: float
    shaft_mm: F64 | None


def looks(job: Job) -> Iterator[Look]:
    """Give the frames of a job with their truth."""
    with open_sequence(job.recording, cache_folder()) as (source, truth):
        for n, frame in enumerate(source):
            if n < job.first or (n - job.first) % job.stride:
                continue
            shaft, visible = _true_shaft(truth, frame.index)
            look = Look(frame, visible, shaft)
            if job.brighter is not None and shaft is not None:
                look = replace(look, frame=_painted(frame, shaft, *job.brighter))
            yield _turned(look, job.turn_deg) if job.turn_deg else look


def _true_shaft(truth: Truth, index: int) -> tuple[F64 | None, float]:
    visible = float(np.nan_to_num(truth.visible_mm[index]))
    if visible <= 0 or not isinstance(truth, PhantomTruth):
        return None, 0.0
    return np.asarray(truth.shaft_mm[index]), visible


def _turned(look: Look, degrees: float) -> Look:
    """Turn the picture about its middle in mm, and dim it."""
    frame, shaft = look.frame, look.shaft_mm
    x, y, w, h = frame.region or (0, 0, frame.shape[1], frame.shape[0])
    pixels = np.ascontiguousarray(frame.pixels[y : y + h, x : x + w])
    geometry = frame.geometry.cropped(x, y)
    middle = np.asarray(geometry.to_mm([0.5 * (w - 1), 0.5 * (h - 1)]))
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    turn = np.array([[c, -s], [s, c]])
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    moved = geometry.to_px((np.asarray(geometry.to_mm(corners)) - middle) @ turn.T + middle)
    matrix = np.column_stack([moved[1] - moved[0], moved[2] - moved[0], moved[0]])
    pixels = cv2.warpAffine((pixels * DIMMED).astype(pixels.dtype), matrix, (w, h), flags=cv2.INTER_LINEAR)
    new_shaft = None if shaft is None else (shaft - middle) @ turn.T + middle
    return Look(replace(frame, pixels=pixels, geometry=geometry, region=None), look.visible_mm, new_shaft)


def _painted(frame: Frame, shaft: F64, grey_levels: float, width_mm: float) -> Frame:
    """Paint the needle over: a soft even line that ends where the needle does."""
    spacing = frame.geometry.axial_mm_per_px
    points = np.rint(np.asarray(frame.geometry.to_px(shaft)) * 16).astype(np.int32)
    line = np.zeros(frame.shape, np.float32)
    cv2.polylines(line, [points], isClosed=False, color=1.0, thickness=max(1, round(width_mm / spacing)), shift=4)
    line = cv2.GaussianBlur(line, (0, 0), max(0.5, 0.15 / spacing)) * np.float32(grey_levels)
    if frame.pixels.ndim == 3:
        line = line[..., None]
    return replace(frame, pixels=np.clip(frame.pixels + line, 0, 255).astype(frame.pixels.dtype))


class _Noting(LineDetector):
    """A detector that keeps what it looked at."""

    seen: list[Candidate]
    evidence: Evidence

    def candidates(self, evidence: Evidence, prior: InsertionPrior, expected: Sequence[Shaft] = ()) -> list[Candidate]:
        """Find and keep, as they were before their ends were placed."""
        self.evidence, self.seen = evidence, super().candidates(evidence, prior, expected)
        return [copy(c) for c in self.seen]


class _TruthTracker(NeedleTracker):
    """Knows where the needle is, and keeps the background from learning it."""

    shaft: Shaft | None = None

    def expected(self) -> tuple[Shaft, ...]:
        """Nothing: the detector has to find it."""
        return ()

    def suspected(self) -> tuple[Shaft, ...]:
        """Return the needle itself."""
        return () if self.shaft is None else (self.shaft,)

    def update(self, detections: object, timestamp_s: float) -> tuple[()]:  # noqa: ARG002  (part of the protocol)
        """Track nothing."""
        return ()


def collect_candidates(job: Job) -> tuple[Rows, list[Strip]]:
    """Run the detector over a job; every fourth frame in its stream, every eighth as a picture on its own.

    Returns the candidates, and the strips along those that lie on the needle.
    """
    prior, still = job.recording.prior, isinstance(job.recording.content, Recorded) and job.recording.content.stills
    still = still or job.recording.suite == "stills"
    settings = PipelineSettings()
    noting, tracker = _Noting(settings.detection.detector, NO_TREES, NO_NET), _TruthTracker(forest=NO_TREES)
    pipeline = GuidancePipeline(prior, settings, detector=noting, tracker=tracker)
    rows: list[tuple[F64, int, float, bool, float, float, bool]] = []
    strips: list[Strip] = []
    for n, look in enumerate(looks(job)):
        prior_now = _one_side(prior, n)
        pipeline.prior = prior_now
        if still or n % 8 == 6:
            GuidancePipeline(prior if still else prior_now, settings, detector=noting, tracker=tracker).step_still(
                look.frame
            )
            rows += _rows(noting, look, n, alone=True)
            strips += _strips(noting, look)
        if still:
            continue
        tracker.shaft = None if look.shaft_mm is None else _chord(look.shaft_mm)
        pipeline.step(look.frame)
        if n % 4 == 0 and n >= 2:
            rows += _rows(noting, look, n, alone=False)
            strips += _strips(noting, look)
    return _stacked(rows, len(FEATURE_NAMES)), strips


def collect_tracks(job: Job, needle: Forest, ends: EndNet, track: Forest) -> Rows:
    """Run detector and tracker over a job, and keep every hypothesis of every frame."""
    settings = PipelineSettings()
    tracker = NeedleTracker(settings.tracker, forest=track)
    prior = _one_side(job.recording.prior, int(job.turn_deg) + len(job.recording.name))
    pipeline = GuidancePipeline(
        prior, settings, detector=LineDetector(settings.detection.detector, needle, ends), tracker=tracker
    )
    rows = []
    for n, look in enumerate(looks(job)):
        pipeline.step(look.frame)
        for h in tracker.hypotheses:
            line, tip, turn = _judged(look.shaft_mm, h.shaft)
            rows.append((h.features(), n, look.visible_mm, line, tip, turn, False))
        if not tracker.hypotheses:
            rows.append((np.full(len(TRACK_FEATURES), np.nan), n, look.visible_mm, False, math.inf, math.nan, False))
    return _stacked(rows, len(TRACK_FEATURES))


def _one_side(prior: InsertionPrior, n: int) -> InsertionPrior:
    """Turn to one side after the other where the prior names none: half the work, and each gets its share."""
    return prior if prior.entry_side != "any" else replace(prior, entry_side="left" if n // 4 % 2 else "right")


def _rows(
    noting: _Noting, look: Look, n: int, *, alone: bool
) -> list[tuple[F64, int, float, bool, float, float, bool]]:
    weigh(noting.seen, NO_TREES)
    rows = []
    for c in noting.seen:
        entry, end = ((float(x), float(z)) for x, z in noting.evidence.geometry.to_mm([c.entry, c.end]))
        line, tip, turn = _judged(look.shaft_mm, Shaft(entry, end, 0.0))
        rows.append((c.features, n, look.visible_mm, line, tip, turn, alone))
    return rows


def _strips(noting: _Noting, look: Look) -> list[Strip]:
    """Return what tells where the needle ends, along every candidate that lies on it."""
    found: list[Strip] = []
    if look.shaft_mm is None:
        return found
    for c in noting.seen:
        to_mm, to_px = noting.evidence.geometry.to_mm, noting.evidence.geometry.to_px
        entry, end = ((float(x), float(z)) for x, z in to_mm([c.entry, c.end]))
        if not _judged(look.shaft_mm, Shaft(entry, end, 0.0))[0]:
            continue
        places = np.arange(len(c.sums))
        turn = np.array([[math.cos(c.strip[2]), math.sin(c.strip[2])], [-math.sin(c.strip[2]), math.cos(c.strip[2])]])
        along, across = turn @ (np.asarray(to_px(look.shaft_mm[-1])) - c.strip[:2])
        away = np.hypot(places - along, c.bend * places**2 - across)
        nearest = int(np.argmin(away))
        if away[nearest] * noting.evidence.mm_per_px < SAME_ACROSS_MM + 0.5:
            found.append(Strip(inputs_along(c, noting.evidence).astype(np.float16), c.least, float(nearest)))
    return found


def _judged(truth: F64 | None, shaft: Shaft) -> tuple[bool, float, float]:
    """Whether a shaft is the needle's line, how far off its end is, and how far it is turned."""
    if truth is None:
        return False, math.inf, math.nan
    found = np.subtract(shaft.distal_mm, shaft.entry_mm)
    true = truth[-1] - truth[0]
    angle = math.atan2(found[1], found[0])
    turn = abs(math.degrees(math.remainder(angle - math.atan2(true[1], true[0]), 2 * math.pi)))
    across = float(np.mean(np.abs((truth - shaft.distal_mm) @ [-math.sin(angle), math.cos(angle)])))
    return turn < SAME_TURN_DEG and across < SAME_ACROSS_MM, math.dist(shaft.distal_mm, truth[-1]), turn


def _chord(shaft: F64) -> Shaft:
    return Shaft((float(shaft[0, 0]), float(shaft[0, 1])), (float(shaft[-1, 0]), float(shaft[-1, 1])), 0.0)


def _stacked(rows: list[tuple[F64, int, float, bool, float, float, bool]], width: int) -> Rows:
    if not rows:
        return Rows(np.empty((0, width)), *(np.empty(0, t) for t in (int, float, bool, float, float, bool)))
    columns = list(zip(*rows, strict=True))
    return Rows(np.stack(columns[0]), *(np.array(c) for c in columns[1:]))


NO_NET = EndNet(np.zeros((INPUTS + 1, 1), np.float32), np.zeros(1, np.float32))
"""A network that knows nothing of ends."""
NO_TREES = Forest(
    (),
    0.0,
    np.zeros(0, np.int32),
    np.zeros(0, np.int16),
    np.zeros(0),
    np.zeros(0, np.int32),
    np.zeros(0, np.int32),
    np.zeros(0),
)
