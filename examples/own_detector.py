"""Plug a detector of your own into the pipeline and keep the rest.

    python examples/own_detector.py data/phantoms/inplane-fascia.npz

Here it is the brightest straight line by OpenCV's Hough transform: what many scripts do, and a fair baseline.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence

import cv2
import numpy as np

import usguide as ug
from usguide.detection import Evidence


class OpenCvHough:
    """Segments from `cv2.HoughLinesP` on the thresholded ridge response; the longest within the prior's angles."""

    def detect(
        self,
        evidence: Evidence,
        prior: ug.InsertionPrior,
        expected: Sequence[ug.Shaft] = (),  # noqa: ARG002  (part of the protocol)
    ) -> Sequence[ug.Detection]:
        """Return at most one candidate; where the tracker expects a needle is left alone."""
        mask = (ug.filters.frangi(evidence.smooth, sigmas_px=(1.0, 1.5)) > 0.5).astype(np.uint8)
        found = cv2.HoughLinesP(mask, 1, math.radians(1), 40, minLineLength=30, maxLineGap=10)
        best = None
        for x1, y1, x2, y2 in [] if found is None else np.reshape(found, (-1, 4)):
            ends = evidence.geometry.to_mm([(x1, y1), (x2, y2)])
            (ex, ez), (tx, tz) = ends[np.argsort(ends[:, 0])]
            shaft = ug.Shaft((float(ex), float(ez)), (float(tx), float(tz)), score=math.dist(*ends))
            low, high = prior.angle_deg
            if low <= shaft.angle_deg <= high and (best is None or shaft.score > best.score):
                best = shaft
        if best is None:
            return []
        return [ug.Detection(best, ug.Tip(best.distal_mm, ((1.0, 0.0), (0.0, 1.0)), confidence=0.5))]


def main(path: str) -> None:
    """Print the tip of every tenth frame, with our detector and with usguide's."""
    prior = ug.InsertionPrior("left", (15, 60))
    pipelines = {
        "OpenCV Hough": ug.GuidancePipeline(prior, detector=OpenCvHough()),
        "usguide": ug.GuidancePipeline(prior),
    }
    with ug.open_source(path) as source:
        for frame in source:
            for name, pipeline in pipelines.items():
                result = pipeline.step(frame)
                if frame.index % 10 == 0:
                    tip = result.track.tip.position_mm if result.track else None
                    print(f"{frame.index:4d} {name:13s} {result.state:10s} {tip}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "phantom:inplane-fascia")
