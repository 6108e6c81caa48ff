"""What each part adds: the pipeline with one part changed at a time, scored on the benchmark's phantoms and anatomies.

    python benchmarks/needle/ablation.py --split test --out ablation.md

Parts: despeckling, appearance, novelty, motion compensation, the tip's belief over time, tracking itself. The fitted
trees are those of the whole: a variant whose evidence looks different is weighed by trees that do not know it, so what
these figures say of a part is at most what it is worth.
"""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np  # noqa: E402  (thread counts are read at import)

from usguide import Frame, GuidancePipeline, GuidanceResult, warmup  # noqa: E402
from usguide._threads import set_opencv_threads  # noqa: E402
from usguide.bench.cache import cache_folder  # noqa: E402
from usguide.bench.loading import open_sequence  # noqa: E402
from usguide.bench.sequences import Recorded, Split  # noqa: E402
from usguide.bench.sequences import Sequence as Recording  # noqa: E402
from usguide.bench.suites import suites  # noqa: E402
from usguide.metrics import NeedleScores, pool_needle, score_needle  # noqa: E402
from usguide.settings import PipelineSettings  # noqa: E402

Change = Callable[[PipelineSettings], PipelineSettings]


def despeckled_by(method: str, **options: float) -> Change:
    """Despeckle the working grid first."""
    return lambda s: replace(s, detection=replace(s.detection, despeckle_method=method, despeckle_options=options))


def searching(kind: str) -> Change:
    """Search in one kind of evidence alone, in every frame: ``look`` or ``new``."""

    def change(s: PipelineSettings) -> PipelineSettings:
        d = s.detection.detector
        other = "new" if kind == "look" else "look"
        changed = replace(d, **{other: replace(getattr(d, other), count=0)})
        every_s = 0.0 if kind == "look" else math.inf
        return replace(s, detection=replace(s.detection, detector=changed, look_every_s=every_s))

    return change


def evidence(**changes: float) -> Change:
    """Change what evidence is made of."""
    return lambda s: replace(s, detection=replace(s.detection, evidence=replace(s.detection.evidence, **changes)))


def background(**changes: Any) -> Change:
    """Change the background's settings."""
    return lambda s: replace(s, background=replace(s.background, **changes))


def belief(**changes: float) -> Change:
    """Change the tip's belief."""
    return lambda s: replace(s, tracker=replace(s.tracker, belief=replace(s.tracker.belief, **changes)))


@dataclass(frozen=True, slots=True)
class Variant:
    """A pipeline with one part changed; `alone` looks at each frame as if it were a picture on its own."""

    name: str
    change: Change
    alone: bool = False


VARIANTS = (
    Variant("as it is", lambda s: s),
    Variant("SRAD, 8 iterations", despeckled_by("srad", iterations=8, q0=0.3)),
    Variant("SRAD, 30 iterations", despeckled_by("srad", iterations=30)),
    Variant("Lee", despeckled_by("lee")),
    Variant("median", despeckled_by("median")),
    Variant("non-local means", despeckled_by("nlm")),
    Variant("appearance search alone", searching("look")),
    Variant("novelty search alone", searching("new")),
    Variant("shadows do not lead the search", evidence(shade_weight=0.0)),
    Variant("no novelty at all", background(min_overlap=2.0)),
    Variant("background not registered", background(iterations=0, min_overlap=0.0)),
    Variant("tip of each frame alone", belief(jump=1.0)),
    Variant("no tracking", lambda s: s, alone=True),
)


def run(variant: Variant, recording: Recording) -> tuple[NeedleScores, list[float]]:
    """Score one recording, and time its steps in ms."""
    set_opencv_threads(1)
    settings = variant.change(PipelineSettings())
    with open_sequence(recording, cache_folder()) as (source, truth):
        frames = list(source)
    pipeline = GuidancePipeline(recording.prior, settings)
    step = cast("Callable[[Frame], GuidanceResult]", pipeline.step_still if variant.alone else pipeline.step)
    results = [step(f) for f in frames]
    times = [f.timestamp_s for f in frames]
    complete = len(times) == len(truth.visible_mm)
    scores = score_needle(truth, results, timestamps_s=times if complete else None)
    return scores, [r.latency_ms["total"] for r in results]


def table(rows: Mapping[str, tuple[Sequence[NeedleScores], list[float]]]) -> str:
    """Lay the figures of all variants out as Markdown."""
    alarms = "needle-free frames with an alarm, %"
    lines = [
        f"| variant | recall, % | precision, % | tip error, median mm | p95 mm | {alarms} | step, median ms |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, (scores, ms) in rows.items():
        p = pool_needle(scores)

        def shown(estimate: object, scale: float = 1.0, digits: int = 1) -> str:
            value, low, high = (getattr(estimate, k) for k in ("value", "low", "high"))
            return (
                "-"
                if value is None
                else f"{scale * value:.{digits}f} [{scale * low:.{digits}f}, {scale * high:.{digits}f}]"
            )

        cells = [
            shown(p.recall, 100),
            shown(p.precision, 100),
            shown(p.tip_error_median_mm, 1, 2),
            shown(p.tip_error_p95_mm, 1, 2),
            shown(p.false_alarm_share, 100, 2),
            f"{np.median(ms):.1f}",
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Run every variant and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--split", choices=("test", "tune"), default="test")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--only", nargs="*", default=[], help="names of variants")
    parser.add_argument("--out", type=Path, help="Markdown file")
    options = parser.parse_args()
    split: Split = options.split
    recordings = [
        r
        for s in suites("all", split=split)
        for r in s.sequences
        if s.name in ("phantom", "anatomy") and not isinstance(r.content, Recorded)
    ]
    rows = {}
    with ProcessPoolExecutor(options.jobs, initializer=warmup) as workers:
        for variant in VARIANTS:
            if options.only and variant.name not in options.only:
                continue
            found = list(workers.map(partial(_by_name, variant.name), recordings))
            rows[variant.name] = [s for s, _ in found], [ms for _, each in found for ms in each]
            print(
                variant.name, f"{rows[variant.name][0] and sum(s.hits for s in rows[variant.name][0])} hits", flush=True
            )
    text = table(rows)
    print(text)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")


def _by_name(name: str, recording: Recording) -> tuple[NeedleScores, list[float]]:
    """Find a variant in the worker: what it changes by can't be sent there."""
    return run(next(v for v in VARIANTS if v.name == name), recording)


if __name__ == "__main__":
    main()
