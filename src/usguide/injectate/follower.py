"""Fluid on the reference's grid, frame by frame: evidence, onset, pools."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from usguide.geometry import ImageGeometry
from usguide.grid import BLACK_GREY_LEVELS
from usguide.injectate.evidence import FluidLevel, LikelihoodSettings, decay, fluid_evidence, median_of, shaft_band
from usguide.injectate.flow import TissueFlow
from usguide.injectate.onset import OnsetSettings, OnsetTest, blob_at
from usguide.injectate.reference import Reference, ReferenceSettings
from usguide.injectate.regions import RegionSettings, Variation, followed, refined_edge, shifted_edge
from usguide.injectate.shared import SharedFrame
from usguide.injectate.sites import Sites
from usguide.motion.affine import inverse, product, warped
from usguide.types import NeedleTrack

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Bytes = NDArray[np.uint8]
Window = tuple[slice, slice]

FAR_PX = 1e6
"""Where a linear probe's beams meet."""
LEAST_SIDE_PX = 8
"""Smaller pictures of fluid have no profile across their edge."""
CORE_PX = 16
"""A pool's core of fewer px does not tell the fluid's level."""


@dataclass(frozen=True, slots=True)
class FollowSettings:
    """How fluid is found and followed."""

    smooth_mm: float = 0.1
    """Standard deviation of the Gaussian that grey levels are smoothed with: less than needles are sought in."""
    memory_s: float = 0.05
    """Time constant with which the evidence follows the frames."""
    window_mm: float = 9.0
    """Fluid is looked for so far around the tip and around each pool."""
    not_learnt_mm: float = 1.5
    """Tissue so close to fluid is not learnt."""
    needle_mm: float = 1.8
    """Nor is the band of this width around a needle, nor what lies so far beyond its tip."""
    doubtful_share: float = 0.25
    """What may be fluid, but was not taken for it, is learnt at this share of the usual rate."""
    level_memory_s: float = 0.3
    """Time constant with which the fluid's grey level is learnt."""
    settle_s: float = 0.4
    """A reference has to be this old before anything is new against it."""
    most_misfit: float = 12.0
    """With a worse registration, in grey levels, nothing is said of new fluid."""
    reference: ReferenceSettings = field(default_factory=ReferenceSettings)
    likelihood: LikelihoodSettings = field(default_factory=LikelihoodSettings)
    onset: OnsetSettings = field(default_factory=OnsetSettings)
    regions: RegionSettings = field(default_factory=RegionSettings)


@dataclass(slots=True)
class PoolState:
    """What is remembered of a pool beside its place."""

    onset_s: float
    confidence: float = 0.5


