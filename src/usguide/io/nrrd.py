"""NRRD (`.nrrd`, `.seq.nrrd`, `.nhdr`): the header by pynrrd, frame by frame; a list axis, wherever it is, is time."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from usguide.errors import FormatError, MissingExtraError
from usguide.io.declared import MAX_INFLATION, check_bytes
from usguide.io.nrrd_axes import Axes, axes_of, pictures_of
from usguide.io.sequence import SequenceHeader
from usguide.io.source import reason_of
from usguide.io.stored import Encoding, StoredPixels, beside, header_lines

try:
    import nrrd
except ImportError:
    raise MissingExtraError("NRRD: expected pynrrd to read it, got none; run: pip install 'usguide[itk]'") from None

_DTYPES = {
    **dict.fromkeys(("uchar", "unsigned char", "uint8", "uint8_t"), "u1"),
    **dict.fromkeys(("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"), "u2"),
    "float": "f4",
    "double": "f8",
}
_ENCODINGS: dict[str, Encoding] = {
    "raw": "raw",
    **dict.fromkeys(("gzip", "gz"), "deflate"),
    **dict.fromkeys(("bzip2", "bz2"), "bzip2"),
}
_MAX_MIXED_BYTES = 1 << 31
"""Frames that lie interleaved come out only when all of them are in memory."""
_SECONDS = {"s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0, "ms": 1e-3}


class NrrdFile:
    """An NRRD file.

    Parameters
    ----------
    path : Path

    Raises
    ------
    FormatError
        Damaged, or not pictures.
    """

    def __init__(self, path: Path) -> None:
        try:
            with path.open("rb") as stream:
                header = _parsed(stream)
                end = stream.tell()
            self._sizes = [int(s) for s in header["sizes"]]
            kinds = [str(k) for k in header.get("kinds", [])] or ["domain"] * len(self._sizes)
            self._axes = axes = axes_of(self._sizes, kinds)
            self.header = _header(header, self._sizes, axes)
            self._pixels = _pixels(path, header, end, self.header.byte_count)
        except Exception as error:  # noqa: BLE001  (pynrrd raises whatever it meets in a damaged header)
            raise FormatError(
                f"{path.name}: expected an NRRD file, got: {reason_of(error)}; copy or convert it again"
            ) from None
        packed = self._pixels.encoding != "raw"
        check_bytes(
            path.name, self.header.byte_count, self._pixels.available_bytes, inflation=MAX_INFLATION if packed else 1
        )
        if packed and not axes.is_streamable(self._sizes) and self.header.byte_count > _MAX_MIXED_BYTES:
            raise FormatError(
                f"{path.name}: expected frames one after the other, got {self.header.frames} interleaved and compressed"
                " ones; save it with the list axis last"
            )

    def frames(self, start: int) -> Iterator[NDArray[Any]]:
        """Give the stored frames from `start`."""
        header, axes, sizes = self.header, self._axes, self._sizes
        if axes.is_streamable(sizes):
            one = [1 if a == axes.time else s for a, s in enumerate(sizes)]
            for data in self._pixels.frames(header.frame_bytes, start):
                yield pictures_of(np.frombuffer(data, header.dtype), one, axes)[0]
        elif self._pixels.encoding == "raw":
            stored = np.memmap(self._pixels.path, header.dtype, "r", self._pixels.offset, (int(np.prod(sizes)),))
            yield from pictures_of(stored, sizes, axes)[start:]
        else:
            for data in self._pixels.frames(header.byte_count):
                yield from pictures_of(np.frombuffer(data, header.dtype), sizes, axes)[start:]
                return


def _parsed(stream: IO[bytes]) -> Mapping[str, Any]:
    """Parse the lines up to the empty one, where the pixels begin."""
    text = bytearray()
    for line in header_lines(stream):
        if not text and not line.startswith(b"NRRD"):
            raise ValueError("a first line that is not NRRD's")
        text += line
        if not line.strip():
            break
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found: Mapping[str, Any] = nrrd.read_header(io.BytesIO(bytes(text)))
    return found


def _header(header: Mapping[str, Any], sizes: list[int], axes: Axes) -> SequenceHeader:
    kind, order = str(header["type"]).lower(), {"big": ">"}.get(str(header.get("endian", "little")).lower(), "<")
    if kind not in _DTYPES:
        raise ValueError(f"pixels of type {kind!r:.30}, not unsigned bytes, unsigned shorts or floats")
    if int(header["dimension"]) != len(sizes):
        raise ValueError(f"{len(sizes)} sizes for dimension {header['dimension']!r:.20}")
    return SequenceHeader(
        frames=1 if axes.time is None else sizes[axes.time],
        shape=(sizes[axes.y], sizes[axes.x]),
        dtype=np.dtype(order + _DTYPES[kind]),
        channels=1 if axes.colour is None else sizes[axes.colour],
        spacing_mm=_spacing(header, axes),
        fields={str(k): str(v) for k, v in header.items() if isinstance(v, str)},
        times_s=None if axes.time is None else _times(header, axes.time, sizes[axes.time]),
    )


def _pixels(path: Path, header: Mapping[str, Any], end: int, declared: int) -> StoredPixels:
    encoding = _ENCODINGS.get(str(header["encoding"]).lower())
    lines = int(header.get("line skip", header.get("lineskip", 0)))
    skip = int(header.get("byte skip", header.get("byteskip", 0)))
    if encoding is None or lines or skip < -1 or (skip and encoding != "raw"):
        raise ValueError(f"encoding {header['encoding']!r:.20} with line skip {lines} and byte skip {skip}")
    where = header.get("data file", header.get("datafile"))
    file = path if where is None else beside(path, str(where))
    offset = file.stat().st_size - declared if skip == -1 else (end if where is None else 0) + skip
    return StoredPixels(file, max(offset, 0), encoding)


def _spacing(header: Mapping[str, Any], axes: Axes) -> tuple[float, float] | None:
    if header.get("space directions") is not None:
        # A list axis has no direction: pynrrd gives it NaN.
        rows = np.atleast_2d(np.asarray(header["space directions"], dtype=float))
        values = [float(np.linalg.norm(rows[a])) for a in (axes.y, axes.x)]
    else:
        spacings = header.get("spacings", [np.nan] * (max(axes.x, axes.y) + 1))
        values = [float(spacings[a]) for a in (axes.y, axes.x)]
    if axes.time is not None and values == [1, 1]:  # in a sequence: unknown
        return None
    return values[0], values[1]


def _times(header: Mapping[str, Any], axis: int, frames: int) -> NDArray[np.float64] | None:
    """Slicer's index values, where the axis is called time or has its unit: else they only count the frames."""
    labels, units = (list(header.get(name) or []) for name in ("labels", "units"))
    label, unit = (str(words[axis]).lower() if len(words) > axis else "" for words in (labels, units))
    if unit not in _SECONDS and (unit or label != "time"):
        return None
    try:
        values = np.array(str(header.get(f"axis {axis} index values", "")).split(), dtype=float)
    except ValueError:
        return None
    return values * _SECONDS.get(unit, 1.0) if len(values) == frames and np.isfinite(values).all() else None
