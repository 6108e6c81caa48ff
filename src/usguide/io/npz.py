"""`.npz` files: frames streamed from the archive, and what may stand beside them (data/phantoms/README.md)."""

from __future__ import annotations

import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from usguide.errors import FormatError, InputError
from usguide.geometry import ImageGeometry, SectorGeometry
from usguide.io.options import Region
from usguide.io.source import one_line, reason_of

BROKEN = (
    *(zipfile.BadZipFile, zlib.error, struct.error, tokenize.TokenError),
    # Also: a password, a compression that Python lacks, a header that is no literal or asks for more than memory.
    *(EOFError, ValueError, OSError, LookupError, TypeError, RuntimeError, SyntaxError, MemoryError, OverflowError),
)
"""What NumPy and zipfile raise on a damaged file. `InputError` is a `ValueError`: let it pass first."""

_KNOWN = ("spacing_mm", "timestamps_s", "region", "full_scale", "sector", "origin_mm")


class NpzMember:
    """An array inside an archive: its header, and its frames one after the other, never all at once."""

    def __init__(self, archive: zipfile.ZipFile, key: str) -> None:
        self._archive, self._key = archive, f"{key}.npy"
        with self._archive.open(self._key) as stream:
            self.shape, self.fortran, self.dtype = _read_header(stream)
        if is_one_picture(self.shape):
            self.shape = (1, *self.shape)
        if self.dtype.hasobject:
            raise ValueError("Python objects in place of numbers")

    def frames(self) -> Iterator[NDArray[Any]]:
        """Give the frames from the first; raise one of `BROKEN` where the file is damaged."""
        with self._archive.open(self._key) as stream:
            if self.fortran:
                # Its first axis varies fastest: no frame is complete before the last byte.
                yield from np.lib.format.read_array(stream, allow_pickle=False).reshape(self.shape)
                return
            _read_header(stream)
            shape = self.shape[1:]
            size = math.prod(shape) * self.dtype.itemsize
            for _ in range(self.shape[0]):
                data = stream.read(size)
                if len(data) < size:
                    raise EOFError("it ends early")
                yield np.frombuffer(data, self.dtype).reshape(shape)


def is_one_picture(shape: tuple[int, ...]) -> bool:
    """Tell (H, W) and (H, W, 3) from a stack: three or four columns are no picture."""
    return len(shape) == 2 or (len(shape) == 3 and shape[2] in (3, 4))


def _read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(stream)
    reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = reader(stream)
    return tuple(shape), bool(fortran), dtype


def read_archive(archive: zipfile.ZipFile, path: Path) -> tuple[NpzMember, dict[str, Any]]:
    """Return the frames, and what stands beside them; what usguide does not know is not read.

    Raises
    ------
    FormatError
        Damaged, or holds Python objects.
    InputError
        No frames in it.
    """
    keys = [n.removesuffix(".npy") for n in archive.namelist() if n.endswith(".npy")]
    main = "frames" if "frames" in keys else keys[0] if len(keys) == 1 else None
    if main is None:
        raise InputError(f"{path.name}: expected an array named 'frames', got {', '.join(keys) or 'no array'}")
    extras = {}
    key = main
    try:
        member = NpzMember(archive, main)
        for key in keys:
            if key in _KNOWN or key.startswith("truth_"):
                with archive.open(f"{key}.npy") as stream:
                    extras[key] = np.lib.format.read_array(stream, allow_pickle=False)
    except BROKEN as error:
        raise unreadable(path.name, error, f"array '{key}'") from None
    return member, extras


def unreadable(name: str, error: BaseException, what: str = "NumPy array file") -> FormatError:
    """Return the error for a file that NumPy can't read."""
    return FormatError(f"{name}: expected a readable {what}, got: {reason_of(error)}; copy or save it again")


def numbers_of(extras: Mapping[str, Any], key: str, counts: tuple[int, ...], name: str) -> list[float] | None:
    """Return the finite numbers under a key, None where it is absent."""
    if key not in extras:
        return None
    try:
        values = [float(v) for v in np.ravel(extras[key])]
    except (TypeError, ValueError):
        values = []
    if len(values) not in counts or not np.isfinite(values).all():
        wanted, got = " or ".join(map(str, counts)), one_line(np.array2string(np.ravel(extras[key])[:4]))
        raise FormatError(
            f"{name}: expected {wanted} finite numbers in '{key}', got {np.size(extras[key])}: {got}; correct the file"
        )
    return values


def region_of(extras: Mapping[str, Any], name: str) -> Region | None:
    """Return the region that the file states."""
    values = numbers_of(extras, "region", (4,), name)
    return (int(values[0]), int(values[1]), int(values[2]), int(values[3])) if values else None


def geometry_of(extras: Mapping[str, Any], name: str) -> ImageGeometry | None:
    """Return spacing, origin and sector that the file states."""
    spacing = numbers_of(extras, "spacing_mm", (1, 2), name)
    if spacing is None:
        return None
    x, z = numbers_of(extras, "origin_mm", (2,), name) or (0.0, 0.0)
    s = numbers_of(extras, "sector", (6,), name)
    try:
        sector = SectorGeometry((s[0], s[1]), (s[2], s[3]), (s[4], s[5])) if s else None
        return ImageGeometry(spacing[0], spacing[-1], (x, z), sector)
    except InputError as error:
        raise FormatError(f"{name}: {error}; correct the file") from None


def truth_of(extras: Mapping[str, Any], frames: int, name: str) -> Any:
    """Return the truth of a rendered recording, None where there is none."""
    if "truth_tip_mm" not in extras:
        return None
    from usguide.phantoms import PhantomTruth  # noqa: PLC0415  (only files with truth need it)

    try:
        truth = PhantomTruth.from_npz(extras)
    except (TypeError, ValueError) as error:
        raise unreadable(name, error, "truth") from None
    if np.shape(truth.tip_mm) != (frames, 2):
        raise FormatError(f"{name}: expected a truth row a frame, got {np.shape(truth.tip_mm)}; render it again")
    return truth
