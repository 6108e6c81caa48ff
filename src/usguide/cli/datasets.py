"""`usguide datasets`: which public recordings there are, and getting them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Table

from usguide import datasets
from usguide.cli.console import console
from usguide.datasets import Dataset, show_notice
from usguide.errors import MissingExtraError


def run_list(name: str | None, *, as_json: bool) -> None:
    """Print every set, or all about one."""
    if as_json:
        print(json.dumps(_facts(name), indent=2))  # noqa: T201  (what --json is for)
    elif name is not None:
        console().print(_one(datasets.describe(name)))
    else:
        known = datasets.list_datasets()
        console().print(_downloads([d for d in known if d.downloadable]))
        console().print(_by_hand([d for d in known if not d.downloadable]))
        console().print("usguide datasets list NAME tells more; usguide datasets fetch NAME downloads.")


def _facts(name: str | None) -> Any:
    """Return all about one set, its files included, or about every set without its files."""
    if name is not None:
        return _as_dict(datasets.describe(name))
    every = [_as_dict(dataset) for dataset in datasets.list_datasets()]
    for facts in every:
        del facts["files"]
    return every


def _as_dict(dataset: Dataset) -> dict[str, Any]:
    more = {"file_count": len(dataset.files), "size_bytes": dataset.size_bytes, "here": here(dataset)}
    facts = asdict(dataset) | more
    for row, file in zip(facts["files"], dataset.files, strict=True):
        row["url"] = file.url
    return facts


def here(dataset: Dataset) -> str:
    """Say whether a set is on this computer: ``yes``, ``no``, ``part`` or, where the cache is not known, ``unknown``."""
    try:
        folder = datasets.data_root() / dataset.name
    except MissingExtraError:
        return "unknown"
    if not dataset.downloadable:
        return "yes" if folder.is_dir() else "no"
    present = sum((folder / file.path).is_file() for file in dataset.files)
    return "yes" if present == len(dataset.files) else "part" if present else "no"


def _downloads(sets: list[Dataset]) -> Table:
    table = Table(title="Downloaded on request", title_justify="left")
    for heading in ("name", "what", "shows", "licence", "files", "MB", "here"):
        table.add_column(
            heading,
            justify="right" if heading in {"files", "MB"} else "left",
            overflow="fold",
            no_wrap=heading == "name",
        )
    for d in sets:
        row = (d.name, d.title, d.kind, d.licence, str(len(d.files)), f"{d.size_bytes / 1e6:.1f}", here(d))
        table.add_row(*row)
    return table


def _by_hand(sets: list[Dataset]) -> Table:
    table = Table(title="To be got by hand", title_justify="left")
    for heading in ("name", "what", "licence", "where", "here"):
        table.add_column(heading, overflow="fold", no_wrap=heading == "name")
    for d in sets:
        table.add_row(d.name, d.title, d.licence, d.where, here(d))
    return table


def _one(dataset: Dataset) -> Table:
    table = Table(title=f"{dataset.name}: {dataset.title}", title_justify="left", show_header=False)
    rows = {
        "shows": dataset.kind,
        "good for": dataset.use,
        "licence": dataset.licence,
        "cite": dataset.citation,
        "from": f"https://github.com/{dataset.origin} at {dataset.commit}" if dataset.origin else dataset.where,
        "lay out as": dataset.layout and f"{dataset.name}/: {dataset.layout}",
        "files": f"{len(dataset.files)}, {dataset.size_bytes / 1e6:.1f} MB" if dataset.files else "",
        "split": ", ".join(_splits(dataset)),
        "note": dataset.note,
        "here": here(dataset),
    }
    table.add_column()
    table.add_column(overflow="fold")
    for name, value in rows.items():
        if value:
            table.add_row(name, value)
    return table


def _splits(dataset: Dataset) -> list[str]:
    names = [file.split for file in dataset.files if file.split]
    return [f"{names.count(name)} files to {name}" for name in sorted(set(names), reverse=True)]


def run_fetch(names: list[str], to: Path | None, *, quiet: bool) -> None:
    """Fetch sets one after the other; print their folders."""
    if names == ["all"]:
        names = [dataset.name for dataset in datasets.list_datasets() if dataset.downloadable]
    for name in names:
        datasets.describe(name)  # a wrong name shows before anything is downloaded
    for name in names:
        with _byte_progress(name, quiet=quiet) as progress:
            folder = datasets.fetch(name, root=to, announce=None if quiet else show_notice, progress=progress)
        if not quiet:
            console().print(f"{folder}", soft_wrap=True)


@contextmanager
def _byte_progress(name: str, *, quiet: bool) -> Iterator[datasets.Progress | None]:
    """Show bytes done, speed and time left on stderr, if somebody watches."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    columns = (TextColumn(name), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(name, total=None, visible=False)
        yield lambda done, total: bar.update(task, completed=done, total=total, visible=True)


def run_path(name: str, *, verify: bool) -> None:
    """Print the folder of a set."""
    console().print(f"{datasets.path(name, verify_checksums=verify)}", soft_wrap=True)
