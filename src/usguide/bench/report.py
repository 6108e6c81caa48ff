"""`report.html`: what `bench.json` says, for people, in one file that needs no network."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from usguide.bench.injectate_running import InjectateOutcome
from usguide.bench.page import estimate, facts, number, page, share, table
from usguide.bench.report_bars import bars_html, subsets_html
from usguide.bench.report_injectate import injectate_html
from usguide.bench.running import WorstFrame
from usguide.bench.svg import histogram, line_chart
from usguide.bench.worst import frames_html

TITLES = {
    "phantom": "Phantoms: rendered tissue, exact truth",
    "anatomy": "Anatomy: needles rendered onto real stills",
    "stills": "Single frames of needles rendered onto real stills",
    "recordings": "Real recordings",
}
NOTES = {
    "phantom": "Everything here is rendered. Truth is exact; real tissue, hands and scanners are more varied.",
    "anatomy": "Needle and injectate are rendered, the tissue is real. The stills' spacing is assumed (0.075 mm per px), "
    "so their figures in mm are too.",
    "stills": "Each frame is judged on its own, with the default prior: side unknown, 5 to 80 degrees.",
    "recordings": "Needles were read off by eye (tip within 0.7 mm), on three pictures, each with two priors: far too "
    "few for a claim. The others hold no needle and are scored for false alarms.",
}
SHARES = (
    ("recall (tip within 3 mm), %", "recall"),
    ("within 2 mm, %", "hit_rate_2_mm"),
    ("within 1 mm, %", "hit_rate_1_mm"),
    ("precision, %", "precision"),
    ("sequences within 3 mm in 95 % of frames, %", "good_share"),
    ("false alarms, % of needle-free frames", "false_alarm_share"),
)
LENGTHS = (
    ("false alarms a minute, needle-free", "false_alarms_per_min", 1),
    ("tip error while tracking, median mm", "tip_error_median_mm", 2),
    ("tip error while tracking, p95 mm", "tip_error_p95_mm", 2),
    ("tip error with misses, median mm", "tip_error_all_median_mm", 2),
    ("tip error with misses, p95 mm", "tip_error_all_p95_mm", 2),
    ("shaft angle error, median deg", "angle_error_median_deg", 2),
    ("shaft angle error, p95 deg", "angle_error_p95_deg", 2),
    ("perpendicular error, median mm", "perpendicular_error_median_mm", 2),
)
TAG_COLUMNS = ("recall", "precision", "false_alarm_share")


def report_html(
    figures: dict[str, Any],
    worst: Sequence[WorstFrame] = (),
    worst_sequences: Sequence[WorstFrame] = (),
    injectate: Sequence[tuple[str, InjectateOutcome]] = (),
) -> str:
    """Return the page.

    Parameters
    ----------
    figures : dict
        What `bench.json` holds.
    worst, worst_sequences : sequence of WorstFrame
        Pictures that the JSON does not hold: see `BenchRun`.
    injectate : sequence of (str, InjectateOutcome)
        Likewise.
    """
    names = figures["detectors"]
    parts = [_head(figures), bars_html(figures["bars"]), subsets_html(figures["subsets"])]
    if "injectate" in figures:
        parts.append(injectate_html(figures["injectate"], injectate))
    if worst_sequences:
        note = "<p>By the share of frames that are a miss, a wrong tip or a false alarm; the worst frame of each.</p>"
        parts.append(f"<h2>Worst sequences</h2>{note}{frames_html(worst_sequences, names)}")
    for name, suite in figures["suites"].items():
        frames = [w for w in worst if any(w.sequence == s["name"] for s in suite["sequences"])]
        parts.append(_suite(name, suite, names, frames))
    if figures["speed"]:
        parts.append(_speed(figures["speed"]))
    parts += [_absent(figures), _method(figures)]
    return page("usguide bench", "\n".join(parts))


def save_report(
    path: Path,
    figures: dict[str, Any],
    worst: Sequence[WorstFrame],
    worst_sequences: Sequence[WorstFrame] = (),
    injectate: Sequence[tuple[str, InjectateOutcome]] = (),
) -> None:
    """Write the page, under a temporary name until it is complete."""
    temporary = path.with_name(f".{path.name}.part")
    try:
        temporary.write_text(report_html(figures, worst, worst_sequences, injectate), encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _head(figures: dict[str, Any]) -> str:
    options, machine = figures["options"], figures["machine"]
    run = f"suite {options['suite']}, split {options['split']}" + (", quick" if options["quick"] else "")
    if options["only"]:
        run += f", only {' '.join(options['only'])}"
    pairs = [
        ("run", run + f", {options['jobs']} processes"),
        ("usguide", f"{figures['versions']['usguide']}, settings {figures['settings_digest']}"),
        ("renderer", figures["renderer_digest"]),
        (
            "machine",
            f"{machine['processor']}, {machine['cores']} cores, {machine['system']}, Python {machine['python']}",
        ),
        ("libraries", ", ".join(f"{k} {v}" for k, v in figures["versions"].items() if k in _LIBRARIES)),
    ]
    unfinished = ""
    if not figures["complete"]:
        unfinished = f'<p class="bad">Stopped early. Not done: {escape(", ".join(figures["not_done"]))}.</p>'
    elif options["quick"]:
        unfinished = "<p>A quick run: a few short sequences, to see that all works. Report the whole suites.</p>"
    notice = escape(figures["notice"])
    return f'<h1>usguide bench</h1><p class="notice">{notice}.</p>{unfinished}{facts(pairs)}'


_LIBRARIES = ("numpy", "scipy", "numba", "opencv-python", "scikit-image")


def _suite(name: str, suite: dict[str, Any], names: list[str], worst: list[WorstFrame]) -> str:
    title = f"<h2>{escape(TITLES.get(name, name))}</h2>"
    if not suite["sequences"]:
        return title + "<p>Nothing could be run; see what is absent.</p>"
    return "".join(
        [
            title,
            f'<p class="soft">{escape(NOTES.get(name, ""))}</p>',
            _hardness(suite["hardness"], name),
            _summary(suite["pooled"], names),
            _charts(suite["pooled"]),
            _injectate(suite["pooled"]),
            _moving_tool(suite, names),
            _by_tag(suite["by_tag"], names),
            f"<h3>Worst frames</h3>{frames_html(worst, names)}" if worst else "",
            _sequences(suite["sequences"], names),
        ]
    )


def _hardness(hard: dict[str, Any], name: str) -> str:
    recall, alarms = hard["reference_recall_at_normal_visibility"], hard["reference_alarm_share_in_needle_free_frames"]
    if hard["hard_enough"] is None or name == "recordings":
        return ""
    verdict = "hard enough" if hard["hard_enough"] else "not hard enough"
    mark = "good" if hard["hard_enough"] else "bad"
    return (
        f'<p>The suite is <span class="{mark}">{verdict}</span>: the reference detector has recall '
        f"{number(recall)} at normal visibility (hard below 0.70) and alarms in {number(alarms, 0, scale=100)} % of "
        f"needle-free frames (hard over 50 %). {hard['sequences_with_three_distractor_lines']} of {hard['sequences']} "
        "sequences hold three or more lines of 10 mm that could be taken for the needle"
        + (
            f"; fewer in {escape(', '.join(hard['too_few_distractor_lines']))}"
            if hard["too_few_distractor_lines"]
            else ""
        )
        + ".</p>"
    )


def _summary(pooled: dict[str, Any], names: list[str]) -> str:
    shown = [n for n in names if n in pooled]
    if not shown:
        return ""
    needle = {n: pooled[n]["needle"] for n in shown}
    first = needle[shown[0]]
    rows = [[escape(label), *(share(needle[n][key]) for n in shown)] for label, key in SHARES]
    rows += [[escape(label), *(estimate(needle[n][key], digits) for n in shown)] for label, key, digits in LENGTHS]
    for label, key in (("time to first lock, median s", "first_lock_s"), ("time to re-lock, median s", "relock_s")):
        rows.append([label, *(number(needle[n][key]["median"]) for n in shown)])
    calibrations = {n: pooled[n].get("calibration") for n in shown}
    for label, key in (
        ("calibration error of the confidence", "expected_calibration_error"),
        ("Brier skill", "brier_skill"),
    ):
        rows.append([label, *(number(c[key], 3) if c else "-" for c in calibrations.values())])
    count = (
        f"{first['sequences']} sequences, {first['frames']} frames: {first['counted_frames']} count (5 mm of shaft and "
        f"more in plane), {first['needle_free_frames']} hold no needle. Small figures: 95 % interval, bootstrap over "
        "sequences."
    )
    return f'<p class="soft">{count}</p>' + table(["", *shown], rows)


def _charts(pooled: dict[str, Any]) -> str:
    curves = {
        n: list(zip(p["error_curve"]["within_mm"], p["error_curve"]["share"], strict=True))
        for n, p in pooled.items()
        if p["error_curve"]["share"]
    }
    panels = []
    if curves:
        chart = line_chart(curves, x_label="tip error, mm", y_label="share of counted frames", x_max=10.0)
        panels.append(("Tip within x mm (a miss never is)", chart))
    bins = {
        n: [(b["confidence"], b["share"]) for b in p["calibration"]["bins"]]
        for n, p in pooled.items()
        if p["calibration"]
    }
    if any(bins.values()):
        chart = line_chart(bins, x_label="confidence", y_label="tip within 2 mm", x_max=1.0, diagonal=True, dots=True)
        panels.append(("Does the confidence hold?", chart))
    ours = next(iter(pooled.values()), None)
    if ours and sum(ours["latency_histogram"]["frames"]):
        h = ours["latency_histogram"]
        total = ours["latency_ms"]["total"]
        words = f"median {total['p50']:.1f}, p95 {total['p95']:.1f}, p99 {total['p99']:.1f}, max {total['max']:.0f} ms"
        chart = histogram(h["from_ms"], h["frames"], x_label="ms a frame (last bar: all beyond)")
        panels.append(("Latency of ours, while all processes ran", chart + f'<p class="legend">{words}</p>'))
    inner = "".join(f'<div class="panel"><h3>{escape(t)}</h3>{chart}</div>' for t, chart in panels)
    return f'<div class="charts">{inner}</div>'


def _injectate(pooled: dict[str, Any]) -> str:
    rows = []
    for name, figures in pooled.items():
        f = figures["injectate"]
        if f is not None:
            cells = [
                estimate(f[k]) for k in ("dice_median", "dice_p5", "hausdorff95_median_mm", "onset_delay_median_s")
            ]
            cells += [share(f["missed_onset_share"]), estimate(f["false_onsets_per_sequence"])]
            rows.append([escape(name), *cells])
    if not rows:
        return '<p class="soft">Injectate: none of the detectors reports it, so none is scored.</p>'
    head = (
        "",
        "Dice median",
        "Dice p5",
        "Hausdorff 95 median mm",
        "onset delay s",
        "missed %",
        "false onsets a sequence",
    )
    return "<h3>Injectate</h3>" + table(head, rows)


def _moving_tool(suite: dict[str, Any], names: list[str]) -> str:
    if "moving_tool" not in suite:
        return ""
    found = suite["moving_tool"]
    rows = [
        [escape(n), share(found[n]["needle"]["recall"]), estimate(found[n]["needle"]["tip_error_median_mm"])]
        for n in names
        if n in found
    ]
    words = '<p class="soft">A catheter in a tube, visible end by eye (2 mm) in six frames: not in the table above.</p>'
    return f"<h3>A moving tool, not a needle</h3>{words}" + table(["", "recall %", "tip error, median mm"], rows)


def _by_tag(by_tag: dict[str, Any], names: list[str]) -> str:
    head = ["", "sequences", *(f"{n}: {label}" for n in names for label in ("recall %", "precision %", "alarms %"))]
    rows = []
    for tag, levels in by_tag.items():
        for level, found in levels.items():
            first = next(iter(found.values()))["needle"]
            cells = [share(found[n]["needle"][key]) if n in found else "-" for n in names for key in TAG_COLUMNS]
            rows.append([f"<small>{escape(tag)}</small> {escape(level)}", str(first["sequences"]), *cells])
    if not rows:
        return ""
    note = '<p class="soft">Visibility is measured on the finished pictures. Alarms: share of needle-free frames.</p>'
    return "<h3>By what is in the sequence</h3>" + note + table(head, rows)


def _sequences(sequences: list[dict[str, Any]], names: list[str]) -> str:
    head = ["", "frames", "visibility dB", "lines", *(f"{n}: recall %, alarms %" for n in names), "what"]
    rows = []
    for s in sequences:
        cells = []
        for n in names:
            needle = s["detectors"][n]["needle"] if n in s["detectors"] else {}
            recall, alarms = (number(needle.get(k), 0, scale=100) for k in ("recall", "false_alarm_share"))
            cells.append(f"{recall}, {alarms}")
        what = escape(
            ", ".join(f"{k}: {v}" for k, v in s["tags"].items() if k not in ("needle", "visibility aimed at"))
        )
        visibility, lines = number(s["visibility_db"], 1), str(s["distractor_lines"])
        rows.append([escape(s["name"]), str(s["frames"]), visibility, lines, *cells, what])
    listed = table(head, rows, words=(len(head) - 1,))
    return f"<details><summary>All {len(sequences)} sequences</summary>{listed}</details>"


def _speed(speed: dict[str, Any]) -> str:
    parts = ["<h2>Speed</h2>", '<p class="soft">One thread, nothing else of ours running. ms.</p>']
    for size, found in speed.items():
        rows = []
        for name, figures in found["detectors"].items():
            for stage, f in figures["latency_ms"].items():
                rate = f"{figures['frames_per_s']:.0f}" if stage == "total" else ""
                cells = [number(f[k], 1) for k in ("p50", "p95", "p99", "max")]
                rows.append([f"{escape(name)} <small>{escape(stage)}</small>", *cells, rate])
        for name, f in found["filters_ms"].items():
            rows.append(
                [f"filter <small>{escape(name)}</small>", *(number(f[k], 1) for k in ("p50", "p95", "p99", "max")), ""]
            )
        parts.append(f"<h3>{escape(size)}</h3>" + table(["", "median", "p95", "p99", "max", "frames/s"], rows))
    return "".join(parts)


def _absent(figures: dict[str, Any]) -> str:
    suites = figures["suites"] | ({"injectate": figures["injectate"]} if "injectate" in figures else {})
    found = [(n, a) for n, suite in suites.items() for a in suite["absent"]]
    if not found:
        return "<h2>What is absent</h2><p>Nothing.</p>"
    items = "".join(f"<li><b>{escape(a['name'])}</b> ({escape(n)}): {escape(a['reason'])}</li>" for n, a in found)
    return f"<h2>What is absent</h2><ul>{items}</ul>"


def _method(figures: dict[str, Any]) -> str:
    tuned = (
        "Settings may be chosen on the tuning split and on nothing else."
        if figures["options"]["split"] == "test"
        else "This is the tuning split: its figures are for choosing settings, not for a report."
    )
    return (
        "<h2>How it is scored</h2><ul>"
        "<li>A frame counts with 5 mm of shaft in plane. A hit tracks with the tip within 3 mm. Recall is hits over "
        "counted frames, precision hits over tracking frames, needle-free ones included.</li>"
        "<li>A miss is infinitely far off and stays in every figure that says so.</li>"
        "<li>Where the tip has left the scan plane, the visible end of the shaft is what a detector can find and is scored "
        "with: it is not the tip.</li>"
        "<li>Every detector is told the side of entry and angles of 5 to 80 degrees; on single pictures and on real "
        "needle-free recordings not even the side.</li>"
        "<li>The reference detector is frozen: Frangi, Hough and the brightest line, frame by frame.</li>"
        f"<li>{tuned}</li></ul>"
    )
