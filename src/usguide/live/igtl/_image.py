"""IMAGE: 72 bytes of header, then pixels with the first index fastest."""

from __future__ import annotations

import math
import struct
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from usguide.errors import FormatError, InputError
from usguide.live.igtl._fields import SCALAR_TYPES, need_bytes, scalar_code
from usguide.live.igtl.contents import Image

_IMAGE = struct.Struct(">HBBBB3H12f3H3H")
_LITTLE, _BIG = 2, 1
_RAS, _LPS = 1, 2
_TURN = np.diag([-1.0, -1.0, 1.0, 1.0])
"""LPS to RAS, and back."""


def decode_image(data: memoryview) -> Image:
    """Read the contents of IMAGE; the pixels share memory with `data` where its byte order is the machine's.

    The matrix on the wire has the position of the image's centre, `((size - 1) / 2)` in px, as the library's own image
    messages, 3D Slicer and PLUS have it.

    Raises
    ------
    FormatError
        Fields that can't be, or another number of bytes than they say.
    """
    need_bytes(data, _IMAGE.size, name="IMAGE")
    version, components, scalar, endian, space, *rest = _IMAGE.unpack(data[: _IMAGE.size])
    size, matrix, offset, part = rest[:3], rest[3:15], rest[15:18], rest[18:21]
    if not version or not components or scalar not in SCALAR_TYPES or endian not in (1, 2) or space not in (1, 2):
        raise FormatError(
            "IMAGE: expected a version, components, a scalar type, a byte order and coordinates, got "
            f"{version}, {components}, {scalar}, {endian} and {space}"
        )
    if min(part) < 1 or any(o + p > s for o, p, s in zip(offset, part, size, strict=True)):
        raise FormatError(f"IMAGE: expected a part of {size} px, got {part} px from {offset}")
    if not all(map(math.isfinite, matrix)):
        raise FormatError("IMAGE: expected a finite matrix, got NaN or infinity")
    dtype = SCALAR_TYPES[scalar].newbyteorder("<" if endian == _LITTLE else ">")
    expected = math.prod(part) * components * dtype.itemsize
    if len(data) - _IMAGE.size != expected:
        raise FormatError(f"IMAGE: expected {expected} bytes of pixels, got {len(data) - _IMAGE.size}")
    width, height, slices = part
    shape: tuple[int, ...] = (height, width) if components == 1 else (height, width, components)
    if slices > 1:
        shape = (slices, height, width, components)
    pixels = np.frombuffer(data, dtype, offset=_IMAGE.size).reshape(shape)
    if not dtype.isnative:
        pixels = pixels.astype(dtype.newbyteorder("="))
    return Image(
        pixels,
        _from_wire(matrix, size, "RAS" if space == _RAS else "LPS"),
        (size[0], size[1], size[2]),
        (offset[0], offset[1], offset[2]),
        "RAS" if space == _RAS else "LPS",
    )


def encode_image(image: Image) -> tuple[bytes, memoryview]:
    """Return header and pixels of IMAGE.

    Raises
    ------
    InputError
        Pixels or a matrix that the message can't hold.
    """
    pixels = image.pixels
    if pixels.ndim not in (2, 3, 4) or pixels.size == 0:
        raise InputError(f"pixels: expected shape (J, I), (J, I, C) or (K, J, I, C), got {pixels.shape}")
    slices = pixels.shape[0] if pixels.ndim == 4 else 1
    height, width = pixels.shape[1:3] if pixels.ndim == 4 else pixels.shape[:2]
    components = pixels.shape[-1] if pixels.ndim > 2 else 1
    part = (width, height, slices)
    size = image.size or part
    if (
        max(size) > 0xFFFF
        or components > 0xFF
        or any(o + p > s for o, p, s in zip(image.offset, part, size, strict=True))
    ):
        raise InputError(
            f"pixels: expected a part of at most 65535 px a side, got {part} px from {image.offset} of {size}"
        )
    little = pixels.dtype.newbyteorder("<")
    head = _IMAGE.pack(
        1,
        components,
        scalar_code(pixels.dtype, name="pixels"),
        _LITTLE,
        _RAS if image.coordinates == "RAS" else _LPS,
        *size,
        *_to_wire(image.px_to_ras, size, image.coordinates),
        *image.offset,
        *part,
    )
    return head, np.ascontiguousarray(pixels, little).data.cast("B")


def _centre(size: list[int] | tuple[int, ...]) -> NDArray[np.float64]:
    return np.array([(size[0] - 1) / 2, (size[1] - 1) / 2, (size[2] - 1) / 2, 1.0])


def _from_wire(matrix: list[float], size: list[int], space: Literal["RAS", "LPS"]) -> NDArray[np.float64]:
    out = np.eye(4)
    out[:3, :] = np.reshape(matrix, (4, 3)).T
    out[:3, 3] -= out[:3, :3] @ _centre(size)[:3]
    return out if space == "RAS" else _TURN @ out


def _to_wire(px_to_ras: NDArray[Any], size: tuple[int, ...], space: Literal["RAS", "LPS"]) -> list[float]:
    matrix = np.array(px_to_ras, dtype=np.float64)
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all() or np.abs(matrix).max() > np.finfo(np.float32).max:
        raise InputError(f"px_to_ras: expected a finite 4 x 4 matrix, got shape {matrix.shape}")
    if space == "LPS":
        matrix = _TURN @ matrix
    matrix[:, 3] = matrix @ _centre(size)
    return [float(v) for v in matrix[:3].T.ravel()]
