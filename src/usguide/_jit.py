"""The one Numba policy: compiled once, cached, without the GIL, and with IEEE NaN and infinity kept.

Fast-math is limited to the flags that let sums be reassociated and contracted. ``nnan`` and ``ninf`` stay off, so
that a NaN which slips in comes out as NaN and not as a wrong number.
"""

from __future__ import annotations

from collections.abc import Callable
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
    return compiled
