"""A reader of a format that usguide does not know: one small class, and everything else works as with the others.

    python examples/own_reader.py

The toy format: a line ``TOYUS frames height width mm_per_px hz``, and then the frames, a byte for each pixel.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import usguide as ug
from usguide.io.declared import check_bytes, check_frames
from usguide.io.options import SourceOptions
from usguide.io.source import BaseSource, SourceInfo, missing_of
from usguide.io.stored import StoredPixels
from usguide.io.times import timeline


class ToySource(BaseSource):
    """Frames of a toy recording; what the user states in `options` goes before what the file says."""

    def __init__(self, path: Path, options: SourceOptions) -> None:
        with path.open("rb") as stream:
            words, start = stream.readline(200).split(), stream.tell()
        try:
            frames, height, width = (int(w) for w in words[1:4])
            spacing_mm, rate_hz = (float(w) for w in words[4:6])
            from_file = ug.ImageGeometry(spacing_mm, spacing_mm)
        except ValueError:
            raise ug.FormatError(f"{path.name}: expected the line TOYUS and five numbers, got another") from None
        check_frames(path.name, frames, (height, width), height * width)
        self._shape, self._pixels = (height, width), StoredPixels(path, start, "raw")
        check_bytes(path.name, frames * height * width, self._pixels.available_bytes)
        geometry, spacing_source = options.geometry_for(self._shape, options.region, from_file)
        self._timeline = times = timeline(frames, options, path.name, np.arange(frames) / rate_hz)
        super().__init__(
            SourceInfo(
                name=path.name,
                kind="sequence",
                frame_count=frames,
                shape=self._shape,
                dtype="uint8",
                channels=1,
                geometry=geometry,
                spacing_source=spacing_source,
                region=options.region,
                region_source="given" if options.region else "whole frame",
                frame_rate_hz=times.rate_hz,
                times_source=times.source,
                missing=missing_of(geometry, options.region, times_known=times.is_known),
            ),
            options,
        )

    def __iter__(self) -> Iterator[ug.Frame]:
        """Give the frames; `frame` counts and leaves out those that can't be used."""
        self.begin()
        for index, data in enumerate(self._pixels.frames(self._shape[0] * self._shape[1])):
            pixels = np.frombuffer(data, np.uint8).reshape(self._shape)
            frame = self.frame(pixels, index, float(self._timeline.times_s[index]))
            if frame is not None:
                yield frame


def main() -> None:
    """Write a shipped phantom as a toy recording, and track the needle in it."""
    with ug.open_source("phantom:inplane-fascia") as source:
        frames = [f for f in source if f.index < 10]
    height, width = frames[0].shape
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scan.toyus"
        header = f"TOYUS {len(frames)} {height} {width} {frames[0].geometry.axial_mm_per_px} 20\n"
        path.write_bytes(header.encode() + b"".join(f.pixels.tobytes() for f in frames))
        pipeline = ug.GuidancePipeline(ug.InsertionPrior("left", (15, 60)))
        with ToySource(path, SourceOptions.checked()) as toy:
            print(f"{toy.info.name}: {toy.info.frame_count} frames at {toy.info.frame_rate_hz:g} Hz")
            for frame in toy:
                print(frame.index, pipeline.step(frame).state)


if __name__ == "__main__":
    main()
