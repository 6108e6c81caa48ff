"""Two runs side by side: what got better or worse by more than chance over sequences explains."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from usguide.bench.run import SCHEMA_VERSION
from usguide.errors import FormatError
from usguide.metrics import resample_counts

Verdict = Literal["better", "worse", "no clear difference", "not comparable"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One score of one detector in one suite, in both runs.

    `change` is B minus A with its 95 % interval: a bootstrap over the sequences that both runs hold, drawn together.
    """

    suite: str
    detector: str
    score: str
    before: float | None
    after: float | None
    change: float | None
    low: float | None
    high: float | None
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Comparison:
    """All differences, and what was left out."""

    differences: tuple[Difference, ...]
    notes: tuple[str, ...]


Part = Callable[[dict[str, Any]], float]
# Score to numerator and denominator of each sequence, and whether more is better.
RATIOS: dict[str, tuple[Part, Part, bool]] = {
    "recall": (lambda s: s["hits"], lambda s: s["counted_frames"], True),
    "hit rate at 1 mm": (
        lambda s: (s["hit_rate_1_mm"] or 0) * s["counted_frames"],
        lambda s: s["counted_frames"],
        True,
    ),
    "precision": (lambda s: s["hits"], lambda s: s["judged_tracking_frames"], True),
    "sequences within 3 mm in 95 %": (lambda s: s["good"] is True, lambda s: s["counted_frames"] > 0, True),
    "false alarm share": (lambda s: s["false_alarm_frames"], lambda s: s["needle_free_frames"], False),
}


def load_figures(path: Path) -> dict[str, Any]:
    """Read a `bench.json`, or the one in a folder.

    Raises
    ------
    FormatError
        Absent, not JSON, or not written by this version's benchmark.
    """
    file = path / "bench.json" if path.is_dir() else path
    try:
        figures = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise FormatError(f"{file}: expected a bench.json that can be read, got: {error.strerror or error}") from None
    except ValueError as error:
        raise FormatError(f"{file}: expected JSON, got: {error}") from None
    version = figures.get("schema_version") if isinstance(figures, dict) else None
    if version != SCHEMA_VERSION or "suites" not in figures:
        raise FormatError(f"{file}: expected a bench.json of schema {SCHEMA_VERSION}, got {version}; run it again")
    found: dict[str, Any] = figures
    return found


def compare(a: dict[str, Any], b: dict[str, Any]) -> Comparison:
    """Compare two runs.

    Parameters
    ----------
    a, b : dict
        See `load_figures`; b is the newer one.

    Returns
    -------
    Comparison
    """
    differences: list[Difference] = []
    notes: list[str] = []
    for label, key in (("split", "split"), ("quick", "quick")):
        if a["options"][key] != b["options"][key]:
            notes.append(f"{label}: {a['options'][key]} against {b['options'][key]}")
    for name in [n for n in a["suites"] if n in b["suites"]]:
        first, second = a["suites"][name], b["suites"][name]
        ours, theirs = ({s["name"]: s for s in suite["sequences"]} for suite in (first, second))
        both = [n for n in ours if n in theirs]
        if len(both) < max(len(ours), len(theirs)):
            notes.append(f"{name}: {len(both)} sequences are in both ({len(ours)} in A, {len(theirs)} in B)")
        changed = [n for n in both if first["frames_digest"].get(n) != second["frames_digest"].get(n)]
        if changed:
            notes.append(f"{name}: {len(changed)} sequences were rendered by other code or from other scenes")
        for detector in [d for d in a["detectors"] if d in b["detectors"]]:
            rows = [(ours[n]["detectors"][detector], theirs[n]["detectors"][detector]) for n in both]
            differences += _differences(name, detector, rows)
    only = [n for n in (*a["suites"], *b["suites"]) if (n in a["suites"]) != (n in b["suites"])]
    notes += [f"{n}: in one run only" for n in only]
    return Comparison(tuple(differences), tuple(notes))


def _differences(suite: str, detector: str, rows: list[tuple[dict[str, Any], dict[str, Any]]]) -> list[Difference]:
    counts = resample_counts(len(rows))
    found = []
    for score, (top, bottom, more_is_better) in RATIOS.items():
        tops, bottoms = (
            np.array([[float(part(side["needle"])) for side in row] for row in rows]).reshape(-1, 2)
            for part in (top, bottom)
        )
        total = bottoms.sum(axis=0)
        if not total.any():
            continue
        before, after = (float(t / n) if n else None for t, n in zip(tops.sum(axis=0), total, strict=True))
        with np.errstate(invalid="ignore", divide="ignore"):
            shares = (counts @ tops) / (counts @ bottoms)
        found.append(_judged(suite, detector, score, (before, after), shares, more_is_better=more_is_better))
    errors = [[_numbers(side["tip_errors_mm"]) for side in row] for row in rows]
    medians = [_median(np.concatenate([np.empty(0), *side])) for side in zip(*errors, strict=True)] if errors else []
    if len(medians) == 2 and None not in medians:
        score, both = "tip error while tracking, median mm", (medians[0], medians[1])
        found.append(_judged(suite, detector, score, both, _medians(errors, counts), more_is_better=False))
    return found


def _judged(
    suite: str,
    detector: str,
    score: str,
    values: tuple[float | None, float | None],
    resampled: NDArray[np.float64],
    *,
    more_is_better: bool,
) -> Difference:
    before, after = values
    if before is None or after is None:
        return Difference(suite, detector, score, before, after, None, None, None, "not comparable")
    change = after - before
    drawn = resampled[:, 1] - resampled[:, 0]
    drawn = drawn[np.isfinite(drawn)]
    if drawn.size == 0:
        return Difference(suite, detector, score, before, after, change, None, None, "not comparable")
    low, high = (float(v) for v in np.quantile(drawn, (0.025, 0.975)))
    verdict: Verdict = "no clear difference"
    if low > 0 or high < 0:
        verdict = "better" if (low > 0) == more_is_better else "worse"
    return Difference(suite, detector, score, before, after, change, low, high, verdict)


def _numbers(errors: list[Any]) -> NDArray[np.float64]:
    """Errors of the frames that track: misses are in the recall."""
    return np.array([e for e in errors if not isinstance(e, str) and e is not None], dtype=np.float64)


def _median(errors: NDArray[np.float64]) -> float | None:
    return float(np.median(errors)) if errors.size else None


def _medians(errors: list[list[NDArray[np.float64]]], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Median of each side in each resample, shape (R, 2)."""
    found = np.full((len(counts), 2), math.nan)
    for side in (0, 1):
        values = np.concatenate([row[side] for row in errors])
        owner = np.repeat(np.arange(len(errors)), [row[side].size for row in errors])
        order = np.argsort(values)
        weights = counts[:, owner[order]].cumsum(axis=1)
        half = weights[:, -1] / 2
        at = (weights < half[:, None]).sum(axis=1)
        found[half > 0, side] = values[order][at[half > 0]]
    return found
