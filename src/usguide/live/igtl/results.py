"""Messages that say what usguide found: poses, points, lines, measures and the picture with the overlay.

Every position goes through the matrix of the IMAGE that it was found in (`Frame.transforms["ImageToRAS"]`, from px to RAS
mm), so that what 3D Slicer shows lies on the image that it shows. A frame without that matrix is placed with its lateral
axis along R and its axial axis along A, by its own geometry.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from usguide.draw import draw_overlay
from usguide.geometry import ImageGeometry
from usguide.io.sinks.tables import result_record
from usguide.live.igtl.codec import encode
from usguide.live.igtl.contents import (
    STATUS_INVALID_PACKET,
    STATUS_NOT_FOUND,
    STATUS_NOT_READY,
    STATUS_OK,
    Content,
    Image,
    Point,
    Points,
    PolyData,
    Status,
    Text,
    Transform,
)
from usguide.live.igtl.frames import IMAGE_POSE
from usguide.types import Frame, GuidanceResult, InputState, NeedleTrack, TrackState

TIP, TIP_PREDICTED = "NeedleTip", "NeedleTipPredicted"
POINTS, SHAFT, INJECTATE = "NeedlePoints", "NeedleShaft", "Injectate"
MEASURES, STATUS, OVERLAY = "NeedleMeasures", "NeedleStatus", "NeedleOverlay"
"""Device names of what is sent."""

SKY_BLUE, ORANGE, YELLOW, PURPLE = (86, 180, 233, 255), (230, 159, 0, 255), (240, 228, 66, 255), (224, 141, 187, 255)
"""The overlay's colours (Okabe and Ito), as RGBA."""

_NO_LINES = PolyData(np.zeros((0, 3), np.float32))


def image_pose(frame: Frame) -> NDArray[np.float64]:
    """Return the 4 x 4 matrix that takes ``(x, y, 0, 1)`` in px of a frame to RAS mm."""
    given = frame.transforms.get(IMAGE_POSE)
    return _plain_pose(frame.geometry) if given is None else np.array(given, dtype=np.float64)


def ras_of(frame: Frame, points_mm: ArrayLike) -> NDArray[np.float64]:
    """Take points of a frame to RAS.

    Parameters
    ----------
    frame : Frame
    points_mm : array_like, shape (..., 2)
        (lateral, axial).

    Returns
    -------
    ndarray, shape (..., 3)
        RAS mm.
    """
    px = frame.geometry.to_px(points_mm)
    pose = image_pose(frame)
    return np.asarray(px @ pose[:3, :2].T + pose[:3, 3])


def tip_pose(frame: Frame, track: NeedleTrack) -> NDArray[np.float64]:
    """Return the pose of a tip in RAS: z points where the needle points, y along the normal of the picture.

    3D Slicer's needle models (tip in the origin, shaft along -z) fit it.
    """
    entry, tip = ras_of(frame, [track.shaft.entry_mm, track.tip.position_mm])
    pose = image_pose(frame)
    normal = np.cross(pose[:3, 0], pose[:3, 1])
    z = tip - entry if np.any(tip != entry) else pose[:3, 1]
    z, y = z / np.linalg.norm(z), normal / np.linalg.norm(normal)
    out = np.eye(4)
    out[:3, :3] = np.stack([np.cross(y, z), y, z], axis=1)
    out[:3, 3] = tip
    return out


