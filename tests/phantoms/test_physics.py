"""Speckle is speckle, the needle is where the truth says, tissue moves, fluid is dark."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from usguide.intensity import log_decompress
from usguide.phantoms import InjectateScene, NeedleScene, PhantomScene, needle_visibility_db, render_phantom
from usguide.phantoms.grid import Grid, beam_grid
from usguide.phantoms.speckle import LINEAR_SPREAD, convolve, speckle

STILL = ((0.0, 18.0), (9.0, 18.0))
NEEDLE = NeedleScene(brightness=12.0, gap_share=0.0, advance=STILL)
LINEAR = PhantomScene(shape=(220, 260), duration_s=0.1, needle=NEEDLE, injectate=None)
FAN = PhantomScene(
    shape=(300, 400),
    spacing_mm=(0.2, 0.2),
    duration_s=0.05,
    probe="curvilinear",
    needle=replace(NEEDLE, entry_mm=(12.0, 6.0), advance=((0, 34), (9, 34))),
    injectate=None,
)


def strip_of(phantom, k=-1):
    """Envelope around the true shaft, (along, across), with the positions in mm; along is counted from the tip."""
    tip, entry = phantom.truth.tip_mm[k], phantom.truth.entry_mm[k]
    u = (tip - entry) / np.hypot(*(tip - entry))
    t, v = np.meshgrid(np.arange(-12, 4, 0.1), np.arange(-0.8, 0.81, 0.05), indexing="ij")
    points = tip + t[..., None] * u + v[..., None] * np.array([-u[1], u[0]])
    px = phantom.geometry.to_px(points).astype(np.float32)
    envelope = log_decompress(phantom.frames[k])
    return t[:, 0], v[0], cv2.remap(envelope, px[..., 0], px[..., 1], cv2.INTER_LINEAR)


@pytest.mark.parametrize("probe", ["linear", "curvilinear"])
def test_homogeneous_tissue_has_rayleigh_speckle(probe):
    """Amplitude SNR of fully developed speckle is sqrt(pi / (4 - pi)) = 1.91; 3 % for some 5000 independent cells."""
    scene = PhantomScene(shape=(400, 400), spacing_mm=(0.2, 0.2), probe=probe)
    grid = beam_grid(scene)
    fields = [speckle(np.random.default_rng(k), grid, np.ones(grid.shape, np.float32), LINEAR_SPREAD) for k in (0, 1)]
    envelope = np.abs(np.stack(fields))[:, ::8, ::8]
    assert envelope.mean() / envelope.std() == pytest.approx(1.91, rel=0.03)
    assert (envelope**2).mean() == pytest.approx(1.0, rel=0.1)


def test_rendered_pictures_keep_the_speckle():
    """The same, of the finished picture of homogeneous tissue at a depth where nothing is clipped."""
    scene = PhantomScene(
        shape=(300, 300), duration_s=0.05, needle=None, injectate=None, structures=(), looks=1, attenuation_db_per_mm=0
    )
    # Halved axial sampling averages two neighbours, which is why the tolerance is wider.
    envelope = log_decompress(render_phantom(scene, seed=2).frames[0])[40:-40, 20:-20]
    assert envelope.mean() / envelope.std() == pytest.approx(1.91, rel=0.08)


def test_lateral_width_grows_away_from_the_focus():
    grid = Grid((600, 200), (0.06, 0.06))
    widths = []
    for depth in (18.0, 34.0):
        point = np.zeros(grid.shape, np.complex64)
        point[round(depth / 0.06), 100] = 1
        profile = np.abs(convolve(point, grid, LINEAR_SPREAD)).sum(axis=0)
        x = np.arange(200) * 0.06
        mean = np.average(x, weights=profile)
        widths.append(np.sqrt(np.average((x - mean) ** 2, weights=profile)))
        assert widths[-1] == pytest.approx(LINEAR_SPREAD.lateral_at(depth), rel=0.06)
    assert widths[1] > 1.2 * widths[0]


@pytest.mark.parametrize("scene", [LINEAR, FAN], ids=["linear", "curvilinear"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_the_ridge_lies_on_the_true_line_and_ends_at_the_true_tip(scene, side):
    bare = replace(scene, structures=(), entry_side=side)
    for seed in (1, 2):
        phantom = render_phantom(bare, seed=seed)
        t, v, strip = strip_of(phantom)
        on = strip[(t > -8) & (t < -1)]
        # Subtracting what lies beside the ridge leaves the needle: a centroid over tissue would pull to the middle.
        profile = np.maximum(on.mean(axis=0) - on[:, [0, -1]].mean(), 0)
        assert abs(np.average(v, weights=profile)) < 0.3
        assert abs(v[profile.argmax()]) <= 0.15
        ahead = strip[t > 2][:, np.abs(v) < 0.3].mean()
        along = strip[:, np.abs(v) < 0.2].mean(axis=1)
        half = (along[(t > -2) & (t < -0.5)].mean() + ahead) / 2
        assert abs(t[along > half].max()) < 0.5


def test_the_tip_stays_where_the_scene_puts_it():
    scene = replace(LINEAR, structures=(), duration_s=0.5, needle=replace(NEEDLE, advance=((0, 8), (0.5, 13))))
    phantom = render_phantom(scene, seed=0)
    expected = [scene.needle.tip_mm(t) for t in phantom.timestamps_s]
    np.testing.assert_allclose(phantom.truth.tip_mm, expected)
    np.testing.assert_allclose(np.hypot(*(phantom.truth.tip_mm - phantom.truth.entry_mm).T), phantom.truth.visible_mm)
    speed = np.diff(phantom.truth.visible_mm) / np.diff(phantom.timestamps_s)
    assert speed == pytest.approx(10.0, rel=1e-6)


def test_a_fan_cuts_the_shaft_at_its_edge():
    phantom = render_phantom(FAN, seed=0)
    entry, tip = phantom.truth.entry_mm[0], phantom.truth.tip_mm[0]
    radius, angle = phantom.geometry.sector.to_polar(entry)
    near = phantom.geometry.sector.radius_mm[0]
    edge = abs(angle - phantom.geometry.sector.angle_deg[0]) < 0.01 or abs(radius - near) < 0.01
    assert edge
    assert phantom.geometry.sector.contains(tip)
    assert phantom.truth.visible_mm[0] < 34
    corners = phantom.frames[:, [0, -1, -1], [0, 0, -1]]
    assert not corners.any()


def correlation_after(seconds, **changes):
    """Correlation of homogeneous tissue's first picture with a later one: only speckle, nothing that stands out."""
    scene = replace(LINEAR, needle=None, structures=(), duration_s=1.0, frame_rate_hz=10.0, **changes)
    frames = render_phantom(scene, seed=3).frames.astype(float)
    return np.corrcoef(frames[0].ravel(), frames[round(seconds * 10)].ravel())[0, 1]


