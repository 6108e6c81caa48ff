"""One sequence of the injectate suite through all methods: scores, and pictures of it at five times."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import cv2
import numpy as np
from numpy.typing import NDArray

from usguide.bench.injectate_methods import COMPARED, MethodFactory, target_outline_mm
from usguide.bench.loading import Truth, open_sequence
from usguide.bench.pictures import OURS, TRUTH
from usguide.bench.sequences import Sequence
from usguide.draw.pixels import to_eight_bits
from usguide.draw.plot import SpreadSeries, draw_spread_plot
from usguide.metrics import SpreadScores, score_injectate, score_spread
from usguide.phantoms import PhantomTruth
from usguide.types import Frame, GuidanceResult

KINDS = ("lens", "ring", "pool")
SHOWN_S = (0.2, 0.8, 1.5, 2.4, 3.4)
"""After the true onset."""
STRIP_PX = 240
TIP_KNOWN_MM = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class MethodOutcome:
    """What one method made of one sequence."""

    spread: SpreadScores
    ms_per_frame: float
    """Mean over frames with fluid, reading and scoring left out; of ours the whole step."""


@dataclass(frozen=True, slots=True, eq=False)
class InjectateOutcome:
    """What came of one sequence."""

    name: str
    tags: Mapping[str, str]
    frames: int
    needle_known: bool | None
    """Whether our pipeline had the tip within 3 mm in some frame of the half second before the true onset, or of that
    after it; None without fluid."""
    methods: Mapping[str, MethodOutcome]
    strip: bytes | None
    """JPEG of the first method at `SHOWN_S`; None without fluid."""
    plot: bytes | None = None
    """JPEG of what the first method measured over time; None without fluid."""


def has_fluid(tags: Mapping[str, str]) -> bool:
    """Tell whether a sequence of these tags shows fluid."""
    return tags.get("injectate") in KINDS


def run_injectate(sequence: Sequence, methods: Mapping[str, MethodFactory], folder: Path) -> InjectateOutcome:
    """Run every method over a sequence and score it; those that only segment are left out where there is no fluid.

    Parameters
    ----------
    sequence : Sequence
    methods : mapping of str to MethodFactory
        By name; the first is ours.
    folder : Path
        Cache of rendered sequences.
    """
    with open_sequence(sequence, folder) as (source, truth):
        frames = list(source)
    masks = _masks(truth, frames)
    chosen = {n: make for n, make in methods.items() if has_fluid(sequence.tags) or n not in COMPARED}
    found, outcomes = {}, {}
    for name, make in chosen.items():
        found[name], ms = _run(make, sequence, truth, frames, masks)
        outcomes[name] = MethodOutcome(_score(sequence, truth, masks, found[name], frames), ms)
    first = found[next(iter(found))]
    fluid = isinstance(truth, PhantomTruth) and has_fluid(sequence.tags)
    return InjectateOutcome(
        name=sequence.name,
        tags=dict(sequence.tags),
        frames=len(frames),
        needle_known=_needle_known(truth, first, frames) if fluid and isinstance(truth, PhantomTruth) else None,
        methods=outcomes,
        strip=_strip(frames, masks, first) if fluid else None,
        plot=_plot(sequence.name, first) if fluid else None,
    )


def _masks(truth: Truth, frames: list[Frame]) -> NDArray[np.bool_]:
    known = truth.injectate_mask if isinstance(truth, PhantomTruth) else None
    if known is not None:
        return known
    return np.broadcast_to(np.zeros(1, bool), (len(truth.visible_mm), *frames[0].shape))


def _run(
    make: MethodFactory, sequence: Sequence, truth: Truth, frames: list[Frame], masks: NDArray[np.bool_]
) -> tuple[list[GuidanceResult], float]:
    method, results, times = make(sequence, truth), [], []
    for frame in frames:
        start = perf_counter()
        results.append(method.step(frame))
        if masks[frame.index].any():
            times.append(1e3 * (perf_counter() - start))
    return results, float(np.mean(times)) if times else math.nan


def _score(
    sequence: Sequence,
    truth: Truth,
    masks: NDArray[np.bool_],
    results: list[GuidanceResult],
    frames: list[Frame],
) -> SpreadScores:
    times = np.full(len(masks), np.nan)
    for frame in frames:
        times[frame.index] = frame.timestamp_s
    # Frames that never arrived lie between their neighbours.
    rows, known = np.arange(len(times)), np.isfinite(times)
    times = np.interp(rows, rows[known], times[known])
    outlines = None
    if sequence.tags.get("injectate") == "ring" and target_outline_mm(truth, 0) is not None:
        outlines = truth.target_outline_mm if isinstance(truth, PhantomTruth) else None
    geometry = frames[0].geometry
    scores = score_injectate(masks, results, geometry, timestamps_s=times)
    return score_spread(scores, masks, results, geometry, timestamps_s=times, target_outline_mm=outlines)


def _needle_known(truth: PhantomTruth, results: list[GuidanceResult], frames: list[Frame]) -> bool:
    onset_s = frames[int(np.argmax(truth.injectate_area_mm2 > 0))].timestamp_s
    return any(
        r.track is not None
        and abs(r.timestamp_s - onset_s) <= 0.5
        and math.dist(r.track.tip.position_mm, truth.tip_mm[r.index]) <= TIP_KNOWN_MM
        for r in results
    )


def _plot(name: str, results: list[GuidanceResult]) -> bytes:
    """Draw area, extent and the like against time."""
    series = SpreadSeries()
    for result in results:
        series.add(result)
    return _jpeg(draw_spread_plot(series, name))


def _jpeg(picture: NDArray[np.uint8]) -> bytes:
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 85])
    return bytes(data.tobytes())


def _strip(frames: list[Frame], masks: NDArray[np.bool_], results: list[GuidanceResult]) -> bytes:
    """Draw truth and what was found at five times, side by side."""
    onset = int(np.argmax(masks.any(axis=(1, 2))))
    times = np.array([f.timestamp_s for f in frames])
    tiles = []
    for after_s in SHOWN_S:
        k = int(np.argmin(np.abs(times - times[onset] - after_s)))
        frame, fluid = frames[k], results[k].injectate
        x, y, w, h = frame.region or (0, 0, frame.shape[1], frame.shape[0])
        g, pixels = frame.geometry, to_eight_bits(frame.pixels[y : y + h, x : x + w], frame.full_scale)
        height = round(STRIP_PX * h * g.axial_mm_per_px / (w * g.lateral_mm_per_px))
        tile = cv2.cvtColor(cv2.resize(pixels, (STRIP_PX, height)), cv2.COLOR_GRAY2BGR)
        reported = np.zeros_like(masks[k]) if fluid is None else fluid.mask_on(frame)
        for mask, colour in ((masks[frame.index], TRUTH), (reported, OURS)):
            shown = cv2.resize(mask[y : y + h, x : x + w].astype(np.uint8), (STRIP_PX, height))
            outlines, _ = cv2.findContours(shown, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
            cv2.drawContours(tile, outlines, -1, colour, 1)
        cv2.putText(tile, f"{after_s:+.1f} s", (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (255, 255, 255), 1, cv2.LINE_AA)
        tiles.append(tile)
    return _jpeg(np.asarray(np.hstack(tiles), dtype=np.uint8))
