"""`usguide track --seed`: a track that starts where someone says the needle is."""

from __future__ import annotations

import math
from typing import Literal

from usguide.cli.clicking import SEED_BY_HAND, check_display, click_needle
from usguide.errors import InputError
from usguide.io.source import SourceInfo
from usguide.pipeline import GuidancePipeline
from usguide.types import Frame

SeedOption = tuple[tuple[float, float], tuple[float, float]] | Literal["click"]
"""Entry and tip in mm, or to be clicked."""


def check_inside(info: SourceInfo, point_mm: tuple[float, float], option: str, what: str) -> None:
    """Raise `InputError` where a point lies outside the picture: px were given, or another recording is meant."""
    if info.geometry is None or info.shape is None:
        return
    x, y, w, h = info.region or (0, 0, info.shape[1], info.shape[0])
    (left, top), (right, bottom) = info.geometry.to_mm([(x - 0.5, y - 0.5), (x + w - 0.5, y + h - 0.5)]).tolist()
    if not (left <= point_mm[0] <= right and top <= point_mm[1] <= bottom):
        raise InputError(
            f"{option}: expected a {what} inside the picture, lateral {left:.1f} to {right:.1f} mm and axial {top:.1f} "
            f"to {bottom:.1f} mm, got {point_mm[0]:g},{point_mm[1]:g}; points are in mm, not px"
        )


class Seeding:
    """Seeds a pipeline once, at the first frame that is not before a time.

    Parameters
    ----------
    seed : ((float, float), (float, float)) or "click"
        Entry and tip in mm, or to be clicked in that frame.
    at_s : float, optional
        Time of the frame; the first frame when None.
    """

    def __init__(self, seed: SeedOption, at_s: float | None = None) -> None:
        self._seed, self._at_s = seed, -math.inf if at_s is None else at_s
        self.done = False

    def check(self, info: SourceInfo) -> None:
        """Refuse what can't work before anything is run: a tip outside the picture, or clicks without a display."""
        if self._seed == "click":
            check_display(*SEED_BY_HAND)
        else:
            check_inside(info, self._seed[1], "--seed", "tip")

    def look(self, frame: Frame, pipeline: GuidancePipeline) -> None:
        """Seed the pipeline, if this is the frame; call it before the pipeline's step."""
        if self.done or frame.timestamp_s < self._at_s:
            return
        entry, tip = click_needle(frame) if self._seed == "click" else self._seed
        pipeline.seed(entry_mm=entry, tip_mm=tip)
        self.done = True
