"""Draw docs/images/overlay.png: the shipped phantom while the fluid spreads, with the overlay.

python scripts/make_readme_picture.py
"""

from __future__ import annotations

from pathlib import Path

import cv2

import usguide as ug
from usguide.draw import draw_overlay

FRAME = 64


def main() -> None:
    """Track up to one frame and write its overlay."""
    pipeline = ug.GuidancePipeline(ug.InsertionPrior("left", (15, 60)))
    with ug.open_source("phantom:inplane-fascia") as source:
        pipeline.set_target(source.info.truth.target_mm[0] if source.info.truth else None)
        for frame in source:
            result = pipeline.step(frame)
            if frame.index == FRAME:
                path = Path(__file__).parents[1] / "docs" / "images" / "overlay.png"
                cv2.imwrite(str(path), draw_overlay(frame, result))
                return


if __name__ == "__main__":
    main()
