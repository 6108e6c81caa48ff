"""Gain, freeze, dropped and repeated frames, and the screen: pictures change, no point moves in mm."""

from dataclasses import replace

import numpy as np
import pytest

import usguide as ug
from usguide.errors import InputError
from usguide.phantoms import NeedleScene, PhantomScene, PhantomTruth, ScannerScene, render_phantom, save_phantom

PLAIN = PhantomScene(
    shape=(120, 140),
    duration_s=1.0,
    frame_rate_hz=10.0,
    needle=NeedleScene(advance=((0, 4), (1.0, 12))),
)


@pytest.fixture(scope="module")
def plain():
    return render_phantom(PLAIN, seed=3)


def scanned(**settings):
    return render_phantom(replace(PLAIN, scanner=ScannerScene(**settings)), seed=3)


def test_a_gain_step_shifts_grey_levels(plain):
    p = scanned(gain=((0.5, 6.0), (0.8, -3.0)))
    np.testing.assert_array_equal(p.frames[:5], plain.frames[:5])
    for k, gain_db in ((5, 6.0), (7, 6.0), (8, -3.0), (9, -3.0)):
        before, after = plain.frames[k].astype(float), p.frames[k].astype(float)
        inside = (before > 30) & (before < 210)
        # 60 dB are 255 levels, shown in steps of 4.
        assert (after - before)[inside].mean() == pytest.approx(gain_db * 255 / 60, abs=1.0)
        assert len(np.unique(after)) <= 64
    assert p.frames[5].max() == 255


def test_frozen_pictures_are_the_same_to_the_bit_and_truth_goes_on(plain):
    p = scanned(freeze=((0.32, 0.65),))
    for k in (4, 5, 6):
        np.testing.assert_array_equal(p.frames[k], plain.frames[3])
    for k in (2, 3, 7, 8):
        np.testing.assert_array_equal(p.frames[k], plain.frames[k])
    np.testing.assert_array_equal(p.timestamps_s, plain.timestamps_s)
    np.testing.assert_array_equal(p.truth.tip_mm, plain.truth.tip_mm)
    assert (np.diff(p.truth.tip_mm[:, 0]) > 0).all()


def test_repeated_pictures_have_a_time_of_their_own(plain):
    p = scanned(repeated=(4, 5, 0))
    np.testing.assert_array_equal(p.frames[4], plain.frames[3])
    np.testing.assert_array_equal(p.frames[5], plain.frames[3])
    np.testing.assert_array_equal(p.frames[6], plain.frames[6])
    np.testing.assert_array_equal(p.frames[0], plain.frames[0])
    np.testing.assert_array_equal(p.timestamps_s, plain.timestamps_s)


def test_dropped_frames_leave_a_gap_in_everything(plain):
    p = scanned(dropped=(3, 4), repeated=(5,))
    kept = [0, 1, 2, 5, 6, 7, 8, 9]
    assert p.timestamps_s == pytest.approx(np.array(kept) / 10)
    # What is repeated is the last picture that arrived.
    np.testing.assert_array_equal(p.frames, plain.frames[[0, 1, 2, 2, 6, 7, 8, 9]])
    for name in set(PhantomTruth.__slots__) - {"keep_out_mm"}:
        np.testing.assert_array_equal(getattr(p.truth, name), getattr(plain.truth, name)[kept])
    for name, outline in p.truth.keep_out_mm.items():
        np.testing.assert_array_equal(outline, plain.truth.keep_out_mm[name][kept])


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("probe", ["linear", "curvilinear"])
def test_a_screen_holds_the_picture_and_moves_no_point(side, probe):
    scene = replace(PLAIN, entry_side=side, probe=probe, probe_radius_mm=12.0, duration_s=0.3)
    bare = render_phantom(scene, seed=3)
    p = render_phantom(replace(scene, scanner=ScannerScene(screen=True)), seed=3)
    x, y, w, h = p.region
    assert (h, w) == scene.shape
    assert p.frames.shape[1] > h
    assert p.frames.shape[2] > w
    np.testing.assert_array_equal(p.frames[:, y : y + h, x : x + w], bare.frames)
    np.testing.assert_array_equal(p.truth.tip_mm, bare.truth.tip_mm)
    np.testing.assert_array_equal(p.truth.injectate_mask[:, y : y + h, x : x + w], bare.truth.injectate_mask)
    assert p.truth.injectate_mask.sum() == bare.truth.injectate_mask.sum()
    assert p.truth.injectate_mask.shape == p.frames.shape
    np.testing.assert_allclose(
        p.geometry.to_px(p.truth.tip_mm), bare.geometry.to_px(bare.truth.tip_mm) + np.array([x, y])
    )
    # Bright things stand outside the region.
    outside = p.frames[0].copy()
    outside[y : y + h, x : x + w] = 0
    assert outside.max() > 220


def test_the_ruler_is_true_in_mm():
    p = scanned(screen=True)
    x, y, w, h = p.region
    column = p.frames[0][:, x + w + 8].astype(int)
    rows = np.nonzero(column[y : y + h] > 150)[0] + y
    depths = p.geometry.to_mm(np.stack([0 * rows, rows], axis=-1))[:, 1]
    assert depths == pytest.approx([0, 5, 10], abs=0.5 * 0.125)


def test_files_keep_region_outlines_and_times(tmp_path):
    scene = replace(PLAIN, scanner=ScannerScene(screen=True, dropped=(2,), freeze=((0.5, 0.75),)))
    phantom = render_phantom(scene, seed=3)
    save_phantom(tmp_path / "p.npz", phantom, scene, 3)
    with ug.open_source(tmp_path / "p.npz") as source:
        frames = list(source)
    assert [f.region for f in frames] == [phantom.region] * 9
    assert [f.timestamp_s for f in frames] == pytest.approx(phantom.timestamps_s.tolist())
    np.testing.assert_array_equal(frames[4].pixels, phantom.frames[4])
    assert frames[0].geometry.origin_mm == pytest.approx(phantom.geometry.origin_mm)
    with np.load(tmp_path / "p.npz", allow_pickle=False) as stored:
        truth = PhantomTruth.from_npz(stored)
    for name in set(PhantomTruth.__slots__) - {"keep_out_mm"}:
        np.testing.assert_array_equal(getattr(truth, name), getattr(phantom.truth, name))
    assert truth.keep_out_mm.keys() == phantom.truth.keep_out_mm.keys() == {"vessel", "bone"}
    for name, outline in truth.keep_out_mm.items():
        np.testing.assert_array_equal(outline, phantom.truth.keep_out_mm[name])


def test_bad_settings_are_refused():
    for bad in (
        {"gain": ((1, 0), (0, 3))},
        {"gain": ((0, 90),)},
        {"freeze": ((1, 1),)},
        {"dropped": (-1,)},
        {"dropped": tuple(range(10))},
    ):
        with pytest.raises(InputError):
            scanned(**bad)
