"""Fluid has the area that its settings say, is dark, pushes tissue apart, and is told truly."""

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest

from usguide.errors import InputError
from usguide.intensity import log_decompress
from usguide.phantoms import InjectateScene, NeedleScene, PhantomScene, render_phantom
from usguide.phantoms.fluid import Fluid, fluid_at, injections_of, volume_mm3
from usguide.phantoms.fluid_shapes import AROUND, lens_of, outline_noise, pool_of, ring_of
from usguide.phantoms.structures import nerve_outline_mm

SCENE = PhantomScene(
    shape=(240, 280),
    duration_s=2.0,
    frame_rate_hz=2.0,
    motion_mm=0.0,
    needle=NeedleScene(advance=((0, 18), (9, 18)), brightness=0.5),
    injectate=InjectateScene(onset_s=0.25, area_rate_mm2_s=14.0),
)
BARE = replace(SCENE, structures=(), needle=None, attenuation_db_per_mm=0.0, decorrelation=0.0)
NERVE = nerve_outline_mm(SCENE, (0.4, 1.1))
X, Z = np.meshgrid(np.arange(0, 40, 0.05, dtype=np.float32), np.arange(0, 36, 0.05, dtype=np.float32))


def drawn_outline(seed, strength=0.3):
    outline = np.exp(outline_noise(np.random.default_rng(seed), strength))
    return outline / np.sqrt((outline**2).mean())


def shape_of(kind, area, start=(20.0, 18.0)):
    if kind == "lens":
        return lens_of(area, start, 8.0, 4.0)
    if kind == "pool":
        return pool_of(area, start, 8.0, drawn_outline(1), drawn_outline(2))
    centre = NERVE.mean(axis=0)
    return ring_of(area, NERVE, (centre[0] - 4, centre[1] - 1), drawn_outline(3, 0.15))


def injected(kind, scene=SCENE, **changes):
    return replace(scene, injectate=replace(scene.injectate, kind=kind, **changes))


@pytest.mark.parametrize(("kind", "tolerance"), [("lens", 0.08), ("ring", 0.02), ("pool", 0.02)])
@pytest.mark.parametrize("area", [3.0, 12.0, 40.0])
def test_shapes_have_the_area_asked_for(kind, tolerance, area):
    assert shape_of(kind, area).contains(X, Z).sum() * 0.05**2 == pytest.approx(area, rel=tolerance)


@pytest.mark.parametrize("kind", ["lens", "ring", "pool"])
@pytest.mark.parametrize("probe", ["linear", "curvilinear"])
def test_rendered_area_grows_as_set_and_is_that_of_the_mask(kind, probe):
    scene = injected(kind, replace(SCENE, probe=probe, probe_radius_mm=40.0))
    truth = render_phantom(scene, seed=1).truth
    np.testing.assert_allclose(truth.injectate_mask.sum(axis=(1, 2)) * 0.125**2, truth.injectate_area_mm2)
    assert truth.injectate_area_mm2 == pytest.approx([0, 3.5, 10.5, 17.5], rel=0.08)
    assert truth.injectate_volume_mm3[0] == 0
    assert (np.diff(truth.injectate_volume_mm3) > 0).all()


def test_volume_follows_from_area_by_hand():
    at = 1.25  # 14 mm2
    # Of a ball of radius sqrt(14 / pi); of a cuff of 6 mm; of a body of revolution, half length 3/8 * 14 * 4 squared.
    expected = {"pool": 4 / 3 * math.pi * (14 / math.pi) ** 1.5, "ring": 84.0, "unseen": 4 / 3 * 14**1.5 / math.pi**0.5}
    for kind, volume in expected.items():
        assert volume_mm3(injected(kind).injectate, at) == pytest.approx(volume)
    half_length = math.sqrt(3 / 8 * 14 * 4)
    u = np.linspace(0, half_length, 20001)
    opening = half_length / 4 * (1 - (u / half_length) ** 2)
    turned = np.trapezoid(2 * math.pi * u * 2 * opening, u)
    assert volume_mm3(injected("lens").injectate, at) == pytest.approx(turned, rel=1e-5)


def test_pushes_make_it_grow_and_pauses_hold_it():
    fluid = InjectateScene(onset_s=1.0, area_rate_mm2_s=10.0, pushes=((0.0, 0.5), (1.0, 2.0)))
    times = (0.9, 1.25, 1.5, 1.9, 2.5, 3.0, 9.0)
    assert [fluid.area_mm2(t) for t in times] == pytest.approx([0, 2.5, 5, 5, 10, 15, 15])
    assert fluid.time_s(np.array([2.5, 10.0])) == pytest.approx([1.25, 2.5])
    for bad in (((0.1, 0.5),), ((0, 1), (0.5, 2)), ((0, 0),)):
        with pytest.raises(InputError, match="pushes"):
            InjectateScene(pushes=bad)


