"""A recording of a live run: files, their names and lines (docs/live.md has the contract). No threads here."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from usguide.errors import FormatError, InputError
from usguide.geometry import ImageGeometry, SectorGeometry
from usguide.io.sinks.folder import missing_folders, remove_empty
from usguide.io.sinks.tables import LineFile, result_record
from usguide.io.write_sequence import METAIMAGE_TYPES, fields_of, metaimage_header
from usguide.live.frames import LiveUpdate
from usguide.types import Frame

SCHEMA_VERSION = 1
JOURNAL, RESULTS, SUMMARY = "journal.jsonl", "results.jsonl", "summary.json"
MAX_SEGMENTS = 64
"""Formats of frames in one recording; a source that shows more is not one that anybody looks at."""

CHECK_ROOM_BYTES, MIN_FREE_BYTES = 16 << 20, 128 << 20
"""How often the free space is looked at, and where recording ends."""


class RecordingFolder:
    """Filled under a hidden name beside the target, and moved into place when its files are valid.

    Parameters
    ----------
    target : Path
        Must not exist, or be an empty folder: a recording is never overwritten.

    Raises
    ------
    InputError
        Something is there already.
    FormatError
        The folder can't be made.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise InputError(
                f"{target}: expected a new or empty folder for a recording, got one in use; choose another"
            )
        self._made = missing_folders(target.parent)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            self.work = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent))
            self.work.chmod(0o755)
        except OSError as error:
            remove_empty(self._made)
            raise FormatError(f"{target}: a recording can't be written there: {error.strerror or error}") from None

    def publish(self) -> Path:
        """Move the folder into place."""
        if self.target.exists():
            self.target.rmdir()
        return self.work.replace(self.target)

    def discard(self) -> None:
        """Remove all that was written, and the folders that were made for it."""
        shutil.rmtree(self.work, ignore_errors=True)
        remove_empty(self._made)


class Segment:
    """Raw pixels of frames of one format, and the header that makes them a MetaImage sequence in the end."""

    def __init__(self, folder: Path, number: int, frame: Frame) -> None:
        self.number, self.count = number, 0
        self.name = f"frames-{number:03d}"
        self._folder = folder
        self._geometry, self._dtype, self._shape = frame.geometry, frame.pixels.dtype, frame.pixels.shape
        self._raw: IO[bytes] = (folder / f"{self.name}.raw").open("wb", buffering=0)
        self._fields = LineFile(folder / f".{self.name}.fields")

    def write(self, frame: Frame) -> int:
        """Add a frame; return its place. After an error the file ends with the frame before."""
        pixels = in_file_order(frame.pixels)
        data = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<")).data.cast("B")
        start = self._raw.tell()
        try:
            while data:
                data = data[self._raw.write(data) :]
            lines = fields_of(_with_plain_transforms(frame), self.count, times_known=True)
            self._fields.write("".join(f"{name} = {value}\n" for name, value in lines))
        except OSError:
            self._raw.truncate(start)
            raise
        self.count += 1
        return self.count - 1

    def close(self) -> None:
        """Write the header; without one frame nothing is left."""
        self._raw.close()
        self._fields.close()
        fields = self._folder / f".{self.name}.fields"
        if self.count:
            shape = (self.count, *self._shape)
            head, tail = metaimage_header(
                shape, self._dtype, self._geometry, [("Fields", "")], data_file=f"{self.name}.raw"
            ).split(b"Fields = \n")
            with (self._folder / f"{self.name}.mhd").open("wb") as header, fields.open("rb") as lines:
                header.write(head)
                shutil.copyfileobj(lines, header)
                header.write(tail)
        else:
            (self._folder / f"{self.name}.raw").unlink()
        fields.unlink()


