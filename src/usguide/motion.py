"""What is new in a picture: tissue motion against a slowly learnt background, and the difference it leaves.

Fascia was there before and moves with the tissue; a needle was not. The background is registered to each frame below a
pixel by an affine map, since a shift of one pixel leaves bright seams along every fascia.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class BackgroundSettings:
    """The learnt background."""

    memory_s: float = 3.0
    """Time constant with which the background follows what is not a needle."""
    coarse_px: int = 3
    """Registration works on pictures that are smaller by this factor."""
    iterations: int = 4
    min_overlap: float = 0.6
    """With less of the background still in the picture, learning starts anew."""


def register_affine(reference: F32, image: F32, start: NDArray[np.float64], iterations: int) -> NDArray[np.float64]:
    """Find the affine map (2, 3) from pixels of `image` to pixels of `reference`, by robust Gauss-Newton steps.

    Parameters
    ----------
    reference, image : ndarray of float32, shape (h, w)
        Smooth pictures of the same size.
    start : ndarray, shape (2, 3)
        First guess.
    iterations : int

    Returns
    -------
    ndarray, shape (2, 3)
    """
    h, w = image.shape
    dx = cv2.Sobel(reference, cv2.CV_32F, 1, 0, scale=0.125, borderType=cv2.BORDER_REPLICATE)
    dy = cv2.Sobel(reference, cv2.CV_32F, 0, 1, scale=0.125, borderType=cv2.BORDER_REPLICATE)
    yy, xx = np.mgrid[0:h, 0:w].astype(np.float64)
    # Centred, scaled coordinates keep the normal equations well conditioned.
    u, v = (xx - 0.5 * w) / w, (yy - 0.5 * h) / w
    affine = start.copy()
    inner = np.zeros((h, w), bool)
    inner[2:-2, 2:-2] = True
    for _ in range(iterations):
        moved, gx, gy = (_warp(np.asarray(p, np.float32), affine, (h, w)) for p in (reference, dx, dy))
        ok = inner & (_warp(np.ones_like(reference), affine, (h, w)) > 0.99)
        if np.count_nonzero(ok) < 0.2 * ok.size:
            return affine
        residual = (image - moved)[ok].astype(np.float64)
        residual -= np.median(residual)
        scale = 1.5 * float(np.median(np.abs(residual))) + 1.0
        weight = 1 / (1 + (residual / scale) ** 2)
        a, b = gx[ok].astype(np.float64), gy[ok].astype(np.float64)
        p, q = u[ok], v[ok]
        jacobian = np.stack([a * p, a * q, a, b * p, b * q, b], axis=1)
        weighted = jacobian * weight[:, None]
        normal = weighted.T @ jacobian
        # A little damping keeps flat pictures, which say nothing of motion, where they are.
        step = np.linalg.solve(normal + np.eye(6) * (1e-3 * np.trace(normal) / 6 + 1e-6), weighted.T @ residual)
        affine += _unscaled(step, h, w)
        if np.abs(step).max() < 0.01:
            break
    return affine


def _unscaled(step: NDArray[np.float64], h: int, w: int) -> NDArray[np.float64]:
    rows = []
    for a, b, c in step.reshape(2, 3):
        rows.append([a / w, b / w, c - 0.5 * a - 0.5 * b * h / w])
    return np.array(rows)


def _warp(image: F32, affine: NDArray[np.float64], shape: tuple[int, int]) -> F32:
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    out = cv2.warpAffine(image, affine, shape[::-1], flags=flags, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    return np.asarray(out, dtype=np.float32)


class Background:
    """A picture of the tissue without the needle, in the coordinates of the frame where learning began.

    Parameters
    ----------
    settings : BackgroundSettings, optional
    """

    def __init__(self, settings: BackgroundSettings | None = None) -> None:
        self.settings = settings or BackgroundSettings()
        self.reset()

    def reset(self) -> None:
        """Forget the tissue."""
        self._picture: F32 | None = None
        self._known: F32 | None = None
        self._affine = np.eye(2, 3)
        self._time_s = 0.0

    def novelty(self, image: F32, valid: Mask) -> F32:
        """Return how much brighter `image` is than the background, in grey levels; 0 where that is not known.

        Parameters
        ----------
        image : ndarray of float32, shape (h, w)
            Despeckled grey levels on the working grid.
        valid : ndarray of bool, shape (h, w)
            Where there is a picture.
        """
        if self._picture is None or self._known is None or self._picture.shape != image.shape:
            self._start(image, valid)
            return np.zeros_like(image)
        self._affine = self._registered(image)
        background = _warp(self._picture, self._affine, image.shape)
        known = (_warp(self._known, self._affine, image.shape) > 0.99) & valid
        if np.count_nonzero(known) < self.settings.min_overlap * np.count_nonzero(valid):
            self._start(image, valid)
            return np.zeros_like(image)
        difference = image - background
        # A change of gain shifts everything; the median is not moved by a needle.
        difference -= np.float32(np.median(difference[known][::7]))
        difference[~known] = 0
        # What has gone dark is no needle, and the rims of a dark line would look like two bright ones.
        np.maximum(difference, 0, out=difference)
        return difference

    def learn(self, image: F32, valid: Mask, timestamp_s: float, needle: Mask | None = None) -> None:
        """Let the background follow `image`, except where `needle` says that a needle may be."""
        if self._picture is None or self._known is None:
            return
        share = 1 - math.exp(-max(0.0, timestamp_s - self._time_s) / self.settings.memory_s)
        self._time_s = timestamp_s
        usable = valid if needle is None else valid & ~needle
        inverse = np.asarray(cv2.invertAffineTransform(self._affine), dtype=np.float64)
        here = _warp(np.asarray(image, np.float32), inverse, image.shape)
        weight = np.float32(share) * (_warp(usable.astype(np.float32), inverse, image.shape) > 0.99)
        self._picture += weight * (here - self._picture)

    def _start(self, image: F32, valid: Mask) -> None:
        self._picture, self._known = image.copy(), valid.astype(np.float32)
        self._affine = np.eye(2, 3)

    def _registered(self, image: F32) -> NDArray[np.float64]:
        if self._picture is None:
            raise AssertionError("there is a background to register")
        k = self.settings.coarse_px
        h, w = image.shape
        size = (max(8, w // k), max(8, h // k))
        small = [cv2.resize(p, size, interpolation=cv2.INTER_AREA) for p in (self._picture, image)]
        small = [cv2.GaussianBlur(p, (0, 0), 1.0, borderType=cv2.BORDER_REPLICATE) for p in small]
        scale = np.diag([w / size[0], h / size[1], 1.0])
        scale[:2, 2] = 0.5 * np.array([w / size[0], h / size[1]]) - 0.5
        full = np.vstack([self._affine, [0, 0, 1]])
        coarse = np.linalg.inv(scale) @ full @ scale
        reference, picture = (np.asarray(p, dtype=np.float32) for p in small)
        coarse[:2] = register_affine(reference, picture, coarse[:2], self.settings.iterations)
        found: NDArray[np.float64] = (scale @ coarse @ np.linalg.inv(scale))[:2]
        return found
