"""Whether a PNG or JPEG is all there, told before it is decoded.

Its decoder would fill what is missing with grey, which looks like tissue, and would write its own complaint to stderr.
"""

from __future__ import annotations

import struct
import zlib

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG, _JPEG_SCAN, _JPEG_END = b"\xff\xd8\xff", b"\xff\xda", b"\xff\xd9"


def is_whole(data: bytes) -> bool:
    """Tell whether a picture is complete; formats other than PNG and JPEG are left to their decoder."""
    if data.startswith(_PNG):
        return _png_is_whole(data)
    if data.startswith(_JPEG):
        # Neither marker occurs within a scan, and a thumbnail's end comes before the picture's own scan.
        return data.rfind(_JPEG_END) > data.rfind(_JPEG_SCAN) > 0
    return True


def _png_is_whole(data: bytes) -> bool:
    view, at = memoryview(data), len(_PNG)
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if at + 12 + length > len(data):
            return False
        (checksum,) = struct.unpack_from(">I", data, at + 8 + length)
        needed = not kind[0] & 0x20  # lower case: a chunk that the picture can do without
        if needed and zlib.crc32(view[at + 4 : at + 8 + length]) != checksum:
            return False
        if kind == b"IEND":
            return True
        at += 12 + length
    return False
