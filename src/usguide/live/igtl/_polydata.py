"""POLYDATA: points, four kinds of cells, attributes."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from usguide.errors import FormatError, InputError
from usguide.live.igtl._fields import fixed_text, need_bytes
from usguide.live.igtl.contents import Attribute, PolyData

MAX_CELLS, MAX_ATTRIBUTES = 100_000, 1000
"""More cells of a kind, and more attributes, are not read: each takes a step."""

_COUNTS = struct.Struct(">10I")
_ATTRIBUTE = struct.Struct(">BBI")
Cells = tuple[NDArray[np.uint32], ...]


def decode_polydata(data: memoryview) -> PolyData:
    """Read the contents of POLYDATA.

    Raises
    ------
    FormatError
        Sizes that do not fit each other, cells of points that are not there, or more cells than `MAX_CELLS`.
    """
    need_bytes(data, _COUNTS.size, name="POLYDATA")
    points, *counts, attributes = _COUNTS.unpack(data[: _COUNTS.size])
    at = _COUNTS.size
    need_bytes(data[at:], points * 12, name="POLYDATA points")
    xyz = np.frombuffer(data, ">f4", points * 3, at).astype(np.float32).reshape(points, 3)
    at += points * 12
    kinds: list[Cells] = []
    for count, size in zip(counts[::2], counts[1::2], strict=True):
        need_bytes(data[at:], size, name="POLYDATA cells")
        kinds.append(_cells(data[at : at + size], count, points))
        at += size
    vertices, lines, polygons, strips = kinds
    return PolyData(xyz, vertices, lines, polygons, strips, _attributes(data[at:], attributes))


def _cells(data: memoryview, count: int, points: int) -> Cells:
    if count > MAX_CELLS or len(data) % 4:
        raise FormatError(
            f"POLYDATA: expected at most {MAX_CELLS} cells in whole words, got {count} in {len(data)} bytes"
        )
    words = np.frombuffer(data, ">u4").astype(np.uint32)
    found, at = [], 0
    for _ in range(count):
        size = int(words[at]) if at < len(words) else len(words)
        cell = words[at + 1 : at + 1 + size]
        if len(cell) != size or (size and int(cell.max()) >= points):
            raise FormatError(f"POLYDATA: expected cells of {points} points, got one that goes beyond them")
        found.append(cell)
        at += 1 + size
    if at != len(words):
        raise FormatError(f"POLYDATA: expected {at} words of cells, got {len(words)}")
    return tuple(found)


def _attributes(data: memoryview, count: int) -> tuple[Attribute, ...]:
    if count > MAX_ATTRIBUTES:
        raise FormatError(f"POLYDATA: expected at most {MAX_ATTRIBUTES} attributes, got {count}")
    need_bytes(data, count * _ATTRIBUTE.size, name="POLYDATA attributes")
    heads = list(_ATTRIBUTE.iter_unpack(data[: count * _ATTRIBUTE.size]))
    rest = bytes(data[count * _ATTRIBUTE.size :])
    names, at = [], 0
    for _ in heads:
        end = rest.find(b"\0", at, at + 256)
        if end < 0:
            raise FormatError("POLYDATA: expected a name of at most 255 bytes for each attribute, got none")
        names.append(rest[at:end].decode("utf-8", "replace"))
        at = end + 1
    at += at % 2
    need_bytes(memoryview(rest), at, name="POLYDATA attribute names")
    found = []
    for name, (kind, components, size) in zip(names, heads, strict=True):
        need_bytes(memoryview(rest)[at:], size * components * 4, name="POLYDATA attribute")
        values = np.frombuffer(rest, ">f4", size * components, at).astype(np.float32)
        found.append(Attribute(name, kind, values.reshape(size, components)))
        at += size * components * 4
    return tuple(found)


def encode_polydata(poly: PolyData) -> bytes:
    """Write the contents of POLYDATA.

    Raises
    ------
    InputError
        Points that are not (N, 3), or cells of points that are not there.
    """
    points = np.asarray(poly.points_mm, dtype=">f4")
    if points.ndim != 2 or points.shape[1] != 3:
        raise InputError(f"points_mm: expected shape (N, 3), got {points.shape}")
    counts, parts = [len(points)], [points.tobytes()]
    for cells in (poly.vertices, poly.lines, poly.polygons, poly.triangle_strips):
        data = _cell_bytes(cells, len(points))
        counts += [len(cells), len(data)]
        parts.append(data)
    names = b"".join(fixed_text(a.name, 255, name="attribute") + b"\0" for a in poly.attributes)
    parts += [_ATTRIBUTE.pack(a.kind, a.values.shape[1], a.values.shape[0]) for a in poly.attributes]
    parts += [names, b"\0" * (len(names) % 2)]
    parts += [np.asarray(a.values, dtype=">f4").tobytes() for a in poly.attributes]
    return _COUNTS.pack(*counts, len(poly.attributes)) + b"".join(parts)


def _cell_bytes(cells: Sequence[NDArray[np.uint32]], points: int) -> bytes:
    parts = []
    for cell in cells:
        numbers = np.asarray(cell, dtype=np.int64)
        if numbers.ndim != 1 or (numbers.size and not 0 <= numbers.min() <= numbers.max() < points):
            raise InputError(f"cells: expected numbers of the {points} points, got {numbers.tolist()!r:.60}")
        parts.append(np.concatenate([[len(numbers)], numbers]).astype(">u4").tobytes())
    return b"".join(parts)
