"""Frames with times, transforms and status as a MetaImage or NRRD sequence, as PLUS and Slicer read them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from usguide.errors import FormatError, InputError
from usguide.geometry import ImageGeometry
from usguide.io.staging import StagedFrames
from usguide.types import Frame

METAIMAGE_TYPES = {"u1": "MET_UCHAR", "u2": "MET_USHORT", "f4": "MET_FLOAT", "f8": "MET_DOUBLE"}
_NRRD_TYPES = {"u1": "unsigned char", "u2": "unsigned short", "f4": "float", "f8": "double"}


def write_sequence(
    frames: Iterable[Frame],
    path: str | Path,
    *,
    spacing_known: bool = True,
    times_known: bool = True,
    compressed: bool = True,
) -> int:
    """Write frames one by one as a sequence; the file appears when it is complete.

    Parameters
    ----------
    frames : iterable of Frame
        Of one size, type and spacing, such as an open source.
    path : path
        ``.mha`` (MetaImage with the fields of PLUS; also ``.igs.mha``) or ``.nrrd`` (Slicer's axes and times, and the
        same fields; also ``.seq.nrrd``).
    spacing_known : bool
        Without it a spacing of 1 is written, which in a sequence means unknown.
    times_known : bool
        Without it no times are written.
    compressed : bool
        Deflate the pixels.

    Returns
    -------
    int
        Number of frames.

    Raises
    ------
    InputError
        Another suffix, frames that differ, a name of a transform that is no word.
    FormatError
        Not one frame.
    """
    target = Path(path)
    suffix = target.suffix.lower()
    if suffix not in (".mha", ".nrrd"):
        raise InputError(f"{target.name}: expected a name that ends in .mha or .nrrd, got {suffix or 'no suffix'}")
    window_bits = {".mha": 15, ".nrrd": 31}[suffix] if compressed else None
    fields: list[tuple[str, str]] = []
    times: list[float] = []
    geometry = ImageGeometry(1.0, 1.0)
    with StagedFrames(target, window_bits) as staged:
        for frame in frames:
            if spacing_known and staged.count and frame.geometry != geometry:
                raise InputError(f"{target.name}: expected one spacing throughout, got another at frame {frame.index}")
            if spacing_known:
                geometry = frame.geometry
            fields += fields_of(frame, staged.count, times_known=times_known)
            times += [float(frame.timestamp_s)] * times_known
            # Colours are blue first in a frame, and red first in files.
            staged.write(frame.pixels if frame.pixels.ndim == 2 else frame.pixels[..., 2::-1])
        if not staged.count:
            raise FormatError(f"{target.name}: expected at least one frame to write, got none")
        if suffix == ".mha":
            staged.finish(
                lambda size: metaimage_header(
                    (staged.count, *staged.shape), staged.dtype, geometry, fields, size if compressed else None
                )
            )
        else:
            staged.finish(lambda _: _nrrd_header(staged, geometry, fields, times, "gzip" if compressed else "raw"))
        return staged.count


def fields_of(frame: Frame, number: int, *, times_known: bool) -> list[tuple[str, str]]:
    """Return PLUS's fields of the frame that is stored in place `number`: time, status and transforms."""
    fields = {"FrameNumber": str(frame.index), "ImageStatus": frame.status}
    if times_known:
        fields["Timestamp"] = repr(float(frame.timestamp_s))
    for name, matrix in frame.transforms.items():
        if not re.fullmatch(r"\w+", name) or np.shape(matrix) != (4, 4):
            raise InputError(f"transforms: expected 4 x 4 under a word such as ProbeToTracker, got {name!r:.40}")
        fields[f"{name}Transform"] = " ".join(repr(float(v)) for v in np.ravel(matrix))
        fields[f"{name}TransformStatus"] = "OK"
    return [(f"Seq_Frame{number:04d}_{key}", value) for key, value in fields.items()]


def metaimage_header(
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    geometry: ImageGeometry,
    fields: Iterable[tuple[str, str]],
    packed_bytes: int | None = None,
    data_file: str = "LOCAL",
) -> bytes:
    """Return the header of a MetaImage sequence.

    Parameters
    ----------
    shape : tuple of int
        (N, H, W) or (N, H, W, C) of the pixels.
    dtype : numpy.dtype
        One of `METAIMAGE_TYPES`.
    geometry : ImageGeometry
    fields : iterable of (str, str)
        Further names and values, such as those of `fields_of`.
    packed_bytes : int, optional
        Size of the pixels where they are deflated.
    data_file : str
        Where the pixels are; LOCAL is right behind the header.
    """
    count, height, width, *channels = shape
    lines = [
        ("ObjectType", "Image"),
        ("NDims", "3"),
        ("BinaryData", "True"),
        ("BinaryDataByteOrderMSB", "False"),
        ("CompressedData", str(packed_bytes is not None)),
        *([("CompressedDataSize", str(packed_bytes))] if packed_bytes is not None else []),
        ("TransformMatrix", "1 0 0 0 1 0 0 0 1"),
        ("Offset", f"{geometry.origin_mm[0]!r} {geometry.origin_mm[1]!r} 0"),
        ("ElementSpacing", f"{geometry.lateral_mm_per_px!r} {geometry.axial_mm_per_px!r} 1"),
        ("DimSize", f"{width} {height} {count}"),
        *([("ElementNumberOfChannels", str(channels[0]))] if channels else []),
        ("ElementType", METAIMAGE_TYPES[dtype.str[1:]]),
        ("UltrasoundImageOrientation", "MF"),
        ("UltrasoundImageType", "RGB_COLOR" if channels else "BRIGHTNESS"),
        *fields,
        ("ElementDataFile", data_file),
    ]
    return "".join(f"{name} = {value}\n" for name, value in lines).encode()


def _nrrd_header(
    staged: StagedFrames, geometry: ImageGeometry, fields: list[tuple[str, str]], times: list[float], encoding: str
) -> bytes:
    height, width, *channels = staged.shape
    colour = 1 if channels else 0
    nothing, none = ['""'] * (3 + colour), ["none"] * colour
    lines = [
        f"type: {_NRRD_TYPES[staged.dtype.str[1:]]}",
        f"dimension: {4 + colour}",
        "space: left-posterior-superior",
        f"sizes: {' '.join(map(str, (*channels, width, height, 1, staged.count)))}",
        "space directions: "
        + " ".join(
            [*none, f"({geometry.lateral_mm_per_px!r},0,0)", f"(0,{geometry.axial_mm_per_px!r},0)", "(0,0,1) none"]
        ),
        f"kinds: {'RGB-color ' * colour}domain domain domain list",
        f'labels: {" ".join(nothing)} "time"',
        f'units: {" ".join(nothing)} "s"',
        "endian: little",
        f"encoding: {encoding}",
        f"space origin: ({geometry.origin_mm[0]!r},{geometry.origin_mm[1]!r},0)",
        f"DataNodeClassName:=vtkMRML{'Vector' if colour else 'Scalar'}VolumeNode",
        *_index_lines(3 + colour, times),
        "UltrasoundImageOrientation:=MF",
        *(f"{name}:={value}" for name, value in fields),
    ]
    return "\n".join(["NRRD0005", *lines, "", ""]).encode()


def _index_lines(axis: int, times: list[float]) -> list[str]:
    return (
        [f"axis {axis} index type:=numeric", f"axis {axis} index values:={' '.join(map(repr, times))}"] if times else []
    )
