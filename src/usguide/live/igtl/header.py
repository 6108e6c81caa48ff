"""The 58 bytes before every OpenIGTLink message, and what header version 2 adds to its body.

Numbers are big endian. ::

    0   version       uint16   1, or 2 for messages of protocol 2 and 3 with an extended header
    2   type          char[12] padded with zeros, such as IMAGE
    14  device name   char[20] padded with zeros
    34  time stamp    uint64   seconds since 1970 times 2**32; 0 where there is none
    42  body size     uint64
    50  CRC           uint64   of the body

The body of version 2 is: extended header (uint16 its own size, uint16 size of the metadata's index, uint32 size of the
metadata, uint32 message id), content, index (uint16 count, and for each entry uint16 size of the key, uint16 encoding,
uint32 size of the value), then keys and values in turn.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from usguide._validation import validate_number
from usguide.errors import FormatError, InputError
from usguide.live.igtl.crc import Bytes

HEADER_SIZE = 58
MAX_BODY_BYTES = 64 << 20
"""A message that claims to be larger is not read: four bytes a pixel at 4096 x 4096."""

TYPE_BYTES, DEVICE_BYTES = 12, 20
ASCII, UTF8 = 3, 106
"""IANA's numbers of the two encodings."""

LONG_NAME = "IGTL_DEVICE_NAME"
"""Metadata key under which PLUS sends a device name of more than 20 bytes."""

_HEADER = struct.Struct(">H12s20sQQQ")
_EXTENDED = struct.Struct(">HHII")
_COUNT = struct.Struct(">H")
_ENTRY = struct.Struct(">HHI")
_TYPE = re.compile(rb"[A-Za-z0-9_]{1,12}\0*")


@dataclass(frozen=True, slots=True)
class Header:
    """What the first 58 bytes say.

    Parameters
    ----------
    version : int
        1 or 2.
    type_name : str
        IMAGE, TRANSFORM, GET_IMAGE and so on.
    device : str
        Up to 20 bytes.
    timestamp_s : float or None
        Seconds since 1970, or since whatever the sender counts from; None where the field is 0.
    body_size, crc : int
    """

    version: int
    type_name: str
    device: str
    timestamp_s: float | None
    body_size: int
    crc: int


def decode_header(data: Bytes, *, max_body_bytes: int = MAX_BODY_BYTES) -> Header:
    """Read a header.

    Raises
    ------
    FormatError
        These are not the first 58 bytes of a message, or the message is larger than `max_body_bytes`.
    """
    if len(data) != HEADER_SIZE:
        raise FormatError(f"OpenIGTLink header: expected {HEADER_SIZE} bytes, got {len(data)}; connect again")
    version, type_name, device, stamp, size, crc = _HEADER.unpack(data)
    if version not in (1, 2):
        raise FormatError(f"OpenIGTLink header: expected version 1 or 2, got {version}; connect again")
    if not _TYPE.fullmatch(type_name):
        raise FormatError(f"OpenIGTLink header: expected a message type, got {type_name!r}; connect again")
    if size > max_body_bytes:
        raise FormatError(
            f"OpenIGTLink header: expected at most {max_body_bytes} bytes of body, got {size}; raise max_body_bytes"
        )
    return Header(
        version,
        type_name.rstrip(b"\0").decode("ascii"),
        device.partition(b"\0")[0].decode("utf-8", "replace"),
        stamp / 2**32 if stamp else None,
        size,
        crc,
    )


def encode_header(
    type_name: str, device: str, timestamp_s: float | None, body_size: int, crc: int, *, version: int = 1
) -> bytes:
    """Write a header; no time is written as 0, and a time of exactly 0 as the smallest that is not.

    Raises
    ------
    InputError
        A name too long, a time before 1970 or after 2106, or another version than 1 and 2.
    """
    if version not in (1, 2):
        raise InputError(f"version: expected OpenIGTLink header version 1 or 2, got {version!r}")
    names = []
    for name, value, room in (("type", type_name, TYPE_BYTES), ("device", device, DEVICE_BYTES)):
        names.append(value.encode())
        if len(names[-1]) > room:
            raise InputError(f"{name}: expected a name of at most {room} bytes, got {value!r}; shorten it")
    stamp = 0
    if timestamp_s is not None:
        seconds = validate_number(timestamp_s, name="timestamp_s", low=0.0, high=2.0**32 - 1)
        stamp = max(1, int(seconds * 2.0**32))
    return _HEADER.pack(version, *names, stamp, body_size, crc)


@dataclass(frozen=True, slots=True)
class Extension:
    """What a body of header version 2 holds beside its content."""

    start: int = 0
    """Where the content begins in the body, and where it ends."""
    stop: int = 0
    message_id: int = 0
    metadata: Mapping[str, str] | None = None


def split_body(body: memoryview) -> Extension:
    """Find content and metadata in the body of header version 2.

    Raises
    ------
    FormatError
        Sizes that do not fit each other.
    """
    if len(body) < _EXTENDED.size:
        raise FormatError(f"extended header: expected {_EXTENDED.size} bytes, got {len(body)}")
    own, index_size, data_size, message_id = _EXTENDED.unpack(body[: _EXTENDED.size])
    stop = len(body) - index_size - data_size
    if own < _EXTENDED.size or stop < own:
        raise FormatError(
            f"extended header: expected sizes within a body of {len(body)} bytes, got {own}, {index_size} and {data_size}"
        )
    return Extension(own, stop, message_id, _metadata(body[stop : stop + index_size], body[stop + index_size :]))


def _metadata(index: memoryview, data: memoryview) -> dict[str, str]:
    if len(index) < _COUNT.size:  # some senders leave the index out where it would be empty
        return {}
    (count,) = _COUNT.unpack(index[: _COUNT.size])
    if len(index) != _COUNT.size + count * _ENTRY.size:
        raise FormatError(f"metadata: expected an index of {count} entries, got {len(index)} bytes")
    found, at = {}, 0
    for key_size, _, value_size in _ENTRY.iter_unpack(index[_COUNT.size :]):
        if at + key_size + value_size > len(data):
            raise FormatError(f"metadata: expected {at + key_size + value_size} bytes or more, got {len(data)}")
        key = bytes(data[at : at + key_size]).decode("utf-8", "replace")
        at += key_size
        found[key] = bytes(data[at : at + value_size]).decode("utf-8", "replace")
        at += value_size
    return found


def extend_content(metadata: Mapping[str, str], message_id: int) -> tuple[bytes, bytes]:
    """Return what stands before and after a content in the body of header version 2.

    Raises
    ------
    InputError
        Metadata or a message id that do not fit their fields.
    """
    if not 0 <= message_id < 2**32:
        raise InputError(f"message_id: expected 0 to {2**32 - 1}, got {message_id}")
    index, data = [_COUNT.pack(len(metadata) & 0xFFFF)], []
    for key, value in metadata.items():
        k, v = key.encode(), value.encode()
        if len(k) > 0xFFFF or len(metadata) > 0x1FFF:
            raise InputError(f"metadata: expected short keys and at most {0x1FFF} of them, got {len(metadata)}")
        index.append(_ENTRY.pack(len(k), ASCII if value.isascii() else UTF8, len(v)))
        data += [k, v]
    head, tail = b"".join(index), b"".join(data)
    return _EXTENDED.pack(_EXTENDED.size, len(head), len(tail), message_id), head + tail
