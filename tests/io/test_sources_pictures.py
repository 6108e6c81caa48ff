"""Pictures of odd kinds, in odd folders, and with damage."""

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

import usguide as ug
from usguide.io.pictures import natural_key

RNG = np.random.default_rng(5)
GREY = RNG.integers(0, 256, (40, 60), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (40, 60, 3), dtype=np.uint8)


def read(source, **options):
    with ug.open_source(source, spacing_mm=0.1, **options) as opened:
        return list(opened), opened


def save(path, pixels):
    path.write_bytes(cv2.imencode(path.suffix, pixels)[1].tobytes())
    return path


def palette_png(path, indices, palette):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    h, w = indices.shape
    rows = b"".join(b"\0" + row.tobytes() for row in indices)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, 8, 3, 0, 0, 0))
        + chunk(b"PLTE", palette.tobytes())
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def test_a_palette_is_looked_up(tmp_path):
    indices = RNG.integers(0, 4, (40, 60), dtype=np.uint8)
    levels = np.array([10, 90, 180, 250], np.uint8)
    palette_png(tmp_path / "grey.png", indices, np.repeat(levels[:, None], 3, axis=1))
    np.testing.assert_array_equal(read(tmp_path / "grey.png")[0][0].pixels, levels[indices])
    rgb = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 9, 9]], np.uint8)
    palette_png(tmp_path / "colour.png", indices, rgb)
    np.testing.assert_array_equal(read(tmp_path / "colour.png")[0][0].pixels, rgb[indices][..., ::-1])


def test_alpha_is_dropped_and_colour_kept(tmp_path):
    save(tmp_path / "a.png", np.dstack([COLOUR, GREY]))
    np.testing.assert_array_equal(read(tmp_path / "a.png")[0][0].pixels, COLOUR)


def test_float_colour_is_not_taken_for_grey(tmp_path):
    faint = (COLOUR / 255).astype(np.float32)
    save(tmp_path / "a.tiff", faint)
    frames, _ = read(tmp_path / "a.tiff", full_scale=1.0)
    np.testing.assert_allclose(frames[0].pixels, faint, atol=0.02)  # some releases of OpenCV write a lossy code


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".tiff", ".pgm", ".PNG"])
def test_lossless_formats_keep_every_pixel_on_any_path(tmp_path, suffix):
    folder = tmp_path / "Nadel übung 針"
    folder.mkdir()
    (folder / f"läuft{suffix}").write_bytes(cv2.imencode(suffix.lower(), GREY)[1].tobytes())
    for source in (folder, folder / f"läuft{suffix}", str(folder / "*")):
        np.testing.assert_array_equal(read(source)[0][0].pixels, GREY)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_picture_cut_short_is_left_out_not_filled_with_grey(tmp_path, suffix, share):
    for k in range(3):
        save(tmp_path / f"{k}{suffix}", GREY)
    data = (tmp_path / f"1{suffix}").read_bytes()
    (tmp_path / f"1{suffix}").write_bytes(data[: int(share * len(data))])
    frames, source = read(tmp_path)
    assert [f.index for f in frames] == [0, 2]
    assert source.bad_frames == 1
    assert source.notes[0].startswith(f"frame 1 left out: 1{suffix}: expected a picture")
    assert "cut short" in source.notes[0]


def test_what_follows_the_end_of_a_picture_does_no_harm(tmp_path):
    for suffix in (".png", ".jpg"):
        path = save(tmp_path / f"a{suffix}", GREY)
        path.write_bytes(path.read_bytes() + b"\0trailer" * 9)
        assert len(read(path)[0]) == 1


def test_a_bad_first_picture_is_counted_too(tmp_path):
    (tmp_path / "0.png").write_bytes(b"")
    save(tmp_path / "1.png", GREY)
    frames, source = read(tmp_path)
    assert [f.index for f in frames] == [1]
    assert source.bad_frames == 1


def test_systems_own_hidden_files_are_no_pictures(tmp_path):
    save(tmp_path / "1.png", GREY)
    (tmp_path / "._1.png").write_bytes(b"finder")
    _, source = read(tmp_path)
    assert (source.info.frame_count, source.bad_frames) == (1, 0)


def test_a_list_keeps_its_order_and_says_when_it_is_alphabetical(tmp_path):
    paths = [save(tmp_path / f"f{k}.png", np.full((20, 20), k, np.uint8)) for k in (10, 2, 30)]
    frames, source = read(paths)
    assert [f.pixels[0, 0] for f in frames] == [10, 2, 30]
    assert "alphabetical" in source.notes[0]
    frames, source = read([str(p) for p in paths[::-1]])
    assert [f.pixels[0, 0] for f in frames] == [30, 2, 10]
    assert source.notes == []


def test_order_never_depends_on_the_file_system():
    names = ["f1.png", "F1.png", "f01.png", "f001.png"]
    orders = {tuple(sorted(map(Path, n), key=natural_key)) for n in (names, names[::-1])}
    assert len(orders) == 1


def test_pages_are_not_lost_without_a_word(tmp_path):
    path = str(tmp_path / "stack.tif")
    assert cv2.imwritemulti(path, [GREY, GREY])
    with pytest.raises(ug.InputError, match="2 pages"):
        ug.open_source(path, spacing_mm=0.1)


def test_stills_have_their_own_spacing_and_no_time(tmp_path):
    save(tmp_path / "a.png", GREY)
    save(tmp_path / "b.png", GREY[:20])
    with ug.open_source(tmp_path, depth_mm=40, stills=True) as source:
        frames = list(source)
    assert [f.geometry.axial_mm_per_px for f in frames] == [1.0, 2.0]
    assert [f.timestamp_s for f in frames] == [0.0, 1.0]
    assert source.info.times_source == "none: unrelated pictures"
    assert not any("frame rate" in m for m in source.info.missing)
    with ug.open_source(tmp_path, depth_mm=40) as source:
        assert [f.geometry.axial_mm_per_px for f in source] == [1.0, 1.0]
        assert source.info.times_source == "assumed 20 Hz"
        assert any("frame rate" in m for m in source.info.missing)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda p: p.mkdir(), "name their folder"),
        (lambda p: save(p, np.zeros((15, 40), np.uint8)), "at least 16 x 16"),
        (lambda p: save(p, np.zeros((1, 1), np.uint8)), "at least 16 x 16"),
        (lambda p: p.write_bytes(b""), "empty file"),
        (lambda p: p.write_bytes(b"GIF89a" * 50), "can't be decoded"),
        (lambda p: save(p, np.full((40, 40), np.nan, np.float32)), "finite"),
        (lambda p: save(p, np.zeros((40, 40), np.float32)), "full_scale"),
    ],
)
def test_what_is_no_recording_is_refused(tmp_path, make, says):
    make(tmp_path / "x.tiff")
    with pytest.raises((ug.InputError, ug.FormatError), match=says) as caught:
        ug.open_source(tmp_path / "x.tiff", spacing_mm=0.1)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "source",
    ["", 3, None, b"x.png", [], [3, 4], ["a.mp4", "b.mp4"], "nowhere/*.png", "x" * 5000, "v.gif", [GREY, GREY]],
)
def test_what_names_no_recording_is_refused(source):
    with pytest.raises((ug.InputError, ug.FormatError)) as caught:
        ug.open_source(source, spacing_mm=0.1)
    assert "\n" not in str(caught.value)
