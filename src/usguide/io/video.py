"""Video files and cameras, through OpenCV."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# FFmpeg writes its own complaints to stderr unless told otherwise before OpenCV loads it; ours are one line.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

import cv2
import numpy as np
from numpy.typing import NDArray

from usguide.errors import FormatError
from usguide.io.source import ASSUMED_RATE_HZ, BaseSource, SourceInfo, SourceOptions, check_first, missing_of
from usguide.types import Frame

VIDEO_SUFFIXES = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".ogv")

GREY_TOLERANCE = 24
"""Chroma of a grey video, after compression, stays within this many grey levels."""


def grey_if_colourless(pixels: NDArray[Any]) -> NDArray[Any]:
    """Return one channel where the picture is grey (compression leaves a trace of colour), else the picture."""
    if pixels.ndim == 2:
        return pixels
    sample = pixels[::4, ::4, :3].astype(np.int32)
    if (sample.max(axis=2) - sample.min(axis=2)).max() <= GREY_TOLERANCE * (257 if pixels.dtype == np.uint16 else 1):
        return np.ascontiguousarray(pixels[..., 1])
    return np.ascontiguousarray(pixels[..., :3])


def _quiet_capture(target: str | int) -> cv2.VideoCapture:
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        return cv2.VideoCapture(target)
    except cv2.error:
        return cv2.VideoCapture()
    finally:
        cv2.utils.logging.setLogLevel(level)


class VideoSource(BaseSource):
    """A video file, with its presentation timestamps.

    Parameters
    ----------
    path : Path
        Any container and codec that OpenCV's FFmpeg reads.
    options : SourceOptions
    """

    def __init__(self, path: Path, options: SourceOptions) -> None:
        self._path = path
        self._capture = _quiet_capture(str(path))
        ok, first = self._capture.read() if self._capture.isOpened() else (False, None)
        if not ok or first is None:
            self._capture.release()
            size = path.stat().st_size
            raise FormatError(f"{path.name}: expected a video, got {size} bytes that can't be decoded; is it complete?")
        pixels = grey_if_colourless(first)
        try:
            check_first(pixels, options.region, path.name, options.full_scale)
            count = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
            rate = options.frame_rate_hz or float(self._capture.get(cv2.CAP_PROP_FPS))
            rate_known = math.isfinite(rate) and 0 < rate <= 1000
            geometry, spacing_source = options.geometry_for(pixels.shape[:2], options.region)
            given = options.frame_rate_hz is not None
            super().__init__(
                SourceInfo(
                    name=path.name,
                    kind="video",
                    frame_count=count if count > 0 else None,
                    shape=(pixels.shape[0], pixels.shape[1]),
                    dtype=str(pixels.dtype),
                    channels=1 if pixels.ndim == 2 else 3,
                    geometry=geometry,
                    spacing_source=spacing_source,
                    region=options.region,
                    region_source="given" if options.region else "whole frame",
                    frame_rate_hz=rate if rate_known else None,
                    times_source="frame rate given" if given else "presentation timestamps",
                    missing=missing_of(geometry, rate if rate_known else None, options.region),
                ),
                options,
            )
        except BaseException:
            self._capture.release()
            raise

    def __iter__(self) -> Iterator[Frame]:
        """Decode the file from its start; the times are those of presentation, uneven where the file's are."""
        self._capture.release()
        self._capture = _quiet_capture(str(self._path))
        step = 1.0 / (self.info.frame_rate_hz or ASSUMED_RATE_HZ)
        last, index = -math.inf, 0
        while True:
            ok, raw = self._capture.read()
            if not ok or raw is None:
                break
            now = float(self._capture.get(cv2.CAP_PROP_POS_MSEC)) / 1e3
            if self.options.frame_rate_hz is not None:
                now = index * step
            elif not math.isfinite(now) or now <= last:
                # Some containers have no usable time for some frames.
                now = last + step if index else 0.0
                self.note("some presentation timestamps do not increase; those frames were spaced by the frame rate")
            last = now
            frame = self.frame(grey_if_colourless(raw), index, now)
            if frame is not None:
                yield frame
            index += 1
        if self.info.frame_count is not None and index < self.info.frame_count:
            self.note(
                f"the header says {self.info.frame_count} frames, {index} could be read; the file may be cut short"
            )

    def close(self) -> None:
        """Release the file."""
        self._capture.release()


class CameraSource(BaseSource):
    """A camera or frame grabber by its number; times are those of arrival.

    Parameters
    ----------
    number : int
        As the system counts its cameras.
    options : SourceOptions
    """

    def __init__(self, number: int, options: SourceOptions) -> None:
        self._capture = _quiet_capture(number)
        ok, first = self._capture.read() if self._capture.isOpened() else (False, None)
        if not ok or first is None:
            self._capture.release()
            raise FormatError(f"camera:{number}: expected a camera that gives pictures, got none; is it plugged in?")
        pixels = grey_if_colourless(first)
        geometry, spacing_source = options.geometry_for(pixels.shape[:2], options.region)
        try:
            check_first(pixels, options.region, f"camera:{number}", options.full_scale)
            super().__init__(
                SourceInfo(
                    name=f"camera:{number}",
                    kind="camera",
                    frame_count=None,
                    shape=(pixels.shape[0], pixels.shape[1]),
                    dtype=str(pixels.dtype),
                    channels=1 if pixels.ndim == 2 else 3,
                    geometry=geometry,
                    spacing_source=spacing_source,
                    region=options.region,
                    region_source="given" if options.region else "whole frame",
                    frame_rate_hz=options.frame_rate_hz,
                    times_source="time of arrival",
                    missing=missing_of(geometry, 1.0, options.region),
                ),
                options,
            )
        except BaseException:
            self._capture.release()
            raise

    def __iter__(self) -> Iterator[Frame]:
        """Give pictures as they arrive, until the camera stops."""
        start, index = time.monotonic(), 0
        while True:
            ok, raw = self._capture.read()
            if not ok or raw is None:
                return
            frame = self.frame(grey_if_colourless(raw), index, time.monotonic() - start)
            if frame is not None:
                yield frame
            index += 1

    def close(self) -> None:
        """Release the device."""
        self._capture.release()
