"""Folders, globs and lists of pictures, in natural order."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from usguide.errors import FormatError, InputError
from usguide.io._integrity import is_whole
from usguide.io._opencv import grey_if_colourless, quiet_opencv
from usguide.io.options import SourceOptions
from usguide.io.source import BaseSource, SourceInfo, check_first, missing_of, reason_of
from usguide.io.times import timeline
from usguide.types import Frame

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".pgm", ".ppm", ".webp")
TIMES_FILE = "timestamps.csv"
"""Beside the pictures, with the columns `name` and `time_s`."""


def natural_key(path: Path) -> tuple[list[tuple[int, int, str]], str]:
    """Sort key that puts ``frame2`` before ``frame10``."""
    parts = re.split(r"(\d+)", str(path).lower())
    # The path itself decides between f1 and f01, so that the order never depends on the file system.
    return [(0, int(p), "") if p.isdigit() else (1, 0, p) for p in parts], str(path)


def is_picture(path: Path) -> bool:
    """Tell by its name whether a file is a picture (hidden files are not: systems leave their own beside pictures)."""
    return path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith(".")


def read_picture(path: Path) -> NDArray[Any]:
    """Read one picture as grey (H, W) or, where it has colour, (H, W, 3) BGR; 16-bit values are kept.

    Raises
    ------
    FormatError
        The file can't be read as a picture.
    """
    try:
        # Read here and decoded from memory: OpenCV opens no path outside the system's code page on Windows.
        data = path.read_bytes()
    except OSError as error:
        raise FormatError(f"{path.name}: expected a readable picture, got: {error.strerror or error}") from None
    pixels = None
    if data and is_whole(data):
        with quiet_opencv():
            try:
                pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
            except cv2.error:
                pixels = None
    if pixels is None:
        damage = "can't be decoded" if is_whole(data) else "are cut short or damaged"
        got = f"{len(data)} bytes that {damage}" if data else "an empty file"
        raise FormatError(f"{path.name}: expected a picture, got {got}; copy or export it again")
    array = np.asarray(pixels)
    if array.ndim == 3 and array.shape[2] not in (3, 4):
        array = np.ascontiguousarray(array[..., 0])  # grey with alpha
    return grey_if_colourless(array)


def refuse_pages(path: Path) -> None:
    """Raise where one file holds several pictures, of which all but the first would be lost without a word."""
    with quiet_opencv():
        pages = cv2.imcount(str(path)) if path.suffix.lower() in (".tif", ".tiff") else 1
    if pages > 1:
        raise InputError(
            f"{path.name}: expected one picture, got {pages} pages; save them as a picture each or as .npy"
        )


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
            known = " ".join(PICTURE_SUFFIXES)
            raise InputError(
                f"{name}: expected pictures ({known}), got none; name their folder, or the recording's file"
            )
        self.paths = tuple(paths)
        first = self._first_readable()
        check_first(first, options.region, name, options.full_scale)
        geometry, spacing_source = options.geometry_for((first.shape[0], first.shape[1]), options.region)
        recorded = (
            None if options.stills or options.timestamps_s or options.frame_rate_hz else _times_beside(self.paths)
        )
        self._timeline = timeline(len(self.paths), options, name, recorded, f"file: {TIMES_FILE}")
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
                frame_rate_hz=self._timeline.rate_hz,
                times_source=self._timeline.source,
                missing=missing_of(geometry, options.region, times_known=self._timeline.is_known),
            ),
            options,
        )
        texts = [str(p) for p in self.paths]
        if not options.stills and texts == sorted(texts) and list(self.paths) != sorted(self.paths, key=natural_key):
            self.note("pictures are taken in the order given, which is alphabetical: frame10 comes before frame2")

    def _first_readable(self) -> NDArray[Any]:
        problem = None
        for path in self.paths:
            try:
                return read_picture(path)
            except FormatError as error:
                problem = problem or error
        raise problem or FormatError("expected pictures, got none that can be read")

    def __iter__(self) -> Iterator[Frame]:
        """Read the pictures one by one; one that can't be read is counted and left out."""
        self.begin()
        for index, path in enumerate(self.paths):
            try:
                pixels = read_picture(path)
            except FormatError as error:
                self.skip(f"frame {index} left out: {error}")
                continue
            frame = self.frame(pixels, index, float(self._timeline.times_s[index]))
            if frame is not None:
                yield frame


def _times_beside(paths: tuple[Path, ...]) -> list[float] | None:
    """Return the times that a file beside the pictures states, None where there is no such file."""
    table = paths[0].parent / TIMES_FILE
    if any(p.parent != table.parent for p in paths) or not table.is_file():
        return None
    try:
        with table.open(encoding="utf-8-sig", newline="") as stream:
            stated = {row["name"]: float(row["time_s"]) for row in csv.DictReader(stream)}
        times = [stated[p.name] for p in paths]
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise FormatError(
            f"{TIMES_FILE}: expected the columns name and time_s with a row for each picture, got: {reason_of(error)};"
            " correct or remove it"
        ) from None
    if not all(a < b for a, b in pairwise([-math.inf, *times, math.inf])):
        raise FormatError(
            f"{TIMES_FILE}: expected times that increase in the order of the pictures; correct or remove it"
        )
    return times
