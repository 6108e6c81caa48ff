"""Guide lines: the prior they make, what they hold, and poses projected into the image plane."""

import math
from dataclasses import replace

import numpy as np
import pytest
from conftest import frame_of, needle_picture
from scipy.spatial.transform import Rotation

import usguide as ug
from usguide.detection import LineDetector
from usguide.guide_line import OnGuideLine


@pytest.mark.parametrize(
    ("direction", "side", "angles"),
    [
        ((10, 10), "left", (43, 47)),
        ((-10, 10), "right", (43, 47)),
        ((3, -3), "left", (-47, -43)),
        ((0, 5), "any", (88, 90)),
        ((-0.01, 5), "any", (pytest.approx(87.885, abs=1e-3), 90)),
    ],
)
def test_prior_of_a_guide_line(direction, side, angles):
    prior = ug.GuideLine((1.0, 2.0), direction, tolerance_deg=2.0).prior(ug.InsertionPrior(needle_diameter_mm=1.27))
    assert prior == ug.InsertionPrior(side, prior.angle_deg, 1.27, (1.0, 2.0))
    assert prior.angle_deg == pytest.approx(angles)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("angle_deg", [-20.0, 0.0, 35.0, 80.0])
def test_a_line_from_an_angle_has_that_angle(angle_deg, side):
    guide = ug.GuideLine.from_angle((0, 0), angle_deg, side)
    assert guide.angle_deg == pytest.approx(angle_deg)
    assert guide.prior().entry_side == side


def shaft(entry, angle_deg, length=20.0):
    c, s = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    return ug.Shaft(entry, (entry[0] + length * c, entry[1] + length * s), 5.0)


@pytest.mark.parametrize(
    ("entry", "angle_deg", "held"),
    [
        ((0.0, 6.0), 30.0, True),
        # 20 mm at 11 degrees from the line end 3.8 mm beside it, where there is room for 4.0; at 12 degrees 4.2 mm.
        ((0.0, 6.0), 41.0, True),
        ((0.0, 6.0), 42.0, False),
        ((0.0, 6.0), 18.0, False),
        ((0.0, 6.0), 210.0, False),  # the same line the other way
        ((17.32, 16.0), 30.0, True),  # further along it
        ((0.0, 6.0 + 2.9 / math.cos(math.radians(30))), 30.0, True),
        ((0.0, 6.0 + 2.9 / math.cos(math.radians(30))), 33.0, True),
        ((0.0, 6.0 + 2.9 / math.cos(math.radians(30))), 34.0, False),
        ((0.0, 6.0 + 3.1 / math.cos(math.radians(30))), 30.0, False),
        ((0.0, 6.0 - 3.1 / math.cos(math.radians(30))), 30.0, False),
    ],
)
def test_what_a_line_holds(entry, angle_deg, held):
    assert ug.GuideLine.from_angle((0.0, 6.0), 30.0, "left").holds(shaft(entry, angle_deg)) is held
    mirrored = ug.Shaft(*((-x, z) for x, z in (entry, shaft(entry, angle_deg).distal_mm)), 5.0)
    assert ug.GuideLine.from_angle((0.0, 6.0), 30.0, "right").holds(mirrored) is held


def pose_of(origin, axis):
    """A pose whose z axis is `axis`, turned about it by an arbitrary angle."""
    axis = np.asarray(axis, float) / np.linalg.norm(axis)
    align, _ = Rotation.align_vectors([axis], [[0, 0, 1]])
    pose = np.eye(4)
    pose[:3, :3] = (align * Rotation.from_rotvec([0, 0, 0.7])).as_matrix()
    pose[:3, 3] = origin
    return pose


def test_a_pose_in_plane_gives_its_line():
    guide = ug.GuideLine.from_pose(pose_of((2.0, 3.0, 0.5), (math.cos(0.6), math.sin(0.6), 0)))
    assert guide.entry_mm == pytest.approx((2.0, 3.0))
    assert guide.angle_deg == pytest.approx(math.degrees(0.6))
    assert guide.direction[0] > 0


