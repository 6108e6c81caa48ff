"""Overlays as a video, or as a picture each for stills."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from usguide.draw import SpreadTrail, draw_overlay
from usguide.errors import FormatError
from usguide.types import Frame, GuidanceResult

RATE_HZ = (1.0, 240.0)
"""Lowest and highest rate of the video: MPEG-4 can't state every rate that a list of times can imply."""


class OverlayVideo:
    """MPEG-4 video at a constant rate; pictures of another size are fitted into the first one's.

    Parameters
    ----------
    path : Path
        Ending in ``.mp4``.
    frame_rate_hz : float
        Of the recording; held within `RATE_HZ` for the video (`rate_hz`).
    """

    def __init__(self, path: Path, frame_rate_hz: float) -> None:
        self._path = path
        # MPEG-4 counts time in at most 65,535 parts of a second: three decimals fit, more may not.
        self.rate_hz = round(min(max(frame_rate_hz, RATE_HZ[0]), RATE_HZ[1]), 3)
        self._written = 0
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)
        self._trail = SpreadTrail()

    def write(self, frame: Frame, result: GuidanceResult) -> None:
        """Draw and encode one frame."""
        self.write_picture(draw_overlay(frame, result, self._trail))

    def write_picture(self, picture: NDArray[np.uint8]) -> None:
        """Encode one BGR picture with even sides."""
        if self._writer is None:
            self._size = (picture.shape[1], picture.shape[0])
            code = cv2.VideoWriter.fourcc(*"mp4v")
            self._writer = cv2.VideoWriter(str(self._path), cv2.CAP_FFMPEG, code, self.rate_hz, self._size)
            if not self._writer.isOpened():
                raise FormatError(f"{self._path.name}: OpenCV can't write MPEG-4 video here; use --no-video")
        self._writer.write(_fitted(picture, self._size))
        self._written += 1

    def close(self) -> None:
        """Finish the file.

        Raises
        ------
        FormatError
            It is not whole: OpenCV does not say so while it writes. What can't be played is removed.
        """
        if self._writer is None:
            return
        self.release()
        check = cv2.VideoCapture(str(self._path))
        playable, frames = check.read()[0], int(check.get(cv2.CAP_PROP_FRAME_COUNT))
        check.release()
        if playable and frames == self._written:
            return
        if not playable:
            self._path.unlink(missing_ok=True)
        raise FormatError(
            f"overlay video: expected {self._written} frames, {frames if playable else 0} can be read back"
        )

    def release(self) -> None:
        """Let go of the file, whole or not."""
        if self._writer is not None:
            self._writer.release()
            self._writer = None


def _fitted(picture: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    w, h = size
    if picture.shape[:2] == (h, w):
        return picture
    scale = min(w / picture.shape[1], h / picture.shape[0])
    inner = (max(1, int(picture.shape[1] * scale)), max(1, int(picture.shape[0] * scale)))
    out = np.zeros((h, w, 3), np.uint8)
    x, y = (w - inner[0]) // 2, (h - inner[1]) // 2
    out[y : y + inner[1], x : x + inner[0]] = cv2.resize(picture, inner, interpolation=cv2.INTER_AREA)
    return out


class OverlayPictures:
    """``overlays/0000_NAME.png`` for each still.

    Parameters
    ----------
    folder : Path
        Made when the first picture is written.
    names : sequence of str
        Name of the picture at each index.
    """

    def __init__(self, folder: Path, names: list[str]) -> None:
        self._folder, self._names = folder, names

    def write(self, frame: Frame, result: GuidanceResult) -> None:
        """Draw and write one picture."""
        self._folder.mkdir(exist_ok=True)
        name = self._names[frame.index] if frame.index < len(self._names) else "picture"
        ok, data = cv2.imencode(".png", draw_overlay(frame, result))
        if not ok:
            raise FormatError(f"{name}: the overlay can't be encoded as PNG")
        (self._folder / f"{frame.index:04d}_{name}.png").write_bytes(data.tobytes())

    def close(self) -> None:
        """Nothing is open between pictures."""
