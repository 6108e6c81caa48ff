"""MetaImage and NRRD sequences: pixels, spacing, times, status, transforms and orientation as they were written."""

import tracemalloc

import numpy as np
import pytest
from sequence_files import frame_field_lines, matrix_text, write_mha, write_nrrd

import usguide as ug

RNG = np.random.default_rng(6)
STACK = RNG.integers(0, 256, (4, 40, 56), dtype=np.uint8)
WRITERS = {"mha": write_mha, "nrrd": write_nrrd}
MATRIX = np.array([[1.0, 0, 0, 5], [0, 0.5, 0, -2], [0, 0, 1, 0], [0, 0, 0, 1]])
TIMES = ["10.0", "10.043", "10.155", "10.2"]
FIELDS = frame_field_lines(
    4,
    Timestamp=TIMES,
    ImageStatus=["OK", "OK", "INVALID", "OK"],
    ProbeToTrackerTransform=matrix_text(MATRIX),
    ProbeToTrackerTransformStatus=["OK", "INVALID", "OK", "OK"],
    ImageToProbeTransform=matrix_text(np.eye(4)),
)


def opened(path, **options):
    with ug.open_source(path, **options) as source:
        return list(source), source


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("suffix", WRITERS)
def test_pixels_spacing_and_kind(tmp_path, suffix, packed):
    frames, source = opened(WRITERS[suffix](tmp_path / f"a.{suffix}", STACK, packed=packed))
    np.testing.assert_array_equal([f.pixels for f in frames], STACK)
    assert frames[0].geometry == ug.ImageGeometry(0.2, 0.3)
    assert (source.info.kind, source.info.frame_count, source.info.spacing_source) == ("sequence", 4, "file")
    assert source.info.times_source == "assumed 20 Hz"
    assert len(list(ug.open_source(tmp_path / f"a.{suffix}"))) == 4


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("kind", ["u2", "f4", "f8"])
@pytest.mark.parametrize("suffix", WRITERS)
def test_deep_pixels_in_both_byte_orders(tmp_path, suffix, kind, order):
    deep = (STACK.astype(float) * 200).astype(kind)
    frames, _ = opened(WRITERS[suffix](tmp_path / f"a.{suffix}", deep, order=order), full_scale=65535)
    np.testing.assert_array_equal([f.pixels for f in frames], deep)
    assert frames[0].pixels.dtype == np.dtype(kind)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_list_axis_may_stand_anywhere(tmp_path, axis, packed):
    frames, source = opened(write_nrrd(tmp_path / "a.seq.nrrd", STACK, axis=axis, packed=packed))
    np.testing.assert_array_equal([f.pixels for f in frames], STACK)
    assert source.info.frame_count == 4
    assert frames[0].geometry == ug.ImageGeometry(0.2, 0.3)


def test_times_status_and_transforms(tmp_path):
    for suffix, write in WRITERS.items():
        frames, source = opened(write(tmp_path / f"a.{suffix}", STACK, fields=FIELDS))
        assert [f.index for f in frames] == [0, 1, 3]
        assert [f.timestamp_s for f in frames] == [10.0, 10.043, 10.2]
        assert source.bad_frames == 1
        assert any("frame 2 left out: its status is INVALID" in n for n in source.notes)
        assert source.info.times_source == "file"
        assert [sorted(f.transforms) for f in frames] == [
            ["ImageToProbe", "ProbeToTracker"], ["ImageToProbe"], ["ImageToProbe", "ProbeToTracker"],
        ]  # fmt: skip
        np.testing.assert_array_equal(frames[0].transforms["ProbeToTracker"], MATRIX)


@pytest.mark.parametrize("letters", ["MN", "UFA", "FM", "NUA"])
def test_another_orientation_is_turned_and_told(tmp_path, letters):
    fields = FIELDS | {"UltrasoundImageOrientation": letters}
    (first, *_), source = opened(write_mha(tmp_path / "a.mha", STACK, fields=fields))
    expected = STACK[0].T if letters[0] in "FN" else STACK[0]
    expected = expected[::-1] if "N" in letters else expected
    expected = expected[:, ::-1] if "U" in letters else expected
    np.testing.assert_array_equal(first.pixels, expected)
    assert source.info.shape == expected.shape
    spacing = (0.3, 0.2) if letters[0] in "FN" else (0.2, 0.3)
    assert (first.geometry.axial_mm_per_px, first.geometry.lateral_mm_per_px) == spacing
    assert any(letters in n for n in source.notes)
    # The same spot, by value, in the room.
    y, x = np.unravel_index(np.argmax(first.pixels), first.pixels.shape)
    row, column = np.unravel_index(np.argmax(STACK[0] == first.pixels[y, x]), STACK[0].shape)
    spots = {tuple(np.round((first.transforms["ImageToProbe"] @ [x, y, 0, 1])[:2]).astype(int))}
    stored = {(c, r) for r, c in zip(*np.nonzero(STACK[0] == first.pixels[y, x]), strict=True)}
    assert spots <= stored
    assert (column, row) in stored


