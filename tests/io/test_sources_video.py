"""Videos that are coloured, damaged, cut short or read in odd ways."""

import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

import usguide as ug

COUNT, RATE = 40, 25.0


def pictures(*, colour=False):
    rng = np.random.default_rng(0)
    for _ in range(COUNT):
        grey = cv2.resize(rng.integers(0, 255, (16, 24), dtype=np.uint8), (96, 64))
        bgr = np.repeat(grey[..., None], 3, axis=2)
        if colour:
            bgr[8:24, 8:40] = (0, 220, 0)
        yield bgr


def write_video(path, codec="mp4v", *, colour=False):
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*codec), RATE, (96, 64))
    assert writer.isOpened()
    for picture in pictures(colour=colour):
        writer.write(picture)
    writer.release()
    return path


def damage(path, share=0.2):
    data = bytearray(path.read_bytes())
    middle, n = len(data) // 2, int(len(data) * share)
    data[middle : middle + n] = np.random.default_rng(1).bytes(n)
    path.write_bytes(data)


def read(path, **options):
    with ug.open_source(path, spacing_mm=0.1, **options) as source:
        return list(source), source


@pytest.mark.parametrize("codec", ["mp4v", "MJPG"])
@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".mkv", ".mov"])
def test_containers_give_every_frame_at_its_time(tmp_path, suffix, codec):
    frames, source = read(write_video(tmp_path / f"v{suffix}", codec))
    assert [f.index for f in frames] == list(range(COUNT))
    np.testing.assert_allclose([f.timestamp_s for f in frames], np.arange(COUNT) / RATE, atol=2e-3)
    assert source.info.times_source == "presentation timestamps"
    assert source.notes == []
    for frame, picture in zip(frames, pictures(), strict=True):
        assert np.abs(frame.pixels.astype(int) - picture[..., 1]).mean() < 8


def test_damage_in_the_middle_costs_only_the_frames_there(tmp_path):
    whole, _ = read(write_video(tmp_path / "v.mp4"))
    damage(tmp_path / "v.mp4")
    frames, source = read(tmp_path / "v.mp4")
    assert 0 < source.bad_frames < 12
    assert len(frames) + source.bad_frames == COUNT
    assert frames[-1].index == COUNT - 1
    assert "can't be decoded" in source.notes[0]
    # What comes after the damage keeps its index and its time.
    assert [f.timestamp_s for f in frames] == [whole[f.index].timestamp_s for f in frames]
    np.testing.assert_array_equal(frames[-1].pixels, whole[-1].pixels)
    spaced, _ = read(tmp_path / "v.mp4", frame_rate_hz=10)
    assert spaced[-1].timestamp_s == pytest.approx((COUNT - 1) / 10)


