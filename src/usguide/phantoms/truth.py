"""Exact truth of a rendered recording, and how it is stored beside the frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
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
        Area of fluid in the picture: that of the mask.
    target_mm : ndarray, shape (2,)
        Where the injection is meant to go; where it was at rest.
    injectate_mask : ndarray of bool, shape (N, H, W), or None
        Pixels whose centre is in the fluid; None where it is not known.
    """

    tip_mm: NDArray[np.float64]
    entry_mm: NDArray[np.float64]
    visible_mm: NDArray[np.float64]
    angle_deg: NDArray[np.float64]
    injectate_area_mm2: NDArray[np.float64]
    target_mm: NDArray[np.float64]
    injectate_mask: NDArray[np.bool_] | None = None

    def to_npz_dict(self) -> dict[str, NDArray[Any]]:
        """Return the arrays under the names they have in a file; what is unknown is left out."""
        arrays = {f"truth_{f.name}": getattr(self, f.name) for f in fields(self)}
        return {name: array for name, array in arrays.items() if array is not None}

    @classmethod
    def from_npz(cls, arrays: Mapping[str, Any]) -> PhantomTruth:
        """Take the arrays from a file; what is absent is unknown (NaN, or no mask)."""
        tip = np.asarray(arrays["truth_tip_mm"], dtype=float)
        n = len(tip)
        unknown = {"tip_mm": (n, 2), "entry_mm": (n, 2), "target_mm": (2,)}

        def array(name: str) -> NDArray[np.float64]:
            key = f"truth_{name}"
            return np.asarray(arrays[key], float) if key in arrays else np.full(unknown.get(name, (n,)), np.nan)

        mask = "truth_injectate_mask"
        names = [f.name for f in fields(cls) if f.name != "injectate_mask"]
        known = {name: array(name) for name in names}
        return cls(**known, injectate_mask=np.asarray(arrays[mask], bool) if mask in arrays else None)

    def mirrored(self, last_mm: float) -> PhantomTruth:
        """Return the truth of the mirrored pictures, whose last column lies at `last_mm`."""

        def flip(points: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.stack([last_mm - points[..., 0], points[..., 1]], axis=-1)

        mask = None if self.injectate_mask is None else np.ascontiguousarray(self.injectate_mask[:, :, ::-1])
        return PhantomTruth(
            flip(self.tip_mm),
            flip(self.entry_mm),
            self.visible_mm,
            self.angle_deg,
            self.injectate_area_mm2,
            flip(self.target_mm),
            mask,
        )
