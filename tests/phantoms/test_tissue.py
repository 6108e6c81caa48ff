"""Tissue out of plane, anatomies drawn from the seed, and pleura."""

from dataclasses import replace

import numpy as np
import pytest

from usguide.errors import InputError
from usguide.intensity import log_decompress
from usguide.phantoms import HandScene, NeedleScene, PhantomScene, render_phantom
from usguide.phantoms.grid import beam_grid
from usguide.phantoms.layout import Sheet
from usguide.phantoms.layouts import joining, layout_of, placed, random_layout
from usguide.phantoms.structures import bone_surface_mm, pleura_depth_mm
from usguide.phantoms.sweep import STEP_MM, Elevated, speckle_weights
from usguide.phantoms.tissue import build_tissue, run_into

STILL = PhantomScene(
    shape=(160, 200), frame_rate_hz=4.0, duration_s=1.0, needle=None, injectate=None, motion_mm=0.0, decorrelation=0.0
)
SWEEP = HandScene(sweep=((0.0, 0.0), (0.25, 0.6), (0.5, 1.0), (0.75, 3.0)))


def test_weights_of_slices_follow_the_law():
    slices = np.arange(-20, 30)
    for distance in (0.0, 0.3, 0.6, 1.0, 1.7, 3.0):
        for start in (0.0, 0.17, 0.4):
            a, b = (speckle_weights(e, slices) for e in (start, start + distance))
            assert (a**2).sum() == pytest.approx(1.0)
            assert a @ b == pytest.approx(np.exp(-(distance**2)), abs=0.01)


def test_speckle_becomes_another_with_elevation():
    """Intensities of complex Gaussian fields correlate as the square of the fields' correlation."""
    scene = replace(STILL, structures=(), attenuation_db_per_mm=0.0, looks=1, shape=(200, 320), hand=SWEEP)
    power = log_decompress(render_phantom(scene, seed=4).frames).astype(float)[:, 20:-20] ** 2
    seen = [np.corrcoef(power[0].ravel(), p.ravel())[0, 1] for p in power]
    for measured, elevation in zip(seen, (0.0, 0.6, 1.0, 3.0), strict=True):
        assert measured == pytest.approx(np.exp(-2 * elevation**2), abs=0.08)


def test_draws_change_smoothly_with_elevation():
    draws = [Elevated((5,), e).standard_normal(4000) for e in (0.0, 0.3, 3.0, 6.0)]
    assert [d.std() for d in draws] == pytest.approx([1] * 4, abs=0.05)
    assert np.corrcoef(draws[0], draws[1])[0, 1] == pytest.approx(np.cos(0.5 * np.pi * 0.1), abs=0.02)
    assert abs(np.corrcoef(draws[0], draws[2])[0, 1]) < 0.06
    assert abs(np.corrcoef(draws[2], draws[3])[0, 1]) < 0.06
    even = Elevated((5,), 1.4).uniform(2, 4, 4000)
    assert (even.min(), even.max(), even.mean()) == pytest.approx((2, 4, 3), abs=0.05)
    # One draw does not shift the next.
    longer = Elevated((5,), 0.0)
    longer.standard_normal(7)
    other = Elevated((5,), 0.0)
    other.standard_normal(70)
    assert longer.normal() == other.normal()


def test_sheets_move_while_the_probe_sweeps():
    """A line follows the slope that its sheet has in elevation; two of them are not faded over."""

    def lines(rise):
        sheet = replace(layout_of(STILL).sheets[2], depth_mm=10.0, slope_deg=0.0, rise=rise)
        layout = replace(layout_of(STILL), sheets=(sheet,), plane_strength=0.0)
        scene = replace(STILL, structures=("fascia",), layout=layout, hand=HandScene(sweep=((0, 0), (0.75, 3.0))))
        frames = log_decompress(render_phantom(scene, seed=3).frames).astype(float)
        profile = np.maximum(frames - 4 * np.median(frames), 0)
        depth = np.arange(160)[:, None] * 0.125
        centre = (profile * depth).sum(axis=1) / profile.sum(axis=1)
        spread = np.sqrt((profile * (depth - centre[:, None]) ** 2).sum(axis=1) / profile.sum(axis=1))
        return centre.mean(axis=1), spread.mean(axis=1)

    # The waves of a sheet change on the way, too: they are the same with and without the slope.
    (level, thick), (sloping, other) = lines(0.0), lines(0.25)
    np.testing.assert_allclose(sloping - level, 0.25 * np.arange(4), atol=0.15)
    np.testing.assert_allclose(other, thick, atol=0.15)


