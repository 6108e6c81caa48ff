"""TRANSFORM, STATUS, POINT, STRING, NDARRAY and the replies."""

from __future__ import annotations

import math
import struct

import numpy as np

from usguide._validation import validate_number
from usguide.errors import FormatError, InputError
from usguide.live.igtl._fields import COMPLEX, SCALAR_TYPES, fixed_text, need_bytes, scalar_code, text_of
from usguide.live.igtl.contents import NdArray, Point, Points, Status, Text, Transform
from usguide.live.igtl.header import ASCII, UTF8

MAX_POINTS = 100_000
"""More points are not read: each takes a step."""

_MAX = float(np.finfo(np.float32).max)
_TRANSFORM = struct.Struct(">12f")
_STATUS = struct.Struct(">Hq20s")
_POINT = struct.Struct(">64s32s4B3ff20s")
_STRING = struct.Struct(">HH")


def decode_transform(data: memoryview) -> Transform:
    """Read TRANSFORM: the three columns of the rotation, then the position.

    Raises
    ------
    FormatError
        Another size, or numbers that are not finite.
    """
    if len(data) != _TRANSFORM.size:
        raise FormatError(f"TRANSFORM: expected {_TRANSFORM.size} bytes, got {len(data)}")
    values = _TRANSFORM.unpack(data)
    if not all(map(math.isfinite, values)):
        raise FormatError("TRANSFORM: expected a finite matrix, got NaN or infinity")
    matrix = np.eye(4)
    matrix[:3, :] = np.reshape(values, (4, 3)).T
    return Transform(matrix)


def encode_transform(transform: Transform) -> bytes:
    """Write TRANSFORM.

    Raises
    ------
    InputError
        Not a finite 4 x 4 matrix.
    """
    matrix = np.asarray(transform.matrix, dtype=np.float64)
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all() or np.abs(matrix).max() > np.finfo(np.float32).max:
        raise InputError(f"matrix: expected a finite 4 x 4 matrix, got shape {matrix.shape}")
    return _TRANSFORM.pack(*matrix[:3].T.ravel())


def decode_status(data: memoryview) -> Status:
    """Read STATUS.

    Raises
    ------
    FormatError
        Too short.
    """
    need_bytes(data, _STATUS.size, name="STATUS")
    code, subcode, name = _STATUS.unpack(data[: _STATUS.size])
    return Status(code, subcode, text_of(name), text_of(bytes(data[_STATUS.size :])))


def encode_status(status: Status) -> bytes:
    """Write STATUS, its text ended by a zero.

    Raises
    ------
    InputError
        A number or name that does not fit its field.
    """
    if not 0 <= status.code <= 0xFFFF or not -(2**63) <= status.subcode < 2**63:
        raise InputError(f"status: expected a code of 16 bits and a subcode of 64, got {status.code}, {status.subcode}")
    return _STATUS.pack(status.code, status.subcode, fixed_text(status.name, 20, name="status name")) + (
        status.text.encode() + b"\0"
    )


def decode_points(data: memoryview) -> Points:
    """Read POINT.

    Raises
    ------
    FormatError
        Not a whole number of points, or more than `MAX_POINTS`.
    """
    if len(data) % _POINT.size or len(data) // _POINT.size > MAX_POINTS:
        raise FormatError(f"POINT: expected up to {MAX_POINTS} points of {_POINT.size} bytes, got {len(data)} bytes")
    points = []
    for name, group, r, g, b, a, x, y, z, diameter, owner in _POINT.iter_unpack(data):
        points.append(Point(text_of(name), (x, y, z), text_of(group), (r, g, b, a), diameter, text_of(owner)))
    return Points(tuple(points))


def encode_points(points: Points) -> bytes:
    """Write POINT.

    Raises
    ------
    InputError
        Text, colours or numbers that do not fit their fields.
    """
    parts = []
    for p in points.points:
        if not all(0 <= c <= 255 for c in p.rgba):
            raise InputError(f"rgba: expected four numbers in 0 to 255, got {p.rgba}")
        name, group = fixed_text(p.name, 64, name="point name"), fixed_text(p.group, 32, name="point group")
        owner = fixed_text(p.owner, 20, name="point owner")
        numbers = [validate_number(v, name="point", low=-_MAX, high=_MAX) for v in (*p.position_mm, p.diameter_mm)]
        parts.append(_POINT.pack(name, group, *p.rgba, *numbers, owner))
    return b"".join(parts)


def decode_text(data: memoryview) -> Text:
    """Read STRING; what is neither ASCII nor UTF-8 is an error.

    Raises
    ------
    FormatError
        Another encoding, or another length than stated.
    """
    need_bytes(data, _STRING.size, name="STRING")
    encoding, size = _STRING.unpack(data[: _STRING.size])
    if encoding not in (ASCII, UTF8):
        raise FormatError(f"STRING: expected encoding {ASCII} (ASCII) or {UTF8} (UTF-8), got {encoding}")
    need_bytes(data[_STRING.size :], size, name="STRING")
    return Text(bytes(data[_STRING.size : _STRING.size + size]).decode("utf-8", "replace"))


def encode_text(text: Text) -> bytes:
    """Write STRING.

    Raises
    ------
    InputError
        Longer than 65,535 bytes.
    """
    data = text.text.encode()
    if len(data) > 0xFFFF:
        raise InputError(f"text: expected at most 65535 bytes, got {len(data)}; send less")
    return _STRING.pack(ASCII if text.text.isascii() else UTF8, len(data)) + data


def decode_ndarray(data: memoryview) -> NdArray:
    """Read NDARRAY.

    Raises
    ------
    FormatError
        An unknown type, or another number of bytes than stated.
    """
    need_bytes(data, 2, name="NDARRAY")
    code, axes = data[0], data[1]
    dtype = np.dtype(np.complex128) if code == COMPLEX else SCALAR_TYPES.get(code)
    # NumPy has no more than 64 axes, older releases 32.
    if dtype is None or not 1 <= axes <= 32:
        raise FormatError(f"NDARRAY: expected a scalar type and 1 to 32 axes, got {code} and {axes}")
    need_bytes(data, 2 + 2 * axes, name="NDARRAY")
    shape = struct.unpack(f">{axes}H", data[2 : 2 + 2 * axes])
    expected = math.prod(shape) * dtype.itemsize
    if len(data) - 2 - 2 * axes != expected:
        raise FormatError(f"NDARRAY: expected {expected} bytes of values, got {len(data) - 2 - 2 * axes}")
    values = np.frombuffer(data, dtype.newbyteorder(">"), offset=2 + 2 * axes)
    return NdArray(values.reshape(shape).astype(dtype))


def encode_ndarray(array: NdArray) -> bytes:
    """Write NDARRAY.

    Raises
    ------
    InputError
        A type or shape that the message can't hold.
    """
    values = np.asarray(array.values)
    if not 1 <= values.ndim <= 32 or max(values.shape) > 0xFFFF:
        raise InputError(f"values: expected 1 to 32 axes of at most 65535, got shape {values.shape}")
    is_complex = values.dtype.newbyteorder("=") == np.complex128
    code = COMPLEX if is_complex else scalar_code(values.dtype, name="values")
    shape = struct.pack(f">{values.ndim}H", *values.shape)
    return bytes([code, values.ndim]) + shape + values.astype(values.dtype.newbyteorder(">")).tobytes()
