"""Whether the confidence says how often a result is right."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from usguide.errors import InputError
from usguide.metrics._matching import match_results
from usguide.metrics.frames import NeedleTruth, check_truth, seen_tip_mm
from usguide.types import GuidanceResult

EVENT_MM = 2.0
BINS = 10


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """One point of the reliability curve."""

    count: int
    confidence: float
    """Mean, 0..1."""
    share: float
    """Of frames in which the event came true, 0..1."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """How well confidences fit what came true; None where there is nothing to judge."""

    count: int
    base_rate: float | None
    """Share of frames in which the event came true."""
    expected_calibration_error: float | None
    """Mean of ``|share - confidence|`` over the bins, each weighted by its count: 0 is best."""
    brier: float | None
    """Mean squared difference of confidence and event: 0 is best, always saying 0.5 gives 0.25."""
    brier_skill: float | None
    """``1 - brier / (b (1 - b))`` with the base rate b: 1 is best, 0 is no better than always saying b, below is worse.
    None where the event always or never came true."""
    bins: tuple[ReliabilityBin, ...]
    """By rising confidence; of equal mass but for ties, which stay together."""


def confidence_events(
    truth: NeedleTruth, results: Sequence[GuidanceResult]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Confidences given, and whether the event came true: a needle is there and its tip within 2 mm.

    Parameters
    ----------
    truth : NeedleTruth
    results : sequence of GuidanceResult
        Every result with a track is judged by its best track's confidence, whatever its state and however short the
        visible shaft. Left out: results without a track, which give no confidence, and frames whose truth is unknown.

    Returns
    -------
    confidence, event : ndarray, shape (M,)
        In the order of the frames; those of several sequences are pooled by concatenating them.

    Raises
    ------
    InputError
        A result whose index the truth does not have; truth of wrong shape.
    """
    n = check_truth(truth)
    tips = seen_tip_mm(truth)
    confidence, event = [], []
    for k, r in sorted(match_results(results, n).items()):
        visible = float(truth.visible_mm[k])
        if r.track is None or math.isnan(visible) or (visible > 0 and not np.isfinite(tips[k]).all()):
            continue
        confidence.append(r.track.confidence)
        event.append(visible > 0 and math.dist(r.track.tip.position_mm, tips[k]) <= EVENT_MM)
    return np.array(confidence, dtype=float), np.array(event, dtype=bool)


def calibrate(confidence: ArrayLike, event: ArrayLike, *, bins: int = BINS) -> Calibration:
    """Compare confidences with what came true.

    Parameters
    ----------
    confidence : array_like, shape (M,)
        0..1.
    event : array_like of bool, shape (M,)
    bins : int
        Of the reliability curve, 1 or more. Equal confidences share a bin, so that the order of frames means nothing;
        there are fewer bins where many are equal.

    Returns
    -------
    Calibration

    Raises
    ------
    InputError
        Different lengths, confidences outside 0..1 or NaN, no bins.
    """
    c, e = np.asarray(confidence, dtype=float).ravel(), np.asarray(event, dtype=bool).ravel()
    if c.shape != e.shape:
        raise InputError(f"event: expected one for each of {c.size} confidences, got {e.size}")
    if not ((c >= 0) & (c <= 1)).all():
        raise InputError("confidence: expected values in 0 to 1, got some outside or NaN")
    if bins < 1:
        raise InputError(f"bins: expected 1 or more, got {bins}")
    if c.size == 0:
        return Calibration(0, None, None, None, None, ())
    _, which, count = np.unique(c, return_inverse=True, return_counts=True)
    # A confidence goes where the middle of its frames lies: i-th of n distinct ones goes to bin (i + 1/2) bins / n.
    middle = (2 * (np.cumsum(count) - count) + count) * bins // (2 * c.size)
    of_frame = middle[which]
    curve = tuple(
        ReliabilityBin(int(inside.sum()), float(c[inside].mean()), float(e[inside].mean()))
        for inside in (of_frame == b for b in np.unique(middle))
    )
    base, brier = float(e.mean()), float(np.mean((c - e) ** 2))
    spread = base * (1 - base)
    return Calibration(
        count=int(c.size),
        base_rate=base,
        expected_calibration_error=sum(b.count * abs(b.share - b.confidence) for b in curve) / c.size,
        brier=brier,
        brier_skill=1 - brier / spread if spread > 0 else None,
        bins=curve,
    )
