"""DICOM: single pictures and cine loops, frame by frame. Patient names and ids are never kept."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from usguide.errors import FormatError, MissingExtraError
from usguide.io._opencv import GREY_TOLERANCE, grey_if_colourless
from usguide.io.dicom_header import HeaderFacts, choose_region, geometry_of, read_facts
from usguide.io.options import SourceOptions
from usguide.io.source import ASSUMED_RATE_HZ, BaseSource, SourceInfo, check_first, missing_of, one_line
from usguide.types import Frame

if TYPE_CHECKING:
    from pydicom import Dataset
    from pydicom.pixels.decoders import Decoder

DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")
_MAGIC_AT, _MAGIC = 128, b"DICM"
MAX_FRAME_BYTES = 1 << 28
"""No scanner has larger frames; a header that says so is damaged, and memory is not asked for."""

_DECODERS = {
    "JPEG 2000": "Pillow, in 'pip install usguide[dicom]'",
    "JPEG-LS": "'pip install pyjpegls'",
    "JPEG Lossless": "'pip install pylibjpeg pylibjpeg-libjpeg'",
    "JPEG Extended": "'pip install pylibjpeg pylibjpeg-libjpeg'",
    "JPEG": "Pillow, in 'pip install usguide[dicom]'",
    "High-Throughput": "'pip install pylibjpeg pylibjpeg-openjpeg'",
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
class _Layout:
    """What the pixel data must look like."""

    shape: tuple[int, int]
    frames: int
    photometric: str
    bits: int
    signed: bool


class DicomSource(BaseSource):
    """A DICOM image or cine loop.

    Parameters
    ----------
    path : Path
    options : SourceOptions
        Goes before what the file says.

    Raises
    ------
    FormatError
        No DICOM, no image, damaged, or a transfer syntax that nothing reads.
    MissingExtraError
        pydicom, or what decodes its compression, is not installed.
    """

    def __init__(self, path: Path, options: SourceOptions) -> None:
        self._path = path
        self._header = _read_header(path)
        self._layout = layout = _layout(self._header, path.name)
        self._decoder = _decoder(self._header, path.name)
        _check_length(self._header, layout, self._decoder, path)
        facts = read_facts(self._header, layout.shape, layout.frames)
        notes = list(facts.notes)
        region = choose_region(facts.regions, options.region, notes)
        box, region_source = options.region, "given"
        if box is None:
            box, region_source = (region.box, "file") if region else (None, "whole frame")
        options = replace(options, region=box, full_scale=options.full_scale or float(2**layout.bits - 1))
        spacing = region.spacing_mm if region else facts.pixel_spacing_mm
        geometry, spacing_source = options.geometry_for(layout.shape, box, geometry_of(spacing))
        self._times, rate, times = _times(facts, options, layout.frames)
        first = self._first(path.name)
        check_first(first, box, path.name, options.full_scale)
        super().__init__(
            SourceInfo(
                name=_discreet_name(path, self._header),
                kind="dicom",
                frame_count=layout.frames,
                shape=layout.shape,
                dtype=str(first.dtype),
                channels=1 if first.ndim == 2 else 3,
                geometry=geometry,
                spacing_source=spacing_source,
                region=box,
                region_source=region_source,
                frame_rate_hz=rate,
                times_source=times,
                missing=missing_of(geometry, box, times_known=layout.frames == 1 or not times.startswith("assumed")),
            ),
            options,
        )
        for text in notes:
            self.note(text)

    def _first(self, name: str) -> NDArray[Any]:
        try:
            return next(self._pictures(0))
        except StopIteration:
            raise FormatError(f"{name}: expected at least one frame, got none; export it again") from None
        except Exception as error:  # noqa: BLE001  (its decoders raise whatever they like on damaged data)
            raise FormatError(
                f"{name}: expected frames that can be decoded, got: {_reason(error)}; copy it again"
            ) from None

    def _pictures(self, start: int) -> Iterator[NDArray[Any]]:
        """Decode frames one at a time, from `start`."""
        indices = range(start, self._layout.frames)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            decoded = self._decoder.iter_array(self._path_source(), raw=True, indices=indices)
        while True:
            with warnings.catch_warnings():
                # What pydicom warns of (odd encodings, colour spaces that the codestream corrects) is dealt with here.
                warnings.simplefilter("ignore")
                item = next(decoded, None)
            if item is None:
                return
            pixels, properties = item
            yield self._grey_or_bgr(pixels, str(properties.get("photometric_interpretation")))

    def _path_source(self) -> Any:
        from pydicom import dcmread  # noqa: PLC0415

        return dcmread(self._path, defer_size=1024)

    def _grey_or_bgr(self, pixels: NDArray[Any], photometric: str) -> NDArray[Any]:
        top = 2**self._layout.bits - 1
        if photometric == "MONOCHROME1":
            return np.asarray(top - pixels, dtype=pixels.dtype)
        if photometric == "PALETTE COLOR":
            from pydicom.pixels import apply_color_lut  # noqa: PLC0415

            coloured = apply_color_lut(pixels, self._header)
            # Lookup tables hold 16 bits even where the picture has 8.
            coloured = (coloured >> 8).astype(np.uint8) if coloured.dtype == np.uint16 else coloured
            return grey_if_colourless(coloured[..., ::-1])
        if pixels.ndim == 2:
            return pixels
        if photometric.startswith("YBR_FULL"):
            chroma = pixels[::4, ::4, 1:].astype(np.int16) - 128
            if np.abs(chroma).max() * 2 <= GREY_TOLERANCE:
                return np.ascontiguousarray(pixels[..., 0])  # luma is the grey picture: no conversion
            from pydicom.pixels import convert_color_space  # noqa: PLC0415

            pixels = convert_color_space(pixels, "YBR_FULL", "RGB")
        return grey_if_colourless(pixels[..., ::-1])

    def __iter__(self) -> Iterator[Frame]:
        """Give the frames in order; one that can't be decoded is counted and left out."""
        self.begin()
        index = 0
        pictures = self._pictures(0)
        while index < self._layout.frames and not self._closed:
            try:
                pixels = next(pictures, None)
            except Exception as error:  # noqa: BLE001  (as above)
                self.skip(f"frame {index} left out: {_reason(error)}")
                index += 1
                pictures = self._pictures(index)
                continue
            if pixels is None:
                self.skip(
                    f"frame {index} and later ones left out: the file ends early", frames=self._layout.frames - index
                )
                return
            frame = self.frame(pixels, index, float(self._times[index]))
            if frame is not None:
                yield frame
            index += 1


