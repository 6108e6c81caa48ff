"""What happens to a stream besides pictures: repeats, freezes, changes of size or spacing, frames that can't be used."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from usguide.grid import WorkingImage
from usguide.types import Frame, GuidanceResult, InputState, TrackState

logger = logging.getLogger("usguide")


@dataclass(frozen=True, slots=True)
class StreamReport:
    """What the monitor says of one frame."""

    input_state: InputState
    repeat: bool
    """The frame brings nothing new: same picture, or a time that does not increase."""
    moved: bool
    """Size, spacing or region are not those of the frame before: its px lie elsewhere."""
    events: tuple[str, ...]


class StreamMonitor:
    """Remembers the last picture and its geometry.

    Parameters
    ----------
    frozen_after_s : float
        Identical pictures for this long are `FROZEN`.
    """

    def __init__(self, frozen_after_s: float) -> None:
        self._frozen_after_s = frozen_after_s
        self.reset()

    def reset(self) -> None:
        """Forget the stream."""
        self._frame_key: tuple[object, ...] | None = None
        self._grey: NDArray[np.float32] | None = None
        self._time_s = 0.0
        self._changed_s = 0.0

    def look(self, frame: Frame, image: WorkingImage) -> StreamReport:
        """Compare a frame with the one before it."""
        key = (frame.shape, frame.geometry.spacing_mm, frame.region)
        now, events = frame.timestamp_s, []
        first = self._frame_key is None
        moved = not first and key != self._frame_key
        if moved:
            events.append(_describe_change(self._frame_key, key))
            logger.info("frame %d: %s", frame.index, events[-1])
        backwards = not first and now <= self._time_s
        if backwards:
            events.append(f"timestamp did not increase: {self._time_s:.6g} s, then {now:.6g} s; taken as a repeat")
        same = self._grey is not None and key == self._frame_key and _is_equal(self._grey, image.grey)
        if backwards:
            return StreamReport(InputState.OK, repeat=True, moved=False, events=tuple(events))
        if not same:
            self._grey, self._changed_s = image.grey, now
        self._frame_key, self._time_s = key, now
        frozen = same and now - self._changed_s >= self._frozen_after_s
        state = InputState.FROZEN if frozen else InputState.OK
        return StreamReport(state, repeat=same, moved=moved, events=tuple(events))


def _describe_change(old: tuple[object, ...] | None, new: tuple[object, ...]) -> str:
    names = ("size (H, W) px", "spacing (lateral, axial) mm/px", "region (x, y, w, h) px")
    changes = [f"{n} changed: {a} -> {b}" for n, a, b in zip(names, old or (), new, strict=True) if a != b]
    return "; ".join(changes)


def without_needle(
    index: int, timestamp_s: float, before: TrackState, input_state: InputState, reason: str
) -> GuidanceResult:
    """Return the result where there is no picture to look at: the state before it, and no needle.

    Parameters
    ----------
    index : int
    timestamp_s : float
    before : TrackState
        Of the result before this one.
    input_state : InputState
        `INVALID` or `STALE`.
    reason : str
        Goes into the events.
    """
    # LOST is said once, so what comes after it is one more of searching.
    state = TrackState.SEARCHING if before is TrackState.LOST else before
    return GuidanceResult(index, timestamp_s, state, input_state, events=(reason,))


def _is_equal(a: NDArray[np.float32], b: NDArray[np.float32]) -> bool:
    """Compare two pictures; where the middle row differs already, which it does in nearly every frame, no further."""
    middle = len(a) // 2
    return np.array_equal(a[middle], b[middle]) and np.array_equal(a, b)
