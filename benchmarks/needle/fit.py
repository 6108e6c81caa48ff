"""Fit the trees that weigh needle candidates and tracks, on tuning recordings alone, and store them in the package.

    pip install scikit-learn torch
    python benchmarks/needle/fit.py            # renders what is not cached yet: about an hour on 2 cores the first time

Four steps: candidates of all tuning recordings are collected, with the true needle kept out of the background; the
needle's trees are fitted on them, and the network that reads the bands along the likelier ones; hypotheses are
collected from the tracker, each recording with trees that never saw it, and the track's trees are fitted on those.
Needle-free recordings, real ones included, are also turned by up to 32 degrees, so that a slanted fascia is no needle; no
angle is among the features. What is printed is cross-validated by recording, still on tuning data: the benchmark's test
split is the report.
"""

from __future__ import annotations

import argparse
import os
import pickle
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from zlib import crc32

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np  # noqa: E402  (thread counts are read at import)
from collect import COUNTED_MM, NO_TREES, TIP_MM, Job, Rows, Strip, collect_candidates, collect_tracks  # noqa: E402
from fit_strips import Example, fitted_strips  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from scenes import tuning_recordings  # noqa: E402
from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: E402

import usguide  # noqa: E402
from usguide.bench.sequences import Recorded  # noqa: E402
from usguide.detection.candidates import FEATURE_NAMES, WEIGHED  # noqa: E402
from usguide.detection.forest import Forest  # noqa: E402
from usguide.detection.strips import StripNet, scalars_of  # noqa: E402
from usguide.tracking.hypothesis import TRACK_FEATURES  # noqa: E402

Found = TypeVar("Found")
FOLDS = 3
UNSURE = replace(NO_TREES, base=-3.0)
"""Trees that believe nothing."""
BRIGHTER = ((40.0, 0.5), (60.0, 1.0), (80.0, 0.7), (60.0, 1.6), (120.0, 1.0))
"""Grey levels and mm by which some needles are painted over."""
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
TRACK: dict[str, Any] = {"max_iter": 150, "learning_rate": 0.06, "max_leaf_nodes": 8, "min_samples_leaf": 80}


def candidate_jobs() -> list[Job]:
    """Every recording as it is; needle-free ones turned twice, some of the others a little."""
    jobs = []
    for k, r in enumerate(tuning_recordings()):
        way = (-1) ** k
        jobs.append(Job(r))
        if r.tags.get("needle") == "no":
            jobs += (
                [Job(r, way * 20.0)] if isinstance(r.content, Recorded) else [Job(r, way * 20.0), Job(r, -way * 32.0)]
            )
            continue
        if k % 3 == 0 and r.suite != "stills":
            jobs.append(Job(r, way * 10.0))
        if k % 3 == 1 or r.suite == "stills":
            jobs.append(Job(r, brighter=BRIGHTER[k % len(BRIGHTER)]))
    return jobs


def track_jobs() -> list[Job]:
    """Every moving recording as it is; some turned, some at half the rate, some begun with the needle in place."""
    jobs = []
    moving = [
        r
        for r in tuning_recordings()
        if r.suite != "stills" and not (isinstance(r.content, Recorded) and r.content.stills)
    ]
    for k, r in enumerate(moving):
        way = (-1) ** k
        jobs.append(Job(r))
        if r.tags.get("needle") == "no":
            jobs.append(Job(r, way * (20.0 if k % 2 else 30.0)))
        elif k % 4 == 0:
            jobs.append(Job(r, way * 10.0, stride=2 if k % 8 == 0 else 1))
        elif k % 4 == 1:
            jobs.append(Job(r, brighter=BRIGHTER[k % len(BRIGHTER)]))
        elif k % 4 == 2:
            jobs.append(Job(r, first=40))
    return jobs


def folds_of(jobs: list[Job]) -> NDArray[np.int64]:
    """Give each job the fold of its recording, whatever is done to that and whatever else there is to fit on."""
    return np.array([crc32(job.recording.name.encode()) % FOLDS for job in jobs])


def run(work: Callable[[Job], Found], jobs: list[Job], processes: int) -> list[Found]:
    """Work through jobs, in order."""
    with ProcessPoolExecutor(processes) as workers:
        found = []
        for k, rows in enumerate(workers.map(work, jobs)):
            found.append(rows)
            print(f"\r{k + 1}/{len(jobs)}", end="", flush=True)
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


