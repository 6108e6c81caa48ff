"""The tables hold the matrix that they promise; nothing is rendered here."""

from collections import Counter
from dataclasses import replace
from itertools import combinations

import cv2
import numpy as np
import pytest

from usguide.bench import Clip, suites
from usguide.bench.anatomy_suite import background_of
from usguide.bench.cache import cache_key, code_hash
from usguide.bench.phantom_suite import NEEDLE_FREE, NEEDLES, QUICK, TEST_SEED, Row, phantom_suite
from usguide.bench.recordings_suite import recordings_suite
from usguide.errors import InputError
from usguide.phantoms.grid import picture_geometry
from usguide.phantoms.layouts import placed
from usguide.phantoms.needle_truth import needle_in_picture


@pytest.fixture(scope="module")
def phantoms():
    return phantom_suite().sequences


@pytest.fixture(scope="module")
def tuning():
    return phantom_suite("tune").sequences


def test_there_are_enough_of_each(phantoms):
    needles = [s for s in phantoms if s.tags["needle"] == "yes"]
    assert len(needles) >= 40
    assert len(phantoms) - len(needles) == len(NEEDLE_FREE) == 20
    assert len({s.name for s in phantoms}) == len(phantoms)
    angles = [row.angle_deg for row in NEEDLES]
    assert (min(angles), max(angles)) == (10, 75)
    assert max(np.diff(sorted(angles))) <= 2


@pytest.mark.parametrize(
    ("factor", "levels", "least"),
    [
        ("visibility", {"easy", "normal", "faint"}, 12),
        ("side", {"left", "right"}, 20),
        ("probe", {"linear", "curvilinear"}, 18),
        ("hand", {"still", "slide", "sweep"}, 10),
        ("fluid", {"none", "lens", "ring", "pool", "unseen"}, 3),
        ("course", {"advance", "pause", "withdraw", "jiggle", "present", "drift"}, 5),
        ("scanner", {"plain", "gain", "screen", "drops", "freeze"}, 3),
    ],
)
def test_levels_are_balanced(factor, levels, least):
    counts = Counter(getattr(row, factor) for row in NEEDLES)
    assert set(counts) == levels
    assert min(counts.values()) >= least


def test_factors_meet_each_other():
    main = ("visibility", "side", "probe", "hand")
    for a, b in combinations(main, 2):
        pairs = Counter((getattr(r, a), getattr(r, b)) for r in NEEDLES)
        every = {getattr(r, a) for r in NEEDLES}, {getattr(r, b) for r in NEEDLES}
        assert len(pairs) == len(every[0]) * len(every[1]), (a, b)
        assert min(pairs.values()) >= 3, (a, b, pairs)
    bent = [r for r in NEEDLES if r.bend_per_mm]
    assert 14 <= len(bent) <= 22
    assert {np.sign(r.bend_per_mm) for r in bent} == {-1, 1}


def test_needles_are_where_the_row_says(phantoms):
    for row, sequence in zip(NEEDLES, phantoms, strict=False):
        scene = sequence.content.scene
        pose = scene.needle.pose(0.0)
        longest = max(length for _, length in scene.needle.advance)
        pose = replace(pose, length_mm=longest, angle_deg=scene.needle.angle_deg, elevation_mm=(0.0, 0.0))
        seen = needle_in_picture(pose, picture_geometry(scene), scene.size_mm)
        assert seen.visible_mm > 12, row.name
        assert seen.angle_deg == pytest.approx(row.angle_deg, abs=6), row.name
        if row.bend_per_mm == 0:
            assert seen.angle_deg == pytest.approx(row.angle_deg, abs=0.5), row.name
        # Before it is mirrored a needle always comes from the left; the tip ends within the picture.
        assert seen.entry_mm[0] < seen.distal_mm[0]
        assert seen.distal_mm == pytest.approx(seen.tip_mm, abs=0.01)


def test_needles_stay_above_bone(phantoms):
    for sequence in phantoms[: len(NEEDLES)]:
        scene = sequence.content.scene
        (bone_x, bone_z), needle = np.transpose(placed(scene, sequence.content.seed).layout.bone_mm), scene.needle
        pose = replace(needle.pose(0.0), length_mm=max(length for _, length in needle.advance))
        shaft = pose.points_mm(np.linspace(12.0, pose.length_mm, 50))
        assert (shaft[:, 1] < np.interp(shaft[:, 0], bone_x, bone_z)).all(), sequence.name


