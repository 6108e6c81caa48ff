"""One line that may be a needle, followed over time: its shaft, its tip's belief, and what speaks for it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from usguide.detection.candidates import FEATURE_NAMES
from usguide.detection.forest import probability
from usguide.geometry import Point
from usguide.tracking.belief import BeliefSettings, TipBelief
from usguide.types import Detection, Shaft

F64 = NDArray[np.float64]

FAST_S, SLOW_S, LOOKS_S, BELIEVED_S = 0.25, 1.0, 0.3, 0.5
"""Time constants of running means."""
UNSEEN_LOG_ODDS = -6.0
SMOOTH_STEP_MM = 3.0
"""A tip that leaps further between frames has been found elsewhere; it has not moved."""
LONGEST_MEMORY_S = 5.0
RIGHT_MM = 2.0
"""A tip is right within this."""
MOST_DISSENT = 12.0
FORGET_TIP_S = 0.5
"""After this long unseen, the tip may be anywhere along the shaft."""

SMOOTHED = ("look_mean", "new_mean", "new_sum_mm", "new_end", "new_share")
AS_SEEN = (
    "look_sum_mm",
    "length_mm",
    "start_mm",
    "activity",
    "new_beyond",
    "new_drop",
    "new_known",
    "new_rank",
    "bend_per_mm",
    "look_beyond",
    "gap_mm",
)
TRACK_FEATURES = (
    "log_odds",
    "log_odds_fast",
    "log_odds_slow",
    "log_odds_most",
    "age_s",
    "seen_share",
    "unseen_s",
    "advance_mm",
    "range_mm",
    "path_mm_s",
    "speed_mm_s",
    "tip_sigma_mm",
    "tip_share",
    "tip_dissent",
    "way_share",
    "new_fade",
    "across_jitter_mm",
    "turn_jitter_deg",
    "across_way_mm",
    "across_speed_mm_s",
    "advance_speed_mm_s",
    "rivals",
    "rival_log_odds",
    "stream_s",
    *(f"{name}_recent" for name in SMOOTHED),
    *AS_SEEN,
)
_SMOOTHED_AT = np.array([FEATURE_NAMES.index(n) for n in SMOOTHED])
_NEW_MEAN = SMOOTHED.index("new_mean")
_AS_SEEN_AT = np.array([FEATURE_NAMES.index(n) for n in AS_SEEN])


class Hypothesis:
    """A line that may be a needle.

    Parameters
    ----------
    track_id : int
    detection : Detection
        Of the frame that it was first seen in.
    timestamp_s : float
    settings : BeliefSettings
    """

    def __init__(self, track_id: int, detection: Detection, timestamp_s: float, settings: BeliefSettings) -> None:
        self.track_id = track_id
        self.born_s = self.seen_s = self.now_s = timestamp_s
        self.shown_s = timestamp_s
        """When it was last called seen; or since when it is known."""
        self.confirmed = self.was_confirmed = False
        self.trusted_until_s, self.confidence = -math.inf, 0.0
        self.believed, self._weighed_s = 0.0, timestamp_s
        self.detection = detection
        self.direction_rad = _direction(detection.shaft)
        self._anchor = np.asarray(detection.shaft.entry_mm)
        """Places along the shaft are counted from here; it follows the line across, never along."""
        self._belief_settings = settings
        self.belief = TipBelief(settings)
        self.tip_mm: Point = detection.tip.position_mm
        odds = detection.shaft.score
        self.log_odds = self.log_odds_fast = self.log_odds_slow = self.log_odds_most = odds
        self._across_jitter = self._turn_jitter = self._across_way = self._across_speed = 0.0
        self._advance = self._least = self._most = self._path = self._advance_speed = 0.0
        self._seen_for_s = 0.0
        self._dissent = 0.0
        self._looks = _features(detection)[_SMOOTHED_AT].copy()
        self._rivals, self._rival_log_odds, self._stream_s = 0, UNSEEN_LOG_ODDS, 0.0
        self._look_at_end(detection, 0.0)
        self.longest_mm = self._farthest_mm = self.way_mm
        self._most_new = float(self._looks[_NEW_MEAN])

    @property
    def way_mm(self) -> float:
        """From where the shaft enters to its tip, along it."""
        return math.dist(self.detection.shaft.entry_mm, self.tip_mm)

    @property
    def shaft(self) -> Shaft:
        """The shaft of the last frame that showed it, up to the believed tip."""
        s = self.detection.shaft
        return Shaft(s.entry_mm, self.tip_mm, self.log_odds_fast, s.curvature_per_mm)

    @property
    def standing(self) -> float:
        """What decides between hypotheses: its confidence, and among equals what was seen of it for long."""
        return self.confidence + 0.01 * probability(self.log_odds_slow)

    def coast(self, timestamp_s: float) -> None:
        """Go on without a sighting."""
        dt = max(0.0, timestamp_s - self.now_s)
        self.now_s = timestamp_s
        self._mix_log_odds(UNSEEN_LOG_ODDS, dt)
        if timestamp_s - self.seen_s > FORGET_TIP_S:
            return
        before = self.belief.place_mm
        self.belief.predict(dt)
        step = self.belief.place_mm - before
        u = self._along()
        x, z = self.tip_mm
        self.tip_mm = (x + float(u[0]) * step, z + float(u[1]) * step)

    def see(self, detection: Detection, timestamp_s: float) -> None:
        """Take this frame's detection of the same line."""
        dt = max(0.0, timestamp_s - self.now_s)
        if timestamp_s - self.seen_s > FORGET_TIP_S:
            self.belief = TipBelief(self._belief_settings)
        self.now_s = self.seen_s = timestamp_s
        self._seen_for_s += dt
        fast, slow = _share(dt, FAST_S), _share(dt, SLOW_S)
        shaft = detection.shaft
        turn = math.remainder(_direction(shaft) - self.direction_rad, 2 * math.pi)
        entry, tip = np.asarray(shaft.entry_mm), np.asarray(detection.tip.position_mm)
        across = float(self._across() @ (0.5 * (entry + tip) - self._anchor))
        self.direction_rad += turn
        self._anchor = self._anchor + self._across() * float(self._across() @ (entry - self._anchor))
        before = self.belief.place_mm
        self.detection = detection
        self._look_at_end(detection, dt)
        step = self.belief.place_mm - before
        self._across_jitter += fast * (abs(across) - self._across_jitter)
        self._turn_jitter += fast * (abs(math.degrees(turn)) - self._turn_jitter)
        self._across_way += across
        if dt > 0:
            self._across_speed += slow * (across / dt - self._across_speed)
            if abs(step) < SMOOTH_STEP_MM:
                self._advance_speed += slow * (step / dt - self._advance_speed)
        if abs(step) < SMOOTH_STEP_MM:
            self._advance += step
            self._path += abs(step)
            self._least, self._most = min(self._least, self._advance), max(self._most, self._advance)
        self._looks += _share(dt, LOOKS_S) * (_features(detection)[_SMOOTHED_AT] - self._looks)
        self._most_new = max(self._most_new, float(self._looks[_NEW_MEAN]))
        self._farthest_mm = max(self._farthest_mm, self.way_mm)
        self._mix_log_odds(shaft.score, dt)

    def believe(self, confidence: float, timestamp_s: float) -> None:
        """Note how much it is believed now; `believed` is the running mean, which a coasting track falls back on."""
        self.believed += _share(timestamp_s - self._weighed_s, BELIEVED_S) * (confidence - self.believed)
        self.confidence, self._weighed_s = confidence, timestamp_s

    def set_scene(self, rivals: int, rival_log_odds: float, stream_s: float) -> None:
        """Note what else there is: other hypotheses, the best free candidate, and how long the stream has run."""
        self._rivals, self._rival_log_odds, self._stream_s = rivals, rival_log_odds, stream_s

    def features(self) -> F64:
        """Return what speaks for and against a needle with this tip; named in `TRACK_FEATURES`."""
        age = self.now_s - self.born_s
        seen = _features(self.detection)
        own = (
            self.log_odds,
            self.log_odds_fast,
            self.log_odds_slow,
            self.log_odds_most,
            min(age, LONGEST_MEMORY_S),
            self._seen_for_s / age if age > 0 else 1.0,
            self.now_s - self.seen_s,
            self._advance,
            self._most - self._least,
            self._path / max(0.2, age),
            self.belief.speed_mm_s,
            self.belief.sigma_mm,
            self.belief.share_near(RIGHT_MM),
            self._dissent,
            self.way_mm / max(self._farthest_mm, 1.0),
            self._most_new - float(self._looks[_NEW_MEAN]),
            self._across_jitter,
            self._turn_jitter,
            abs(self._across_way),
            abs(self._across_speed),
            self._advance_speed,
            self._rivals,
            self._rival_log_odds,
            min(self._stream_s, LONGEST_MEMORY_S),
        )
        return np.array([*own, *self._looks, *seen[_AS_SEEN_AT]], dtype=np.float64)

    def across_mm(self, shaft: Shaft) -> float:
        """How far another shaft lies beside this one: the larger of its entry's half distance and its middle's."""
        (x, z), (x1, z1) = shaft.entry_mm, shaft.distal_mm
        (own_x, own_z), (tip_x, tip_z) = self.detection.shaft.entry_mm, self.tip_mm
        nx, nz = -math.sin(self.direction_rad), math.cos(self.direction_rad)
        entry = nx * (x - own_x) + nz * (z - own_z)
        middle = 0.5 * (nx * (x + x1 - own_x - tip_x) + nz * (z + z1 - own_z - tip_z))
        return max(0.5 * abs(entry), abs(middle))

    def turn_rad(self, shaft: Shaft) -> float:
        """How far another shaft is turned against this one."""
        return abs(math.remainder(_direction(shaft) - self.direction_rad, 2 * math.pi))

    def _along(self) -> F64:
        return np.array([math.cos(self.direction_rad), math.sin(self.direction_rad)])

    def _across(self) -> F64:
        return np.array([-math.sin(self.direction_rad), math.cos(self.direction_rad)])

    def _mix_log_odds(self, odds: float, dt: float) -> None:
        self.log_odds = odds
        self.log_odds_fast += _share(dt, FAST_S) * (odds - self.log_odds_fast)
        self.log_odds_slow += _share(dt, SLOW_S) * (odds - self.log_odds_slow)
        self.log_odds_most = max(self.log_odds_most, self.log_odds_fast)

    def _look_at_end(self, detection: Detection, dt: float) -> None:
        """Let the tip's belief take this frame's profile, and set the tip on this frame's curve."""
        profile = detection.end
        u = self._along()
        if profile is None:
            place = float(u @ (np.asarray(detection.tip.position_mm) - self._anchor))
            sigma = math.sqrt(max(0.01, float(u @ np.asarray(detection.tip.covariance_mm2) @ u)))
            way: F64 = place + np.linspace(-6.0, 6.0, 81) * max(sigma, 0.3)
            likelihood: F64 = -0.5 * ((way - place) / sigma) ** 2
            base = 0.0
        else:
            base = float(u @ (np.asarray(profile.start_mm) - self._anchor))
            steps = np.arange(profile.least, len(profile.log_likelihood), dtype=np.float64)
            way = base + steps * profile.step_mm
            likelihood = profile.log_likelihood[profile.least :]
        self.belief.predict(dt)
        self.belief.update(way, likelihood, dt)
        place = self.belief.place_mm
        # How much likelier this frame finds an end elsewhere.
        there = float(np.interp(place, way, likelihood))
        self._dissent = min(float(likelihood.max()) - there, MOST_DISSENT)
        if profile is None:
            x, z = self._anchor + u * place
            self.tip_mm = (float(x), float(z))
        else:
            self.tip_mm = profile.at_mm(place - base)


def _direction(shaft: Shaft) -> float:
    (ex, ez), (x, z) = shaft.entry_mm, shaft.distal_mm
    return math.atan2(z - ez, x - ex)


def _features(detection: Detection) -> F64:
    return np.zeros(len(FEATURE_NAMES)) if detection.features is None else detection.features


def _share(dt_s: float, constant_s: float) -> float:
    return 1 - math.exp(-dt_s / constant_s)
