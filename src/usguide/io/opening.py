"""`open_source`: one way to open whatever holds frames."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from usguide.errors import FormatError, InputError, UsguideError
from usguide.io.arrays import ArraySource, open_array_file
from usguide.io.dicom import DicomSource
from usguide.io.dicom_file import DICOM_SUFFIXES, is_dicom
from usguide.io.options import SourceOptions
from usguide.io.pictures import PICTURE_SUFFIXES, PictureSource, is_picture, natural_key, refuse_pages
from usguide.io.regions import find_in, in_words, is_whole, take_found
from usguide.io.sequence import SEQUENCE_SUFFIXES, open_sequence
from usguide.io.source import BaseSource, Source
from usguide.io.video import VIDEO_SUFFIXES, CameraSource, VideoSource

_KNOWN = " ".join((*VIDEO_SUFFIXES, *PICTURE_SUFFIXES, *DICOM_SUFFIXES, *SEQUENCE_SUFFIXES, ".npy", ".npz"))


def open_source(
    source: Any,
    *,
    spacing_mm: float | tuple[float, float] | None = None,
    depth_mm: float | None = None,
    region: tuple[int, int, int, int] | Literal["auto"] | None = None,
    frame_rate_hz: float | None = None,
    full_scale: float | None = None,
    stills: bool = False,
    require_spacing: bool = True,
    timestamps_s: Sequence[float] | None = None,
) -> Source:
    """Open a recording or a stream.

    Parameters
    ----------
    source : str, Path, sequence of them, or ndarray
        A video, DICOM, MetaImage, NRRD, ``.npy`` or ``.npz`` file, ``camera:N``, a folder of pictures, a glob, a picture
        or a list of pictures, an array (N, H, W), or ``phantom:NAME`` for one that ships with usguide.
    spacing_mm : float or (float, float), optional
        mm per px, or (axial, lateral).
    depth_mm : float, optional
        Height of the region in mm, in place of the spacing.
    region : (int, int, int, int) or "auto", optional
        ``x, y, width, height`` in px of the ultrasound image within each frame. ``"auto"`` finds it in the first seconds
        where the recording states none, or the whole frame; where nothing is found for sure a note says so and the whole
        frame is used. With `stills` it is found in each picture.
    frame_rate_hz : float, optional
        Replaces the recording's own times.
    full_scale : float, optional
        White; needed for floating-point pixels.
    stills : bool
        Pictures are unrelated; their sizes may differ.
    require_spacing : bool
        Whether a missing spacing is an error.
    timestamps_s : sequence of float, optional
        Time of each frame in seconds, increasing; not for videos and cameras, which have their own.

    Returns
    -------
    Source
        A context manager that iterates over `usguide.Frame`.

    Raises
    ------
    FormatError
        Missing, damaged or unknown file.
    InputError
        A missing spacing, or an option that can't be.
    """
    options = SourceOptions.checked(
        spacing_mm=spacing_mm,
        depth_mm=depth_mm,
        region=region,
        frame_rate_hz=frame_rate_hz,
        full_scale=full_scale,
        stills=stills,
        require_spacing=require_spacing,
        timestamps_s=timestamps_s,
    )
    try:
        return _open_and_find(source, options) if options.find_region else _open(source, options)
    except UsguideError:
        raise
    except OSError as error:
        # Rights, a name that is too long, a drive that went away: the system's words, in one line.
        raise FormatError(f"{source}: expected something that can be read, got: {error.strerror or error}") from None


def _open_and_find(source: Any, options: SourceOptions) -> Source:
    """Look at the first frames of a source of their own, so that none is lost, then open with what was found."""
    if isinstance(source, str) and source.startswith("camera:"):
        raise InputError(
            f"{source}: expected a region in px for a camera, got 'auto'; state it, or record and use info"
        )
    if options.stills:
        return _open(source, options)
    with _open(source, replace(options, spacing_mm=(1.0, 1.0), depth_mm=None, find_region=False)) as first:
        stated, shape = first.info.region, first.info.shape
        found = find_in(first) if is_whole(stated, shape) else None
    if found is None or not found.trusted:
        opened = _open(source, options)
        if isinstance(opened, BaseSource) and is_whole(stated, shape):
            guess = f"looks like {in_words(found)}, but not surely" if found else "nothing looks like one"
            opened.note(f"region: {guess}; the whole frame is used: state --roi X,Y,W,H")
        return opened
    opened = _open(source, replace(options, region=found.box))
    if isinstance(opened, BaseSource):
        take_found(opened, found)
    return opened


def _open(source: Any, options: SourceOptions) -> Source:
    if isinstance(source, np.ndarray):
        return ArraySource(source, {}, "array", options)
    if isinstance(source, Sequence) and not isinstance(source, str | bytes):
        if len(source) != 1:
            return PictureSource([_picture(p) for p in source], f"{len(source)} pictures", options)
        source = source[0]
    text = _text(source)
    if text.startswith("camera:"):
        number = text.removeprefix("camera:")
        if not (number.isascii() and number.isdigit() and len(number) < 6):
            raise InputError(f"{text}: expected camera:N with a number, such as camera:0")
        return CameraSource(int(number), options)
    if text.startswith("phantom:"):
        from usguide.phantoms import shipped_path  # noqa: PLC0415  (only needed for this kind of name)

        return open_array_file(shipped_path(text.removeprefix("phantom:")), options)
    return _open_path(Path(text), options)


def _text(source: Any) -> str:
    if not isinstance(source, str | os.PathLike) or not str(source):
        raise InputError(
            f"source: expected a path, glob, camera:N or array, got {type(source).__name__} {source!r:.40}"
        )
    return str(os.fspath(source))


def _open_path(path: Path, options: SourceOptions) -> Source:
    if path.is_dir():
        pictures = [p for p in path.iterdir() if is_picture(p) and p.is_file()]
        return PictureSource(sorted(pictures, key=natural_key), path.resolve().name or str(path), options)
    if not path.exists():
        return _open_glob(path, options)
    suffix = path.suffix.lower()
    for suffixes, opener in _BY_SUFFIX:
        if suffix in suffixes:
            return opener(path, options)
    if is_dicom(path):
        return DicomSource(path, options)
    raise FormatError(f"{path.name}: expected one of {_KNOWN}, got {suffix or 'no suffix'}; convert it first")


def _one_picture(path: Path, options: SourceOptions) -> PictureSource:
    refuse_pages(path)
    return PictureSource([path], path.name, options)


_BY_SUFFIX: tuple[tuple[tuple[str, ...], Callable[[Path, SourceOptions], Source]], ...] = (
    ((".npy", ".npz"), open_array_file),
    (PICTURE_SUFFIXES, _one_picture),
    (VIDEO_SUFFIXES, VideoSource),
    (SEQUENCE_SUFFIXES, open_sequence),
)
"""A new format is a line here."""


def _open_glob(path: Path, options: SourceOptions) -> Source:
    if not any(c in str(path) for c in "*?["):
        raise FormatError(
            f"{path}: expected a file, folder, glob or camera:N, got nothing of that name; check the path"
        )
    found = [Path(p) for p in glob.glob(str(path))]  # noqa: PTH207  (Path.glob takes no absolute pattern)
    if len(found) == 1:
        return _open_path(found[0], options)
    return PictureSource(sorted(filter(is_picture, found), key=natural_key), path.name, options)


def _picture(path: Any) -> Path:
    p = Path(_text(path))
    if not p.is_file():
        raise FormatError(f"{p}: expected a picture, got nothing of that name; check the path")
    if p.suffix.lower() not in PICTURE_SUFFIXES:
        raise FormatError(
            f"{p.name}: expected a list of pictures only ({' '.join(PICTURE_SUFFIXES)}), got {p.suffix or 'no suffix'};"
            " open other recordings one at a time"
        )
    return p
