"""Sequences over processes: in any order, the same outcomes."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path
from typing import TypeVar

from usguide._threads import set_opencv_threads
from usguide._warmup import warmup
from usguide.bench.sequences import Sequence
from usguide.errors import InputError

Factory = TypeVar("Factory")
Outcome = TypeVar("Outcome")


def default_jobs() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_all(
    sequences: list[Sequence],
    factories: Mapping[str, Factory],
    folder: Path,
    *,
    work: Callable[[Sequence, Mapping[str, Factory], Path], Outcome],
    jobs: int,
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[Outcome]:
    """Give outcomes as they are ready; fewer than all where `stopped` becomes true.

    Parameters
    ----------
    sequences : list of Sequence
    factories : mapping of str to callable
        What is run. Picklable where `jobs` is over 1, as is `work`.
    folder : Path
        Cache of rendered sequences.
    work : callable
        Takes a sequence, the factories and the folder, and gives its outcome.
    jobs : int
        Processes; 1 runs here.
    stopped : callable
        Asked between sequences; those in hand are finished.

    Raises
    ------
    InputError
        No jobs.
    """
    if jobs < 1:
        raise InputError(f"jobs: expected 1 or more, got {jobs}")
    if jobs == 1 or len(sequences) < 2:
        for sequence in sequences:
            if stopped():
                return
            yield work(sequence, factories, folder)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(jobs, len(sequences)), mp_context=context, initializer=start_worker) as workers:
        todo = iter(sequences)

        def hand_out(count: int) -> set[Future[Outcome]]:
            # No more than are worked on: what an executor has taken in advance can't be called off.
            return {workers.submit(work, s, factories, folder) for s in itertools.islice(todo, count)}

        waiting = hand_out(jobs)
        while waiting:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            if not stopped():
                waiting |= hand_out(len(done))
            for future in done:
                yield future.result()


def start_worker() -> None:
    """Prepare a process: one thread, kernels compiled, and Ctrl-C left to the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    set_opencv_threads(1)
    warmup()