def covered(ring):
    """Share of the directions in which a ring is thicker than a fifth of a millimetre."""
    return (ring.thickness_mm > 0.2).mean()


def test_a_ring_closes_round_the_nerve_and_leaves_it_out():
    fractions = [covered(shape_of("ring", area)) for area in (1, 3, 6, 10, 20, 40)]
    assert fractions == sorted(fractions)
    assert 0.05 < fractions[0] < 0.35
    assert fractions[-1] == 1
    early = shape_of("ring", 2.0)
    centre = NERVE.mean(axis=0)
    thickest = AROUND[early.thickness_mm.argmax()]
    towards = math.atan2(-1, -4) % (2 * math.pi)
    assert abs(thickest - towards) < 0.8
    assert np.hypot(*early.pushed_mm) > 0.02
    assert early.pushed_mm[0] > 0  # away from where it begins
    for area in (2.0, 12.0, 40.0):
        ring = shape_of("ring", area)
        inside = centre + 0.99 * (NERVE - centre) + ring.pushed_mm
        assert not ring.contains(*inside.astype(np.float32).T).any()


def test_a_pool_is_one_piece_that_never_draws_back():
    before = np.zeros(X.shape, bool)
    for area in (2.0, 5.0, 11.0, 24.0, 50.0):
        mask = shape_of("pool", area).contains(X, Z)
        assert cv2.connectedComponents(mask.astype(np.uint8))[0] == 2
        assert not (before & ~mask).any()
        before = mask
    a, b = (pool_of(9.0, (0, 0), 0.0, drawn_outline(s), drawn_outline(s)).radius_mm for s in (1, 2))
    assert np.abs(a - b).max() > 0.2
    # Smooth: no corner sharper than a harmonic of a few turns makes.
    assert np.abs(np.diff(a, n=2)).max() * (1024 / (2 * math.pi)) ** 2 < 40


@pytest.mark.parametrize("kind", ["lens", "ring", "pool"])
def test_tissue_is_pushed_apart_and_yields_further_off(kind):
    shape = shape_of(kind, 16.0)
    dx, dz = shape.displacement(X, Z)
    size = np.hypot(dx, dz)
    outside = ~shape.contains(X, Z)
    # The push points outwards at the edge, and is felt less the further off.
    distance = cv2.distanceTransform(outside.astype(np.uint8), cv2.DIST_L2, 5) * 0.05
    gz, gx = np.gradient(cv2.GaussianBlur(distance, (0, 0), 3), 0.05)
    if kind != "ring":
        near = outside & (distance > 0.2) & (distance < 0.6) & (size > 0.2)
        assert near.sum() > 1000
        assert np.mean((dx * gx + dz * gz)[near] / size[near]) > 0.8
    means = [size[outside & (np.abs(distance - d) < 0.2)].mean() for d in (0.3, 2.0, 5.0, 9.0)]
    assert means == sorted(means, reverse=True)
    # Continuous wherever tissue is, but for the sheet that has parted.
    if kind != "lens":
        assert max(np.abs(np.diff(d, axis=k)).max() for d in (dx, dz) for k in (0, 1)) < 0.1
        assert size[distance > 15].max() == 0
    else:
        step_z = np.abs(np.diff(dz, axis=0))[outside[1:] & outside[:-1]]
        assert np.quantile(step_z, 0.999) < 0.1


@pytest.mark.parametrize("kind", ["lens", "ring", "pool"])
@pytest.mark.parametrize("echo", [0.1, 0.4])
def test_fluid_is_as_dark_as_set(kind, echo):
    scene = injected(kind, BARE, echo=echo, area_rate_mm2_s=24.0)
    with_fluid, without = (render_phantom(s, seed=4) for s in (scene, replace(scene, injectate=None)))
    core = cv2.erode(with_fluid.truth.injectate_mask[-1].astype(np.uint8), np.ones((7, 7), np.uint8)).astype(bool)
    assert core.sum() > 80
    power = [(log_decompress(p.frames[-1]).astype(float)[core] ** 2).mean() for p in (with_fluid, without)]
    # What TGC makes of electronic noise is added: 0.02 at the face, 0.3 dB/mm, at the depth of the fluid.
    depth = np.nonzero(core)[0].mean() * 0.125
    noise = (0.02 * 10 ** (0.3 * depth / 20)) ** 2
    assert math.sqrt(power[0] / power[1]) == pytest.approx(math.sqrt(echo**2 + noise), rel=0.25)


def test_what_lies_below_is_a_little_brighter():
    scene = injected("pool", BARE, area_rate_mm2_s=24.0)
    a, b = (log_decompress(render_phantom(s, seed=4).frames[-1]) for s in (scene, replace(scene, injectate=None)))
    columns = slice(130, 150)
    assert 1.1 < a[215:, columns].mean() / b[215:, columns].mean() < 1.35


