"""Time each filter beside every peer that does the same, in one run, with the same parameters.

    python benchmarks/filters/speed.py                                  every filter, three frame sizes, one thread
    python benchmarks/filters/speed.py --only lee frost --sizes 480x640
    python benchmarks/filters/speed.py --threads 1 2                    ours also with two threads; peers keep one
    python benchmarks/filters/speed.py --slow                           also peers that take seconds to minutes
    python benchmarks/filters/speed.py --memory                         also the peak of extra memory of each side
    python benchmarks/filters/speed.py --markdown table.md --json numbers.json

Peers come from PyPI: opencv, scikit-image, PyWavelets, SimpleITK, itk-phasesymmetry, MedPy, srad, findpeaks, bm3d. Those
that are not installed are left out with a word. The C++ yardstick needs g++. What is compared with what, and with which
parameters, is in comparisons.py. Slow peers are called once, on 256 x 256 px.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import pools  # first: before anything that has a thread pool
from agreement import agreement
from busy import Others
from comparisons import Comparison, Peer, chosen
from frames import SIZES, SLOW_SIZE, Size, frame, size_from
from measuring import Row, in_turn, once
from memory import frames_taken
from reporting import Report, as_json, markdown, show
from rich.console import Console
from rich.progress import track

Job = tuple[Comparison, Peer | None, Size]


def jobs(options: argparse.Namespace) -> Iterator[Job]:
    """Yield what is to be measured, size by size, slow peers last."""
    comparisons = chosen(options.only)
    for size in options.sizes:
        for comparison in comparisons:
            quick: list[Peer | None] = [peer for peer in comparison.peers if not peer.slow]
            yield from ((comparison, peer, size) for peer in quick or [None])
    if options.slow:
        yield from ((c, peer, SLOW_SIZE) for c in comparisons for peer in c.peers if peer.slow)


@cache
def _agreement(name: str, peer: str) -> float | None:
    (comparison,) = chosen([name])
    other = next(p for p in comparison.peers if p.name == peer)
    return None if other.kind == "own" else agreement(comparison, other)


def measure(job: Job, options: argparse.Namespace) -> list[Row]:
    """Time one pair: ours with each number of threads, and the peer."""
    comparison, peer, size = job
    image = frame(size)
    calls = [comparison.prepare(image, threads, peer) for threads in options.threads]
    other = None if peer is None else peer.prepare(image)
    pools.limit_loaded_pools()
    in_turn_with = [] if peer is None or other is None or peer.slow else [other]
    others = Others()
    times = in_turn([*calls, *in_turn_with], options.repetitions, options.seconds)
    cores = others.cores()
    rows = [
        Row(comparison.name, size, n, ours, others_cores=cores) for n, ours in zip(options.threads, times, strict=False)
    ]
    if peer is None or other is None:
        return rows
    theirs = once(other) if peer.slow else times[-1]
    agree = _agreement(comparison.name, peer.name)
    return [
        replace(row, peer=peer.name, kind=peer.kind, theirs=theirs, slow=peer.slow, agreement=agree) for row in rows
    ]


def reason(error: Exception) -> str:
    """Return the first line of an error, without the paths that some libraries put there."""
    line = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}" + (f": {line}" if line and not {"/", "\\"} & set(line) else "")


def measure_memory(report: Report, options: argparse.Namespace) -> None:
    """Add the peak of extra memory of each filter and each of its quick peers, on the largest size."""
    size = max(options.sizes, key=lambda s: s[0] * s[1])
    for comparison in track(chosen(options.only), "memory", console=Console(stderr=True)):
        sides = [(None, "usguide"), *((k, p.name) for k, p in enumerate(comparison.peers) if not p.slow)]
        for index, name in sides:
            frames = frames_taken(comparison.name, size, index)
            if frames is not None:
                report.memory.append((comparison.name, name, frames))


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", type=size_from, default=list(SIZES), metavar="HxW", help="frame sizes")
    parser.add_argument("--threads", nargs="+", type=int, default=[1], metavar="N", help="threads of ours, such as 1 2")
    parser.add_argument("--only", nargs="+", default=[], metavar="FILTER", help="these filters only")
    parser.add_argument("--slow", action="store_true", help="also slow peers, once, on 256 x 256 px")
    parser.add_argument("--memory", action="store_true", help="also the peak of extra memory, on the largest size")
    parser.add_argument("--repetitions", type=int, default=30, metavar="N", help="of each pair (default 30)")
    parser.add_argument("--seconds", type=float, default=10, metavar="S", help="stop a pair after this (default 10)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables for the documentation")
    options = parser.parse_args()
    report = Report()
    for job in track(list(jobs(options)), "speed", console=Console(stderr=True)):
        try:
            report.rows += measure(job, options)
        except Exception as error:  # noqa: BLE001  (one broken peer must not end a long run; it is reported)
            who = job[0].name + (f" beside {job[1].name}" if job[1] else "")
            report.left_out += [text for text in (f"{who}: {reason(error)}",) if text not in report.left_out]
    if options.memory:
        measure_memory(report, options)
    show(report, Console(width=None if sys.stdout.isatty() else 140))
    for path, text in ((options.json, as_json), (options.markdown, markdown)):
        if path is not None:
            path.write_text(text(report), encoding="utf-8")


if __name__ == "__main__":
    main()
