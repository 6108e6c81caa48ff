"""The results as a table in the terminal, as Markdown and as JSON."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any

import yardstick
from frames import name_of
from measuring import Row, Times
from rich.console import Console
from rich.table import Table

PACKAGES = (
    "usguide", "numpy", "numba", "opencv-python", "opencv-python-headless", "scikit-image", "PyWavelets", "SimpleITK",
    "itk-core", "itk-phasesymmetry", "MedPy", "srad", "findpeaks", "bm3d",
)  # fmt: skip
HEAD = ("filter", "threads", "ours, ms", "p95", "peer", "peer, ms", "p95", "peer / ours", "agree")
BUSY_CORES = 0.2
NOTES = (
    "Medians over repetitions in turn in one run; peers at one thread. float32 frames unless the peer's name says uint8. "
    "(n): the nearest peer there is, which does not compute the same. (s): slow peer, called once. "
    "(b): other processes took more than a fifth of a core meanwhile. "
    "usguide as a peer: another of its filters, for scale. 'agree': correlation of the two results on 96 x 128 px. "
    "Arrays for results and intermediate steps are allocated beforehand on both sides where the peer can take them; "
    "conversions into a peer's own image class are not counted."
)


@dataclass(slots=True)
class Report:
    """Everything that one run found."""

    rows: list[Row] = field(default_factory=list)
    memory: list[tuple[str, str, float]] = field(default_factory=list)
    """Filter, whose ("usguide" or the peer), float32 frames."""
    left_out: list[str] = field(default_factory=list)


def machine() -> str:
    """Return architecture, cores and Python."""
    return f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"


def versions() -> dict[str, str]:
    """Return the versions of usguide, its peers and the compiler, of those that are here."""
    found = {"g++": yardstick.compiler_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def number(value: float | None) -> str:
    """Return three digits that count."""
    if value is None:
        return ""
    return f"{value:.0f}" if value >= 99.95 else f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"


def _pair(times: Times | None) -> tuple[str, str]:
    return ("", "") if times is None else (number(times.median_ms), number(times.p95_ms) if times.n > 1 else "")


def _cells(row: Row) -> tuple[str, ...]:
    marks = (" (n)" if row.kind == "nearest" else "") + (" (s)" if row.slow else "")
    agree = "" if row.agreement is None else f"{row.agreement:.3f}"
    busy = (row.others_cores or 0) > BUSY_CORES
    peer = f"{row.peer}{marks}" if row.peer else "none"
    return (
        row.filter,
        f"{row.threads}{' (b)' if busy else ''}",
        *_pair(row.ours),
        peer,
        *_pair(row.theirs),
        number(row.ratio),
        agree,
    )


def show(report: Report, console: Console) -> None:
    """Print one table for each frame size."""
    console.print(f"{machine()}\n{_list_of_versions()}")
    for title, head, lines in _tables(report):
        table = Table(*head, title=title, title_justify="left")
        for line in lines:
            table.add_row(*line)
        console.print(table)
    console.print(NOTES)
    for reason in report.left_out:
        console.print(f"left out: {reason}", markup=False)


def markdown(report: Report) -> str:
    """Return the same tables for the documentation."""
    parts = [f"{machine()}. {_list_of_versions()}.", NOTES]
    for title, head, lines in _tables(report):
        body = "\n".join("| " + " | ".join(line) + " |" for line in (head, ["---"] * len(head), *lines))
        parts += [f"### {title}", body]
    parts += [f"Left out: {reason}." for reason in report.left_out]
    return "\n\n".join(parts) + "\n"


def as_json(report: Report) -> str:
    """Return all numbers."""
    content: dict[str, Any] = {
        "machine": machine(),
        "versions": versions(),
        "rows": [row.as_dict() for row in report.rows],
        "memory_frames": [dict(zip(("filter", "whose", "frames"), m, strict=True)) for m in report.memory],
        "left_out": report.left_out,
    }
    return json.dumps(content, indent=1) + "\n"


def _list_of_versions() -> str:
    return ", ".join(f"{name} {version}" for name, version in versions().items())


def _tables(report: Report) -> Iterable[tuple[str, Sequence[str], Sequence[Sequence[str]]]]:
    for size in dict.fromkeys(row.size for row in report.rows):
        yield f"{name_of(size)} px", HEAD, [_cells(row) for row in report.rows if row.size == size]
    if report.memory:
        lines = [(name, whose, number(frames)) for name, whose, frames in report.memory]
        yield "Peak of extra memory, in float32 frames", ("filter", "whose", "frames"), lines