def test_tissue_moves_and_its_speckle_changes_gently():
    assert correlation_after(0.1) > 0.7
    assert correlation_after(0.9) < correlation_after(0.1) - 0.1
    # Each of the two does it alone.
    still = correlation_after(0.9, motion_mm=0.0, decorrelation=0.0)
    assert still > 0.85
    assert correlation_after(0.9, decorrelation=0.0) < still - 0.1
    assert correlation_after(0.9, motion_mm=0.0) < still - 0.01


def test_fluid_is_dark_parts_tissue_and_its_mask_has_its_area():
    scene = replace(
        LINEAR,
        duration_s=1.0,
        frame_rate_hz=4.0,
        needle=replace(NEEDLE, advance=((0, 16), (9, 16))),
        injectate=InjectateScene(onset_s=0.2, area_rate_mm2_s=24.0),
    )
    with_fluid, without = render_phantom(scene, seed=4), render_phantom(replace(scene, injectate=None), seed=4)
    truth = with_fluid.truth
    assert not truth.injectate_mask[0].any()
    assert truth.injectate_area_mm2[-1] == pytest.approx(24 * (0.75 - 0.2), rel=0.08)
    assert (np.diff(truth.injectate_area_mm2) >= 0).all()
    core = cv2.erode(truth.injectate_mask[-1].astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
    tip_x, tip_z = truth.tip_mm[-1]
    grid_x, grid_z = np.meshgrid(np.arange(260) * 0.125, np.arange(220) * 0.125)
    away = core & (np.hypot(grid_x - tip_x, grid_z - tip_z) > 1.0) & (grid_x > tip_x)
    assert with_fluid.frames[-1][away].mean() < 0.5 * without.frames[-1][away].mean()


def test_brightness_orders_visibility():
    scene = replace(LINEAR, duration_s=0.05)
    seen = []
    for brightness in (1.2, 2.4, 4.0, 12.0):
        p = render_phantom(replace(scene, needle=replace(NEEDLE, brightness=brightness)), seed=5)
        seen.append(needle_visibility_db(p.frames[0], p.geometry, p.truth.shaft_mm[0]))
    assert seen == sorted(seen)
    assert np.isnan(needle_visibility_db(p.frames[0], p.geometry, np.full((33, 2), np.nan)))


def test_visibility_of_a_picture_with_known_levels():
    pixels = np.full((100, 100), 50, np.uint8)
    pixels[48:53] = 101
    geometry = replace(render_phantom(replace(LINEAR, duration_s=0.05), seed=0).geometry)
    seen = needle_visibility_db(pixels, geometry, np.array([(1.0, 50 * 0.125), (10.0, 50 * 0.125)]))
    assert seen == pytest.approx(51 / 255 * 60)
