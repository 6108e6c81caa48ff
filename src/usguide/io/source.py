"""What every source of frames looks like, and what it says of itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from usguide.errors import InputError, InvalidFrameError
from usguide.geometry import ImageGeometry
from usguide.io.options import Region, SourceOptions
from usguide.region import find_region
from usguide.types import Frame

if TYPE_CHECKING:
    from usguide.phantoms import PhantomTruth

SourceKind = Literal["video", "camera", "pictures", "array", "callback", "dicom", "sequence"]

MIN_SIDE_PX = 16
"""Smaller pictures than this are no ultrasound image."""

ASSUMED_RATE_HZ = 20.0
"""Frame rate where nothing states one; results say so."""

MAX_NOTES = 20
"""A stream with thousands of bad frames would else fill the results with the same complaint."""


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What is in a recording or stream, and what is missing."""

    name: str
    """File name without its folder."""
    kind: SourceKind
    frame_count: int | None
    """As the file states it; None where it does not, and for streams."""
    shape: tuple[int, int] | None
    """(H, W) of the first frame, px."""
    dtype: str | None
    channels: int | None
    geometry: ImageGeometry | None
    spacing_source: str
    region: Region | None
    region_source: str
    frame_rate_hz: float | None
    times_source: str
    missing: tuple[str, ...] = ()
    """In plain words, each with the option that supplies it."""
    truth: PhantomTruth | None = None


class Source(Protocol):
    """Frames as a stream: one at a time, so that a recording larger than memory works.

    Attributes
    ----------
    info : SourceInfo
    bad_frames : int
        Frames of this pass so far that could not be used; they are left out, and their index with them.
    notes : list of str
        What a user should know of the recording, one line each.
    """

    info: SourceInfo
    bad_frames: int
    notes: list[str]

    def __iter__(self) -> Iterator[Frame]:
        """Give the frames from the start (a camera or callback: from now)."""
        ...

    def close(self) -> None:
        """Release files and devices."""
        ...

    def __enter__(self) -> Self:
        """Return the source itself."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the source."""
        ...


class BaseSource:
    """What the sources share: counting, making frames, closing."""

    def __init__(self, info: SourceInfo, options: SourceOptions) -> None:
        self.info = info
        self.options = options
        self.bad_frames = 0
        self.notes: list[str] = []
        self._closed = False
        if options.require_spacing:
            self._need_spacing()

    def close(self) -> None:
        """Release files and devices."""
        self._closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def step_s(self) -> float:
        """Time from frame to frame where the recording has no times of its own; 1 for unrelated pictures."""
        return 1.0 if self.options.stills else 1.0 / (self.options.frame_rate_hz or ASSUMED_RATE_HZ)

    def begin(self) -> None:
        """Start a pass over the frames."""
        if self._closed:
            raise InputError(f"{self.info.name}: expected an open source, got one that was closed; open it again")
        self._need_spacing()
        self.bad_frames = 0

    def note(self, text: str) -> None:
        """Keep a line for the user, once."""
        line = " ".join(text.split())
        if line not in self.notes:
            self.notes.append(line)

    def skip(self, reason: str, *, frames: int = 1) -> None:
        """Count frames that can't be used, and say why (the first few times)."""
        self.bad_frames += frames
        if len(self.notes) < MAX_NOTES:
            self.note(reason)

    def frame(self, pixels: NDArray[Any], index: int, timestamp_s: float) -> Frame | None:
        """Make a frame, or count it as bad and return None."""
        try:
            check_size(pixels)
            geometry, region = self.info.geometry, self.info.region
            if self.options.stills and self.options.find_region:
                # Unrelated pictures come from different screens.
                found = find_region(pixels, full_scale=self.options.full_scale)
                region = found.box if found is not None and found.trusted else None
            if geometry is not None and self.options.stills and self.options.depth_mm is not None:
                # Unrelated pictures of different heights show the same depth at different spacings.
                geometry, _ = self.options.geometry_for((pixels.shape[0], pixels.shape[1]), region)
            if geometry is None:
                raise InvalidFrameError("spacing is missing")
            return Frame(pixels, geometry, timestamp_s, index, region=region, full_scale=self.options.full_scale)
        except InputError as error:
            self.skip(f"frame {index} left out: {error}")
            return None

    def _need_spacing(self) -> None:
        if self.info.geometry is None:
            refused = f" ({self.info.spacing_source})" if "refused" in self.info.spacing_source else ""
            raise InputError(
                f"{self.info.name}: spacing is missing{refused}; state it with --spacing-mm (mm per px) or --depth-mm "
                "(height of the region in mm), in Python spacing_mm= or depth_mm="
            )


def one_line(message: object) -> str:
    """Return a message of another library, or text from a file, as one line of sensible length without control signs."""
    line = " ".join("".join(c if c.isprintable() else " " for c in str(message)).split())
    return line if len(line) <= 200 else f"{line[:196]} ..."


def reason_of(error: BaseException) -> str:
    """Return what another library says went wrong as one line; the error's kind where it says nothing."""
    return one_line(error) or type(error).__name__


def missing_of(geometry: ImageGeometry | None, region: Region | None, *, times_known: bool) -> tuple[str, ...]:
    """Say in plain words what a recording does not state, and which option does."""
    words = []
    if geometry is None:
        words.append("spacing: state --spacing-mm or --depth-mm")
    if not times_known:
        words.append(f"frame rate: {ASSUMED_RATE_HZ:g} Hz is assumed; state --frame-rate")
    if region is None:
        words.append(
            "region: the whole frame is used; state --roi, or --roi auto, if a user interface surrounds the picture"
        )
    return tuple(words)


def check_size(pixels: NDArray[Any]) -> None:
    """Refuse what is too small to be an ultrasound image."""
    if pixels.ndim < 2 or min(pixels.shape[:2]) < MIN_SIDE_PX:
        raise InvalidFrameError(
            f"expected pictures of at least {MIN_SIDE_PX} x {MIN_SIDE_PX} px, got shape {pixels.shape}"
        )


def check_first(pixels: Any, region: Region | None, name: str, full_scale: float | None) -> None:
    """Check the first picture while opening, so that a mistake is told before any work is done."""
    try:
        check_size(np.asarray(pixels))
        Frame(pixels, ImageGeometry(1.0, 1.0), region=region, full_scale=full_scale)
    except InputError as error:
        raise type(error)(f"{name}: {error}") from None
