"""What a suite is made of: sequences as data, rendered or read only when they are run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from usguide._validation import validate_positive
from usguide.errors import InputError
from usguide.geometry import Point
from usguide.phantoms import PhantomScene
from usguide.types import InsertionPrior

Split = Literal["test", "tune"]
F64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Clip:
    """What is shown of a recording that is rendered onto.

    Parameters
    ----------
    frames : (int, int)
        First frame, and one past the last.
    frame_rate_hz : float
        At which they are shown, to and fro.
    region : (int, int, int, int), optional
        x, y, width and height in px; the recording's own by default.

    Raises
    ------
    InputError
        No frames, no rate or no region.
    """

    frames: tuple[int, int]
    frame_rate_hz: float
    region: tuple[int, int, int, int] | None = None

    def __post_init__(self) -> None:
        validate_positive(self.frame_rate_hz, name="frame_rate_hz")
        if not 0 <= self.frames[0] < self.frames[1]:
            raise InputError(f"frames: expected the first frame and one past the last, got {self.frames}")
        if self.region is not None and (min(self.region) < 0 or min(self.region[2:]) < 1):
            raise InputError(f"region: expected x, y, width and height in px, got {self.region}")


@dataclass(frozen=True, slots=True)
class Rendered:
    """A scene to render.

    Parameters
    ----------
    scene : PhantomScene
    seed : int
        1000 and more in the suites' tests, less in their tuning split.
    still : Path, optional
        Needle-free picture or recording to render onto, in place of rendered tissue.
    still_spacing_mm : (float, float), optional
        Axial and lateral mm per px of that picture.
    visibility_db : float, optional
        How well the needle is to be seen: its brightness is chosen for it before rendering.
    stills : bool
        Frames are judged as unrelated pictures.
    clip : Clip, optional
        Part of the recording that is rendered onto; those frames that belong to the split by default.
    """

    scene: PhantomScene
    seed: int
    still: Path | None = None
    still_spacing_mm: tuple[float, float] | None = None
    visibility_db: float | None = None
    stills: bool = False
    clip: Clip | None = None


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that is no needle, and what must not be taken for it, read by eye in px of the whole frame.

    Parameters
    ----------
    judged_from : int
        First frame in which it has to be tracked.
    walls : tuple of (upper edge, lower edge)
        Bright bands beside it; each edge is a row of points from left to right.
    """

    judged_from: int
    walls: tuple[tuple[tuple[Point, ...], tuple[Point, ...]], ...]


@dataclass(frozen=True, slots=True)
class Recorded:
    """A real recording.

    Parameters
    ----------
    paths : tuple of Path
        One file, or pictures in the order of time.
    spacing_mm : (float, float) or None
        Axial and lateral mm per px; None where the file states them.
    region : (int, int, int, int), optional
        x, y, width and height in px.
    frame_rate_hz : float, optional
        Where the file has no times.
    stills : bool
        Frames are unrelated pictures.
    by_eye : mapping of int to (point, point or None)
        Frame index to tip and a point of the shaft, in px of the whole frame, read by eye. Other frames are not judged.
        None where there is no needle. Not beside `frames`.
    frames : (int, int), optional
        First frame, and one past the last, of a recording that is split in time; all by default.
    tool : Tool, optional
        Where what moves is no needle.
    """

    paths: tuple[Path, ...]
    spacing_mm: tuple[float, float] | None = None
    region: tuple[int, int, int, int] | None = None
    frame_rate_hz: float | None = None
    stills: bool = False
    by_eye: Mapping[int, tuple[Point, Point | None]] | None = None
    frames: tuple[int, int] | None = None
    tool: Tool | None = None


@dataclass(frozen=True, slots=True)
class Sequence:
    """One recording of a suite.

    Parameters
    ----------
    name : str
        Unique within all suites of a split.
    suite : str
    split : {"test", "tune"}
        Nothing is tuned on what is called test.
    prior : InsertionPrior
        What every detector is told.
    content : Rendered or Recorded
    tags : mapping of str to str
        Factor to level, such as ``probe: linear``.
    marked_s : float, optional
        When the plunger moves, for who is told.
    """

    name: str
    suite: str
    split: Split
    prior: InsertionPrior
    content: Rendered | Recorded
    tags: Mapping[str, str] = field(default_factory=dict)
    marked_s: float | None = None


@dataclass(frozen=True, slots=True)
class Absent:
    """What a suite should hold and could not, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Suite:
    """Sequences, and what is absent."""

    name: str
    sequences: tuple[Sequence, ...]
    absent: tuple[Absent, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class StatedTruth:
    """Truth of a real recording, a row a frame (see `usguide.metrics.NeedleTruth`)."""

    tip_mm: F64
    entry_mm: F64
    visible_mm: F64
    angle_deg: F64


def matches(sequence: Sequence, patterns: tuple[str, ...]) -> bool:
    """Tell whether a name or a tag (``faint`` or ``visibility=faint``) matches one of the shell patterns; all without any.

    Parameters
    ----------
    sequence : Sequence
    patterns : tuple of str
    """
    words = [sequence.name, *sequence.tags.values(), *(f"{k}={v}" for k, v in sequence.tags.items())]
    return not patterns or any(fnmatchcase(word, pattern) for word in words for pattern in patterns)
