"""Pools over time: which parts of the regularised picture belong to which pool, and what is new."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from usguide.injectate._kernels.contours import follow_edges
from usguide.injectate._kernels.edges import edge_shifts
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
    edge_mm: float = 0.03
    """The edge of fluid lies so far outside of where its evidence ends, before grey levels across it are looked at."""
    edge_sigma_mm: float = 0.25
    """How well that edge is known."""
    dynamic_range_db: float = 60.0
    """What 0 to 255 is taken to stand for, where half of the amplitude is looked for."""
    profile_step_mm: float = 0.1
    profile_mm: tuple[float, float, float] = (0.3, 0.6, 0.6)
    """Half of the amplitude is looked for so far within and without; so close by the outside's level is taken."""
    along_mm: float = 0.6
    """Profiles are averaged so far to either side along the edge."""
    profile_bias_mm: float = 0.08
    """So far outside of the edge half of the amplitude is found: the brightest place close by is that of speckle, too."""
    profile_share: float = 1.0
    """Share of what is found that the edge is moved by."""
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


def refined_edge(
    sure: F32, grey: F32, told: NDArray[np.bool_], fluid_level: float, mm_per_px: float, settings: RegionSettings
) -> F32:
    """Move the level 0.5 to where half of the amplitude lies across the edge.

    Parameters
    ----------
    sure : ndarray of float32, shape (h, w)
    grey : ndarray of float32, shape (h, w)
        0..255.
    told : ndarray of bool, shape (h, w)
        Where grey levels tell of the edge.
    fluid_level : float
        Grey level of the fluid.
    mm_per_px : float
    settings : RegionSettings
    """
    s = settings
    bordered = sure.copy()
    bordered[0] = bordered[-1] = bordered[:, 0] = bordered[:, -1] = 0
    points, starts = follow_edges(bordered, 0.5)
    if not len(points):
        return sure
    total, weight = np.zeros_like(sure), np.zeros_like(sure)
    inward, outward, near = (round(way / s.profile_step_mm) for way in s.profile_mm)
    edge_shifts(
        sure,
        np.ascontiguousarray(grey, np.float32),
        told.astype(np.float32),
        points,
        starts,
        fluid_level,
        255.0 * 20.0 / s.dynamic_range_db,
        s.profile_step_mm / mm_per_px,
        inward,
        outward,
        near,
        max(1, round(s.along_mm / mm_per_px)),
        total,
        weight,
    )
    sigma = s.edge_sigma_mm / mm_per_px
    number = cv2.GaussianBlur(weight, (0, 0), sigma)
    by_mm = (
        cv2.GaussianBlur(total, (0, 0), sigma) * np.float32(s.profile_step_mm) / np.maximum(number, np.float32(1e-6))
    )
    by_mm = np.where(number > 1e-4, by_mm - np.float32(s.profile_bias_mm), np.float32(0)) * np.float32(s.profile_share)
    odds = np.exp(np.float32(LOGISTIC / s.edge_sigma_mm) * by_mm)
    return np.asarray(sure * odds / (1 - sure + sure * odds), dtype=np.float32)


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
    count, parts = cv2.connectedComponents(fluid.view(np.uint8))
    out = np.zeros_like(labels)
    numbers = [int(n) for n in np.unique(labels[labels > 0])]
    if count < 2 or not numbers:
        return out, next_id
    shared = np.array([np.bincount(parts[labels == n], minlength=count) for n in numbers])
    shared[:, 0] = 0
    areas = np.bincount(parts.ravel(), minlength=count)
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
