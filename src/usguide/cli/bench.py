"""`usguide bench`: run suites, write `bench.json` and `report.html`, compare runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from usguide.bench import (
    BenchOptions,
    BenchRun,
    Suite,
    Watcher,
    compare,
    load_figures,
    run_bench,
    save_figures,
    save_report,
    suites,
)
from usguide.bench.report_injectate import save_strips
from usguide.bench.sequences import Split
from usguide.bench.worst import save_sheet
from usguide.cli import INTERRUPTED
from usguide.cli.console import console, silence_opencv
from usguide.cli.interrupt import StopRequest
from usguide.io.sinks.folder import folder_for


class _Bar(Watcher):
    """Shows what is done on stderr, and stops when asked to."""

    def __init__(self, stop: StopRequest, progress: Progress | None) -> None:
        self._stop, self._progress = stop, progress
        self._task = progress.add_task("sequences", total=None) if progress else None

    def begin(self, sequences: int) -> None:
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, total=sequences)

    def done(self, name: str) -> None:
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, advance=1, description=name)

    def say(self, what: str) -> None:
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, description=what)

    def stopped(self) -> bool:
        return self._stop.asked


@contextmanager
def _watcher(stop: StopRequest, *, quiet: bool) -> Iterator[Watcher]:
    if quiet or not sys.stderr.isatty():
        yield _Bar(stop, None)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield _Bar(stop, progress)


def run(options: BenchOptions, out: Path, *, quiet: bool, chosen: tuple[Suite, ...] | None = None) -> int:
    """Run and write; return the exit code. `chosen` are suites in place of those that the options name.

    Raises
    ------
    UsguideError
        An option is wrong, or nothing can be written.
    """
    silence_opencv()
    with folder_for(out):
        with StopRequest() as stop:
            with _watcher(stop, quiet=quiet) as watcher:
                done = run_bench(options, chosen=chosen, watcher=watcher)
            stop.ignore()
            save_figures(out / "bench.json", done.figures)
            save_report(out / "report.html", done.figures, done.worst, done.worst_sequences, done.injectate)
            if done.injectate:
                save_strips(out / "injectate.png", done.injectate)
            if done.worst_sequences:
                save_sheet(out / "worst.png", done.worst_sequences)
        if not quiet:
            _print(done, out)
    if done.figures["complete"]:
        return 0
    sys.stderr.write(f"usguide: stopped; not done: {', '.join(done.figures['not_done'])}\n")
    return INTERRUPTED


def _print(done: BenchRun, out: Path) -> None:
    shown = console()
    table = Table(title="Needle, 95 % intervals in brackets", title_justify="left")
    for name in ("suite", "detector", "recall %", "precision %", "false alarms %", "tip error, median mm"):
        table.add_column(name, justify="left" if name in ("suite", "detector") else "right")
    for name, suite in done.figures["suites"].items():
        for detector, figures in suite["pooled"].items():
            f = figures["needle"]
            shares = [_cell(f[k], 100, 0) for k in ("recall", "precision", "false_alarm_share")]
            table.add_row(name, detector, *shares, _cell(f["tip_error_median_mm"], 1, 2))
    if table.rows:
        shown.print(table)
    if any(line["holds"] is not None for line in done.figures["bars"]):
        _print_bars(done.figures["bars"], "needle", shown)
    spread = done.figures.get("injectate", {"bars": [], "absent": []})
    if any(line["holds"] is not None for line in spread["bars"]):
        _print_bars(spread["bars"], "injectate", shown)
    absent = [a["name"] for suite in (*done.figures["suites"].values(), spread) for a in suite["absent"]]
    if absent:
        shown.print(f"Absent ({len(absent)}, reasons in the report): {', '.join(absent)}", soft_wrap=True)
    written = (["worst.png"] if done.worst_sequences else []) + (["injectate.png"] if done.injectate else [])
    for file in ("bench.json", "report.html", *written):
        shown.print(f"  {out / file}", soft_wrap=True)
    shown.print(done.figures["notice"] + ".")


def _print_bars(lines: list[dict[str, Any]], of: str, shown: Console) -> None:
    table = Table(title=f"What is asked of the {of}", title_justify="left")
    for name in ("", "score", "asked", "measured", "holds"):
        table.add_column(name, justify="right" if name == "measured" else "left")
    for line in lines:
        holds = {True: "yes", False: "no", None: "-"}[line["holds"]]
        table.add_row(*(line[key] for key in ("group", "what", "asked", "measured")), holds)
    shown.print(table)


def _cell(found: dict[str, float | str | None], scale: float, digits: int) -> str:
    def text(value: float | str | None) -> str:
        return "-" if value is None else value if isinstance(value, str) else f"{scale * value:.{digits}f}"

    if found["low"] is None:
        return text(found["value"])
    return f"{text(found['value'])} [{text(found['low'])}, {text(found['high'])}]"


def show_comparison(first: Path, second: Path) -> None:
    """Print how B differs from A."""
    found, shown = compare(load_figures(first), load_figures(second)), console()
    table = Table(title=f"A: {first}\nB: {second}", title_justify="left")
    for name in ("suite", "detector", "score", "A", "B", "B - A", "95 % interval", ""):
        table.add_column(name, justify="left" if name in ("suite", "detector", "score", "") else "right")
    for d in found.differences:
        a, b, change = ("-" if v is None else f"{v:.3f}" for v in (d.before, d.after, d.change))
        interval = "-" if d.low is None or d.high is None else f"{d.low:+.3f} to {d.high:+.3f}"
        table.add_row(d.suite, d.detector, d.score, a, b, change, interval, d.verdict)
    shown.print(table)
    for note in found.notes:
        shown.print(f"note: {note}", soft_wrap=True)


def list_sequences(suite: str, split: Split, only: tuple[str, ...], *, quick: bool) -> None:
    """Print the sequences with their tags, and what is absent."""
    shown = console()
    for found in suites(suite, split=split, quick=quick, only=only):
        table = Table(title=f"{found.name}: {len(found.sequences)} sequences, split {split}", title_justify="left")
        table.add_column("name")
        table.add_column("tags")
        for s in found.sequences:
            table.add_row(s.name, ", ".join(f"{k}={v}" for k, v in s.tags.items()))
        shown.print(table)
        for a in found.absent:
            shown.print(f"absent: {a.name}: {a.reason}", soft_wrap=True)