@pytest.mark.parametrize(("suffix", "codec"), [(".avi", "MJPG"), (".mkv", "mp4v")])
def test_a_video_cut_short_gives_what_is_there(tmp_path, suffix, codec):
    path = write_video(tmp_path / f"v{suffix}", codec)
    whole, _ = read(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    frames, source = read(path)
    assert 15 <= len(frames) < 25
    np.testing.assert_array_equal([f.pixels for f in frames[:-1]], [f.pixels for f in whole[: len(frames) - 1]])
    assert source.info.frame_count == COUNT
    assert source.notes == [
        f"the header says {COUNT} frames, {len(frames)} could be read; the file may be cut short",
    ]


def test_a_coloured_overlay_stays_coloured(tmp_path):
    frames, source = read(write_video(tmp_path / "v.mp4", colour=True))
    assert source.info.channels == 3
    assert {f.pixels.shape for f in frames} == {(64, 96, 3)}
    blue, green, red = frames[5].pixels[16, 24].astype(int)
    assert green > blue + 100
    assert green > red + 100


def test_two_passes_at_once_do_not_take_each_others_frames(tmp_path):
    with ug.open_source(write_video(tmp_path / "v.mp4"), spacing_mm=0.1) as source:
        pairs = list(zip(source, source, strict=True))
    assert [(a.index, b.index) for a, b in pairs] == [(k, k) for k in range(COUNT)]


def test_bad_frames_are_those_of_the_pass(tmp_path):
    damage(write_video(tmp_path / "v.mp4"))
    with ug.open_source(tmp_path / "v.mp4", spacing_mm=0.1) as source:
        counts = {(len(list(source)), source.bad_frames, len(source.notes)) for _ in range(2)}
    assert len(counts) == 1


def test_a_closed_source_says_so(tmp_path):
    _, source = read(write_video(tmp_path / "v.mp4"))
    with pytest.raises(ug.InputError, match="closed"):
        next(iter(source))


def test_closing_ends_a_pass(tmp_path):
    source = ug.open_source(write_video(tmp_path / "v.mp4"), spacing_mm=0.1)
    stream = iter(source)
    next(stream)
    source.close()
    assert list(stream) == []
    assert source.notes == []


def test_without_spacing_there_are_facts_but_no_frames(tmp_path):
    with ug.open_source(write_video(tmp_path / "v.mp4"), require_spacing=False) as source:
        assert (source.info.frame_count, source.info.shape) == (COUNT, (64, 96))
        assert not any("frame rate" in m for m in source.info.missing)
        with pytest.raises(ug.InputError, match="--spacing-mm"):
            list(source)


class StandInCamera:
    """Gives five pictures, one every 10 ms, and is then unplugged."""

    def __init__(self):
        self.left, self.released = 6, False

    def isOpened(self):  # noqa: N802
        return not self.released

    def read(self):
        time.sleep(0.01)
        self.left -= 1
        return (True, np.full((48, 64, 3), self.left, np.uint8)) if self.left >= 0 else (False, None)

    def release(self):
        self.released = True


def test_a_camera_gives_pictures_as_they_arrive(monkeypatch):
    camera = StandInCamera()
    monkeypatch.setattr("usguide.io.video.open_capture", lambda _: camera)
    with ug.open_source("camera:0", depth_mm=48) as source:
        assert (source.info.kind, source.info.frame_count, source.info.times_source) == (
            "camera",
            None,
            "time of arrival",
        )
        frames = list(source)
    assert [int(f.pixels[0, 0]) for f in frames] == [4, 3, 2, 1, 0]
    assert all(np.diff([f.timestamp_s for f in frames]) >= 0.01)
    assert frames[0].geometry == ug.ImageGeometry(1.0, 1.0)
    assert source.notes == ["the camera stopped after 5 pictures"]
    assert camera.released


def test_faults_leave_stderr_empty(tmp_path):
    """OpenCV, FFmpeg, libpng and libjpeg write to stderr by themselves, behind Python's back."""
    good = write_video(tmp_path / "good.mp4").read_bytes()
    for name, data in (("cut.mp4", good[: len(good) // 2]), ("random.avi", good[200:900]), ("none.mkv", b"")):
        (tmp_path / name).write_bytes(data)
    damage(tmp_path / "good.mp4")
    for suffix in (".png", ".jpg"):
        data = cv2.imencode(suffix, next(pictures()))[1].tobytes()
        (tmp_path / f"cut{suffix}").write_bytes(data[: len(data) // 2])
    program = """
import sys, usguide as ug
for path in sys.argv[1:]:
    try:
        with ug.open_source(path, spacing_mm=0.1) as source:
            print(len(list(source)))
    except ug.UsguideError as error:
        print(type(error).__name__)
"""
    paths = sorted(str(p) for p in tmp_path.iterdir())
    done = subprocess.run([sys.executable, "-c", program, *paths], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    kinds = done.stdout.split()
    assert kinds.count("FormatError") == len(paths) - 1
    assert any(k.isdigit() and 25 < int(k) < COUNT for k in kinds)
