"""Groups of sequences that the needle has to be found in, pooled over suites, and what is true of few recordings alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from usguide.bench.recordings_suite import JUDGED, NERVE_BLOCK
from usguide.bench.running import DetectorOutcome, Outcome
from usguide.bench.stills import stills_figures
from usguide.metrics import calibrate, pool_needle, to_plain

Choice = Callable[[Outcome], bool]
STEEP_DEG = 55.0


def _rendered(o: Outcome) -> bool:
    return o.suite in ("phantom", "anatomy")


def _needle(o: Outcome) -> bool:
    return _rendered(o) and o.tags.get("needle") == "yes"


def _free(o: Outcome) -> bool:
    return _rendered(o) and o.tags.get("needle") == "no"


def _clear(o: Outcome) -> bool:
    return _needle(o) and o.tags.get("visibility") in ("easy", "normal")


SUBSETS: Mapping[str, Choice] = {
    "all needles": _needle,
    "easy and normal": _clear,
    "easy and normal, straight": lambda o: _clear(o) and o.tags.get("shaft") == "straight",
    "easy and normal, bent": lambda o: _clear(o) and o.tags.get("shaft") == "bent",
    "faint": lambda o: _needle(o) and o.tags.get("visibility") == "faint",
    "steep": lambda o: _needle(o) and o.angle_deg is not None and o.angle_deg > STEEP_DEG,
    "bent": lambda o: _needle(o) and o.tags.get("shaft") == "bent",
    "moving probe": lambda o: _needle(o) and o.tags.get("probe motion") in ("slide", "sweep"),
    "out-of-plane drift": lambda o: _needle(o) and o.tags.get("course") == "drift",
    "from the first frame": lambda o: _needle(o) and o.tags.get("course") == "present",
    "from the first frame, normal": lambda o: (
        _needle(o) and o.tags.get("course") == "present" and o.tags.get("visibility") == "normal"
    ),
    "needle-free, rendered": _free,
    "needle-free, sliding out of plane": lambda o: _free(o) and "sweep" in o.tags.get("event", ""),
    "needle-free, real and moving": lambda o: o.tags.get("recording") in JUDGED,
    "all rendered": _rendered,
}
"""Over the phantom and anatomy suites, but for the real ones. Visibility and angle (over 55 degrees is steep) are those
measured on the finished recording; the others are the row's. False alarms, and so precision, are those of the subset's
own sequences: of needles these are the frames before the needle comes in."""


def subset_figures(outcomes: Sequence[Outcome], detector: str) -> dict[str, Any]:
    """Return one detector's figures of every subset that is not empty: ``needle`` and ``calibration``, plain values."""
    found = {}
    for name, choice in SUBSETS.items():
        chosen = [o.detectors[detector] for o in outcomes if detector in o.detectors and choice(o)]
        if chosen:
            found[name] = _figures(chosen)
    return found


def _figures(chosen: Sequence[DetectorOutcome]) -> dict[str, Any]:
    confidence = np.concatenate([d.confidence for d in chosen])
    event = np.concatenate([d.event for d in chosen])
    return {
        "needle": to_plain(pool_needle([d.needle for d in chosen])),
        "calibration": to_plain(calibrate(confidence, event)),
    }


def stills_point(outcomes: Sequence[Outcome], detector: str) -> dict[str, Any] | None:
    """Return `stills_figures` of the needles of the stills suite and the nerve-block stills, all with the default prior."""
    chosen = [
        o.detectors[detector]
        for o in outcomes
        if detector in o.detectors and (o.suite == "stills" or o.tags.get("event") == NERVE_BLOCK)
    ]
    return stills_figures([still for d in chosen for still in d.stills])


def biopsy_figures(outcomes: Sequence[Outcome], detector: str) -> dict[str, Any]:
    """Return, by what the prior tells, the errors of the likeliest candidate on each biopsy picture, and the largest.

    ``convincing`` tells whether the candidate was called a needle; a picture without any candidate is infinitely off.
    """
    found: dict[str, Any] = {}
    for o in outcomes:
        told = o.tags.get("prior")
        likeliest = o.detectors[detector].likeliest if detector in o.detectors else None
        if told is None or likeliest is None:
            continue
        group = found.setdefault(told, {"pictures": {}})
        group["pictures"][o.name] = {
            "tip_error_mm": float(likeliest.raw.tip_error_mm[0]),
            "angle_error_deg": float(likeliest.raw.angle_error_deg[0]),
            "convincing": bool(o.detectors[detector].needle.raw.tracking[0]),
        }
    for group in found.values():
        for key in ("tip_error_mm", "angle_error_deg"):
            group[f"{key.removesuffix('_mm').removesuffix('_deg')}_max_{key.rpartition('_')[2]}"] = max(
                picture[key] for picture in group["pictures"].values()
            )
    plain: dict[str, Any] = to_plain(found)
    return plain


def tool_figures(outcomes: Sequence[Outcome], detector: str) -> dict[str, Any] | None:
    """Return how the moving tool was followed; None without one."""
    tools = [d.tool for o in outcomes if (d := o.detectors.get(detector)) is not None and d.tool is not None]
    if not tools:
        return None
    frames, errors = sum(t.frames for t in tools), [e for t in tools for e in t.end_errors_mm]
    plain: dict[str, Any] = to_plain(
        {
            "frames": frames,
            "tracked_share": sum(t.tracked_frames for t in tools) / frames,
            "wall_frames": sum(t.wall_frames for t in tools),
            "end_errors_mm": errors,
            "end_error_max_mm": max(errors),
        }
    )
    return plain
