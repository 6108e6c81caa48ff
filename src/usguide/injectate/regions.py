"""Pools over time: which parts of the regularised picture belong to which pool, and what is new."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from usguide.injectate._kernels.variation import descend
from usguide.motion.affine import warped

F32 = NDArray[np.float32]
Bytes = NDArray[np.uint8]


LOGISTIC = 1.6
"""Slope, at its middle, of the logit of a Gaussian's integral of sigma 1."""


@dataclass(frozen=True, slots=True)
class RegionSettings:
    """How places become regions."""

    edge_cost: float = 0.4
    """Cost of a px of edge, in log-likelihood ratio of a px of area."""
    iterations: int = 12
    first_iterations: int = 40
    edge_mm: float = 0.17
    """The edge of fluid, where half the amplitude is left, lies so far outside of where its grey levels end."""
    edge_sigma_mm: float = 0.25
    """How well that edge is known."""
    front_mm_s: float = 10.0
    """No edge moves faster."""
    least_mm2: float = 0.6
    """Smaller pools are gone."""
    split_mm2: float = 1.0
    """A part of a pool that has come off is a pool of its own from this size."""


class Variation:
    """The regularised picture, and the dual field from which the next frame goes on."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.u, self.ahead, self.px, self.py = (np.zeros(shape, np.float32) for _ in range(4))

    def carried(self, moved: NDArray[np.float64]) -> None:
        """Follow a grid that has moved over: `moved` leads from px of the new grid to px of the old one."""
        self.u, self.ahead, self.px, self.py = (warped(a, moved) for a in (self.u, self.ahead, self.px, self.py))

    def descend(self, evidence: F32, window: tuple[slice, slice], edge_cost: float, iterations: int) -> F32:
        """Take steps in a window; return the picture there."""
        whole = (self.u, self.ahead, self.px, self.py)
        u, ahead, px, py = (np.ascontiguousarray(a[window]) for a in whole)
        descend(evidence, edge_cost, u, ahead, px, py, iterations)
        for array, part in zip(whole, (u, ahead, px, py), strict=True):
            array[window] = part
        return u


def shifted_edge(u: F32, by_mm: float, sigma_mm: float, mm_per_px: float) -> F32:
    """Move the level 0.5 of a regularised picture outwards, and make of it a probability.

    A straight edge that is blurred is the integral of a Gaussian, near enough a logistic step in the distance: adding to
    its logit moves it.

    Parameters
    ----------
    u : ndarray of float32, shape (h, w)
    by_mm, sigma_mm, mm_per_px : float
    """
    blurred = cv2.GaussianBlur(u, (0, 0), sigma_mm / mm_per_px, borderType=cv2.BORDER_REPLICATE)
    odds = np.float32(np.exp(LOGISTIC * by_mm / sigma_mm))
    return np.asarray(blurred * odds / (1 - blurred + blurred * odds), dtype=np.float32)


def followed(labels: Bytes, u: F32, front_px: int, least_px: float, split_px: float, next_id: int) -> tuple[Bytes, int]:
    """Carry numbered pools over to a new picture.

    Parameters
    ----------
    labels : ndarray of uint8, shape (h, w)
        Pools of the frame before; 0 where there is none.
    u : ndarray of float32, shape (h, w)
        The regularised picture: fluid where it is over a half.
    front_px : int
        An edge moves at most so far.
    least_px, split_px : float
        Areas under which a pool is gone, and from which a part that came off gets a number of its own.
    next_id : int

    Returns
    -------
    ndarray of uint8, int
        New labels and the next free number. Where pools meet they become the older one.
    """
    size = 2 * front_px + 1
    square = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    before = (labels > 0).astype(np.uint8)
    reach = cv2.dilate(before, square) > 0
    # Zero beyond the border: a pool that the picture cuts off may also thin from there.
    kept = cv2.erode(before, square, borderType=cv2.BORDER_CONSTANT, borderValue=0) > 0
    fluid = ((u > 0.5) & reach) | kept
    count, parts, stats, _ = cv2.connectedComponentsWithStats(fluid.astype(np.uint8))
    out = np.zeros_like(labels)
    numbers = [int(n) for n in np.unique(labels[labels > 0])]
    if count < 2 or not numbers:
        return out, next_id
    shared = np.array([np.bincount(parts[labels == n], minlength=count) for n in numbers])
    shared[:, 0] = 0
    areas = stats[:, cv2.CC_STAT_AREA]
    given = set()
    # The older pool, which has the smaller number, is served first: it takes the part that holds most of it.
    for row, number in zip(shared, numbers, strict=True):
        for k in np.argsort(-row):
            if row[k] == 0:
                break
            if k in given or areas[k] < least_px:
                continue
            if not (out == number).any():
                out[parts == k] = number
            elif areas[k] >= split_px and next_id < 256:
                out[parts == k] = next_id
                next_id += 1
            else:
                continue
            given.add(k)
    return out, next_id
