"""Pixels as they lie in a file: raw or compressed, read frame by frame."""

from __future__ import annotations

import bz2
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, Protocol

Encoding = Literal["raw", "deflate", "bzip2"]

_PIECE_BYTES = 1 << 18
MAX_LINE_BYTES, MAX_HEADER_BYTES = 1 << 24, 1 << 28
"""A sequence of 100,000 tracked frames has 100 MB of header, and the times of all of them in one line."""


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class StoredPixels:
    """Where pixels lie.

    Parameters
    ----------
    path : Path
    offset : int
        Of the first byte in the file.
    encoding : {"raw", "deflate", "bzip2"}
        Deflate is that of zlib and gzip.
    """

    path: Path
    offset: int
    encoding: Encoding

    @property
    def available_bytes(self) -> int:
        """Bytes from the first one to the end of the file, as they lie there."""
        return max(self.path.stat().st_size - self.offset, 0)

    def frames(self, frame_bytes: int, start: int = 0) -> Iterator[bytes]:
        """Give whole frames from `start`, up to where the file ends; damage raises what the decoder raises."""
        with self.path.open("rb") as file:
            file.seek(self.offset)
            stream: _Readable = file
            if self.encoding == "raw":
                file.seek(start * frame_bytes, 1)
                start = 0
            elif self.encoding == "bzip2":
                stream = bz2.BZ2File(file)
            else:
                stream = _Inflated(file)
            while len(data := stream.read(frame_bytes)) == frame_bytes:
                if start:
                    start -= 1
                else:
                    yield data


class _Inflated:
    """Deflated data with the header of zlib or gzip, one stream or several on end; never more than asked for."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._engine, self._waiting = stream, zlib.decompressobj(47), b""

    def read(self, size: int, /) -> bytes:
        parts, missing = [], size
        while missing:
            data = self._waiting or self._stream.read(_PIECE_BYTES)
            if not data:
                break
            if self._engine.eof:
                self._engine = zlib.decompressobj(47)
            piece = self._engine.decompress(data, missing)
            self._waiting = self._engine.unused_data if self._engine.eof else self._engine.unconsumed_tail
            parts.append(piece)
            missing -= len(piece)
        return b"".join(parts)


def header_lines(stream: IO[bytes]) -> Iterator[bytes]:
    """Give the lines of a text header; the caller stops at its end.

    Raises
    ------
    ValueError
        No text, or longer than any header is.
    """
    total = 0
    while line := stream.readline(MAX_LINE_BYTES):
        total += len(line)
        if total > MAX_HEADER_BYTES or (len(line) == MAX_LINE_BYTES and not line.endswith(b"\n")):
            raise ValueError("a header without an end")
        yield line


def beside(path: Path, name: str) -> Path:
    """Return the file called `name` in the folder of `path`: a header reaches no other place.

    Raises
    ------
    ValueError
        It names another folder, a pattern or nothing that is there.
    """
    found = path.parent / name
    if not name or Path(name).name != name or "\\" in name or not found.is_file():
        raise ValueError(f"a data file {name!r:.60} that does not lie beside it")
    return found
