"""From labelled pools in a frame to an `Injectate`, with a memory of areas for the rates."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from usguide.errors import InputError
from usguide.geometry import ImageGeometry
from usguide.injectate.around import spread_around
from usguide.injectate.measures import (
    RegionMeasures,
    Symmetry,
    growth_rate,
    measure_region,
    volume_assumption,
    volume_mm3,
)
from usguide.types import Injectate, Pool, Target

F32 = NDArray[np.float32]

_ALL = 0
"""Where the areas of all pools together are kept; a pool's own number is above it."""


@dataclass(frozen=True, slots=True)
class SpreadSettings:
    """How fluid is measured."""

    rate_window_s: float = 1.0
    """Rates are those of the areas over so long a time."""
    target_band_mm: float = 1.0
    """Fluid so close to the target's outline, within or without, lies against it."""
    elevational_width_mm: float | None = None
    """For the volume: the picture is the section of a slab of this width. None: `volume_symmetry` holds."""
    volume_symmetry: Symmetry = "disc"
    """disc: as far in elevation as along the picture; spindle: as far as across."""
    blunted_mm: float = 0.0
    """The labels leave out so much at either end of a slender pool."""


class SpreadMeasurer:
    """Measures the pools of one frame after the other.

    Parameters
    ----------
    settings : SpreadSettings, optional
    """

    def __init__(self, settings: SpreadSettings | None = None) -> None:
        self.settings = settings or SpreadSettings()
        self.reset()

    def reset(self) -> None:
        """Forget the areas of frames before."""
        self._areas: dict[int, deque[tuple[float, float]]] = {}

    def update(
        self,
        labels: NDArray[np.integer],
        geometry: ImageGeometry,
        *,
        timestamp_s: float,
        onsets_s: Mapping[int, float],
        confidences: Mapping[int, float],
        probability: F32 | None = None,
        target: Target | None = None,
        onset_s: float | None = None,
    ) -> Injectate:
        """Measure the pools of one frame.

        Parameters
        ----------
        labels : ndarray of int, shape (h, w)
            Number of the pool that each pixel belongs to, from 1; 0 where there is no fluid.
        geometry : ImageGeometry
            Of the labels' pixels.
        timestamp_s : float
            Of the frame.
        onsets_s, confidences : mapping of int to float
            Of each pool.
        probability : ndarray of float32, shape (h, w), optional
            Of being fluid.
        target : Target, optional
        onset_s : float, optional
            Of the injection; by default that of the first pool in the frame.

        Returns
        -------
        Injectate
            Without warnings.

        Raises
        ------
        InputError
            Labels that are no whole numbers, or a pool without an onset or a confidence.
        """
        if labels.ndim != 2 or not np.issubdtype(labels.dtype, np.integer):
            raise InputError(f"labels: expected whole numbers (h, w), got {labels.dtype} {labels.shape}")
        mask = labels > 0
        parts = {number: labels == number for number in sorted(onsets_s) if number > 0}
        sizes = {number: int(np.count_nonzero(own)) for number, own in parts.items()}
        if sum(sizes.values()) != np.count_nonzero(mask):
            missing = sorted(set(np.unique(labels[mask]).tolist()) - set(parts))
            raise InputError(f"onsets_s: expected one of every pool, got none of {missing}")
        numbers = [number for number, size in sizes.items() if size]
        if missing := [n for n in numbers if n not in confidences]:
            raise InputError(f"confidences: expected one of every pool, got none of {missing}")
        self._forget(numbers, timestamp_s)
        pools, regions = [], []
        for number in numbers:
            own = parts[number]
            others = mask & ~own if len(numbers) > 1 else None
            found = measure_region(own, geometry, probability, others=others, blunted_mm=self.settings.blunted_mm)
            if found is not None:
                regions.append(found)
                pools.append(self._pool(number, found, onsets_s[number], confidences[number], timestamp_s))
        whole = (
            regions[0]
            if len(regions) == 1
            else measure_region(mask, geometry, probability, blunted_mm=self.settings.blunted_mm)
        )
        none = Injectate(
            pools=(),
            mask=mask,
            geometry=geometry,
            contours_mm=(),
            area_mm2=0.0,
            centroid_mm=None,
            extent_mm=None,
            onset_s=onset_s,
            rate_mm2_s=None,
            confidence=0.0,
            probability=None if probability is None else np.array(probability, np.float32),
        )
        if whole is None:
            return none
        s, rate = self.settings, self._rate(_ALL, timestamp_s, whole)
        volumes = [p.volume_mm3 for p in pools if p.volume_mm3 is not None]
        all_known = len(volumes) == len(pools)
        return replace(
            none,
            pools=tuple(sorted(pools, key=lambda p: -p.area_mm2)),
            contours_mm=tuple(c for r in regions for c in r.contours_mm),
            area_mm2=whole.area_mm2,
            centroid_mm=whole.centroid_mm,
            extent_mm=whole.extent_mm,
            onset_s=min(p.onset_s for p in pools) if onset_s is None else onset_s,
            rate_mm2_s=rate[0],
            rate_sigma_mm2_s=rate[1],
            confidence=float(np.average([p.confidence for p in pools], weights=[p.area_mm2 for p in pools])),
            area_sigma_mm2=whole.area_sigma_mm2,
            perimeter_mm=whole.perimeter_mm,
            axis_deg=whole.axis_deg,
            volume_mm3=math.fsum(volumes) if all_known else None,
            volume_assumption=volume_assumption(s.elevational_width_mm, s.volume_symmetry) if all_known else "",
            around_target=None if target is None else spread_around(target, whole, band_mm=s.target_band_mm),
        )

    def _pool(self, number: int, r: RegionMeasures, onset_s: float, confidence: float, timestamp_s: float) -> Pool:
        rate = self._rate(number, timestamp_s, r)
        s = self.settings
        return Pool(
            pool_id=number,
            onset_s=float(onset_s),
            area_mm2=r.area_mm2,
            area_sigma_mm2=r.area_sigma_mm2,
            perimeter_mm=r.perimeter_mm,
            centroid_mm=r.centroid_mm,
            extent_mm=r.extent_mm,
            axis_deg=r.axis_deg,
            contours_mm=r.contours_mm,
            confidence=float(confidence),
            rate_mm2_s=rate[0],
            rate_sigma_mm2_s=rate[1],
            volume_mm3=volume_mm3(r, elevational_width_mm=s.elevational_width_mm, symmetry=s.volume_symmetry),
        )

    def _forget(self, numbers: list[int], timestamp_s: float) -> None:
        """Drop areas that are too old, those of pools that are gone, and all of them when time runs back."""
        oldest = timestamp_s - self.settings.rate_window_s
        for number, areas in list(self._areas.items()):
            while areas and not oldest - 1e-9 <= areas[0][0] < timestamp_s:
                areas.popleft()
            if not areas or (number != _ALL and number not in numbers):
                del self._areas[number]

    def _rate(self, number: int, timestamp_s: float, region: RegionMeasures) -> tuple[float, float] | tuple[None, None]:
        areas = self._areas.setdefault(number, deque())
        areas.append((timestamp_s, region.area_mm2))
        found = _growth_rate(tuple(areas))
        if found is None:
            return None, None
        rate, scatter = found
        # An outline that lies too far out does so while the region grows: the rate is wrong by the same share as the area.
        return rate, math.hypot(scatter, rate * region.area_sigma_mm2 / region.area_mm2)


@lru_cache(maxsize=1)
def _growth_rate(areas: tuple[tuple[float, float], ...]) -> tuple[float, float] | None:
    """One pool alone is all the fluid there is: what was worked out for it holds for all."""
    return growth_rate(*zip(*areas, strict=True))