def test_unseen_changes_no_picture_but_is_told():
    hidden, without = (render_phantom(s, seed=2) for s in (injected("unseen"), replace(SCENE, injectate=None)))
    # The plane that would have been opened is drawn with the injection's slope: the same one here.
    np.testing.assert_array_equal(hidden.frames[0], render_phantom(injected("lens"), seed=2).frames[0])
    assert not hidden.truth.injectate_mask.any()
    assert not hidden.truth.injectate_area_mm2.any()
    assert hidden.truth.injectate_volume_mm3[-1] > 50
    assert not without.truth.injectate_volume_mm3.any()
    bare = [render_phantom(replace(s, structures=()), seed=2).frames for s in (injected("unseen"), injected("lens"))]
    np.testing.assert_array_equal(bare[0], render_phantom(replace(SCENE, injectate=None, structures=()), seed=2).frames)
    assert (bare[0][-1] != bare[1][-1]).mean() > 0.05


def test_fluid_without_a_needle_in_plane_and_a_second_pool():
    scene = replace(BARE, more_injectate=(InjectateScene(kind="pool", onset_s=1.1, area_rate_mm2_s=10.0),))
    truth = render_phantom(scene, seed=0).truth
    assert np.isnan(truth.tip_mm).all()
    assert truth.injectate_area_mm2[1] > 2
    moved = replace(
        SCENE,
        needle=replace(SCENE.needle, advance=((0, 10), (0.8, 10), (1.0, 26), (9, 26))),
        injectate=InjectateScene(kind="pool", onset_s=0.25, area_rate_mm2_s=10, pushes=((0, 0.5),)),
        more_injectate=(InjectateScene(kind="pool", onset_s=1.2, area_rate_mm2_s=10),),
    )
    truth = render_phantom(moved, seed=0).truth
    pools = [cv2.connectedComponents(m.astype(np.uint8))[0] - 1 for m in truth.injectate_mask]
    assert pools == [0, 1, 1, 2]
    assert truth.injectate_area_mm2[-1] == pytest.approx(5 + 3, rel=0.05)
    for point in (moved.needle.tip_mm(0.25), moved.needle.tip_mm(1.2)):
        x, z = (round(v / 0.125) for v in point)
        assert truth.injectate_mask[-1][z, x]


@pytest.mark.parametrize("kind", ["lens", "ring", "pool"])
def test_bubbles_are_bright_lie_in_the_fluid_and_die(kind):
    scene = injected(kind, BARE, bubbles=2.0, area_rate_mm2_s=14.0, pushes=((0.0, 1.0),))
    (injection,) = injections_of(scene, 5, {"nerve": NERVE})
    bubbles = injection.bubbles
    for time in (0.4, 0.8, 1.2):
        shape = injection.shape_at(time)
        points, amplitude, index = bubbles.at(shape, scene.injectate, time)
        assert shape.contains(*points.astype(np.float32).T).all()
        assert (amplitude > 0).all()
        count = 2.0 * scene.injectate.area_mm2(time)
        assert 0.6 * count - 2 <= len(index) <= count + 1
    early, late = (len(bubbles.at(injection.shape_at(t), scene.injectate, t)[2]) for t in (1.3, 8.0))
    assert late < 0.4 * early
    mask = render_phantom(scene, seed=5).truth.injectate_mask[-1]
    pictures = [log_decompress(render_phantom(injected(kind, s), seed=5).frames[-1]) for s in (scene, BARE)]
    assert pictures[0][mask].max() > 4 * pictures[1][mask].max()


def test_bubbles_move_a_little_from_frame_to_frame():
    scene = injected("pool", BARE, bubbles=2.0)
    (injection,) = injections_of(scene, 5, {})
    there = []
    for time in (1.0, 1.05):
        points, _, index = injection.bubbles.at(injection.shape_at(time), scene.injectate, time)
        there.append(dict(zip(index, points, strict=True)))
    shared = there[0].keys() & there[1].keys()
    steps = [np.hypot(*(there[1][k] - there[0][k])) for k in shared]
    assert len(steps) > 10
    assert 0 < np.median(steps) < 0.2


def test_fluid_moves_with_breathing_tissue_but_begins_at_the_tip():
    injections = injections_of(injected("pool"), 0, {})
    still, shifted = (fluid_at(injections, 1.0, lambda _, t, k=k: (k * t, 0.0)).parts[0][1] for k in (0.0, 2.0))
    assert shifted.centre_mm[0] - still.centre_mm[0] == pytest.approx(2.0 * (1.0 - 0.25))
    moved = Fluid(((injections[0], still),)).shifted((1.0, -2.0)).parts[0][1]
    assert np.subtract(moved.centre_mm, still.centre_mm) == pytest.approx([1.0, -2.0])
