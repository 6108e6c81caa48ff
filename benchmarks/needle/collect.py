"""Runs the pipeline over tuning recordings and keeps what its trees are fitted on, with what the truth says of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from usguide import Detection, Frame, GuidancePipeline, InsertionPrior, Shaft
from usguide.bench.cache import cache_folder
from usguide.bench.loading import Truth, open_sequence
from usguide.bench.sequences import Recorded
from usguide.bench.sequences import Sequence as Recording
from usguide.detection import Evidence, LineDetector
from usguide.detection.candidates import FEATURE_NAMES, WEIGHED, Candidate, weigh
from usguide.detection.detector import needle_forest
from usguide.detection.forest import Forest
from usguide.detection.strips import StripNet, StripReader
from usguide.geometry import SectorGeometry
from usguide.phantoms import PhantomTruth
from usguide.settings import PipelineSettings
from usguide.tracking import NeedleTracker
from usguide.tracking.hypothesis import TRACK_FEATURES

F64 = NDArray[np.float64]
Row = tuple[F64, int, float, bool, float, float, bool]
COUNTED_MM = 5.0
OTHERS = 4
"""So many candidates that are no needle are kept of each frame for the strip network: the likeliest."""
WEIGHED_AT = [FEATURE_NAMES.index(n) for n in WEIGHED]
SAME_TURN_DEG, SAME_ACROSS_MM, TIP_MM = 5.0, 1.0, 2.0
"""A line is the needle's within these; a tip is right within that."""
DIMMED = 0.7


def is_real(recording: Recording) -> bool:
    """Tell whether it is no rendered one."""
    return isinstance(recording.content, Recorded)


def is_still(recording: Recording) -> bool:
    """Tell whether its frames are unrelated pictures."""
    return recording.suite == "stills" or (isinstance(recording.content, Recorded) and recording.content.stills)


@dataclass(frozen=True, slots=True)
class Job:
    """One run over a recording: turned by some degrees (and dimmed), every so many frames, from a frame on, or enlarged.

    `brighter` is by how many grey levels the needle is painted over, and how wide in mm: real ones are brighter, wider and
    evener than rendered ones, and cast less of a shadow.
    """

    recording: Recording
    turn_deg: float = 0.0
    stride: int = 1
    first: int = 0
    brighter: tuple[float, float] | None = None
    zoom: float = 1.0
    """Every px stands for so many times its mm: catheters are thicker than needles, and lie deeper."""

    @property
    def name(self) -> str:
        """Name that tells runs apart."""
        painted, zoom = "!" if self.brighter else "", f"x{self.zoom:g}" if self.zoom != 1 else ""
        return f"{self.recording.name}@{self.turn_deg:g}/{self.stride}+{self.first}{painted}{zoom}"

    @property
    def plain(self) -> bool:
        """Tell whether this is the recording as it is."""
        return not self.turn_deg and self.stride == 1 and not self.first and self.brighter is None and self.zoom == 1


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
    """What the strip network learns from, along one candidate."""

    inputs: NDArray[np.float16]
    """Shape (CHANNELS, n): what `usguide.detection.strips` reads."""
    row: int
    """Of the job's `Rows`."""
    line: bool
    """On the needle."""
    true_px: float
    """Place of the true end; NaN where there is none."""


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
            if job.zoom != 1:
                look = _enlarged(look, job.zoom)
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


def _enlarged(look: Look, zoom: float) -> Look:
    """Take every px for so many times its mm."""
    g = look.frame.geometry
    x, z = g.origin_mm
    larger = replace(
        g,
        axial_mm_per_px=g.axial_mm_per_px * zoom,
        lateral_mm_per_px=g.lateral_mm_per_px * zoom,
        origin_mm=(x * zoom, z * zoom),
        sector=None if g.sector is None else _scaled(g.sector, zoom),
    )
    shaft = None if look.shaft_mm is None else look.shaft_mm * zoom
    return Look(replace(look.frame, geometry=larger), look.visible_mm * zoom, shaft)


def _scaled(fan: SectorGeometry, zoom: float) -> SectorGeometry:
    (x, z), (near, far) = fan.apex_mm, fan.radius_mm
    return replace(fan, apex_mm=(x * zoom, z * zoom), radius_mm=(near * zoom, far * zoom))


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
    """A detector that keeps what it looked at, as it was before it was weighed; a blind one finds nothing."""

    blind = False
    seen: list[Candidate]
    evidence: Evidence

    def candidates(self, evidence: Evidence, prior: InsertionPrior, expected: Sequence[Shaft] = ()) -> list[Candidate]:
        """Find and keep."""
        found = super().candidates(evidence, prior, expected)
        self.evidence, self.seen = evidence, [copy(c) for c in found]
        return found

    def detect(
        self, evidence: Evidence, prior: InsertionPrior, expected: Sequence[Shaft] = ()
    ) -> tuple[Detection, ...]:
        """Find candidates, and weigh them unless blind."""
        if not self.blind:
            return super().detect(evidence, prior, expected)
        self.candidates(evidence, prior, expected)
        return ()


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


@dataclass(frozen=True, slots=True, eq=False)
class Models:
    """What was fitted so far: of candidates, of bands, of tracks."""

    needle: Forest
    net: StripNet
    track: Forest


