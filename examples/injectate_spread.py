"""Where an injected drug spreads in a recording: with the needle, and without one from a point that is known.

    python examples/injectate_spread.py

The shipped phantom is rendered: a needle comes in from the left, and from 2.4 s on fluid opens a fascial plane at its tip.
"""

from __future__ import annotations

from dataclasses import replace

import usguide as ug
from usguide.injectate import InjectateSegmenter

RECORDING = "phantom:inplane-fascia"
INJECTION_S = 2.4
NERVE_MM, NERVE_RADIUS_MM = (25.0, 22.3), 3.0


def with_the_needle() -> list[ug.GuidanceResult]:
    """Follow the needle, and the fluid from its tip on."""
    settings = ug.PipelineSettings()
    settings = replace(settings, injectate=replace(settings.injectate, on=True))
    pipeline = ug.GuidancePipeline(ug.InsertionPrior("left", (15, 60)), settings)
    pipeline.set_target(NERVE_MM, radius_mm=NERVE_RADIUS_MM)
    pipeline.mark_injection(INJECTION_S)
    with ug.open_source(RECORDING) as source:
        return [pipeline.step(frame) for frame in source]


def without_a_needle(point_mm: tuple[float, float]) -> list[ug.Injectate]:
    """Look at one place: somebody has pointed out where the fluid comes out."""
    segmenter = InjectateSegmenter()
    segmenter.seed(point_mm)
    with ug.open_source(RECORDING) as source:
        return [segmenter.update(frame, None) for frame in source]


if __name__ == "__main__":
    for result in with_the_needle()[::6]:
        fluid = result.injectate
        if fluid is None or fluid.extent_mm is None:
            continue
        ring = fluid.around_target.ring_deg if fluid.around_target is not None else None
        print(
            f"{result.timestamp_s:.2f} s: {fluid.area_mm2:.1f} +- {fluid.area_sigma_mm2 or 0:.1f} mm2, "
            f"{fluid.extent_mm[0]:.1f} mm along the plane, {ring or 0:.0f} degrees around the nerve",
            *fluid.warnings,
        )
    last = without_a_needle((19.7, 19.4))[-1]
    print(f"from a point alone: {last.area_mm2:.1f} mm2, onset at {last.onset_s} s")
