"""Exact truth of a rendered recording, and how it is stored beside the frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]

SHAFT_POINTS = 33
_PREFIX, _KEEP_OUT = "truth_", "truth_keep_out_"
_POINTS = ("tip_mm", "entry_mm", "distal_mm", "shaft_mm", "target_mm")
_NOT_ARRAYS = ("injectate_mask", "target_outline_mm", "keep_out_mm")


@dataclass(frozen=True, slots=True, eq=False)
class PhantomTruth:
    """What was rendered, a row each frame. Points are (lateral, axial) in mm; NaN where there is no needle.

    Parameters
    ----------
    tip_mm : ndarray, shape (N, 2)
        The needle's tip, as projected onto the scan plane; it may lie out of the picture or out of plane.
    entry_mm : ndarray, shape (N, 2)
        Where the shaft enters the picture, or the scan plane within it.
    distal_mm : ndarray, shape (N, 2)
        Where the part of the shaft that lies in picture and scan plane ends: the tip, if that is in plane.
    shaft_mm : ndarray, shape (N, 33, 2)
        The centre line from `entry_mm` to `distal_mm` in equal steps.
    visible_mm : ndarray, shape (N,)
        Its length; 0 without a needle.
    in_plane_fraction : ndarray, shape (N,)
        The same, over the length of shaft that would be in the picture if all of it were in plane.
    angle_deg : ndarray, shape (N,)
        Insertion angle of the chord from `entry_mm` to `distal_mm`.
    visibility_db : ndarray, shape (N,)
        How well it is seen, measured on the finished picture (`needle_visibility_db`).
    target_mm : ndarray, shape (N, 2)
        Where the injection is meant to go; it moves with the tissue.
    injectate_area_mm2, injectate_volume_mm3 : ndarray, shape (N,)
        Area of fluid in the picture (that of the mask), and all that has been injected (`volume_mm3`).
    injectate_mask : ndarray of bool, shape (N, H, W), or None
        Pixels whose centre is in the fluid; None where it is not known.
    target_outline_mm : ndarray, shape (N, P, 2), or None
        Closed outline of the nerve; it moves with the tissue, too.
    keep_out_mm : mapping of str to ndarray, shape (N, P, 2)
        Outlines (vessel) and surfaces (pleura, bone) that a needle has to stay away from; they move with the tissue.
    """

    tip_mm: F64
    entry_mm: F64
    distal_mm: F64
    shaft_mm: F64
    visible_mm: F64
    in_plane_fraction: F64
    angle_deg: F64
    visibility_db: F64
    target_mm: F64
    injectate_area_mm2: F64
    injectate_volume_mm3: F64
    injectate_mask: NDArray[np.bool_] | None = None
    target_outline_mm: F64 | None = None
    keep_out_mm: Mapping[str, F64] = field(default_factory=dict)

    def to_npz_dict(self) -> dict[str, NDArray[Any]]:
        """Return the arrays under the names they have in a file; what is unknown is left out."""
        arrays = {f"{_PREFIX}{f.name}": getattr(self, f.name) for f in fields(self) if f.name != "keep_out_mm"}
        arrays |= {f"{_KEEP_OUT}{name}_mm": outline for name, outline in self.keep_out_mm.items()}
        return {name: array for name, array in arrays.items() if array is not None}

    @classmethod
    def from_npz(cls, arrays: Mapping[str, Any]) -> PhantomTruth:
        """Take the arrays from a file; what is absent is unknown (NaN, or no mask)."""
        n = len(np.asarray(arrays["truth_tip_mm"], dtype=float))
        unknown = {"shaft_mm": (n, SHAFT_POINTS, 2), **dict.fromkeys(_POINTS[:3], (n, 2)), "target_mm": (n, 2)}

        def array(name: str) -> F64:
            key, shape = f"{_PREFIX}{name}", unknown.get(name, (n,))
            known = np.asarray(arrays[key], float) if key in arrays else np.full(shape, np.nan)
            # A first version of the format gave the target once.
            return np.broadcast_to(known, shape).copy() if name == "target_mm" else known

        known = {f.name: array(f.name) for f in fields(cls) if f.name not in _NOT_ARRAYS}
        mask, outline = f"{_PREFIX}injectate_mask", f"{_PREFIX}target_outline_mm"
        return cls(
            **known,
            injectate_mask=np.asarray(arrays[mask], bool) if mask in arrays else None,
            target_outline_mm=np.asarray(arrays[outline], float) if outline in arrays else None,
            keep_out_mm={
                key.removeprefix(_KEEP_OUT).removesuffix("_mm"): np.asarray(arrays[key], float)
                for key in arrays
                if key.startswith(_KEEP_OUT)
            },
        )

    def mirrored(self, last_mm: float) -> PhantomTruth:
        """Return the truth of the mirrored pictures, whose last column lies at `last_mm`."""

        def flip(points: F64) -> F64:
            return np.stack([last_mm - points[..., 0], points[..., 1]], axis=-1)

        mask = None if self.injectate_mask is None else np.ascontiguousarray(self.injectate_mask[:, :, ::-1])
        return replace(
            self,
            **{name: flip(getattr(self, name)) for name in _POINTS},
            injectate_mask=mask,
            target_outline_mm=None if self.target_outline_mm is None else flip(self.target_outline_mm),
            keep_out_mm={name: flip(outline) for name, outline in self.keep_out_mm.items()},
        )

    def rows(self, kept: Sequence[int]) -> PhantomTruth:
        """Return the truth of some of the frames."""
        arrays: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "keep_out_mm"}
        return replace(
            self,
            **{name: array[list(kept)] for name, array in arrays.items() if array is not None},
            keep_out_mm={name: outline[list(kept)] for name, outline in self.keep_out_mm.items()},
        )

    def padded(self, margins_px: tuple[int, int, int, int]) -> PhantomTruth:
        """Return the truth of pictures with margins (above, below, left, right) around them; no point moves in mm."""
        if self.injectate_mask is None:
            return self
        above, below, left, right = margins_px
        return replace(self, injectate_mask=np.pad(self.injectate_mask, ((0, 0), (above, below), (left, right))))
