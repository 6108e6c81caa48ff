"""Fit the trees that weigh needle candidates and tracks, on tuning recordings alone, and store them in the package.

    pip install scikit-learn torch
    python benchmarks/needle/fit.py            # half a day on 2 cores, an hour of it rendering what is not cached

Candidates of all tuning recordings are collected, with the true needle kept out of the background; the needle's trees are
fitted on them, and the network that reads the bands along the likelier ones; hypotheses are collected from the tracker,
each recording with what never saw it, and the track's trees are fitted on those. Then the network goes on, with candidates
added that were seen while that tracker kept the needle out of the background: sometimes it does not.
Needle-free recordings, real ones included, are also turned by up to 32 degrees, so that a slanted fascia is no needle; no
angle is among the features. What is printed is cross-validated by recording, still on tuning data: the benchmark's test
split is the report.
"""

from __future__ import annotations

import argparse
import os
import pickle
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np  # noqa: E402  (thread counts are read at import)
from collect import (  # noqa: E402
    COUNTED_MM,
    NO_TREES,
    TIP_MM,
    Job,
    Models,
    Rows,
    Strip,
    collect_candidates,
    collect_tracks,
    is_real,
)
from fit_jobs import FOLDS, candidate_jobs, folds_of, is_tube, loop_jobs, moves_by_itself, track_jobs  # noqa: E402
from fit_report import report_candidates, report_strips, report_tracks  # noqa: E402
from fit_strips import HIDDEN_SHARE, Example, fitted_strips  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: E402

import usguide  # noqa: E402
from usguide.detection.candidates import FEATURE_NAMES, WEIGHED  # noqa: E402
from usguide.detection.forest import Forest  # noqa: E402
from usguide.detection.strips import StripNet, scalars_of  # noqa: E402
from usguide.tracking.hypothesis import TRACK_FEATURES  # noqa: E402

Found = TypeVar("Found")
UNSURE = replace(NO_TREES, base=-3.0)
"""Trees that believe nothing."""
MORE_IS_BETTER = {
    *("look_sum_mm", "look_mean", "look_share", "look_end", "look_drop", "look_lead_mm"),
    *("new_sum_mm", "new_mean", "new_share", "new_end", "new_drop", "new_lead_mm"),
}
"""Stronger evidence never speaks against a needle, however strong: rendered needles are not the strongest there are."""
NEEDLE: dict[str, Any] = {
    "max_iter": 300,
    "learning_rate": 0.06,
    "max_leaf_nodes": 8,
    "min_samples_leaf": 40,
    "monotonic_cst": [int(n in MORE_IS_BETTER) for n in WEIGHED],
}
TRACK: dict[str, Any] = {"max_iter": 300, "learning_rate": 0.06, "max_leaf_nodes": 8, "min_samples_leaf": 80}


def run(work: Callable[..., Found], calls: Sequence[tuple[Any, ...]], processes: int) -> list[Found]:
    """Work through calls, in order."""
    with ProcessPoolExecutor(processes) as workers:
        found = []
        for k, rows in enumerate(workers.map(work, *zip(*calls, strict=True))):
            found.append(rows)
            print(f"\r{k + 1}/{len(calls)}", end="", flush=True)
    print()
    return found


def pick(rows: list[Rows], name: str) -> NDArray[Any]:
    """One column of all jobs."""
    return np.concatenate([getattr(r, name) for r in rows])


def judged(rows: list[Rows]) -> NDArray[np.bool_]:
    """Rows of frames that count, or that hold no needle."""
    visible = pick(rows, "visible_mm")
    return (visible <= 0) | (visible >= COUNTED_MM)


def with_hidden_starts(x: NDArray[np.float64], y: NDArray[np.bool_], start: int) -> NDArray[np.float64]:
    """Let one needle in six start anywhere (column `start`): bad contact or a standoff may hide where it enters."""
    rng = np.random.default_rng(0)
    shown, hidden = x.copy(), y & (rng.random(len(y)) < 1 / 6)
    shown[hidden, start] = rng.choice(x[~y & np.isfinite(x[:, start]), start], int(hidden.sum()))
    return shown


def fitted(
    x: NDArray[np.float64],
    y: NDArray[np.bool_],
    settings: dict[str, Any],
    weight: NDArray[np.float64] | None = None,
) -> HistGradientBoostingClassifier:
    """Boosted trees; the same rows give the same trees."""
    model = HistGradientBoostingClassifier(**settings, l2_regularization=3.0, random_state=0)
    return model.fit(x, y, sample_weight=weight)


