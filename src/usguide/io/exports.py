"""Results in the formats of labelling tools and of 3D Slicer, made from the records of `results.jsonl`.

COCO keypoints (Label Studio, CVAT and others), MOT challenge text (CVAT), and Slicer markups.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from usguide.errors import FormatError

Record = Mapping[str, Any]

MARKUPS_SCHEMA = (
    "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/Resources/Schema/"
    "markups-schema-v1.0.3.json#"
)
_SHOWN = ("TRACKING", "COASTING")


def read_records(path: Path) -> list[dict[str, Any]]:
    """Read `results.jsonl`.

    Raises
    ------
    FormatError
        Not there, or a line that is no record.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "bytes that are no text"
        raise FormatError(f"{path}: expected the results of 'usguide track', got: {reason}; name its folder") from None
    records = []
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
            tracks = [record, *record["other_tracks"]]
            usable = isinstance(record["index"], int) and all({"shaft", "tip", "state"} <= t.keys() for t in tracks)
        except (json.JSONDecodeError, KeyError, TypeError, AttributeError):
            usable = False
        if not usable:
            raise FormatError(f"{path.name}: expected a record of one frame in line {number}, got something else")
        records.append(record)
    return records


def coco(records: Iterable[Record], shape: tuple[int, int], name: str) -> dict[str, Any]:
    """Return COCO keypoint annotations: entry and tip of each needle that is shown, px of the whole frame.

    Parameters
    ----------
    records : iterable of mapping
        Lines of `results.jsonl`.
    shape : (int, int)
        (H, W) of the frames.
    name : str
        Of the recording. Its frames are called ``STEM_000000.png`` by their index.

    Returns
    -------
    dict
        To be written as JSON. Image ids are the frames' indices; `score` is the track's confidence.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    height, width = shape
    for record in records:
        images.append(
            {
                "id": record["index"],
                "file_name": f"{Path(name).stem}_{record['index']:06d}.png",
                "width": width,
                "height": height,
                "timestamp_s": record["timestamp_s"],
            }
        )
        for track_id, track in _tracks(record):
            (x0, y0), (x1, y1) = track["shaft"]["entry_px"], track["tip"]["position_px"]
            left, top, wide, high = _box(track, shape)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": record["index"],
                    "category_id": 1,
                    "track_id": track_id,
                    "keypoints": [x0, y0, 2, x1, y1, 2],
                    "num_keypoints": 2,
                    "bbox": [left, top, wide, high],
                    "area": round(wide * high, 2),
                    "iscrowd": 0,
                    "score": track["confidence"],
                }
            )
    return {
        "info": {"description": f"usguide: needles in {name}; research use only, not a medical device"},
        "images": images,
        "categories": [
            {"id": 1, "name": "needle", "supercategory": "tool", "keypoints": ["entry", "tip"], "skeleton": [[1, 2]]}
        ],
        "annotations": annotations,
    }


def mot(records: Iterable[Record], shape: tuple[int, int]) -> str:
    """Return MOT challenge text: frame and id from 1, box left, top, width, height in px from 1, confidence, -1 -1 -1."""
    lines = []
    for record in records:
        for track_id, track in _tracks(record):
            left, top, wide, high = _box(track, shape)
            box = f"{left + 1:.2f},{top + 1:.2f},{wide:.2f},{high:.2f}"
            lines.append(f"{record['index'] + 1},{track_id},{box},{track['confidence']:.4f},-1,-1,-1\n")
    return "".join(lines)


def markups(records: Iterable[Record], name: str) -> dict[str, Any]:
    """Return Slicer markups: the tip's path, a point a frame, and the last shaft as a line, in mm.

    Lateral is x and axial is y, z is 0, in LPS: where Slicer shows a sequence that was written with the same spacing.
    """
    path: list[dict[str, Any]] = []
    line: list[dict[str, Any]] = []
    for record in records:
        for number, (_, track) in enumerate(_tracks(record)):
            if number == 0:
                label = f"{record['index']}: {record['timestamp_s']:.3f} s, {track['state']}"
                path.append(_control_point(track["tip"]["position_mm"], label, len(path)))
                line = [
                    _control_point(track["shaft"]["entry_mm"], "entry", 0),
                    _control_point(track["tip"]["position_mm"], f"tip at {record['timestamp_s']:.3f} s", 1),
                ]
    units = {"coordinateSystem": "LPS", "coordinateUnits": "mm"}
    shaft = [{"type": "Line", "name": f"{name}: shaft", **units, "controlPoints": line}] if line else []
    tips = {"type": "Curve" if len(path) > 1 else "Fiducial", "name": f"{name}: tip", **units, "controlPoints": path}
    return {"@schema": MARKUPS_SCHEMA, "markups": [tips, *shaft]}


def _control_point(point_mm: list[float], label: str, number: int) -> dict[str, Any]:
    return {
        "id": str(number + 1),
        "label": label,
        "position": [point_mm[0], point_mm[1], 0.0],
        "orientation": [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        "selected": True,
        "locked": True,
        "visibility": True,
        "positionStatus": "defined",
    }


def _tracks(record: Record) -> Iterator[tuple[int, Record]]:
    """Give the id of each needle that a frame shows, and what is said of it; the best first."""
    others = [(int(t["track_id"]), t) for t in record["other_tracks"]]
    own = [(int(record["track"]["track_id"]), record)] if record.get("track") else []
    for track_id, track in (*own, *others):
        if track["state"] in _SHOWN and track["shaft"] is not None and track["tip"] is not None:
            yield track_id, track


def _box(track: Record, shape: tuple[int, int]) -> tuple[float, float, float, float]:
    """Left, top, width and height in px of what of the shaft the frame holds; at least 1 px wide and high."""
    (x0, y0), (x1, y1) = track["shaft"]["entry_px"], track["tip"]["position_px"]
    height, width = shape
    left, right = (min(max(x, 0.0), width - 1.0) for x in sorted((x0, x1)))
    top, bottom = (min(max(y, 0.0), height - 1.0) for y in sorted((y0, y1)))
    return round(left, 2), round(top, 2), round(max(right - left, 1.0), 2), round(max(bottom - top, 1.0), 2)
