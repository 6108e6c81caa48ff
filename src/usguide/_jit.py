"""The one Numba policy: compiled once, cached, without the GIL, and with IEEE NaN and infinity kept.

Fast-math is limited to the flags that let sums be reassociated and contracted. ``nnan`` and ``ninf`` stay off, so
that a NaN which slips in comes out as NaN and not as a wrong number.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numba
import numpy as np

U = np.uint64
"""Indices that can't be negative need no wrapping, which is what lets loops over them be vectorised."""

F = TypeVar("F", bound=Callable[..., Any])

SAFE_MATH = frozenset({"contract", "reassoc", "nsz", "arcp"})


def kernel(function: F) -> F:
    """Compile `function` under the project's policy."""
    compiled: F = numba.njit(function, cache=True, nogil=True, fastmath=set(SAFE_MATH), error_model="numpy")
    # Numba knows what it has compiled by the file that it is in alone, though the functions and constants of other files
    # are compiled into it: after an upgrade it would run with those of before. There is no public way to tell it.
    # With compilation or its cache switched off there is nothing to tell.
    file = getattr(getattr(compiled, "_cache", None), "_cache_file", None)
    if file is not None:
        file._source_stamp = (file._source_stamp, digest_of_kernels())  # noqa: SLF001
    return compiled


def kernel_files() -> list[Path]:
    """Return every file whose functions are compiled, this one among them."""
    here = Path(__file__).parent
    found = [p for pattern in ("*/_kernels/*.py", "*/_kernels.py", "*/*/_kernels.py") for p in here.glob(pattern)]
    return sorted([*found, here / "_area.py", Path(__file__)])


@cache
def digest_of_kernels() -> bytes:
    """Return what differs where any of `kernel_files` does."""
    digest = hashlib.blake2b(digest_size=16)
    for path in kernel_files():
        digest.update(path.read_bytes())
    return digest.digest()
