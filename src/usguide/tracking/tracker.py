"""Follow needles from frame to frame: a Kalman filter a needle, and states whose times are in seconds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from usguide.tracking.kalman import TipFilter, TipFilterSettings
from usguide.types import Detection, NeedleTrack, Shaft, TrackState


@dataclass(frozen=True, slots=True)
class TrackerSettings:
    """Life of a track. All times in seconds, all lengths in mm."""

    confirm_s: float = 0.12
    """A candidate is tracked once it has been seen for this long and has moved along itself."""
    confirm_score_mm: float = 3.0
    """Mean score that such a candidate needs."""
    moved_mm: float = 2.0
    """A line whose end has advanced or withdrawn this far along itself is a needle, not a fascia."""
    moved_share: float = 0.7
    """... if this share of all its small movements went the same way."""
    still_confirm_s: float = 1.5
    """A line that does not move along itself has appearance alone to speak for it: it needs longer ..."""
    still_confirm_score_mm: float = 8.0
    """... and more of it, and its confidence is halved."""
    coast_s: float = 0.5
    """A track without a measurement is kept for this long."""
    gate_angle_deg: float = 6.0
    gate_across_mm: float = 2.0
    gate_along_mm: float = 3.0
    """A tip further from the prediction than this (and than the speed limit allows) is not the tip of this frame."""
    max_speed_mm_s: float = 40.0
    relocate_s: float = 0.3
    """A tip that stays out of reach for this long is believed after all."""
    smooth_innovation_mm: float = 1.5
    """Only steps whose surprise is below this count as movement: the end of a fascia flickers, a tip glides."""
    max_tracks: int = 5
    max_hypotheses: int = 16
    tip_filter: TipFilterSettings = field(default_factory=TipFilterSettings)


@dataclass(slots=True)
class _Hypothesis:
    track_id: int
    filter: TipFilter
    angle_rad: float
    """Direction of travel in mm space."""
    shaft: Shaft
    score: float
    born_s: float
    seen_s: float
    tip_seen_s: float
    sightings: int = 1
    advance_mm: float = 0.0
    path_mm: float = 0.0
    moved: bool = False
    confirmed: bool = False


class NeedleTracker:
    """Nearest-neighbour association along the shaft's line, best score first.

    Parameters
    ----------
    settings : TrackerSettings, optional
    """

    def __init__(self, settings: TrackerSettings | None = None) -> None:
        self.settings = settings or TrackerSettings()
        self.reset()

    def reset(self) -> None:
        """Forget every needle."""
        self._hypotheses: list[_Hypothesis] = []
        self._next_id = 1
        self._time_s: float | None = None
        self._last_needle: Shaft | None = None

    def update(self, detections: Sequence[Detection], timestamp_s: float) -> tuple[NeedleTrack, ...]:
        """Take one frame's candidates and return the confirmed tracks, best first.

        A track that is given up at this frame is returned once, with state LOST.

        Parameters
        ----------
        detections : sequence of Detection
            Best first; may be empty.
        timestamp_s : float
            Later than at the last call.
        """
        dt = 0.0 if self._time_s is None else max(0.0, timestamp_s - self._time_s)
        self._time_s = timestamp_s
        for h in self._hypotheses:
            h.filter.predict(dt, h.angle_rad)
        free = list(detections)
        for h in sorted(self._hypotheses, key=lambda h: (not h.moved, not h.confirmed, -h.score)):
            match = self._match(h, free, timestamp_s)
            if match is not None:
                free.remove(match)
                self._absorb(h, match, timestamp_s)
        for d in free:
            if len(self._hypotheses) < self.settings.max_hypotheses and not self._known(d):
                self._start(d, timestamp_s)
        return self._report(timestamp_s)

    def seed(self, detection: Detection, timestamp_s: float) -> None:
        """Start a confirmed track from what someone pointed out; other tracks are dropped."""
        self._hypotheses = []
        self._start(detection, timestamp_s)
        self._hypotheses[-1].confirmed = self._hypotheses[-1].moved = True

    def _match(self, h: _Hypothesis, free: Sequence[Detection], now_s: float) -> Detection | None:
        s = self.settings
        reach = max(s.gate_along_mm, s.max_speed_mm_s * (now_s - h.seen_s))
        best, best_value = None, -math.inf
        for d in free:
            if not self._same_line(d.shaft, h.shaft):
                continue
            along = abs(h.filter.innovation_along(d.tip.position_mm, h.angle_rad))
            # A tip out of reach still shows the shaft; a nearer one is preferred.
            value = d.shaft.score - (along if along <= reach else 2 * along)
            if value > best_value:
                best, best_value = d, value
        return best

    def _absorb(self, h: _Hypothesis, d: Detection, now_s: float) -> None:
        s = self.settings
        weight = 0.4 if h.sightings > 2 else 1 / (h.sightings + 1)
        turn = math.radians(_turn_deg(d.shaft, h.shaft))
        h.angle_rad += weight * turn
        surprise = abs(h.filter.innovation_along(d.tip.position_mm, h.angle_rad))
        if surprise <= max(s.gate_along_mm, s.max_speed_mm_s * (now_s - h.tip_seen_s)):
            self._absorb_tip(h, d, surprise)
            h.tip_seen_s = now_s
        elif now_s - h.tip_seen_s >= s.relocate_s:
            # For a moment the line may run on into a fascia; what stays there is the tip.
            h.filter = TipFilter(d.tip, s.tip_filter)
            h.tip_seen_s = now_s
        h.score += 0.3 * (d.shaft.score - h.score)
        h.shaft = _smoothed(h, d)
        h.seen_s = now_s
        h.sightings += 1

    def _absorb_tip(self, h: _Hypothesis, d: Detection, surprise: float) -> None:
        s = self.settings
        before, step = h.filter.tip(1.0).position_mm, h.filter.last_step_along(h.angle_rad)
        h.filter.update(d.tip)
        # What was there before and flickers at its end has not moved.
        if surprise <= s.smooth_innovation_mm and d.novel is not False:
            step -= h.filter.innovation_along(before, h.angle_rad)
            h.advance_mm += step
            h.path_mm += abs(step)
            # Both the way and its steadiness count: flicker covers much path and gets nowhere.
            h.moved |= abs(h.advance_mm) >= max(s.moved_mm, s.moved_share * h.path_mm)

    def _known(self, d: Detection) -> bool:
        s = self.settings
        return any(
            abs(_turn_deg(d.shaft, h.shaft)) <= 0.5 * s.gate_angle_deg
            and _offset_mm(d.shaft, h.shaft) <= 0.5 * s.gate_across_mm
            for h in self._hypotheses
        )

    def _start(self, d: Detection, now_s: float) -> None:
        (ex, ez), (x, z) = d.shaft.entry_mm, d.shaft.distal_mm
        self._hypotheses.append(
            _Hypothesis(
                self._next_id,
                TipFilter(d.tip, self.settings.tip_filter),
                math.atan2(z - ez, x - ex),
                d.shaft,
                d.shaft.score,
                now_s,
                now_s,
                now_s,
            )
        )
        self._next_id += 1

    def _report(self, now_s: float) -> tuple[NeedleTrack, ...]:
        s, kept, tracks = self.settings, [], []
        for h in self._hypotheses:
            unseen = now_s - h.seen_s
            h.confirmed |= unseen == 0 and self._convincing(h, now_s)
            if h.confirmed and h.moved:
                self._last_needle = h.shaft
            lost = unseen > s.coast_s if h.confirmed else unseen > s.confirm_s
            if not lost:
                kept.append(h)
            if h.confirmed:
                tracks.append((not h.moved, _track(h, now_s, lost=lost)))
        self._hypotheses = kept
        if self._last_needle is not None:
            tracks = [t for t in tracks if not t[0]]
        rank = {TrackState.TRACKING: 0, TrackState.COASTING: 1, TrackState.LOST: 2}
        tracks.sort(key=lambda t: (rank[t[1].state], t[0], -t[1].confidence, t[1].track_id))
        return tuple(t for _, t in tracks[: s.max_tracks])

    def _convincing(self, h: _Hypothesis, now_s: float) -> bool:
        s = self.settings
        age = now_s - h.born_s
        if self._last_needle is None and not h.moved:
            return age >= s.still_confirm_s and h.score >= s.still_confirm_score_mm
        # Once a needle has shown itself by moving, looks alone convince no longer, except where that needle was.
        back = self._last_needle is not None and self._same_line(h.shaft, self._last_needle)
        h.moved |= back
        return h.moved and age >= s.confirm_s and h.score >= s.confirm_score_mm

    def _same_line(self, a: Shaft, b: Shaft) -> bool:
        s = self.settings
        return abs(_turn_deg(a, b)) <= s.gate_angle_deg and _offset_mm(a, b) <= s.gate_across_mm


def _track(h: _Hypothesis, now_s: float, *, lost: bool) -> NeedleTrack:
    unseen = now_s - h.seen_s
    state = TrackState.LOST if lost else TrackState.TRACKING if unseen == 0 else TrackState.COASTING
    confidence = (1.0 if h.moved else 0.5) * math.exp(-unseen / 0.5) / (1 + math.exp(-(h.score - 6.0) / 2.0))
    tip = replace(h.filter.tip(confidence), confidence=confidence)
    length = math.dist(h.shaft.entry_mm, tip.position_mm)
    visible = h.shaft.length_mm / length if length > 0 else 1.0
    return NeedleTrack(
        track_id=h.track_id,
        state=state,
        shaft=h.shaft,
        tip=tip,
        tip_velocity_mm_s=h.filter.speed_along(h.angle_rad),
        confidence=confidence,
        in_plane_fraction=float(np.clip(visible, 0.0, 1.0)),
        age_s=now_s - h.born_s,
        time_since_seen_s=unseen,
    )


def _smoothed(h: _Hypothesis, d: Detection) -> Shaft:
    """Lay the shaft through the filtered tip at the filtered angle; its ends are this frame's, moved onto that line."""
    tip = np.asarray(h.filter.tip(1.0).position_mm)
    u = np.array([math.cos(h.angle_rad), math.sin(h.angle_rad)])
    # Across the shaft the line of this frame is better known than the filtered tip's own position across it.
    normal = np.array([-u[1], u[0]])
    base = tip + normal * float(normal @ (np.asarray(d.shaft.distal_mm) - tip)) * 0.5

    def on_line(point: tuple[float, float]) -> tuple[float, float]:
        p = base + u * float(u @ (np.asarray(point) - base))
        return float(p[0]), float(p[1])

    return Shaft(on_line(d.shaft.entry_mm), on_line(d.shaft.distal_mm), d.shaft.score, d.shaft.curvature_per_mm)


def _turn_deg(a: Shaft, b: Shaft) -> float:
    """Angle from `b`'s direction to `a`'s, signed, -180..180."""
    (ax, az), (bx, bz) = (np.subtract(s.distal_mm, s.entry_mm) for s in (a, b))
    return math.degrees(math.remainder(math.atan2(az, ax) - math.atan2(bz, bx), 2 * math.pi))


def _offset_mm(a: Shaft, b: Shaft) -> float:
    """Distance of the middle of `a` from the line of `b`."""
    p, q = np.asarray(b.entry_mm), np.asarray(b.distal_mm)
    middle = 0.5 * (np.asarray(a.entry_mm) + np.asarray(a.distal_mm))
    d = q - p
    length = float(np.hypot(d[0], d[1])) or 1.0
    return float(abs(d[0] * (middle[1] - p[1]) - d[1] * (middle[0] - p[0])) / length)
