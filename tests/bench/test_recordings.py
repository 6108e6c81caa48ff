"""Which frames of a real recording belong to which split, and that a part is read as a recording of its own."""

import numpy as np
import pytest

import usguide as ug
from usguide import datasets
from usguide.bench import Recorded, Sequence
from usguide.bench.loading import open_sequence
from usguide.bench.recordings_suite import JUDGED, recordings_suite, share_of


@pytest.mark.parametrize(
    ("label", "frames", "tune", "test"),
    [
        ("plus/any.igs.mha", 201, (0, 100), (100, 201)),
        ("qa-phantom", 127, (0, 63), (63, 127)),
        ("plus/BoneUltrasound_L14.igs.mha", 21, None, (0, 21)),
        ("plus/UltrasonixCurvilinearScanConvertedData.igs.mha", 5, (0, 5), None),
        ("mouse-liver/MouseLiverB.mha", 4, None, (0, 4)),
        ("pocus-phantom/a.png", 1, None, (0, 1)),
    ],
)
def test_halves_by_hand(label, frames, tune, test):
    assert share_of(label, frames, "tune") == tune
    assert share_of(label, frames, "test") == test


def test_the_halves_share_no_frame_and_leave_none_out(recordings, monkeypatch):
    monkeypatch.setenv("USGUIDE_DATA_DIR", str(recordings))
    frames: dict[str, list[tuple[object, int]]] = {"tune": [], "test": []}
    for split in frames:
        for s in recordings_suite(split).sequences:
            if s.tags.get("recording") not in JUDGED:
                continue
            assert s.prior == ug.InsertionPrior()
            assert s.name.startswith("tune-") is (split == "tune")
            paths, part = s.content.paths, s.content.frames
            frames[split] += [(p, 0) for p in paths] if part is None else [(paths[0], k) for k in range(*part)]
    assert not set(frames["tune"]) & set(frames["test"])
    every = [f for name in ("plus", "qa-phantom") for f in datasets.files(name) if f.frame_count]
    butterfly = [f for f in datasets.files("pocus-phantom") if f.path.endswith(".mp4")]
    assert sum(map(len, frames.values())) == sum(f.frame_count for f in (*every, *butterfly))
    kinds = [{s.tags["event"] for s in recordings_suite(split).sequences if "recording" in s.tags} for split in frames]
    assert len(kinds[0] & kinds[1]) == 6  # all but bone and the nearly still one


def test_a_part_begins_with_frame_zero_and_keeps_its_times(tmp_path):
    frames = np.arange(7, dtype=np.uint8)[:, None, None] * np.ones((1, 40, 40), np.uint8) * 20
    path = tmp_path / "seven.npz"
    np.savez(path, frames=frames, spacing_mm=(0.1, 0.1), timestamps_s=np.arange(7) * 0.25)
    content = Recorded((path,), (0.1, 0.1), frames=(3, 6))
    sequence = Sequence("part", "recordings", "test", ug.InsertionPrior(), content)
    with open_sequence(sequence, tmp_path) as (source, truth):
        found = list(source)
    assert [f.index for f in found] == [0, 1, 2]
    assert [f.timestamp_s for f in found] == [0.75, 1.0, 1.25]
    assert [int(f.pixels[0, 0]) for f in found] == [60, 80, 100]
    assert len(truth.visible_mm) == 3