def fitted(x: NDArray[np.float64], y: NDArray[np.bool_], settings: dict[str, Any]) -> HistGradientBoostingClassifier:
    """Boosted trees; the same rows give the same trees."""
    return HistGradientBoostingClassifier(**settings, l2_regularization=3.0, random_state=0).fit(x, y)


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


def main() -> None:
    """Collect, fit, store, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--keep", type=Path, help="folder to keep what was collected in, and to take it from")
    options = parser.parse_args()
    package = Path(usguide.__file__).parent

    jobs = candidate_jobs()
    collected = _kept(options.keep, "candidates", partial(run, collect_candidates, jobs, options.jobs))
    rows = [r for r, _ in collected]
    columns = [FEATURE_NAMES.index(n) for n in WEIGHED]
    x, y, use = pick(rows, "features")[:, columns], pick(rows, "line"), judged(rows)
    fold = np.repeat(folds_of(jobs), [len(r.frame) for r in rows])
    shown = with_hidden_starts(x, y, WEIGHED.index("start_mm"))
    of_fold = [as_forest(fitted(shown[(fold != k) & use], y[(fold != k) & use], NEEDLE), WEIGHED) for k in range(FOLDS)]
    odds = np.array([of_fold[k].log_odds(row) for k, row in zip(fold, x, strict=True)])
    _report_candidates(rows, odds)
    store(as_forest(fitted(shown[use], y[use], NEEDLE), WEIGHED), package / "detection/fitted/needle.npz")

    ends = np.cumsum([0, *(len(r.frame) for r in rows)])
    strips = [
        [Example(s.inputs, scalars_of(r.features[s.row], odds[first + s.row]), s.line, s.true_px) for s in each]
        for (r, each), first in zip(collected, ends, strict=False)
    ]
    fold = folds_of(jobs)
    net_of_fold = [
        fitted_strips([s for each, f in zip(strips, fold, strict=True) if f != k for s in each]) for k in range(FOLDS)
    ]
    _report_strips(collected, strips, [net_of_fold[k] for k in fold])
    net = fitted_strips([s for each in strips for s in each])
    np.savez_compressed(package / "detection/fitted/strip.npz", **asdict(net))

    known = dict(zip((j.recording.name for j in jobs), fold, strict=True))
    jobs = track_jobs()
    forests = [of_fold[known[j.recording.name]] for j in jobs]
    nets = [net_of_fold[known[j.recording.name]] for j in jobs]
    fold_of_job = folds_of(jobs)
    doubt = [UNSURE] * len(jobs)
    for turn in ("first", "second"):
        # What a tracker believes steers what it sees next: the second time it believes what the first time taught.
        rows = _kept(
            options.keep, f"tracks-{turn}", partial(_collect_all_tracks, jobs, forests, nets, doubt, options.jobs)
        )
        x, line, tip = pick(rows, "features"), pick(rows, "line"), pick(rows, "tip_error_mm")
        y, use = line & (tip <= TIP_MM), judged(rows) & np.isfinite(x[:, 0])
        fold = np.repeat(fold_of_job, [len(r.frame) for r in rows])
        shown = with_hidden_starts(x, y, TRACK_FEATURES.index("start_mm"))
        models = [fitted(shown[(fold != k) & use], y[(fold != k) & use], TRACK) for k in range(FOLDS)]
        doubt = [as_forest(models[k], TRACK_FEATURES) for k in fold_of_job]
    chance = np.zeros(len(x))
    for k in range(FOLDS):
        chance[fold == k] = models[k].predict_proba(x[fold == k])[:, 1]
    chance[~np.isfinite(x[:, 0])] = 0.0
    _report_tracks(jobs, rows, chance)
    store(as_forest(fitted(shown[use], y[use], TRACK), TRACK_FEATURES), package / "tracking/fitted/track.npz")


def _collect_all_tracks(
    jobs: list[Job], needle: list[Forest], nets: list[StripNet], track: list[Forest], processes: int
) -> list[Rows]:
    with ProcessPoolExecutor(processes) as workers:
        return list(workers.map(collect_tracks, jobs, needle, nets, track))


def _kept(folder: Path | None, name: str, make: Callable[[], list[Found]]) -> list[Found]:
    if folder is None:
        return make()
    path = folder / f"{name}.pickle"
    if path.exists():
        return list(pickle.loads(path.read_bytes()))
    rows = make()
    folder.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(rows))
    return rows


def _report_candidates(rows: list[Rows], odds: NDArray[np.float64]) -> None:
    """How often the likeliest candidate of a frame is the needle's line."""
    ends = np.cumsum([0, *(len(r.frame) for r in rows)])
    best: dict[str, list[tuple[bool, bool, float]]] = {"in a stream": [], "alone": []}
    for r, first in zip(rows, ends, strict=False):
        o = odds[first : first + len(r.frame)]
        for alone in (False, True):
            for frame in np.unique(r.frame[r.alone == alone]):
                at = np.flatnonzero((r.frame == frame) & (r.alone == alone))
                top = at[np.argmax(o[at])]
                if not 0 < r.visible_mm[top] < COUNTED_MM:
                    best["alone" if alone else "in a stream"].append(
                        (r.visible_mm[top] > 0, bool(r.line[top]), float(o[top]))
                    )
    for kind, found in best.items():
        needle, line, o = (np.array(c) for c in zip(*found, strict=True))
        limit = np.quantile(o[~needle], 0.98)
        print(
            f"{kind}: likeliest candidate on the needle {line[needle].mean():.3f}, "
            f"above 98 % of needle-free frames {(line & (o > limit))[needle].mean():.3f}"
        )


