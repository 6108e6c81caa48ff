"""The tip in the space of the tracker: a PLUS sequence brings a pose with each frame.

python examples/tip_in_tracker_space.py recording.igs.mha --spacing-mm 0.0854
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray

import usguide as ug


def in_space(frame: ug.Frame, point_mm: tuple[float, float], *path: str) -> NDArray[np.float64]:
    """Take a point of the picture (lateral, axial mm) through named transforms, such as ImageToProbe, ProbeToTracker.

    PLUS's image space is in px of the frame, its others in mm.
    """
    x, y = frame.geometry.to_px(point_mm)
    point = np.array([x, y, 0.0, 1.0])
    for name in path:
        point = frame.transforms[name] @ point
    return point[:3]


def main() -> None:
    """Print the tip of each frame that tracks in the space that the transforms lead to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recording")
    parser.add_argument("--spacing-mm", type=float, default=None, help="mm per px, where the file does not say")
    parser.add_argument("--through", nargs="+", default=["ImageToProbe", "ProbeToTracker"], metavar="NAME")
    options = parser.parse_args()
    pipeline = ug.GuidancePipeline()
    with ug.open_source(options.recording, spacing_mm=options.spacing_mm) as source:
        for frame in source:
            track = pipeline.step(frame).track
            # A pose that the tracker could not measure is not there.
            if track is not None and all(name in frame.transforms for name in options.through):
                print(frame.index, in_space(frame, track.tip.position_mm, *options.through).round(2))


if __name__ == "__main__":
    main()
