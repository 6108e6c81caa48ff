"""From one frame's evidence to ranked needle candidates: Hough, run of evidence, refinement, tip."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from usguide.detection.lines import (
    Line,
    Run,
    find_run,
    hough_peaks,
    line_from_hough,
    refine_line,
    response_near_end,
)
from usguide.detection.tip import locate_tip
from usguide.filters import RidgeMap, despeckle, frangi_map
from usguide.geometry import ImageGeometry
from usguide.grid import WorkingImage, to_working_grid
from usguide.types import Detection, Frame, InsertionPrior, Shaft


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What a detector sees of one frame, all on the working grid.

    Parameters
    ----------
    image : WorkingImage
        Grey levels before despeckling, valid pixels, geometry.
    despeckled : ndarray of float32, shape (h, w)
        Grey levels after despeckling.
    ridge : RidgeMap
        Response and orientation; 0 where the picture ends.
    novelty : RidgeMap, optional
        The same of what is new against the background; None for a picture on its own.
    """

    image: WorkingImage
    despeckled: NDArray[np.float32]
    ridge: RidgeMap
    novelty: RidgeMap | None = None

    @property
    def geometry(self) -> ImageGeometry:
        """Geometry of the working grid."""
        return self.image.geometry


@dataclass(frozen=True, slots=True)
class RidgeSettings:
    """Frangi's filter in physical units (see `usguide.filters.frangi`)."""

    sigmas_mm: tuple[float, ...] = (0.2, 0.3, 0.45)
    beta: float = 0.5
    c: float = 6.0
    border_mm: float = 0.45
    """Response this close to the border of the picture is an edge, not a line."""


@dataclass(frozen=True, slots=True)
class DetectorSettings:
    """Shaft detection. Lengths in mm of shaft whose response is full."""

    angle_step_deg: float = 1.0
    gate_deg: float = 25.0
    """A pixel counts for a line within this angle of its own ridge, fading to nothing at the limit."""
    vote_floor: float = 0.15
    """Weaker ridge responses (0..1) do not vote."""
    threshold: float = 0.2
    """Response at which a step along a line speaks neither for a shaft nor against one."""
    entry_cost: float = 0.03
    """Price of a shaft that starts away from the edge of the picture, per mm."""
    hough_peaks: int = 40
    refine_half_width_mm: float = 0.9
    min_score_mm: float = 1.5
    """Less evidence than this is no candidate."""
    worth_refining: float = 0.3
    """A Hough peak whose run has less than this share of the least score is not refined."""
    min_length_mm: float = 3.0
    angle_margin_deg: float = 2.0
    """A refined line may leave the prior's range by this much."""
    max_candidates: int = 10
    novel_end_mm: float = 1.5
    novel_response: float = 0.3
    """A run is new when the novelty over its last millimetres has this mean response."""


@dataclass(frozen=True, slots=True)
class DetectionSettings:
    """All that `detect_shafts` needs beside the frame and the prior."""

    working_mm_per_px: float = 0.15
    despeckle_method: str = "srad"
    despeckle_options: dict[str, float] = field(default_factory=lambda: {"iterations": 8, "q0": 0.3})
    ridge: RidgeSettings = field(default_factory=RidgeSettings)
    detector: DetectorSettings = field(default_factory=DetectorSettings)


def ridge_evidence(image: WorkingImage, despeckled: NDArray[np.float32], settings: RidgeSettings) -> RidgeMap:
    """Ridge response on the working grid, silenced near the border of the picture."""
    mm = mm_per_px(image.geometry)
    ridge = frangi_map(despeckled, sigmas_px=[s / mm for s in settings.sigmas_mm], beta=settings.beta, c=settings.c)
    if not image.valid.all():
        size = 2 * math.ceil(settings.border_mm / mm) + 1
        kernel = np.ones((size, size), np.uint8)
        ridge.response[cv2.dilate((~image.valid).astype(np.uint8), kernel) > 0] = 0
    return ridge


def mm_per_px(geometry: ImageGeometry) -> float:
    """Mean spacing of the (nearly isotropic) working grid."""
    return math.sqrt(geometry.axial_mm_per_px * geometry.lateral_mm_per_px)


