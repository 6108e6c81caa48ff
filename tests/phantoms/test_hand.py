"""What the hand does: the picture follows the probe, truth follows exactly, contact is lost where it is said to be."""

import math
from dataclasses import replace

import numpy as np
import pytest

from usguide.errors import InputError
from usguide.phantoms import HandScene, InjectateScene, NeedleScene, PhantomScene, render_phantom
from usguide.phantoms.backdrop import RenderedTissue
from usguide.phantoms.grid import beam_grid, tissue_grid
from usguide.phantoms.hand import LIFT_S, cut, lifted, probe_at
from usguide.phantoms.motion import carry, origins
from usguide.phantoms.render import moment_of
from usguide.phantoms.speckle import CURVILINEAR_SPREAD, LINEAR_SPREAD

NEEDLE = NeedleScene(advance=((0, 14), (9, 14)), wobble_deg=0.0)
STILL = PhantomScene(
    shape=(160, 200), frame_rate_hz=4.0, duration_s=1.0, needle=None, injectate=None, motion_mm=0.0, decorrelation=0.0
)
PLAIN = replace(STILL, structures=(), attenuation_db_per_mm=0.0)
FAN = {"probe": "curvilinear", "probe_radius_mm": 40.0, "shape": (220, 300), "spacing_mm": (0.2, 0.2)}
SLIDE = HandScene(slide=((0.0, 0.0), (0.25, 5.0), (0.5, -5.0), (0.75, 5.0)))


def correlation(a, b):
    return np.corrcoef(np.asarray(a, float).ravel(), np.asarray(b, float).ravel())[0, 1]


def test_a_slide_shows_the_same_tissue_elsewhere():
    rest, right, left, again = render_phantom(replace(PLAIN, hand=SLIDE), seed=1).frames
    by = round(5.0 / 0.125)
    assert correlation(right[:, :-by], rest[:, by:]) > 0.95
    assert correlation(left[:, by:], rest[:, :-by]) > 0.95
    # The same place is the same tissue, whichever way it came into view, and noise is the only difference.
    assert correlation(right, again) > 0.95
    assert abs(correlation(right, rest)) < 0.2


def test_tissue_that_slides_into_view_is_new():
    rest, right, left, _ = render_phantom(replace(PLAIN, hand=SLIDE), seed=1).frames
    by = round(5.0 / 0.125)
    for new, beside in ((right[:, -by:], right[:, -2 * by : -by]), (left[:, :by], left[:, by : 2 * by])):
        for shift in range(-2, 3):
            assert abs(correlation(new, np.roll(beside[:, ::-1], shift, axis=1))) < 0.2
        assert np.mean(new) == pytest.approx(np.mean(rest), rel=0.1)


def test_structures_and_their_shadows_slide_along():
    scene = replace(STILL, structures=("fascia", "vessel", "bone"), hand=SLIDE)
    rest, right, left, _ = render_phantom(scene, seed=2).frames
    by = round(5.0 / 0.125)
    assert correlation(right[:, :-by], rest[:, by:]) > 0.95
    assert correlation(left[:, by:], rest[:, :-by]) > 0.95


def test_a_fan_slides_without_being_turned():
    hand = HandScene(slide=((0.0, 0.0), (0.25, 4.0)))
    rest, moved, *_ = render_phantom(replace(PLAIN, **FAN, hand=hand), seed=1).frames
    inside = (slice(60, 180), slice(110, 190))
    shifted = rest[60:180, 130:210]
    assert correlation(moved[inside], shifted) > 0.8
    assert abs(correlation(moved[inside], rest[inside])) < 0.2


@pytest.mark.parametrize("probe", ["linear", "curvilinear"])
def test_needle_and_fluid_move_with_the_tissue_exactly(probe):
    scene = replace(
        STILL,
        **(FAN if probe == "curvilinear" else {}),
        needle=replace(NEEDLE, entry_mm=(10.0, 5.0)),
        injectate=InjectateScene(onset_s=-0.5),
    )
    slid = replace(scene, hand=HandScene(slide=((0.0, 0.0), (0.75, 3.0))))
    a, b = render_phantom(scene, seed=3).truth, render_phantom(slid, seed=3).truth
    expected = np.array([3.0 * t / 0.75 for t in (0, 0.25, 0.5, 0.75)])
    np.testing.assert_allclose(a.tip_mm[:, 0] - b.tip_mm[:, 0], expected, atol=1e-9)
    np.testing.assert_allclose(a.tip_mm[:, 1], b.tip_mm[:, 1], atol=1e-9)
    by = round(3.0 / scene.spacing_mm[1])
    # Away from the edges of a fan.
    columns = slice(by, None) if probe == "linear" else slice(90, 150)
    rest = a.injectate_mask[-1][:, columns]
    moved = b.injectate_mask[-1][:, columns.start - by : None if columns.stop is None else columns.stop - by]
    assert rest.sum() > 100
    assert (rest != moved[:, : rest.shape[1]]).sum() <= 0.005 * rest.sum()


