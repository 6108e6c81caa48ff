"""A needle on real anatomy: the background stays itself, the needle is where the truth says, motion and fluid do what they say."""

import json
import math
from dataclasses import replace

import cv2
import numpy as np
import pytest

from usguide.errors import InputError
from usguide.phantoms import (
    Background,
    HandScene,
    InjectateScene,
    NeedleScene,
    PhantomScene,
    anatomy_scene,
    brightness_for_visibility,
    picture_box,
    render_phantom,
    save_phantom,
)
from usguide.phantoms.anatomy import Anatomy, margins_mm
from usguide.phantoms.motion import origins

STILL_NEEDLE = NeedleScene(
    entry_mm=(0.0, 5.0), angle_deg=30, brightness=25.0, gap_share=0.0, wobble_deg=0.0, advance=((0, 18), (9, 18))
)
AT_REST = {"needle": None, "injectate": None, "motion_mm": 0.0, "decorrelation": 0.0, "duration_s": 0.05}


@pytest.fixture(scope="module")
def still():
    """Rendered tissue, saved as grey levels, stands for a scanner's picture."""
    scene = PhantomScene(shape=(300, 360), spacing_mm=(0.1, 0.1), duration_s=0.05, needle=None, injectate=None)
    return render_phantom(scene, seed=3).frames


@pytest.fixture(scope="module")
def background(still):
    return Background(still, (0.1, 0.1), name="rendered", split="tune", target_mm=(20.0, 15.0))


@pytest.mark.parametrize("side", ["left", "right"])
def test_at_rest_the_picture_is_the_backgrounds_own(background, side):
    scene = anatomy_scene(background, entry_side=side, **AT_REST)
    shown = render_phantom(scene, seed=1, background=background).frames[0].astype(float)
    h, w = scene.shape
    assert (h, w) == (294, 354)  # 0.3 mm are kept for motion on every side
    expected = background.frames[0, 3 : 3 + h, 3 : 3 + w].astype(float)
    assert np.corrcoef(shown.ravel(), expected.ravel())[0, 1] > 0.98
    assert abs(shown.mean() - expected.mean()) < 2.0
    assert np.percentile(np.abs(shown - expected)[expected > 20], 95) < 12


def test_another_spacing_shows_the_same_picture(background, still):
    coarse = anatomy_scene(background, spacing_mm=0.15, **AT_REST)
    shown = render_phantom(coarse, seed=1, background=background).frames[0].astype(float)
    rows, columns = 2 * 1.5 + 1.5 * np.arange(coarse.shape[0]), 2 * 1.5 + 1.5 * np.arange(coarse.shape[1])
    at = np.meshgrid(columns.astype(np.float32), rows.astype(np.float32))
    expected = cv2.remap(cv2.GaussianBlur(still[0].astype(np.float32), (0, 0), 0.45), *at, cv2.INTER_LINEAR)
    assert np.corrcoef(shown.ravel(), expected.ravel())[0, 1] > 0.97


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_ridge_lies_on_the_true_line_and_ends_at_the_true_tip(background, side):
    even = replace(background, frames=np.full_like(background.frames, 60))
    scene = anatomy_scene(even, **{**AT_REST, "needle": STILL_NEEDLE, "entry_side": side})
    phantom = render_phantom(scene, seed=2, background=even)
    truth = phantom.truth
    expected = np.array([18 * math.cos(math.radians(30)), 5 + 18 * math.sin(math.radians(30))])
    if side == "right":
        expected[0] = (scene.shape[1] - 1) * 0.1 - expected[0]
    np.testing.assert_allclose(truth.tip_mm[0], expected, atol=1e-6)
    tip, entry = truth.tip_mm[0], truth.entry_mm[0]
    u = (tip - entry) / np.hypot(*(tip - entry))
    t, v = np.meshgrid(np.arange(-12, 3, 0.1), np.arange(-0.8, 0.81, 0.05), indexing="ij")
    points = tip + t[..., None] * u + v[..., None] * np.array([-u[1], u[0]])
    px = phantom.geometry.to_px(points).astype(np.float32)
    strip = cv2.remap(phantom.frames[0].astype(np.float32), px[..., 0], px[..., 1], cv2.INTER_LINEAR)
    across = strip[(t[:, 0] > -8) & (t[:, 0] < -1)].mean(axis=0)
    assert abs(v[0][across.argmax()]) <= 0.1
    along = strip[:, np.abs(v[0]) < 0.15].mean(axis=1)
    half = (along[(t[:, 0] > -2) & (t[:, 0] < -0.5)].mean() + along[t[:, 0] > 2].mean()) / 2
    assert abs(t[:, 0][along > half].max()) < 0.5


