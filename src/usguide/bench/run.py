"""The whole benchmark: suites through detectors, and everything that a reader needs to know about the run."""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from usguide._threads import set_opencv_threads
from usguide._warmup import warmup
from usguide.bench.bars import bar_lines
from usguide.bench.cache import cache_folder, cache_key, code_hash
from usguide.bench.detectors import GuideFactory, detectors
from usguide.bench.injectate_methods import COMPARED, METHODS
from usguide.bench.injectate_running import InjectateOutcome, run_injectate
from usguide.bench.injectate_scoring import INJECTATE_BARS, injectate_figures, to_look_at
from usguide.bench.pool import default_jobs, run_all
from usguide.bench.running import Outcome, WorstFrame, run_sequence
from usguide.bench.scoring import MOVING_TOOL, suite_figures, wrong_share
from usguide.bench.sequences import Rendered, Split, Suite
from usguide.bench.speed import run_speed
from usguide.bench.subsets import biopsy_figures, stills_point, subset_figures, tool_figures
from usguide.bench.suites import suites
from usguide.draw import RESEARCH_LINE
from usguide.io.sinks.summary import versions
from usguide.metrics import to_plain
from usguide.settings import PipelineSettings

SCHEMA_VERSION = 1
WORST_OF_EACH = 4
WORST_SEQUENCES = 10
INJECTATE = "injectate"


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """What to run.

    Parameters
    ----------
    suite : {"all", "phantom", "anatomy", "stills", "recordings", "injectate", "speed"}
    split : {"test", "tune"}
    quick : bool
    only : tuple of str
        Patterns of names or tags.
    jobs : int or None
        Processes; all cores by default.
    use_cache : bool
        Keep rendered sequences.
    no_prior : bool
        Also score our pipeline without a prior.
    """

    suite: str = "all"
    split: Split = "test"
    quick: bool = False
    only: tuple[str, ...] = ()
    jobs: int | None = None
    use_cache: bool = True
    no_prior: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class BenchRun:
    """What came of a run: figures as plain values, the worst frames of each fault, and those of the worst sequences."""

    figures: dict[str, Any]
    worst: tuple[WorstFrame, ...]
    worst_sequences: tuple[WorstFrame, ...] = ()
    """Worst first: by the share of frames that are a miss, a wrong tip or a false alarm; single pictures and moving
    tools left out."""
    injectate: tuple[tuple[str, InjectateOutcome], ...] = ()
    """The best, the median and the worst sequence with injectate, by our median Dice."""


class Watcher:
    """Told what is going on, and asked whether to stop; this one does nothing."""

    def begin(self, sequences: int) -> None:
        """Sequences are about to run."""

    def done(self, name: str) -> None:
        """One is finished."""

    def say(self, what: str) -> None:
        """Something else goes on."""

    def stopped(self) -> bool:
        """Whether to stop."""
        return False


