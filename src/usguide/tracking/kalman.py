"""Kalman filter of a needle's tip: it moves along its shaft and hardly across it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from usguide.geometry import Point
from usguide.types import Tip


@dataclass(frozen=True, slots=True)
class TipFilterSettings:
    """Process noise as continuous white acceleration, so that it does not depend on the frame rate."""

    along_mm_s2: float = 40.0
    """Root spectral density of the acceleration along the shaft, mm/s^2 per root Hz."""
    across_mm_s2: float = 8.0
    initial_speed_mm_s: float = 10.0
    max_coast_velocity_s: float = 0.4
    """Time constant with which the velocity dies out: hands stop more often than they go on."""


class TipFilter:
    """State (x, z, vx, vz) in mm and mm/s.

    Parameters
    ----------
    tip : Tip
        First measurement.
    settings : TipFilterSettings
    """

    def __init__(self, tip: Tip, settings: TipFilterSettings) -> None:
        self._settings = settings
        self._x: NDArray[np.float64] = np.array([*tip.position_mm, 0.0, 0.0])
        self._p: NDArray[np.float64] = np.zeros((4, 4))
        self._p[:2, :2] = tip.covariance_mm2
        self._p[2:, 2:] = np.eye(2) * settings.initial_speed_mm_s**2
        self._step: NDArray[np.float64] = np.zeros(2)

    def predict(self, dt_s: float, angle_rad: float) -> None:
        """Move the state on by `dt_s`; the shaft points along `angle_rad`."""
        self._step = np.zeros(2)
        if dt_s <= 0:
            return
        tau = self._settings.max_coast_velocity_s
        keep = math.exp(-dt_s / tau)
        f = np.eye(4)
        f[0, 2] = f[1, 3] = tau * (1 - keep)
        f[2, 2] = f[3, 3] = keep
        u = np.array([math.cos(angle_rad), math.sin(angle_rad)])
        v = np.array([-u[1], u[0]])
        q = self._settings.along_mm_s2**2 * np.outer(u, u) + self._settings.across_mm_s2**2 * np.outer(v, v)
        noise = np.block([[q * dt_s**3 / 3, q * dt_s**2 / 2], [q * dt_s**2 / 2, q * dt_s]])
        before = self._x[:2].copy()
        self._x = f @ self._x
        self._step = self._x[:2] - before
        self._p = f @ self._p @ f.T + noise

    def update(self, tip: Tip, *, trust: float = 1.0) -> None:
        """Take a measurement; `trust` below 1 widens its covariance."""
        r = np.asarray(tip.covariance_mm2) / trust
        s = self._p[:2, :2] + r
        gain = np.linalg.solve(s, self._p[:2, :]).T
        self._x = self._x + gain @ (np.asarray(tip.position_mm) - self._x[:2])
        p = self._p - gain @ self._p[:2, :]
        self._p = 0.5 * (p + p.T)

    def innovation_along(self, position_mm: Point, angle_rad: float) -> float:
        """How far a position lies beyond the predicted tip, along the shaft, in mm."""
        d = np.asarray(position_mm) - self._x[:2]
        return float(d[0] * math.cos(angle_rad) + d[1] * math.sin(angle_rad))

    def last_step_along(self, angle_rad: float) -> float:
        """How far the last prediction moved the tip along the shaft, in mm."""
        return float(self._step[0] * math.cos(angle_rad) + self._step[1] * math.sin(angle_rad))

    def speed_along(self, angle_rad: float) -> float:
        """Velocity along the shaft in mm/s, positive while the needle advances."""
        return float(self._x[2] * math.cos(angle_rad) + self._x[3] * math.sin(angle_rad))

    def tip(self, confidence: float) -> Tip:
        """Return the filtered tip."""
        (a, b), (_, d) = self._p[:2, :2]
        position = (float(self._x[0]), float(self._x[1]))
        return Tip(position, ((float(a), float(b)), (float(b), float(d))), confidence)
