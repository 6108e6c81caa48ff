"""Draw docs/images/overlay.png and spread.png: the shipped phantom with the overlay, and the spread of its fluid over time.

python scripts/make_readme_picture.py
"""

from __future__ import annotations

from pathlib import Path

import cv2

import usguide as ug
from usguide.draw import SpreadTrail, draw_overlay
from usguide.draw.plot import SpreadSeries, draw_spread_plot
from usguide.phantoms import PhantomTruth

RECORDING = "inplane-fascia"
INJECTION_S = 2.4


def main() -> None:
    """Follow needle and fluid to the end of the recording; write the last overlay and the plot."""
    settings = ug.PipelineSettings.from_toml("[injectate]\non = true\n")
    pipeline = ug.GuidancePipeline(ug.InsertionPrior("left", (15, 60)), settings)
    pipeline.mark_injection(INJECTION_S)
    trail, series = SpreadTrail(), SpreadSeries()
    with ug.open_source(f"phantom:{RECORDING}") as source:
        truth = source.info.truth
        if isinstance(truth, PhantomTruth) and truth.target_outline_mm is not None:
            pipeline.set_target(outline_mm=truth.target_outline_mm[0])
            pipeline.set_keep_out({"vessel": truth.keep_out_mm["vessel"][0]})
        for frame in source:
            result = pipeline.step(frame)
            series.add(result)
            overlay = draw_overlay(frame, result, trail)
    folder = Path(__file__).parents[1] / "docs" / "images"
    cv2.imwrite(str(folder / "overlay.png"), overlay)
    cv2.imwrite(str(folder / "spread.png"), draw_spread_plot(series, RECORDING))


if __name__ == "__main__":
    main()
