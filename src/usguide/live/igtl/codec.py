"""OpenIGTLink messages as bytes, and bytes as messages: pure functions, no sockets.

`decode` checks the checksum and every size before it takes memory; pixels are not copied. What is read and written:
IMAGE, TRANSFORM, STATUS, POINT, POLYDATA, STRING, NDARRAY, and GET_, STT_, STP_ and RTS_ for any type.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from usguide.errors import FormatError, InputError
from usguide.live.igtl._image import decode_image, encode_image
from usguide.live.igtl._polydata import decode_polydata, encode_polydata
from usguide.live.igtl._small import (
    decode_ndarray,
    decode_points,
    decode_status,
    decode_text,
    decode_transform,
    encode_ndarray,
    encode_points,
    encode_status,
    encode_text,
    encode_transform,
)
from usguide.live.igtl.contents import (
    Content,
    Image,
    Message,
    NdArray,
    Points,
    PolyData,
    Query,
    Reply,
    Status,
    Text,
    Transform,
)
from usguide.live.igtl.crc import Bytes, crc64
from usguide.live.igtl.header import (
    HEADER_SIZE,
    MAX_BODY_BYTES,
    Header,
    decode_header,
    encode_header,
    extend_content,
    split_body,
)

_DECODERS: Mapping[str, Callable[[memoryview], Content]] = {
    "IMAGE": decode_image,
    "TRANSFORM": decode_transform,
    "STATUS": decode_status,
    "POINT": decode_points,
    "POLYDATA": decode_polydata,
    "STRING": decode_text,
    "NDARRAY": decode_ndarray,
}
_ENCODERS: Mapping[type, tuple[str, Callable[[Any], bytes]]] = {
    Transform: ("TRANSFORM", encode_transform),
    Status: ("STATUS", encode_status),
    Points: ("POINT", encode_points),
    PolyData: ("POLYDATA", encode_polydata),
    Text: ("STRING", encode_text),
    NdArray: ("NDARRAY", encode_ndarray),
}
_VERBS = ("GET", "STT", "STP")
_SHORT = {"TRANSFORM": "TRANS"}
"""What does not fit behind a verb is shortened: GET_TRANS asks for a TRANSFORM."""
_LONG = {short: name for name, short in _SHORT.items()}
DATA_TYPES = tuple(_DECODERS)
"""Message types with data that usguide reads and writes."""


def is_read(type_name: str) -> bool:
    """Whether bodies of this type are read; others are skipped."""
    return type_name in _DECODERS or type_name.partition("_")[0] in (*_VERBS, "RTS")


def encode(
    content: Content,
    device: str = "",
    *,
    timestamp_s: float | None = None,
    version: int = 1,
    metadata: Mapping[str, str] | None = None,
    message_id: int = 0,
) -> bytes:
    """Write a message.

    Parameters
    ----------
    content : Content
    device : str
        At most 20 bytes.
    timestamp_s : float, optional
        Seconds since 1970.
    version : int
        Of the header: 1 or 2.
    metadata : mapping of str to str, optional
        Needs version 2.
    message_id : int
        Needs version 2.

    Raises
    ------
    InputError
        Something that the message can't hold.
    """
    if version == 1 and (metadata or message_id):
        raise InputError("metadata: expected header version 2 for metadata and a message id, got version 1")
    type_name, parts = _content_bytes(content)
    if version == 2:
        before, after = extend_content(metadata or {}, message_id)
        parts = [before, *parts, after]
    crc = 0
    for part in parts:
        crc = crc64(part, crc)
    size = sum(len(part) for part in parts)
    return b"".join([encode_header(type_name, device, timestamp_s, size, crc, version=version), *parts])


def _content_bytes(content: Content) -> tuple[str, Sequence[Bytes]]:
    match content:
        case Image():
            return "IMAGE", encode_image(content)
        case Query(verb, type_name):
            if verb not in _VERBS:
                raise InputError(f"verb: expected one of {', '.join(_VERBS)}, got {verb!r}")
            return f"{verb}_{_SHORT.get(type_name, type_name)}", [b""]
        case Reply(type_name, granted):
            return f"RTS_{_SHORT.get(type_name, type_name)}", [b"\0" if granted else b"\1"]
        case _:
            name, encoder = _ENCODERS[type(content)]
            return name, [encoder(content)]


def decode(data: Bytes, *, max_body_bytes: int = MAX_BODY_BYTES, check_crc: bool = True) -> Message:
    """Read one whole message.

    Parameters
    ----------
    data : bytes-like
        Header and body, no more.
    max_body_bytes : int
    check_crc : bool
        False for senders that leave it out.

    Raises
    ------
    FormatError
        Not a message, not whole, or damaged.
    """
    view = memoryview(data).cast("B")
    header = decode_header(view[:HEADER_SIZE], max_body_bytes=max_body_bytes)
    if len(view) != HEADER_SIZE + header.body_size:
        raise FormatError(
            f"{header.type_name}: expected {header.body_size} bytes of body, got {len(view) - HEADER_SIZE}"
        )
    return decode_body(header, view[HEADER_SIZE:], check_crc=check_crc)


def decode_body(header: Header, body: Bytes, *, check_crc: bool = True) -> Message:
    """Read the body that belongs to `header`; pixels of the result share its memory.

    Raises
    ------
    FormatError
        The checksum is wrong, or the body is not what its type says.
    """
    view = memoryview(body)
    if check_crc and crc64(view) != header.crc:
        raise FormatError(
            f"{header.type_name} from {header.device!r}: expected its checksum, got another; it is damaged"
        )
    if header.version == 1:
        return Message(header, _content_of(header.type_name, view))
    found = split_body(view)
    content = _content_of(header.type_name, view[found.start : found.stop])
    return Message(header, content, found.metadata or {}, found.message_id)


def _content_of(type_name: str, data: memoryview) -> Content | None:
    verb, _, subject = type_name.partition("_")
    subject = _LONG.get(subject, subject)
    match verb:
        case "GET":
            return Query("GET", subject)
        case "STT":
            return Query("STT", subject)
        case "STP":
            return Query("STP", subject)
        case "RTS":
            return Reply(subject, len(data) == 0 or data[0] == 0)
    if type_name not in _DECODERS or (len(data) == 0 and type_name != "POINT"):
        return None
    return _DECODERS[type_name](data)
