"""Echo and truth of needles that bend, leave the plane, come in steeply, and cast artefacts."""

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest
from scipy.optimize import brentq

from usguide.errors import InputError
from usguide.geometry import ImageGeometry
from usguide.intensity import log_decompress
from usguide.phantoms import (
    InjectateScene,
    NeedleScene,
    PhantomScene,
    brightness_for_visibility,
    needle_visibility_db,
    render_phantom,
)
from usguide.phantoms.grid import beam_grid, picture_geometry
from usguide.phantoms.needle import needle_echo
from usguide.phantoms.needle_truth import needle_in_picture
from usguide.phantoms.pose import NeedlePose
from usguide.phantoms.render import WHITE_AMPLITUDE
from usguide.phantoms.shaft import shaft_profile, specular_law
from usguide.phantoms.speckle import CURVILINEAR_SPREAD, LINEAR_SPREAD, spread_of

NEEDLE = NeedleScene(brightness=12.0, gap_share=0.0, wobble_deg=0.0, advance=((0.0, 24.0), (9.0, 24.0)))
BARE = PhantomScene(
    shape=(220, 260), duration_s=0.05, structures=(), injectate=None, needle=NEEDLE, attenuation_db_per_mm=0.0
)
FAN = replace(BARE, shape=(300, 400), spacing_mm=(0.2, 0.2), probe="curvilinear")


def with_needle(scene=BARE, **changes):
    return replace(scene, needle=replace(scene.needle, **changes))


def envelope_at(phantom, points_mm):
    """Envelope of the first picture at points (..., 2), in the units that the scene's brightness has."""
    px = phantom.geometry.to_px(points_mm).astype(np.float32)
    envelope = log_decompress(phantom.frames[0], reference=WHITE_AMPLITUDE)
    return cv2.remap(envelope, px[..., 0], px[..., 1], cv2.INTER_LINEAR)


def beside(pose, lengths_mm, across_mm):
    """Points across a shaft: (lengths, across, 2), across positive deeper."""
    angle = pose.direction_rad(lengths_mm).astype(float)
    normal = np.stack([-np.sin(angle), np.cos(angle)], axis=-1)
    return pose.points_mm(lengths_mm)[:, None] + across_mm[None, :, None] * normal[:, None]


def echo_alone(scene):
    """Mean magnitude over looks of the needle's echo, without tissue, over the whole grid; and what passes."""
    grid = beam_grid(scene)
    profiles = shaft_profile(np.random.default_rng(1), 0.0, 3)
    smooth = [np.ones(grid.shape, np.complex64)] * 3
    pose = scene.needle.pose(0.0)
    rows, echo, passes = needle_echo(grid, spread_of(grid.sector), scene.needle, pose, profiles, smooth)
    whole, through = np.zeros(grid.shape), np.ones(grid.shape)
    whole[rows], through[rows] = np.mean([np.abs(e) for e in echo], axis=0), passes
    return grid, whole, through


@pytest.mark.parametrize("elevation", [(0.0, 2.5), (3.0, 0.4), (-2.5, 0.3)])
@pytest.mark.parametrize("probe", ["linear", "curvilinear"])
def test_the_in_plane_part_ends_where_the_slice_leaves_half(probe, elevation):
    scene = replace(BARE if probe == "linear" else FAN, needle=None)
    size, spread = scene.size_mm, LINEAR_SPREAD if probe == "linear" else CURVILINEAR_SPREAD
    geometry = picture_geometry(scene)
    elevation = tuple(e * spread.elevational_mm / 0.7 * (1 if probe == "linear" else 1.8) for e in elevation)
    pose = NeedlePose((0.0, 7.0) if probe == "linear" else (30.0, 5.0), 32.0, 24.0, 0.006, elevation)
    whole = needle_in_picture(replace(pose, elevation_mm=(0.0, 0.0)), geometry, size)
    assert whole.in_plane_fraction == 1.0
    part = needle_in_picture(pose, geometry, size)

    def beyond(t):
        x, z = pose.point_mm(t)
        if probe == "linear":
            depth = z
        else:
            depth = math.hypot(x - geometry.sector.apex_mm[0], z - geometry.sector.apex_mm[1])
            depth -= geometry.sector.radius_mm[0]
        sigma = math.hypot(spread.elevational_mm, spread.elevational_divergence * (depth - spread.elevational_focus_mm))
        e = elevation[0] + (elevation[1] - elevation[0]) * t / 24.0
        return math.exp(-0.5 * (e / sigma) ** 2) - 0.5

    edge = brentq(beyond, 1.0, 23.0)
    start = 24.0 - whole.visible_mm
    first, last = (start, edge) if abs(elevation[0]) < abs(elevation[1]) else (edge, 24.0)
    assert part.visible_mm == pytest.approx(last - first, abs=0.005)
    assert part.in_plane_fraction == pytest.approx((last - first) / whole.visible_mm, abs=3e-4)
    np.testing.assert_allclose(part.entry_mm, pose.point_mm(first), atol=0.005)
    np.testing.assert_allclose(part.distal_mm, pose.point_mm(last), atol=0.005)
    np.testing.assert_allclose(part.shaft_mm[[0, -1]], [part.entry_mm, part.distal_mm])
    assert part.tip_mm == pose.point_mm(24.0)


