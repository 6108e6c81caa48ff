"""NRRD (`.nrrd`, `.seq.nrrd`, `.nhdr`), read by pynrrd; a list axis, wherever it stands, is time."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from usguide.errors import FormatError, MissingExtraError
from usguide.io.sequence import SequenceHeader
from usguide.io.source import one_line

try:
    import nrrd
except ImportError:
    raise MissingExtraError("NRRD: expected pynrrd to read it, got none; run: pip install 'usguide[itk]'") from None

_LIST, _COLOUR = ("list", "time"), ("RGB-color", "RGBA-color", "vector", "3-color", "4-color")
_INDEX_VALUES = "axis {} index values"
_MAX_RATIO = 1032
"""Deflate can't do better (bzip2 can, on nothing that is a picture)."""


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
        self._path = path
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._header = nrrd.read_header(str(path))
            self._sizes = [int(s) for s in self._header["sizes"]]
            kind = np.dtype(_dtype_of(self._header))
        except Exception as error:  # noqa: BLE001  (pynrrd raises whatever it meets in a damaged header)
            reason = one_line(error) or type(error).__name__
            raise FormatError(f"{path.name}: expected an NRRD file, got: {reason}; copy it again") from None
        kinds = [str(k) for k in self._header.get("kinds", [])] or ["domain"] * len(self._sizes)
        self._time, self._colour, plane = _axes(self._sizes, kinds, path.name)
        declared = int(np.prod(self._sizes, dtype=object)) * kind.itemsize
        limit = _MAX_RATIO if str(self._header.get("encoding", "raw")) != "raw" else 1
        if declared > limit * _bytes_on_disk(path, self._header):
            raise FormatError(
                f"{path.name}: expected {declared} bytes of pixels as its header says, got a file of"
                f" {path.stat().st_size}; it is cut short or its header is wrong"
            )
        x, y = plane
        fields = {str(k): str(v) for k, v in self._header.items() if isinstance(v, str)}
        frames = self._sizes[self._time] if self._time is not None else 1
        self.header = SequenceHeader(
            frames,
            (self._sizes[y], self._sizes[x]),
            kind,
            self._sizes[self._colour] if self._colour is not None else 1,
            _spacing(self._header, x, y, is_sequence=self._time is not None),
            fields,
            _times(fields, self._time, frames),
        )

    def frames(self, start: int) -> Iterator[NDArray[Any]]:
        """Give the stored frames from `start`. Compressed files are inflated whole: NRRD holds them in one piece."""
        with self._path.open("rb") as stream, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            header = nrrd.read_header(stream)
            data = nrrd.read_data(header, stream, str(self._path), index_order="C")
        # C order reverses the axes of the header.
        last = data.ndim - 1
        front = [last - self._time] if self._time is not None else []
        back = [last - self._colour] if self._colour is not None else []
        kept = [a for a in range(data.ndim) if a not in front + back and data.shape[a] != 1]
        kept = kept if len(kept) == 2 else [a for a in range(data.ndim) if a not in front + back][-2:]
        rest = [a for a in range(data.ndim) if a not in front + kept + back]
        stack = np.transpose(data, front + rest + kept + back)
        stack = stack.reshape(self.header.frames, *stack.shape[len(front) + len(rest) :])
        yield from stack[start:]


def _axes(sizes: list[int], kinds: list[str], name: str) -> tuple[int | None, int | None, tuple[int, int]]:
    """Which axis is time, which is colour, and the two of the picture (along a row, down a column)."""
    time = next((a for a, k in enumerate(kinds) if k in _LIST), None)
    colour = next((a for a, k in enumerate(kinds) if k in _COLOUR), None)
    rest = [a for a in range(len(sizes)) if a not in (time, colour)]
    if time is None and len(rest) == 3:
        time = rest.pop()  # a stack of slices
    plane = [a for a in rest if sizes[a] != 1]
    plane = plane if len(plane) == 2 else rest[:2]
    if len(plane) != 2 or any(sizes[a] != 1 for a in rest if a not in plane) or min(sizes) < 1:
        raise FormatError(f"{name}: expected a sequence of pictures, got sizes {sizes} of kinds {kinds}; convert it")
    return time, colour, (plane[0], plane[1])


def _dtype_of(header: Mapping[str, Any]) -> str:
    kind = nrrd.reader._TYPEMAP_NRRD2NUMPY[header["type"]]  # noqa: SLF001  (pynrrd has no public name for it)
    order = {"big": ">", "little": "<"}.get(str(header.get("endian", "little")), "<")
    return f"{order}{kind}"


def _spacing(header: Mapping[str, Any], x: int, y: int, *, is_sequence: bool) -> tuple[float, float] | None:
    values: list[float] = []
    directions = header.get("space directions")
    if directions is not None:
        # A list axis has no direction of its own: `none` in the file, NaN or left out in memory.
        rows = np.asarray(directions, dtype=float)
        spatial = [a for a in range(len(header["sizes"]))] if len(rows) == len(header["sizes"]) else None
        if spatial is not None:
            values = [float(np.linalg.norm(rows[a])) for a in (y, x)]
    elif "spacings" in header:
        values = [float(header["spacings"][a]) for a in (y, x)]
    if len(values) != 2 or not all(np.isfinite(v) and v > 0 for v in values):
        return None
    return None if is_sequence and values[0] == values[1] == 1.0 else (values[0], values[1])


def _times(fields: Mapping[str, str], axis: int | None, frames: int) -> NDArray[np.float64] | None:
    """Slicer's index values, where they are numbers for each frame."""
    try:
        values = np.array(fields.get(_INDEX_VALUES.format(axis), "").split(), dtype=float)
    except ValueError:
        return None
    return values if len(values) == frames and np.isfinite(values).all() else None


def _bytes_on_disk(path: Path, header: Mapping[str, Any]) -> int:
    data = header.get("data file") or header.get("datafile")
    beside = path.parent / str(data) if data else None
    return beside.stat().st_size if beside is not None and beside.is_file() else path.stat().st_size
