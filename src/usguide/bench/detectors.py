"""What is scored: anything that takes a frame and gives a result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from usguide.bench.reference import ReferenceDetector
from usguide.pipeline import GuidancePipeline
from usguide.types import Frame, GuidanceResult, InsertionPrior

OURS, REFERENCE, NO_PRIOR = "usguide", "reference", "usguide, no prior"


class Guide(Protocol):
    """A detector or pipeline, new for each sequence."""

    def step(self, frame: Frame) -> GuidanceResult:
        """Process the next frame of a stream."""
        ...

    def step_still(self, frame: Frame) -> GuidanceResult:
        """Process a picture on its own."""
        ...


GuideFactory = Callable[[InsertionPrior], Guide]


def without_prior(prior: InsertionPrior) -> Guide:
    """Return a pipeline that is told nothing of the needle but its diameter."""
    return GuidancePipeline(InsertionPrior(needle_diameter_mm=prior.needle_diameter_mm))


def detectors(*, no_prior: bool = False) -> Mapping[str, GuideFactory]:
    """Return what every report scores, ours first; factories that can be sent to other processes."""
    found: dict[str, GuideFactory] = {OURS: GuidancePipeline, REFERENCE: ReferenceDetector}
    return found | ({NO_PRIOR: without_prior} if no_prior else {})
