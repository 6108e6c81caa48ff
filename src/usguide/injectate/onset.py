"""Change-point test of whether new fluid gathers where the needle's tip is, or was."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
Bytes = NDArray[np.uint8]

LONGEST_FRAME_S = 0.1
"""A frame counts for no longer."""
HINT_SHARE, HINT_S = 0.5, 0.15
"""A blob of this share of what is always there may be the first of an onset, at most so long before it counts."""


@dataclass(frozen=True, slots=True)
class OnsetSettings:
    """When a dark blob is taken for fluid. Mass is log-likelihood ratio times area, in mm2."""

    dark: float = 2.0
    """Log-likelihood ratio above which a place belongs to a blob."""
    gap_mm: float = 2.4
    """Dark places whose gaps are no wider are one blob: a ring comes in pieces."""
    allowance: float = 1.0
    """Mass that is always there."""
    clutter_share: float = 1.0
    """So much of the mass of the heaviest blob elsewhere is expected at the tip, too."""
    growth_mass_s: float = 30.0
    """Fluid gathers at no more than so much mass in a second: what is there from one frame to the next was not injected."""
    threshold: float = 0.2
    """Mass times seconds above that allowance at which it is fluid."""
    usual_misfit: float = 6.0
    """With a worse registration, in grey levels, allowance and threshold rise with its square."""
    worst_misfit: float = 9.0
    """With a worse one still nothing adds up: the picture has left what it is held against."""
    untold_share: float = 1.5
    untold_s: float = 2.0
    """So much of the mass that was at the tip while nothing could be told is no new fluid; that is forgotten with this time
    constant."""
    marked_share: float = 0.7
    """Allowance and threshold are lowered to this share ..."""
    marked_s: float = 4.0
    """... for so long after a marked injection."""
    least_mm2: float = 0.6
    """Smaller blobs are none."""


@dataclass(frozen=True, slots=True, eq=False)
class Blob:
    """The heaviest dark blob at the tip.

    Parameters
    ----------
    mask : ndarray of uint8, shape (h, w)
    mass, area_mm2 : float
    elsewhere : float
        Mass of the heaviest blob away from it.
    """

    mask: Bytes
    mass: float
    area_mm2: float
    elsewhere: float


def blob_at(evidence: F32, near: Bytes, known: Bytes, mm_per_px: float, settings: OnsetSettings) -> Blob | None:
    """Find the heaviest dark blob that touches `near` and is not `known` fluid; None where there is none.

    Parameters
    ----------
    evidence : ndarray of float32, shape (h, w)
    near, known : ndarray of uint8, shape (h, w)
        Not 0 near the tip, and where fluid is known already.
    mm_per_px : float
    settings : OnsetSettings
    """
    dark = ((evidence > settings.dark) & (known == 0)).astype(np.uint8)
    side = 2 * round(0.5 * settings.gap_mm / mm_per_px) + 1
    count, labels = cv2.connectedComponents(
        cv2.dilate(dark, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
    )
    if count < 2:
        return None
    labels *= dark
    flat = labels.ravel()
    mass = np.bincount(flat, evidence.ravel(), minlength=count) * mm_per_px**2
    touching = np.bincount(flat, near.ravel() > 0, minlength=count) > 0
    mass[0] = 0
    here = np.where(touching, mass, 0.0)
    best = int(here.argmax())
    elsewhere = float(np.where(touching, 0.0, mass).max())
    if here[best] <= 0:
        return None
    mask = (labels == best).astype(np.uint8)
    return Blob(mask, float(here[best]), cv2.countNonZero(mask) * mm_per_px**2, elsewhere)


class OnsetTest:
    """One-sided CUSUM of the mass of the blob at the tip, which is dated back to when it began to rise.

    Parameters
    ----------
    settings : OnsetSettings
    """

    def __init__(self, settings: OnsetSettings) -> None:
        self.settings = settings
        self.reset()

    def reset(self) -> None:
        """Begin anew."""
        self._untold = 0.0
        self.rearm()

    def rearm(self) -> None:
        """Wait for another onset; what could not be told apart before still can't."""
        self.sum = 0.0
        self._credited = 0.0
        self._since_s: float | None = None
        self._began_s: float | None = None

    def look(
        self,
        blob: Blob | None,
        timestamp_s: float,
        passed_s: float,
        *,
        marked: bool,
        told: bool = True,
        steady: bool = True,
        may_begin: bool = True,
        misfit: float = 0.0,
    ) -> float | None:
        """Take one frame; return the time of the onset once there is one.

        Parameters
        ----------
        blob : Blob or None
        timestamp_s, passed_s : float
            Of the frame, and since the one before.
        marked : bool
            An injection was marked a short time ago.
        told : bool
            The frame can be held against the reference; with a bad registration it is not, either.
        steady : bool
            The needle does not move too fast for an onset to begin or to be noticed.
        may_begin : bool
            Where nothing has added up yet, this blob may be the first of an onset.
        misfit : float
            Of the registration, in grey levels.
        """
        s = self.settings
        self._untold *= math.exp(-passed_s / s.untold_s)
        # A freeze or a gap in the stream is one frame's worth of evidence, not many.
        passed_s = min(passed_s, LONGEST_FRAME_S)
        if not told or misfit > s.worst_misfit:
            # It was there before anything could be told of it.
            self._untold = max(self._untold, 0.0 if blob is None else s.untold_share * blob.mass)
            blob = None
        if self.sum == 0 and not (steady and may_begin):
            blob = None
        ease = (s.marked_share if marked else 1.0) * max(1.0, misfit / s.usual_misfit) ** 2
        large = blob is not None and blob.area_mm2 >= s.least_mm2
        mass = 0.0 if blob is None else max(0.0, blob.mass - self._untold)
        elsewhere = 0.0 if blob is None else blob.elsewhere
        # A blob that is still too light to count dates the onset, if it goes on.
        if mass < HINT_SHARE * ease * s.allowance:
            self._began_s = None
        elif self._began_s is None:
            self._began_s = timestamp_s
        self._credited = min(mass if large else 0.0, self._credited + s.growth_mass_s * passed_s)
        excess = self._credited - ease * s.allowance - s.clutter_share * (elsewhere if large else 0.0)
        self.sum = max(0.0, self.sum + excess * passed_s)
        if self.sum == 0:
            self._since_s = None
            return None
        first = self._since_s is None
        if self._since_s is None:
            began_s = timestamp_s if self._began_s is None else self._began_s
            self._since_s = max(began_s, timestamp_s - HINT_S)
        # One frame decides nothing, however long it lasts: there has to be more in another.
        sure = self.sum >= ease * s.threshold and excess > 0 and not first and steady
        return self._since_s if sure else None
