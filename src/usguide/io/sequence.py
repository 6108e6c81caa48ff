"""PLUS/IGSIO and Slicer sequences, MetaImage and NRRD: frames with times, status and transforms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from usguide.errors import FormatError, InputError
from usguide.io._opencv import grey_if_colourless
from usguide.io.declared import check_frames
from usguide.io.options import SourceOptions, geometry_of_spacing
from usguide.io.orientation import CANONICAL, Orientation
from usguide.io.sequence_fields import FrameFields, frame_fields, times_of
from usguide.io.source import BaseSource, SourceInfo, check_first, missing_of, reason_of
from usguide.io.times import timeline
from usguide.types import Frame

METAIMAGE_SUFFIXES, NRRD_SUFFIXES = (".mha", ".mhd"), (".nrrd", ".nhdr")
SEQUENCE_SUFFIXES = (*METAIMAGE_SUFFIXES, *NRRD_SUFFIXES)
_NOTHING_SAID = FrameFields()


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

    @property
    def frame_bytes(self) -> int:
        """Size of a frame once it is decompressed."""
        return self.shape[0] * self.shape[1] * self.channels * self.dtype.itemsize

    @property
    def byte_count(self) -> int:
        """Size of all frames."""
        return self.frames * self.frame_bytes


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
        check_frames(path.name, header.frames, header.shape, header.frame_bytes)
        if header.channels not in (1, 3, 4):
            raise FormatError(
                f"{path.name}: expected grey or three colours, got {header.channels} channels; convert it"
            )
        try:
            self._orientation = Orientation.parse(header.fields.get("UltrasoundImageOrientation", CANONICAL))
        except InputError as error:
            raise FormatError(f"{path.name}: {error}") from None
        self._fields = frame_fields(header.fields, header.frames)
        shape = self._orientation.shape(header.shape)
        from_file = geometry_of_spacing(self._orientation.spacing(header.spacing_mm))
        geometry, spacing_source = options.geometry_for(shape, options.region, from_file)
        recorded = header.times_s if header.times_s is not None else times_of(self._fields, header.frames)
        self._timeline = timeline(header.frames, options, path.name, recorded)
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
                frame_rate_hz=self._timeline.rate_hz,
                times_source=self._timeline.source,
                missing=missing_of(geometry, options.region, times_known=self._timeline.is_known),
            ),
            options,
        )
        if self._orientation != Orientation():
            stored = header.fields["UltrasoundImageOrientation"]
            self.note(f"stored as {stored}, turned to {CANONICAL}; transforms from and to Image are turned with it")

    def _first(self, name: str) -> NDArray[Any]:
        try:
            return next(self._pictures(0))
        except StopIteration:
            raise FormatError(f"{name}: expected at least one frame, got none; save it again") from None
        except Exception as error:  # noqa: BLE001  (what reads it raises whatever it meets in damaged data)
            raise FormatError(
                f"{name}: expected frames that can be read, got: {reason_of(error)}; copy it again"
            ) from None

    def _pictures(self, start: int) -> Iterator[NDArray[Any]]:
        for stored in self._file.frames(start):
            pixels = stored if stored.dtype.isnative else stored.astype(stored.dtype.newbyteorder("="))
            turned = self._orientation.apply(pixels)
            yield grey_if_colourless(turned[..., 2::-1] if turned.ndim == 3 else turned)

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
                self.skip(f"frame {index} and later ones left out: {reason_of(error)}", frames=header.frames - index)
                return
            fields = self._fields.get(index, _NOTHING_SAID)
            if not fields.valid:
                self.skip(f"frame {index} left out: its status is INVALID")
            elif (frame := self.frame(pixels, index, float(self._timeline.times_s[index]))) is not None:
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
        from usguide.io.metaimage import MetaImageFile  # noqa: PLC0415  (only needed for this kind of file)

        return SequenceSource(MetaImageFile(path), path, options)
    from usguide.io.nrrd import NrrdFile  # noqa: PLC0415  (needs an extra)

    return SequenceSource(NrrdFile(path), path, options)
