"""MetaImage (`.mha`, `.mhd`), read frame by frame."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from usguide.errors import FormatError
from usguide.io.declared import MAX_INFLATION, check_bytes
from usguide.io.sequence import SequenceHeader
from usguide.io.source import reason_of
from usguide.io.stored import StoredPixels, beside, header_lines

_DTYPES = {"MET_UCHAR": "u1", "MET_USHORT": "u2", "MET_FLOAT": "f4", "MET_DOUBLE": "f8"}


class MetaImageFile:
    """A MetaImage file.

    Parameters
    ----------
    path : Path

    Raises
    ------
    FormatError
        Damaged, not a sequence of pictures, or signed pixels.
    """

    def __init__(self, path: Path) -> None:
        try:
            with path.open("rb") as stream:
                fields = _fields(stream)
                end = stream.tell()
            self.header = _header(fields)
            self._pixels = _pixels(path, fields, end, self.header.byte_count)
        except (ValueError, LookupError, OverflowError) as error:
            raise FormatError(
                f"{path.name}: expected a MetaImage file, got: {reason_of(error)}; copy or convert it again"
            ) from None
        inflation = 1 if self._pixels.encoding == "raw" else MAX_INFLATION
        check_bytes(path.name, self.header.byte_count, self._pixels.available_bytes, inflation=inflation)

    def frames(self, start: int) -> Iterator[NDArray[Any]]:
        """Give the stored frames from `start`."""
        header = self.header
        shape = (*header.shape, header.channels) if header.channels > 1 else header.shape
        for data in self._pixels.frames(header.frame_bytes, start):
            yield np.frombuffer(data, header.dtype).reshape(shape)


def _fields(stream: Any) -> dict[str, str]:
    """Read ``name = value`` lines up to the one that says where the pixels are."""
    fields = {}
    for number, line in enumerate(header_lines(stream)):
        name, equals, value = line.decode("utf-8", "replace").partition("=")
        if not equals:
            raise ValueError(f"line {number + 1} is not NAME = VALUE")
        fields[name.strip()] = value.strip()
        if name.strip() == "ElementDataFile":
            return fields
    raise ValueError("an end before the line ElementDataFile" if fields else "an empty file")


def _header(fields: Mapping[str, str]) -> SequenceHeader:
    sizes = [int(v) for v in fields["DimSize"].split()]
    channels = int(fields.get("ElementNumberOfChannels", "1"))
    if len(sizes) != int(fields["NDims"]) or not 2 <= len(sizes) <= 4 or min(sizes) < 1 or channels < 1:
        raise ValueError(f"DimSize {fields['DimSize']!r:.40} for NDims {fields['NDims']!r:.20}")
    if len(sizes) == 4 and min(sizes[2:]) > 1:
        raise ValueError("volumes, not pictures")
    if fields["ElementType"] not in _DTYPES:
        raise ValueError(f"pixels of type {fields['ElementType']!r:.30}, not unsigned bytes, unsigned shorts or floats")
    order = ">" if _is_true(fields, "BinaryDataByteOrderMSB", "ElementByteOrderMSB") else "<"
    spacing = [float(v) for v in fields.get("ElementSpacing", fields.get("ElementSize", "")).split()]
    is_sequence = any(key.startswith("Seq_Frame") for key in fields)
    return SequenceHeader(
        frames=math.prod(sizes[2:]),
        shape=(sizes[1], sizes[0]),
        dtype=np.dtype(order + _DTYPES[fields["ElementType"]]),
        channels=channels,
        # PLUS writes a spacing of 1 where it does not know it.
        spacing_mm=(spacing[1], spacing[0])
        if len(spacing) > 1 and not (is_sequence and spacing[:2] == [1, 1])
        else None,
        fields=fields,
    )


def _pixels(path: Path, fields: Mapping[str, str], end: int, declared: int) -> StoredPixels:
    if fields.get("BinaryData", "True").lower() != "true":
        raise ValueError("pixels written as text")
    where = fields["ElementDataFile"]
    file, offset = (
        (path, end) if where.upper() == "LOCAL" else (beside(path, where), int(fields.get("HeaderSize", "0")))
    )
    if offset == -1:  # whatever stands before the pixels
        offset = file.stat().st_size - declared
    return StoredPixels(file, max(offset, 0), "deflate" if _is_true(fields, "CompressedData") else "raw")


def _is_true(fields: Mapping[str, str], *names: str) -> bool:
    return any(fields.get(name, "").lower() in ("true", "t", "1") for name in names)
