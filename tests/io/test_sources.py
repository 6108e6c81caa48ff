"""Sources give back exactly what was written: pixels, order, times, sizes; and one clear line where they can't."""

import threading
import tracemalloc
import zipfile

import cv2
import numpy as np
import pytest

import usguide as ug
from usguide.io import CallbackSource
from usguide.io.pictures import natural_key

RNG = np.random.default_rng(3)
STACK = RNG.integers(0, 256, (5, 40, 60), dtype=np.uint8)


def frames_of(source, **options):
    with ug.open_source(source, spacing_mm=options.pop("spacing_mm", 0.1), **options) as opened:
        return list(opened), opened


def write_pictures(folder, names, stack=STACK):
    for name, pixels in zip(names, stack, strict=False):
        assert cv2.imwrite(str(folder / name), pixels)


def write_video(path, count=20, rate=25.0, shape=(48, 64)):
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"mp4v"), rate, shape[::-1])
    for k in range(count):
        writer.write(np.full((*shape, 3), 10 * k, np.uint8))
    writer.release()


def test_pictures_come_in_natural_order_with_their_pixels(tmp_path):
    write_pictures(tmp_path, ["f1.png", "f2.png", "f10.png", "f20.png", "f100.png"])
    (tmp_path / "notes.txt").write_text("no picture")
    frames, source = frames_of(tmp_path, frame_rate_hz=10)
    np.testing.assert_array_equal([f.pixels for f in frames], STACK)
    assert [f.timestamp_s for f in frames] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    assert [f.index for f in frames] == [0, 1, 2, 3, 4]
    assert source.info.frame_count == 5
    by_glob, _ = frames_of(str(tmp_path / "f*0.png"))
    np.testing.assert_array_equal([f.pixels for f in by_glob], STACK[2:5])


def test_natural_order():
    from pathlib import Path

    names = ["b2", "a10", "a9", "b1x3", "b1x20"]
    assert [p.name for p in sorted(map(Path, names), key=natural_key)] == ["a9", "a10", "b1x3", "b1x20", "b2"]


def test_sixteen_bit_colour_and_alpha(tmp_path):
    deep = RNG.integers(0, 65536, (40, 60), dtype=np.uint16)
    colour = RNG.integers(0, 256, (40, 60, 3), dtype=np.uint8)
    grey_rgba = np.dstack([STACK[0]] * 3 + [np.full((40, 60), 255, np.uint8)])
    for name, pixels in (("a.png", deep), ("b.png", colour), ("c.png", grey_rgba)):
        cv2.imwrite(str(tmp_path / name), pixels)
    frames, _ = frames_of(tmp_path, stills=True)
    np.testing.assert_array_equal(frames[0].pixels, deep)
    np.testing.assert_array_equal(frames[1].pixels, colour)
    np.testing.assert_array_equal(frames[2].pixels, STACK[0])


def test_a_video_has_its_frames_and_times(tmp_path):
    write_video(tmp_path / "v.mp4")
    frames, source = frames_of(tmp_path / "v.mp4", spacing_mm=(0.1, 0.2))
    assert len(frames) == source.info.frame_count == 20
    assert source.info.frame_rate_hz == pytest.approx(25)
    np.testing.assert_allclose(np.diff([f.timestamp_s for f in frames]), 0.04, atol=1e-3)
    np.testing.assert_allclose([f.pixels.mean() for f in frames], 10 * np.arange(20), atol=2)
    assert frames[0].pixels.ndim == 2
    assert frames[0].geometry == ug.ImageGeometry(0.1, 0.2)
    again, _ = frames_of(tmp_path / "v.mp4", frame_rate_hz=10)
    assert again[3].timestamp_s == pytest.approx(0.3)


def test_a_source_can_be_read_twice(tmp_path):
    write_video(tmp_path / "v.mp4", count=4)
    with ug.open_source(tmp_path / "v.mp4", spacing_mm=0.1) as source:
        assert [f.index for f in source] == [f.index for f in source] == [0, 1, 2, 3]


def test_uneven_frame_times_are_recovered(recordings):
    frames, source = frames_of(recordings / "pocus-phantom" / "butterfly-ocular-phantom.mp4", spacing_mm=0.0577)
    gaps = 1e3 * np.diff([f.timestamp_s for f in frames])
    assert len(frames) == source.info.frame_count == 369
    assert frames[0].shape == (1080, 776)
    assert gaps.min() == pytest.approx(43, abs=1)
    assert gaps.max() == pytest.approx(112, abs=1)


