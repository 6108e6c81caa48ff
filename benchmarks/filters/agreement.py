"""Do both sides compute the same? The correlation of their results, away from the border, on one small frame.

1.0000 is the same picture. Peers that are the same filter in name differ in borders, in the normalisation of scales or in
their definition; a low number says how much. It says nothing about which one is right.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from comparisons import Comparison, Peer
from frames import frame
from numpy.typing import NDArray

SIZE, BORDER = (96, 128), 12


def agreement(comparison: Comparison, peer: Peer) -> float:
    """Return the correlation of our result and the peer's."""
    image = frame(SIZE)
    inside = (slice(BORDER, -BORDER), slice(BORDER, -BORDER))
    results = [call() for call in (comparison.prepare(image, 1, peer), peer.prepare(image))]
    ours, theirs = (as_array(result) for result in results)
    if peer.mirrored:
        theirs = np.roll(theirs[::-1, ::-1], 1, axis=(0, 1))
    return float(np.corrcoef(ours[inside].ravel(), theirs[inside].ravel())[0, 1])


def as_array(result: Any) -> NDArray[np.float64]:
    """Return a result as an array, whatever image class it is of; of several planes their maximum."""
    if isinstance(result, list):
        return np.asarray(np.max(np.asarray(result), axis=0), np.float64)
    if isinstance(result, np.ndarray):
        return result.astype(np.float64)
    package = type(result).__module__.partition(".")[0]
    library: Any = sys.modules[package]
    convert = library.GetArrayFromImage if package == "SimpleITK" else library.array_from_image
    return np.asarray(convert(result), np.float64)
