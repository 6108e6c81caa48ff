"""`open_source`: one way to open whatever holds frames."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from usguide.errors import FormatError, InputError
from usguide.io.arrays import ArraySource, open_array_file
from usguide.io.pictures import PICTURE_SUFFIXES, PictureSource, natural_key
from usguide.io.source import Source, SourceOptions
from usguide.io.video import VIDEO_SUFFIXES, CameraSource, VideoSource


def open_source(
    source: Any,
    *,
    spacing_mm: float | tuple[float, float] | None = None,
    depth_mm: float | None = None,
    region: tuple[int, int, int, int] | None = None,
    frame_rate_hz: float | None = None,
    full_scale: float | None = None,
    stills: bool = False,
    require_spacing: bool = True,
) -> Source:
    """Open a recording or a stream.

    Parameters
    ----------
    source : str, Path, sequence of them, or ndarray
        A video file, ``camera:N``, a folder of pictures, a glob, a picture or a list of pictures, a ``.npy`` or
        ``.npz`` file, an array (N, H, W), or ``phantom:NAME`` for one that ships with usguide.
    spacing_mm : float or (float, float), optional
        mm per px, or (axial, lateral).
    depth_mm : float, optional
        Height of the region in mm, in place of the spacing.
    region : (int, int, int, int), optional
        ``x, y, width, height`` in px of the ultrasound image within each frame.
    frame_rate_hz : float, optional
        Replaces the recording's own times.
    full_scale : float, optional
        White; needed for floating-point pixels.
    stills : bool
        Pictures are unrelated; their sizes may differ.
    require_spacing : bool
        Whether a missing spacing is an error.

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
    )
    if isinstance(source, np.ndarray):
        return ArraySource(source, {}, "array", options)
    if isinstance(source, Sequence) and not isinstance(source, str):
        if len(source) != 1:
            return PictureSource([_picture(p) for p in source], f"{len(source)} pictures", options)
        source = source[0]
    text = os.fspath(source)
    if text.startswith("camera:"):
        number = text.removeprefix("camera:")
        if not number.isdigit():
            raise InputError(f"{text}: expected camera:N with a number, such as camera:0")
        return CameraSource(int(number), options)
    if text.startswith("phantom:"):
        from usguide.phantoms import shipped_path  # noqa: PLC0415  (only needed for this kind of name)

        return open_array_file(shipped_path(text.removeprefix("phantom:")), options)
    return _open_path(Path(text), options)


def _open_path(path: Path, options: SourceOptions) -> Source:
    if path.is_dir():
        pictures = [p for p in path.iterdir() if p.suffix.lower() in PICTURE_SUFFIXES and p.is_file()]
        return PictureSource(sorted(pictures, key=natural_key), path.name or str(path), options)
    if not path.exists():
        if any(c in str(path) for c in "*?["):
            hits = glob.glob(str(path))  # noqa: PTH207  (Path.glob takes no absolute pattern)
            found = [Path(p) for p in hits if Path(p).suffix.lower() in PICTURE_SUFFIXES]
            return PictureSource(sorted(found, key=natural_key), str(path.name), options)
        raise FormatError(f"{path}: expected a file, folder, glob or camera:N, got nothing of that name")
    suffix = path.suffix.lower()
    if suffix in (".npy", ".npz"):
        return open_array_file(path, options)
    if suffix in PICTURE_SUFFIXES:
        return PictureSource([path], path.name, options)
    if suffix in VIDEO_SUFFIXES:
        return VideoSource(path, options)
    known = " ".join((*VIDEO_SUFFIXES, *PICTURE_SUFFIXES, ".npy", ".npz"))
    raise FormatError(f"{path.name}: expected one of {known}, got {suffix or 'no suffix'}")


def _picture(path: Any) -> Path:
    p = Path(path)
    if not p.is_file():
        raise FormatError(f"{p}: expected a picture, got nothing of that name")
    if p.suffix.lower() not in PICTURE_SUFFIXES:
        raise FormatError(f"{p.name}: expected a list of pictures ({' '.join(PICTURE_SUFFIXES)}), got {p.suffix}")
    return p