def test_a_needle_out_of_plane_has_a_tip_but_no_visible_part():
    away = needle_in_picture(NeedlePose((0, 7), 30, 20, 0, (6, 6)), ImageGeometry(0.1, 0.1), (30, 30))
    assert (away.visible_mm, away.in_plane_fraction) == (0, 0)
    assert np.isnan(away.entry_mm).all()
    assert np.isnan(away.shaft_mm).all()
    assert away.tip_mm == pytest.approx((20 * math.cos(math.pi / 6), 17.0))
    # One that crosses: a dot, as long as the slice is thick over the slope of 1 (30 mm over 30).
    pose = NeedlePose((0, 7), 30, 30, 0, (-15, 15))
    crossing = needle_in_picture(pose, ImageGeometry(0.1, 0.1), (30, 30))
    assert crossing.visible_mm == pytest.approx(2 * 1.1774 * LINEAR_SPREAD.elevational_at(14.5), rel=0.02)
    middle = (np.array(crossing.entry_mm) + crossing.distal_mm) / 2
    np.testing.assert_allclose(middle, pose.point_mm(15.0), atol=0.05)
    grid, echo, _ = echo_alone(with_needle(drift=((0, -15, 15),), advance=((0, 24), (1, 24))))
    z, x = np.unravel_index(echo.argmax(), echo.shape)
    np.testing.assert_allclose((grid.x_mm[0, x], grid.z_mm[z, 0]), NEEDLE.pose(0).point_mm(12), atol=0.5)


def test_brightness_falls_by_6_db_where_truth_ends_the_in_plane_part():
    scene = with_needle(drift=((0.0, 0.0, 2.5),))
    faded, whole = render_phantom(scene, seed=1), render_phantom(BARE, seed=1)
    pose, end = scene.needle.pose(0.0), faded.truth.visible_mm[0]
    assert 8 < end < 16
    ratios = []
    for part in ((1, 3), (end - 1, end + 1), (end + 5, end + 7)):
        points = beside(pose, np.arange(*part, 0.05), np.array([-0.1, 0.0, 0.1]))
        ratios.append(envelope_at(faded, points).mean() / envelope_at(whole, points).mean())
    assert ratios[0] > 0.93
    assert ratios[1] == pytest.approx(0.5, abs=0.06)
    assert ratios[2] < 0.3


@pytest.mark.parametrize("bend", [-0.012, 0.012])
@pytest.mark.parametrize("scene", [BARE, with_needle(FAN, entry_mm=(28.0, 5.0))], ids=["linear", "curvilinear"])
def test_the_ridge_of_a_bent_needle_lies_on_the_true_curve(scene, bend):
    scene = with_needle(scene, bend_per_mm=bend, angle_deg=35.0, side_lobes=0.0, haze=0.0, reverberation=0.0)
    phantom = render_phantom(scene, seed=2)
    pose, across = scene.needle.pose(0.0), np.arange(-1.0, 1.01, 0.05)
    np.testing.assert_allclose(phantom.truth.distal_mm[0], pose.point_mm(24.0), atol=1e-9)
    chord = phantom.truth.distal_mm[0] - phantom.truth.entry_mm[0]
    sag = np.cross(np.append(chord, 0), np.append(phantom.truth.shaft_mm[0, 16] - phantom.truth.entry_mm[0], 0))[2]
    # The middle of an arc lies chord squared times curvature over 8 aside of its chord.
    assert sag / np.hypot(*chord) == pytest.approx(-bend * phantom.truth.visible_mm[0] ** 2 / 8, rel=0.02)
    pixel = scene.spacing_mm[0]
    for lengths in (np.arange(4, 10, 0.1), np.arange(10, 16, 0.1), np.arange(16, 22, 0.1)):
        power = (envelope_at(phantom, beside(pose, lengths, across)) ** 2).mean(axis=0)
        power = np.maximum(power - np.median(power[[0, 1, 2, -3, -2, -1]]), 0)
        assert abs(np.average(across, weights=power)) < 0.35 * pixel


