"""DICOM: single pictures and cine loops, frame by frame. Patient names and ids are never kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from usguide.errors import FormatError
from usguide.io.dicom_colour import picture_of
from usguide.io.dicom_file import DicomFile
from usguide.io.dicom_header import choose_region, read_facts
from usguide.io.options import SourceOptions, geometry_of_spacing
from usguide.io.source import BaseSource, SourceInfo, check_first, missing_of, reason_of
from usguide.io.times import timeline
from usguide.types import Frame


class DicomSource(BaseSource):
    """A DICOM picture or cine loop.

    Parameters
    ----------
    path : Path
    options : SourceOptions
        Goes before what the file says.

    Raises
    ------
    FormatError
        No DICOM, no pictures, damaged, or a transfer syntax that nothing reads.
    MissingExtraError
        pydicom, or what decodes the compression, is not installed.
    """

    def __init__(self, path: Path, options: SourceOptions) -> None:
        self._file = file = DicomFile(path)
        layout = file.layout
        facts = read_facts(file.header, layout.shape, layout.frames)
        notes = list(facts.notes)
        region = choose_region(facts.regions, options.region, notes)
        box, region_source = options.region, "given"
        if box is None:
            box, region_source = (region.box, "file") if region else (None, "whole frame")
        white = 255 if layout.photometric == "PALETTE COLOR" else layout.white
        options = replace(options, region=box, full_scale=options.full_scale or float(white))
        spacing = region.spacing_mm if region else facts.pixel_spacing_mm
        geometry, spacing_source = options.geometry_for(layout.shape, box, geometry_of_spacing(spacing))
        self._timeline = timeline(layout.frames, options, file.name, facts.times_s, facts.times_source)
        first = self._first()
        check_first(first, box, file.name, options.full_scale)
        super().__init__(
            SourceInfo(
                name=file.name,
                kind="dicom",
                frame_count=layout.frames,
                shape=layout.shape,
                dtype=str(first.dtype),
                channels=1 if first.ndim == 2 else 3,
                geometry=geometry,
                spacing_source=spacing_source,
                region=box,
                region_source=region_source,
                frame_rate_hz=self._timeline.rate_hz,
                times_source=self._timeline.source,
                missing=missing_of(geometry, box, times_known=self._timeline.is_known),
            ),
            options,
        )
        for text in notes:
            self.note(text)

    def _first(self) -> NDArray[Any]:
        try:
            return next(self._pictures(0))
        except Exception as error:  # noqa: BLE001  (its decoders raise whatever they like on damaged data)
            raise FormatError(
                f"{self._file.name}: expected frames that can be decoded, got: {reason_of(error)}; copy or export it again"
            ) from None

    def _pictures(self, start: int) -> Iterator[NDArray[Any]]:
        for values, colour_space in self._file.frames(start):
            yield picture_of(values, colour_space, self._file.header, self._file.layout.white)

    def __iter__(self) -> Iterator[Frame]:
        """Give the frames in order; one that can't be decoded is counted and left out."""
        self.begin()
        count, index = self._file.layout.frames, 0
        pictures = self._pictures(0)
        while index < count and not self._closed:
            try:
                pixels = next(pictures)
            except StopIteration:
                self.skip(f"frame {index} and later ones left out: the file ends early", frames=count - index)
                return
            except Exception as error:  # noqa: BLE001  (as above)
                self.skip(f"frame {index} left out: {reason_of(error)}")
                index += 1
                pictures = self._pictures(index)
                continue
            frame = self.frame(pixels, index, float(self._timeline.times_s[index]))
            if frame is not None:
                yield frame
            index += 1
