"""PLUS/IGSIO and Slicer sequences, MetaImage and NRRD: frames with times, status and transforms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from usguide.errors import FormatError, InputError
from usguide.geometry import ImageGeometry
from usguide.io._opencv import grey_if_colourless
from usguide.io.options import SourceOptions
from usguide.io.orientation import CANONICAL, Orientation
from usguide.io.sequence_fields import frame_fields, times_of
from usguide.io.source import ASSUMED_RATE_HZ, BaseSource, SourceInfo, check_first, missing_of, one_line
from usguide.types import Frame

METAIMAGE_SUFFIXES, NRRD_SUFFIXES = (".mha", ".mhd"), (".nrrd", ".nhdr")
SEQUENCE_SUFFIXES = (*METAIMAGE_SUFFIXES, *NRRD_SUFFIXES)
MAX_FRAME_BYTES = 1 << 28
"""No scanner has larger frames; a header that says so is damaged, and memory is not asked for."""


@dataclass(frozen=True, slots=True, eq=False)
class SequenceHeader:
    """What a file says before its pixels are read.

    Parameters
    ----------
    frames : int
    shape : (int, int)
        (H, W) of a frame as it is stored.
    dtype : numpy.dtype
    channels : int
        1, 3 or 4.
    spacing_mm : (float, float) or None
        (axial, lateral) of the stored frame.
    fields : mapping of str to str
        Everything else.
    times_s : ndarray or None
        Where the format states them outside `fields`.
    """

    frames: int
    shape: tuple[int, int]
    dtype: np.dtype[Any]
    channels: int
    spacing_mm: tuple[float, float] | None
    fields: Mapping[str, str]
    times_s: NDArray[np.float64] | None = None


class SequenceFile(Protocol):
    """A reader of one format."""

    header: SequenceHeader

    def frames(self, start: int) -> Iterator[NDArray[Any]]:
        """Give the stored frames from `start`, (H, W) or (H, W, C)."""
        ...


class SequenceSource(BaseSource):
    """Frames of a sequence, in the canonical orientation.

    Parameters
    ----------
    file : SequenceFile
    path : Path
    options : SourceOptions
        Goes before what the file says.
    """

    def __init__(self, file: SequenceFile, path: Path, options: SourceOptions) -> None:
        self._file, header = file, file.header
        stored_bytes = header.shape[0] * header.shape[1] * header.channels * header.dtype.itemsize
        if (
            header.frames < 1
            or min(header.shape) < 1
            or header.channels not in (1, 3, 4)
            or stored_bytes > MAX_FRAME_BYTES
        ):
            raise FormatError(
                f"{path.name}: expected frames of one or three channels, under {MAX_FRAME_BYTES >> 20} MiB each, got"
                f" {header.frames} of {header.shape[0]} x {header.shape[1]} x {header.channels}; is its header damaged?"
            )
        if header.dtype.kind not in "uf":
            raise FormatError(
                f"{path.name}: expected unsigned or floating-point pixels, got {header.dtype}; convert it"
            )
        letters = header.fields.get("UltrasoundImageOrientation", CANONICAL)
        try:
            self._orientation = Orientation.parse(letters)
        except InputError as error:
            raise FormatError(f"{path.name}: {error}") from None
        self._fields = frame_fields(header.fields, header.frames)
        shape = self._orientation.shape(header.shape)
        spacing = (
            header.spacing_mm
            if header.spacing_mm is None or not self._orientation.transposed
            else header.spacing_mm[::-1]
        )
        from_file = ImageGeometry(*spacing) if spacing else None
        geometry, spacing_source = options.geometry_for(shape, options.region, from_file)
        self._times, rate, times = self._frame_times(options)
        first = self._first(path.name)
        check_first(first, options.region, path.name, options.full_scale)
        super().__init__(
            SourceInfo(
                name=path.name,
                kind="sequence",
                frame_count=header.frames,
                shape=shape,
                dtype=str(first.dtype),
                channels=1 if first.ndim == 2 else 3,
                geometry=geometry,
                spacing_source=spacing_source,
                region=options.region,
                region_source="given" if options.region else "whole frame",
                frame_rate_hz=rate,
                times_source=times,
                missing=missing_of(
                    geometry, options.region, times_known=header.frames == 1 or not times.startswith("assumed")
                ),
            ),
            options,
        )
        if self._orientation != Orientation():
            self.note(f"stored as {letters}, turned to {CANONICAL}; transforms from and to Image are turned with it")

    def _frame_times(self, options: SourceOptions) -> tuple[NDArray[np.float64], float | None, str]:
        count = self._file.header.frames
        if options.frame_rate_hz is not None:
            return np.arange(count) / options.frame_rate_hz, options.frame_rate_hz, "frame rate given"
        known = self._file.header.times_s if self._file.header.times_s is not None else times_of(self._fields)
        if known is not None:
            gap = float(np.median(np.diff(known))) if count > 1 else 0.0
            return known, 1 / gap if gap > 0 else None, "file"
        return (
            np.arange(count) / ASSUMED_RATE_HZ,
            None,
            "one picture" if count == 1 else f"assumed {ASSUMED_RATE_HZ:g} Hz",
        )

    def _first(self, name: str) -> NDArray[Any]:
        try:
            return next(self._pictures(0))
        except StopIteration:
            raise FormatError(f"{name}: expected at least one frame, got none; save it again") from None
        except Exception as error:  # noqa: BLE001  (what reads it raises whatever it meets in damaged data)
            raise FormatError(
                f"{name}: expected frames that can be read, got: {_reason(error)}; copy it again"
            ) from None

    def _pictures(self, start: int) -> Iterator[NDArray[Any]]:
        for stored in self._file.frames(start):
            pixels = stored if stored.dtype.isnative else stored.astype(stored.dtype.newbyteorder("="))
            turned = self._orientation.apply(pixels)
            yield grey_if_colourless(turned[..., ::-1] if turned.ndim == 3 else turned)

    def __iter__(self) -> Iterator[Frame]:
        """Give the frames in order; those that the file calls invalid are counted and left out."""
        self.begin()
        header = self._file.header
        pictures, index = self._pictures(0), 0
        while index < header.frames and not self._closed:
            try:
                pixels = next(pictures)
            except StopIteration:
                self.skip(f"frame {index} and later ones left out: the file ends early", frames=header.frames - index)
                return
            except Exception as error:  # noqa: BLE001  (as above)
                self.skip(f"frame {index} and later ones left out: {_reason(error)}", frames=header.frames - index)
                return
            fields = self._fields[index]
            if not fields.valid:
                self.skip(f"frame {index} left out: its status is INVALID")
            elif (frame := self.frame(pixels, index, float(self._times[index]))) is not None:
                turned = {n: self._orientation.adapt(n, m, header.shape) for n, m in fields.transforms.items()}
                yield replace(frame, transforms=turned)
            index += 1


def open_sequence(path: Path, options: SourceOptions) -> SequenceSource:
    """Open a MetaImage or NRRD file.

    Raises
    ------
    FormatError
        Damaged, or no pictures.
    MissingExtraError
        What reads the format is not installed.
    """
    if path.suffix.lower() in METAIMAGE_SUFFIXES:
        from usguide.io.metaimage import MetaImageFile  # noqa: PLC0415  (needs an extra)

        return SequenceSource(MetaImageFile(path), path, options)
    from usguide.io.nrrd import NrrdFile  # noqa: PLC0415  (as above)

    return SequenceSource(NrrdFile(path), path, options)


def _reason(error: BaseException) -> str:
    return one_line(error) or type(error).__name__