def test_a_detector_is_told_no_more_than_the_side(phantoms):
    for s in phantoms:
        assert s.prior.angle_deg == (5.0, 80.0)
        assert s.prior.entry_mm is None
        assert s.prior.entry_side == s.content.scene.entry_side


def test_tuning_and_test_share_nothing(phantoms, tuning):
    test_seeds, tune_seeds = ({s.content.seed for s in suite} for suite in (phantoms, tuning))
    assert min(test_seeds) >= TEST_SEED > max(tune_seeds)
    assert len(test_seeds) == len(phantoms)
    assert not {s.name for s in phantoms} & {s.name for s in tuning}
    assert {s.split for s in tuning} == {"tune"}
    assert not {s.content.scene for s in phantoms if s.content.scene.needle} & {s.content.scene for s in tuning}


def test_quick_is_a_part(phantoms):
    quick = phantom_suite(quick=True).sequences
    assert {s.name for s in quick} == set(QUICK)
    assert Counter(s.tags["needle"] for s in quick) == {"yes": 6, "no": 3}
    full = {s.name: s.content.scene for s in phantoms}
    for s in quick:
        assert s.content.scene.duration_s < full[s.name].duration_s


def test_unknown_names_are_refused():
    for options in ({"name": "phantoms"}, {"split": "train"}, {"name": "phantom", "only": ("no-such",)}):
        with pytest.raises(InputError, match="expected"):
            suites(**options)


def test_only_chooses_by_name_and_tag():
    (found,) = suites("phantom", only=("needle-0[12]",))
    assert [s.name for s in found.sequences] == ["needle-01", "needle-02"]
    (found,) = suites("phantom", only=("course=jiggle",))
    assert len(found.sequences) == sum(r.course == "jiggle" for r in NEEDLES)


def test_what_is_absent_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("USGUIDE_DATA_DIR", str(tmp_path))
    _, anatomy, stills, recordings, injectate = suites("all", quick=True)
    assert anatomy.sequences == stills.sequences == recordings.sequences == ()
    assert {"biopsy-needle", "nerve-block-anatomy"} <= {a.name for a in recordings.absent}
    assert any("nerve-block-anatomy" in a.name for a in anatomy.absent)
    assert any("nerve-block-anatomy" in a.name for a in injectate.absent)
    assert injectate.sequences  # on phantoms they are rendered all the same
    assert all(a.reason for a in (*anatomy.absent, *recordings.absent, *injectate.absent))


def test_every_recording_is_run_or_named(recordings, monkeypatch):
    monkeypatch.setenv("USGUIDE_DATA_DIR", str(recordings))
    both = [recordings_suite("tune"), recordings_suite("test")]
    used = {p for suite in both for s in suite.sequences for p in s.content.paths}
    absent = {a.name for suite in both for a in suite.absent}
    for name in ("biopsy-needle", "plus", "pocus-phantom", "mouse-liver", "qa-phantom", "catheter-insertion"):
        for path in (recordings / name).rglob("*"):
            known = path in used or str(path.relative_to(recordings)) in absent
            assert known or path.is_dir() or path.suffix in (".json", ".csv", "") or path.name == "LICENSE", path


def test_a_test_still_is_never_rendered_for_tuning(recordings, monkeypatch):
    monkeypatch.setenv("USGUIDE_DATA_DIR", str(recordings))
    (test,), (tune,) = (suites("anatomy", split=split) for split in ("test", "tune"))
    stills = [{s.content.still for s in suite.sequences} for suite in (test, tune)]
    pictures = [s.content.still for s in test.sequences if s.content.still.suffix == ".png"]
    assert len(set(pictures)) == len(pictures) >= 24
    assert not stills[0] & stills[1]