def result_messages(
    frame: Frame | None,
    result: GuidanceResult,
    *,
    version: int = 1,
    overlay: bool = False,
    late: bool = False,
    timestamp_s: float | None = None,
) -> list[bytes]:
    """Say in OpenIGTLink what was found in a frame.

    A measured tip is sent as NeedleTip, a predicted one under another name, and none where there is none. Points and
    lines are sent always, empty where there is nothing, so that what was shown before goes away.

    Parameters
    ----------
    frame : Frame or None
        None where there is no picture (`STALE`): the status is sent, and empty points and lines.
    result : GuidanceResult
        Of the same frame.
    version : int
        Header version: 1, which everything reads, or 2, which adds state, input state, confidence and index as metadata
        to every message.
    overlay : bool
        Whether the picture with the overlay goes with them.
    late : bool
        The result is too old to be shown as the present: the status says so, and no position is sent.
    timestamp_s : float, optional
        Seconds since 1970, or by whatever clock the image came with; by default the result's own time.

    Returns
    -------
    list of bytes
        For one call of `IgtlServer.send`.
    """
    stamp = _stamp(result.timestamp_s if timestamp_s is None else timestamp_s)
    contents: list[tuple[str, Content]] = [(STATUS, _status(result, late=late))]
    if frame is None or late:
        contents += [(POINTS, Points()), (SHAFT, _NO_LINES), (INJECTATE, _NO_LINES)]
    else:
        contents += _positions(frame, result)
        if overlay:
            contents.append((OVERLAY, _overlay(frame, result)))
    metadata = _metadata(result, late=late) if version == 2 else None
    return [encode(c, name, timestamp_s=stamp, version=version, metadata=metadata) for name, c in contents]


def _positions(frame: Frame, result: GuidanceResult) -> Iterable[tuple[str, Content]]:
    track = _shown(result)
    if track is not None:
        measured = track.state is TrackState.TRACKING
        yield TIP if measured else TIP_PREDICTED, Transform(tip_pose(frame, track))
    yield POINTS, Points(tuple(_points(frame, result, track)))
    yield SHAFT, _shaft(frame, track)
    yield INJECTATE, _contours(frame, result)
    yield MEASURES, Text(_measures(frame, result))


def image_message(frame: Frame, device: str = "Image", *, version: int = 1, timestamp_s: float | None = None) -> bytes:
    """Return a frame's own pixels as IMAGE, where they were."""
    stamp = _stamp(frame.timestamp_s if timestamp_s is None else timestamp_s)
    return encode(Image(_rgb(frame.pixels), image_pose(frame)), device, timestamp_s=stamp, version=version)


def _shown(result: GuidanceResult) -> NeedleTrack | None:
    """Return the needle that this frame shows or predicts: not a lost one, nor that of a frame before a bad one."""
    track = result.track
    if track is None or track.state not in (TrackState.TRACKING, TrackState.COASTING):
        return None
    return track if result.input_state in (InputState.OK, InputState.FROZEN) else None


def _status(result: GuidanceResult, *, late: bool) -> Status:
    code = {
        InputState.OK: STATUS_OK if result.state is TrackState.TRACKING else STATUS_NOT_FOUND,
        InputState.INVALID: STATUS_INVALID_PACKET,
    }.get(result.input_state, STATUS_NOT_READY)
    track = _shown(result)
    words = [f"input {result.input_state}"]
    if late:
        code = STATUS_NOT_READY
        words.append("late")
    if track is not None:
        words.append(f"confidence {track.confidence:.2f}")
    if result.injectate is not None:
        words.append(f"injectate {result.injectate.area_mm2:.1f} mm2")
        words += [f"warning {w.partition(':')[0]}" for w in result.injectate.warnings]
    return Status(code, result.index, str(result.state), ", ".join(words))


def _points(frame: Frame, result: GuidanceResult, track: NeedleTrack | None) -> Iterable[Point]:
    def point(name: str, at_mm: ArrayLike, rgba: tuple[int, int, int, int], diameter_mm: float = 0.0) -> Point:
        x, y, z = (float(v) for v in ras_of(frame, at_mm))
        return Point(name, (x, y, z), str(result.state), rgba, diameter_mm)

    if track is not None:
        seen = track.state is TrackState.TRACKING
        line = SKY_BLUE if seen else ORANGE
        # The diameter holds the tip with 95 % where its uncertainty is the same along both axes.
        spread_mm = 2 * 2.448 * max(track.tip.sigma_mm)
        yield point("Entry", track.shaft.entry_mm, line)
        yield point("Distal", track.shaft.distal_mm, line)
        yield point("Tip", track.tip.position_mm, YELLOW if seen else ORANGE, spread_mm)
    if result.target is not None:
        yield point("Target", result.target.position_mm, PURPLE)