def test_motion_moves_the_picture_by_the_stated_amount(background):
    """Slow motion goes by motion_mm * sin(2 pi t / 3.7) * (0.5 + 0.5 depth) sideways: 0.75 mm in the middle at 0.925 s."""
    settings = {**AT_REST, "motion_mm": 1.0, "duration_s": 1.9, "frame_rate_hz": 1 / 0.925}
    scene = anatomy_scene(background, **settings)
    frames = render_phantom(scene, seed=1, background=background).frames.astype(np.float32)
    middle = scene.shape[0] // 2
    bands = [f[middle - 16 : middle + 16] for f in frames]
    window = cv2.createHanningWindow(bands[0].shape[::-1], cv2.CV_32F)
    (dx, _), _ = cv2.phaseCorrelate(bands[0], bands[1], window)
    assert dx * 0.1 == pytest.approx(0.75, abs=0.05)


def test_motion_does_not_show_what_lies_outside(background):
    for changes in ({}, {"motion_mm": 1.0}):
        scene = anatomy_scene(background, **changes)
        left, right, top, bottom = margins_mm(scene, background)
        whole = (scene.shape[0] - 1) * 0.1 + top + bottom, (scene.shape[1] - 1) * 0.1 + left + right
        assert whole[0] <= background.size_mm[0] + 1e-6
        assert whole[1] <= background.size_mm[1] + 1e-6
        grid = Anatomy(background, scene, 0).grid
        for time_s in np.arange(0, 3.6, 0.15):
            columns, rows = origins(scene, grid, time_s, scene.needle.pose(time_s), None)
            assert columns.min() * 0.1 >= -left
            assert columns.max() * 0.1 <= scene.size_mm[1] + right
            assert rows.min() * 0.1 >= -top
            assert rows.max() * 0.1 <= scene.size_mm[0] + bottom


