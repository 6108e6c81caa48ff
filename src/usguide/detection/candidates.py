"""From rough segments to needle candidates with log-odds: examined, put into numbers, weighed by fitted trees."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from usguide.detection._kernels.examine import FEATURES, examine
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
START = FEATURE_NAMES.index("start_mm")
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


def examine_segment(evidence: Evidence, start: F64, end: F64) -> Candidate | None:
    """Lay a line onto the evidence along a rough segment; None where there is none.

    Parameters
    ----------
    evidence : Evidence
    start, end : ndarray, shape (2,)
        px of the evidence grid, in the direction of travel.
    """
    look = evidence.look
    # A picture on its own has nothing new: maps without any place that is known.
    new = evidence.new or LineMaps(look.hessian, np.zeros_like(look.known), look.energy, 1.0)
    features, curve, sums = np.zeros(len(FEATURE_NAMES)), np.empty(14), np.empty(LONGEST_STEPS)
    good = examine(
        evidence.valid,
        look.hessian,
        look.known,
        look.energy,
        look.floor2,
        new.hessian,
        new.known,
        new.energy,
        new.floor2,
        np.array([*start, *end], dtype=np.float64),
        evidence.mm_per_px,
        features[:FEATURES],
        curve,
        sums,
    )
    if not good:
        return None
    features[FEATURE_NAMES.index("activity")] = evidence.activity
    steps = int(curve[11])
    return Candidate(
        entry=curve[0:2].copy(),
        end=curve[2:4].copy(),
        chord_rad=float(curve[4]),
        bend=float(curve[6]),
        end_variance_mm2=float(curve[7]),
        strip=(float(curve[8]), float(curve[9]), float(curve[10])),
        sums=sums[: steps + 1],
        start=int(curve[12]),
        least=int(curve[13]),
        features=features,
    )


def weigh(candidates: list[Candidate], forest: Forest) -> None:
    """Compare the candidates of one frame with each other, and give each its log-odds."""
    for key, rank, lead in ((LOOK_SUM, LOOK_RANK, LOOK_LEAD), (NEW_SUM, NEW_RANK, NEW_LEAD)):
        ordered = sorted(candidates, key=lambda c: -c.features[key])
        for k, c in enumerate(ordered):
            rival = ordered[1 if k == 0 else 0].features[key] if len(ordered) > 1 else 0.0
            c.features[rank], c.features[lead] = k, c.features[key] - rival
    for c in candidates:
        c.features[COUNT] = len(candidates)
        c.log_odds = forest.log_odds(c.features[_WEIGHED_AT])


def distinct(candidates: list[Candidate], mm_per_px: float) -> list[Candidate]:
    """Return one candidate of each line: that with most evidence, since pieces of a shaft look like shafts, too."""
    kept: list[Candidate] = []
    for c in sorted(candidates, key=lambda c: -float(c.features[LOOK_SUM] + c.features[NEW_SUM])):
        if not any(_on_line(c, other, mm_per_px) for other in kept):
            kept.append(c)
    return kept


def _on_line(a: Candidate, b: Candidate, mm_per_px: float) -> bool:
    """Tell whether the middle of `a` lies on `b`, and both go the same way."""
    if abs(math.remainder(a.chord_rad - b.chord_rad, 2 * math.pi)) > SAME_ANGLE_RAD:
        return False
    x, z = (0.5 * (a.entry + a.end) - b.entry) * mm_per_px
    c, s = math.cos(b.chord_rad), math.sin(b.chord_rad)
    length = math.dist(b.entry, b.end) * mm_per_px
    return bool(abs(z * c - x * s) < SAME_ACROSS_MM and -SAME_ALONG_MM < x * c + z * s < length + SAME_ALONG_MM)
