"""Folders, globs and lists of pictures, in natural order."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from usguide.errors import FormatError, InputError
from usguide.io.source import ASSUMED_RATE_HZ, BaseSource, SourceInfo, SourceOptions, check_first, missing_of
from usguide.io.video import grey_if_colourless
from usguide.types import Frame

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".pgm", ".ppm", ".webp")


def natural_key(path: Path) -> list[tuple[int, int, str]]:
    """Sort key that puts ``frame2`` before ``frame10``."""
    parts = re.split(r"(\d+)", str(path).lower())
    return [(0, int(p), "") if p.isdigit() else (1, 0, p) for p in parts]


def read_picture(path: Path) -> NDArray[Any]:
    """Read one picture as grey (H, W) or, where it has colour, (H, W, 3); 16-bit values are kept.

    Raises
    ------
    FormatError
        The file can't be read as a picture.
    """
    try:
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        raise FormatError(f"{path.name}: expected a readable picture, got: {error.strerror or error}") from None
    pixels = None
    if data.size:
        level = cv2.utils.logging.getLogLevel()
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        try:
            pixels = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
        except cv2.error:
            pixels = None
        finally:
            cv2.utils.logging.setLogLevel(level)
    if pixels is None:
        raise FormatError(f"{path.name}: expected a picture, got {data.size} bytes that can't be decoded")
    array = np.asarray(pixels)
    if array.ndim == 3 and array.shape[2] not in (3, 4):
        array = np.ascontiguousarray(array[..., 0])
    return grey_if_colourless(array)


class PictureSource(BaseSource):
    """Pictures as frames; with ``stills`` they are unrelated and their sizes may differ.

    Parameters
    ----------
    paths : sequence of Path
        In the order in which they are shown.
    name : str
        What results call the recording.
    options : SourceOptions
    """

    def __init__(self, paths: Sequence[Path], name: str, options: SourceOptions) -> None:
        if not paths:
            raise InputError(f"{name}: expected pictures ({' '.join(PICTURE_SUFFIXES)}), got none")
        self.paths = tuple(paths)
        first, problem = None, None
        for path in self.paths:
            try:
                first = read_picture(path)
                break
            except FormatError as error:
                problem = problem or error
        if first is None:
            raise problem or FormatError(f"{name}: no picture can be read")
        check_first(first, options.region, name, options.full_scale)
        geometry, spacing_source = options.geometry_for((first.shape[0], first.shape[1]), options.region)
        rate = None if options.stills else options.frame_rate_hz
        times = "frame rate given" if rate else f"assumed {ASSUMED_RATE_HZ:g} Hz"
        super().__init__(
            SourceInfo(
                name=name,
                kind="pictures",
                frame_count=len(self.paths),
                shape=(first.shape[0], first.shape[1]),
                dtype=str(first.dtype),
                channels=1 if first.ndim == 2 else 3,
                geometry=geometry,
                spacing_source=spacing_source,
                region=options.region,
                region_source="given" if options.region else "whole frame",
                frame_rate_hz=rate,
                times_source="none: unrelated pictures" if options.stills else times,
                missing=missing_of(geometry, 1.0 if options.stills else rate, options.region),
            ),
            options,
        )

    def __iter__(self) -> Iterator[Frame]:
        """Read the pictures one by one; one that can't be read is counted and left out."""
        step = 1.0 if self.options.stills else 1.0 / (self.info.frame_rate_hz or ASSUMED_RATE_HZ)
        for index, path in enumerate(self.paths):
            try:
                pixels = read_picture(path)
            except FormatError as error:
                self.skip(f"frame {index} left out: {error}")
                continue
            frame = self.frame(pixels, index, index * step)
            if frame is not None:
                yield frame
