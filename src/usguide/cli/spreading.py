"""What a command line says of the injectate, and how it gets into a pipeline."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from usguide._validation import validate_positive
from usguide.cli.clicking import FLUID_BY_HAND, check_display, click_point
from usguide.cli.seeding import check_inside
from usguide.errors import InputError
from usguide.geometry import Point
from usguide.io.outlines import read_outline
from usguide.io.source import SourceInfo
from usguide.pipeline import GuidancePipeline
from usguide.types import Frame, Outline, Target

REFERENCE_S = 5.0
"""So much of the recording before the injection is looked at."""

OutlineOption = tuple[float, ...] | Path
"""A point, or a circle with its radius, in mm; or the file of an outline."""

FluidSeed = Point | Literal["click"]
"""Where fluid comes out, in mm, or to be clicked."""


@dataclass(frozen=True, slots=True)
class SpreadAsked:
    """What the command line says of the injectate."""

    on: bool = False
    keep_out: Mapping[str, OutlineOption] = field(default_factory=dict)
    injection_at_s: float | None = None
    masks: bool = False
    from_s: float | None = None
    seed: FluidSeed | None = None
    elevational_width_mm: float | None = None

    def __post_init__(self) -> None:
        if self.elevational_width_mm is not None:
            validate_positive(self.elevational_width_mm, name="--elevational-width-mm")
        if not self.on and (self.masks or self.injection_at_s is not None):
            raise InputError("--no-injectate: expected no --masks and no --injection-at-s with it; leave it out")

    @property
    def first_s(self) -> float:
        """Time of the first frame that is looked at."""
        return -math.inf if self.from_s is None else self.from_s - REFERENCE_S


def outlines_of(asked: Mapping[str, OutlineOption]) -> dict[str, Outline]:
    """Return each outline: of a circle (x, z, radius) in mm, or from its file."""
    return {
        name: read_outline(one) if isinstance(one, Path) else Target.disc((one[0], one[1]), one[2]).outline_mm or ()
        for name, one in asked.items()
    }


def target_arguments(target: OutlineOption | None) -> dict[str, Any]:
    """Return what `set_target` takes, of a pipeline or of a live engine."""
    if isinstance(target, Path):
        return {"outline_mm": read_outline(target)}
    if target is None:
        return {"target_mm": None}
    return {"target_mm": target[:2], "radius_mm": target[2] if len(target) == 3 else None}


def tell_pipeline(pipeline: GuidancePipeline, asked: SpreadAsked, target: OutlineOption | None) -> None:
    """Tell a new pipeline of target, keep-outs and injection."""
    pipeline.set_target(**target_arguments(target))
    if asked.keep_out:
        pipeline.set_keep_out(outlines_of(asked.keep_out))
    if asked.injection_at_s is not None:
        pipeline.mark_injection(asked.injection_at_s)


class FluidSeeding:
    """Tells a pipeline once where fluid comes out, at the first frame of the injection.

    Parameters
    ----------
    asked : SpreadAsked
        With a seed.
    """

    def __init__(self, asked: SpreadAsked) -> None:
        if asked.seed is None:
            raise InputError("--seed: expected X,Z in mm or click, got none")
        self._seed: FluidSeed = asked.seed
        self._at_s = -math.inf if asked.from_s is None else asked.from_s
        self.done = False

    def check(self, info: SourceInfo) -> None:
        """Refuse what can't work before anything is run: a place outside the picture, or a click without a display."""
        if self._seed == "click":
            check_display(*FLUID_BY_HAND)
        else:
            check_inside(info, self._seed, "--seed", "place")

    def look(self, frame: Frame, pipeline: GuidancePipeline) -> None:
        """Seed the pipeline, if this is the frame; call it before the pipeline's step."""
        if not self.done and frame.timestamp_s >= self._at_s:
            pipeline.seed_injectate(click_point(frame) if self._seed == "click" else self._seed)
            self.done = True