def run_bench(
    options: BenchOptions | None = None,
    *,
    factories: Mapping[str, GuideFactory] | None = None,
    chosen: tuple[Suite, ...] | None = None,
    watcher: Watcher | None = None,
) -> BenchRun:
    """Run the benchmark.

    Parameters
    ----------
    options : BenchOptions, optional
    factories : mapping of str to GuideFactory, optional
        What to score; by default ours and the reference.
    chosen : tuple of Suite, optional
        In place of those that the options name.
    watcher : Watcher, optional

    Returns
    -------
    BenchRun
        What was not done is named in its figures.

    Raises
    ------
    InputError
        An option that can't be.
    """
    options, watcher = options or BenchOptions(), watcher or Watcher()
    factories = factories or detectors(no_prior=options.no_prior)
    todo = (
        suites(options.suite, split=options.split, quick=options.quick, only=options.only) if chosen is None else chosen
    )
    jobs = default_jobs() if options.jobs is None else options.jobs
    # Injectate is scored with other methods than needles are, and has figures of its own.
    spread_suites = [suite for suite in todo if suite.name == INJECTATE]
    todo = tuple(suite for suite in todo if suite.name != INJECTATE)
    fluids = [s for suite in spread_suites for s in suite.sequences]
    sequences = [s for suite in todo for s in suite.sequences]
    timed = chosen is None and not options.only and options.suite in ("speed", "all")
    outcomes: list[Outcome] = []
    spreads: list[InjectateOutcome] = []
    speed: dict[str, Any] | None = None
    with _folder(use_cache=options.use_cache) as folder:
        watcher.begin(len(sequences) + len(fluids))
        if (sequences or fluids) and jobs == 1:
            set_opencv_threads(1)
            warmup()
        for outcome in run_all(sequences, factories, folder, work=run_sequence, jobs=jobs, stopped=watcher.stopped):
            outcomes.append(outcome)
            watcher.done(outcome.name)
        methods = {**METHODS, **COMPARED}
        for spread in run_all(fluids, methods, folder, work=run_injectate, jobs=jobs, stopped=watcher.stopped):
            spreads.append(spread)
            watcher.done(spread.name)
        if timed and not watcher.stopped():
            watcher.say("measuring speed, one thread")
            speed = run_speed(folder, quick=options.quick, stopped=watcher.stopped)
    ran = {o.name: o for o in outcomes}
    spread_of = {o.name: o for o in spreads}
    spreads = [spread_of[s.name] for s in fluids if s.name in spread_of]
    not_done = [s.name for s in sequences if s.name not in ran] + [s.name for s in fluids if s.name not in spread_of]
    if timed and speed is None:
        not_done.append("speed")
    figures = {
        "schema_version": SCHEMA_VERSION,
        "notice": RESEARCH_LINE,
        "complete": not not_done,
        "not_done": not_done,
        "options": {
            "suite": options.suite,
            "split": options.split,
            "quick": options.quick,
            "only": list(options.only),
            "jobs": jobs,
        },
        "detectors": list(factories),
        "settings_digest": PipelineSettings().digest,
        "renderer_digest": code_hash()[:12],
        "machine": machine(),
        "versions": versions(),
        "suites": {
            suite.name: {
                "absent": [{"name": a.name, "reason": a.reason} for a in suite.absent],
                "frames_digest": {s.name: _digest(s.content) for s in suite.sequences},
                # In the suite's order, whichever was ready first.
                **suite_figures([ran[s.name] for s in suite.sequences if s.name in ran]),
            }
            for suite in todo
        },
        "speed": speed,
    }
    # Ours alone, and in the suites' order: draws of the bootstrap depend on it.
    ours, ordered = next(iter(factories)), [ran[s.name] for s in sequences if s.name in ran]
    figures |= {
        "subsets": subset_figures(ordered, ours),
        "stills": stills_point(ordered, ours),
        "biopsy": biopsy_figures(ordered, ours),
        "tool": tool_figures(ordered, ours),
    }
    if spread_suites:
        spread_figures = injectate_figures(spreads) | {
            "absent": [{"name": a.name, "reason": a.reason} for suite in spread_suites for a in suite.absent],
            "frames_digest": {s.name: _digest(s.content) for s in fluids},
        }
        spread_figures["bars"] = to_plain(bar_lines({INJECTATE: spread_figures}, INJECTATE_BARS))
        figures[INJECTATE] = spread_figures
    worst = sorted(
        (o for o in ordered if o.worst is not None and o.frames > 1 and o.tags.get("needle") != MOVING_TOOL),
        key=lambda o: (-wrong_share(o, ours), o.name),
    )[:WORST_SEQUENCES]
    figures["bars"] = to_plain(bar_lines(figures))
    figures["worst_sequences"] = [{"name": o.name, "wrong_share": wrong_share(o, ours)} for o in worst]
    return BenchRun(
        figures, _worst(outcomes), tuple(o.worst for o in worst if o.worst is not None), to_look_at(spreads)
    )


def _digest(content: Any) -> str | None:
    return cache_key(content) if isinstance(content, Rendered) else None


@contextmanager
def _folder(*, use_cache: bool) -> Iterator[Path]:
    if use_cache:
        yield cache_folder()
        return
    with tempfile.TemporaryDirectory(prefix="usguide-bench-") as folder:
        yield Path(folder)


def _worst(outcomes: list[Outcome]) -> tuple[WorstFrame, ...]:
    """Choose the worst of each fault, needles and needle-free alike."""
    found = [o.worst for o in outcomes if o.worst is not None]
    chosen: list[WorstFrame] = []
    for fault in ("false alarm", "wrong tip", "miss"):
        of_fault = sorted((w for w in found if w.fault == fault), key=lambda w: (-w.size, w.sequence))
        chosen += of_fault[:WORST_OF_EACH]
    return tuple(chosen)


def machine() -> dict[str, Any]:
    """Return what the run's speed depends on; nothing that names a person or a place."""
    return {
        "system": platform.system(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "byte_order": sys.byteorder,
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def save_figures(path: Path, figures: dict[str, Any]) -> None:
    """Write `bench.json`: standard JSON, under a temporary name until it is complete."""
    temporary = path.with_name(f".{path.name}.part")
    try:
        temporary.write_text(json.dumps(figures, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