def test_the_law_of_incidence():
    # Block needles in a phantom: about linear in dB up to 65 degrees; and not brighter again beyond.
    angles = np.radians([0, 15, 30, 45, 60, 75, 90])
    law = specular_law(angles)
    assert law[0] == 1
    assert (np.diff(law) < 0).all()
    np.testing.assert_allclose(20 * np.log10(law[1:6]), [-0.73, -3.05, -7.34, -14.68, -28.6], atol=0.1)
    np.testing.assert_allclose(specular_law(-angles), law)


@pytest.mark.parametrize("angle", [12.0, 48.0, 60.0])
def test_rendered_shafts_follow_the_law(angle):
    """The same shaft at another angle: what its echo loses in the picture is what the law says."""

    def level(angle_deg):
        scene = with_needle(angle_deg=angle_deg, brightness=14.0, entry_mm=(3.0, 1.0))
        phantom, pose = render_phantom(scene, seed=4), scene.needle.pose(0.0)
        on = envelope_at(phantom, beside(pose, np.arange(6, 20, 0.1), np.zeros(1)))
        tissue = envelope_at(phantom, beside(pose, np.arange(6, 20, 0.1), np.array([-4.0, -3.5, -3.0])))
        return math.sqrt((on**2).mean() - (tissue**2).mean())

    expected = (math.cos(math.radians(angle)) / math.cos(math.radians(32))) ** 2.438
    assert level(angle) / level(32.0) == pytest.approx(expected, rel=0.07)


def test_reverberation_lines_stand_where_the_diameter_puts_them():
    strong = with_needle(reverberation=0.8, haze=0.0, side_lobes=0.0, angle_deg=8.0, diameter_mm=1.0)
    grid, echo, _ = echo_alone(strong)
    _, without, _ = echo_alone(with_needle(strong, reverberation=0.0))
    column = grid.shape[1] // 3
    added = (echo - without)[:, column]
    peaks = np.flatnonzero((added[1:-1] > added[:-2]) & (added[1:-1] > added[2:]) & (added[1:-1] > 0.3)) + 1
    shaft = NEEDLE.entry_mm[1] + grid.x_mm[0, column] * math.tan(math.radians(8))
    expected = shaft + 1.05 * np.arange(1, 5) / math.cos(math.radians(8))
    np.testing.assert_allclose(grid.z_mm[peaks[:4], 0], expected, atol=0.06)
    assert (np.diff(added[peaks[:4]]) < 0).all()
    # Below a steep shaft they are weaker, over the shaft's own echo too.
    shares = []
    for angle in (8.0, 50.0):
        lines, shaft = (
            echo_alone(with_needle(strong, angle_deg=angle, reverberation=r))[1][:, :80] for r in (0.8, 0.0)
        )
        shares.append((lines - shaft).max() / shaft.max())
    assert shares[0] == pytest.approx(0.8, abs=0.05)
    assert shares[1] < 0.5 * shares[0]


def test_a_grating_lobe_shows_the_shaft_beside_and_below_itself():
    scene = with_needle(ghost=0.5, haze=0.0, side_lobes=0.0, reverberation=0.0, angle_deg=25.0)
    grid, echo, _ = echo_alone(scene)
    _, without, _ = echo_alone(with_needle(scene, ghost=0.0))
    added = np.abs(echo - without)
    lobe = math.radians(40)
    for t in (8.0, 16.0):
        x, z = scene.needle.pose(0.0).point_mm(t)
        depth = z / math.cos(lobe)
        column = round((x + depth * math.sin(lobe)) / grid.spacing_mm[1])
        profile = added[:, column]
        assert grid.z_mm[profile.argmax(), 0] == pytest.approx(depth, abs=0.6)
        assert 0.05 < profile.max() / without.max() < 0.6


