"""Track before detect: several hypotheses, each weighed by fitted trees on all that was seen of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

from usguide.detection.forest import Forest, load_forest, probability
from usguide.tracking.belief import BeliefSettings
from usguide.tracking.hypothesis import TRACK_FEATURES, UNSEEN_LOG_ODDS, Hypothesis
from usguide.types import Detection, NeedleTrack, Shaft, Tip, TrackState


@dataclass(frozen=True, slots=True)
class TrackerSettings:
    """Life of a track. All times in seconds, all lengths in mm, all confidences in 0..1."""

    confirm: float = 0.55
    """Confidence at which a hypothesis is called a needle, ..."""
    keep: float = 0.4
    """... and below which a needle is no longer called seen."""
    coast_s: float = 0.5
    """A track that is not seen is kept for this long ..."""
    unconfirmed_s: float = 0.25
    """... and one that was never confirmed for this long; so long, too, a new one is kept whatever its log-odds."""
    remember_s: float = 10.0
    """Where a needle was lost, one that is seen again within this time is the same."""
    trust_s: float = 2.0
    """A seed is believed for this long whatever the picture shows of it."""
    start_log_odds: float = -3.5
    """A detection less likely than this starts no hypothesis, ..."""
    see_log_odds: float = -4.5
    """... and continues none."""
    gate_turn_deg: float = 6.0
    gate_across_mm: float = 1.2
    """A detection further from a hypothesis is another line."""
    same_turn_deg: float = 5.0
    same_across_mm: float = 1.0
    """Two hypotheses closer than this are one."""
    hopeless_log_odds: float = -3.9
    """Running mean below which an unconfirmed hypothesis is dropped."""
    exclude_log_odds: float = -0.85
    """Running mean from which the background does not learn a hypothesis."""
    max_hypotheses: int = 10
    max_tracks: int = 5
    belief: BeliefSettings = field(default_factory=BeliefSettings)


@cache
def track_forest() -> Forest:
    """Return the fitted trees for the log-odds that a hypothesis is a needle and its tip within 2 mm."""
    return load_forest("usguide.tracking.fitted", "track.npz", TRACK_FEATURES)


class NeedleTracker:
    """Hypotheses that detections feed; those that convince are tracks.

    Parameters
    ----------
    settings : TrackerSettings, optional
    forest : Forest, optional
        Trees that give the log-odds; those that come with usguide when None.
    """

    def __init__(self, settings: TrackerSettings | None = None, forest: Forest | None = None) -> None:
        self.settings = settings or TrackerSettings()
        self._forest = forest or track_forest()
        self.reset()

    def reset(self) -> None:
        """Forget every needle."""
        self.hypotheses: list[Hypothesis] = []
        self._next_id = 1
        self._began_s: float | None = None
        self._pending: Detection | None = None

    def expected(self) -> tuple[Shaft, ...]:
        """Return where needles, or what may be some, were last, the surest first: a detector looks there in any case."""
        return tuple(h.shaft for h in self.hypotheses)

    def suspected(self) -> tuple[Shaft, ...]:
        """Return the shafts that a background should not learn."""
        limit = self.settings.exclude_log_odds
        return tuple(h.shaft for h in self.hypotheses if h.confirmed or h.confidence > 0.3 or h.log_odds_fast > limit)

    def seed(self, detection: Detection, timestamp_s: float | None = None) -> None:
        """Start a confirmed track from what someone pointed out; other tracks are dropped.

        Parameters
        ----------
        detection : Detection
        timestamp_s : float, optional
            When; with the next frame when None.
        """
        self.hypotheses = []
        if timestamp_s is None:
            self._pending = detection
        else:
            self._plant(detection, timestamp_s)

    def update(self, detections: Sequence[Detection], timestamp_s: float) -> tuple[NeedleTrack, ...]:
        """Take one frame's candidates and return the confirmed tracks, best first.

        A track that is given up at this frame is returned once, with state LOST; of two that have come to lie on one line
        the less trusted is dropped without.

        Parameters
        ----------
        detections : sequence of Detection
            May be empty.
        timestamp_s : float
            Later than at the last call.
        """
        if self._began_s is None:
            self._began_s = timestamp_s
        if self._pending is not None:
            self._plant(self._pending, timestamp_s)
            self._pending = None
        free = self._associate(list(detections), timestamp_s)
        self._weigh(free, timestamp_s)
        tracks = self._report(timestamp_s)
        self._start(free, timestamp_s)
        return tracks

    def _plant(self, detection: Detection, now_s: float) -> None:
        h = Hypothesis(self._next_id, detection, now_s, self.settings.belief)
        h.confirmed, h.trusted_until_s = True, now_s + self.settings.trust_s
        self._next_id += 1
        self.hypotheses = [h]

    def _associate(self, free: list[Detection], now_s: float) -> list[Detection]:
        """Give each hypothesis its detection, the most trusted first; return what is left of them."""
        s = self.settings
        for h in sorted(self.hypotheses, key=lambda h: -h.standing):
            best, best_value = None, -math.inf
            for d in free:
                across = h.across_mm(d.shaft)
                if h.turn_rad(d.shaft) > math.radians(s.gate_turn_deg) or across > s.gate_across_mm:
                    continue
                leap = min(math.dist(d.tip.position_mm, h.tip_mm), LEAP_MM)
                value = d.shaft.score - 0.5 * across - 0.3 * leap
                if value > best_value:
                    best, best_value = d, value
            if best is None or best.shaft.score < s.see_log_odds:
                h.coast(now_s)
                continue
            h.see(best, now_s)
            free = [d for d in free if not self._same(d.shaft, best.shaft)]
        return free

    def _weigh(self, free: Sequence[Detection], now_s: float) -> None:
        rival = max((d.shaft.score for d in free), default=UNSEEN_LOG_ODDS)
        stream_s = now_s - (now_s if self._began_s is None else self._began_s)
        for h in self.hypotheses:
            h.set_scene(len(self.hypotheses), rival, stream_s)
            h.believe(self._confidence(h, now_s), now_s)

    def _confidence(self, h: Hypothesis, now_s: float) -> float:
        if h.detection.features is None:
            # A detector of one's own, or a seed: its own word, a little while.
            value = h.detection.tip.confidence * math.exp(-(now_s - h.seen_s) / self.settings.coast_s)
            return value * (1.0 if h.confirmed else min(1.0, (now_s - h.born_s) / 0.15))
        return probability(self._forest.log_odds(h.features()))

    def _report(self, now_s: float) -> tuple[NeedleTrack, ...]:
        s, kept, tracks = self.settings, [], []
        unique: list[Hypothesis] = []
        for h in sorted(self.hypotheses, key=lambda h: (not h.confirmed, -h.standing)):
            if not any(self._same(h.shaft, o.shaft) for o in unique):
                unique.append(h)
        for h in unique:
            seen = h.seen_s == now_s and h.confidence >= (s.keep if h.confirmed else s.confirm)
            h.confirmed |= seen
            h.was_confirmed |= h.confirmed
            if seen:
                h.shown_s = now_s
                h.trusted_until_s = max(h.trusted_until_s, now_s + s.coast_s)
                h.longest_mm = max(h.longest_mm, h.way_mm)
            lost = h.confirmed and now_s > h.trusted_until_s
            if h.confirmed:
                state = TrackState.LOST if lost else TrackState.TRACKING if seen else TrackState.COASTING
                tracks.append(_track(h, state, now_s))
            if lost:
                h.confirmed = False
            if self._hopeful(h, now_s):
                kept.append(h)
        self.hypotheses = kept
        rank = {TrackState.TRACKING: 0, TrackState.COASTING: 1, TrackState.LOST: 2}
        tracks.sort(key=lambda t: (rank[t.state], -t.confidence, t.track_id))
        return tuple(tracks[: s.max_tracks])

    def _hopeful(self, h: Hypothesis, now_s: float) -> bool:
        s = self.settings
        if h.confirmed or (h.was_confirmed and now_s - h.seen_s <= s.remember_s):
            return True
        if now_s - h.seen_s > s.unconfirmed_s:
            return False
        return h.log_odds_fast >= s.hopeless_log_odds or now_s - h.born_s <= s.unconfirmed_s

    def _start(self, free: Sequence[Detection], now_s: float) -> None:
        s = self.settings
        for d in sorted(free, key=lambda d: -d.shaft.score):
            if d.shaft.score < s.start_log_odds or len(self.hypotheses) >= s.max_hypotheses:
                return
            if any(self._same(d.shaft, h.shaft) for h in self.hypotheses):
                continue
            self.hypotheses.append(Hypothesis(self._next_id, d, now_s, s.belief))
            self._next_id += 1

    def _same(self, a: Shaft, b: Shaft) -> bool:
        """Tell whether two shafts are one: nearly parallel, and the middle of one on the other."""
        (ax, az), (bx, bz) = ((s.distal_mm[0] - s.entry_mm[0], s.distal_mm[1] - s.entry_mm[1]) for s in (a, b))
        turn = math.degrees(math.remainder(math.atan2(az, ax) - math.atan2(bz, bx), 2 * math.pi))
        if abs(turn) > self.settings.same_turn_deg:
            return False
        x, z = a.entry_mm[0] + 0.5 * ax - b.entry_mm[0], a.entry_mm[1] + 0.5 * az - b.entry_mm[1]
        length = math.hypot(bx, bz)
        return length > 0 and abs(bx * z - bz * x) / length <= self.settings.same_across_mm


LEAP_MM = 10.0
"""Of two detections on a hypothesis's line, one whose tip is where it was is preferred, up to this far."""


