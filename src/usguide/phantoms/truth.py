"""Exact truth of a rendered recording, and how it is stored beside the frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class PhantomTruth:
    """What was rendered, a row each frame. Points are (lateral, axial) in mm; NaN where there is no needle.

    Parameters
    ----------
    tip_mm, entry_mm : ndarray, shape (N, 2)
        End of the shaft's centre line, and where it enters the picture.
    visible_mm : ndarray, shape (N,)
        Length of shaft in the picture; 0 without a needle.
    angle_deg : ndarray, shape (N,)
        Insertion angle.
    injectate_area_mm2 : ndarray, shape (N,)
        Area of fluid in the picture.
    target_mm : ndarray, shape (2,)
        Where the injection is meant to go.
    """

    tip_mm: NDArray[np.float64]
    entry_mm: NDArray[np.float64]
    visible_mm: NDArray[np.float64]
    angle_deg: NDArray[np.float64]
    injectate_area_mm2: NDArray[np.float64]
    target_mm: NDArray[np.float64]

    def to_npz(self) -> dict[str, NDArray[np.float64]]:
        """Return the arrays under the names they have in a file."""
        return {f"truth_{name}": getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_npz(cls, arrays: Mapping[str, Any]) -> PhantomTruth:
        """Take the arrays from a file; what is absent is unknown (NaN)."""
        tip = np.asarray(arrays["truth_tip_mm"], dtype=float)
        n = len(tip)
        unknown = {"tip_mm": (n, 2), "entry_mm": (n, 2), "target_mm": (2,)}

        def array(name: str) -> NDArray[np.float64]:
            value = arrays.get(f"truth_{name}")
            return np.full(unknown.get(name, (n,)), np.nan) if value is None else np.asarray(value, dtype=float)

        return cls(*(array(name) for name in cls.__slots__))
