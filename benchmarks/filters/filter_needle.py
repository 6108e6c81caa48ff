"""Does despeckling help to find the needle? The whole pipeline on rendered phantoms, one despeckler after the other."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from filter_methods import Options, describe, filtered
from filter_scores import Track, Tuned
from filter_tables import Report

import usguide as ug
from usguide.metrics import COUNTED_MM, score_needle
from usguide.phantoms import NeedleScene, PhantomScene, PhantomTruth, render_phantom, shipped_path
from usguide.types import GuidanceResult

SHIPPED_NAME = "inplane-fascia"
BRIGHTNESS = (2.0, 1.2, 0.8)
"""Of the needles rendered here: normal to faint (see `usguide.phantoms.NeedleScene`)."""
SEEDS = (201, 202)
PIPELINE = "the pipeline's own"


@dataclass(frozen=True, slots=True, eq=False)
class Rendered:
    """A rendered phantom: frames and truth."""

    name: str
    frames: tuple[ug.Frame, ...]
    truth: PhantomTruth


def sequences(track: Track) -> list[Rendered]:
    """Return the shipped phantom, and some rendered with other seeds and fainter needles."""
    with np.load(shipped_path(SHIPPED_NAME)) as stored:
        arrays = {key: stored[key] for key in stored.files}
    spacing = arrays["spacing_mm"]
    geometry = ug.ImageGeometry(float(spacing[0]), float(spacing[1]), tuple(arrays["origin_mm"]))
    found = [
        Rendered(
            SHIPPED_NAME,
            _frames(arrays["frames"], geometry, arrays["timestamps_s"]),
            PhantomTruth.from_npz(arrays),
        )
    ]
    wanted = {f"brightness {b:g}, seed {s}": (b, s) for b in BRIGHTNESS for s in SEEDS}
    for name in track(list(wanted), "rendering phantoms"):
        brightness, seed = wanted[name]
        phantom = render_phantom(PhantomScene(needle=NeedleScene(brightness=brightness)), seed=seed)
        found.append(Rendered(name, _frames(phantom.frames, phantom.geometry, phantom.timestamps_s), phantom.truth))
    return found


def _frames(
    pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]],
    geometry: ug.ImageGeometry,
    times: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
) -> tuple[ug.Frame, ...]:
    return tuple(ug.Frame(p, geometry, float(t), k) for k, (p, t) in enumerate(zip(pixels, times, strict=True)))


def _run(method: str, options: Options, sequence: Rendered) -> list[GuidanceResult]:
    own = method == PIPELINE
    pipeline = ug.GuidancePipeline(despeckler=None if own else partial(filtered, method=method, options=options))
    return [pipeline.step(frame) for frame in sequence.frames]


def _row(method: str, options: Options, rendered: Sequence[Rendered]) -> list[str]:
    hits = counted = alarms = tracking = 0
    errors: list[float] = []
    despeckle_ms: list[float] = []
    for sequence in rendered:
        results = _run(method, options, sequence)
        scores = score_needle(sequence.truth, results)
        hits += scores.hits
        counted += scores.counted_frames
        alarms += scores.false_alarm_frames
        despeckle_ms += [r.latency_ms["despeckle"] for r in results if "despeckle" in r.latency_ms]
        for r in results:
            if (
                r.track is None
                or r.state is not ug.TrackState.TRACKING
                or sequence.truth.visible_mm[r.index] < COUNTED_MM
            ):
                continue
            tracking += 1
            errors.append(math.dist(r.track.tip.position_mm, sequence.truth.tip_mm[r.index]))
    ms = statistics.median(despeckle_ms) if despeckle_ms else math.nan
    said = "pipeline settings" if method == PIPELINE else describe(options)
    if not errors:
        return [method, said, "-", "-", f"{hits / counted:.2f}", "-", str(alarms), f"{ms:.1f}"]
    median, p95 = np.percentile(errors, (50, 95))
    return [
        *(method, said, f"{median:.2f}", f"{p95:.2f}", f"{hits / counted:.2f}", f"{hits / tracking:.2f}"),
        *(str(alarms), f"{ms:.1f}"),
    ]


def needle_report(track: Track, methods: Sequence[str], tuned: Mapping[str, Tuned]) -> Report:
    """Return the table of tip error and recall for each despeckler."""
    rendered = sequences(track)
    frames = sum(len(s.frames) for s in rendered)
    report = Report(
        f"Needle on rendered phantoms ({len(rendered)} sequences, {frames} frames)",
        ("despeckler", "options", "tip median mm", "tip p95 mm", "recall", "hits of tracked", "false alarms", "ms"),
    )
    report.note = (
        "The whole pipeline with nothing changed but its despeckler, on its working grid. Tip error over TRACKING "
        "frames with at least 5 mm of shaft, all sequences pooled; recall over all such frames (tip within 3 mm); false "
        "alarms: TRACKING frames without a needle. The pipeline's thresholds were set with its own SRAD, which favours "
        "that one. Careful options: as tuned on rendered pictures of speckle."
    )
    report.rows.append(_row(PIPELINE, {}, rendered))
    for method in track(methods, "needle"):
        report.rows.append(_row(method, {}, rendered))
        careful = tuned[method].careful
        if careful is not None:
            report.rows.append(_row(method, careful, rendered))
    return report
