"""The report's first tables: what is asked of the needle, and the subsets that it is asked of."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from usguide.bench.page import estimate, number, table

SUBSET_COLUMNS = (
    ("recall %", "recall", 100.0, 1),
    ("precision %", "precision", 100.0, 1),
    ("tip median mm", "tip_error_median_mm", 1.0, 2),
    ("tip p95 mm", "tip_error_p95_mm", 1.0, 2),
    ("angle median deg", "angle_error_median_deg", 1.0, 2),
    ("angle p95 deg", "angle_error_p95_deg", 1.0, 2),
    ("under 3 mm in 95 %, % of sequences", "good_share", 100.0, 0),
    ("locked in 0.5 s, %", "locked_in_time", 100.0, 0),
    ("locked again in 0.3 s, %", "returned_in_time", 100.0, 0),
    ("alarms, % of needle-free frames", "false_alarm_share", 100.0, 1),
)
"""Label, key of the pooled scores, factor, digits."""
NEEDLE_NOTE = (
    "Needles and needle-free frames of the phantom and anatomy suites, unless a line says otherwise. 95 % intervals in "
    "brackets; what is asked is asked of the figure itself."
)
HOLDS = {True: '<span class="good">yes</span>', False: '<span class="bad">no</span>', None: "-"}


def bars_html(lines: Sequence[dict[str, Any]], *, of: str = "needle", note: str = NEEDLE_NOTE) -> str:
    """Return the table of `bar_lines`, with words on what they are asked of; nothing where none was measured."""
    if all(line["holds"] is None for line in lines):
        return ""
    rows = [
        [
            f"<small>{escape(line['group'])}</small> {escape(line['what'])}",
            escape(line["asked"]),
            escape(line["measured"]),
            HOLDS[line["holds"]],
        ]
        for line in lines
    ]
    head = f'<h2>What is asked of the {escape(of)}</h2><p class="soft">{escape(note)}</p>'
    return head + table(("", "asked", "measured", "holds"), rows)


def subsets_html(subsets: dict[str, Any]) -> str:
    """Return the table of `subset_figures`; nothing without any."""
    head = ("", "sequences", *(label for label, *_ in SUBSET_COLUMNS), "calibration error", "Brier skill")
    rows = []
    for name, found in subsets.items():
        needle, calibration = found["needle"], found["calibration"]
        cells = [estimate(needle[key], digits, scale=scale) for _, key, scale, digits in SUBSET_COLUMNS]
        cells += [number(calibration[key], 3) for key in ("expected_calibration_error", "brier_skill")]
        rows.append([escape(name), str(needle["sequences"]), *cells])
    if not rows:
        return ""
    note = (
        '<p class="soft">Over the phantom and anatomy suites, but for the real ones. Precision counts the false alarms of '
        "the subset's own sequences. Visibility and angle (steep: over 55 degrees) are measured.</p>"
    )
    return "<h2>Subsets</h2>" + note + table(head, rows)
