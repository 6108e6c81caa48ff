"""Every public recording opens with the frames, size, spacing and times that its registry states."""

import csv
import itertools
from pathlib import PurePosixPath

import numpy as np
import pytest

import usguide as ug
from usguide import datasets

SETS = [d.name for d in datasets.list_datasets() if d.downloadable]
HAS_TIMES = ["catheter-insertion", "qa-phantom"]


@pytest.mark.parametrize("name", SETS)
def test_the_registry_agrees_with_the_table_beside_the_recordings(recordings, name):
    table = recordings / "files.csv"
    if not table.is_file():
        pytest.skip("the recordings came by 'usguide datasets fetch': there is no files.csv beside them")
    known = {f"{f.dataset}/{f.path}": f for f in datasets.files(name)}
    with table.open(encoding="utf-8", newline="") as stream:
        rows = {r["path"]: r for r in csv.DictReader(stream) if r["path"].startswith(f"{name}/")}
    assert rows
    for path, row in rows.items():
        file = known[path]
        assert [file.frame_count, file.height_px, file.width_px] == [int(row[k]) for k in ("frames", "height", "width")]
        assert file.time_s == (float(row["time_s"]) if row["time_s"] else None)
        spacing = row["axial_mm_per_px"], row["lateral_mm_per_px"]
        assert file.spacing_mm == (tuple(map(float, spacing)) if all(spacing) else None)
        assert (file.spacing_source or "") == row["spacing_source"]


@pytest.mark.parametrize("name", SETS)
def test_every_recording_opens_as_stated(recordings, name):
    for file in datasets.files(name):
        path = f"{name}/{file.path}"
        with ug.open_source(recordings / path, require_spacing=False) as source:
            info = source.info
            assert info.shape == (file.height_px, file.width_px), path
            assert info.frame_count == file.frame_count, path
            if file.spacing_source == "header":
                spacing = info.geometry.axial_mm_per_px, info.geometry.lateral_mm_per_px
                assert spacing == pytest.approx(file.spacing_mm, rel=2e-3), path
                assert info.spacing_source == "file"
            else:
                assert info.geometry is None, path
        # What the table knows of the spacing by other means is stated by the user.
        with ug.open_source(recordings / path, spacing_mm=file.spacing_mm or 0.1) as source:
            frames, shapes = 0, set()
            for frame in source:
                frames += 1
                shapes.add(frame.shape)
        assert (frames, source.bad_frames, shapes) == (file.frame_count, 0, {(file.height_px, file.width_px)}), path


@pytest.mark.parametrize("name", HAS_TIMES)
def test_timed_pictures_have_the_times_of_the_registry(recordings, name):
    files = datasets.files(name)
    by_folder = itertools.groupby(files, key=lambda f: PurePosixPath(f.path).parent)
    for _, group in by_folder:
        timed = list(group)
        paths, times = [recordings / name / f.path for f in timed], [f.time_s for f in timed]
        with ug.open_source(paths, spacing_mm=0.1, timestamps_s=times) as source:
            assert [f.timestamp_s for f in source] == times
            assert source.info.times_source == "given"


def test_plus_sequences_have_their_times_and_poses(recordings):
    with ug.open_source(recordings / "plus" / "BoneUltrasound_L14.igs.mha", spacing_mm=0.0854) as source:
        frames = list(source)
    times = [f.timestamp_s for f in frames]
    assert (np.diff(times) > 0).all()
    assert source.info.times_source == "file"
    for frame in frames:
        rotation = frame.transforms["ProbeToTracker"][:3, :3]
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-3)


def test_the_uneven_times_of_the_butterfly_video_are_recovered(recordings):
    with ug.open_source(recordings / "pocus-phantom" / "butterfly-ocular-phantom.mp4", spacing_mm=0.0577) as source:
        steps_ms = 1e3 * np.diff([f.timestamp_s for f in source])
    assert len(steps_ms) == 368
    assert (steps_ms.min(), steps_ms.max()) == (pytest.approx(43, abs=1), pytest.approx(112, abs=1))
    assert len(np.unique(np.round(steps_ms))) > 5