def test_needle_echo_lies_where_the_truth_says_while_the_probe_moves():
    scene = replace(STILL, needle=replace(NEEDLE, brightness=12.0, gap_share=0.0), structures=(), hand=SLIDE)
    phantom = render_phantom(scene, seed=1)
    for k in (0, 2):
        shaft = phantom.geometry.to_px(phantom.truth.shaft_mm[k][3:-3])
        columns, rows = np.rint(shaft).astype(int).T
        assert phantom.frames[k][rows, columns].mean() > 1.5 * phantom.frames[k].mean()


@pytest.mark.parametrize("probe", ["linear", "curvilinear"])
def test_carry_is_what_origins_inverts(probe):
    scene = replace(
        STILL,
        **(FAN if probe == "curvilinear" else {}),
        motion_mm=0.5,
        breathing_mm=0.8,
        structures=("vessel", "pleura"),
        hand=HandScene(slide=((0, -2), (1, 4)), tremor_mm=0.1),
    )
    grid = beam_grid(scene)
    for time_s in (0.0, 0.21, 0.6, 0.93):
        column, row = origins(scene, grid, time_s, None, None)
        r, c = np.mgrid[20 : grid.shape[0] - 20 : 31, 20 : grid.shape[1] - 20 : 29]
        place = np.stack([np.broadcast_to(a, grid.shape)[r, c] for a in (grid.x_mm, grid.z_mm)], -1)
        if grid.sector is None:
            rest = np.stack([column[r, c] * grid.pitch_mm[0], grid.first_mm + row[r, c] * grid.axial_mm], -1)
        else:
            first, last = np.radians(grid.sector.angle_deg)
            angle = first + column[r, c] / (grid.shape[1] - 1) * (last - first)
            along = grid.first_mm + row[r, c] * grid.axial_mm
            rest = np.array(grid.sector.apex_mm) + along[..., None] * np.stack([np.sin(angle), np.cos(angle)], -1)
        np.testing.assert_allclose(carry(scene, rest, time_s), place, atol=0.02)
        assert np.abs(rest - place).max() > 0.3


def test_tissue_grid_has_the_samples_of_the_beams():
    for scene in (replace(PLAIN, hand=SLIDE), replace(PLAIN, **FAN, hand=SLIDE)):
        grid = beam_grid(scene)
        wide, (rows, columns) = tissue_grid(scene, grid)
        for name in ("x_mm", "z_mm"):
            a, b = np.broadcast_to(getattr(grid, name), grid.shape), np.broadcast_to(getattr(wide, name), wide.shape)
            part = b[rows : rows + grid.shape[0], columns : columns + grid.shape[1]]
            np.testing.assert_allclose(part, a, atol=2e-4)
        # All that the furthest slides show is on it.
        for time_s in (0.25, 0.5):
            column, row = origins(scene, grid, time_s, None, None)
            assert -columns <= column.min()
            assert column.max() + columns <= wide.shape[1] - 1
            assert -rows <= row.min() + 1e-3
            assert row.max() + rows <= wide.shape[0] - 1 + 1e-3
    assert tissue_grid(PLAIN, grid) == (grid, (0, 0))


def test_lost_contact_darkens_its_share_only():
    hand = HandScene(lift_off=((0.2, 0.8, 0.4),))
    scene = replace(STILL, hand=hand)
    lost, kept = (render_phantom(s, seed=1).frames.astype(float) for s in (scene, replace(scene, hand=None)))
    far, near = (slice(60, 150), slice(-70, None)), (slice(None), slice(0, 100))
    np.testing.assert_array_equal(lost[0], kept[0])
    assert lost[2][far].mean() < 0.3 * kept[2][far].mean()
    np.testing.assert_array_equal(lost[2][near], kept[2][near])
    # Close to the face it rings.
    assert lost[2][5:25, -70:].mean() > 0.7 * kept[2][5:25, -70:].mean()


