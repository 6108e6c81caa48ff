"""Outlines lie on what is seen, and go with the tissue."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from usguide.intensity import log_decompress
from usguide.phantoms import InjectateScene, NeedleScene, PhantomScene, render_phantom
from usguide.phantoms.fluid import Fluid, injections_of
from usguide.phantoms.grid import beam_grid
from usguide.phantoms.outlines import follow, tissue_shift_mm

SCENE = PhantomScene(
    duration_s=2.4,
    frame_rate_hz=2.5,
    motion_mm=0.8,
    needle=NeedleScene(advance=((0, 20), (9, 20))),
    injectate=InjectateScene(onset_s=1.0, area_rate_mm2_s=14.0),
)
FAN = replace(
    SCENE,
    shape=(300, 400),
    spacing_mm=(0.2, 0.2),
    probe="curvilinear",
    needle=NeedleScene(entry_mm=(10.0, 12.0), angle_deg=30.0, advance=((0, 30), (9, 30))),
)


def profile(phantom, k, outline, offsets_mm, closed):
    """Mean envelope along an outline, moved across it by each offset; positive is outwards, or up for a surface."""
    points = outline[k]
    ahead = np.roll(points, -1, axis=0) - np.roll(points, 1, axis=0)
    ahead[[0, -1]] = ahead[[0, -1]] if closed else ahead[[1, -2]]
    normal = np.stack([ahead[:, 1], -ahead[:, 0]], axis=-1) / np.hypot(*ahead.T)[:, None]
    envelope = log_decompress(phantom.frames[k])
    levels = []
    for offset in offsets_mm:
        px = phantom.geometry.to_px(points + offset * normal).astype(np.float32)
        levels.append(cv2.remap(envelope, px[None, :, 0], px[None, :, 1], cv2.INTER_LINEAR).mean())
    return np.array(levels)


OFFSETS = np.arange(-1.2, 1.21, 0.1)


@pytest.mark.parametrize("kind", ["lens", "ring", "pool"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_outlines_lie_on_what_is_seen(kind, side):
    # A mirrored outline turns the other way round.
    scene = replace(SCENE, injectate=replace(SCENE.injectate, kind=kind), entry_side=side)
    p = render_phantom(scene, seed=7)
    sense = 1 if side == "left" else -1
    for k in range(len(p.frames)):
        vessel = profile(p, k, p.truth.keep_out_mm["vessel"], sense * OFFSETS, closed=True)
        assert vessel[OFFSETS < -0.5].max() < 0.25 * vessel[(OFFSETS > 0.05) & (OFFSETS < 0.4)].max()
        assert abs(OFFSETS[(vessel > vessel.max() / 2).argmax()]) < 0.25
        bone = profile(p, k, p.truth.keep_out_mm["bone"][:, 4:-4], sense * OFFSETS, closed=False)
        assert abs(OFFSETS[bone.argmax()]) < 0.25
        nerve = profile(p, k, p.truth.target_outline_mm, sense * OFFSETS, closed=True)
        near = np.abs(OFFSETS) < 0.75
        assert abs(OFFSETS[near][nerve[near].argmax()]) < 0.25


def test_without_the_motion_the_outline_would_be_off():
    p = render_phantom(SCENE, seed=7)
    moved = np.hypot(*(p.truth.target_mm[1:] - p.truth.target_mm[:1]).T)
    assert moved.max() > 0.4
    bone = p.truth.keep_out_mm["bone"]
    at_rest = np.broadcast_to(bone[0], bone.shape)[:, 4:-4]
    off = [OFFSETS[profile(p, k, at_rest, OFFSETS, closed=False).argmax()] for k in range(len(p.frames))]
    assert max(map(abs, off)) > 0.25


@pytest.mark.parametrize("scene", [SCENE, FAN], ids=["linear", "curvilinear"])
def test_carried_points_came_from_where_they_rest(scene):
    """A made-up movement that is known: a shift and a stretch about a point."""
    grid = beam_grid(scene)
    x, z = np.broadcast_arrays(grid.x_mm, grid.z_mm)
    moving = grid.to_index((x - 1.2 - 4.0) / 1.1 + 4.0, (z + 0.7).astype(np.float32))
    rest = np.array([(20.0, 15.0), (25.0, 22.0), (30.0, 18.0)])
    expected = np.stack([4.0 + 1.1 * (rest[:, 0] - 4.0) + 1.2, rest[:, 1] - 0.7], axis=-1)
    np.testing.assert_allclose(follow(rest, grid, moving, None), expected, atol=0.02)


def test_points_at_a_sheet_that_parts_stay_on_their_side():
    grid = beam_grid(SCENE)
    (injection,) = injections_of(SCENE, 0, {})
    fluid = Fluid(((injection, injection.shape_at(2.4)),))
    lens = fluid.parts[0][1]
    dx, dz = fluid.displacement(grid.x_mm, grid.z_mm)
    moving = grid.to_index(np.asarray(grid.x_mm - dx, np.float32), np.asarray(grid.z_mm - dz, np.float32))
    middle = np.array(lens.centre_mm)
    for side in (-1, 1):
        rest = middle + [(0.0, side * d) for d in (0.15, 0.5, 2.0, 6.0)]
        now = follow(rest, grid, moving, fluid)
        across = side * (now - middle)[:, 1]
        assert (np.diff(across) > 0).all()
        assert across[0] > 0.9 * lens.half_thickness_mm
        assert across[0] < lens.half_thickness_mm + 0.35
    assert not fluid.contains(*now.astype(np.float32).T).any()


def test_a_ring_pushes_the_nerve_and_the_target_with_it():
    ring = replace(SCENE, motion_mm=0.0, injectate=replace(SCENE.injectate, kind="ring", area_rate_mm2_s=3.0))
    truth = render_phantom(ring, seed=1).truth
    np.testing.assert_allclose(truth.target_mm[0], ring.nerve_mm, atol=0.01)
    step = truth.target_mm[-1] - truth.target_mm[0]
    away = np.array(ring.nerve_mm) - ring.needle.tip_mm(1.0)
    assert step @ away / np.hypot(*away) > 0.04
    # Rigidly: its outline goes with it.
    outline = truth.target_outline_mm[-1] - truth.target_outline_mm[0]
    np.testing.assert_allclose(outline, np.broadcast_to(step, outline.shape), atol=0.02)


def test_tissue_shift_is_that_of_the_whole_grid():
    grid, time = beam_grid(SCENE), 1.1
    scene = replace(SCENE, structures=("nerve",))
    x, z = tissue_shift_mm(scene, (20.0, 18.0), time)
    from usguide.phantoms.motion import origins

    still = follow(np.array([(20.0 - x, 18.0 - z)]), grid, origins(scene, grid, time, None, None), None)
    np.testing.assert_allclose(still, [(20.0, 18.0)], atol=0.01)
    assert np.hypot(x, z) > 0.2


def test_only_what_is_there_is_told():
    p = render_phantom(replace(SCENE, structures=("fascia", "bone"), duration_s=0.3, frame_rate_hz=5.0), seed=0)
    assert p.truth.keep_out_mm.keys() == {"bone"}
    assert p.truth.target_outline_mm is None
    assert p.truth.target_mm.shape == (len(p.frames), 2)


def test_mirrored_scenes_have_mirrored_outlines():
    left, right = (render_phantom(replace(FAN, entry_side=s), seed=2).truth for s in ("left", "right"))
    last = FAN.size_mm[1]
    pairs = [(left.target_outline_mm, right.target_outline_mm)]
    pairs += [(left.keep_out_mm[name], right.keep_out_mm[name]) for name in ("vessel", "bone")]
    for a, b in pairs:
        np.testing.assert_allclose(b[..., 0], last - a[..., 0])
        np.testing.assert_array_equal(b[..., 1], a[..., 1])
