"""Single pictures: how often there is a false alarm at the score that finds nine of ten needles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from usguide.metrics import HIT_MM, NeedleTruth, estimate_ratio, resample_counts, to_plain
from usguide.metrics.frames import seen_tip_mm
from usguide.types import GuidanceResult

RECALL = 0.9


@dataclass(frozen=True, slots=True)
class StillScore:
    """The best candidate of one picture, convincing or not."""

    score: float | None
    """Of its shaft; None without a candidate."""
    needle: bool
    hit: bool
    """Tip within 3 mm of the true one."""


def score_stills(truth: NeedleTruth, results: Sequence[GuidanceResult]) -> tuple[StillScore, ...]:
    """Return each picture's best candidate; pictures whose truth is unknown are left out.

    Parameters
    ----------
    truth : NeedleTruth
        A row each picture.
    results : sequence of GuidanceResult
        Of `step_still`; the first track counts, whatever the state.
    """
    tips, found = seen_tip_mm(truth), []
    for r in results:
        visible = float(truth.visible_mm[r.index])
        if np.isnan(visible):
            continue
        hit = bool(r.track and visible > 0 and np.hypot(*(tips[r.index] - r.track.tip.position_mm)) <= HIT_MM)
        found.append(StillScore(r.track.shaft.score if r.track else None, visible > 0, hit))
    return tuple(found)


def stills_figures(stills: Sequence[StillScore], *, recall: float = RECALL) -> dict[str, Any] | None:
    """Return recall and false alarms where the threshold on the score reaches a recall, and the curve of both.

    Parameters
    ----------
    stills : sequence of StillScore
        With and without a needle.
    recall : float
        The threshold is the highest that finds so many of the needles.

    Returns
    -------
    dict or None
        Plain values: ``threshold``, ``recall`` and ``false_alarm_share`` with intervals over pictures at it, and
        ``curve``, [score, recall, false alarms] of each distinct score. Where no score reaches the recall
        (``reached``), ``threshold`` is None, ``recall`` is what every candidate together gives, and
        ``false_alarm_share`` is 1: to accept more is to accept every picture. None without pictures of both kinds.
    """
    scores = np.array([-np.inf if s.score is None else s.score for s in stills])
    hits = np.array([s.hit and s.score is not None for s in stills], dtype=bool)
    needle = np.array([s.needle for s in stills], dtype=bool)
    if not needle.any() or needle.all():
        return None

    def at(threshold: float) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        return hits & (scores >= threshold), ~needle & (scores >= threshold)

    curve = []
    for threshold in np.unique(scores[np.isfinite(scores)])[::-1]:
        found, alarms = at(threshold)
        curve.append([float(threshold), float(found[needle].mean()), float(alarms[~needle].mean())])
    reached = next((row for row in curve if row[1] >= recall - 1e-9), None)
    found, alarms = at(reached[0]) if reached else (at(-np.inf)[0], ~needle)
    counts = resample_counts(len(stills))
    return {
        "needles": int(needle.sum()),
        "needle_free": int((~needle).sum()),
        "reached": reached is not None,
        "threshold": reached[0] if reached else None,
        "recall": to_plain(estimate_ratio(found, needle, counts)),
        "false_alarm_share": to_plain(estimate_ratio(alarms, ~needle, counts)),
        "curve": curve,
    }