def test_contact_comes_and_goes_within_a_tenth_of_a_second():
    scene = replace(STILL, hand=HandScene(lift_off=((1.0, 2.0, 0.5),)))
    grid = beam_grid(scene)
    assert lifted(scene, grid, 1.0) is None
    assert lifted(scene, grid, 2.0) is None
    shares = [float(lifted(scene, grid, 1.0 + s * LIFT_S).sum()) for s in (0.25, 0.5, 1.0, 3.0)]
    assert shares[0] < shares[1] < shares[2] == shares[3]
    assert shares[-1] / grid.shape[1] == pytest.approx(0.5, abs=0.02)


def test_gain_moves_with_what_casts_the_shadow_and_contact_stays():
    scene = replace(STILL, structures=("vessel", "shading"), hand=SLIDE)
    grid = beam_grid(scene)
    backdrop = RenderedTissue(np.random.default_rng(0), grid, LINEAR_SPREAD, scene)
    gains = []
    for time_s in (0.0, 0.25):
        backdrop.step(time_s)
        gains.append(backdrop.gain().copy())
    above, by = slice(0, 40), round(5.0 / 0.125)
    np.testing.assert_allclose(gains[0][above], gains[1][above], rtol=1e-5)
    below = grid.shape[0] - 5
    enhanced = [g[below] / g[40] for g in gains]
    assert np.ptp(gains[1][below] / gains[0][below]) > 0.3
    assert enhanced[0].argmax() - enhanced[1].argmax() == pytest.approx(by, abs=12)


def test_breath_moves_tissue_but_not_the_needle():
    scene = replace(STILL, needle=NEEDLE, breathing_mm=1.0)
    deep, shallow = carry(scene, np.array([[12.0, 18.0], [12.0, 2.0]]), 1.0)
    assert 0.8 < deep[1] - 18.0 < 1.05
    assert 0.1 < shallow[1] - 2.0 < 0.4
    np.testing.assert_allclose(carry(scene, np.array([12.0, 18.0]), 4.0), [12.0, 18.0], atol=1e-6)
    assert moment_of(scene, 1.0).needle == moment_of(replace(scene, breathing_mm=0.0), 1.0).needle


def test_tremor_is_small_and_quick():
    scene = replace(STILL, hand=HandScene(tremor_mm=0.05))
    way = np.array([probe_at(scene, t)[0] for t in np.arange(0, 4, 0.005)])
    assert 0.02 < np.abs(way).max() <= 0.055
    spectrum = np.abs(np.fft.rfft(way))[1:]
    hz = np.fft.rfftfreq(way.size, 0.005)[1:]
    assert 6 <= hz[spectrum.argmax()] <= 9


def test_a_sweep_cuts_a_layout_at_its_elevation():
    scene = replace(STILL, hand=HandScene(sweep=((0, 0), (1, 4))))
    assert cut(scene, 0.0) is scene
    x0, x1 = scene.nerve_mm[0], cut(scene, 1.0).nerve_mm[0]
    assert x1 - x0 == pytest.approx(-0.3 * 4)
    needle = replace(scene, needle=NEEDLE)
    first, last = moment_of(needle, 1.0).needle.elevation_mm
    assert (first, last) == pytest.approx((-4.0, -4.0))


def test_bad_hands_are_refused():
    for bad in (
        {"slide": ((1, 0), (0, 1))},
        {"sweep": ((0, math.inf),)},
        {"lift_off": ((0, 1, 2),)},
        {"lift_off": ((1, 0, 0.5),)},
        {"tremor_mm": -1},
    ):
        with pytest.raises(InputError):
            HandScene(**bad)


def test_a_fans_backdrop_moves_too():
    scene = replace(STILL, **FAN, hand=HandScene(slide=((0, 3), (1, 3)), lift_off=((0, 1, 0.3),)))
    backdrop = RenderedTissue(np.random.default_rng(0), beam_grid(scene), CURVILINEAR_SPREAD, scene)
    backdrop.step(0.5)
    gain = backdrop.gain()
    assert gain[150:, -10:].max() < 0.05 * gain[150:, :100].max()
