"""One line a frame: `results.jsonl` and `results.csv` (docs/results.md has the contract)."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from usguide.errors import InputError
from usguide.geometry import ImageGeometry
from usguide.types import Frame, GuidanceResult, Injectate, NeedleTrack, Pool

SCHEMA_VERSION = 1


class Sink(Protocol):
    """Takes frames with their results, in order."""

    def write(self, frame: Frame, result: GuidanceResult) -> None:
        """Take one frame."""
        ...

    def close(self) -> None:
        """Finish what is written, so that it is valid as it stands."""
        ...


def result_record(frame: Frame | None, result: GuidanceResult) -> dict[str, Any]:
    """Return the record of one frame: every key is there, null where there is nothing to say.

    mm have three decimals, px one; px are those of the whole delivered frame. Without a frame (a live stream that
    stopped, a picture that could not be made) there is no needle whose px could be asked for.
    """
    if frame is None and result.tracks:
        raise InputError("result_record: expected the frame that the needle was found in, got None")
    g, track = ImageGeometry(1.0, 1.0) if frame is None else frame.geometry, result.track
    fluid, target = result.injectate, result.target
    return {
        "schema_version": SCHEMA_VERSION,
        "index": result.index,
        "timestamp_s": _number(result.timestamp_s, 6),
        "state": str(result.state),
        "input_state": str(result.input_state),
        "confidence": _number(track.confidence, 4) if track else None,
        "shaft": _shaft(track, g) if track else None,
        "tip": _tip(track, g) if track else None,
        "other_tracks": [
            {
                "track_id": t.track_id,
                "state": str(t.state),
                "confidence": _number(t.confidence, 4),
                "shaft": _shaft(t, g),
                "tip": _tip(t, g),
            }
            for t in result.tracks[1:]
        ],
        "injectate": None if fluid is None else _injectate(fluid),
        "target": None
        if target is None
        else {
            "position_mm": _point(target.position_mm),
            "distance_mm": _number(target.distance_mm, 3),
            "along_mm": _number(target.along_mm, 3),
            "miss_mm": _number(target.miss_mm, 3),
            "angle_error_deg": _number(target.angle_error_deg, 2),
        },
        "track": None
        if track is None
        else {
            "track_id": track.track_id,
            "in_plane_fraction": _number(track.in_plane_fraction, 3),
            "age_s": _number(track.age_s, 4),
            "time_since_seen_s": _number(track.time_since_seen_s, 4),
        },
        "events": list(result.events),
        "latency_ms": {k: _number(v, 3) for k, v in result.latency_ms.items()},
    }


def _shaft(track: NeedleTrack, g: ImageGeometry) -> dict[str, Any]:
    s = track.shaft
    return {
        "entry_mm": _point(s.entry_mm),
        "distal_mm": _point(s.distal_mm),
        "angle_deg": _number(s.angle_deg, 2),
        "entry_px": _point(g.to_px(s.entry_mm), 1),
        "distal_px": _point(g.to_px(s.distal_mm), 1),
    }


def _tip(track: NeedleTrack, g: ImageGeometry) -> dict[str, Any]:
    t = track.tip
    return {
        "position_mm": _point(t.position_mm),
        "position_px": _point(g.to_px(t.position_mm), 1),
        "sigma_mm": _point(t.sigma_mm),
        "velocity_mm_s": _number(track.tip_velocity_mm_s, 2),
    }


def _injectate(fluid: Injectate) -> dict[str, Any]:
    around = fluid.around_target
    return {
        **_spread(fluid),
        "onset_s": _number(fluid.onset_s, 4),
        "volume_assumption": fluid.volume_assumption or None,
        "around_target": None
        if around is None
        else {
            "distance_mm": _number(around.distance_mm, 3),
            "overlap": _number(around.overlap, 4),
            "ring_deg": _number(around.ring_deg, 1),
            "ring_sigma_deg": _number(around.ring_sigma_deg, 1),
        },
        "pools": [{"pool_id": p.pool_id, **_spread(p), "onset_s": _number(p.onset_s, 4)} for p in fluid.pools],
        "warnings": list(fluid.warnings),
    }


def _spread(of: Injectate | Pool) -> dict[str, Any]:
    """Give what is measured of all the injectate and of each pool alike."""
    return {
        "area_mm2": _number(of.area_mm2, 3),
        "area_sigma_mm2": _number(of.area_sigma_mm2, 3),
        "perimeter_mm": _number(of.perimeter_mm, 3),
        "centroid_mm": _point(of.centroid_mm),
        "extent_mm": _point(of.extent_mm),
        "axis_deg": _number(of.axis_deg, 2),
        "rate_mm2_s": _number(of.rate_mm2_s, 3),
        "rate_sigma_mm2_s": _number(of.rate_sigma_mm2_s, 3),
        "volume_mm3": _number(of.volume_mm3, 2),
        "confidence": _number(of.confidence, 4),
    }


def _point(values: ArrayLike | None, digits: int = 3) -> list[float | None] | None:
    return None if values is None else [_number(v, digits) for v in np.ravel(np.asarray(values, dtype=float))]


def _number(value: float | None, digits: int) -> float | None:
    """Round; what is not a number is null, since JSON has no NaN."""
    if value is None or not math.isfinite(value):
        return None
    return round(float(value), digits) + 0.0


class LineFile:
    """A text file that holds whole lines only, also when the disk fills up within one.

    Parameters
    ----------
    path : Path
        Made anew.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb", buffering=0)
        self._good = 0

    def write(self, line: str) -> None:
        """Write a line that ends in a newline; it is in the file when this returns."""
        data = memoryview(line.encode())
        try:
            while data:
                data = data[self._file.write(data) :]
        except OSError:
            self._file.truncate(self._good)
            raise
        self._good = self._file.tell()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class JsonlSink:
    """`results.jsonl`: each line is complete, and in the file, when `write` returns."""

    def __init__(self, path: Path) -> None:
        self._file = LineFile(path)

    def write(self, frame: Frame, result: GuidanceResult) -> None:
        """Write one line."""
        self._file.write(json.dumps(result_record(frame, result), allow_nan=False) + "\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


CSV_COLUMNS = (
    "index",
    "timestamp_s",
    "state",
    "input_state",
    "confidence",
    "entry_x_mm",
    "entry_z_mm",
    "distal_x_mm",
    "distal_z_mm",
    "angle_deg",
    "tip_x_mm",
    "tip_z_mm",
    "tip_sigma_x_mm",
    "tip_sigma_z_mm",
    "tip_x_px",
    "tip_y_px",
    "tip_velocity_mm_s",
    "target_distance_mm",
    "injectate_area_mm2",
    "injectate_area_sigma_mm2",
    "injectate_extent_along_mm",
    "injectate_extent_across_mm",
    "injectate_rate_mm2_s",
    "injectate_volume_mm3",
    "injectate_onset_s",
    "injectate_target_distance_mm",
    "injectate_ring_deg",
    "injectate_pools",
    "injectate_warnings",
    "latency_total_ms",
)


class CsvSink:
    """`results.csv`: the best track in columns, units in the header, empty cells where there is none."""

    def __init__(self, path: Path) -> None:
        self._file = LineFile(path)
        self._row(CSV_COLUMNS)

    def write(self, frame: Frame, result: GuidanceResult) -> None:
        """Write one row."""
        r = result_record(frame, result)
        shaft, tip, fluid, two = r["shaft"], r["tip"], r["injectate"] or {}, [None, None]
        around = fluid.get("around_target") or {}
        self._row(
            [
                *(r[k] for k in ("index", "timestamp_s", "state", "input_state", "confidence")),
                *(shaft["entry_mm"] if shaft else two),
                *(shaft["distal_mm"] if shaft else two),
                shaft["angle_deg"] if shaft else None,
                *(tip["position_mm"] if tip else two),
                *(tip["sigma_mm"] if tip else two),
                *(tip["position_px"] if tip else two),
                tip["velocity_mm_s"] if tip else None,
                r["target"]["distance_mm"] if r["target"] else None,
                fluid.get("area_mm2"),
                fluid.get("area_sigma_mm2"),
                *(fluid.get("extent_mm") or two),
                *(fluid.get(k) for k in ("rate_mm2_s", "volume_mm3", "onset_s")),
                around.get("distance_mm"),
                around.get("ring_deg"),
                len(fluid["pools"]) if fluid else None,
                # The code words: a sentence is no cell, and results.jsonl has it.
                "; ".join(w.partition(":")[0] for w in fluid["warnings"]) if fluid else None,
                r["latency_ms"].get("total"),
            ]
        )

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _row(self, cells: Sequence[Any]) -> None:
        line = io.StringIO(newline="")
        csv.writer(line, lineterminator="\n").writerow(cells)
        self._file.write(line.getvalue())