def test_a_tip_s_pose_looks_back_along_the_shaft():
    guide = ug.GuideLine.from_pose(pose_of((30.0, 20.0, 0.0), (-1, 1, 0)), span_mm=(-20, 0))
    assert guide.entry_mm == pytest.approx((30 + 20 / math.sqrt(2), 20 - 20 / math.sqrt(2)))
    assert guide.prior().entry_side == "right"


def test_another_axis_of_the_needle():
    pose = np.eye(4)
    guide = ug.GuideLine.from_pose(pose, axis=(0, 2, 0))
    assert guide.angle_deg == pytest.approx(90)


@pytest.mark.parametrize(
    ("origin", "tilt_deg", "fits"),
    [((0, 0, 1.4), 0, True), ((0, 0, 1.6), 0, False), ((0, 0, 0), 1.4, True), ((0, 0, 0), 1.5, False)],
)
def test_out_of_plane_is_refused(origin, tilt_deg, fits):
    # 60 mm at 1.4 degrees leave the plane by 1.47 mm, at 1.5 by 1.57.
    pose = pose_of(origin, (math.cos(math.radians(tilt_deg)), 0, math.sin(math.radians(tilt_deg))))
    if fits:
        assert ug.GuideLine.from_pose(pose).angle_deg == pytest.approx(0, abs=1e-6)
    else:
        with pytest.raises(ug.InputError, match=r"in the image plane to within 1.5 mm, got .* mm off"):
            ug.GuideLine.from_pose(pose)


@pytest.mark.parametrize(
    "pose", [np.eye(3), np.eye(4) * 2, np.full((4, 4), np.nan), "pose", np.diag([0.1, 0.1, 0.1, 1.0]), np.eye(4)[::-1]]
)
def test_only_a_rigid_pose_is_taken(pose):
    with pytest.raises(ug.InputError, match="pose: expected") as caught:
        ug.GuideLine.from_pose(pose, axis=(1, 0, 0))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "make",
    [
        lambda: ug.GuideLine((0, 0), (0, 0)),
        lambda: ug.GuideLine((0, math.nan), (1, 0)),
        lambda: ug.GuideLine((0, 0), (1, 0), tolerance_deg=0),
        lambda: ug.GuideLine.from_angle((0, 0), 30, "any"),
        lambda: ug.GuideLine.from_angle((0, 0), 91, "left"),
        lambda: ug.GuideLine.from_pose(np.eye(4), axis=(0, 0, 0)),
        lambda: ug.GuideLine.from_pose(np.eye(4), span_mm=(3, 3)),
        lambda: ug.InsertionPrior().with_angle(95),
        lambda: ug.InsertionPrior().with_angle(30, 0),
    ],
)
def test_mistakes(make):
    with pytest.raises(ug.InputError, match="expected"):
        make()


def test_an_angle_is_locked():
    prior = ug.InsertionPrior("right", needle_diameter_mm=0.5)
    assert prior.with_angle(40) == ug.InsertionPrior("right", (38, 42), 0.5)
    assert prior.with_angle(89, 3).angle_deg == (86, 90)


def test_of_two_parallel_lines_the_one_on_the_guide_is_the_needle():
    """What lies elsewhere at the guide's own angle is brighter and longer, and still no needle."""
    needle, entry, tip = needle_picture((0.0, 4.0), 30.0, 22.0, seed=1)
    other, _, _ = needle_picture((0.0, 14.0), 30.0, 30.0, brightness=190.0, seed=1)
    frame = frame_of(np.maximum(needle, other))
    guide = ug.GuideLine.from_angle(entry, 30.0, "left")
    free = replace(guide.prior(), entry_mm=None)
    tips = [t.tip.position_mm for t in ug.GuidancePipeline(free).step_still(frame).tracks]
    assert any(math.dist(other, tip) > 5 for other in tips)
    guided = ug.GuidancePipeline(free, detector=OnGuideLine(LineDetector(), guide)).step_still(frame)
    assert math.dist(guided.track.tip.position_mm, tip) < 0.6
    assert all(guide.holds(track.shaft) for track in guided.tracks)
