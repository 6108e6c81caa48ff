"""Pieces that several message types share: scalar types, fixed text, bounds."""

from __future__ import annotations

from typing import Any

import numpy as np

from usguide.errors import FormatError, InputError

SCALAR_TYPES: dict[int, np.dtype[Any]] = {
    2: np.dtype(np.int8),
    3: np.dtype(np.uint8),
    4: np.dtype(np.int16),
    5: np.dtype(np.uint16),
    6: np.dtype(np.int32),
    7: np.dtype(np.uint32),
    10: np.dtype(np.float32),
    11: np.dtype(np.float64),
}
COMPLEX = 13
"""A scalar type of NDARRAY only: two float64."""


def scalar_code(dtype: np.dtype[Any], *, name: str) -> int:
    """Return OpenIGTLink's number of a type.

    Raises
    ------
    InputError
        It has none.
    """
    native = dtype.newbyteorder("=")
    for code, known in SCALAR_TYPES.items():
        if known == native:
            return code
    raise InputError(f"{name}: expected integers of 8 to 32 bits or floats, got {dtype}; convert it first")


def fixed_text(value: str, room: int, *, name: str) -> bytes:
    """Return text for a field of `room` bytes that is padded with zeros.

    Raises
    ------
    InputError
        It does not fit.
    """
    data = value.encode()
    if len(data) > room:
        raise InputError(f"{name}: expected at most {room} bytes, got {value!r}; shorten it")
    return data


def text_of(data: bytes) -> str:
    """Return the text of a field that is padded with zeros."""
    return data.partition(b"\0")[0].decode("utf-8", "replace")


def need_bytes(data: memoryview, size: int, *, name: str) -> None:
    """Raise `FormatError` where a body has fewer bytes than its own fields say."""
    if len(data) < size:
        raise FormatError(f"{name}: expected {size} bytes or more, got {len(data)}")