def test_tip_artefacts_stand_on_the_tips_beam_and_at_its_distance():
    plain = with_needle(haze=0.0, side_lobes=0.0, reverberation=0.0)
    grid, without, _ = echo_alone(plain)
    tip_x, tip_z = NEEDLE.pose(0.0).point_mm(24.0)
    tail = echo_alone(with_needle(plain, comet_tail=0.8))[1] - without
    below = tail[np.argmin(abs(grid.z_mm[:, 0] - tip_z - 2.0))]
    assert grid.x_mm[0, below.argmax()] == pytest.approx(tip_x, abs=0.15)
    assert tail[grid.z_mm[:, 0] < tip_z - 0.8].max() < 0.02
    arc = echo_alone(with_needle(plain, arc=0.5))[1] - without
    for offset in (1.4, 2.8):
        column = round((tip_x + offset) / grid.spacing_mm[1])
        seen = grid.z_mm[arc[:, column].argmax(), 0]
        assert seen == pytest.approx(math.hypot(tip_z, column * grid.spacing_mm[1] - tip_x), abs=0.08)


def test_bevel_up_returns_more_than_down():
    def tip(bevel):
        grid, echo, _ = echo_alone(with_needle(bevel=bevel, angle_deg=60.0))
        x, z = NEEDLE.entry_mm[0] + 24 * 0.5, NEEDLE.entry_mm[1] + 24 * math.sin(math.pi / 3)
        return echo[np.hypot(grid.x_mm - x, grid.z_mm - z) < 0.6].max()

    assert tip("up") > 1.4 * tip("down")


