"""Scenes are checked, renderings repeat, files hold everything, and what ships is as described."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from usguide.errors import InputError
from usguide.phantoms import (
    SHIPPED,
    NeedleScene,
    PhantomScene,
    PhantomTruth,
    list_shipped,
    render_phantom,
    save_phantom,
    shipped_path,
)

SMALL = PhantomScene(
    shape=(120, 140), duration_s=0.2, frame_rate_hz=10.0, needle=NeedleScene(advance=((0, -1), (0.1, 6)))
)


@pytest.mark.parametrize("probe", ["linear", "curvilinear"])
def test_the_same_seed_gives_the_same_frames(probe):
    scene = replace(SMALL, probe=probe, probe_radius_mm=12.0)
    a, b, c = (render_phantom(scene, seed=s) for s in (3, 3, 4))
    np.testing.assert_array_equal(a.frames, b.frames)
    assert (a.frames != c.frames).mean() > 0.3
    np.testing.assert_array_equal(a.truth.tip_mm, c.truth.tip_mm)


@pytest.mark.parametrize("probe", ["linear", "curvilinear"])
def test_entry_from_the_right_is_the_mirror_image(probe):
    scene = replace(SMALL, probe=probe, probe_radius_mm=12.0, needle=replace(SMALL.needle, advance=((0, 8), (1, 12))))
    left, right = render_phantom(scene, seed=1), render_phantom(replace(scene, entry_side="right"), seed=1)
    np.testing.assert_array_equal(right.frames, left.frames[:, :, ::-1])
    np.testing.assert_array_equal(right.truth.injectate_mask, left.truth.injectate_mask[:, :, ::-1])
    last = scene.size_mm[1]
    for name in ("tip_mm", "entry_mm", "distal_mm", "shaft_mm", "target_mm"):
        a, b = getattr(left.truth, name), getattr(right.truth, name)
        np.testing.assert_allclose(b[..., 0], last - a[..., 0])
        np.testing.assert_allclose(b[..., 1], a[..., 1])
    np.testing.assert_array_equal(left.truth.angle_deg, right.truth.angle_deg)


@pytest.mark.parametrize("probe", ["linear", "curvilinear"])
def test_files_hold_everything(tmp_path, probe):
    scene = replace(SMALL, probe=probe, probe_radius_mm=12.0)
    phantom = render_phantom(scene, seed=5)
    save_phantom(tmp_path / "p.npz", phantom, scene, 5)
    assert [p.name for p in tmp_path.iterdir()] == ["p.npz"]
    with np.load(tmp_path / "p.npz", allow_pickle=False) as stored:
        np.testing.assert_array_equal(stored["frames"], phantom.frames)
        assert stored["spacing_mm"].tolist() == [0.125, 0.125]
        assert stored["origin_mm"].tolist() == [0, 0]
        meta = json.loads(str(stored["meta"]))
        assert meta["seed"] == 5
        assert meta["scene"] == json.loads(json.dumps(asdict(scene)))
        truth = PhantomTruth.from_npz(stored)
        s = phantom.geometry.sector
        assert ("sector" in stored) == (s is not None)
        if s is not None:
            assert stored["sector"].tolist() == pytest.approx([*s.apex_mm, *s.radius_mm, *s.angle_deg])
    assert truth.keep_out_mm.keys() == phantom.truth.keep_out_mm.keys()
    for name, outline in truth.keep_out_mm.items():
        np.testing.assert_array_equal(outline, phantom.truth.keep_out_mm[name])
    for name in set(PhantomTruth.__slots__) - {"keep_out_mm"}:
        np.testing.assert_array_equal(getattr(truth, name), getattr(phantom.truth, name))
    assert np.isnan(truth.tip_mm[0]).all()


def test_truth_with_only_tips_leaves_the_rest_unknown():
    truth = PhantomTruth.from_npz({"truth_tip_mm": np.zeros((4, 2))})
    assert truth.injectate_mask is None
    assert np.isnan(truth.visible_mm).all()
    assert "truth_injectate_mask" not in truth.to_npz_dict()


def test_what_ships_is_as_described():
    assert list_shipped() == ("inplane-fascia",)
    scene, seed = SHIPPED["inplane-fascia"]
    path = shipped_path("inplane-fascia")
    assert path.stat().st_size < 4e6
    with np.load(path, allow_pickle=False) as stored:
        frames, truth = stored["frames"], PhantomTruth.from_npz(stored)
        meta = json.loads(str(stored["meta"]))
    assert meta["seed"] == seed
    assert meta["scene"] == json.loads(json.dumps(asdict(scene)))
    assert frames.shape == (72, 288, 320)
    assert len(np.unique(frames)) <= 64
    assert 8 <= (truth.visible_mm == 0).sum() <= 12
    assert truth.visible_mm.max() > 20
    assert truth.injectate_area_mm2[-1] > 15
    assert np.hypot(*(truth.target_mm[-1] - truth.tip_mm[-1])) < 7
    # Normal visibility is 6 to 12 dB, over the frames that count.
    counted = truth.visible_mm >= 5
    assert 6 < np.median(truth.visibility_db[counted]) < 12


def test_what_ships_is_what_this_code_renders():
    scene, seed = SHIPPED["inplane-fascia"]
    frames = render_phantom(scene, seed=seed).frames
    with np.load(shipped_path("inplane-fascia"), allow_pickle=False) as stored:
        # Another processor may round a grey level the other way.
        assert (stored["frames"] != frames).mean() < 1e-3


def test_unknown_names_and_bad_scenes_are_refused():
    with pytest.raises(InputError, match="inplane-fascia"):
        shipped_path("nothing")
    for bad in (
        {"shape": (8, 8)},
        {"duration_s": 0},
        {"entry_side": "top"},
        {"decorrelation": 2},
        {"probe": "phased"},
        {"structures": ("fascia", "hair")},
        {"fan_deg": 0},
        {"shape": (600, 40), "probe": "curvilinear"},
    ):
        with pytest.raises(InputError):
            render_phantom(PhantomScene(**{"duration_s": 0.05, **bad}))
    for bad in ({"angle_deg": 95}, {"brightness": 0}, {"gap_share": 0.9}, {"advance": ((1, 0), (0, 1))}):
        with pytest.raises(InputError):
            NeedleScene(**bad)
