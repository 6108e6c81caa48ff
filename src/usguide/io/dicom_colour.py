"""Decoded DICOM values as the pictures that usguide works on: grey (H, W), or BGR where there is colour."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from usguide.io._opencv import GREY_TOLERANCE, grey_if_colourless
from usguide.io.dicom_file import quiet_pydicom

if TYPE_CHECKING:
    from pydicom import Dataset


def picture_of(values: NDArray[Any], colour_space: str, header: Dataset, white: int) -> NDArray[Any]:
    """Return grey or BGR pixels for decoded values.

    Parameters
    ----------
    values : ndarray, shape (H, W) or (H, W, 3)
    colour_space : str
        Photometric Interpretation of the values.
    header : pydicom.Dataset
        Holds the palette, where there is one.
    white : int
        Largest value.
    """
    if colour_space == "PALETTE COLOR":
        return grey_if_colourless(_coloured(values, header)[..., ::-1])
    if values.ndim == 2:
        return np.asarray(white - values, dtype=values.dtype) if colour_space == "MONOCHROME1" else values
    if colour_space.startswith("YBR_FULL"):
        chroma = values[::4, ::4, 1:].astype(np.int16) - 128
        if np.abs(chroma).max() * 2 <= GREY_TOLERANCE:
            return np.ascontiguousarray(values[..., 0])  # luma is the grey picture: no conversion
        from pydicom.pixels.processing import convert_color_space  # noqa: PLC0415  (needs an extra)

        values = convert_color_space(values, "YBR_FULL", "RGB")
    return grey_if_colourless(values[..., ::-1])


def _coloured(values: NDArray[Any], header: Dataset) -> NDArray[np.uint8]:
    """Look up a palette's colours, as 8 bits."""
    from pydicom.pixels.processing import apply_color_lut  # noqa: PLC0415  (needs an extra)

    with quiet_pydicom():
        colours = apply_color_lut(values, header)
    if colours.dtype == np.uint8:
        return np.asarray(colours)
    # Tables of 16 bits keep 8-bit colours in the high byte, or, in some files, in the low one.
    tables = [header.get(f"{name}PaletteColorLookupTableData", b"") for name in ("Red", "Green", "Blue")]
    low = all(max(np.frombuffer(t[: len(t) // 2 * 2], "<u2"), default=0) < 256 for t in tables)
    return np.asarray(colours if low else colours >> 8, dtype=np.uint8)
