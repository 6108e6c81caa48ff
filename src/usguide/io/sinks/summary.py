"""`summary.json`: what was run, on what, how it went and how fast."""

from __future__ import annotations

import json
import os
import platform
from collections import Counter, deque
from collections.abc import Collection
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import usguide
from usguide.draw import RESEARCH_LINE
from usguide.io.source import Source
from usguide.metrics import NeedleScores, score_needle, summarise_latency, to_plain
from usguide.settings import PipelineSettings
from usguide.types import Frame, GuidanceResult, Injectate, InputState, InsertionPrior

_MAX_EVENTS = 1000
_MAX_LATENCIES = 100_000
"""The newest ones: memory stays flat however long a stream runs."""


class RunSummary:
    """Counts as frames go by, in memory that does not grow with their pictures.

    Parameters
    ----------
    source : Source
    settings : PipelineSettings
    prior : InsertionPrior
    threads : int
    """

    def __init__(self, source: Source, settings: PipelineSettings, prior: InsertionPrior, *, threads: int = 1) -> None:
        self._source, self._settings, self._prior, self._threads = source, settings, prior, threads
        self._states: Counter[str] = Counter()
        self._inputs: Counter[str] = Counter()
        self._latency: dict[str, deque[float]] = {}
        self._events: list[dict[str, Any]] = []
        self._kept: list[GuidanceResult] = []
        self._fluid = FluidSummary()
        self.frames = 0
        self.bad_frames = 0
        self.first_reason = ""
        """Why the first bad frame could not be used."""
        self.overlay_rate_hz: float | None = None
        self.stopped_early = False
        """By request, before the recording's end."""

    def write(self, frame: Frame, result: GuidanceResult) -> None:
        """Count one frame."""
        del frame
        self.frames += 1
        self._states[str(result.state)] += 1
        self._inputs[str(result.input_state)] += 1
        self.bad_frames += result.input_state is InputState.INVALID
        for stage, ms in result.latency_ms.items():
            self._latency.setdefault(stage, deque(maxlen=_MAX_LATENCIES)).append(ms)
        for event in result.events:
            if len(self._events) < _MAX_EVENTS:
                self._events.append({"index": result.index, "event": event})
        self._fluid.add(result)
        if self._source.info.truth is not None:
            self._kept.append(result)

    def close(self) -> None:
        """Nothing is open."""

    def event(self, index: int, text: str) -> None:
        """Note something that happened outside the pipeline."""
        if len(self._events) < _MAX_EVENTS:
            self._events.append({"index": index, "event": text})

    def scores(self, *, whole: bool = True) -> NeedleScores | None:
        """Scores against the source's truth, if it has one; not `whole`: of the frames up to the last one seen."""
        truth = self._source.info.truth
        if truth is None:
            return None
        seen = None if whole else max(r.index for r in self._kept) + 1
        return score_needle(truth, self._kept, frames=seen)

    def to_dict(self, *, ended: str) -> dict[str, Any]:
        """Return the summary; `ended` is ``"complete"``, ``"interrupted"`` or what went wrong."""
        whole = ended == "complete" and not self.stopped_early
        info, scores = self._source.info, self.scores(whole=whole)
        summary: dict[str, Any] = {
            "schema_version": 1,
            "notice": RESEARCH_LINE,
            "complete": ended == "complete",
            "ended": ended,
            "input": {
                "name": info.name,
                "kind": info.kind,
                "frames_stated": info.frame_count,
                "shape_px": info.shape,
                "spacing_mm_per_px": None
                if info.geometry is None
                else {"axial": info.geometry.axial_mm_per_px, "lateral": info.geometry.lateral_mm_per_px},
                "spacing_source": info.spacing_source,
                "region_px": info.region,
                "region_source": info.region_source,
                "frame_rate_hz": info.frame_rate_hz,
                "times_source": info.times_source,
                "notes": list(self._source.notes),
            },
            "frames": self.frames,
            "bad_frames": self.bad_frames + self._source.bad_frames,
            "states": dict(self._states),
            "input_states": dict(self._inputs),
            "events": self._events,
            "latency_ms": {stage: latency(ms) for stage, ms in self._latency.items()},
            "injectate": self._fluid.to_dict(),
            "overlay_frame_rate_hz": self.overlay_rate_hz,
            "threads": self._threads,
            "prior": asdict(self._prior),
            "settings_digest": self._settings.digest,
            "settings": self._settings.to_dict(),
            "versions": versions(),
            "scores": scores,
        }
        plain: dict[str, Any] = to_plain(summary)
        return plain

    def save(self, path: Path, *, ended: str) -> dict[str, Any]:
        """Write the summary and return it; half a summary is not left behind."""
        summary = self.to_dict(ended=ended)
        try:
            path.write_text(json.dumps(summary, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        except OSError:
            path.unlink(missing_ok=True)
            raise
        return summary


class FluidSummary:
    """What came of the injectate over a run."""

    def __init__(self) -> None:
        self._last: Injectate | None = None
        self._noticed_s: float | None = None
        self._onset_s: float | None = None
        self._most_mm2 = 0.0
        self._warnings: Counter[str] = Counter()

    def add(self, result: GuidanceResult) -> None:
        """Take one frame."""
        fluid = result.injectate
        if fluid is None:
            return
        self._last, self._most_mm2 = fluid, max(self._most_mm2, fluid.area_mm2)
        self._warnings.update(w.partition(":")[0] for w in fluid.warnings)
        if self._onset_s is None and fluid.onset_s is not None:
            self._onset_s, self._noticed_s = fluid.onset_s, result.timestamp_s

    def to_dict(self) -> dict[str, Any] | None:
        """Return it; None where no injectate was measured."""
        last = self._last
        if last is None:
            return None
        around = last.around_target
        return {
            "onset_s": self._onset_s,
            "noticed_s": self._noticed_s,
            "most_mm2": self._most_mm2,
            "last": {
                "area_mm2": last.area_mm2,
                "area_sigma_mm2": last.area_sigma_mm2,
                "extent_mm": last.extent_mm,
                "volume_mm3": last.volume_mm3,
                "volume_assumption": last.volume_assumption or None,
                "ring_deg": None if around is None else around.ring_deg,
                "target_distance_mm": None if around is None else around.distance_mm,
                "pools": len(last.pools),
                "confidence": last.confidence,
            },
            "warnings": dict(self._warnings),
        }


def latency(values_ms: Collection[float]) -> dict[str, float]:
    """Count, mean, median, p95, p99 and maximum; to the microsecond."""
    return {name: round(v, 3) for name, v in asdict(summarise_latency(list(values_ms))).items()}


def versions() -> dict[str, Any]:
    """Versions of what computed the results, and the kind of machine."""
    found: dict[str, Any] = {"usguide": usguide.__version__, "python": platform.python_version()}
    for name in ("numpy", "scipy", "numba", "opencv-python", "scikit-image"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return {**found, "platform": f"{platform.system()} {platform.machine()}", "cpus": os.cpu_count()}
