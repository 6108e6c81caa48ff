"""A DICOM file as its header describes it, checked against its length before a pixel is read."""

from __future__ import annotations

import io
import logging
import os
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from numpy.typing import NDArray

from usguide.errors import FormatError, MissingExtraError
from usguide.io.declared import check_bytes, check_frames
from usguide.io.source import one_line, reason_of

if TYPE_CHECKING:
    from pydicom import Dataset

DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")
_MAGIC_AT, _MAGIC = 128, b"DICM"
_PIXEL_DATA = 0x7FE0, 0x0010
_DEFLATED = b"1.2.840.10008.1.2.1.99"
_ITEM_BYTES = 8
"""A compressed frame takes an item of its own, and an item takes at least this."""

_DECODERS = {
    "JPEG 2000": "pip install 'usguide[dicom]'",
    "JPEG-LS": "pip install pyjpegls",
    "JPEG Lossless": "pip install pylibjpeg pylibjpeg-libjpeg",
    "JPEG Extended": "pip install pylibjpeg pylibjpeg-libjpeg",
    "JPEG": "pip install 'usguide[dicom]'",
    "High-Throughput": "pip install pylibjpeg pylibjpeg-openjpeg",
}
_VIDEO = ("MPEG", "HEVC", "SMPTE")


def is_dicom(path: Path) -> bool:
    """Tell a DICOM file by its suffix or, whatever it is called, by its preamble."""
    if path.suffix.lower() in DICOM_SUFFIXES:
        return True
    with path.open("rb") as stream:
        stream.seek(_MAGIC_AT)
        return stream.read(4) == _MAGIC


