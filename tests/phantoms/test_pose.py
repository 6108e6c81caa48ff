"""The arc is the arc that brute force finds, and gauges are those of the tables."""

import math

import numpy as np
import pytest

from usguide.errors import InputError
from usguide.phantoms import NeedleScene, PhantomScene, gauge_to_mm
from usguide.phantoms.grid import beam_grid
from usguide.phantoms.pose import NeedlePose


@pytest.mark.parametrize("probe", ["linear", "curvilinear"])
@pytest.mark.parametrize("bend", [-0.02, -0.004, 0.0, 0.004, 0.02])
@pytest.mark.parametrize("angle", [10.0, 45.0, 78.0])
def test_axes_are_those_of_the_nearest_point_of_a_finely_sampled_arc(probe, bend, angle):
    pose = NeedlePose((2.0, 5.0), angle, 30.0, bend)
    grid = beam_grid(PhantomScene(shape=(150, 160), spacing_mm=(0.25, 0.25), probe=probe, probe_radius_mm=30.0))
    # The arc by summing up directions, not by its equation.
    step = 0.002
    at = np.arange(-10, 35, step)
    direction = math.radians(angle) + bend * at
    walk = np.cumsum(np.stack([np.cos(direction), np.sin(direction)], axis=-1) * step, axis=0)
    arc = walk - walk[round(10 / step) - 1] + pose.start_mm
    rng = np.random.default_rng(0)
    shape = grid.shape
    r, c = rng.integers(0, shape[0], 150), rng.integers(0, shape[1], 150)
    x, z = (np.broadcast_to(p, shape)[r, c] for p in (grid.x_mm, grid.z_mm))
    along, across = (a[r, c] for a in pose.axes(grid.x_mm, grid.z_mm))
    compared = 0
    for k in range(len(r)):
        d = np.hypot(arc[:, 0] - x[k], arc[:, 1] - z[k])
        near = int(d.argmin())
        if not 100 < near < len(at) - 100 or d[near] > 20:
            continue
        compared += 1
        deeper = (z[k] - arc[near, 1]) * math.cos(direction[near]) - (x[k] - arc[near, 0]) * math.sin(direction[near])
        # The nearest sample tells where along only as well as the distance changes there.
        assert along[k] == pytest.approx(at[near], abs=0.01)
        assert across[k] == pytest.approx(math.copysign(d[near], deeper), abs=0.004)
    assert compared > 30


@pytest.mark.parametrize("bend", [-0.01, 0.0, 0.01])
def test_points_run_along_the_direction_at_unit_speed(bend):
    pose = NeedlePose((1.0, 2.0), 30.0, 40.0, bend, (0.5, -1.5))
    t = np.linspace(-5, 40, 4001)
    moved = np.diff(pose.points_mm(t), axis=0) / np.diff(t)[:, None]
    middle = (t[1:] + t[:-1]) / 2
    direction = math.radians(30) + bend * middle
    np.testing.assert_allclose(moved, np.stack([np.cos(direction), np.sin(direction)], axis=-1), atol=1e-6)
    np.testing.assert_allclose(pose.direction_rad(middle), direction, rtol=1e-5)
    np.testing.assert_allclose(pose.elevation_at_mm([0.0, 20.0, 40.0]), [0.5, -0.5, -1.5])
    assert pose.point_mm(0.0) == pytest.approx((1.0, 2.0))


def test_a_moved_probe_sees_the_needle_move_the_other_way():
    pose = NeedlePose((1.0, 2.0), 30.0, 40.0, 0.01, (0.5, -1.5)).moved(2.0, 0.25)
    assert pose.start_mm == (-1.0, 2.0)
    assert pose.elevation_mm == (0.25, -1.75)


def test_gauges():
    # 18G and 22G: 0.050 and 0.02825 inch.
    assert gauge_to_mm(18) == pytest.approx(0.050 * 25.4, abs=0.001)
    assert gauge_to_mm(22) == pytest.approx(0.02825 * 25.4, abs=0.001)
    sizes = [gauge_to_mm(g) for g in range(14, 28)]
    assert sizes == sorted(sizes, reverse=True)
    for bad in (13, 28, 21.5, float("nan")):
        with pytest.raises(InputError, match="gauge"):
            gauge_to_mm(bad)


@pytest.mark.parametrize(
    "bad",
    [
        {"bend_per_mm": 0.05},
        {"drift": ((1, 0, 0), (0, 0, 0))},
        {"drift": ((0, 1),)},
        {"bevel": "side"},
        {"ghost": 2},
        {"shadow": 1.5},
        {"reverberation": -0.1},
        {"ghost_deg": 5},
    ],
)
def test_needles_that_cannot_be_are_refused(bad):
    with pytest.raises(InputError):
        NeedleScene(**bad)
