"""The phantom is what its truth says, and its speckle is speckle."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

import usguide as ug
from usguide.intensity import log_decompress
from usguide.phantoms import NeedleScene, PhantomScene, PhantomTruth, render_phantom, save_phantom, shipped_path
from usguide.phantoms.tissue import Grid, PointSpread, speckle

SHORT = PhantomScene(
    shape=(220, 260),
    duration_s=0.25,
    needle=NeedleScene(advance=((0, 18), (1, 24)), brightness=14.0),
    injectate=None,
    looks=1,
)


@pytest.fixture(scope="module")
def short():
    return render_phantom(SHORT, seed=1)


def test_speckle_amplitude_has_rayleigh_statistics():
    grid = Grid((600, 600), (0.06, 0.12))
    field = speckle(np.random.default_rng(0), grid, np.ones(grid.shape, np.float32), PointSpread())
    envelope = np.abs(field)[::8, ::6]
    assert envelope.mean() / envelope.std() == pytest.approx(1.91, rel=0.03)
    assert (envelope**2).mean() == pytest.approx(1.0, rel=0.1)


def test_point_spread_width():
    grid, psf = Grid((300, 200), (0.05, 0.05)), PointSpread()
    from usguide.phantoms.tissue import convolve

    point = np.zeros(grid.shape, np.complex64)
    point[200, 100] = 1
    spread = np.abs(convolve(point, grid, psf))
    for axis, sigma in ((1, psf.axial_mm), (0, psf.lateral_at(10.0))):
        profile = spread.sum(axis=axis)
        x = np.arange(len(profile)) * 0.05
        mean = np.average(x, weights=profile)
        assert np.sqrt(np.average((x - mean) ** 2, weights=profile)) == pytest.approx(sigma, rel=0.05)


def test_same_seed_same_frames_other_seed_other_frames(short):
    np.testing.assert_array_equal(render_phantom(SHORT, seed=1).frames, short.frames)
    assert (render_phantom(SHORT, seed=2).frames != short.frames).mean() > 0.5


def test_the_needle_is_where_the_truth_says(short):
    """Centre of the shaft's bright band against a rendering without the needle."""
    bare = render_phantom(replace(SHORT, needle=replace(SHORT.needle, advance=((0, -1), (1, -1)))), seed=1)
    k = len(short.frames) - 1
    gain = log_decompress(short.frames[k]) - log_decompress(bare.frames[k])
    tip, entry = short.truth.tip_mm[k], short.truth.entry_mm[k]
    u = (tip - entry) / np.hypot(*(tip - entry))
    n = np.array([-u[1], u[0]])
    t, v = np.meshgrid(np.arange(2, 25, 0.1), np.arange(-0.9, 0.9, 0.05), indexing="ij")
    points = short.geometry.to_px(entry + t[..., None] * u + v[..., None] * n).astype(np.float32)
    strip = np.maximum(cv2.remap(gain.astype(np.float32), points[..., 0], points[..., 1], cv2.INTER_LINEAR), 0)
    length = short.truth.visible_mm[k]
    on = strip[t[:, 0] < length - 0.5]
    centre = (on * v[0]).sum() / on.sum()
    assert abs(centre) < 0.15
    along = strip.sum(axis=1)
    inside, beyond = along[(t[:, 0] > length - 2) & (t[:, 0] < length - 0.4)], along[t[:, 0] > length + 0.7]
    assert inside.mean() > 8 * beyond.mean()
    assert np.hypot(*(tip - entry)) == pytest.approx(length)


def test_mirror(short):
    mirrored = render_phantom(replace(SHORT, entry_side="right"), seed=1)
    np.testing.assert_array_equal(mirrored.frames, short.frames[:, :, ::-1])
    last = 0.125 * (SHORT.shape[1] - 1)
    np.testing.assert_allclose(mirrored.truth.tip_mm[:, 0], last - short.truth.tip_mm[:, 0])
    np.testing.assert_allclose(mirrored.truth.angle_deg, short.truth.angle_deg)


def test_round_trip(short, tmp_path):
    save_phantom(tmp_path / "p.npz", short, SHORT, 1)
    assert [p.name for p in tmp_path.iterdir()] == ["p.npz"]
    with ug.open_source(tmp_path / "p.npz") as source:
        np.testing.assert_array_equal([f.pixels for f in source], short.frames)
        read = source.info.truth
    for name in PhantomTruth.__slots__:
        np.testing.assert_array_equal(getattr(read, name), getattr(short.truth, name))


def test_the_shipped_phantom():
    path = shipped_path("inplane-fascia")
    assert path.stat().st_size < 4e6
    with ug.open_source("phantom:inplane-fascia") as source:
        frames, truth = list(source), source.info.truth
    assert len(frames) == len(truth.tip_mm) == 72
    assert (truth.visible_mm <= 0).sum() >= 8
    assert truth.injectate_area_mm2[-1] > 15
    seen = truth.visible_mm > 0
    assert np.isfinite(truth.tip_mm[seen]).all()
    assert np.isnan(truth.tip_mm[~seen]).all()
    fluid = frames[-1]
    x, y = np.rint(fluid.geometry.to_px(truth.tip_mm[-1] + [2.0, 0.6])).astype(int)
    assert (
        fluid.pixels[y - 2 : y + 3, x - 2 : x + 3].mean() < 0.5 * frames[40].pixels[y - 2 : y + 3, x - 2 : x + 3].mean()
    )


def test_the_script_renders_what_ships(monkeypatch, capsys):
    script = Path(__file__).parents[2] / "scripts" / "make_phantoms.py"
    if not script.is_file():
        pytest.skip("scripts/ is not beside the tests: only the source tree has it")
    spec = importlib.util.spec_from_file_location("make_phantoms", script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr("sys.argv", ["make_phantoms.py", "--check"])
    assert module.main() == 0
    assert "inplane-fascia" in capsys.readouterr().out


def test_the_pipeline_follows_the_shipped_needle():
    from usguide.metrics import score_needle

    pipeline = ug.GuidancePipeline(ug.InsertionPrior("left", (15, 60)))
    with ug.open_source("phantom:inplane-fascia") as source:
        scores = score_needle(source.info.truth, [pipeline.step(f) for f in source])
    assert scores.recall > 0.9
    assert scores.precision > 0.95
    assert scores.tip_error_mm.median < 0.5
    assert scores.false_alarm_frames == 0


def test_scenes_are_checked():
    for bad in ({"shape": (8, 8)}, {"duration_s": 0}, {"entry_side": "top"}, {"decorrelation": 2}):
        with pytest.raises(ug.InputError):
            PhantomScene(**bad)
    with pytest.raises(ug.InputError):
        NeedleScene(angle_deg=95)