def _report_strips(
    collected: list[tuple[Rows, list[Strip]]], strips: list[list[Example]], nets: list[StripNet]
) -> None:
    """How often the likeliest band of a frame is the needle's, and how far the likeliest end of those is off."""
    best: dict[bool, list[tuple[bool, bool, float]]] = {False: [], True: []}
    off = []
    for (rows, kept), each, net in zip(collected, strips, nets, strict=True):
        frames: dict[tuple[int, bool], list[tuple[float, bool, float]]] = {}
        for strip, s in zip(kept, each, strict=True):
            value, ends = net.read(s.inputs.astype(np.float32), s.scalars)
            key = int(rows.frame[strip.row]), bool(rows.alone[strip.row])
            frames.setdefault(key, []).append((value, s.line, float(rows.visible_mm[strip.row])))
            if np.isfinite(s.true_px):
                off.append(int(np.argmax(ends)) - s.true_px)
        for (_, alone), found in frames.items():
            o, line, visible = max(found)
            best[alone].append((visible > 0, line, o))
    for is_alone, likeliest in best.items():
        needle, on, odds = (np.array(c) for c in zip(*likeliest, strict=True))
        limit = np.quantile(odds[~needle], 0.98)
        print(
            f"network, {'alone' if is_alone else 'in a stream'}: likeliest on the needle {on[needle].mean():.3f}, "
            f"above 98 % of needle-free frames {(on & (odds > limit))[needle].mean():.3f}"
        )
    away = np.array(off)
    print(
        f"ends of {len(away)} bands: {np.median(np.abs(away)):.1f} px off (median), within 10 px "
        f"{(np.abs(away) <= 10).mean():.3f}, too short {(away < -10).mean():.3f}, too long {(away > 10).mean():.3f}"
    )


def _report_tracks(jobs: list[Job], rows: list[Rows], chance: NDArray[np.float64]) -> None:
    """Recall, precision and false alarms of the best hypothesis of each frame, recordings as they are."""
    ends = np.cumsum([0, *(len(r.frame) for r in rows)])
    frames: list[tuple[str, bool, float, float]] = []
    for job, r, first in zip(jobs, rows, ends, strict=False):
        if not job.plain:
            continue
        p = chance[first : first + len(r.frame)]
        kind = job.recording.tags.get(
            "visibility aimed at", "real" if isinstance(job.recording.content, Recorded) else "free"
        )
        for frame in np.unique(r.frame):
            at = np.flatnonzero(r.frame == frame)
            top = at[np.argmax(p[at])]
            if not 0 < r.visible_mm[top] < COUNTED_MM:
                frames.append((kind, bool(r.visible_mm[top] > 0), float(p[top]), float(r.tip_error_mm[top])))
    for limit in (0.4, 0.55, 0.7):
        print(f"confidence over {limit}")
        for kind in sorted({f[0] for f in frames}):
            counted = np.array([(p > limit, e) for k, n, p, e in frames if k == kind and n]).reshape(-1, 2)
            free = np.array([p > limit for k, n, p, _ in frames if k == kind and not n])
            hit = (counted[:, 0] > 0) & (counted[:, 1] <= 3)
            tracked = counted[:, 0].sum() + free.sum()
            said = f"recall {hit.mean():.3f}, precision {hit.sum() / max(1, tracked):.3f}, " if len(counted) else ""
            print(f"  {kind:8s} {said}alarms {free.mean() if len(free) else 0:.4f} of {len(free)}")


if __name__ == "__main__":
    main()
