"""The one place that sets threads, for OpenCV and for row slabs of our own kernels.

OpenCV's thread count is a setting of the whole process, so nobody else in the package touches it.
"""

from __future__ import annotations

import itertools

import cv2

from usguide.errors import InputError


def set_opencv_threads(threads: int = 1) -> None:
    """Let OpenCV use `threads` threads in this process (1 is the default of usguide's command line).

    Parameters
    ----------
    threads : int
        At least 1.
    """
    if threads < 1:
        raise InputError(f"threads: expected at least 1, got {threads}")
    cv2.setNumThreads(threads)


def row_slabs(height: int, threads: int) -> list[tuple[int, int]]:
    """Split `height` rows into at most `threads` contiguous slabs of nearly equal size.

    Returns
    -------
    list of (int, int)
        Half-open row ranges that cover ``0..height`` in order.
    """
    count = max(1, min(threads, height))
    edges = [height * k // count for k in range(count + 1)]
    return list(itertools.pairwise(edges))
