"""What the examples compute."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import usguide as ug

FOLDER = Path(__file__).parents[1] / "examples"


@pytest.mark.skipif(not FOLDER.is_dir(), reason="the examples are not beside the tests")
def test_a_point_goes_through_the_poses_of_its_frame():
    """2 mm right and 3 mm down at 0.5 mm/px are px (4, 6); scaled by 0.5 to mm, turned by 90 degrees, moved by 100 mm."""
    spec = importlib.util.spec_from_file_location("tip_in_tracker_space", FOLDER / "tip_in_tracker_space.py")
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    to_probe = np.diag([0.5, 0.5, 0.5, 1.0])
    to_tracker = np.array([[0.0, -1, 0, 100], [1, 0, 0, 0], [0, 0, 1, 7], [0, 0, 0, 1]])
    frame = ug.Frame(
        np.zeros((32, 32), np.uint8),
        ug.ImageGeometry(0.5, 0.5),
        transforms={"ImageToProbe": to_probe, "ProbeToTracker": to_tracker},
    )
    np.testing.assert_allclose(example.in_space(frame, (2.0, 3.0), "ImageToProbe", "ProbeToTracker"), [97, 2, 7])