@pytest.mark.parametrize("scene", [BARE, with_needle(FAN, entry_mm=(28.0, 5.0))], ids=["linear", "curvilinear"])
def test_shadow_falls_along_the_beams_that_the_shaft_covers(scene):
    grid, _, passes = echo_alone(with_needle(scene, shadow=0.6))
    pose = scene.needle.pose(0.0)
    x, z = pose.point_mm(12.0)
    column, row = (float(i[0, 0]) for i in grid.to_index(np.full(1, x, np.float32), np.full(1, z, np.float32)))
    beam = passes[:, round(column)]
    far = round(4 / grid.axial_mm)
    assert beam[round(row) - far // 2] == pytest.approx(1, abs=0.01)
    assert beam[round(row) + far] == pytest.approx(0.4, abs=0.02)
    beyond = grid.to_index(*(np.full(1, p, np.float32) for p in pose.point_mm(28.0)))[0][0, 0]
    assert passes[:, round(float(beyond))].min() > 0.9
    assert echo_alone(with_needle(scene, shadow=-0.5))[2].max() == pytest.approx(1.5, abs=0.01)
    # Where the shaft has left the plane its shadow has gone with it.
    faded = echo_alone(with_needle(scene, shadow=0.6, drift=((0, 30.0, 0.0),)))[2]
    assert faded[:, round(column)].min() > 0.95


def test_a_shadows_edge_gets_softer_with_depth_below_the_tip():
    scene = with_needle(shadow=0.6, penumbra=0.12)
    grid, _, passes = echo_alone(scene)
    tip_x, tip_z = scene.needle.tip_mm(0.0)

    def width_mm(below_mm):
        row = np.argmin(abs(grid.depth_mm[:, 0] - tip_z - below_mm))
        near = abs(grid.x_mm[0] - tip_x) < 5
        # From a fifth to four fifths of the shadow: 1.68 deviations of a Gaussian edge.
        lit = (1 - passes[row, near]) / 0.6
        return np.ptp(np.interp([-0.8, -0.2], -lit, grid.x_mm[0, near])) / 1.683

    for below_mm in (4.0, 7.0):
        expected = np.hypot(spread_of(None).lateral_at(tip_z + below_mm), 0.12 * below_mm)
        assert width_mm(below_mm) == pytest.approx(expected, rel=0.1)


def test_a_steep_needle_from_the_top_shadows_nothing_beside_itself():
    scene = with_needle(entry_mm=(12.0, 0.0), angle_deg=75.0, shadow=0.6)
    grid, _, passes = echo_alone(scene)
    assert passes[:, grid.x_mm[0] < 10.5].min() > 0.99
    assert passes[-1, np.argmin(abs(grid.x_mm[0] - 15))] < 0.5


@pytest.mark.parametrize("probe", ["linear", "curvilinear"])
def test_truth_follows_a_needle_from_the_top_in_and_out_again(probe):
    base = BARE if probe == "linear" else FAN
    x = 12.0 if probe == "linear" else 40.0
    needle = replace(NEEDLE, entry_mm=(x, 0.0), angle_deg=80.0, advance=((0, -1), (0.4, 15), (0.6, 15), (1.0, 0)))
    scene = replace(base, duration_s=1.1, frame_rate_hz=10.0, needle=needle)
    phantom = render_phantom(scene, seed=0)
    truth = phantom.truth
    assert truth.visible_mm[0] == truth.visible_mm[-1] == 0
    assert np.isnan(truth.tip_mm[[0, -1]]).all()
    np.testing.assert_allclose(truth.angle_deg[truth.visible_mm > 0], 80.0, atol=1e-6)
    if probe == "linear":
        lengths = np.maximum([needle.length_mm(t) for t in phantom.timestamps_s], 0)
        np.testing.assert_allclose(truth.visible_mm, lengths, atol=1e-9)
        np.testing.assert_allclose(truth.entry_mm[truth.visible_mm > 0], [(12.0, 0.0)] * 9, atol=1e-9)
    else:
        near = phantom.geometry.sector.to_polar(truth.entry_mm[5])[0]
        assert near == pytest.approx(phantom.geometry.sector.radius_mm[0], abs=0.003)


def test_the_shaft_reaches_back_to_the_edge_of_the_picture():
    slid = NEEDLE.pose(0.0).moved(-6.0, 0.0)
    part = needle_in_picture(slid, ImageGeometry(0.125, 0.125), (27.0, 32.0))
    np.testing.assert_allclose(part.entry_mm, (0.0, 7.0 - 6.0 * math.tan(math.radians(32))), atol=0.003)
    assert part.visible_mm == pytest.approx(24 + 6 / math.cos(math.radians(32)), abs=0.003)


def test_a_bent_needle_that_leaves_the_plane_has_its_mirror_image():
    scene = with_needle(bend_per_mm=0.01, drift=((0, 0, 2),), ghost=0.2, comet_tail=0.4, ring_down=0.2)
    left, right = render_phantom(scene, seed=1), render_phantom(replace(scene, entry_side="right"), seed=1)
    np.testing.assert_array_equal(right.frames, left.frames[:, :, ::-1])
    np.testing.assert_allclose(right.truth.shaft_mm[..., 0], scene.size_mm[1] - left.truth.shaft_mm[..., 0])
    np.testing.assert_array_equal(right.truth.in_plane_fraction, left.truth.in_plane_fraction)


@pytest.mark.parametrize("target", [4.0, 9.0, 14.0])
def test_brightness_is_found_for_a_wanted_visibility(target):
    scene = PhantomScene(
        shape=(160, 200), duration_s=0.05, needle=NeedleScene(advance=((0, 15), (9, 15))), injectate=InjectateScene()
    )
    brightness = brightness_for_visibility(scene, target, 3)
    phantom = render_phantom(with_needle(scene, brightness=brightness), seed=3)
    assert phantom.truth.visibility_db[0] == pytest.approx(target, abs=0.15)


def test_a_visibility_that_cannot_be_had_is_refused():
    scene = replace(BARE, shape=(64, 64))
    with pytest.raises(InputError, match="scan plane"):
        brightness_for_visibility(with_needle(scene, drift=((0, 9, 9),)), 9.0)
    with pytest.raises(InputError, match="which this scene can have"):
        brightness_for_visibility(scene, 40.0)
    with pytest.raises(InputError, match="needle"):
        brightness_for_visibility(replace(scene, needle=None), 9.0)


def test_what_lies_outside_the_fan_does_not_count_as_dark():
    geometry = picture_geometry(FAN)
    pixels = np.zeros(FAN.shape, np.uint8)
    y, x = np.mgrid[: FAN.shape[0], : FAN.shape[1]]
    inside = geometry.sector.contains(geometry.to_mm(np.stack([x, y], axis=-1)))
    pixels[inside] = 90
    edge = geometry.sector.from_polar(np.array([[60.0, -0.98], [80.0, -0.98]]) * (1, geometry.sector.angle_deg[1]))
    assert needle_visibility_db(pixels, geometry, edge) == pytest.approx(0, abs=0.8)
