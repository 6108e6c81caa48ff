"""Outcomes to figures: by sequence, by suite, by tag."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from usguide.bench.detectors import REFERENCE
from usguide.bench.running import DetectorOutcome, Outcome
from usguide.metrics import (
    calibrate,
    pool_injectate,
    pool_needle,
    summarise_latency,
    to_plain,
)

CURVE_MM = np.round(np.arange(0, 10.01, 0.25), 2)
HISTOGRAM_BARS = 40
TAGS = (
    *(
        "visibility",
        "angle",
        "side",
        "probe",
        "probe motion",
        "shaft",
        "injectate",
        "course",
        "scanner",
        "event",
        "kind",
        "prior",
    ),
)
"""Those that tables are made of, in this order."""
HARD_RECALL, HARD_ALARMS = 0.7, 0.5
DISTRACTORS = 3
MOVING_TOOL = "a moving tool"


def sequence_figures(outcome: Outcome) -> dict[str, Any]:
    """Return a sequence's own figures as plain values."""
    return {
        "name": outcome.name,
        "tags": dict(outcome.tags),
        "frames": outcome.frames,
        "visibility_db": outcome.visibility_db,
        "angle_deg": outcome.angle_deg,
        "distractor_lines": outcome.distractors,
        "detectors": {
            name: {
                "needle": to_plain(d.needle),
                "tip_errors_mm": _errors(d.needle.raw.tip_error_mm),
                "injectate": to_plain(d.injectate),
                "bad_frames": d.bad_frames,
                "best_scores": [still.score for still in d.stills],
            }
            for name, d in outcome.detectors.items()
        },
    }


def _errors(errors: NDArray[np.float64]) -> list[Any]:
    """Errors of the counted frames, to a hundredth; a miss is the word that says so."""
    found: list[Any] = to_plain(np.round(errors[~np.isnan(errors)], 2))
    return found


def wrong_share(outcome: Outcome, detector: str) -> float:
    """Share of a sequence's judged frames that are a miss, a wrong tip or a false alarm; 0 where none is judged."""
    needle = outcome.detectors[detector].needle
    judged = needle.counted_frames + needle.needle_free_frames
    return (needle.counted_frames - needle.hits + needle.false_alarm_frames) / judged if judged else 0.0


def suite_figures(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return all figures of one suite; a moving tool that is no needle is kept apart."""
    tools = [o for o in outcomes if o.tags.get("needle") == MOVING_TOOL]
    judged = [o for o in outcomes if o not in tools]
    figures = {
        "sequences": [sequence_figures(o) for o in outcomes],
        "pooled": pooled_figures(judged),
        "by_tag": {
            tag: {level: pooled_figures(group, short=True) for level, group in _levels(judged, tag).items()}
            for tag in TAGS
            if _levels(judged, tag)
        },
        "hardness": hardness(judged),
    }
    if tools:
        figures["moving_tool"] = pooled_figures(tools, short=True)
    return figures


def _levels(outcomes: Iterable[Outcome], tag: str) -> dict[str, list[Outcome]]:
    found: dict[str, list[Outcome]] = {}
    for o in outcomes:
        if tag in o.tags:
            found.setdefault(o.tags[tag], []).append(o)
    order = {"easy": 0, "normal": 1, "faint": 2, "below faint": 3}
    return dict(sorted(found.items(), key=lambda item: (order.get(item[0], 0), item[0])))


def pooled_figures(outcomes: Sequence[Outcome], *, short: bool = False) -> dict[str, Any]:
    """Return figures by detector; `short` leaves out curves and latency."""
    names = list(dict.fromkeys(name for o in outcomes for name in o.detectors))
    return {name: _pooled([o.detectors[name] for o in outcomes], short=short) for name in names}


def _pooled(found: Sequence[DetectorOutcome], *, short: bool) -> dict[str, Any]:
    needle = pool_needle([d.needle for d in found])
    if short:
        return {"needle": to_plain(needle)}
    fluids = [d.injectate for d in found if d.injectate is not None]
    errors = np.concatenate([d.needle.raw.tip_error_mm[d.needle.raw.counted] for d in found] + [np.empty(0)])
    total = np.concatenate([d.latency_ms["total"] for d in found if "total" in d.latency_ms] + [np.empty(0)])
    stages = list(dict.fromkeys(stage for d in found for stage in d.latency_ms))
    return {
        "needle": to_plain(needle),
        "calibration": to_plain(
            calibrate(np.concatenate([d.confidence for d in found]), np.concatenate([d.event for d in found]))
        )
        if found
        else None,
        "injectate": to_plain(pool_injectate(fluids)) if fluids else None,
        "error_curve": {
            "within_mm": CURVE_MM.tolist(),
            "share": [float((errors <= mm).mean()) for mm in CURVE_MM] if errors.size else None,
        },
        "latency_ms": {
            stage: to_plain(
                summarise_latency(np.concatenate([d.latency_ms[stage] for d in found if stage in d.latency_ms]))
            )
            for stage in stages
        },
        "latency_histogram": _histogram(total),
    }


def _histogram(latency_ms: NDArray[np.float64]) -> dict[str, Any]:
    """Bars up to the 99th percentile, as wide as a round number; the last one holds all beyond."""
    top = float(np.percentile(latency_ms, 99)) if latency_ms.size else 1.0
    width = next(w for w in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 1e9) if w * HISTOGRAM_BARS >= top)
    edges = width * np.arange(HISTOGRAM_BARS + 1)
    counts, _ = np.histogram(latency_ms, np.append(edges, np.inf))
    return {"from_ms": np.round(edges, 3).tolist(), "frames": counts.tolist()}


def hardness(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Tell whether the suite is hard enough (docs: scores), and how many lines could be taken for the needle."""
    normal = [
        o.detectors[REFERENCE] for o in outcomes if o.tags.get("visibility") == "normal" and REFERENCE in o.detectors
    ]
    free = [o.detectors[REFERENCE] for o in outcomes if o.tags.get("needle") == "no" and REFERENCE in o.detectors]
    recall = pool_needle([d.needle for d in normal]).recall.value
    alarms = pool_needle([d.needle for d in free]).false_alarm_share.value
    return {
        "reference_recall_at_normal_visibility": recall,
        "reference_alarm_share_in_needle_free_frames": alarms,
        "hard_enough": None
        if recall is None and alarms is None
        else (recall is not None and recall < HARD_RECALL) or (alarms is not None and alarms > HARD_ALARMS),
        "sequences_with_three_distractor_lines": sum(o.distractors >= DISTRACTORS for o in outcomes),
        "sequences": len(outcomes),
        "too_few_distractor_lines": [o.name for o in outcomes if o.distractors < DISTRACTORS],
    }