def test_a_spacing_of_one_in_a_sequence_is_unknown(tmp_path):
    for suffix, write in WRITERS.items():
        path = write(tmp_path / f"a.{suffix}", STACK, spacing=(1, 1), fields=FIELDS)
        info = ug.open_source(path, require_spacing=False).info
        assert (info.geometry, info.spacing_source) == (None, "unknown")
        with pytest.raises(ug.InputError, match="spacing is missing"):
            ug.open_source(path)
    plain = write_mha(tmp_path / "volume.mha", STACK, spacing=(1, 1))
    assert ug.open_source(plain).info.geometry == ug.ImageGeometry(1, 1)


@pytest.mark.parametrize(
    ("label", "unit", "expected"),
    [
        ("time", "s", [0.5, 1.0, 2.0, 2.5]),
        ("time", "", [0.5, 1.0, 2.0, 2.5]),
        ("", "ms", [5e-4, 1e-3, 2e-3, 2.5e-3]),
        ("frame", "", None),
        ("phase", "%R-R", None),
    ],
)
def test_slicers_index_values_are_times_only_where_they_say_so(tmp_path, label, unit, expected):
    changes = {"labels": f'"" "" "{label}"', "units": f'"" "" "{unit}"'}
    fields = {"axis 2 index type": "numeric", "axis 2 index values": "0.5 1 2 2.5"}
    frames, source = opened(write_nrrd(tmp_path / "a.seq.nrrd", STACK, fields=fields, **changes))
    if expected is None:
        assert source.info.times_source == "assumed 20 Hz"
    else:
        assert [f.timestamp_s for f in frames] == pytest.approx(expected)


def test_a_nrrd_of_colours_is_no_list(tmp_path):
    rgb = RNG.integers(0, 256, (40, 56, 3), dtype=np.uint8)
    path = tmp_path / "a.nrrd"
    head = "NRRD0004\ntype: uint8\ndimension: 3\nsizes: 3 56 40\nkinds: RGB-color domain domain\nspacings: nan 0.3 0.2\nencoding: raw\n\n"
    path.write_bytes(head.encode() + rgb.tobytes())
    (frame,), _ = opened(path)
    np.testing.assert_array_equal(frame.pixels, rgb[..., ::-1])
    assert frame.geometry == ug.ImageGeometry(0.2, 0.3)


def test_colour_in_metaimage_is_blue_first_in_a_frame(tmp_path):
    rgb = RNG.integers(0, 256, (2, 40, 56, 3), dtype=np.uint8)
    frames, _ = opened(write_mha(tmp_path / "a.mha", rgb, packed=True))
    np.testing.assert_array_equal([f.pixels for f in frames], rgb[..., ::-1])


def test_header_and_pixels_in_two_files(tmp_path):
    (tmp_path / "a.raw").write_bytes(b"skip" + STACK.tobytes())
    write_mha(tmp_path / "a.mhd", STACK, data=b"", fields={"HeaderSize": "4"}, ElementDataFile="a.raw")
    np.testing.assert_array_equal([f.pixels for f in opened(tmp_path / "a.mhd")[0]], STACK)
    write_mha(tmp_path / "b.mhd", STACK, data=b"", fields={"HeaderSize": "-1"}, ElementDataFile="a.raw")
    np.testing.assert_array_equal([f.pixels for f in opened(tmp_path / "b.mhd")[0]], STACK)
    text = write_nrrd(tmp_path / "x.nrrd", STACK, **{"byte skip": "4", "data file": "a.raw"}).read_bytes()
    (tmp_path / "a.nhdr").write_bytes(text.split(b"\n\n")[0] + b"\n\n")
    np.testing.assert_array_equal([f.pixels for f in opened(tmp_path / "a.nhdr")[0]], STACK)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("suffix", WRITERS)
def test_a_long_sequence_is_not_held_in_memory(tmp_path, suffix, packed):
    long = np.zeros((400, 250, 400), np.uint8)
    path = WRITERS[suffix](tmp_path / f"a.{suffix}", long, packed=packed)
    del long
    tracemalloc.start()
    with ug.open_source(path) as source:
        assert sum(1 for _ in source) == 400
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8e6, f"{peak / 1e6:.0f} MB for frames of 0.1 MB, of 40 MB together"


def test_frames_that_a_compressed_file_lost_are_counted(tmp_path):
    path = write_mha(tmp_path / "a.mha", STACK, packed=True)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) - STACK[0].size // 2])
    frames, source = opened(path)
    np.testing.assert_array_equal([f.pixels for f in frames], STACK[: len(frames)])
    assert 0 < len(frames) < 4
    assert len(frames) + source.bad_frames == 4
    assert any("left out: the file ends early" in n for n in source.notes)


def test_a_depth_that_can_not_be_is_refused(tmp_path):
    path = write_mha(tmp_path / "a.mha", STACK, spacing=(0.01, 0.01))
    assert ug.open_source(path, require_spacing=False).info.spacing_source.startswith("file, refused: 0.4 mm deep")
    with pytest.raises(ug.InputError, match="refused"):
        ug.open_source(path)
    assert ug.open_source(path, depth_mm=4).info.spacing_source == "given by depth"