def as_forest(model: HistGradientBoostingClassifier, names: tuple[str, ...]) -> Forest:
    """Lay the trees of a model one after another."""
    columns: dict[str, list[Any]] = {k: [] for k in ("roots", "feature", "threshold", "left", "right", "value")}
    offset = 0
    for (tree,) in model._predictors:  # noqa: SLF001  (scikit-learn has no public way to a tree's nodes)
        columns["roots"].append(offset)
        for node in tree.nodes:
            leaf = bool(node["is_leaf"])
            columns["feature"].append(-1 if leaf else int(node["feature_idx"]))
            columns["threshold"].append(0.0 if leaf else float(node["num_threshold"]))
            columns["left"].append(offset + int(node["left"]))
            columns["right"].append(offset + int(node["right"]))
            columns["value"].append(float(node["value"]) if leaf else 0.0)
        offset += len(tree.nodes)
    types = {
        "roots": np.int32,
        "feature": np.int16,
        "threshold": float,
        "left": np.int32,
        "right": np.int32,
        "value": float,
    }
    arrays = {k: np.array(v, types[k]) for k, v in columns.items()}
    return Forest(names, float(np.ravel(model._baseline_prediction)[0]), **arrays)  # noqa: SLF001


def store(forest: Forest, path: Path) -> None:
    """Write the trees where the package looks for them."""
    arrays = {k: getattr(forest, k) for k in ("roots", "feature", "threshold", "left", "right", "value")}
    np.savez_compressed(path, names=np.array(forest.names), base=forest.base, **arrays)
    print(f"{path.name}: {len(forest.roots)} trees, {len(forest.value)} nodes, {path.stat().st_size / 1024:.0f} kB")


Bands = list[tuple[Forest, StripNet]]
"""Of each fold what never saw it, then what saw all."""
ALONE_WEIGHT = 2.0
"""A band of a picture on its own counts as so many of a stream, where both are learnt from (`--alone`)."""
TUBE_WEIGHT = 2.0
"""One from a tube as so many of tissue: tubes are few, and real ones are not learnt from."""
TUBE_HIDDEN_SHARE = 0.5
"""So many tools in tubes start within the picture for the network: they come out of a wall, not in from the edge."""
REAL_WEIGHT = 6.0
"""A hypothesis in a real recording counts as so many for the track's trees: real recordings are few."""
MOVING_WEIGHT = 3.0
"""One where a needle is rendered onto real tissue that moves; and, for the network, a band on such tissue."""


def of_streams(collected: list[tuple[Rows, list[Strip]]]) -> list[tuple[Rows, list[Strip]]]:
    """Leave out bands of pictures on their own, which another network reads."""
    return [(rows, [s for s in strips if not rows.alone[s.row]]) for rows, strips in collected]


def band_weight(job: Job, *, alone: bool) -> float:
    """Return as how many a band counts."""
    of_kind = TUBE_WEIGHT if is_tube(job) else MOVING_WEIGHT if moves_by_itself(job.recording) else 1.0
    return of_kind * (ALONE_WEIGHT if alone else 1.0)


def track_weight(job: Job) -> float:
    """Return as how many a hypothesis counts."""
    return REAL_WEIGHT if is_real(job.recording) else MOVING_WEIGHT if moves_by_itself(job.recording) else 1.0


def fitted_bands(jobs: list[Job], collected: list[tuple[Rows, list[Strip]]], before: Bands | None = None) -> Bands:
    """Fit trees and network on candidates; the network goes on from what was fitted before."""
    rows = [r for r, _ in collected]
    columns = [FEATURE_NAMES.index(n) for n in WEIGHED]
    x, y, use = pick(rows, "features")[:, columns], pick(rows, "line"), judged(rows)
    fold_of_job = folds_of(jobs)
    fold = np.repeat(fold_of_job, [len(r.frame) for r in rows])
    shown = with_hidden_starts(x, y, WEIGHED.index("start_mm"))
    parts = [(fold != k) & use for k in range(FOLDS)] + [use]
    forests = [as_forest(fitted(shown[part], y[part], NEEDLE), WEIGHED) for part in parts]
    odds = np.array([forests[k].log_odds(row) for k, row in zip(fold, x, strict=True)])
    report_candidates(rows, odds)
    first = np.cumsum([0, *(len(r.frame) for r in rows)])
    strips = [
        [
            Example(
                s.inputs,
                scalars_of(r.features[s.row], odds[at + s.row]),
                s.line,
                s.true_px,
                weight=band_weight(job, alone=bool(r.alone[s.row])),
                hidden_share=TUBE_HIDDEN_SHARE if is_tube(job) else HIDDEN_SHARE,
            )
            for s in each
        ]
        for job, (r, each), at in zip(jobs, collected, first, strict=False)
    ]
    nets = [
        fitted_strips(
            [s for each, f in zip(strips, fold_of_job, strict=True) if f != k for s in each],
            start=before[k][1] if before else None,
        )
        for k in range(FOLDS + 1)
    ]
    report_strips(collected, strips, [nets[k] for k in fold_of_job])
    return list(zip(forests, nets, strict=True))


