"""From one frame's evidence to ranked needle candidates: line search, examination, fitted trees."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from usguide.detection._kernels.examine import EDGE_STEPS
from usguide.detection.candidates import START, WEIGHED, Candidate, distinct, examine_segments, lies_along, weigh
from usguide.detection.evidence import Evidence, EvidenceSettings, gather, to_evidence_grid
from usguide.detection.forest import Forest, load_forest, probability
from usguide.detection.search import SearchSettings, entered_px, find_segments, sides_of, travel_directions_rad
from usguide.detection.strips import StripNet, read_candidates, strip_net
from usguide.errors import InputError
from usguide.filters import despeckle
from usguide.grid import to_working_grid
from usguide.types import Detection, EndProfile, Frame, InsertionPrior, Shaft, Tip


@dataclass(frozen=True, slots=True)
class DetectorSettings:
    """Shaft detection."""

    look: SearchSettings = field(default_factory=lambda: SearchSettings(offset=0.8, high=1.0, count=25))
    new: SearchSettings = field(default_factory=lambda: SearchSettings(offset=0.7, high=3.0, count=7))
    tracked_count: int = 6
    """Segments to look at in appearance while a needle is tracked, which is looked at anyway. Until then it is more: a
    needle that shows in appearance alone is often not among the first."""
    stream_stride_px: int = 2
    """Lines are sought in every so many px along them in a stream, where there is another frame to find them in."""
    angle_step_deg: float = 3.0
    angle_margin_deg: float = 2.0
    """A refined line may leave the prior's range by this much."""
    entry_reach_mm: float = 4.0
    """How far from a prior's entry point a line may pass."""
    most_read: int = 6
    """So many candidates at most are read by the network, ..."""
    most_expected: int = 3
    """... first of all what lies where needles are expected, so many at most, whatever the trees say of it: else a weak
    needle is lost in frames in which there are many lines to choose from, ..."""
    least_log_odds: float = -5.0
    """... then the likeliest of the others, if the trees find them no less likely than this."""
    least_read_log_odds: float = -5.0
    """What the network finds less likely is left out."""
    entry_gap_mm: float = 1.5
    """A shaft whose evidence starts this close to the edge enters at the edge: at the edge itself there is no evidence."""
    across_sigma_mm: float = 0.15
    """Of the tip, across the shaft."""

    def __post_init__(self) -> None:
        for name, least in (("stream_stride_px", 1), ("most_read", 1), ("most_expected", 0)):
            if getattr(self, name) < least:
                raise InputError(f"{name}: expected {least} or more, got {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class DetectionSettings:
    """All that `detect_shafts` needs beside the frame and the prior."""

    working_mm_per_px: float = 0.15
    despeckle_method: str = "none"
    despeckle_options: dict[str, float] = field(default_factory=dict)
    evidence: EvidenceSettings = field(default_factory=EvidenceSettings)
    detector: DetectorSettings = field(default_factory=DetectorSettings)
    look_every_s: float = 0.10
    """New lines are sought in appearance about as often in a stream: what is found is looked at in every frame."""
    still_confidence: float = 0.3
    """A picture on its own shows a needle when its best candidate is at least this likely: one still of twenty without a
    needle does, with nothing known of the needle (tuning stills)."""


FITTED_RANGE_DEG = 75.0
"""Angles, from one side, that the trees were fitted for."""


@cache
def needle_forest(*, alone: bool = False) -> Forest:
    """Return the fitted trees for the log-odds that a candidate of a stream, or of a picture on its own, is a needle."""
    return load_forest("usguide.detection.fitted", "needle-alone.npz" if alone else "needle.npz", WEIGHED)


class LineDetector:
    """Runs of evidence from the entry edge, over all directions and offsets, in appearance and in novelty.

    Parameters
    ----------
    settings : DetectorSettings, optional
    forest : Forest, optional
        Trees that give the log-odds; those that come with usguide when None.
    net : StripNet, optional
        Network that weighs them anew and finds the ends; those that come with usguide when None.
    """

    def __init__(
        self, settings: DetectorSettings | None = None, forest: Forest | None = None, net: StripNet | None = None
    ) -> None:
        self.settings = settings or DetectorSettings()
        # What appearance alone is worth is learnt by itself.
        self._models = {
            alone: (forest or needle_forest(alone=alone), net or strip_net(alone=alone)) for alone in (False, True)
        }

    def detect(
        self, evidence: Evidence, prior: InsertionPrior, expected: Sequence[Shaft] = ()
    ) -> tuple[Detection, ...]:
        """Return needle candidates, best first; empty when there is none.

        Parameters
        ----------
        evidence : Evidence
            Of one frame.
        prior : InsertionPrior
            Side, angles and diameter.
        expected : sequence of Shaft
            Where needles are expected, the surest first: looked at whatever else is found.
        """
        found = self.candidates(evidence, prior, expected)
        forest, net = self._models[evidence.new is None]
        weigh(found, forest)
        likely = read_candidates(
            self._worth_reading(found, evidence, expected), evidence, net, self.settings.least_read_log_odds
        )
        # What is looked for in fewer places is likelier in each.
        low, high = prior.angle_deg
        more = math.log(FITTED_RANGE_DEG / ((high - low) * len(sides_of(prior))))
        for c in likely:
            c.log_odds += more
        likely.sort(key=lambda c: -c.log_odds)
        return tuple(self._detection(c, evidence) for c in likely)

    def _worth_reading(
        self, weighed: list[Candidate], evidence: Evidence, expected: Sequence[Shaft]
    ) -> list[Candidate]:
        """Return the likeliest candidate at each of the surest places expected, and the likeliest of the others."""
        s = self.settings
        ranked = sorted(weighed, key=lambda c: -c.log_odds)
        first: dict[int, Candidate] = {}
        for shaft in expected:
            if len(first) == s.most_expected:
                break
            ends = _ends_px(shaft, evidence)
            there = next((c for c in ranked if lies_along(c, ends, evidence.mm_per_px)), None)
            if there is not None:
                first[id(there)] = there
        others = (c for c in ranked if id(c) not in first and c.log_odds >= s.least_log_odds)
        return [*first.values(), *others][: s.most_read]

    def candidates(self, evidence: Evidence, prior: InsertionPrior, expected: Sequence[Shaft] = ()) -> list[Candidate]:
        """Return the candidates of one frame, before they are weighed."""
        mm = evidence.mm_per_px
        look = self.settings.look
        low, high = prior.angle_deg
        stride = 1 if evidence.new is None else self.settings.stream_stride_px
        if not evidence.search_widely:
            look = replace(look, count=min(look.count, self.settings.tracked_count))
        rough: list[NDArray[np.float64]] = []
        for side in sides_of(prior):
            angles = travel_directions_rad(side, (low, high), self.settings.angle_step_deg)
            entered = entered_px(evidence.valid, side)
            for maps, sought, settings in (
                (evidence.new, evidence.search_new, self.settings.new),
                (evidence.look, evidence.search_look, look),
            ):
                if maps is not None and sought:
                    rough += [s.ends_px for s in find_segments(maps, entered, angles, settings, mm, stride)]
        found = np.array(rough).reshape(-1, 2, 2)
        elsewhere = [e for e in (_ends_px(s, evidence) for s in expected) if not _is_among(e, found, mm)]
        examined = examine_segments(evidence, np.concatenate([found, np.array(elsewhere).reshape(-1, 2, 2)]))
        return distinct([c for c in examined if self._fits(c, evidence, prior)], mm)

    def _fits(self, c: Candidate, evidence: Evidence, prior: InsertionPrior) -> bool:
        """Tell whether a candidate may be the needle that the prior speaks of."""
        low, high = prior.angle_deg
        margin = self.settings.angle_margin_deg
        angle = math.degrees(math.atan2(math.sin(c.chord_rad), abs(math.cos(c.chord_rad))))
        if not low - margin <= angle <= high + margin:
            return False
        if prior.entry_mm is None:
            return True
        x, y = (c.entry - evidence.geometry.to_px(prior.entry_mm)) * evidence.mm_per_px
        return bool(abs(y * math.cos(c.chord_rad) - x * math.sin(c.chord_rad)) <= self.settings.entry_reach_mm)

    def _detection(self, c: Candidate, evidence: Evidence) -> Detection:
        mm = evidence.mm_per_px
        points = evidence.geometry.to_mm([self._entry(c, mm), c.end, np.array(c.strip[:2])])
        entry, end, strip = ((float(x), float(z)) for x, z in points)
        curvature = 2 * c.bend / mm
        confidence, across = probability(c.log_odds), self.settings.across_sigma_mm**2
        return Detection(
            Shaft(entry, end, c.log_odds, curvature or None),
            Tip.on_shaft(end, c.chord_rad, c.end_variance_mm2, across, confidence),
            EndProfile(strip, c.strip[2], curvature, mm, c.least, c.sums),
            c.features,
        )

    def _entry(self, c: Candidate, mm: float) -> NDArray[np.float64]:
        """Carry the entry on to the edge of the picture where the evidence starts close to it."""
        start_mm = float(c.features[START])
        if start_mm > self.settings.entry_gap_mm:
            return c.entry
        way = start_mm / mm + EDGE_STEPS
        return c.entry - way * np.array([math.cos(c.strip[2]), math.sin(c.strip[2])])


def _ends_px(shaft: Shaft, evidence: Evidence) -> NDArray[np.float64]:
    """Return entry and end of a shaft in px, shape (2, 2)."""
    return np.asarray(evidence.geometry.to_px([shaft.entry_mm, shaft.distal_mm]))


FOUND_ACROSS_MM, FOUND_ALONG_MM = 0.5, 2.0


def _is_among(ends: NDArray[np.float64], found: NDArray[np.float64], mm: float) -> bool:
    """Tell whether one of the segments found, shape (n, 2, 2), is this one: examined, both would be the same."""
    way = ends[1] - ends[0]
    length = float(np.hypot(*way))
    if length == 0 or not len(found):
        return False
    u = way / length
    away = (found - ends) * mm
    across = np.abs(away[..., 1] * u[0] - away[..., 0] * u[1]).max(axis=1)
    along = np.abs(away @ u).max(axis=1)
    return bool(((across < FOUND_ACROSS_MM) & (along < FOUND_ALONG_MM)).any())


def despeckled_as_set(grey: NDArray[np.float32], settings: DetectionSettings) -> NDArray[np.float32]:
    """Despeckle the working grid; where the settings say not to, it is given back itself and not a copy of it."""
    if settings.despeckle_method == "none" and not settings.despeckle_options:
        return grey
    return despeckle(grey, method=settings.despeckle_method, **settings.despeckle_options)


def gather_evidence(frame: Frame, settings: DetectionSettings) -> Evidence:
    """Return the evidence of a picture on its own."""
    image = to_working_grid(frame, settings.working_mm_per_px)
    despeckled = despeckled_as_set(image.grey, settings)
    grid = to_evidence_grid(image, despeckled, settings.evidence)
    return gather(image, despeckled, grid, settings.evidence)


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
        Best first, each with its log-odds of being a needle as score: 0 is even, 3 is 20 to 1. Empty when nothing
        looks like a needle.

    Raises
    ------
    InvalidFrameError
        The frame can't be an ultrasound image of that spacing.
    """
    chosen = settings or DetectionSettings()
    found = LineDetector(chosen.detector).detect(gather_evidence(frame, chosen), prior or InsertionPrior())
    return tuple(d.shaft for d in found)
