"""Frames on their way into a file whose header can only be written when all of them are known."""

from __future__ import annotations

import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from usguide.errors import InputError


class StagedFrames:
    """Pixels of equal frames in a temporary file beside the target; `finish` puts header and pixels into place.

    Parameters
    ----------
    target : Path
    window_bits : int, optional
        15 deflates as zlib does, 31 as gzip does; None leaves the pixels raw.

    Attributes
    ----------
    count : int
        Frames so far.
    shape : tuple of int
        (H, W) or (H, W, 3) of them.
    dtype : numpy.dtype
    """

    def __init__(self, target: Path, window_bits: int | None = None) -> None:
        self._target = target
        self._raw = target.with_name(f".{target.name}.pixels")
        self._part = target.with_name(f".{target.name}.part")
        self._stream = self._raw.open("wb")
        self._pack = zlib.compressobj(wbits=window_bits) if window_bits is not None else None
        self.count = 0
        self.shape: tuple[int, ...] = ()
        self.dtype = np.dtype(np.uint8)

    def write(self, pixels: NDArray[Any]) -> None:
        """Add a frame.

        Raises
        ------
        InputError
            Another size or type than the first one's.
        """
        if self.count and (pixels.shape, pixels.dtype) != (self.shape, self.dtype):
            raise InputError(
                f"{self._target.name}: expected frames of {self.shape} {self.dtype} throughout, got {pixels.shape}"
                f" {pixels.dtype}; write them into files of their own"
            )
        self.shape, self.dtype = pixels.shape, pixels.dtype
        data = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<")).tobytes()
        self._stream.write(self._pack.compress(data) if self._pack is not None else data)
        self.count += 1

    def finish(self, header: Callable[[int], bytes], tail: bytes = b"") -> None:
        """Write header and pixels under a temporary name, and move them into place.

        Parameters
        ----------
        header : callable
            Takes the size of the pixels as they are stored, bytes.
        tail : bytes
            What follows the pixels.
        """
        self._stream.write(self._pack.flush() if self._pack is not None else b"")
        self._stream.close()
        with self._part.open("wb") as part, self._raw.open("rb") as raw:
            part.write(header(self._raw.stat().st_size))
            shutil.copyfileobj(raw, part, 1 << 20)
            part.write(tail)
        self._part.replace(self._target)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()
        self._raw.unlink(missing_ok=True)
        self._part.unlink(missing_ok=True)
