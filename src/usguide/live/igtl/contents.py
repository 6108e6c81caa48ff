"""What OpenIGTLink messages carry, as plain values.

Positions are in mm, in RAS (right, anterior, superior) unless a message says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from usguide.live.igtl.header import LONG_NAME, Header


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """Contents of IMAGE.

    Parameters
    ----------
    pixels : ndarray, shape (J, I) or (J, I, C), a volume (K, J, I, C)
        In the machine's byte order. OpenIGTLink's index i runs along a row and is stored fastest, j down the columns, k
        through slices: a row of this array is a row of the picture.
    px_to_ras : ndarray, shape (4, 4)
        Takes ``(i, j, k, 1)``, whole numbers at pixel centres, to RAS mm. Its first two columns are as long as the
        pixel spacing. Indices are those of the whole image, also where only a part is sent.
    size : (int, int, int), optional
        (I, J, K) of the whole image; by default that of `pixels`.
    offset : (int, int, int)
        Where `pixels` begin in the whole image.
    coordinates : {"RAS", "LPS"}
        What the message says; `px_to_ras` is in RAS in either case.
    """

    pixels: NDArray[Any]
    px_to_ras: NDArray[np.float64]
    size: tuple[int, int, int] | None = None
    offset: tuple[int, int, int] = (0, 0, 0)
    coordinates: Literal["RAS", "LPS"] = "RAS"

    @property
    def is_picture(self) -> bool:
        """Whether these are all pixels of a single slice."""
        height, width = self.pixels.shape[:2]
        return self.pixels.ndim < 4 and self.size in (None, (width, height, 1))


@dataclass(frozen=True, slots=True, eq=False)
class Transform:
    """Contents of TRANSFORM: a 4 x 4 matrix in mm, last row 0, 0, 0, 1."""

    matrix: NDArray[np.float64]


STATUS_INVALID_PACKET, STATUS_OK, STATUS_NOT_FOUND, STATUS_NOT_READY = 0, 1, 4, 13
"""Codes of STATUS that usguide sends."""


@dataclass(frozen=True, slots=True)
class Status:
    """Contents of STATUS: 1 is OK; the name has at most 20 bytes."""

    code: int
    subcode: int = 0
    name: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Point:
    """One point of POINT.

    Parameters
    ----------
    name, group, owner : str
        At most 64, 32 and 20 bytes.
    position_mm : (float, float, float)
    rgba : (int, int, int, int)
    diameter_mm : float
        May be 0.
    """

    name: str
    position_mm: tuple[float, float, float]
    group: str = ""
    rgba: tuple[int, int, int, int] = (255, 255, 0, 255)
    diameter_mm: float = 0.0
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Points:
    """Contents of POINT: any number of points, also none."""

    points: tuple[Point, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Attribute:
    """Values at the points or cells of a POLYDATA.

    Parameters
    ----------
    name : str
        At most 255 bytes.
    kind : int
        0 scalars, 1 vectors, 2 normals, 3 tensors, 4 RGBA; 16 more for cells.
    values : ndarray of float32, shape (N, components)
    """

    name: str
    kind: int
    values: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class PolyData:
    """Contents of POLYDATA: points (N, 3) in mm, and cells as lists of their numbers."""

    points_mm: NDArray[np.float32]
    vertices: tuple[NDArray[np.uint32], ...] = ()
    lines: tuple[NDArray[np.uint32], ...] = ()
    polygons: tuple[NDArray[np.uint32], ...] = ()
    triangle_strips: tuple[NDArray[np.uint32], ...] = ()
    attributes: tuple[Attribute, ...] = ()


@dataclass(frozen=True, slots=True)
class Text:
    """Contents of STRING; at most 65,535 bytes."""

    text: str


@dataclass(frozen=True, slots=True, eq=False)
class NdArray:
    """Contents of NDARRAY: up to 255 axes of up to 65,535 values."""

    values: NDArray[Any]


@dataclass(frozen=True, slots=True)
class Query:
    """GET, STT (start) and STP (stop) for a type of message: ``Query("STT", "IMAGE")``. The device name says which."""

    verb: Literal["GET", "STT", "STP"]
    type_name: str


@dataclass(frozen=True, slots=True)
class Reply:
    """RTS: whether a request to start or stop is granted."""

    type_name: str
    granted: bool = True


Content = Image | Transform | Status | Points | PolyData | Text | NdArray | Query | Reply


@dataclass(frozen=True, slots=True, eq=False)
class Message:
    """A message as it was received.

    Parameters
    ----------
    header : Header
    content : Content or None
        None for types that usguide does not read, and for an empty body, which means 'no such data'.
    metadata : mapping of str to str
        Header version 2 only.
    message_id : int
    """

    header: Header
    content: Content | None
    metadata: Mapping[str, str] = field(default_factory=dict)
    message_id: int = 0

    @property
    def device(self) -> str:
        """Device name, the long form where there is one."""
        return self.metadata.get(LONG_NAME, self.header.device)
