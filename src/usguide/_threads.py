"""The one place that sets threads, for OpenCV and for row slabs of our own kernels.

OpenCV's thread count is a setting of the whole process, so nobody else in the package touches it.
"""

from __future__ import annotations

import itertools
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from numbers import Integral

import cv2

from usguide.errors import InputError


def set_opencv_threads(threads: int = 1) -> None:
    """Let OpenCV use `threads` threads in this process (1 is the default of usguide's command line).

    Parameters
    ----------
    threads : int
        At least 1.
    """
    cv2.setNumThreads(validate_threads(threads))


def validate_threads(threads: int) -> int:
    """Return a whole number of threads, at least 1, else raise `InputError`."""
    if not isinstance(threads, Integral) or threads < 1:
        raise InputError(f"threads: expected a whole number, at least 1, got {threads!r}")
    return int(threads)


def row_slabs(height: int, threads: int, multiple: int = 1) -> list[tuple[int, int]]:
    """Split `height` rows into at most `threads` contiguous slabs of nearly equal size.

    Parameters
    ----------
    height, threads : int
    multiple : int
        Slabs begin at rows that divide by this.

    Returns
    -------
    list of (int, int)
        Half-open row ranges that cover ``0..height`` in order.
    """
    blocks = -(-height // multiple)
    count = max(1, min(threads, blocks))
    edges = [min(blocks * k // count * multiple, height) for k in range(count + 1)]
    return list(itertools.pairwise(edges))


FIRST, BESIDE = 2, 1
"""Of the thread that works on frames; of those around it, which hold Python's lock now and then: it waits for them."""
NICENESS_EACH = -5


def prefer_this_thread(level: int) -> bool:
    """Ask the system to run this thread before those of other programs: a browser should not make it late.

    Real-time scheduling is asked for first, since niceness counts within a session only (Linux groups processes by
    session, and the browser has another one than the terminal). The system keeps a share for other threads. Threads
    that this one starts are ordinary ones.

    Parameters
    ----------
    level : int
        `FIRST` or `BESIDE`.

    Returns
    -------
    bool
        Whether the system agreed. It takes Linux, and a user who may (root, CAP_SYS_NICE, or a limit ``rtprio``
        above 0); else nothing changes.
    """
    if not sys.platform.startswith("linux"):
        return False
    thread = threading.get_native_id()  # on Linux, class and niceness belong to a thread
    try:
        os.sched_setscheduler(thread, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(level))
    except OSError:
        try:
            os.setpriority(os.PRIO_PROCESS, thread, level * NICENESS_EACH)
        except OSError:
            return False
    return True


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max(2, os.cpu_count() or 2), thread_name_prefix="usguide-slab")


# A forked child has the pool's object but none of its threads.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)


def run_slabs(function: Callable[[int, int], None], height: int, threads: int, multiple: int = 1) -> None:
    """Call `function(y0, y1)` on slabs that cover all rows, the first here and the others in the pool.

    The function must not depend on where slabs begin, and must not call this itself.
    """
    first, *others = row_slabs(height, threads, multiple)
    if not others:
        function(*first)
        return
    futures = [_pool().submit(function, *slab) for slab in others]
    try:
        function(*first)
    finally:
        for future in futures:
            future.result()
