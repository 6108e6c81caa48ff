"""What a needle detector is asked for, beside what was measured: a table from the figures of `bench.json` alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Relation = Literal["at least", "at most", "over", "none"]


@dataclass(frozen=True, slots=True)
class Bar:
    """One line of what is asked.

    Parameters
    ----------
    group, what : str
    path : tuple of str
        Keys that lead to the figure in `bench.json`: a number, or an estimate with its interval.
    relation : {"at least", "at most", "over", "none"}
        ``none`` asks for 0.
    limit : float
    unit : str
        ``%`` shows a share in percent.
    """

    group: str
    what: str
    path: tuple[str, ...]
    relation: Relation
    limit: float
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A bar, and what was measured; plain values, an infinite figure is the word ``infinite``."""

    group: str
    what: str
    asked: str
    measured: str
    """``not measured`` where the run holds no such figure."""
    holds: bool | None
    """None where it was not measured."""


def _needle(subset: str, score: str, relation: Relation, limit: float, unit: str = "") -> Bar:
    words = {
        "recall": "recall",
        "precision": "precision",
        "tip_error_median_mm": "tip error, median",
        "tip_error_p95_mm": "tip error, p95",
        "angle_error_median_deg": "angle error, median",
        "angle_error_p95_deg": "angle error, p95",
        "good_share": "sequences under 3 mm in 95 % of counted frames",
        "false_alarm_share": "frames with a confirmed track",
        "locked_in_time": "sequences locked within 0.5 s of 10 mm of shaft",
        "returned_in_time": "sequences locked again within 0.3 s of the needle's return into the plane",
    }
    return Bar(subset, words[score], ("subsets", subset, "needle", score), relation, limit, unit)


def _confidence(subset: str, score: str, relation: Relation, limit: float) -> Bar:
    word = {"expected_calibration_error": "calibration error", "brier_skill": "Brier skill"}[score]
    return Bar(f"confidence: {subset}", word, ("subsets", subset, "calibration", score), relation, limit)


def _biopsy(told: str, error: str, limit: float) -> Bar:
    name, _, unit = error.rpartition("_")
    word = {
        "tip_error_max": "tip error of the likeliest, largest of three",
        "angle_error_max": "angle error of the likeliest, largest of three",
    }[name]
    return Bar(f"biopsy, prior: {told}", word, ("biopsy", told, error), "at most", limit, unit)


BARS: tuple[Bar, ...] = (
    _needle("easy and normal", "recall", "at least", 0.96, "%"),
    _needle("easy and normal", "precision", "at least", 0.98, "%"),
    _needle("easy and normal", "tip_error_median_mm", "at most", 0.3, "mm"),
    _needle("easy and normal", "tip_error_p95_mm", "at most", 1.2, "mm"),
    _needle("easy and normal", "angle_error_median_deg", "at most", 0.5, "deg"),
    _needle("easy and normal, straight", "angle_error_p95_deg", "at most", 2.0, "deg"),
    _needle("easy and normal, bent", "angle_error_p95_deg", "at most", 3.0, "deg"),
    _needle("easy and normal", "good_share", "at least", 0.9, "%"),
    _needle("from the first frame, normal", "recall", "at least", 0.85, "%"),
    _needle("from the first frame", "precision", "at least", 0.97, "%"),
    _needle("faint", "recall", "at least", 0.88, "%"),
    _needle("faint", "precision", "at least", 0.95, "%"),
    _needle("faint", "tip_error_median_mm", "at most", 0.8, "mm"),
    _needle("all needles", "locked_in_time", "at least", 0.95, "%"),
    _needle("all needles", "returned_in_time", "at least", 0.95, "%"),
    _needle("needle-free, rendered", "false_alarm_share", "at most", 0.01, "%"),
    _needle("needle-free, sliding out of plane", "false_alarm_share", "at most", 0.01, "%"),
    _needle("needle-free, real and moving", "false_alarm_share", "at most", 0.02, "%"),
    Bar("single pictures", "recall on rendered stills", ("stills", "recall"), "at least", 0.9, "%"),
    Bar("single pictures", "false alarms at that score", ("stills", "false_alarm_share"), "at most", 0.05, "%"),
    _biopsy("side and angle", "tip_error_max_mm", 1.5),
    _biopsy("side and angle", "angle_error_max_deg", 1.5),
    _biopsy("none", "tip_error_max_mm", 3.0),
    Bar("catheter", "frames tracked", ("tool", "tracked_share"), "at least", 0.8, "%"),
    Bar("catheter", "visible end, largest error", ("tool", "end_error_max_mm"), "at most", 5.0, "mm"),
    Bar("catheter", "frames with a wall taken for it", ("tool", "wall_frames"), "none", 0.0),
    _confidence("all rendered", "expected_calibration_error", "at most", 0.05),
    _confidence("all rendered", "brier_skill", "over", 0.0),
    _confidence("faint", "expected_calibration_error", "at most", 0.05),
    _confidence("faint", "brier_skill", "over", 0.0),
)


def bar_lines(figures: Mapping[str, Any], bars: Sequence[Bar] = BARS) -> list[Line]:
    """Return what is asked, what was measured, and whether it holds.

    Parameters
    ----------
    figures : mapping
        What `bench.json` holds.
    bars : sequence of Bar

    Returns
    -------
    list of Line
        One each bar. What holds is the figure itself; its interval is shown beside it.
    """
    return [_line(bar, figures) for bar in bars]


def _line(bar: Bar, figures: Mapping[str, Any]) -> Line:
    found: Any = figures
    for key in bar.path:
        found = found.get(key) if isinstance(found, Mapping) else None
    estimate = found if isinstance(found, Mapping) else {"value": found, "low": None, "high": None}
    value = estimate["value"]
    shown = "not measured" if value is None else _number(value, bar.unit)
    if value is not None and estimate["low"] is not None:
        shown += f" [{_number(estimate['low'], bar.unit)}, {_number(estimate['high'], bar.unit)}]"
    asked = "none" if bar.relation == "none" else f"{bar.relation} {_number(bar.limit, bar.unit)}"
    unit = f" {bar.unit}" if bar.unit else ""
    return Line(
        bar.group,
        bar.what,
        asked if bar.relation == "none" else asked + unit,
        shown if value is None else shown + unit,
        None if value is None else _holds(float("inf") if isinstance(value, str) else value, bar),
    )


def _holds(value: float, bar: Bar) -> bool:
    return {
        "at least": value >= bar.limit,
        "at most": value <= bar.limit,
        "over": value > bar.limit,
        "none": value == 0,
    }[bar.relation]


def _number(value: float | str, unit: str) -> str:
    """Show three significant digits, so that a figure does not round to its limit: 95.96 % is not 96 %."""
    if isinstance(value, str):
        return value
    return f"{100 * value:.1f}" if unit == "%" else f"{value:.3g}"
