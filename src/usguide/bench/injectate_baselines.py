"""What injectate is compared with: each frame by itself, with the true tip and the true onset given.

Settings were chosen on the tuning split (`benchmarks/injectate/tune_baselines.py`), each by the Dice it reaches there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import morphological_chan_vese

from usguide.detection import to_evidence_grid
from usguide.geometry import ImageGeometry, Point
from usguide.grid import to_working_grid
from usguide.phantoms import PhantomTruth
from usguide.settings import PipelineSettings
from usguide.types import Frame

F32 = NDArray[np.float32]
Mask = NDArray[np.bool_]

TIP_MM = 1.5
"""Fluid has to come this near to the tip."""
LEVEL_MM = 3.0
"""How bright tissue was is taken within this distance of the tip, before the injection."""


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """What a baseline is given: a picture on the evidence grid, in grey levels.

    Parameters
    ----------
    grey : ndarray of float32, shape (h, w)
    geometry : ImageGeometry
    tip_mm : (float, float)
        The true tip.
    level : float
        Median grey level about the tip before the injection.
    """

    grey: F32
    geometry: ImageGeometry
    tip_mm: Point
    level: float


Baseline = Callable[[Scene], Mask]


def smoothed(scene: Scene, sigma_mm: float) -> F32:
    """Return the picture, smoothed by as many mm both ways."""
    if sigma_mm == 0:
        return scene.grey
    g = scene.geometry
    across, down = sigma_mm / g.lateral_mm_per_px, sigma_mm / g.axial_mm_per_px
    grey = cv2.GaussianBlur(scene.grey, (0, 0), sigmaX=across, sigmaY=down, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(grey, np.float32)


def from_tip_mm(scene: Scene) -> F32:
    """Return the distance of each pixel from the tip."""
    h, w = scene.grey.shape
    x = scene.geometry.origin_mm[0] + np.arange(w) * scene.geometry.lateral_mm_per_px
    z = scene.geometry.origin_mm[1] + np.arange(h) * scene.geometry.axial_mm_per_px
    return np.asarray(np.hypot(x[None, :] - scene.tip_mm[0], z[:, None] - scene.tip_mm[1]), np.float32)


def at_tip(fluid: Mask, away_mm: F32) -> Mask:
    """Keep the regions that come near the tip, and fill the holes that the needle leaves in them."""
    labels, _ = ndimage.label(fluid)
    near = np.unique(labels[(away_mm <= TIP_MM) & fluid])
    kept = np.isin(labels, near[near > 0])
    holes, count = ndimage.label(~kept)
    # The tissue that a ring encloses is larger than a needle's echo.
    sizes = np.bincount(holes.ravel(), minlength=count + 1)
    return np.asarray(kept | (sizes < 30)[holes])


@dataclass(frozen=True, slots=True)
class GreyThreshold:
    """Region growing from the tip over everything darker than a share of the tissue before the injection."""

    share: float = 0.65
    sigma_mm: float = 0.0
    open_px: int = 0

    def __call__(self, scene: Scene) -> Mask:
        """Segment one picture."""
        away = from_tip_mm(scene)
        dark = smoothed(scene, self.sigma_mm) < self.share * scene.level
        if self.open_px:
            dark = ndimage.binary_opening(dark, iterations=self.open_px)
        return at_tip(dark, away)


def cropped(away_mm: F32, reach_mm: float) -> tuple[slice, slice]:
    """Return rows and columns of the square about the tip."""
    near = away_mm <= reach_mm
    rows, columns = np.flatnonzero(near.any(axis=1)), np.flatnonzero(near.any(axis=0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


@dataclass(frozen=True, slots=True)
class ChanVese:
    """Morphological Chan-Vese (scikit-image) from a disc about the tip; of its two sides the darker one."""

    iterations: int = 15
    smoothing: int = 1
    inside_weight: float = 1.0
    start_mm: float = 2.0
    reach_mm: float = 4.5
    sigma_mm: float = 0.0

    def __call__(self, scene: Scene) -> Mask:
        """Segment one picture."""
        away = from_tip_mm(scene)
        box = cropped(away, self.reach_mm)
        grey = smoothed(scene, self.sigma_mm)[box]
        side = morphological_chan_vese(  # type: ignore[no-untyped-call]
            grey.astype(float),
            self.iterations,
            init_level_set=away[box] <= self.start_mm,
            smoothing=self.smoothing,
            lambda1=self.inside_weight,
        ).astype(bool)
        found = np.zeros(scene.grey.shape, bool)
        if side.any() and not side.all():
            found[box] = side if grey[side].mean() < grey[~side].mean() else ~side
        return at_tip(found, away)


@dataclass(frozen=True, slots=True)
class GrabCut:
    """GrabCut (OpenCV): fluid for sure where it is dark at the tip, likely where it is dark near it, tissue far from it."""

    iterations: int = 3
    share: float = 1.0
    likely_mm: float = 3.0
    reach_mm: float = 16.0
    sigma_mm: float = 0.0

    def __call__(self, scene: Scene) -> Mask:
        """Segment one picture."""
        away = from_tip_mm(scene)
        # Two pixels around, so that there is tissue for sure.
        box = cropped(away, self.reach_mm + 2 * scene.geometry.lateral_mm_per_px)
        grey, near = smoothed(scene, self.sigma_mm)[box], away[box]
        dark = grey < self.share * scene.level
        trimap = np.full(grey.shape, cv2.GC_PR_BGD, np.uint8)
        trimap[near > self.reach_mm] = cv2.GC_BGD
        trimap[dark & (near <= self.likely_mm)] = cv2.GC_PR_FGD
        trimap[dark & (near <= TIP_MM)] = cv2.GC_FGD
        found = np.zeros(scene.grey.shape, bool)
        if (trimap == cv2.GC_FGD).sum() < 5:
            return found
        picture = cv2.cvtColor(np.clip(grey, 0, 255).astype(np.uint8), cv2.COLOR_GRAY2BGR)
        cv2.setRNGSeed(0)
        tissue, fluid = np.zeros((1, 65)), np.zeros((1, 65))
        cv2.grabCut(picture, trimap, (0, 0, 1, 1), tissue, fluid, self.iterations, cv2.GC_INIT_WITH_MASK)
        found[box] = (trimap == cv2.GC_FGD) | (trimap == cv2.GC_PR_FGD)
        return at_tip(found, away)


class Scenes:
    """What baselines are given of each frame of a sequence with an injection; None before the true onset."""

    def __init__(self, truth: PhantomTruth) -> None:
        self._truth = truth
        self._first = int(np.argmax(truth.injectate_area_mm2 > 0))
        self._levels: deque[float] = deque(maxlen=8)
        self.onset_s = 0.0

    def next(self, frame: Frame) -> Scene | None:
        """Take the next frame."""
        settings = PipelineSettings().detection
        image = to_working_grid(frame, settings.working_mm_per_px)
        # The finest look at the evidence grid: baselines smooth for themselves.
        grey, _, geometry = to_evidence_grid(image, image.grey, replace(settings.evidence, smooth_mm=0.05))
        tip = self._truth.tip_mm[frame.index]
        scene = Scene(grey, geometry, (float(tip[0]), float(tip[1])), 0.0)
        if frame.index < self._first:
            if np.isfinite(tip).all():
                near = from_tip_mm(scene) <= LEVEL_MM
                self._levels.append(float(np.median(grey[near])) if near.any() else 0.0)
            return None
        if frame.index == self._first:
            self.onset_s = frame.timestamp_s
        return replace(scene, level=float(np.median(self._levels)))


BASELINES: dict[str, Baseline] = {
    "grey threshold": GreyThreshold(),
    "Chan-Vese": ChanVese(),
    "GrabCut": GrabCut(),
}
