"""Which way up a picture is stored, in PLUS's letters, and how it is brought to the one that usguide works on.

The letters name where the picture's axes point: first the one along a row (M to the marked side of the probe, U to the
unmarked), then the one down a column (F to the far end, N to the near one); a third, for the order of slices, says
nothing of a single frame. Beams that are stored as rows have the far axis first (FM, FU, NM, NU).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from usguide.errors import InputError

CANONICAL = "MF"
"""Marked side to the right, depth downwards: PLUS keeps its own images like this."""
_LATERAL, _AXIAL = "MU", "FN"


@dataclass(frozen=True, slots=True)
class Orientation:
    """How a stored picture differs from the canonical one: first transposed, then flipped."""

    transposed: bool = False
    flip_rows: bool = False
    flip_columns: bool = False

    @classmethod
    def parse(cls, letters: str) -> Orientation:
        """Read PLUS's letters.

        Raises
        ------
        InputError
            Not two or three of them in an order that makes sense.
        """
        text = letters.strip().upper()
        axes = text[:2]
        transposed = len(axes) == 2 and axes[0] in _AXIAL
        lateral, axial = (axes[1:], axes[:1]) if transposed else (axes[:1], axes[1:])
        known = (
            len(text) in (2, 3) and lateral in tuple(_LATERAL) and axial in tuple(_AXIAL) and text[2:] in ("", "A", "D")
        )
        if not known:
            raise InputError(
                f"UltrasoundImageOrientation: expected letters such as MF, MFA, UN or FM, got {letters!r:.20}; correct the"
                " file"
            )
        return cls(transposed, axial == "N", lateral == "U")

    def apply(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Return a picture (H, W) or (H, W, C) in the canonical orientation."""
        out = np.swapaxes(pixels, 0, 1) if self.transposed else pixels
        out = out[::-1] if self.flip_rows else out
        return np.ascontiguousarray(out[:, ::-1] if self.flip_columns else out)

    def shape(self, stored: tuple[int, int]) -> tuple[int, int]:
        """Return (H, W) of the canonical picture."""
        return (stored[1], stored[0]) if self.transposed else stored

    def spacing(self, stored: tuple[float, float] | None) -> tuple[float, float] | None:
        """Return (axial, lateral) of the canonical picture for the spacing down a column and along a row."""
        return (stored[1], stored[0]) if stored is not None and self.transposed else stored

    def stored_from_canonical(self, stored: tuple[int, int]) -> NDArray[np.float64]:
        """Return the 4 x 4 matrix that takes a canonical picture's (x, y, 0, 1) in px to the stored picture's."""
        height, width = self.shape(stored)
        flip = np.eye(4)
        if self.flip_columns:
            flip[0, [0, 3]] = -1, width - 1
        if self.flip_rows:
            flip[1, [1, 3]] = -1, height - 1
        return np.eye(4)[[1, 0, 2, 3]] @ flip if self.transposed else flip

    def adapt(self, name: str, matrix: NDArray[np.float64], stored: tuple[int, int]) -> NDArray[np.float64]:
        """Return a named transform for the canonical picture: only those from or to `Image` change."""
        turn = self.stored_from_canonical(stored)
        if name.startswith("ImageTo"):
            return np.asarray(matrix @ turn)
        return np.asarray(np.linalg.inv(turn) @ matrix) if name.endswith("ToImage") else matrix
