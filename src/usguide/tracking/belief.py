"""Where the tip is along its shaft, and how fast it goes: dynamic programming over a grid of places and speeds.

Every frame says how likely the shaft ends at each place; the belief adds that up over time. A tip advances, pauses and
withdraws; a gap in the shaft, or a fascia beyond it, lasts too short or does not move as a tip does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from usguide.tracking._kernels import predict_belief, weigh_belief

F64 = NDArray[np.float64]

SPEEDS_MM_S = np.array([-110.0, -55.0, -25.0, -12.0, -6.0, -3.0, 0.0, 3.0, 6.0, 12.0, 25.0, 55.0, 110.0])
STEP_MM = 0.3
LONGEST_STEP_S = 0.065
BEHIND_MM, AHEAD_MM = 18.0, 120.0
"""The grid reaches so far behind the place where the shaft was first seen to start, and ahead of it."""
PLACES = round((BEHIND_MM + AHEAD_MM) / STEP_MM)
PLACES_MM = np.arange(PLACES) * STEP_MM - BEHIND_MM
NEAR_MM = 1.2
"""The estimate is the mean this close around the likeliest place: the mean of two far places is neither."""


@dataclass(frozen=True, slots=True)
class BeliefSettings:
    """How tips move, and how much a frame says."""

    speed_memory_s: float = 0.2
    """Time constant with which a hand changes its speed."""
    still: float = 0.5
    """Half of the changes are to a speed next to it; of the others this share stops it."""
    jump: float = 1e-3
    """Chance, in 0.065 s, that nothing known holds."""
    blur_mm: float = 0.12
    """Least spread of a step, however short: with less, slow tips would stick to the grid's places."""
    softness: float = 1.0
    """A frame's log-likelihoods are divided by this: neighbouring pixels see the same speckle ..."""
    independent_s: float = 0.06
    """... and so do frames that follow each other faster than this."""
    doubt: float = 1e-4
    """Likelihood of every place in any frame: a single frame does not overrule all that was seen before."""


class TipBelief:
    """Probability of the tip's place along the shaft and of its speed.

    Parameters
    ----------
    settings : BeliefSettings
    """

    def __init__(self, settings: BeliefSettings) -> None:
        self._settings = settings
        self._belief: F64 = np.full((len(SPEEDS_MM_S), PLACES), 1.0 / (len(SPEEDS_MM_S) * PLACES))
        self._fresh = True
        self._found: tuple[float, F64] | None = None

    def predict(self, dt_s: float) -> None:
        """Let the time pass without looking."""
        if self._fresh or dt_s <= 0:
            return
        s = self._settings
        # A hand changes its speed within a fifth of a second: a long time passes in steps that are shorter than that.
        count = math.ceil(dt_s / LONGEST_STEP_S)
        step_s = dt_s / count
        keep = math.exp(-step_s / s.speed_memory_s)
        # As many in a second at every frame rate.
        jump = 1 - (1 - s.jump) ** (step_s / LONGEST_STEP_S)
        for _ in range(count):
            moved = np.empty_like(self._belief)
            predict_belief(self._belief, SPEEDS_MM_S, step_s, keep, s.still, jump, s.blur_mm, STEP_MM, moved)
            self._belief = moved
        self._found = None

    def update(self, way_mm: F64, log_likelihood: F64, dt_s: float) -> None:
        """Take what one frame says.

        Parameters
        ----------
        way_mm, log_likelihood : ndarray, shape (n,)
            Places, ascending and evenly spaced, and how likely the shaft ends there; nowhere else.
        dt_s : float
            Since the frame before; 0 for the first.
        """
        way, likelihood = (np.ascontiguousarray(a, dtype=np.float64) for a in (way_mm, log_likelihood))
        if not way.size:
            return
        s = self._settings
        weight = min(1.0, dt_s / s.independent_s) if dt_s > 0 else 1.0
        # A frame may be wrong, but for the first, which is all there is.
        doubt = 0.0 if self._fresh else s.doubt
        weighed = np.empty_like(self._belief)
        if not weigh_belief(self._belief, -BEHIND_MM, STEP_MM, way, likelihood, s.softness / weight, doubt, weighed):
            return
        self._belief, self._found = weighed, None
        self._fresh = False

    @property
    def place_mm(self) -> float:
        """The likeliest place of the tip."""
        return self._likeliest()[0]

    @property
    def sigma_mm(self) -> float:
        """Its uncertainty: root mean square distance from the likeliest place."""
        place_mm, chance = self._likeliest()
        away = PLACES_MM - place_mm
        return math.sqrt(float(chance @ (away * away)))

    def share_near(self, within_mm: float) -> float:
        """Return how probable it is that the tip lies this close to the likeliest place."""
        place_mm, chance = self._likeliest()
        return float(chance[np.abs(PLACES_MM - place_mm) <= within_mm].sum())

    @property
    def speed_mm_s(self) -> float:
        """Mean speed, positive while it advances."""
        return float(self._belief.sum(axis=1) @ SPEEDS_MM_S)

    def _likeliest(self) -> tuple[float, F64]:
        """Return the likeliest place in mm, and the probability of every place."""
        if self._found is None:
            chance = self._belief.sum(axis=0)
            peak, near = int(np.argmax(chance)), round(NEAR_MM / STEP_MM)
            part = slice(max(0, peak - near), peak + near + 1)
            self._found = float(chance[part] @ PLACES_MM[part]) / float(chance[part].sum()), chance
        return self._found
