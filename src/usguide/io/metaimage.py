"""MetaImage (`.mha`, `.mhd`), read by SimpleITK a few frames at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from usguide.errors import FormatError, MissingExtraError
from usguide.io.sequence import SequenceHeader
from usguide.io.source import one_line

try:
    import SimpleITK as sitk  # noqa: N813  (the name that everybody gives it)
except ImportError:
    raise MissingExtraError(
        "MetaImage: expected SimpleITK to read it, got none; run: pip install 'usguide[itk]'"
    ) from None

CHUNK_BYTES = 1 << 25
"""A compressed file is inflated from its start for each request: a few large ones cost little more than one."""
_MAX_RATIO = 1032
"""Deflate can't do better: a header that says more than this many times the file is wrong."""

_DTYPES = {
    sitk.sitkUInt8: np.uint8,
    sitk.sitkUInt16: np.uint16,
    sitk.sitkFloat32: np.float32,
    sitk.sitkFloat64: np.float64,
    sitk.sitkVectorUInt8: np.uint8,
    sitk.sitkVectorUInt16: np.uint16,
}


class MetaImageFile:
    """A MetaImage file.

    Parameters
    ----------
    path : Path

    Raises
    ------
    FormatError
        Damaged, not two or three dimensions, or signed pixels.
    """

    def __init__(self, path: Path) -> None:
        self._reader = sitk.ImageFileReader()
        self._reader.SetFileName(str(path))
        self._reader.SetImageIO("MetaImageIO")
        try:
            self._reader.ReadImageInformation()
        except RuntimeError as error:
            reason = one_line(str(error).rsplit("Error:", maxsplit=1)[-1].rsplit("ERROR:", maxsplit=1)[-1])
            raise FormatError(f"{path.name}: expected a MetaImage file, got: {reason}; copy it again") from None
        size, spacing = self._reader.GetSize(), self._reader.GetSpacing()
        kind = self._reader.GetPixelID()
        if len(size) not in (2, 3) or kind not in _DTYPES:
            pixel = sitk.GetPixelIDValueAsString(kind)
            raise FormatError(
                f"{path.name}: expected two or three dimensions of unsigned or floating-point pixels, got {len(size)} of"
                f" {pixel}; convert it"
            )
        frames, channels = size[2] if len(size) == 3 else 1, self._reader.GetNumberOfComponents()
        dtype = np.dtype(_DTYPES[kind])
        fields = {key: str(self._reader.GetMetaData(key)) for key in self._reader.GetMetaDataKeys()}
        declared = int(np.prod([int(s) for s in size], dtype=object)) * channels * dtype.itemsize
        if declared > _MAX_RATIO * _bytes_on_disk(path):
            raise FormatError(
                f"{path.name}: expected {declared} bytes of pixels as its header says, got a file of"
                f" {path.stat().st_size}; it is cut short or its header is wrong"
            )
        is_sequence = any(key.startswith("Seq_Frame") for key in fields)
        # PLUS writes a spacing of 1 where it does not know it.
        unknown = is_sequence and spacing[0] == spacing[1] == 1.0
        self.header = SequenceHeader(
            frames,
            (size[1], size[0]),
            dtype,
            channels,
            None if unknown else (spacing[1], spacing[0]),
            fields,
        )

    def frames(self, start: int) -> Iterator[NDArray[Any]]:
        """Give the stored frames from `start`."""
        header = self.header
        height, width = header.shape
        if self._reader.GetDimension() == 2:
            yield sitk.GetArrayFromImage(self._reader.Execute())
            return
        frame_bytes = height * width * header.channels * header.dtype.itemsize
        chunk = max(1, CHUNK_BYTES // frame_bytes)
        for first in range(start, header.frames, chunk):
            count = min(chunk, header.frames - first)
            self._reader.SetExtractIndex([0, 0, first])
            self._reader.SetExtractSize([width, height, count])
            yield from sitk.GetArrayFromImage(self._reader.Execute())


def _bytes_on_disk(path: Path) -> int:
    """Size of the file, or of it and its data file."""
    if path.suffix.lower() == ".mha":
        return path.stat().st_size
    return sum(p.stat().st_size for p in path.parent.glob(f"{path.stem}.*"))