def _shaft(frame: Frame, track: NeedleTrack | None) -> PolyData:
    """Give the shaft as two lines: what is seen, and from there to the tip what is estimated."""
    if track is None:
        return _NO_LINES
    entry, distal, tip = track.shaft.entry_mm, track.shaft.distal_mm, track.tip.position_mm
    if math.dist(entry, distal) >= math.dist(entry, tip):
        return PolyData(ras_of(frame, [entry, tip]).astype(np.float32), lines=(_cell([0, 1]),))
    points = ras_of(frame, [entry, distal, tip]).astype(np.float32)
    return PolyData(points, lines=(_cell([0, 1]), _cell([1, 2])))


def _contours(frame: Frame, result: GuidanceResult) -> PolyData:
    """Give the injectate's outlines as closed lines."""
    outlines = [c for c in result.injectate.contours_mm if len(c)] if result.injectate is not None else []
    if not outlines:
        return _NO_LINES
    lines, start = [], 0
    for outline in outlines:
        lines.append(_cell([*range(start, start + len(outline)), start]))
        start += len(outline)
    return PolyData(ras_of(frame, np.concatenate(outlines)).astype(np.float32), lines=tuple(lines))


def _cell(numbers: Sequence[int]) -> NDArray[np.uint32]:
    return np.array(numbers, dtype=np.uint32)


def _measures(frame: Frame, result: GuidanceResult) -> str:
    """Give the line of results.jsonl; without the injectate's pools and the other needles where it gets too long."""
    record = result_record(frame, result)
    line = json.dumps(record, allow_nan=False)
    if len(line) > 0xFFFF:
        record["other_tracks"] = []
        if record["injectate"] is not None:
            record["injectate"]["pools"] = []
        line = json.dumps(record, allow_nan=False)
    return line


def _overlay(frame: Frame, result: GuidanceResult) -> Image:
    """Give the drawn picture, which may show the region only and be resampled, where the frame's image is."""
    drawn = draw_overlay(frame, result)
    x, y, w, h = frame.region or (0, 0, frame.shape[1], frame.shape[0])
    g = frame.geometry
    shown = g.cropped(x, y).resampled((h, w), (drawn.shape[0], drawn.shape[1]))
    # From px of the drawing to mm, from there to px of the frame, and by its matrix to RAS.
    to_frame = np.linalg.inv(_plain_pose(g)) @ _plain_pose(shown)
    return Image(_rgb(drawn), image_pose(frame) @ to_frame)


def _plain_pose(g: ImageGeometry) -> NDArray[np.float64]:
    pose = np.diag([g.lateral_mm_per_px, g.axial_mm_per_px, 1.0, 1.0])
    pose[:2, 3] = g.origin_mm
    return pose


def _rgb(pixels: NDArray[Any]) -> NDArray[Any]:
    """Return BGR as RGB; grey as it is."""
    return np.ascontiguousarray(pixels[..., 2::-1]) if pixels.ndim == 3 else pixels


def _metadata(result: GuidanceResult, *, late: bool) -> dict[str, str]:
    track = _shown(result)
    found = {"State": str(result.state), "InputState": str(result.input_state), "FrameIndex": str(result.index)}
    if late:
        found["Late"] = "true"
    return found if track is None else found | {"Confidence": f"{track.confidence:.4f}"}


def _stamp(seconds: float) -> float | None:
    """Return a time that a header can hold, or None."""
    return seconds if 0 <= seconds < 2**32 - 1 else None
