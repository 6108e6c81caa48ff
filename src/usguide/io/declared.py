"""What a header declares, held against what its file can hold, before memory is taken for it."""

from __future__ import annotations

from usguide.errors import FormatError
from usguide.io.source import MIN_SIDE_PX

MAX_FRAME_BYTES = 1 << 28
"""No scanner has larger frames; a header that says so is damaged."""
MAX_INFLATION = 1032
"""Deflate can't do better: a header that declares more than this many times its file is wrong."""


def check_frames(name: str, frames: int, shape: tuple[int, int], frame_bytes: int) -> None:
    """Refuse frames that no scanner makes.

    Parameters
    ----------
    name : str
        What errors call the file.
    frames : int
    shape : (int, int)
        (H, W) of a frame, px.
    frame_bytes : int
        Size of a decoded frame.

    Raises
    ------
    FormatError
        None, too small or too large.
    """
    if frames < 1 or min(shape) < MIN_SIDE_PX or frame_bytes > MAX_FRAME_BYTES:
        raise FormatError(
            f"{name}: expected frames of {MIN_SIDE_PX} x {MIN_SIDE_PX} px to {MAX_FRAME_BYTES >> 20} MiB, got {frames} of"
            f" {shape[0]} x {shape[1]} px; its header may be damaged: copy or export it again"
        )


def check_bytes(name: str, declared: int, available: int, *, inflation: int = 1) -> None:
    """Refuse a header that declares more bytes of pixels than the file can hold.

    Raises
    ------
    FormatError
        `declared` is above `available` times `inflation`.
    """
    if declared > available * inflation:
        raise FormatError(
            f"{name}: expected {declared} bytes of pixels as its header says, got a file with {available}; it is cut short"
            " or its header is wrong: copy or export it again"
        )
