"""Figures over many sequences, with 95 % intervals from a bootstrap over sequences.

Frames of one sequence resemble each other, so sequences are resampled and not frames: an interval says what another
set of sequences of this kind could have given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from usguide.errors import InputError
from usguide.metrics.summaries import interpolate, quantile, split_position

RESAMPLES = 2000
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95 % percentile interval; infinite where misses reach it, None where there is nothing to say.

    The interval is None where fewer than two sequences contribute. Resamples in which the figure is undefined (such as
    recall over needle-free sequences alone) are left out of it.
    """

    value: float | None
    low: float | None = None
    high: float | None = None


def resample_counts(sequences: int, *, resamples: int = RESAMPLES, seed: int = 0) -> NDArray[np.int64]:
    """How often each sequence is drawn in each resample (with replacement, as many as there are).

    Parameters
    ----------
    sequences : int
        0 or more.
    resamples : int
        1 or more.
    seed : int
        Same seed, same draws.

    Returns
    -------
    ndarray of int64, shape (resamples, sequences)
        Each row sums to `sequences`.

    Raises
    ------
    InputError
        No resamples.
    """
    if resamples < 1:
        raise InputError(f"resamples: expected 1 or more, got {resamples}")
    if sequences == 0:
        return np.zeros((resamples, 0), dtype=np.int64)
    return np.random.default_rng(seed).multinomial(sequences, np.full(sequences, 1 / sequences), size=resamples)


def estimate_ratio(numerators: ArrayLike, denominators: ArrayLike, counts: NDArray[np.int64]) -> Estimate:
    """Sum over sum: a share, rate or mean over the frames of all sequences.

    Parameters
    ----------
    numerators, denominators : array_like, shape (S,)
        Of each sequence; a denominator of 0 contributes nothing.
    counts : ndarray, shape (R, S)
        See `resample_counts`.

    Returns
    -------
    Estimate
    """
    top, bottom = np.asarray(numerators, dtype=float), np.asarray(denominators, dtype=float)
    total = float(bottom.sum())
    if total == 0:
        return Estimate(None)
    value = float(top.sum()) / total
    if np.count_nonzero(bottom) < 2:
        return Estimate(value)
    tops, bottoms = counts @ top, counts @ bottom
    known = bottoms > 0
    return _with_interval(value, tops[known] / bottoms[known])


def estimate_quantile(groups: Sequence[ArrayLike], q: float, counts: NDArray[np.int64]) -> Estimate:
    """Quantile over the pooled errors of all sequences.

    Parameters
    ----------
    groups : sequence of S array_like, shape (N_s,)
        Errors of each sequence; NaN is left out, infinity is a miss.
    q : float
        0..1.
    counts : ndarray, shape (R, S)
        See `resample_counts`.

    Returns
    -------
    Estimate
    """
    known = [np.asarray(g, dtype=float).ravel() for g in groups]
    known = [np.sort(g[~np.isnan(g)]) for g in known]
    values = np.concatenate([*known, np.empty(0)])
    if values.size == 0:
        return Estimate(None)
    value = quantile(values, q)
    if sum(g.size > 0 for g in known) < 2:
        return Estimate(value)
    totals = counts @ [g.size for g in known]
    drawn, totals = counts[totals > 0], totals[totals > 0]
    low, part = split_position(q, totals)
    places = np.stack([low, np.minimum(low + 1, totals - 1)])
    ends = _values_at(known, drawn, places)
    return _with_interval(value, interpolate(ends[0], ends[1], part))


def _values_at(
    groups: Sequence[NDArray[np.float64]], counts: NDArray[np.int64], places: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the values at `places` (2, R) of each resample's sorted values, by bisection and without listing them."""
    distinct = np.unique(np.concatenate(groups))
    first, last = np.zeros_like(places), np.full_like(places, distinct.size - 1)
    while (first < last).any():
        middle = (first + last) // 2
        reached = np.zeros_like(places)
        for group, drawn in zip(groups, counts.T, strict=True):
            reached += drawn * np.searchsorted(group, distinct[middle], side="right")
        enough = reached > places
        first, last = np.where(enough, first, np.minimum(middle + 1, last)), np.where(enough, middle, last)
    return distinct[first]


def _with_interval(value: float, resampled: NDArray[np.float64]) -> Estimate:
    tail = (1 - LEVEL) / 2
    return Estimate(value, quantile(resampled, tail), quantile(resampled, 1 - tail))
