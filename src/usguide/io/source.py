"""What every source of frames looks like, and what it says of itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from usguide._validation import validate_positive
from usguide.errors import InputError, InvalidFrameError
from usguide.geometry import ImageGeometry
from usguide.types import Frame

if TYPE_CHECKING:
    from usguide.phantoms import PhantomTruth

Region = tuple[int, int, int, int]

MIN_SIDE_PX = 16
"""Smaller pictures than this are no ultrasound image."""

ASSUMED_RATE_HZ = 20.0
"""Frame rate where nothing states one; results say so."""


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What is in a recording or stream, and what is missing."""

    name: str
    """File name without its folder."""
    kind: str
    """video, camera, pictures, array or callback."""
    frame_count: int | None
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
    truth: PhantomTruth | None = None


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """What a user states about a recording."""

    spacing_mm: tuple[float, float] | None = None
    """(axial, lateral)."""
    depth_mm: float | None = None
    """Height of the region."""
    region: Region | None = None
    frame_rate_hz: float | None = None
    full_scale: float | None = None
    stills: bool = False
    require_spacing: bool = True

    @classmethod
    def checked(
        cls,
        *,
        spacing_mm: Any = None,
        depth_mm: float | None = None,
        region: Any = None,
        frame_rate_hz: float | None = None,
        full_scale: float | None = None,
        stills: bool = False,
        require_spacing: bool = True,
    ) -> SourceOptions:
        """Check what a user states, once for every kind of source."""
        if spacing_mm is not None and depth_mm is not None:
            raise InputError("spacing: expected spacing_mm or depth_mm, got both; give one")
        return cls(
            None if spacing_mm is None else _pair(spacing_mm),
            None if depth_mm is None else validate_positive(depth_mm, name="depth_mm"),
            None if region is None else _box(region),
            None if frame_rate_hz is None else validate_positive(frame_rate_hz, name="frame_rate_hz"),
            None if full_scale is None else validate_positive(full_scale, name="full_scale"),
            stills,
            require_spacing,
        )

    def geometry_for(
        self, shape: tuple[int, int], region: Region | None, from_file: ImageGeometry | None = None
    ) -> tuple[ImageGeometry | None, str]:
        """Spacing for frames of `shape`, and where it comes from; None where nobody states it."""
        if self.spacing_mm is not None:
            return ImageGeometry(*self.spacing_mm), "given"
        if self.depth_mm is not None:
            spacing = self.depth_mm / (region[3] if region else shape[0])
            return ImageGeometry(spacing, spacing), "given by depth"
        return (from_file, "file") if from_file else (None, "unknown")


class Source(Protocol):
    """Frames as a stream: one at a time, so that a recording larger than memory works.

    Attributes
    ----------
    info : SourceInfo
    bad_frames : int
        Frames so far that could not be used; they are left out.
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
        if options.require_spacing and info.geometry is None:
            raise InputError(
                f"{info.name}: spacing is missing; state it with --spacing-mm (mm per px) or --depth-mm "
                "(height of the region in mm), in Python spacing_mm= or depth_mm="
            )

    def close(self) -> None:
        """Release files and devices."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def note(self, text: str) -> None:
        """Keep a line for the user, once."""
        if text not in self.notes:
            self.notes.append(text)

    def skip(self, reason: str) -> None:
        """Count a frame that can't be used, and say why (the first few times)."""
        self.bad_frames += 1
        if len(self.notes) < 20:
            self.note(reason)

    def frame(self, pixels: Any, index: int, timestamp_s: float) -> Frame | None:
        """Make a frame, or count it as bad and return None."""
        try:
            if pixels.ndim < 2 or min(pixels.shape[:2]) < MIN_SIDE_PX:
                raise InvalidFrameError(f"expected at least {MIN_SIDE_PX} x {MIN_SIDE_PX} px, got shape {pixels.shape}")
            geometry = self.info.geometry
            if geometry is None or (self.options.stills and self.options.depth_mm is not None):
                geometry, _ = self.options.geometry_for(pixels.shape[:2], self.info.region)
            if geometry is None:
                raise InvalidFrameError("spacing is missing")
            return Frame(
                pixels, geometry, timestamp_s, index, region=self.info.region, full_scale=self.options.full_scale
            )
        except InputError as error:
            self.skip(f"frame {index} left out: {error}")
            return None


def missing_of(geometry: ImageGeometry | None, frame_rate_hz: float | None, region: Region | None) -> tuple[str, ...]:
    """Say in plain words what a recording does not state, and which option does."""
    words = []
    if geometry is None:
        words.append("spacing: state --spacing-mm or --depth-mm")
    if frame_rate_hz is None:
        words.append(f"frame rate: {ASSUMED_RATE_HZ:g} Hz is assumed; state --frame-rate")
    if region is None:
        words.append("region: the whole frame is used; state --roi if a user interface surrounds the picture")
    return tuple(words)


def check_first(pixels: Any, region: Region | None, name: str, full_scale: float | None) -> None:
    """Check the first picture while opening, so that a mistake is told before any work is done."""
    if pixels.ndim < 2 or min(pixels.shape[:2]) < MIN_SIDE_PX:
        raise InputError(
            f"{name}: expected pictures of at least {MIN_SIDE_PX} x {MIN_SIDE_PX} px, got shape {pixels.shape}"
        )
    try:
        Frame(pixels, ImageGeometry(1.0, 1.0), region=region, full_scale=full_scale)
    except InputError as error:
        raise type(error)(f"{name}: {error}") from None


def _pair(spacing_mm: Any) -> tuple[float, float]:
    try:
        values = [float(v) for v in spacing_mm]
    except TypeError:
        values = [spacing_mm, spacing_mm]
    if len(values) != 2:
        raise InputError(f"spacing_mm: expected one number or (axial, lateral), got {spacing_mm!r}")
    axial, lateral = (validate_positive(v, name="spacing_mm") for v in values)
    return axial, lateral


def _box(region: Any) -> Region:
    try:
        x, y, w, h = (int(v) for v in region)
    except (TypeError, ValueError):
        raise InputError(f"region: expected x, y, width, height in px, got {region!r}") from None
    return x, y, w, h