class HoughShaftDetector:
    """Orientation-gated weighted Hough transform, then the run of evidence from the entry edge along each line.

    Parameters
    ----------
    settings : DetectorSettings, optional
    """

    def __init__(self, settings: DetectorSettings | None = None) -> None:
        self.settings = settings or DetectorSettings()

    def detect(self, evidence: Evidence, prior: InsertionPrior) -> tuple[Detection, ...]:
        """Return needle candidates, best first; empty when there is none.

        What is new in the picture comes before what only looks like a needle.

        Parameters
        ----------
        evidence : Evidence
            Of one frame.
        prior : InsertionPrior
            Side, angles and diameter.
        """
        s, mm = self.settings, mm_per_px(evidence.geometry)
        kept: list[Run] = []
        for ridge in (evidence.novelty, evidence.ridge):
            for run in self._runs(ridge, evidence, prior, mm) if ridge is not None else ():
                if len(kept) < s.max_candidates and not any(_same_needle(run, k, mm) for k in kept):
                    kept.append(run)
        return tuple(self._detection(run, evidence, prior, mm) for run in kept)

    def _novel(self, run: Run, evidence: Evidence, mm: float) -> bool | None:
        """Tell whether the run's end is new: a shaft that advances is, though its older part may not be."""
        s = self.settings
        if evidence.novelty is None:
            return None
        near_end = response_near_end(
            evidence.novelty,
            evidence.image.valid,
            run,
            gate_rad=math.radians(s.gate_deg),
            last_px=max(1, round(s.novel_end_mm / mm)),
        )
        return near_end >= s.novel_response

    def _runs(self, ridge: RidgeMap, evidence: Evidence, prior: InsertionPrior, mm: float) -> list[Run]:
        """Refined runs of evidence in one ridge map, best first."""
        s, runs = self.settings, []
        gate, travel = math.radians(s.gate_deg), travel_directions_rad(prior, s.angle_step_deg)
        for angle, offset in hough_peaks(ridge, travel, gate_rad=gate, floor=s.vote_floor, count=s.hough_peaks):
            line = line_from_hough(angle, offset, ridge.response.shape)
            run = self._refined(ridge, evidence.image.valid, line, prior, gate, mm) if line else None
            if run and run.score * mm >= s.min_score_mm and (run.stop - run.start) * mm >= s.min_length_mm:
                runs.append(run)
        runs.sort(key=lambda r: -r.score)
        return runs

    def _refined(
        self, ridge: RidgeMap, valid: NDArray[np.bool_], line: Line, prior: InsertionPrior, gate: float, mm: float
    ) -> Run | None:
        s = self.settings

        def run_on(candidate: Line) -> Run:
            return find_run(ridge, valid, candidate, gate_rad=gate, threshold=s.threshold, entry_cost=s.entry_cost * mm)

        run = run_on(line)
        if run.score * mm < s.worth_refining * s.min_score_mm:
            return None
        for _ in range(2):
            if run.score <= 0:
                return None
            better = refine_line(
                ridge, valid, run, gate_rad=gate, half_width_px=max(2, round(s.refine_half_width_mm / mm))
            )
            if better is None or not _in_range(better, prior, s.angle_margin_deg):
                return None
            run = run_on(better)
        return run

    def _detection(self, run: Run, evidence: Evidence, prior: InsertionPrior, mm: float) -> Detection:
        score_mm = run.score * mm
        confidence = confidence_of(score_mm)
        tip, along = locate_tip(
            evidence.despeckled,
            run,
            evidence.geometry,
            needle_diameter_mm=prior.needle_diameter_mm,
            confidence=confidence,
        )
        ends = evidence.geometry.to_mm([run.line.at(run.entry), run.line.at(along)])
        entry, distal = ((float(x), float(z)) for x, z in ends)
        return Detection(Shaft(entry, distal, score_mm), tip, self._novel(run, evidence, mm))


def confidence_of(score_mm: float) -> float:
    """Map a score to 0..1. A monotone scale, not yet calibrated against truth."""
    return 1.0 / (1.0 + math.exp(-(score_mm - 6.0) / 2.0))


def travel_directions_rad(prior: InsertionPrior, step_deg: float) -> NDArray[np.float64]:
    """Directions in which a needle may travel in the picture: rightwards from the left, and so on."""
    low, high = prior.angle_deg
    angles = np.arange(math.floor(low), math.ceil(high) + 0.5 * step_deg, step_deg)
    sides = {"left": (angles,), "right": (180 - angles,)}.get(prior.entry_side, (angles, 180 - angles))
    return np.radians(np.concatenate(sides))


def _in_range(line: Line, prior: InsertionPrior, margin_deg: float) -> bool:
    c, s = math.cos(line.angle_rad), math.sin(line.angle_rad)
    angle = math.degrees(math.atan2(s, abs(c)))
    low, high = prior.angle_deg
    return low - margin_deg <= angle <= high + margin_deg


def _same_needle(a: Run, b: Run, mm: float) -> bool:
    """Tell whether two runs lie on each other: within 6 degrees, and `a`'s middle within 1.5 mm of `b`'s line."""
    turn = math.remainder(a.line.angle_rad - b.line.angle_rad, math.pi)
    x, y = a.line.at(0.5 * (a.start + a.stop))
    bx, by = b.line.start_px
    across = (y - by) * math.cos(b.line.angle_rad) - (x - bx) * math.sin(b.line.angle_rad)
    return abs(turn) < math.radians(6) and abs(across) * mm < 1.5


def gather_evidence(frame: Frame, settings: DetectionSettings) -> Evidence:
    """Resample, despeckle and filter one frame."""
    image = to_working_grid(frame, settings.working_mm_per_px)
    despeckled = despeckle(image.grey, method=settings.despeckle_method, **settings.despeckle_options)
    return Evidence(image, despeckled, ridge_evidence(image, despeckled, settings.ridge))


def detect_shafts(
    frame: Frame, *, prior: InsertionPrior | None = None, settings: DetectionSettings | None = None
) -> tuple[Shaft, ...]:
    """Find needle shafts in a single picture.

    Parameters
    ----------
    frame : Frame
        Any size and spacing.
    prior : InsertionPrior, optional
        What is known of the needle: the better it is, the fewer fasciae are taken for one.
    settings : DetectionSettings, optional

    Returns
    -------
    tuple of Shaft
        Best first; empty when nothing looks like a needle.

    Raises
    ------
    InvalidFrameError
        The frame can't be an ultrasound image of that spacing.
    """
    chosen = settings or DetectionSettings()
    evidence = gather_evidence(frame, chosen)
    found = HoughShaftDetector(chosen.detector).detect(evidence, prior or InsertionPrior())
    return tuple(d.shaft for d in found)
