"""Video files and cameras, through OpenCV."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from usguide.errors import FormatError, InputError
from usguide.io._opencv import grey_if_colourless, quiet_opencv
from usguide.io.options import SourceOptions
from usguide.io.source import BaseSource, SourceInfo, SourceKind, check_first, missing_of
from usguide.types import Frame

VIDEO_SUFFIXES = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".ogv")

GIVE_UP_AFTER = 100
"""So many frames in a row that can't be decoded are the end of the video."""


def open_capture(target: str | int, parameters: Sequence[int] = ()) -> cv2.VideoCapture:
    """Open a file, an address or a camera by its number; not opened where it can't be.

    Parameters
    ----------
    target : str or int
    parameters : sequence of int
        OpenCV's properties, each followed by its value.
    """
    # OpenCV would try its other backends on a damaged file, and each writes to stderr.
    only_ffmpeg = isinstance(target, str) and cv2.CAP_FFMPEG in cv2.videoio_registry.getStreamBackends()
    with quiet_opencv():
        try:
            return cv2.VideoCapture(target, cv2.CAP_FFMPEG if only_ffmpeg else cv2.CAP_ANY, parameters)
        except cv2.error:
            return cv2.VideoCapture()


def read_picture(capture: cv2.VideoCapture) -> NDArray[Any] | None:
    """Return the next picture, shape (H, W) or (H, W, 3); None where there is none."""
    try:
        ok, pixels = capture.read() if capture.isOpened() else (False, None)
    except cv2.error:
        return None
    return np.asarray(pixels) if ok and pixels is not None else None


def _number(capture: cv2.VideoCapture, what: int, high: float) -> float | None:
    """Return a property of the video where it is a sensible one."""
    value = float(capture.get(what))
    return value if math.isfinite(value) and 0 < value <= high else None


class _CaptureSource(BaseSource):
    """What files and cameras share: a capture that gives pictures of this size."""

    def __init__(self, target: str | int, name: str, kind: SourceKind, refusal: str, options: SourceOptions) -> None:
        if options.timestamps_s is not None:
            raise InputError(f"{name}: expected pictures or an array for timestamps_s, got a {kind}; leave it out")
        self._capture = open_capture(target)
        raw = read_picture(self._capture)
        if raw is None:
            self._capture.release()
            raise FormatError(f"{name}: {refusal}")
        try:
            pixels = grey_if_colourless(raw)
            check_first(pixels, options.region, name, options.full_scale)
            shape = (pixels.shape[0], pixels.shape[1])
            geometry, spacing_source = options.geometry_for(shape, options.region)
            count, rate = None, options.frame_rate_hz
            times = "frame rate given" if rate else "presentation timestamps"
            if kind == "camera":
                times = "time of arrival"
            else:
                count = _number(self._capture, cv2.CAP_PROP_FRAME_COUNT, 1e12)
                rate = rate or _number(self._capture, cv2.CAP_PROP_FPS, 1000)
            super().__init__(
                SourceInfo(
                    name=name,
                    kind=kind,
                    frame_count=None if count is None else int(count),
                    shape=shape,
                    dtype=str(pixels.dtype),
                    channels=1 if pixels.ndim == 2 else 3,
                    geometry=geometry,
                    spacing_source=spacing_source,
                    region=options.region,
                    region_source="given" if options.region else "whole frame",
                    frame_rate_hz=rate,
                    times_source=times,
                    missing=missing_of(geometry, options.region, times_known=True),
                ),
                options,
            )
        except BaseException:
            self._capture.release()
            raise

    def close(self) -> None:
        """Release the file or device."""
        super().close()
        self._capture.release()


class VideoSource(_CaptureSource):
    """A video file, with its presentation timestamps.

    Parameters
    ----------
    path : Path
        Any container and codec that OpenCV's FFmpeg reads.
    options : SourceOptions
    """

    def __init__(self, path: Path, options: SourceOptions) -> None:
        self._path = path
        with path.open("rb"):  # a file that may not be read says so itself
            size = path.stat().st_size
        got = f"{size} bytes that can't be decoded" if size else "an empty file"
        super().__init__(
            str(path), path.name, "video", f"expected a video, got {got}; copy or record it again in full", options
        )
        self._capture.release()
        self._passes: list[cv2.VideoCapture] = []

    def close(self) -> None:
        """Release the file, in passes that are not at their end too."""
        super().close()
        for capture in self._passes:
            capture.release()

    def __iter__(self) -> Iterator[Frame]:
        """Decode the file from its start; the times are those of presentation, uneven where the file's are."""
        self.begin()
        # A capture of its own for each pass: two passes at once do not take each other's frames.
        capture = open_capture(str(self._path))
        self._passes.append(capture)
        step = 1.0 / self.info.frame_rate_hz if self.info.frame_rate_hz else self.step_s
        last, index, failed, read = -math.inf, 0, 0, 0
        try:
            while failed < GIVE_UP_AFTER and not self._closed:
                raw = read_picture(capture)
                if raw is None:
                    failed += 1  # damage in the middle: the decoder goes on behind it; at the end it never does
                    continue
                if failed:
                    self.skip(f"frames {index} to {index + failed - 1} left out: they can't be decoded", frames=failed)
                index, failed, read = index + failed, 0, read + 1
                last = now = self._time_of(capture, index, last, step)
                frame = self.frame(grey_if_colourless(raw), index, now)
                if frame is not None:
                    yield frame
                index += 1
        finally:
            self._passes.remove(capture)
            capture.release()
        stated = self.info.frame_count
        if stated is not None and index < stated and not self._closed:
            self.note(f"the header says {stated} frames, {read} could be read; the file may be cut short")

    def _time_of(self, capture: cv2.VideoCapture, index: int, last: float, step: float) -> float:
        if self.options.frame_rate_hz is not None:
            return index * step
        now = float(capture.get(cv2.CAP_PROP_POS_MSEC)) / 1e3
        if math.isfinite(now) and now > last:
            return now
        # Some containers have no usable time for some frames.
        self.note("some presentation timestamps do not increase; those frames were spaced by the frame rate")
        return last + step if index and math.isfinite(last) else 0.0


class CameraSource(_CaptureSource):
    """A camera or frame grabber by its number; times are those of arrival.

    Parameters
    ----------
    number : int
        As the system counts its cameras.
    options : SourceOptions
    """

    def __init__(self, number: int, options: SourceOptions) -> None:
        name = f"camera:{number}"
        refusal = "expected a camera that gives pictures, got none; is it plugged in, and free?"
        super().__init__(number, name, "camera", refusal, options)

    def __iter__(self) -> Iterator[Frame]:
        """Give pictures as they arrive, until the camera stops or the source is closed."""
        self.begin()
        start, index = time.monotonic(), 0
        while not self._closed:
            raw = read_picture(self._capture)
            if raw is None:
                if not self._closed:
                    self.note(f"the camera stopped after {index} pictures")
                return
            frame = self.frame(grey_if_colourless(raw), index, time.monotonic() - start)
            if frame is not None:
                yield frame
            index += 1