def test_folders_of_recordings_open(recordings):
    for name, count, shape in (("catheter-insertion", 75, (600, 800)), ("qa-phantom/runB", 127, (401, 471))):
        with ug.open_source(recordings / name, spacing_mm=0.25) as source:
            assert source.info.frame_count == count
            assert next(iter(source)).shape == shape


@pytest.mark.parametrize("compressed", [False, True])
def test_npz_round_trip(tmp_path, compressed):
    save = np.savez_compressed if compressed else np.savez
    times = np.array([0.0, 0.1, 0.25, 0.3, 0.5])
    save(
        tmp_path / "r.npz",
        frames=STACK,
        spacing_mm=[0.25, 0.4],
        timestamps_s=times,
        region=[2, 3, 50, 30],
        origin_mm=[1.0, 2.0],
        sector=[5, -20, 22, 60, -30, 30],
    )
    with ug.open_source(tmp_path / "r.npz") as source:
        frames = list(source)
    np.testing.assert_array_equal([f.pixels for f in frames], STACK)
    assert [f.timestamp_s for f in frames] == times.tolist()
    assert frames[0].region == (2, 3, 50, 30)
    assert source.info.spacing_source == "file"
    assert frames[0].geometry == ug.ImageGeometry(
        0.25, 0.4, (1.0, 2.0), ug.SectorGeometry((5, -20), (22, 60), (-30, 30))
    )


def test_npy_and_arrays_in_memory(tmp_path):
    np.save(tmp_path / "a.npy", STACK)
    np.save(tmp_path / "f.npy", np.asfortranarray(STACK))
    np.savez(tmp_path / "g.npz", frames=np.asfortranarray(STACK))
    for source in (tmp_path / "a.npy", tmp_path / "f.npy", tmp_path / "g.npz", STACK):
        np.testing.assert_array_equal([f.pixels for f in frames_of(source)[0]], STACK)
    assert len(frames_of(STACK[0])[0]) == 1
    unit, _ = frames_of(STACK / 255.0, full_scale=1.0)
    assert unit[0].full_scale == 1.0


def test_a_compressed_array_is_streamed(tmp_path):
    big = np.zeros((200, 256, 256), np.uint8)
    np.savez_compressed(tmp_path / "big.npz", frames=big)
    tracemalloc.start()
    with ug.open_source(tmp_path / "big.npz", spacing_mm=0.1) as source:
        count = sum(1 for _ in source)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 200
    assert peak < 0.15 * big.nbytes


def test_depth_gives_the_spacing_of_the_region():
    frames, source = frames_of(STACK, spacing_mm=None, depth_mm=30, region=(0, 5, 60, 30))
    assert frames[0].geometry == ug.ImageGeometry(1.0, 1.0)
    assert source.info.spacing_source == "given by depth"


def test_bad_frames_are_left_out_and_counted(tmp_path):
    floats = STACK / 255.0
    floats[2, 3, 3] = np.nan
    frames, source = frames_of(floats, full_scale=1.0)
    assert [f.index for f in frames] == [0, 1, 3, 4]
    assert source.bad_frames == 1
    assert "NaN" in source.notes[0]
    write_pictures(tmp_path, ["1.png", "2.png", "3.png"])
    (tmp_path / "2.png").write_bytes(b"")
    frames, source = frames_of(tmp_path)
    assert [f.index for f in frames] == [0, 2]
    assert "2.png" in source.notes[0]


def test_sizes_may_change_in_mid_stream(tmp_path):
    write_pictures(tmp_path, ["1.png", "2.png"], [STACK[0], STACK[1][:30, :50]])
    frames, source = frames_of(tmp_path)
    assert [f.shape for f in frames] == [(40, 60), (30, 50)]
    small, source = frames_of(tmp_path, region=(0, 0, 60, 40))
    assert len(small) == 1
    assert source.bad_frames == 1