class RecordingWriter:
    """Writes the files of a recording, each line and frame whole.

    Parameters
    ----------
    folder : Path
    head : mapping
        First line of the journal: what the pipeline was and where frames came from.
    """

    def __init__(self, folder: Path, head: Mapping[str, Any]) -> None:
        self._folder = folder
        self._segments: dict[tuple[object, ...], Segment] = {}
        self._unchecked_bytes = CHECK_ROOM_BYTES
        self._journal = LineFile(folder / JOURNAL)
        self._results = LineFile(folder / RESULTS)
        self.line("start", schema_version=SCHEMA_VERSION, **head)

    def line(self, kind: str, **fields: Any) -> None:
        """Write one line of the journal."""
        self._journal.write(json.dumps({"kind": kind, **fields}, allow_nan=False) + "\n")

    def frame(self, frame: Frame, **fields: Any) -> None:
        """Write a frame and its line.

        Raises
        ------
        InputError
            Pixels that the format has no name for, or too many formats.
        OSError
            The disk is full, or nearly.
        """
        self._check_room(int(frame.pixels.nbytes))
        segment = self._segment_for(frame)
        place = segment.write(frame)
        self.line(
            "frame",
            index=frame.index,
            timestamp_s=frame.timestamp_s,
            segment=segment.number,
            place=place,
            status=frame.status,
            transforms={name: _plain_matrix(matrix) for name, matrix in frame.transforms.items()},
            **fields,
        )

    def result(self, update: LiveUpdate) -> None:
        """Write a line of results."""
        record = result_record(update.frame, update.result) | {"late": update.late}
        self._results.write(json.dumps(record, allow_nan=False) + "\n")

    def close(self, summary: Mapping[str, Any]) -> None:
        """Write headers and the summary; what is there is valid afterwards."""
        try:
            for segment in self._segments.values():
                segment.close()
            (self._folder / SUMMARY).write_text(json.dumps(summary, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        finally:
            self._journal.close()
            self._results.close()

    def _check_room(self, size: int) -> None:
        """End while headers and summary still fit: a recording on a full disk would be lost whole."""
        self._unchecked_bytes += size
        if self._unchecked_bytes > CHECK_ROOM_BYTES:
            self._unchecked_bytes = 0
            free = shutil.disk_usage(self._folder).free
            if free < MIN_FREE_BYTES:
                raise FormatError(f"the disk is nearly full: {free >> 20} MiB are free")

    def _segment_for(self, frame: Frame) -> Segment:
        dtype = frame.pixels.dtype
        key = (frame.pixels.shape, dtype.str, frame.geometry, frame.region, frame.full_scale)
        if key not in self._segments:
            if dtype.str[1:] not in METAIMAGE_TYPES:
                raise InputError(f"recording: expected uint8, uint16, float32 or float64 pixels, got {dtype}")
            if len(self._segments) >= MAX_SEGMENTS:
                raise InputError(f"recording: expected at most {MAX_SEGMENTS} sizes and spacings, got another")
            segment = Segment(self._folder, len(self._segments), frame)
            self._segments[key] = segment
            self.line(
                "segment",
                segment=segment.number,
                file=f"{segment.name}.raw",
                shape=frame.pixels.shape,
                dtype=dtype.newbyteorder("<").str,
                geometry=asdict(frame.geometry),
                region=frame.region,
                full_scale=frame.full_scale,
            )
        return self._segments[key]


def _plain_matrix(matrix: NDArray[np.float64]) -> list[Any]:
    """Return nested lists with None for what is no number, since JSON has none."""
    values = np.asarray(matrix, dtype=float)
    plain = values.astype(object)
    plain[~np.isfinite(values)] = None
    lists: list[Any] = plain.tolist()
    return lists


def _with_plain_transforms(frame: Frame) -> Frame:
    """Leave out the transforms that a MetaImage can't name or hold; the journal has them all."""
    fit = {
        name: matrix
        for name, matrix in frame.transforms.items()
        if re.fullmatch(r"\w+", name) and np.shape(matrix) == (4, 4) and np.isfinite(matrix).all()
    }
    return frame if len(fit) == len(frame.transforms) else replace(frame, transforms=fit)


def in_file_order(pixels: NDArray[Any]) -> NDArray[Any]:
    """Swap blue and red: colours are blue first in a frame and red first in files. The other way is the same."""
    return pixels if pixels.ndim == 2 else pixels[..., [2, 1, 0, *range(3, pixels.shape[2])]]


class RecordedFrames:
    """The frames of a recording, by the lines of its journal.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._segments: dict[int, tuple[dict[str, Any], NDArray[Any]]] = {}

    def add(self, line: dict[str, Any]) -> None:
        """Take a segment's line."""
        path = self._folder / Path(line["file"]).name
        flat = np.memmap(path, np.dtype(line["dtype"]), "r") if path.stat().st_size else np.empty(0, line["dtype"])
        size = int(np.prod(line["shape"]))
        self._segments[line["segment"]] = line, flat[: flat.size // size * size].reshape(-1, *line["shape"])

    def frame(self, line: dict[str, Any]) -> Frame:
        """Return the frame of a line."""
        about, pixels = self._segments[line["segment"]]
        stored = in_file_order(pixels[line["place"]])
        return Frame(
            np.array(stored, stored.dtype.newbyteorder("=")),
            _geometry(about["geometry"]),
            line["timestamp_s"],
            line["index"],
            region=None if about["region"] is None else tuple(about["region"]),
            full_scale=about["full_scale"],
            # None becomes NaN.
            transforms={name: np.array(matrix, dtype=float) for name, matrix in line["transforms"].items()},
            status=line["status"],
        )


def _geometry(plain: Mapping[str, Any]) -> ImageGeometry:
    sector = plain["sector"]
    x, z = plain["origin_mm"]
    fan = None if sector is None else SectorGeometry(*(tuple(sector[k]) for k in ("apex_mm", "radius_mm", "angle_deg")))
    return ImageGeometry(plain["axial_mm_per_px"], plain["lateral_mm_per_px"], (x, z), fan)


def journal_lines(folder: Path) -> Iterator[dict[str, Any]]:
    """Read the journal line by line.

    Raises
    ------
    FormatError
        No recording, or a damaged one.
    """
    path = folder / JOURNAL
    if not path.is_file():
        raise FormatError(f"{folder}: expected a folder that 'usguide live --record' wrote, got no {JOURNAL} in it")
    with path.open(encoding="utf-8") as stream:
        for number, text in enumerate(stream):
            try:
                line = json.loads(text)
                line["kind"]
            except (ValueError, TypeError, KeyError):
                raise FormatError(
                    f"{JOURNAL}: expected an object with a kind in line {number + 1}, got {text!r:.40}"
                ) from None
            if number == 0 and (line["kind"] != "start" or line.get("schema_version") != SCHEMA_VERSION):
                raise FormatError(
                    f"{JOURNAL}: expected schema version {SCHEMA_VERSION}, got {text!r:.60}; use its usguide"
                )
            yield line


def recorded_results(folder: Path) -> Iterator[dict[str, Any]]:
    """Read the results that were recorded, line by line."""
    with (folder / RESULTS).open(encoding="utf-8") as stream:
        for line in stream:
            record: dict[str, Any] = json.loads(line)
            yield record


def without_latency(record: Mapping[str, Any]) -> str:
    """Return a result as text without what depends on how fast it was computed: all else replays byte for byte."""
    return json.dumps({k: v for k, v in record.items() if k not in ("latency_ms", "late")})