def _times(facts: HeaderFacts, options: SourceOptions, frames: int) -> tuple[NDArray[np.float64], float | None, str]:
    if options.frame_rate_hz is not None:
        return np.arange(frames) / options.frame_rate_hz, options.frame_rate_hz, "frame rate given"
    if facts.times_s is not None:
        gap = float(np.median(np.diff(facts.times_s))) if frames > 1 else 0.0
        return facts.times_s, 1 / gap if gap > 0 else None, facts.times_source
    source = "one picture" if frames == 1 else f"assumed {ASSUMED_RATE_HZ:g} Hz"
    return np.arange(frames) / ASSUMED_RATE_HZ, None, source


def _read_header(path: Path) -> Dataset:
    try:
        from pydicom import dcmread  # noqa: PLC0415
    except ImportError:
        raise MissingExtraError(
            f"{path.name}: expected pydicom to read DICOM, got none; run: pip install 'usguide[dicom]'"
        ) from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            header = dcmread(path, stop_before_pixels=True)
            # Elements are parsed when they are first asked for: damage shows here.
            for _ in header.iterall():
                pass
    except Exception as error:  # noqa: BLE001  (on damaged files it raises whatever it meets)
        raise FormatError(f"{path.name}: expected a DICOM file, got: {_reason(error)}; export it again") from None
    return header


def _layout(header: Dataset, name: str) -> _Layout:
    try:
        height, width = int(header.Rows), int(header.Columns)
        frames = int(header.get("NumberOfFrames") or 1)
        samples, allocated = int(header.get("SamplesPerPixel", 1)), int(header.BitsAllocated)
        bits = int(header.get("BitsStored", allocated))
        photometric, signed = str(header.PhotometricInterpretation), bool(header.get("PixelRepresentation", 0))
    except (AttributeError, TypeError, ValueError):
        raise FormatError(
            f"{name}: expected a DICOM image, got no rows, columns or bits; it may be a report or a directory"
        ) from None
    size = height * width * samples * max(allocated, 8) // 8
    if min(height, width, frames) < 1 or allocated not in (8, 16) or not 1 <= bits <= allocated or signed:
        raise FormatError(
            f"{name}: expected unsigned pixels of 8 or 16 bits, got {frames} frames of {height} x {width},"
            f" {'signed, ' if signed else ''}{bits} of {allocated} bits; export it as 8-bit images"
        )
    if size > MAX_FRAME_BYTES:
        raise FormatError(
            f"{name}: expected frames under {MAX_FRAME_BYTES >> 20} MiB, got {height} x {width}; is it damaged?"
        )
    return _Layout((height, width), frames, photometric, bits, signed)


def _decoder(header: Dataset, name: str) -> Decoder:
    from pydicom.pixels import get_decoder  # noqa: PLC0415

    syntax = getattr(header.file_meta, "TransferSyntaxUID", None)
    title = getattr(syntax, "name", None) or str(syntax)
    if any(word in title for word in _VIDEO):
        raise FormatError(f"{name}: expected pictures, got a video inside DICOM ({title}); export it as a video file")
    try:
        decoder = get_decoder(syntax)
    except (NotImplementedError, TypeError, AttributeError):
        raise FormatError(
            f"{name}: expected a transfer syntax of pictures, got {title}; export it uncompressed or as JPEG"
        ) from None
    if not decoder.is_available:
        wanted = next((words for key, words in _DECODERS.items() if key in title), "uncompressed export")
        raise MissingExtraError(f"{name}: expected a decoder for {title}, got none installed; it needs {wanted}")
    return decoder


def _check_length(header: Dataset, layout: _Layout, decoder: Decoder, path: Path) -> None:
    """Refuse uncompressed pixel data that is shorter than the header says, before memory is taken for it."""
    if decoder.is_encapsulated:
        return
    samples = int(header.get("SamplesPerPixel", 1))
    wide = 2 if layout.photometric == "YBR_FULL_422" else samples
    need = layout.shape[0] * layout.shape[1] * wide * (int(header.BitsAllocated) // 8) * layout.frames
    if need > path.stat().st_size:
        raise FormatError(
            f"{path.name}: expected {need} bytes of pixels for {layout.frames} frames of {layout.shape[0]} x"
            f" {layout.shape[1]}, got a file of {path.stat().st_size}; it is cut short or its header is wrong"
        )


def _discreet_name(path: Path, header: Dataset) -> str:
    """Return the file's name, unless it holds the patient's name or id: results and logs never do."""
    words = [str(header.get(key, "")).casefold() for key in ("PatientName", "PatientID")]
    parts = {part for word in words for part in word.replace("^", " ").split() if len(part) > 2}
    return "recording.dcm" if any(part in path.stem.casefold() for part in parts) else path.name


def _reason(error: BaseException) -> str:
    return one_line(error) or type(error).__name__