ACROSS_SIGMA_MM = 0.15
FADE_S = 2.0
"""Confidence of a track that is not seen fades so slowly: half of those that coast are where they are said to be, after
half a second as at once (held-out recordings)."""


def _track(h: Hypothesis, state: TrackState, now_s: float) -> NeedleTrack:
    unseen = now_s - h.seen_s
    confidence = h.confidence
    if state is not TrackState.TRACKING:
        # One frame that does not convince does not undo what convinced before.
        confidence = max(h.confidence, h.believed) * math.exp(-unseen / FADE_S)
    way = h.way_mm
    fraction = min(1.0, way / h.longest_mm) if h.longest_mm > 0 else 1.0
    # A visible end that has come back may be a withdrawn tip, or one that has left the plane.
    along = h.belief.sigma_mm**2 + (0.25 * (h.longest_mm - way)) ** 2 * (fraction < 1)
    across = ACROSS_SIGMA_MM**2 + (2.0 * unseen) ** 2
    tip = Tip.on_shaft(h.tip_mm, h.direction_rad, along, across, confidence)
    return NeedleTrack(
        track_id=h.track_id,
        state=state,
        shaft=h.shaft,
        tip=tip,
        tip_velocity_mm_s=h.belief.speed_mm_s,
        confidence=confidence,
        in_plane_fraction=fraction,
        age_s=now_s - h.born_s,
        # A trace of it that does not convince is no sighting.
        time_since_seen_s=now_s - h.shown_s,
    )