def test_a_sweep_back_shows_the_same_tissue():
    hand = HandScene(sweep=((0.0, 0.0), (0.25, 3 * STEP_MM), (0.5, 0.0), (0.75, 6 * STEP_MM)))
    a, b, again, far = render_phantom(replace(STILL, hand=hand), seed=1).frames.astype(float)
    assert np.corrcoef(a.ravel(), again.ravel())[0, 1] > 0.97
    assert np.corrcoef(a.ravel(), b.ravel())[0, 1] < 0.9
    assert np.corrcoef(a.ravel(), far.ravel())[0, 1] < np.corrcoef(a.ravel(), b.ravel())[0, 1]


RANDOM = replace(STILL, layout="random", duration_s=0.25, needle=NeedleScene(advance=((0, 14), (9, 14))))


def test_random_layouts_repeat_with_their_seed_and_differ_between_seeds():
    layouts = [random_layout(RANDOM, seed) for seed in range(30)]
    assert layouts[3] == random_layout(RANDOM, 3)
    assert len({layout.vessel_mm for layout in layouts}) == 30
    counts = [len(layout.sheets) for layout in layouts]
    assert (min(counts), max(counts)) == (3, 8)
    slopes = np.array([s.slope_deg for layout in layouts for s in layout.sheets])
    assert np.abs(slopes).max() <= 25
    assert (slopes > 3).sum() > 20
    assert (slopes < -3).sum() > 20
    left = [layout.vessel_mm[0] < 0.5 * RANDOM.size_mm[1] for layout in layouts]
    assert 6 < sum(left) < 24
    for layout in layouts:
        long = [s for s in layout.sheets if s.strength > 0.75 and s.stop_mm - s.start_mm > 10]
        assert len(long) >= 3
    one, same, other = (render_phantom(RANDOM, seed=s).frames[0].astype(float) for s in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert np.corrcoef(one.ravel(), other.ravel())[0, 1] < 0.65


def test_a_random_layout_has_to_be_drawn():
    with pytest.raises(InputError, match="placed"):
        layout_of(RANDOM)
    drawn = placed(RANDOM, 5)
    assert layout_of(drawn) == random_layout(RANDOM, 5)
    assert placed(drawn, 6) is drawn
    np.testing.assert_array_equal(render_phantom(drawn, seed=5).frames, render_phantom(RANDOM, seed=5).frames)
    np.testing.assert_allclose(render_phantom(RANDOM, seed=5).truth.target_mm, [drawn.nerve_mm])


def test_bone_hides_what_is_below():
    scene = replace(STILL, structures=("bone",), layout=random_layout(RANDOM, 0))
    envelope = log_decompress(render_phantom(scene, seed=1).frames[0]).astype(float)
    surface = bone_surface_mm(np.arange(200, dtype=np.float32) * 0.125, scene)
    depth = np.arange(160)[:, None] * 0.125
    above, below = (depth < surface - 1) & (depth > surface - 4), depth > surface + 1.8
    assert below.any(axis=0).mean() > 0.3
    assert envelope[below].mean() < 0.25 * envelope[above].mean()


def test_pleura_repeats_at_multiples_of_its_depth():
    layout = replace(layout_of(STILL), pleura=(6.0, 0.0, 0.0))
    scene = replace(STILL, structures=("pleura",), layout=layout, attenuation_db_per_mm=0.1)
    profile = log_decompress(render_phantom(scene, seed=6).frames[0]).astype(float).mean(axis=1)
    depth = np.arange(160) * 0.125
    for k in (1, 2, 3):
        near = np.abs(depth - 6.0 * k) < 1.5
        beside = (np.abs(depth - 6.0 * k) > 1.0) & near
        assert depth[near][profile[near].argmax()] == pytest.approx(6.0 * k, abs=0.2)
        assert profile[near].max() > 1.5 * profile[beside].mean()
    # No tissue below.
    assert np.median(profile[(depth > 7.5) & (depth < 10.5)]) < 0.6 * profile[(depth > 2) & (depth < 4)].mean()


def test_the_lung_slides_and_the_chest_wall_does_not():
    layout = replace(layout_of(STILL), pleura=(10.0, 0.0, 0.0))
    scene = replace(
        STILL, structures=("pleura",), layout=layout, breathing_mm=0.3, attenuation_db_per_mm=0.0, duration_s=1.25
    )
    first, *_, last = render_phantom(scene, seed=1).frames.astype(float)
    by, down = round(3.0 * 0.3 / 0.125), round(0.3 * 0.58 / 0.125)
    wall, line = slice(40, 70), slice(82, 100)

    def match(rows, shift):
        a, b = first[rows, 20:150], last[rows.start + down : rows.stop + down, 20 + shift : 150 + shift]
        return np.corrcoef(a.ravel(), b.ravel())[0, 1]

    assert match(wall, 0) > match(wall, by)
    assert match(line, by) > match(line, 0)
    assert float(pleura_depth_mm(np.array([3.0]), scene)[0]) == pytest.approx(10.0)


def test_the_usual_structures_are_without_pleura():
    assert "pleura" not in PhantomScene().structures
    assert beam_grid(PhantomScene()).shape[1] == 320


def test_a_sheet_ends_where_it_meets_another():
    flat = Sheet(depth_mm=10.0, slope_deg=0.0, strength=1.0, start_mm=-4.0, stop_mm=24.0)
    steep = Sheet(depth_mm=13.0, slope_deg=45.0, strength=1.0, start_mm=0.0, stop_mm=20.0)
    # They meet 3 mm left of the middle, at 7 mm.
    joined = joining(steep, [flat], 10.0)
    assert joined.stop_mm == 20.0
    assert joined.start_mm == pytest.approx(7.0, abs=0.25)
    assert joining(steep, [replace(flat, stop_mm=3.0)], 10.0) == steep


def test_a_sheet_runs_into_another_and_along_it():
    at = np.linspace(-20, 20, 401, dtype=np.float32)
    other = Sheet(0.0, 0.0, 1.0, -30.0, 30.0)
    sheet = Sheet(0.0, 45.0, 1.0, -5.0, 20.0)
    bent = run_into(at, at.copy(), sheet, [(other, (np.zeros_like(at), 1.0, -30.0, 30.0))])
    assert bent.min() > 0
    assert bent[200] == pytest.approx(0.2, abs=1e-3)
    assert bent[0] == pytest.approx(0, abs=0.01)
    assert bent[-1] == pytest.approx(20, abs=0.01)


def test_sheets_in_pieces_are_uneven_and_whole_ones_are_not():
    def spread_db(broken):
        sheets = (Sheet(10.0, 0.0, 0.6, -5.0, 45.0),)
        layout = replace(layout_of(STILL), sheets=sheets, plane_strength=0.0, broken=broken)
        scene = replace(STILL, structures=("fascia",), layout=layout, shape=(160, 320))
        reflector = build_tissue(np.random.default_rng(3), beam_grid(scene), scene).reflector
        along = 20 * np.log10(reflector.max(axis=0) + 1e-3)
        return np.ptp(np.percentile(along, [10, 90]))

    assert spread_db(0.0) < 16
    assert spread_db(1.0) > spread_db(0.0) + 6


def test_a_vessel_is_bright_only_where_it_is_hit_head_on():
    def wall(layout):
        scene = replace(STILL, structures=("vessel",), layout=replace(layout, vessel_mm=(12.0, 10.0, 3.0)))
        grid = beam_grid(scene)
        amplitude = build_tissue(np.random.default_rng(1), grid, scene).amplitude
        r = np.hypot(grid.x_mm - 12.0, (grid.z_mm - 10.0) * 1.25)
        ring, beside = abs(r - 3.2) < 0.5, np.broadcast_to(abs(grid.z_mm - 10.0) < 0.6, r.shape)
        return amplitude[ring & beside].max(), amplitude[ring & ~beside].max(), np.median(amplitude[r < 1])

    plain, random = layout_of(STILL), replace(layout_of(STILL), wall=0.1, lumen=0.2)
    assert wall(random)[0] < wall(plain)[0] - 0.5
    assert wall(random)[1] > wall(random)[0] + 0.3
    assert wall(random)[2] == pytest.approx(4 * wall(plain)[2], rel=0.05)
