"""Cameras, frame grabbers and network streams, through OpenCV."""

from __future__ import annotations

import time

import cv2

from usguide.errors import FormatError, InputError
from usguide.io._opencv import grey_if_colourless
from usguide.io.options import SourceOptions
from usguide.io.video import open_capture, read_picture
from usguide.live.addresses import Address
from usguide.live.frames import LiveFrame

OPEN_TIMEOUT_MS, READ_TIMEOUT_MS = 3000, 1500
"""Of a stream: after the first nobody sends, after the second nobody sends any more."""

STREAM_PARAMETERS = (
    # One decoder thread: several hold back a frame each, which costs 33 ms at 30 frames/s (docs/live.md).
    *(cv2.CAP_PROP_N_THREADS, 1),
    *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, OPEN_TIMEOUT_MS),
    *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, READ_TIMEOUT_MS),
)


class CaptureLive:
    """A camera or a stream; frames carry no time of their own, so that of arrival is used.

    Parameters
    ----------
    target : str or int
        Address of a stream, or number of a camera.
    name : str
    options : SourceOptions
        With a spacing or depth: no picture states one.
    parameters : sequence of int
        OpenCV's properties and their values.

    Raises
    ------
    InputError
        The spacing is missing.
    """

    dropped = 0

    def __init__(self, target: str | int, name: str, options: SourceOptions, parameters: tuple[int, ...] = ()) -> None:
        self.name = name
        self._target, self._options, self._parameters = target, options, parameters
        self._capture: cv2.VideoCapture | None = None
        if options.spacing_mm is None and options.depth_mm is None:
            raise InputError(f"{name}: spacing is missing; state --spacing-mm (mm per px) or --depth-mm")

    def open(self) -> None:
        """Connect.

        Raises
        ------
        FormatError
            Nothing there that gives pictures.
        """
        if self._capture is not None:
            return
        capture = open_capture(self._target, self._parameters)
        if not capture.isOpened():
            capture.release()
            raise FormatError(f"{self.name}: expected something that gives pictures, got none; is it on, and free?")
        self._capture = capture

    def read(self, timeout_s: float) -> LiveFrame | None:
        """Wait for the next picture, for as long as OpenCV does (a stream: 1.5 s).

        Raises
        ------
        FormatError
            No picture came.
        """
        del timeout_s
        raw = None if self._capture is None else read_picture(self._capture)
        arrival_s = time.monotonic()
        if raw is None:
            raise FormatError(f"{self.name}: it stopped giving pictures")
        pixels = grey_if_colourless(raw)
        region = self._options.region
        geometry, _ = self._options.geometry_for((pixels.shape[0], pixels.shape[1]), region)
        if geometry is None:
            raise AssertionError("a spacing was stated")
        return LiveFrame(pixels, geometry, None, arrival_s, region=region, full_scale=self._options.full_scale)

    def close(self) -> None:
        """Let go of the device."""
        if self._capture is not None:
            self._capture.release()
            self._capture = None


def camera(address: Address, options: SourceOptions) -> CaptureLive:
    """Return a camera or frame grabber (V4L2, UVC) by its number."""
    return CaptureLive(int(address.path), address.name, options)


def stream(address: Address, options: SourceOptions) -> CaptureLive:
    """Return a network stream that FFmpeg reads."""
    return CaptureLive(address.text, address.name, options, STREAM_PARAMETERS)
