"""The report's part on injectate: what is asked, groups, methods beside each other, and pictures over time."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from usguide.bench.injectate_methods import OURS
from usguide.bench.injectate_running import SHOWN_S, STRIP_PX, InjectateOutcome
from usguide.bench.page import estimate, number, table
from usguide.bench.report_bars import bars_html

NOTE = (
    "On rendered fluid: no recording of an injection is public. Judged on the pipeline as it is used, which finds the "
    "needle itself; then the same of the segmenter that is given the true tip. Outlines are judged from one second after "
    "the true onset; what is not found counts as Dice 0. 95 % intervals in brackets, bootstrap over sequences."
)
COLUMNS = (
    ("Dice median", "dice_median", 2, 1.0),
    ("Dice p5", "dice_p5", 2, 1.0),
    ("Hausdorff 95 median mm", "hausdorff95_median_mm", 2, 1.0),
    ("area error median %", "area_error_median_share", 1, 100.0),
    ("extent error median mm", "extent_error_median_mm", 2, 1.0),
    ("ring error median deg", "ring_error_median_deg", 1, 1.0),
    ("onset noticed after, median s", "onset_notice_delay_median_s", 2, 1.0),
    ("p95 s", "onset_notice_delay_p95_s", 2, 1.0),
    ("missed %", "missed_onset_share", 0, 100.0),
    ("no-spread warned %", "no_spread_share", 0, 100.0),
)
"""Label, key of the pooled scores, digits, factor."""
CAPTION_PX = 20


def injectate_html(found: dict[str, Any], shown: Sequence[tuple[str, InjectateOutcome]] = ()) -> str:
    """Return the part of the page; `found` is what `bench.json` holds under ``injectate``."""
    head = ("", "", "sequences", *(label for label, *_ in COLUMNS), "with false onset")
    rows = []
    for group, methods in found["groups"].items():
        for method, figures in methods.items():
            cells = [estimate(figures[key], digits, scale=scale) for _, key, digits, scale in COLUMNS]
            rows.append(
                [
                    escape(group),
                    escape(method),
                    str(figures["sequences"]),
                    *cells,
                    str(figures["false_onset_sequences"]),
                ]
            )
    times = ", ".join(f"{name} {ms:.1f}" for name, ms in found["times_ms"].items())
    return "".join(
        [
            bars_html(found["bars"], of="injectate", note=NOTE),
            "<h3>Groups and methods</h3>",
            table(head, rows, words=(1,)) if rows else "<p>Nothing could be run; see what is absent.</p>",
            f'<p class="soft">Median ms a frame with fluid ({OURS}: the whole step): {escape(times)}</p>'
            if times
            else "",
            _pictures(shown),
            _sequences(found["sequences"], found["methods"]),
        ]
    )


def caption(word: str, o: InjectateOutcome) -> str:
    """Say which sequence it is and how well it went."""
    dice = float(np.median(o.methods[OURS].spread.raw.dice))
    what = f"{o.tags['injectate']}, echo {o.tags['echo']}, {o.tags['tissue']}, probe {o.tags['probe motion']}"
    return f"{word}: {o.name}, Dice {dice:.2f} ({what})"


def _pictures(shown: Sequence[tuple[str, InjectateOutcome]]) -> str:
    if not shown:
        return ""
    figures = "".join(
        f"<figure>{_image(f'{word}: {o.name}', o.strip)}<figcaption>{escape(caption(word, o))}</figcaption>"
        f"<details><summary>Area and extent over time</summary>{_image(f'{o.name} over time', o.plot)}</details></figure>"
        for word, o in shown
    )
    times = ", ".join(f"{t:g}" for t in SHOWN_S)
    note = f'<p class="soft">Green: truth. Blue: {OURS}. {times} s after the true onset.</p>'
    return f"<h3>Best, median and worst sequence</h3>{note}{figures}"


def _image(what: str, jpeg: bytes | None) -> str:
    data = base64.b64encode(jpeg or b"").decode("ascii")
    return f'<img alt="{escape(what)}" src="data:image/jpeg;base64,{data}">'


def _sequences(sequences: list[dict[str, Any]], methods: list[str]) -> str:
    rows = []
    for s in sequences:
        cells = [number(s["methods"].get(m, {}).get("dice_median"), 2) for m in methods]
        first = s["methods"][methods[0]]["spread"]
        cells += [number(first["onset_notice_delay_s"], 2), str(first["false_onsets"]), number(first["no_spread_s"], 1)]
        what = escape(", ".join(f"{k}: {v}" for k, v in s["tags"].items() if k != "visibility aimed at"))
        rows.append([escape(s["name"]), *cells, {True: "yes", False: "no", None: "-"}[s["needle_known"]], what])
    head = (
        "",
        *(f"{m}: Dice median" for m in methods),
        "noticed after s",
        "false onsets",
        "no-spread at s",
        "needle known",
        "what",
    )
    listed = table(head, rows, words=(len(head) - 1,)) if rows else ""
    return f"<details><summary>All {len(sequences)} sequences</summary>{listed}</details>"


def save_strips(path: Path, shown: Sequence[tuple[str, InjectateOutcome]]) -> None:
    """Write the pictures as one PNG with their captions, under a temporary name until it is complete.

    Parameters
    ----------
    path : Path
    shown : sequence of (str, InjectateOutcome)
        At least one.
    """
    rows = []
    for word, o in shown:
        image = np.asarray(cv2.imdecode(np.frombuffer(o.strip or b"", np.uint8), cv2.IMREAD_COLOR))
        label = np.zeros((CAPTION_PX, len(SHOWN_S) * STRIP_PX, 3), np.uint8)
        cv2.putText(label, caption(word, o), (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 255, 255), 1, cv2.LINE_AA)
        rows += [label, image]
    _, data = cv2.imencode(".png", np.vstack(rows))
    temporary = path.with_name(f".{path.name}.part")
    try:
        temporary.write_bytes(data.tobytes())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
