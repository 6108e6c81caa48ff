"""NumPy arrays, `.npy` and `.npz` files, read frame by frame."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from usguide.errors import FormatError, InputError
from usguide.geometry import ImageGeometry, SectorGeometry
from usguide.io.source import ASSUMED_RATE_HZ, BaseSource, Region, SourceInfo, SourceOptions, check_first, missing_of
from usguide.types import Frame

_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, OSError, KeyError)


class _Member:
    """A `.npy` inside a `.npz`: its header, and its frames one after the other, never all at once."""

    def __init__(self, archive: zipfile.ZipFile, key: str) -> None:
        self._archive, self._key = archive, f"{key}.npy"
        with self._open() as stream:
            self.shape, self.fortran, self.dtype = _read_header(stream)
        if self.dtype.hasobject:
            raise ValueError("it holds Python objects")

    def _open(self) -> IO[bytes]:
        return self._archive.open(self._key)

    def frames(self) -> Iterator[NDArray[Any]]:
        if self.fortran:
            with self._open() as stream:
                yield from np.lib.format.read_array(stream, allow_pickle=False)
            return
        shape = self.shape[1:]
        size = int(np.prod(shape)) * self.dtype.itemsize
        with self._open() as stream:
            _read_header(stream)
            for _ in range(self.shape[0]):
                data = stream.read(size)
                if len(data) < size:
                    raise EOFError("it ends early")
                yield np.frombuffer(data, self.dtype).reshape(shape)


def _read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(stream)
    reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = reader(stream)
    return tuple(shape), bool(fortran), dtype


class ArraySource(BaseSource):
    """Frames (N, H, W) or (N, H, W, 3) from memory or a file.

    Parameters
    ----------
    frames : ndarray or _Member
        Something with `shape`, `dtype` and frames along its first axis.
    extras : mapping
        What an `.npz` holds beside `frames`: `spacing_mm`, `timestamps_s`, `region`, `full_scale`, `sector`,
        `origin_mm`, `truth_*`.
    name : str
        What results call the recording.
    options : SourceOptions
    archive : zipfile.ZipFile, optional
        Closed with the source.
    """

    def __init__(
        self,
        frames: NDArray[Any] | _Member,
        extras: Mapping[str, Any],
        name: str,
        options: SourceOptions,
        archive: zipfile.ZipFile | None = None,
    ) -> None:
        self._archive = archive
        shape = tuple(frames.shape)
        if isinstance(frames, np.ndarray) and len(shape) == 2:
            frames, shape = frames[None], (1, *shape)
        if len(shape) not in (3, 4) or (len(shape) == 4 and shape[3] not in (3, 4)):
            raise InputError(f"{name}: expected frames (N, H, W) or (N, H, W, 3), got shape {shape}")
        if 0 in shape:
            raise InputError(f"{name}: expected at least one frame, got shape {shape}")
        self._frames = frames
        region = options.region or _region_of(extras, name)
        scale = options.full_scale or _number_of(extras, "full_scale", name)
        options = SourceOptions(
            options.spacing_mm,
            options.depth_mm,
            region,
            options.frame_rate_hz,
            scale,
            options.stills,
            options.require_spacing,
        )
        try:
            first = next(iter(self._pictures()))
        except _BROKEN as error:
            raise FormatError(f"{name}: expected an array file, got one that can't be read: {error}") from None
        check_first(np.asarray(first), region, name, scale)
        self._times = _times_of(extras, shape[0], name, options)
        geometry, spacing_source = options.geometry_for(shape[1:3], region, _geometry_of(extras, name))
        rate = options.frame_rate_hz
        if rate is None and self._times is not None and len(self._times) > 1:
            rate = 1.0 / float(np.median(np.diff(self._times)))
        given = "frame rate given" if options.frame_rate_hz else f"assumed {ASSUMED_RATE_HZ:g} Hz"
        super().__init__(
            SourceInfo(
                name=name,
                kind="array",
                frame_count=shape[0],
                shape=(shape[1], shape[2]),
                dtype=str(frames.dtype),
                channels=1 if len(shape) == 3 else shape[3],
                geometry=geometry,
                spacing_source=spacing_source,
                region=region,
                region_source="whole frame" if region is None else "given" if "region" not in extras else "file",
                frame_rate_hz=rate,
                times_source="file" if self._times is not None else given,
                missing=missing_of(geometry, rate, region or (0, 0, 1, 1)),
                truth=_truth_of(extras),
            ),
            options,
        )

    def _pictures(self) -> Iterator[NDArray[Any]]:
        return self._frames.frames() if isinstance(self._frames, _Member) else iter(self._frames)

    def __iter__(self) -> Iterator[Frame]:
        """Give the frames in order; one that can't be used is counted and left out."""
        step = 1.0 / (self.options.frame_rate_hz or ASSUMED_RATE_HZ)
        pictures, index = self._pictures(), 0
        while True:
            try:
                pixels = next(pictures)
            except StopIteration:
                return
            except _BROKEN as error:
                self.skip(f"the file can't be read beyond frame {index}: {error}")
                return
            now = index * step if self._times is None else float(self._times[index])
            frame = self.frame(np.asarray(pixels), index, now)
            if frame is not None:
                yield frame
            index += 1

    def close(self) -> None:
        """Close the file."""
        if self._archive is not None:
            self._archive.close()


