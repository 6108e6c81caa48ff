"""Which axis of an NRRD file is time, which is colour, and which two are the picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_TIME, _COLOUR = ("list", "time"), ("RGB-color", "RGBA-color", "vector", "3-color", "4-color")


@dataclass(frozen=True, slots=True)
class Axes:
    """Numbers of the axes, fastest first as in the header; `x` runs along a row, `y` down a column."""

    x: int
    y: int
    time: int | None
    colour: int | None

    def is_streamable(self, sizes: list[int]) -> bool:
        """Whether frames lie one after the other."""
        return self.time is None or all(s == 1 for s in sizes[self.time + 1 :])


def axes_of(sizes: list[int], kinds: list[str]) -> Axes:
    """Tell the axes apart by their kinds; without a list axis, a third dimension is time.

    Raises
    ------
    ValueError
        They are no sequence of pictures.
    """
    if len(sizes) != len(kinds) or not sizes or min(sizes) < 1:
        raise ValueError(f"sizes {sizes} for kinds {kinds}")
    time = next((a for a, k in enumerate(kinds) if k in _TIME), None)
    colour = next((a for a, k in enumerate(kinds) if k in _COLOUR), None)
    rest = [a for a in range(len(sizes)) if a not in (time, colour)]
    if time is None and len(rest) == 3:
        time = rest.pop()  # a stack of slices
    plane = [a for a in rest if sizes[a] != 1]
    plane = plane if len(plane) == 2 else rest[:2]
    if len(plane) != 2 or any(sizes[a] != 1 for a in rest if a not in plane):
        raise ValueError(f"sizes {sizes} of kinds {kinds}, which are no pictures")
    return Axes(plane[0], plane[1], time, colour)


def pictures_of(stored: NDArray[Any], sizes: list[int], axes: Axes) -> NDArray[Any]:
    """Return stored values as (N, H, W) or (N, H, W, C)."""
    last = len(sizes) - 1  # NumPy counts the axes from the other end
    kept = [a for a in (axes.time, axes.y, axes.x, axes.colour) if a is not None]
    spare = [a for a in range(len(sizes)) if a not in kept]
    volume = np.transpose(stored.reshape(sizes[::-1]), [last - a for a in (*spare, *kept)])
    volume = volume.reshape(volume.shape[len(spare) :])
    return volume if axes.time is not None else volume[None]
