"""`usguide replay`: a live recording through the pipeline again, held against what it says."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

from usguide._threads import set_opencv_threads
from usguide.cli.console import console
from usguide.io.sinks import result_record
from usguide.live import replay_recording
from usguide.live.recording import RESULTS, recorded_results, without_latency


def run_replay(folder: Path, out: Path | None, *, quiet: bool) -> int:
    """Replay, compare, write; return the exit code.

    Raises
    ------
    FormatError
        No recording, or a damaged one.
    """
    set_opencv_threads(1)
    replayed = (result_record(frame, result) for frame, result in replay_recording(folder))
    pairs = zip_longest(map(without_latency, _written(replayed, out)), map(without_latency, recorded_results(folder)))
    same = [new == old for new, old in pairs]
    if not all(same):
        sys.stderr.write(
            f"usguide: error: {same.count(False)} of {len(same)} results are not those in {RESULTS}, the first in line"
            f" {same.index(False) + 1}\n"
        )
        return 1
    if not quiet:
        console().print(f"{len(same)} results, the same as recorded, latency aside")
    return 0


def _written(records: Iterator[dict[str, Any]], out: Path | None) -> Iterator[dict[str, Any]]:
    """Hand records on, and write them under a temporary name that is moved into place at the end."""
    if out is None:
        yield from records
        return
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        with part.open("w", encoding="utf-8") as stream:
            for record in records:
                stream.write(json.dumps(record, allow_nan=False) + "\n")
                yield record
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
