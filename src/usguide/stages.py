"""What a stage of the pipeline has to look like: plug in your own and keep the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from usguide.detection import Evidence
from usguide.geometry import Point
from usguide.types import Detection, Frame, Injectate, InsertionPrior, NeedleTrack, Outline, Shaft, Target


class Despeckler(Protocol):
    """Grey levels 0..255 in, the same shape out, both float32 on the working grid."""

    def __call__(self, image: NDArray[np.float32], /) -> NDArray[np.float32]:
        """Despeckle one image."""
        ...


class ShaftDetector(Protocol):
    """One frame's evidence in, needle candidates out, best first."""

    def detect(self, evidence: Evidence, prior: InsertionPrior, expected: Sequence[Shaft] = ()) -> Sequence[Detection]:
        """Find needles in one frame; `expected` is where the tracker expects some, the surest first."""
        ...


class Tracker(Protocol):
    """Candidates of one frame in, confirmed needles out, best first."""

    def update(self, detections: Sequence[Detection], timestamp_s: float) -> tuple[NeedleTrack, ...]:
        """Take the candidates of the frame at `timestamp_s`."""
        ...

    def reset(self) -> None:
        """Forget every needle."""
        ...


class Segmenter(Protocol):
    """A frame and the best needle in, the injected fluid out."""

    def update(self, frame: Frame, track: NeedleTrack | None) -> Injectate | None:
        """Take one frame."""
        ...

    def reset(self) -> None:
        """Forget the fluid and its reference."""
        ...


@runtime_checkable
class AttentiveSegmenter(Protocol):
    """A segmenter that wants to know what the fluid is meant for: `GuidancePipeline` tells it, where it has these."""

    def seed(self, point_mm: Point) -> None:
        """Expect fluid at a point that someone pointed out, also without a needle."""
        ...

    def set_target(self, target: Target | None) -> None:
        """Measure the spread around a target; None: around nothing."""
        ...

    def set_keep_out(self, keep_out_mm: Mapping[str, Outline]) -> None:
        """Warn of fluid within these outlines."""
        ...

    def mark_injection(self, time_s: float) -> None:
        """Note when the plunger moved, in the frames' time."""
        ...