@dataclass(frozen=True, slots=True)
class Layout:
    """What the pixel data must look like."""

    frames: int
    shape: tuple[int, int]
    samples: int
    photometric: str
    allocated: int
    stored: int

    @property
    def white(self) -> int:
        """Largest value that the stored bits hold."""
        return int(2**self.stored - 1)

    @property
    def frame_bytes(self) -> int:
        """Size of an uncompressed frame."""
        samples = 2 if self.photometric == "YBR_FULL_422" else self.samples
        return self.shape[0] * self.shape[1] * samples * (self.allocated // 8)


class DicomFile:
    """A DICOM file with pictures.

    Parameters
    ----------
    path : Path

    Attributes
    ----------
    header : pydicom.Dataset
        All but the pixels.
    layout : Layout
    name : str
        Of the file, unless it holds the patient's name or id: results and logs never do.

    Raises
    ------
    FormatError
        No DICOM, no pictures, damaged, or a transfer syntax that nothing reads.
    MissingExtraError
        pydicom, or what decodes the compression, is not installed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with _Bounded(path) as stream, quiet_pydicom():
            self.header, self._pixels_at, self._pixel_type = _read_header(stream, path.name)
        self.name = _discreet_name(path, self.header)
        self.layout = _layout(self.header, self.name)
        with quiet_pydicom():
            self._decoder = _decoder(self.header, self.name)
        layout, available = self.layout, path.stat().st_size - self._pixels_at
        check_frames(self.name, layout.frames, layout.shape, layout.frame_bytes)
        least = _ITEM_BYTES if self._decoder.is_encapsulated else layout.frame_bytes
        check_bytes(self.name, layout.frames * least, available)

    def frames(self, start: int) -> Iterator[tuple[NDArray[Any], str]]:
        """Decode frames one at a time from `start`: the values, and their colour space.

        Raises
        ------
        Exception
            Whatever a decoder raises on damaged data.
        """
        from pydicom.pixels.utils import as_pixel_options  # noqa: PLC0415  (needs an extra)

        # Without indices compressed frames are found in one go; with them from the start each time.
        indices = range(start, self.layout.frames) if start else None
        with _Bounded(self._path) as stream:
            stream.seek(self._pixels_at)
            options = as_pixel_options(
                self.header, transfer_syntax_uid=self.header.file_meta.TransferSyntaxUID, pixel_keyword="PixelData"
            )
            options |= {"pixel_vr": self._pixel_type, "correct_unused_bits": False}
            decoded = self._decoder.iter_array(stream, raw=True, indices=indices, **options)
            while True:
                with quiet_pydicom():
                    item = next(decoded, None)
                if item is None:
                    return
                pixels, properties = item
                if self.layout.stored < self.layout.allocated and pixels.max() > self.layout.white:
                    raise ValueError(
                        f"values above the {self.layout.stored} bits that are stored: is its byte order wrong?"
                    )
                if not pixels.dtype.isnative:
                    pixels = pixels.astype(pixels.dtype.newbyteorder("="))
                yield pixels, str(properties.get("photometric_interpretation"))


def _read_header(stream: BinaryIO, name: str) -> tuple[Dataset, int, str]:
    """Return the header, and where the value of the pixel data begins and its value representation."""
    try:
        from pydicom import dcmread  # noqa: PLC0415  (needs an extra)
    except ImportError:
        raise MissingExtraError(
            f"{name}: expected pydicom to read DICOM, got none; run: pip install 'usguide[dicom]'"
        ) from None
    try:
        if _is_deflated(stream):
            # It would be inflated whole, however large, before a word of it is read.
            raise ValueError("one that is deflated as a whole")  # noqa: TRY301
        header = dcmread(stream, stop_before_pixels=True)
        at, kind = _pixel_value(stream, header)
        for _ in header.iterall():  # elements are parsed when they are first asked for: damage shows here
            pass
    except Exception as error:  # noqa: BLE001  (on damaged files it raises whatever it meets)
        raise FormatError(f"{name}: expected a DICOM file, got: {reason_of(error)}; export it again") from None
    return header, at, kind


def _is_deflated(stream: BinaryIO) -> bool:
    """Tell by the file's meta information whether all that follows it is deflated."""
    head = stream.read(_MAGIC_AT + 16)
    meta_bytes = int.from_bytes(head[-4:], "little") if head[132:136] == b"\2\0\0\0" else 1024
    meta = stream.read(min(meta_bytes, 1 << 16))
    stream.seek(0)
    return _DEFLATED in head + meta


class _Bounded(io.BufferedReader):
    """A file that is never asked for more than is left of it: memory is taken for what a damaged length says, else."""

    def __init__(self, path: Path) -> None:
        super().__init__(path.open("rb", buffering=0))
        self._end = path.stat().st_size

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(size if size is None or size < 1 << 16 else min(size, max(self._end - self.tell(), 0)))


@contextmanager
def quiet_pydicom() -> Iterator[None]:
    """Keep pydicom from warning and logging: it says what is odd with the value itself, which may be a name."""
    logger = logging.getLogger("pydicom")
    before = logger.disabled
    logger.disabled = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.disabled = before


def _pixel_value(stream: BinaryIO, header: Dataset) -> tuple[int, str]:
    """Return where the value of Pixel Data begins, and its representation; the end of the file where there is none."""
    implicit, little = header.original_encoding
    data = stream.read(8)
    if len(data) < 8 or struct.unpack(f"{'<' if little else '>'}HH", data[:4]) != _PIXEL_DATA:
        return stream.seek(0, os.SEEK_END), "OW"
    return (stream.tell(), "OW") if implicit else (stream.tell() + 4, data[4:6].decode("ascii", "replace"))


def _layout(header: Dataset, name: str) -> Layout:
    try:
        samples, allocated = int(header.get("SamplesPerPixel", 1)), int(header.BitsAllocated)
        layout = Layout(
            int(header.get("NumberOfFrames") or 1),
            (int(header.Rows), int(header.Columns)),
            samples,
            str(header.PhotometricInterpretation),
            allocated,
            int(header.get("BitsStored", allocated)),
        )
        signed = bool(header.get("PixelRepresentation", 0))
    except (AttributeError, TypeError, ValueError, OverflowError):
        what = one_line(getattr(header.get("SOPClassUID"), "name", "an object without rows, columns and bits"))
        raise FormatError(
            f"{name}: expected DICOM pictures, got {what:.60}; choose a file that holds pictures"
        ) from None
    if allocated not in (8, 16) or not 1 <= layout.stored <= allocated or signed or samples not in (1, 3):
        raise FormatError(
            f"{name}: expected unsigned pixels of 8 or 16 bits, grey or three colours, got {samples} x"
            f" {'signed ' if signed else ''}{layout.stored} of {allocated} bits; export it as 8-bit pictures"
        )
    return layout


def _decoder(header: Dataset, name: str) -> Any:
    from pydicom.pixels.decoders.base import get_decoder  # noqa: PLC0415  (needs an extra)

    syntax = getattr(header.file_meta, "TransferSyntaxUID", None)
    title = one_line(getattr(syntax, "name", syntax))
    if any(word in title for word in _VIDEO):
        raise FormatError(f"{name}: expected pictures, got a video inside DICOM ({title}); export it as a video file")
    try:
        decoder = get_decoder(str(syntax))
    except (NotImplementedError, ValueError):
        raise FormatError(
            f"{name}: expected a transfer syntax of pictures, got {title:.60}; export it uncompressed or as JPEG"
        ) from None
    if not decoder.is_available:
        command = next((words for key, words in _DECODERS.items() if key in title), None)
        remedy = f"run: {command}" if command else "export it uncompressed"
        raise MissingExtraError(f"{name}: expected a decoder for {title}, got none installed; {remedy}")
    return decoder


def _discreet_name(path: Path, header: Dataset) -> str:
    words = [str(header.get(key, "")).casefold() for key in ("PatientName", "PatientID")]
    parts = {part for word in words for part in word.replace("^", " ").split() if len(part) > 2}
    return "recording.dcm" if any(part in path.name.casefold() for part in parts) else path.name