def test_fluid_darkens_its_mask_and_pushes_the_rest(background):
    changes = {**AT_REST, "needle": STILL_NEEDLE, "duration_s": 1.0, "frame_rate_hz": 4.0}
    fluid = InjectateScene(onset_s=0.2, area_rate_mm2_s=24.0)
    scene = anatomy_scene(background, **{**changes, "injectate": fluid})
    dry = anatomy_scene(background, **changes)
    wet_phantom = render_phantom(scene, seed=4, background=background)
    wet, plain = wet_phantom.frames, render_phantom(dry, seed=4, background=background).frames
    mask = wet_phantom.truth.injectate_mask
    assert np.array_equal(wet[0], plain[0])
    assert not mask[0].any()
    core = cv2.erode(mask[-1].astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
    x = np.arange(scene.shape[1])[None, :] * 0.1
    core &= x > wet_phantom.truth.tip_mm[-1][0] + 1.0
    assert core.sum() > 200
    assert wet[-1][core].mean() < plain[-1][core].mean() - 25
    # Right above the fluid lies what was lower before: the picture has changed there, though it is no fluid.
    above = np.roll(core, -25, axis=0) & ~cv2.dilate(mask[-1].astype(np.uint8), np.ones((9, 9), np.uint8)).astype(bool)
    assert np.abs(wet[-1].astype(float) - plain[-1])[above].mean() > 5


def test_frames_are_the_same_bit_for_bit(background):
    scene = anatomy_scene(background, needle=STILL_NEEDLE, duration_s=0.2)
    first, again, other = (render_phantom(scene, seed=s, background=background).frames for s in (5, 5, 6))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_recording_is_shown_to_and_fro():
    frames = np.stack([np.full((64, 64), level, np.uint8) for level in (60, 90, 120)])
    recording = Background(frames, (0.2, 0.2), frame_rate_hz=10.0)
    scene = anatomy_scene(recording, spacing_mm=0.2, **{**AT_REST, "duration_s": 0.6, "frame_rate_hz": 10.0})
    levels = render_phantom(scene, seed=1, background=recording).frames.mean(axis=(1, 2))
    np.testing.assert_allclose(levels, [60, 90, 120, 90, 60, 90], atol=4)


def test_texture_changes_with_time_but_only_a_little(background):
    scene = anatomy_scene(background, **{**AT_REST, "decorrelation": 0.15, "duration_s": 2.0, "frame_rate_hz": 2.0})
    frames = render_phantom(scene, seed=1, background=background).frames.astype(float)
    still_scene = replace(scene, decorrelation=0.0)
    still = render_phantom(still_scene, seed=1, background=background).frames.astype(float)
    changed, unchanged = np.abs(frames[3] - frames[0]).mean(), np.abs(still[3] - still[0]).mean()
    assert changed > unchanged + 0.5
    assert np.corrcoef(frames[0].ravel(), frames[3].ravel())[0, 1] > 0.9


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_target_stands_where_the_background_has_it(background, side):
    scene = anatomy_scene(background, **{**AT_REST, "entry_side": side})
    target = render_phantom(scene, seed=0, background=background).truth.target_mm[0]
    np.testing.assert_allclose(target, (20.0 - 0.3, 15.0 - 0.3), atol=1e-9)


def test_the_split_is_written_with_the_phantom(background, tmp_path):
    scene = anatomy_scene(background, **AT_REST)
    save_phantom(tmp_path / "p.npz", render_phantom(scene, background=background), scene, 0)
    with np.load(tmp_path / "p.npz") as stored:
        meta = json.loads(str(stored["meta"]))
    assert (meta["background"], meta["split"]) == ("rendered", "tune")


def test_a_border_is_found():
    pixels = np.zeros((80, 100), np.uint8)
    pixels[10:70, 20:90] = 50
    assert picture_box(pixels) == (20, 10, 70, 60)
    assert picture_box(np.zeros((5, 6), np.uint8)) == (0, 0, 6, 5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frames": np.zeros((40, 40), np.uint8)}, "frames: expected"),
        ({"frames": np.zeros((1, 40, 40), np.uint8)}, "black"),
        ({"split": "train"}, "split: expected"),
        ({"spacing_mm": (0.1, 0.0)}, "spacing_mm"),
    ],
)
def test_bad_backgrounds_are_refused(background, changes, message):
    with pytest.raises(InputError, match=message):
        replace(background, **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"probe": "curvilinear"},
        {"structures": ("fascia",)},
        {"shape": (900, 900)},
        {"hand": HandScene(sweep=((0.0, 0.0), (1.0, 2.0)))},
        {"hand": HandScene(lift_off=((0.0, 1.0, 0.5),))},
    ],
)
def test_scenes_that_do_not_fit_are_refused(background, changes):
    scene = replace(anatomy_scene(background, **AT_REST), **changes)
    with pytest.raises(InputError):
        render_phantom(scene, background=background)


def test_a_background_smaller_than_its_motion_is_refused(background):
    with pytest.raises(InputError, match="expected 32 x 32"):
        anatomy_scene(background, motion_mm=20.0)


def test_a_wanted_visibility_is_reached_on_real_anatomy(background):
    needle = NeedleScene(angle_deg=25.0, entry_mm=(0.0, 5.0), advance=((0, 14), (9, 18)), wobble_deg=0.0)
    scene = anatomy_scene(background, needle=needle, injectate=None, duration_s=0.5, frame_rate_hz=10.0)
    for wanted in (4.0, 9.0):
        brightness = brightness_for_visibility(scene, wanted, 3, background)
        seen = render_phantom(
            replace(scene, needle=replace(needle, brightness=brightness)), seed=3, background=background
        )
        assert np.median(seen.truth.visibility_db) == pytest.approx(wanted, abs=1.0)