def test_a_callback_copies_counts_and_ends():
    source = CallbackSource(ug.ImageGeometry(0.1, 0.1), max_waiting=3)
    buffer = STACK[0].copy()
    taken = []
    reader = threading.Thread(target=lambda: taken.extend(source))
    for k in range(5):
        buffer[:] = STACK[k]
        assert source.push(buffer, timestamp_s=0.1 * k)
    assert not source.push(np.zeros(3))
    buffer[:] = 0
    reader.start()
    source.close()
    reader.join(timeout=5)
    assert not reader.is_alive()
    assert source.dropped == 2
    assert source.bad_frames == 1
    np.testing.assert_array_equal([f.pixels for f in taken], STACK[2:])
    with pytest.raises(ug.InputError, match="closed"):
        source.push(buffer)


def broken_npz(path, cut):
    np.savez_compressed(path, frames=STACK)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * cut)])


def damaged_member(path):
    np.savez(path, frames=STACK)
    data = bytearray(path.read_bytes())
    data[400:3000] = bytes(2600)
    path.write_bytes(bytes(data))


FAULTS = {
    "missing.mp4": lambda _: None,
    "empty.mp4": lambda p: p.write_bytes(b""),
    "random.mp4": lambda p: p.write_bytes(RNG.bytes(5000)),
    "cut.mp4": lambda p: (write_video(p), p.write_bytes(p.read_bytes()[:300])),
    "zero.png": lambda p: p.write_bytes(b""),
    "random.png": lambda p: p.write_bytes(RNG.bytes(500)),
    "folder": lambda p: p.mkdir(),
    "nan.npy": lambda p: np.save(p, np.full((3, 40, 40), np.nan)),
    "line.npy": lambda p: np.save(p, np.zeros(100)),
    "pixel.npy": lambda p: np.save(p, np.zeros((1, 1), np.uint8)),
    "none.npy": lambda p: np.save(p, np.zeros((0, 40, 40), np.uint8)),
    "float.npy": lambda p: np.save(p, np.zeros((2, 40, 40))),
    "object.npy": lambda p: np.save(p, np.array([{"a": 1}], dtype=object), allow_pickle=True),
    "objects.npz": lambda p: np.savez(p, frames=np.array([{"a": 1}], dtype=object)),
    "cut.npz": lambda p: broken_npz(p, 0.5),
    "random.npz": lambda p: p.write_bytes(RNG.bytes(500)),
    "two.npz": lambda p: np.savez(p, a=STACK, b=STACK),
    "zip.npz": lambda p: zipfile.ZipFile(p, "w").close(),
    "times.npz": lambda p: np.savez(p, frames=STACK, timestamps_s=[0, 1]),
    "spacing.npz": lambda p: np.savez(p, frames=STACK, spacing_mm=[1, 2, 3]),
    "odd.xyz": lambda p: p.write_bytes(b"?"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_one_clear_line(tmp_path, name):
    path = tmp_path / name
    FAULTS[name](path)
    options = {} if name == "float.npy" else {"full_scale": 255}
    with pytest.raises((ug.FormatError, ug.InputError)) as caught, ug.open_source(path, spacing_mm=0.1, **options):
        pass
    message = str(caught.value)
    assert "\n" not in message
    assert "expected" in message or "state it" in message


def test_a_damaged_member_gives_what_can_be_read(tmp_path):
    damaged_member(tmp_path / "d.npz")
    frames, source = frames_of(tmp_path / "d.npz")
    assert len(frames) < 5
    assert source.bad_frames >= 1


def test_options_are_checked():
    for options in (
        {"spacing_mm": 0},
        {"spacing_mm": (1, 2, 3)},
        {"depth_mm": -3},
        {"spacing_mm": 0.1, "depth_mm": 3},
        {"region": (1, 2, 3)},
        {"region": (0, 0, 500, 500), "spacing_mm": 0.1},
        {"spacing_mm": 0.1, "frame_rate_hz": 0},
        {},
    ):
        with pytest.raises(ug.InputError):
            ug.open_source(STACK, **options)
    for name in ("camera:x", "phantom:none"):
        with pytest.raises(ug.InputError):
            ug.open_source(name, spacing_mm=0.1)


def test_a_missing_camera_is_told():
    with pytest.raises(ug.FormatError, match="camera:97"):
        ug.open_source("camera:97", spacing_mm=0.1)


def test_missing_spacing_names_the_options():
    with pytest.raises(ug.InputError, match=r"--spacing-mm.*--depth-mm"):
        ug.open_source(STACK)
    with ug.open_source(STACK, require_spacing=False) as source:
        assert source.info.geometry is None
        assert any("--spacing-mm" in m for m in source.info.missing)