def test_a_clip_shows_frames_of_its_split_alone(recordings):
    path = recordings / "plus" / "SpinePhantomFreehand.igs.mha"
    whole = {split: background_of(path, split) for split in ("tune", "test")}
    assert [len(whole[split].frames) for split in ("tune", "test")] == [10, 11]
    shown = background_of(path, "tune", Clip((2, 7), 12.0, region=(200, 20, 300, 200)))
    assert shown.frame_rate_hz == 12.0
    np.testing.assert_array_equal(shown.frames, whole["tune"].frames[2:7, 8:208, 13:313])
    for split, frames in (("tune", (4, 11)), ("test", (9, 21))):
        with pytest.raises(InputError, match=f"{split} split's frames"):
            background_of(path, split, Clip(frames, 12.0))
    with pytest.raises(InputError, match="820 x 616 px"):
        background_of(path, "tune", Clip((0, 5), 12.0, region=(600, 20, 300, 200)))


def test_a_series_of_pictures_is_a_recording_to_render_onto(recordings, phantoms):
    folder = recordings / "qa-phantom" / "runB"
    pictures = sorted(folder.glob("*.png"))
    shown = background_of(folder, "tune", Clip((5, 8), 16.0, region=(140, 75, 200, 230)))
    expected = [cv2.imread(str(p), cv2.IMREAD_GRAYSCALE)[75:305, 140:340] for p in pictures[5:8]]
    np.testing.assert_array_equal(shown.frames, expected)
    assert (shown.name, shown.spacing_mm) == ("qa-phantom/runB", (0.25, 0.25))
    shares = {split: len(background_of(folder, split).frames) for split in ("tune", "test")}
    assert shares == {"tune": 63, "test": 64}
    with pytest.raises(InputError, match="tune split's frames"):
        background_of(folder, "tune", Clip((60, 64), 16.0))
    on_it = replace(phantoms[0].content, still=folder)
    assert cache_key(on_it) != cache_key(replace(on_it, still=pictures[0]))


@pytest.mark.parametrize(
    ("file", "split"),
    [
        ("plus/BoneUltrasound_L14.igs.mha", "tune"),
        ("plus/UltrasonixCurvilinearScanConvertedData.igs.mha", "test"),
        ("nerve-block-anatomy/images/0240.png", "tune"),
        ("nerve-block-anatomy/images/0002.png", "test"),
    ],
)
def test_a_background_of_the_other_split_is_refused(recordings, file, split):
    with pytest.raises(InputError, match=f"expected what belongs to the {split} split"):
        background_of(recordings / file, split)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"frames": (5, 5)}, "one past the last"),
        ({"frames": (-1, 5)}, "one past the last"),
        ({"frame_rate_hz": 0.0}, "frame_rate_hz"),
        ({"region": (0, 0, 0, 40)}, "width and height"),
    ],
)
def test_a_clip_that_shows_nothing_is_refused(fault, message):
    with pytest.raises(InputError, match=message):
        Clip(**{"frames": (0, 5), "frame_rate_hz": 12.0, **fault})


def test_the_key_follows_scene_seed_and_code(phantoms, tmp_path):
    content = phantoms[0].content
    key = cache_key(content)
    assert key == cache_key(replace(content))
    brighter = replace(content.scene, looks=content.scene.looks + 1)
    others = [
        replace(content, seed=content.seed + 1),
        replace(content, scene=brighter),
        replace(content, visibility_db=5.0),
        replace(content, clip=Clip((0, 5), 12.0)),
    ]
    assert len({key, *map(cache_key, others), cache_key(content, code="another")}) == 6
    for part in ("phantoms/a.py", "geometry.py", "intensity.py"):
        path = tmp_path / part
        path.parent.mkdir(exist_ok=True)
        path.write_text("x = 1\n")
    code_hash.cache_clear()
    before = code_hash(tmp_path)
    (tmp_path / "geometry.py").write_bytes(b"x = 1\r\n")
    code_hash.cache_clear()
    assert code_hash(tmp_path) == before
    (tmp_path / "geometry.py").write_text("x = 2\n")
    code_hash.cache_clear()
    assert code_hash(tmp_path) != before
    code_hash.cache_clear()


def test_rows_are_plain():
    assert all(isinstance(row, Row) and 10 <= row.angle_deg <= 75 for row in NEEDLES)