def collect_candidates(job: Job, models: Models | None = None) -> tuple[Rows, list[Strip]]:
    """Run the detector over a job; every fifth frame in its stream or more, every eighth as a picture on its own.

    With `models` a tracker that believes them keeps the needle out of the background, as well as it can; without, it is
    told where the needle is.

    Returns the candidates, and the bands along those on the needle and the likeliest of the others.
    """
    prior, still = job.recording.prior, is_still(job.recording)
    # A shaft that leaves the plane ends gradually: that takes more to learn. Real recordings are few. Odd, since every
    # other frame is searched differently.
    every = 3 if job.recording.tags.get("course") == "drift" or is_real(job.recording) else 5
    settings = PipelineSettings()
    told = _TruthTracker(forest=NO_TREES)
    noting: _Noting
    tracker: NeedleTracker
    if models is None:
        noting, tracker = _Noting(settings.detection.detector, NO_TREES), told
        noting.blind = True
    else:
        noting = _Noting(settings.detection.detector, models.needle, models.net)
        tracker = NeedleTracker(settings.tracker, forest=models.track)
    pipeline = GuidancePipeline(prior, settings, detector=noting, tracker=tracker)
    rows: list[Row] = []
    strips: list[Strip] = []
    for n, look in enumerate(looks(job)):
        prior_now = _one_side(prior, n)
        pipeline.prior = prior_now
        if still or n % 8 == 6:
            alone = GuidancePipeline(prior if still else prior_now, settings, detector=noting, tracker=told)
            alone.step_still(look.frame)
            found = _rows(noting, look, n, alone=True)
            strips += _strips(noting, look, found, len(rows))
            rows += found
        if still:
            continue
        told.shaft = None if look.shaft_mm is None else _chord(look.shaft_mm)
        noting.seen = []  # it does not look at a picture that repeats
        pipeline.step(look.frame)
        if n % every == 0 and n >= 2:
            found = _rows(noting, look, n, alone=False)
            strips += _strips(noting, look, found, len(rows))
            rows += found
    return _stacked(rows, len(FEATURE_NAMES)), strips


def collect_tracks(job: Job, models: Models) -> Rows:
    """Run detector and tracker over a job, and keep every hypothesis of every frame."""
    settings = PipelineSettings()
    tracker = NeedleTracker(settings.tracker, forest=models.track)
    prior = _one_side(job.recording.prior, int(job.turn_deg) + len(job.recording.name))
    pipeline = GuidancePipeline(
        prior, settings, detector=LineDetector(settings.detection.detector, models.needle, models.net), tracker=tracker
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


def _rows(noting: _Noting, look: Look, n: int, *, alone: bool) -> list[Row]:
    weigh(noting.seen, NO_TREES)
    rows = []
    for c in noting.seen:
        entry, end = ((float(x), float(z)) for x, z in noting.evidence.geometry.to_mm([c.entry, c.end]))
        line, tip, turn = _judged(look.shaft_mm, Shaft(entry, end, 0.0))
        rows.append((c.features, n, look.visible_mm, line, tip, turn, alone))
    return rows


def _strips(noting: _Noting, look: Look, rows: list[Row], before: int) -> list[Strip]:
    """Return the bands along every candidate on the needle, the likeliest others, and one more."""
    if 0 < look.visible_mm < COUNTED_MM:
        return []
    odds = [-math.inf if row[3] else needle_forest().log_odds(row[0][WEIGHED_AT]) for row in rows]
    others = [k for k in np.argsort(odds)[::-1] if not rows[k][3]]
    kept = {*others[:OTHERS], *others[len(others) // 2 :][:1], *(k for k, row in enumerate(rows) if row[3])}
    reader = StripReader(noting.evidence)
    found = []
    for k in sorted(kept):
        c, line = noting.seen[k], bool(rows[k][3])
        true_px = math.nan if not line or look.shaft_mm is None else _end_px(c, noting.evidence, look.shaft_mm[-1])
        found.append(Strip(reader.read(c).astype(np.float16), before + int(k), line, true_px))
    return found


def _end_px(c: Candidate, evidence: Evidence, end_mm: F64) -> float:
    """Return the place of the true end along a candidate's strip; NaN where it lies beside it."""
    places = np.arange(len(c.sums))
    turn = np.array([[math.cos(c.strip[2]), math.sin(c.strip[2])], [-math.sin(c.strip[2]), math.cos(c.strip[2])]])
    along, across = turn @ (np.asarray(evidence.geometry.to_px(end_mm)) - c.strip[:2])
    away = np.hypot(places - along, c.bend * places**2 - across)
    nearest = int(np.argmin(away))
    return float(nearest) if away[nearest] * evidence.mm_per_px < SAME_ACROSS_MM + 0.5 else math.nan


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


def _stacked(rows: list[Row], width: int) -> Rows:
    if not rows:
        return Rows(np.empty((0, width)), *(np.empty(0, t) for t in (int, float, bool, float, float, bool)))
    columns = list(zip(*rows, strict=True))
    return Rows(np.stack(columns[0]), *(np.array(c) for c in columns[1:]))


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