def open_array_file(path: Path, options: SourceOptions) -> ArraySource:
    """Open a `.npy` (memory-mapped) or `.npz` (streamed) file.

    Raises
    ------
    FormatError
        Damaged, or holds Python objects.
    InputError
        No frames in it, or they are no pictures.
    """
    try:
        if path.suffix.lower() == ".npy":
            return ArraySource(np.load(path, mmap_mode="r", allow_pickle=False), {}, path.name, options)
        archive = zipfile.ZipFile(path)
    except InputError:
        raise
    except _BROKEN as error:
        raise FormatError(f"{path.name}: expected a NumPy array file, got one that can't be read: {error}") from None
    try:
        return _open_archive(archive, path, options)
    except BaseException:
        archive.close()
        raise


def _open_archive(archive: zipfile.ZipFile, path: Path, options: SourceOptions) -> ArraySource:
    keys = [n.removesuffix(".npy") for n in archive.namelist() if n.endswith(".npy")]
    main = "frames" if "frames" in keys else keys[0] if len(keys) == 1 else None
    if main is None:
        raise InputError(f"{path.name}: expected an array named 'frames', got {', '.join(keys) or 'no array'}")
    try:
        member = _Member(archive, main)
        with np.load(path, allow_pickle=False) as loaded:
            extras = {k: loaded[k] for k in keys if k != main}
    except _BROKEN as error:
        raise FormatError(f"{path.name}: expected a NumPy array file, got one that can't be read: {error}") from None
    return ArraySource(member, extras, path.name, options, archive)


def _numbers(extras: Mapping[str, Any], key: str, count: int, name: str) -> list[float] | None:
    if key not in extras:
        return None
    try:
        values = [float(v) for v in np.ravel(extras[key])]
    except (TypeError, ValueError):
        values = []
    if len(values) != count or not np.isfinite(values).all():
        raise FormatError(f"{name}: expected {count} finite numbers in '{key}', got {np.ravel(extras[key])[:4]!r}")
    return values


def _number_of(extras: Mapping[str, Any], key: str, name: str) -> float | None:
    values = _numbers(extras, key, 1, name)
    return values[0] if values else None


def _region_of(extras: Mapping[str, Any], name: str) -> Region | None:
    values = _numbers(extras, "region", 4, name)
    return (int(values[0]), int(values[1]), int(values[2]), int(values[3])) if values else None


def _geometry_of(extras: Mapping[str, Any], name: str) -> ImageGeometry | None:
    spacing = extras.get("spacing_mm")
    if spacing is None:
        return None
    pair = _numbers(extras, "spacing_mm", int(np.size(spacing)), name) or []
    if len(pair) not in (1, 2):
        raise FormatError(f"{name}: expected spacing_mm as (axial, lateral), got {len(pair)} numbers")
    origin = _numbers(extras, "origin_mm", 2, name) or [0.0, 0.0]
    s = _numbers(extras, "sector", 6, name)
    sector = SectorGeometry((s[0], s[1]), (s[2], s[3]), (s[4], s[5])) if s else None
    return ImageGeometry(pair[0], pair[-1], (origin[0], origin[1]), sector)


def _times_of(extras: Mapping[str, Any], count: int, name: str, options: SourceOptions) -> NDArray[np.float64] | None:
    if "timestamps_s" not in extras or options.frame_rate_hz is not None:
        return None
    return np.asarray(_numbers(extras, "timestamps_s", count, name), dtype=np.float64)


def _truth_of(extras: Mapping[str, Any]) -> Any:
    if "truth_tip_mm" not in extras:
        return None
    from usguide.phantoms import PhantomTruth  # noqa: PLC0415  (only files with truth need it)

    return PhantomTruth.from_npz(extras)
