"""The reference detector: frozen. It is never tuned and never improved, so that suites and versions can be compared.

Each frame by itself, as a textbook would: Frangi's vesselness, a threshold, the probabilistic Hough transform, and of the
lines that the prior allows the brightest. It is what every other detector has to beat, and what a suite has to be too hard
for.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from time import perf_counter

import cv2
import numpy as np
from numpy.typing import NDArray

from usguide.filters import frangi
from usguide.intensity import full_scale_of
from usguide.types import (
    Frame,
    GuidanceResult,
    InputState,
    InsertionPrior,
    NeedleTrack,
    Shaft,
    Tip,
    TrackState,
)

MM_PER_PX = 0.15
SIGMAS_PX = (1.5, 2.5)
VESSELNESS = 0.3
MIN_LENGTH_MM = 8.0
MAX_GAP_MM = 2.0
VOTES = 35
MIN_GREY = 90.0
"""Mean grey level, 0..255, from which a line counts as found."""
SIGMA_MM = 1.0

Line = tuple[float, float, float, float]


class ReferenceDetector:
    """Frozen: per-frame Frangi, Hough, brightest line; its deeper end is the tip.

    Parameters
    ----------
    prior : InsertionPrior, optional
        Side of entry and angles; the same that the other detectors are given.
    """

    def __init__(self, prior: InsertionPrior | None = None) -> None:
        self.prior = prior or InsertionPrior()

    def step(self, frame: Frame) -> GuidanceResult:
        """Judge one frame; nothing is remembered."""
        start = perf_counter()
        best = max(self._shafts(frame), key=lambda s: s.score, default=None)
        tracks: tuple[NeedleTrack, ...] = ()
        if best is not None and best.score >= MIN_GREY:
            confidence = min(1.0, best.score / 255)
            tip = Tip(best.distal_mm, ((SIGMA_MM**2, 0.0), (0.0, SIGMA_MM**2)), confidence)
            tracks = (NeedleTrack(1, TrackState.TRACKING, best, tip, 0.0, confidence, 1.0, 0.0, 0.0),)
        return GuidanceResult(
            index=frame.index,
            timestamp_s=frame.timestamp_s,
            state=TrackState.TRACKING if tracks else TrackState.SEARCHING,
            input_state=InputState.OK,
            tracks=tracks,
            latency_ms={"total": 1e3 * (perf_counter() - start)},
        )

    step_still = step

    def _shafts(self, frame: Frame) -> Iterator[Shaft]:
        grey = _grey(frame)
        ridge = frangi(grey, sigmas_px=SIGMAS_PX, beta=0.5, c=15.0)
        mask = (ridge > VESSELNESS).astype(np.uint8) * 255
        found = cv2.HoughLinesP(
            mask, 1, np.pi / 180, VOTES, minLineLength=MIN_LENGTH_MM / MM_PER_PX, maxLineGap=MAX_GAP_MM / MM_PER_PX
        )
        x0, y0 = frame.region[:2] if frame.region else (0, 0)
        left, top = frame.geometry.to_mm((x0 - 0.5, y0 - 0.5))
        for line in [] if found is None else np.reshape(found, (-1, 4)).tolist():
            ends = _directed(line, self.prior)
            if ends is None:
                continue
            ax, ay, bx, by = ends
            # Centres of the small picture's pixels, in the frame's mm.
            entry, distal = (
                (left + (x + 0.5) * MM_PER_PX, top + (y + 0.5) * MM_PER_PX) for x, y in ((ax, ay), (bx, by))
            )
            yield Shaft((float(entry[0]), float(entry[1])), (float(distal[0]), float(distal[1])), _mean(grey, ends))


def _grey(frame: Frame) -> NDArray[np.float32]:
    """Grey levels 0..255 of the region, on square pixels."""
    x, y, w, h = frame.region or (0, 0, frame.shape[1], frame.shape[0])
    pixels = frame.pixels[y : y + h, x : x + w]
    if pixels.ndim == 3:
        pixels = pixels[..., :3].max(axis=2)
    scaled = np.asarray(pixels, np.float32) * np.float32(255 / full_scale_of(frame.pixels, frame.full_scale))
    size = (
        max(16, round(w * frame.geometry.lateral_mm_per_px / MM_PER_PX)),
        max(16, round(h * frame.geometry.axial_mm_per_px / MM_PER_PX)),
    )
    return np.asarray(cv2.resize(scaled, size, interpolation=cv2.INTER_AREA), dtype=np.float32)


def _directed(line: list[float], prior: InsertionPrior) -> Line | None:
    """Return the line from entry to distal end, the end that the prior makes deeper; None where the prior forbids it."""
    ax, ay, bx, by = line
    low, high = prior.angle_deg
    for x0, y0, x1, y1 in ((ax, ay, bx, by), (bx, by, ax, ay)):
        forward = {"left": x1 > x0, "right": x1 < x0}.get(prior.entry_side, True)
        angle = math.degrees(math.atan2(y1 - y0, abs(x1 - x0)))
        if forward and low <= angle <= high:
            return float(x0), float(y0), float(x1), float(y1)
    return None


def _mean(grey: NDArray[np.float32], line: Line) -> float:
    ax, ay, bx, by = line
    count = max(2, math.ceil(math.hypot(bx - ax, by - ay)))
    x, y = np.rint(np.linspace((ax, ay), (bx, by), count)).astype(int).T
    return float(grey[y, x].mean())
