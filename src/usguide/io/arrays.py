"""NumPy arrays, `.npy` and `.npz` files, read frame by frame."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from usguide.errors import FormatError, InputError
from usguide.io.npz import (
    BROKEN,
    NpzMember,
    geometry_of,
    is_one_picture,
    numbers_of,
    read_archive,
    region_of,
    truth_of,
    unreadable,
)
from usguide.io.options import SourceOptions
from usguide.io.source import BaseSource, SourceInfo, check_first, missing_of, reason_of
from usguide.io.times import timeline
from usguide.types import Frame


class ArraySource(BaseSource):
    """Frames (N, H, W) or (N, H, W, 3) from memory or a file.

    Parameters
    ----------
    frames : ndarray or NpzMember
        Frames along the first axis; a single picture (H, W) or (H, W, 3) is one frame.
    extras : mapping
        What an `.npz` holds beside `frames`: `spacing_mm`, `timestamps_s`, `region`, `full_scale`, `sector`,
        `origin_mm`, `truth_*`.
    name : str
        What results call the recording.
    options : SourceOptions
        Goes before what the file says.
    archive : zipfile.ZipFile, optional
        Closed with the source.
    """

    def __init__(
        self,
        frames: NDArray[Any] | NpzMember,
        extras: Mapping[str, Any],
        name: str,
        options: SourceOptions,
        archive: zipfile.ZipFile | None = None,
    ) -> None:
        self._archive = archive
        shape = tuple(frames.shape)
        if isinstance(frames, np.ndarray) and is_one_picture(shape):
            frames, shape = frames[None], (1, *shape)
        if len(shape) not in (3, 4) or (len(shape) == 4 and shape[3] not in (3, 4)):
            raise InputError(f"{name}: expected frames (N, H, W) or (N, H, W, 3), got shape {shape}; reshape it")
        if 0 in shape:
            raise InputError(f"{name}: expected at least one frame, got shape {shape}")
        self._frames = frames
        region, region_source = options.region, "given"
        if region is None:
            region = region_of(extras, name)
            region_source = "file" if region else "whole frame"
        scale = numbers_of(extras, "full_scale", (1,), name)
        options = replace(options, region=region, full_scale=options.full_scale or (scale[0] if scale else None))
        check_first(self._first(name), region, name, options.full_scale)
        recorded = None if options.frame_rate_hz else numbers_of(extras, "timestamps_s", (shape[0],), name)
        self._timeline = timeline(shape[0], options, name, recorded)
        geometry, spacing_source = options.geometry_for((shape[1], shape[2]), region, geometry_of(extras, name))
        super().__init__(
            SourceInfo(
                name=name,
                kind="array",
                frame_count=shape[0],
                shape=(shape[1], shape[2]),
                dtype=str(frames.dtype),
                channels=1 if len(shape) == 3 else shape[3],
                geometry=geometry,
                spacing_source=spacing_source,
                region=region,
                region_source=region_source,
                frame_rate_hz=self._timeline.rate_hz,
                times_source=self._timeline.source,
                missing=missing_of(geometry, region or (0, 0, 1, 1), times_known=self._timeline.is_known),
                truth=truth_of(extras, shape[0], name),
            ),
            options,
        )

    def _first(self, name: str) -> NDArray[Any]:
        try:
            return next(self._pictures())
        except BROKEN as error:
            raise unreadable(name, error) from None

    def _pictures(self) -> Iterator[NDArray[Any]]:
        stack = self._frames.frames() if isinstance(self._frames, NpzMember) else iter(self._frames)
        for picture in stack:
            pixels = np.asarray(picture)
            yield pixels if pixels.dtype.isnative else pixels.astype(pixels.dtype.newbyteorder("="))

    def __iter__(self) -> Iterator[Frame]:
        """Give the frames in order; one that can't be used is counted and left out."""
        self.begin()
        pictures, index = self._pictures(), 0
        while not self._closed:
            try:
                pixels = next(pictures, None)
            except BROKEN as error:
                self.skip(f"frame {index} and later ones left out: {reason_of(error)}")
                return
            if pixels is None:
                return
            frame = self.frame(pixels, index, float(self._timeline.times_s[index]))
            if frame is not None:
                yield frame
            index += 1

    def close(self) -> None:
        """Close the file."""
        super().close()
        if self._archive is not None:
            self._archive.close()


def open_array_file(path: Path, options: SourceOptions) -> ArraySource:
    """Open a `.npy` (memory-mapped) or `.npz` (streamed) file.

    Raises
    ------
    FormatError
        Damaged, or holds Python objects.
    InputError
        No frames in it, or they are no pictures.
    """
    if not path.stat().st_size:
        raise FormatError(f"{path.name}: expected a NumPy array file, got an empty one; save it again")
    if path.suffix.lower() == ".npy":
        try:
            frames = np.lib.format.open_memmap(path, mode="r")
        except BROKEN as error:
            raise unreadable(path.name, error) from None
        return ArraySource(frames, {}, path.name, options)
    try:
        archive = zipfile.ZipFile(path)
    except BROKEN as error:
        raise unreadable(path.name, error) from None
    try:
        member, extras = read_archive(archive, path)
        return ArraySource(member, extras, path.name, options, archive)
    except BaseException:
        archive.close()
        raise
