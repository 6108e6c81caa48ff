"""When each frame was taken, and who says so."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from usguide.errors import InputError
from usguide.io.options import SourceOptions
from usguide.io.source import ASSUMED_RATE_HZ


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """Times of the frames of a recording.

    Parameters
    ----------
    times_s : ndarray, shape (N,)
    rate_hz : float or None
        Given, or from the median step; None where the steps are nobody's.
    source : str
        Who says so, in plain words.
    is_known : bool
        False where a frame rate is assumed.
    """

    times_s: NDArray[np.float64]
    rate_hz: float | None
    source: str
    is_known: bool = True


def timeline(
    frames: int, options: SourceOptions, name: str, recorded_s: ArrayLike | None = None, recorded_by: str = "file"
) -> Timeline:
    """Return when the frames were taken: as the user states, else as the recording does, else assumed.

    Parameters
    ----------
    frames : int
    options : SourceOptions
    name : str
        What errors call the recording.
    recorded_s : array_like, shape (frames,), optional
        The recording's own times.
    recorded_by : str
        Where it has them from.

    Raises
    ------
    InputError
        Another number of times was given than there are frames.
    """
    if options.timestamps_s is not None:
        if len(options.timestamps_s) != frames:
            raise InputError(
                f"{name}: expected a time for each of {frames} frames, got {len(options.timestamps_s)}; give as many"
            )
        recorded_s, recorded_by = options.timestamps_s, "given"
    elif options.frame_rate_hz is not None:
        return Timeline(np.arange(frames) / options.frame_rate_hz, options.frame_rate_hz, "frame rate given")
    if recorded_s is not None:
        times = np.asarray(recorded_s, dtype=float)
        return Timeline(times, _median_rate_hz(times), recorded_by)
    if options.stills:
        return Timeline(np.arange(frames, dtype=float), None, "none: unrelated pictures")
    assumed = np.arange(frames) / ASSUMED_RATE_HZ
    if frames == 1:
        return Timeline(assumed, None, "one picture")
    return Timeline(assumed, None, f"assumed {ASSUMED_RATE_HZ:g} Hz", is_known=False)


def _median_rate_hz(times_s: NDArray[np.float64]) -> float | None:
    gap = float(np.median(np.diff(times_s))) if len(times_s) > 1 else 0.0
    return 1.0 / gap if gap > 0 else None
