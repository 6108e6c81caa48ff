"""From rough segments to needle candidates with log-odds: examined, put into numbers, weighed by fitted trees."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from usguide.detection._kernels.examine import examine_all
from usguide.detection.evidence import Evidence, LineMaps
from usguide.detection.forest import Forest

F64 = NDArray[np.float64]

FEATURE_NAMES = (
    "look_sum_mm",
    "new_sum_mm",
    "length_mm",
    "start_mm",
    "angle_deg",
    "look_mean",
    "new_mean",
    "look_spread",
    "new_spread",
    "look_share",
    "new_share",
    "gap_mm",
    "look_beyond",
    "new_beyond",
    "look_before",
    "new_before",
    "uneven_mm",
    "bend_per_mm",
    "usual_direction",
    "new_known",
    "look_end",
    "new_end",
    "look_drop",
    "new_drop",
    "end_sigma_mm",
    "activity",
    "look_rank",
    "new_rank",
    "candidates",
    "look_lead_mm",
    "new_lead_mm",
)
BLIND_TO = ("angle_deg", "uneven_mm")
"""Known and not used: rendered fasciae are flatter than real ones, and rendered shafts straighter."""
WEIGHED = tuple(n for n in FEATURE_NAMES if n not in BLIND_TO)
_WEIGHED_AT = np.array([FEATURE_NAMES.index(n) for n in WEIGHED])
START, ACTIVITY = FEATURE_NAMES.index("start_mm"), FEATURE_NAMES.index("activity")
LOOK_SUM, NEW_SUM = FEATURE_NAMES.index("look_sum_mm"), FEATURE_NAMES.index("new_sum_mm")
LOOK_RANK, NEW_RANK, COUNT = (FEATURE_NAMES.index(n) for n in ("look_rank", "new_rank", "candidates"))
LOOK_LEAD, NEW_LEAD = FEATURE_NAMES.index("look_lead_mm"), FEATURE_NAMES.index("new_lead_mm")
LONGEST_STEPS = 420
SAME_ANGLE_RAD, SAME_ACROSS_MM, SAME_ALONG_MM = math.radians(5), 1.0, 2.0


@dataclass(slots=True, eq=False)
class Candidate:
    """A line that may be a needle, on the evidence grid in px.

    Parameters
    ----------
    entry, end : ndarray, shape (2,)
        x, y of the ends of its evidence, in the direction of travel.
    chord_rad : float
        Direction from entry to end.
    bend : float
        ``bend t^2`` px off the tangent after t px.
    end_variance_mm2 : float
        Of the end, along the line.
    strip : (float, float, float)
        x, y and direction where `sums` begins.
    sums : ndarray, shape (n + 1,)
        Log-likelihood that the shaft ends at each px along the strip, to within a constant.
    start, least : int
        Px along the strip to the entry; before `least`, no end is looked for.
    features : ndarray, shape (len(FEATURE_NAMES),)
    log_odds : float
        That this is a needle's line.
    """

    entry: F64
    end: F64
    chord_rad: float
    bend: float
    end_variance_mm2: float
    strip: tuple[float, float, float]
    sums: F64
    start: int
    least: int
    features: F64
    log_odds: float = 0.0


def examine_segments(evidence: Evidence, segments_px: F64) -> list[Candidate]:
    """Lay lines onto the evidence along rough segments; there may be fewer of them.

    Parameters
    ----------
    evidence : Evidence
    segments_px : ndarray, shape (n, 2, 2)
        Start and end of each on the evidence grid, (x, y) in px, in the direction of travel.
    """
    look, count = evidence.look, len(segments_px)
    # A picture on its own has nothing new: maps without any place that is known.
    new = evidence.new or LineMaps(look.hessian, np.zeros_like(look.known), look.energy, 1.0)
    features, curves = np.zeros((count, len(FEATURE_NAMES))), np.empty((count, 14))
    sums, good = np.empty((count, LONGEST_STEPS)), np.empty(count, np.bool_)
    examine_all(
        evidence.valid,
        look.hessian,
        look.known,
        look.energy,
        look.floor2,
        new.hessian,
        new.known,
        new.energy,
        new.floor2,
        np.asarray(segments_px, np.float64).reshape(-1, 4),
        evidence.mm_per_px,
        features,
        curves,
        sums,
        good,
    )
    features[:, ACTIVITY] = evidence.activity
    return [_candidate(f, c, s) for f, c, s, is_good in zip(features, curves, sums, good, strict=True) if is_good]


def _candidate(features: F64, curve: F64, sums: F64) -> Candidate:
    *_, chord, _, bend, variance, x, y, direction, steps, start, least = curve.tolist()
    return Candidate(
        entry=curve[0:2],
        end=curve[2:4],
        chord_rad=chord,
        bend=bend,
        end_variance_mm2=variance,
        strip=(x, y, direction),
        sums=sums[: int(steps) + 1],
        start=int(start),
        least=int(least),
        features=features,
    )


def weigh(candidates: list[Candidate], forest: Forest) -> None:
    """Compare the candidates of one frame with each other, and give each its log-odds."""
    for key, rank, lead in ((LOOK_SUM, LOOK_RANK, LOOK_LEAD), (NEW_SUM, NEW_RANK, NEW_LEAD)):
        ordered = sorted(candidates, key=lambda c: -c.features[key])
        for k, c in enumerate(ordered):
            rival = ordered[1 if k == 0 else 0].features[key] if len(ordered) > 1 else 0.0
            c.features[rank], c.features[lead] = k, c.features[key] - rival
    if not candidates:
        return
    for c in candidates:
        c.features[COUNT] = len(candidates)
    odds = forest.log_odds_of(np.array([c.features for c in candidates]).take(_WEIGHED_AT, axis=1))
    for c, value in zip(candidates, odds.tolist(), strict=True):
        c.log_odds = value


def distinct(candidates: list[Candidate], mm_per_px: float) -> list[Candidate]:
    """Return one candidate of each line: that with most evidence, since pieces of a shaft look like shafts, too."""
    kept: list[tuple[Candidate, _Line]] = []
    for c in sorted(candidates, key=lambda c: -float(c.features[LOOK_SUM] + c.features[NEW_SUM])):
        line = _line_of(c)
        if not any(_lies_on(line, other, mm_per_px) for _, other in kept):
            kept.append((c, line))
    return [c for c, _ in kept]


def lies_along(c: Candidate, ends_px: F64, mm_per_px: float) -> bool:
    """Tell whether a candidate and a segment, shape (2, 2), go the same way, and the middle of either lies on the other."""
    (x0, y0), (x1, y1) = ends_px.tolist()
    if (x0, y0) == (x1, y1):
        return False
    there, line = _Line(x0, y0, x1, y1, math.atan2(y1 - y0, x1 - x0)), _line_of(c)
    return _lies_on(line, there, mm_per_px) or _lies_on(there, line, mm_per_px)


class _Line(NamedTuple):
    """A candidate in plain numbers: many are compared."""

    x0: float
    y0: float
    x1: float
    y1: float
    angle_rad: float


def _line_of(c: Candidate) -> _Line:
    (x0, y0), (x1, y1) = c.entry.tolist(), c.end.tolist()
    return _Line(x0, y0, x1, y1, c.chord_rad)


def _lies_on(a: _Line, b: _Line, mm_per_px: float) -> bool:
    """Tell whether the middle of `a` lies on `b`, and both go the same way."""
    if abs(math.remainder(a.angle_rad - b.angle_rad, 2 * math.pi)) > SAME_ANGLE_RAD:
        return False
    x, y = (0.5 * (a.x0 + a.x1) - b.x0) * mm_per_px, (0.5 * (a.y0 + a.y1) - b.y0) * mm_per_px
    c, s = math.cos(b.angle_rad), math.sin(b.angle_rad)
    length = math.dist((b.x0, b.y0), (b.x1, b.y1)) * mm_per_px
    return abs(y * c - x * s) < SAME_ACROSS_MM and -SAME_ALONG_MM < x * c + y * s < length + SAME_ALONG_MM
