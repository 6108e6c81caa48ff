"""Distribution of an error: a miss is infinite and stays in every figure."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, slots=True)
class ErrorSummary:
    """Distribution of an error, in the error's unit; None where there is nothing to summarise.

    A miss is infinite. One miss makes the mean, the SD and the RMS infinite; a percentile is infinite where the misses
    reach down to it. Of a signed error, `mean`, `median` and the quartiles are signed; `rms`, `p95` and `maximum` are of
    its magnitude.
    """

    count: int
    """Misses included; unknown errors (NaN) left out."""
    mean: float | None
    sd: float | None
    """With n - 1; None for a single error."""
    median: float | None
    p95: float | None
    maximum: float | None
    misses: int = 0
    """How many of `count` are infinite."""
    rms: float | None = None
    p25: float | None = None
    p75: float | None = None
    iqr: float | None = None
    """From `p25` to `p75`; infinite if `p75` is."""


def quantile(values: ArrayLike, q: float) -> float:
    """Quantile by linear interpolation; infinite where one of the two neighbours it lies between is.

    Parameters
    ----------
    values : array_like, shape (N,)
        At least one, no NaN; infinities are sorted last.
    q : float
        0..1.

    Returns
    -------
    float
    """
    ordered = np.sort(np.asarray(values, dtype=float))
    low, part = split_position(q, ordered.size)
    high = min(int(low) + 1, ordered.size - 1)
    return float(interpolate(ordered[int(low)], ordered[high], part))


def split_position(q: float, count: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Whole and fractional part of a quantile's place among `count` sorted values."""
    # Rounded, so that a last bit in q does not lead to the next value, which may be infinite.
    position = np.round(q * (np.asarray(count) - 1), 9)
    whole = np.floor(position).astype(np.int64)
    return whole, position - whole


def interpolate(low: ArrayLike, high: ArrayLike, part: ArrayLike) -> NDArray[np.float64]:
    """Between `low` and `high` by `part`, 0..1: `low` itself at 0, otherwise infinite if `high` is."""
    a, b, t = np.broadcast_arrays(np.asarray(low, float), np.asarray(high, float), np.asarray(part, float))
    out = np.where(t > 0, b, a)
    finite = np.isfinite(a) & np.isfinite(b)
    out[finite] = a[finite] + t[finite] * (b[finite] - a[finite])
    return out


def summarise(errors: ArrayLike, *, signed: bool = False) -> ErrorSummary:
    """Summarise errors.

    Parameters
    ----------
    errors : array_like, shape (N,)
        NaN is unknown and left out; infinity is a miss and is not.
    signed : bool
        Whether the sign means something: see `ErrorSummary`.

    Returns
    -------
    ErrorSummary
    """
    values = np.asarray(errors, dtype=float).ravel()
    values = values[~np.isnan(values)]
    if values.size == 0:
        return ErrorSummary(0, None, None, None, None, None)
    values = np.where(np.isinf(values), math.inf, values)  # a miss has no side
    size = np.abs(values)
    if not signed:
        values = size
    misses = int(np.count_nonzero(np.isinf(size)))
    p25, median, p75 = (quantile(values, q) for q in (0.25, 0.5, 0.75))
    sd = None if values.size == 1 else math.inf if misses else float(values.std(ddof=1))
    return ErrorSummary(
        count=int(values.size),
        mean=float(values.mean()),
        sd=sd,
        median=median,
        p95=quantile(size, 0.95),
        maximum=float(size.max()),
        misses=misses,
        rms=float(np.sqrt(np.mean(size**2))),
        p25=p25,
        p75=p75,
        iqr=math.inf if math.isinf(p75) else p75 - p25,
    )