def fitted_tracks(jobs: list[Job], rows: list[Rows]) -> list[Forest]:
    """Fit the track's trees: of each fold those that never saw it, then those that saw all."""
    x, line, tip = pick(rows, "features"), pick(rows, "line"), pick(rows, "tip_error_mm")
    y, use = line & (tip <= TIP_MM), judged(rows) & np.isfinite(x[:, 0])
    count = [len(r.frame) for r in rows]
    fold = np.repeat(folds_of(jobs), count)
    weight = np.repeat([track_weight(job) for job in jobs], count)
    shown = with_hidden_starts(x, y, TRACK_FEATURES.index("start_mm"))
    parts = [*((fold != k) & use for k in range(FOLDS)), use]
    models = [fitted(shown[part], y[part], TRACK, weight[part]) for part in parts]
    chance = np.zeros(len(x))
    for k in range(FOLDS):
        chance[fold == k] = models[k].predict_proba(x[fold == k])[:, 1]
    chance[~np.isfinite(x[:, 0])] = 0.0
    report_tracks(jobs, rows, chance)
    return [as_forest(m, TRACK_FEATURES) for m in models]


def main() -> None:
    """Collect, fit, store, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--keep", type=Path, help="folder to keep what was collected in, and to take it from")
    parser.add_argument(
        "--alone",
        action="store_true",
        help="fit trees and network for pictures on their own instead (docs/needle-tried.md: why they are not anew)",
    )
    options = parser.parse_args()

    def collected(
        name: str, work: Callable[..., Found], jobs: list[Job], models: Sequence[Models | None]
    ) -> list[Found]:
        calls = [(job, models[k]) for job, k in zip(jobs, folds_of(jobs).tolist(), strict=True)]
        return kept(options.keep, name, partial(run, work, calls, options.jobs))

    bands_of = list if options.alone else of_streams
    jobs, followed = candidate_jobs(), track_jobs()
    told = bands_of(collected("told", collect_candidates, jobs, [None] * FOLDS))
    bands, tracks = fitted_bands(jobs, told), [UNSURE] * (FOLDS + 1)
    for turn in ("first", "second"):
        # What a tracker believes steers what it sees next: the second time it believes what the first time taught.
        rows: list[Rows] = collected(f"tracks-{turn}", collect_tracks, followed, joined(bands, tracks))
        tracks = fitted_tracks(followed, rows)
    again = loop_jobs(jobs)
    untold = bands_of(collected("untold", collect_candidates, again, joined(bands, tracks)))
    bands = fitted_bands([*jobs, *again], [*told, *untold], bands)
    if not options.alone:
        rows = collected("tracks-third", collect_tracks, followed, joined(bands, tracks))
        tracks = fitted_tracks(followed, rows)

    package = Path(usguide.__file__).parent
    name = "-alone" if options.alone else ""
    store(bands[FOLDS][0], package / f"detection/fitted/needle{name}.npz")
    np.savez_compressed(package / f"detection/fitted/strip{name}.npz", **asdict(bands[FOLDS][1]))
    if not options.alone:
        store(tracks[FOLDS], package / "tracking/fitted/track.npz")


def joined(bands: Bands, tracks: list[Forest]) -> list[Models | None]:
    """Put what was fitted without each fold together."""
    return [Models(needle, net, track) for (needle, net), track in zip(bands, tracks, strict=True)]


def kept(folder: Path | None, name: str, make: Callable[[], list[Found]]) -> list[Found]:
    """Take what was collected before, or collect and keep it."""
    if folder is None:
        return make()
    path = folder / f"{name}.pickle"
    if path.exists():
        return list(pickle.loads(path.read_bytes()))
    rows = make()
    folder.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(rows))
    return rows


if __name__ == "__main__":
    main()
