"""What the command line shows: progress on stderr, tables on stdout."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text


class _Rate(ProgressColumn):
    """Frames per second."""

    def render(self, task: Task) -> Text:
        """Show the speed of the last seconds."""
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.0f} frames/s" if speed else "- frames/s")


class FrameCounter:
    """Counts frames on a progress bar, or does nothing."""

    def __init__(self, progress: Progress | None = None, total: int | None = None) -> None:
        self._progress = progress
        self._task = progress.add_task("frames", total=total) if progress else None

    def advance(self) -> None:
        """Count one frame."""
        if self._progress is not None and self._task is not None:
            self._progress.advance(self._task)


def silence_opencv() -> None:
    """Keep OpenCV's and FFmpeg's own complaints off stderr: what matters of them comes as one line of ours."""
    import cv2  # noqa: PLC0415  (this module is also used where OpenCV is not needed)

    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


@contextmanager
def frame_progress(total: int | None, *, quiet: bool) -> Iterator[FrameCounter]:
    """Show frames done, frames per second and time left on stderr, if somebody watches."""
    if quiet or not sys.stderr.isatty():
        yield FrameCounter()
        return
    columns = (TextColumn("frames"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield FrameCounter(progress, total)


def console() -> Console:
    """Return a console on stdout; away from a terminal lines are not cut at 80 columns.

    Names of files are shown as they are, brackets and colons included.
    """
    return Console(width=None if sys.stdout.isatty() else 110, highlight=False, markup=False, emoji=False)


def print_report(summary: dict[str, Any], paths: list[Path]) -> None:
    """Print what was found, how fast, how right where truth is known, and where the files are."""
    out = console()
    table = Table(
        title=f"{summary['input']['name']}: {summary['frames']} frames", title_justify="left", show_header=False
    )
    states = ", ".join(f"{count} {state}" for state, count in sorted(summary["states"].items()))
    table.add_row("states", states)
    if summary["bad_frames"]:
        table.add_row("bad frames", f"{summary['bad_frames']} left out (see summary.json)")
    if summary["events"]:
        table.add_row("events", f"{len(summary['events'])} (see summary.json), first: {summary['events'][0]['event']}")
    for note in summary["input"]["notes"]:
        table.add_row("note", note)
    if latency := summary["latency_ms"].get("total"):
        table.add_row("latency", "median {p50:.1f} ms, p95 {p95:.1f} ms, max {max:.1f} ms a frame".format(**latency))
    if fluid := summary["injectate"]:
        table.add_row("injectate", _spread_words(fluid))
        for warning, frames in fluid["warnings"].items():
            table.add_row("warning", f"{warning}, in {frames} frames (see results.jsonl)")
    if not summary["complete"]:
        table.add_row("ended", str(summary["ended"]))
    out.print(table)
    if summary["scores"] is not None:
        out.print(_score_table(summary["scores"]))
    for path in paths:
        out.print(f"  {path}", soft_wrap=True)
    out.print(summary["notice"] + ".")


def _spread_words(fluid: dict[str, Any]) -> str:
    last = fluid["last"]
    if fluid["onset_s"] is None:
        return "none seen"
    words = [f"from {fluid['onset_s']:.2f} s on, at the end {last['area_mm2']:.1f} mm2"]
    if last["area_sigma_mm2"] is not None:
        words[0] += f" +- {last['area_sigma_mm2']:.1f}"
    if last["extent_mm"] is not None:
        words.append("{:.1f} x {:.1f} mm".format(*last["extent_mm"]))
    if last["ring_deg"] is not None:
        words.append(f"{last['ring_deg']:.0f} degrees around the target")
    return ", ".join(words)


def _score_table(scores: dict[str, Any]) -> Table:
    table = Table(title="Against the phantom's truth (rendered)", title_justify="left")
    for name in ("", "median", "p95", "max"):
        table.add_column(name, justify="left" if not name else "right")

    def row(name: str, errors: dict[str, Any], unit: str) -> None:
        cells = [errors[k] for k in ("median", "p95", "maximum")]
        table.add_row(name, *(_cell(c, unit) for c in cells))

    row("tip error, frames that track", scores["tip_error_mm"], "mm")
    row("tip error, all frames with needle", scores["tip_error_all_mm"], "mm")
    row("shaft angle error", scores["angle_error_deg"], "deg")
    table.add_section()
    table.add_row(
        "recall (tip within 3 mm)", _share(scores["recall"]), f"{scores['hits']}/{scores['counted_frames']}", ""
    )
    table.add_row("precision", _share(scores["precision"]), "", "")
    table.add_row(
        "false alarms", str(scores["false_alarm_frames"]), f"of {scores['needle_free_frames']}", "needle-free frames"
    )
    return table


def _cell(value: float | str | None, unit: str) -> str:
    return "-" if value is None else value if isinstance(value, str) else f"{value:.2f} {unit}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.0f} %"
