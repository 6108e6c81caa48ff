"""`InjectateSegmenter`: frames and the needle in, the injected fluid out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from usguide._validation import validate_number, validate_outline, validate_point
from usguide.detection import EvidenceSettings, to_evidence_grid
from usguide.errors import InvalidFrameError
from usguide.geometry import ImageGeometry, Point
from usguide.grid import to_working_grid
from usguide.injectate.evidence import shaft_band
from usguide.injectate.follower import FluidFollower, FollowSettings
from usguide.injectate.shared import SharedFrame
from usguide.injectate.sites import Sites, SiteSettings
from usguide.injectate.spread import SpreadMeasurer, SpreadSettings
from usguide.injectate.warnings import SpreadWarnings, WarningSettings, Watch
from usguide.motion import Background
from usguide.motion.affine import inverse
from usguide.types import Frame, Injectate, NeedleTrack, Outline, Target, TrackState


@dataclass(frozen=True, slots=True)
class InjectateSettings:
    """Settings of `InjectateSegmenter`."""

    on: bool = False
    """Whether a pipeline measures the injectate; a segmenter of your own does so anyway."""
    working_mm_per_px: float = 0.15
    """Of the grid that it resamples to where it is used alone."""
    sites: SiteSettings = field(default_factory=SiteSettings)
    follow: FollowSettings = field(default_factory=FollowSettings)
    spread: SpreadSettings = field(default_factory=lambda: SpreadSettings(blunted_mm=0.2))
    """The outline is smooth to some tenths of a mm, and leaves that out where fluid ends in a wedge (tuning lenses)."""
    warnings: WarningSettings = field(default_factory=WarningSettings)


class InjectateSegmenter:
    """Finds injected fluid at the needle's tip (or at a seed) and follows it. Causal.

    Parameters
    ----------
    settings : InjectateSettings, optional

    Notes
    -----
    Each frame is laid onto a reference: the tissue from before, which is no longer learnt where fluid is or may be. Each
    place then has a log-likelihood ratio of fluid (one dark level, once it is known) against tissue (as before, or pushed
    aside, and darker behind a needle). A blob of it that gathers at the tip is fluid once a CUSUM says so; its outline is
    the global minimum of that evidence and the length of the edge (total variation), found by primal-dual steps that go
    on from the frame before.
    """

    def __init__(self, settings: InjectateSettings | None = None) -> None:
        self.settings = settings or InjectateSettings()
        self._target: Target | None = None
        self._keep_out_mm: Mapping[str, Outline] = {}
        self._measurer = SpreadMeasurer(self.settings.spread)
        self._warnings = SpreadWarnings(self.settings.warnings)
        self._sites = Sites(self.settings.sites)
        self._follower = FluidFollower(self.settings.follow)
        self._background = Background()
        self.reset()

    def reset(self) -> None:
        """Forget fluid, tissue, seeds and marks; keep target, what is to be kept out of, and settings."""
        self._marked_s: float | None = None
        self._last: Injectate | None = None
        self._last_s: float | None = None
        self._place: tuple[tuple[int, ...], ImageGeometry] | None = None
        self._first_onset_s: float | None = None
        for part in (self._warnings, self._measurer, self._background, self._sites, self._follower):
            part.reset()

    def seed(self, point_mm: ArrayLike) -> None:
        """Look for fluid at a point, (lateral, axial) in mm, from the next frame on; it moves with the tissue.

        Raises
        ------
        InputError
            Not a point.
        """
        self._sites.seed(validate_point(point_mm, name="point_mm"))

    def seed_region(self, outline_mm: ArrayLike) -> None:
        """Look for fluid anywhere within a closed outline, shape (n, 2) in mm.

        Raises
        ------
        InputError
            An outline that encloses no area.
        """
        outline = np.array(validate_outline(outline_mm, name="outline_mm"))
        step = self.settings.sites.reach_mm
        low, high = outline.min(axis=0), outline.max(axis=0)
        axes = [np.arange(a + 0.5 * min(step, b - a), b, step) for a, b in zip(low, high, strict=True)]
        points: list[Point] = [(float(x), float(z)) for z in axes[1] for x in axes[0]]
        polygon = outline.astype(np.float32).reshape(-1, 1, 2)
        inside = [p for p in points if cv2.pointPolygonTest(polygon, p, False) >= 0]
        for point in inside or [tuple(outline.mean(axis=0))]:
            self._sites.seed((float(point[0]), float(point[1])))

    def mark_injection(self, time_s: float) -> None:
        """Note when the plunger moved: fluid is expected from then on, and warned of where it does not come."""
        self._marked_s = validate_number(time_s, name="time_s")
        self._warnings.mark(self._marked_s)

    def set_target(self, target: Target | None) -> None:
        """Measure the spread around a target; None: around nothing."""
        self._target = target

    def set_keep_out(self, keep_out_mm: Mapping[str, Outline]) -> None:
        """Warn of fluid within these outlines."""
        self._keep_out_mm = dict(keep_out_mm)

    def update(self, frame: Frame, track: NeedleTrack | None = None, shared: SharedFrame | None = None) -> Injectate:
        """Take the next frame.

        Parameters
        ----------
        frame : Frame
        track : NeedleTrack, optional
            The needle, measured or coasting.
        shared : SharedFrame, optional
            What has been computed of this frame already.

        Returns
        -------
        Injectate
            Without pools while no fluid is seen. A frame whose time does not go on repeats the last.

        Raises
        ------
        InvalidFrameError
            The frame can't be used; what is known stays as it was.
        """
        if self._last is not None and self._last_s is not None and frame.timestamp_s <= self._last_s:
            return self._last
        if track is not None and track.state is TrackState.LOST:
            track = None
        here = shared or self._looked_at(frame, track)
        place = (here.smooth.shape, here.geometry)
        fresh = here.novelty is None or place != self._place
        passed = 0.0 if self._last_s is None else frame.timestamp_s - self._last_s
        self._place, self._last_s = place, frame.timestamp_s
        if fresh:
            self._follower.begin(here)
            self._sites.let_go()
        else:
            self._follower.lay(here, self._sites)
        self._sites.update(self._follower.reference, here.geometry, track, frame.timestamp_s)
        if not fresh:
            marked = self._is_expected(frame.timestamp_s)
            self._follower.look(here, track, self._sites, frame.timestamp_s, passed, marked=marked)
        self._last = self._measured(here, track, frame.timestamp_s)
        return self._last

    def _is_expected(self, timestamp_s: float) -> bool:
        """Whether an injection was marked a short time ago."""
        marked, lasts = self._marked_s, self.settings.follow.onset.marked_s
        return marked is not None and 0 <= timestamp_s - marked <= lasts

    def _looked_at(self, frame: Frame, track: NeedleTrack | None) -> SharedFrame:
        """Do what the pipeline would have done."""
        if frame.status != "OK":
            raise InvalidFrameError(f"frame {frame.index}: the source marks it {frame.status}; it is left out")
        image = to_working_grid(frame, self.settings.working_mm_per_px)
        smooth, valid, geometry = to_evidence_grid(image, image.grey, EvidenceSettings())
        needle = None
        if track is not None:
            ends = geometry.to_px(np.array([[track.shaft.entry_mm, track.shaft.distal_mm]]))
            width = self.settings.follow.needle_mm / geometry.axial_mm_per_px
            needle = shaft_band(valid.shape, ends, width, width) > 0
        novelty = self._background.novelty(smooth, valid, needle)
        self._background.learn(smooth, valid, frame.timestamp_s, needle)
        return SharedFrame(image, smooth, valid, geometry, novelty, () if track is None else (track.shaft,))

    def _measured(self, here: SharedFrame, track: NeedleTrack | None, timestamp_s: float) -> Injectate:
        labels, probability = self._follower.drawn(here)
        pools = self._follower.pools
        if self._first_onset_s is None and pools:
            self._first_onset_s = min(p.onset_s for p in pools.values())
        fluid = self._measurer.update(
            labels,
            here.image.geometry,
            timestamp_s=timestamp_s,
            onsets_s={n: p.onset_s for n, p in pools.items()},
            confidences={n: p.confidence for n, p in pools.items()},
            probability=probability,
            target=self._target,
            onset_s=self._first_onset_s,
        )
        tip, sigma = self._sites.watched_mm(track, self._follower.reference, here.geometry)
        watch = Watch(
            tip_mm=tip,
            tip_sigma_mm=sigma,
            tip_measured=track is not None and track.state is TrackState.TRACKING,
            comparable=self._follower.comparable,
        )
        warnings = self._warnings.look(
            fluid, watch, timestamp_s=timestamp_s, target=self._target, keep_out_mm=self._keep_out_mm
        )
        moved = None if here.novelty is None else _moved_mm(here.novelty.motion, here.geometry)
        return replace(fluid, warnings=warnings, tissue_motion=moved)


def _moved_mm(to_before: NDArray[np.float64], geometry: ImageGeometry) -> NDArray[np.float64]:
    """Return the way back of a (2, 3) map between px, in mm: from the frame before to this one."""
    back = inverse(to_before)
    size, origin = np.array(geometry.spacing_mm[::-1]), np.array(geometry.origin_mm)
    turn = back[:, :2] * (size[:, None] / size)
    return np.column_stack([turn, size * back[:, 2] + origin - turn @ origin])