class FluidFollower:
    """Follows fluid.

    Parameters
    ----------
    settings : FollowSettings
    """

    def __init__(self, settings: FollowSettings) -> None:
        self.settings = settings
        self.reference = Reference(settings.reference)
        self._onset = OnsetTest(settings.onset)
        self._flow = TissueFlow()
        self.reset()

    def reset(self) -> None:
        """Forget all, numbers of pools included."""
        self.reference.reset()
        self._onset.reset()
        self._flow.reset()
        self.pools: dict[int, PoolState] = {}
        self._next_id = 1
        self._fluid = FluidLevel()
        self._began_s: float | None = None
        self.comparable = False

    def begin(self, here: SharedFrame) -> None:
        """Start with a frame that nothing of before can be laid onto."""
        ends = self._ends_px(here)
        band = self._learn_band(ends, here)
        self.reference.start(self._grey(here), here.valid & (band == 0))
        shape = here.smooth.shape
        self._evidence = np.zeros(shape, np.float32)
        self._labels: Bytes = np.zeros(shape, np.uint8)
        self._variation = Variation(shape)
        self._onset.reset()
        self._flow.reset()
        self.pools.clear()
        self._fluid = FluidLevel()
        self._began_s = None
        self.comparable = False

    def lay(self, here: SharedFrame, sites: Sites) -> None:
        """Find where a frame lies on the reference."""
        if here.novelty is None:
            raise AssertionError("a frame that nothing of before can be laid onto begins anew")
        moved = self.reference.move(here.novelty.motion)
        if moved is not None:
            sites.carried(moved)
            self._flow.reset()
            self._evidence = warped(self._evidence, moved)
            self._labels = warped(self._labels.astype(np.float32), moved, cv2.INTER_NEAREST).astype(np.uint8)
            self._variation.carried(moved)

    def look(
        self,
        here: SharedFrame,
        track: NeedleTrack | None,
        sites: Sites,
        timestamp_s: float,
        passed_s: float,
        *,
        marked: bool,
    ) -> None:
        """Take a frame that lies on the reference."""
        if here.novelty is None:
            raise AssertionError("a frame that nothing of before can be laid onto begins anew")
        s, ref = self.settings, self.reference
        mm = here.geometry.axial_mm_per_px
        self._began_s = timestamp_s if self._began_s is None else self._began_s
        settled = timestamp_s - self._began_s >= s.settle_s
        self.comparable = settled and here.novelty.misfit <= s.most_misfit
        grey = ref.to_still(self._grey(here) - np.float32(here.novelty.offset))
        valid = self._valid_still(here)
        ref.look_around(timestamp_s, mm)
        window = self._window(sites, mm)
        doubt = None
        if window is not None:
            evidence = self._evidence_in(window, grey, valid, here, track, passed_s)
            self._grow(window, evidence, mm, passed_s)
            doubt = self._test_onset(window, evidence, sites, here, timestamp_s, passed_s, marked=marked)
            self._learn_level(grey, valid, passed_s)
            self._judge(window, evidence)
        self._learn(grey, valid, here, window, doubt, passed_s)

    def drawn(self, here: SharedFrame) -> tuple[Bytes, F32]:
        """Return pools and probability on the frame's working grid."""
        shape = here.image.grey.shape
        labels, probability = np.zeros(shape, np.uint8), np.zeros(shape, np.float32)
        if not self.pools:
            return labels, probability
        # From px of the working grid to px of the evidence grid, then to the reference's.
        fine, coarse = here.image.geometry, here.geometry
        scale = [f / c for f, c in zip(fine.spacing_mm, coarse.spacing_mm, strict=True)]
        shift = coarse.to_px(fine.origin_mm)
        to_still = product(self.reference.affine, np.array([[scale[0], 0.0, shift[0]], [0.0, scale[1], shift[1]]]))
        box = _box_of(self._labels, 7)
        back = inverse(to_still)
        corners = np.array([[x, y] for x in (box[1].start, box[1].stop) for y in (box[0].start, box[0].stop)], float)
        corners = corners @ back[:, :2].T + back[:, 2]
        low = np.maximum(np.floor(corners.min(axis=0)).astype(int), 0)
        high = np.minimum(np.ceil(corners.max(axis=0)).astype(int) + 1, shape[::-1])
        if (high <= low).any():
            return labels, probability
        out = np.s_[low[1] : high[1], low[0] : high[0]]
        size = (int(high[0] - low[0]), int(high[1] - low[1]))
        part = product(to_still, np.array([[1.0, 0.0, low[0]], [0.0, 1.0, low[1]]]))
        part = part - np.array([[0.0, 0.0, box[1].start], [0.0, 0.0, box[0].start]])
        # The labels say what belongs to a pool, u how surely.
        own = np.s_[box[0].start : box[0].stop, box[1].start : box[1].stop]
        part_of, wide = self._labels[own], dilated(self._labels[own], 5)
        u = np.where(wide > 0, self._variation.u[own], np.float32(0))
        u = np.where(part_of > 0, np.maximum(u, np.float32(0.5)), np.minimum(u, np.float32(0.5)))
        r = self.settings.regions
        u = shifted_edge(u, r.edge_mm, r.edge_sigma_mm, here.geometry.axial_mm_per_px)
        flags = cv2.WARP_INVERSE_MAP
        sure = np.asarray(cv2.warpAffine(u, part, size, flags=flags | cv2.INTER_LINEAR), np.float32)
        number = cv2.warpAffine(wide, part, size, flags=flags | cv2.INTER_NEAREST)
        sure = self._at_half_amplitude(sure, here, out)
        probability[out] = sure
        labels[out] = np.where((sure > 0.5) & here.image.valid[out], number, 0)
        return labels, probability

    def _at_half_amplitude(self, sure: F32, here: SharedFrame, box: Window) -> F32:
        """Move the edge to where grey levels put it, on the working grid."""
        r, fine = self.settings.regions, here.image.geometry
        if self._fluid.level < 0 or min(sure.shape) < LEAST_SIDE_PX:
            return sure
        offset = here.novelty.offset if here.novelty is not None else 0.0
        ends = fine.to_px(np.array([[s.entry_mm, s.distal_mm] for s in here.suspected], float).reshape(-1, 2, 2))
        ends = ends - np.array([box[1].start, box[0].start])
        mm = fine.axial_mm_per_px
        told = shaft_band(sure.shape, ends, self.settings.needle_mm / mm, self.settings.needle_mm / mm) == 0
        told &= here.image.valid[box]
        return refined_edge(sure, here.image.grey[box], told, self._fluid.level + offset, mm, r)

    def _grey(self, here: SharedFrame) -> F32:
        """Return the frame on the evidence grid, less smooth than where needles are sought."""
        h, w = here.smooth.shape
        rows, columns = here.image.grey.shape
        whole = here.image.grey[: rows // h * h, : columns // w * w]
        grey = np.asarray(cv2.resize(whole, (w, h), interpolation=cv2.INTER_AREA), dtype=np.float32)
        sigma = self.settings.smooth_mm / here.geometry.axial_mm_per_px
        if sigma > 0:
            grey = np.asarray(cv2.GaussianBlur(grey, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE), dtype=np.float32)
        return grey

    def _ends_px(self, here: SharedFrame) -> F64:
        ends = np.array([[s.entry_mm, s.distal_mm] for s in here.suspected], float).reshape(-1, 2, 2)
        return here.geometry.to_px(ends)

    def _learn_band(self, ends_px: F64, here: SharedFrame) -> Bytes:
        width = self.settings.needle_mm / here.geometry.axial_mm_per_px
        return shaft_band(here.smooth.shape, ends_px, width, width)

    def _valid_still(self, here: SharedFrame) -> F32:
        """Return 1 where frame and reference both have a picture, on the reference's grid."""
        valid = self.reference.to_still(here.valid.astype(np.float32), cv2.INTER_LINEAR, cv2.BORDER_CONSTANT)
        return (valid > 0.99).astype(np.float32)

    def _window(self, sites: Sites, mm: float) -> Window | None:
        """Return the part of the grid in which fluid is looked for; None without a place to look at."""
        reach = self.settings.window_mm / mm
        boxes = []
        if points := sites.points_px:
            xs, ys = zip(*(p.tolist() for p in points), strict=True)
            boxes.append((min(xs) - reach, min(ys) - reach, max(xs) + reach, max(ys) + reach))
        if self.pools:
            rows, columns = _box_of(self._labels, round(reach))
            boxes.append((columns.start, rows.start, columns.stop, rows.stop))
        if not boxes:
            return None
        h, w = self._labels.shape
        left, top, right, bottom = zip(*boxes, strict=True)
        x0, y0 = (max(0, math.floor(min(v))) for v in (left, top))
        x1, y1 = min(w, math.ceil(max(right))), min(h, math.ceil(max(bottom)))
        return (slice(y0, y1), slice(x0, x1)) if x1 - x0 > 8 and y1 - y0 > 8 else None

    def _evidence_in(
        self, window: Window, grey: F32, valid: F32, here: SharedFrame, track: NeedleTrack | None, passed_s: float
    ) -> F32:
        """Take the frame's evidence into the running mean; return that in the window."""
        s, ref = self.settings, self.reference
        origin = np.array([window[1].start, window[0].start], float)
        shafts = np.zeros((0, 2, 2))
        if track is not None:
            ends = here.geometry.to_px([track.shaft.entry_mm, track.tip.position_mm])
            shafts = (ref.points_to_still(ends) - origin)[None]
        known = ref.known[window]
        level = ref.level[window]
        now = fluid_evidence(
            # Of its own: a shadow is lifted in it.
            grey[window].copy(),
            np.where(known > 0, ref.picture[window], level),
            np.ascontiguousarray(level),
            np.ascontiguousarray(ref.spread[window]),
            np.ascontiguousarray(valid[window]),
            shafts_px=shafts,
            apex_px=self._apex_px(here.geometry) - origin,
            not_shadow=self._labels[window],
            mm_per_px=here.geometry.axial_mm_per_px,
            misfit=here.novelty.misfit if here.novelty is not None else 0.0,
            fluid=self._fluid,
            pushed=partial(self._flow.pushed, window=window, shape=grey.shape, passed_s=passed_s),
            settings=s.likelihood,
        )
        if not self.pools:
            # Where the tissue has never been seen without a needle, nothing can be darker than it was.
            now[known <= 0] = np.minimum(now[known <= 0], 0)
        before = self._evidence[window]
        mean = before + np.float32(decay(passed_s, s.memory_s)) * (now - before)
        # What lies outside the window is forgotten, so that it begins anew where the window moves.
        self._evidence = np.zeros_like(self._evidence)
        self._evidence[window] = mean
        return mean

    def _apex_px(self, geometry: ImageGeometry) -> F64:
        if geometry.sector is None:
            return np.array([0.5 * self._labels.shape[1], -FAR_PX])
        return self.reference.points_to_still(geometry.to_px(geometry.sector.apex_mm))

    def _grow(self, window: Window, evidence: F32, mm: float, passed_s: float) -> None:
        """Follow the pools there are."""
        if not self.pools:
            return
        r = self.settings.regions
        u = self._variation.descend(evidence, window, r.edge_cost, r.iterations)
        front = max(1, round(r.front_mm_s * passed_s / mm))
        before = self._next_id
        labels, self._next_id = followed(
            self._labels[window], u, front, r.least_mm2 / mm**2, r.split_mm2 / mm**2, self._next_id
        )
        present = {int(n) for n in np.unique(labels) if n}
        for number in range(before, self._next_id):
            parent = self._labels[window][labels == number]
            self.pools[number] = PoolState(self.pools[int(parent.max())].onset_s)
        self.pools = {n: p for n, p in self.pools.items() if n in present}
        self._labels = np.zeros_like(self._labels)
        self._labels[window] = labels

    def _test_onset(
        self,
        window: Window,
        evidence: F32,
        sites: Sites,
        here: SharedFrame,
        timestamp_s: float,
        passed_s: float,
        *,
        marked: bool,
    ) -> Bytes | None:
        """Look for a new pool; return what may be one."""
        s, mm = self.settings, here.geometry.axial_mm_per_px
        side = 2 * round(s.onset.gap_mm / mm) + 1
        known = dilated(self._labels[window], side)
        origin = window[1].start, window[0].start
        blob = blob_at(evidence, sites.near(evidence.shape, mm, origin), known, mm, s.onset)
        onset_s = self._onset.look(
            blob,
            timestamp_s,
            passed_s,
            marked=marked,
            told=self.comparable,
            steady=sites.steady,
            may_begin=blob is not None and sites.may_begin(blob.mask, mm, origin),
            misfit=here.novelty.misfit if here.novelty is not None else 0.0,
        )
        if onset_s is None or blob is None:
            return None if blob is None else blob.mask
        r = s.regions
        u = self._variation.descend(evidence, window, r.edge_cost, r.first_iterations)
        count, parts = cv2.connectedComponents(((u > 0.5) & (known == 0)).astype(np.uint8))
        share = np.bincount(parts[blob.mask > 0], minlength=count)
        share[0] = 0
        if count > 1 and share.max() > 0 and self._next_id < 256:
            # All of it that the blob holds, in however many pieces.
            self._labels[window][(share > 0)[parts]] = self._next_id
            self.pools[self._next_id] = PoolState(onset_s)
            self._next_id += 1
            self._onset.rearm()
        return blob.mask

    def _learn_level(self, grey: F32, valid: F32, passed_s: float) -> None:
        """Learn how dark the fluid is."""
        if not self.pools:
            return
        box = _box_of(self._labels, 1)
        core = cv2.erode((self._labels[box] > 0).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        core &= valid[box] > 0
        if np.count_nonzero(core) < CORE_PX:
            return
        s = self.settings
        self._fluid = self._fluid.followed(
            grey[box][core],
            median_of(self.reference.level[box][core]),
            median_of(self.reference.spread[box][core]),
            s.likelihood.least_fluid_spread,
            decay(passed_s, s.level_memory_s),
        )

    def _judge(self, window: Window, evidence: F32) -> None:
        """Say how sure each pool is: by its mean evidence."""
        limit = self.settings.likelihood.limit
        for number, pool in self.pools.items():
            mean = float(evidence[self._labels[window] == number].mean())
            pool.confidence = min(max(mean / (0.7 * limit), 0.0), 1.0)

    def _learn(
        self, grey: F32, valid: F32, here: SharedFrame, window: Window | None, doubt: Bytes | None, passed_s: float
    ) -> None:
        """Let the reference follow, where there is neither needle nor fluid."""
        mm = here.geometry.axial_mm_per_px
        ends = self.reference.points_to_still(self._ends_px(here))
        usable = valid * (self._learn_band(ends, here) == 0)
        offset = here.novelty.offset if here.novelty is not None else 0.0
        if offset < 0:
            # With less gain, what is black may be of any grey level below that: it is never learnt as brighter than it was.
            black = grey <= BLACK_GREY_LEVELS - offset
            grey = np.where(black, np.minimum(grey, self.reference.picture), grey)
        side = 2 * max(1, round(self.settings.not_learnt_mm / mm)) + 1
        if window is not None and doubt is not None:
            usable[window][dilated(doubt, side) > 0] *= np.float32(self.settings.doubtful_share)
        if self.pools:
            usable[dilated(self._labels, side) > 0] = 0
        self.reference.learn(grey, usable, passed_s)


def dilated(labels: Bytes, side_px: int) -> Bytes:
    """Widen labels by a square; where they meet, the newer one holds."""
    return np.asarray(cv2.dilate(labels, np.ones((side_px, side_px), np.uint8)), np.uint8)


def _box_of(labels: Bytes, margin_px: int) -> Window:
    """Return the box around all labels, with a margin."""
    x, y, columns, rows = cv2.boundingRect(labels)
    if not rows:
        return np.s_[0:0, 0:0]
    h, w = labels.shape
    top, left = max(0, y - margin_px), max(0, x - margin_px)
    return slice(top, min(h, y + rows + margin_px)), slice(left, min(w, x + columns + margin_px))
