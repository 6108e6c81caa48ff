"""Arrays in memory and in files: what they say of themselves, and where they are damaged."""

import zipfile

import numpy as np
import pytest

import usguide as ug

RNG = np.random.default_rng(7)
STACK = RNG.integers(0, 256, (5, 40, 60), dtype=np.uint8)


def read(source, **options):
    with ug.open_source(source, **options) as opened:
        return list(opened), opened


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, ">u2", np.float16, np.float32, "<f8", ">f8"])
@pytest.mark.parametrize("suffix", ["npy", "npz", "memory"])
def test_every_type_of_number_keeps_its_values(tmp_path, dtype, suffix):
    stack = STACK.astype(dtype)
    path = tmp_path / f"a.{suffix}"
    if suffix == "npy":
        np.save(path, stack)
    elif suffix == "npz":
        np.savez_compressed(path, frames=stack)
    frames, _ = read(stack if suffix == "memory" else path, spacing_mm=0.1, full_scale=255)
    np.testing.assert_array_equal([f.pixels for f in frames], STACK)
    assert all(f.pixels.dtype == np.dtype(dtype).newbyteorder("=") for f in frames)


@pytest.mark.parametrize("shape", [(40, 60), (40, 60, 3), (2, 40, 60), (2, 40, 60, 3)])
@pytest.mark.parametrize("suffix", ["npy", "npz", "memory"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_one_picture_is_one_frame(tmp_path, shape, suffix, order):
    pixels = np.asarray(RNG.integers(0, 256, shape), dtype=np.uint8, order=order)
    path = tmp_path / f"a.{suffix}"
    if suffix == "npy":
        np.save(path, pixels)
    elif suffix == "npz":
        np.savez(path, pixels)
    frames, source = read(pixels if suffix == "memory" else path, spacing_mm=0.1)
    single = shape[0] == 40
    assert len(frames) == source.info.frame_count == (1 if single else 2)
    np.testing.assert_array_equal(np.array([f.pixels for f in frames]), pixels[None] if single else pixels)
    assert source.info.channels == (3 if shape[-1] == 3 else 1)


def test_what_the_user_states_goes_before_the_file(tmp_path):
    np.savez(
        tmp_path / "a.npz", frames=STACK / 255.0, full_scale=1.0, spacing_mm=0.3, origin_mm=[3, 4],
        region=[1, 2, 20, 20], timestamps_s=np.arange(5) * 0.5,
    )  # fmt: skip
    frames, source = read(tmp_path / "a.npz")
    assert frames[0].geometry == ug.ImageGeometry(0.3, 0.3, (3.0, 4.0))
    assert (frames[0].full_scale, frames[0].region, frames[4].timestamp_s) == (1.0, (1, 2, 20, 20), 2.0)
    assert (source.info.frame_rate_hz, source.info.times_source, source.info.region_source) == (2.0, "file", "file")
    assert source.info.missing == ()
    frames, source = read(tmp_path / "a.npz", full_scale=2.0, spacing_mm=0.1, region=(0, 0, 30, 30), frame_rate_hz=10)
    assert frames[0].geometry == ug.ImageGeometry(0.1, 0.1)
    assert (frames[0].full_scale, frames[0].region) == (2.0, (0, 0, 30, 30))
    assert frames[4].timestamp_s == pytest.approx(0.4)
    assert (source.info.times_source, source.info.region_source) == ("frame rate given", "given")


def test_what_usguide_does_not_know_is_not_read(tmp_path):
    np.savez(tmp_path / "a.npz", frames=STACK, remarks=np.array([{"a": 1}], dtype=object))
    assert len(read(tmp_path / "a.npz", spacing_mm=0.1)[0]) == 5


def test_equal_times_state_no_frame_rate(tmp_path):
    np.savez(tmp_path / "a.npz", frames=STACK, timestamps_s=np.zeros(5))
    frames, source = read(tmp_path / "a.npz", spacing_mm=0.1)
    assert source.info.frame_rate_hz is None
    assert [f.timestamp_s for f in frames] == [0.0] * 5


def test_the_input_is_not_changed_and_never_copied_as_a_whole():
    before = STACK.copy()
    frames, _ = read(STACK, spacing_mm=0.1)
    assert all(np.shares_memory(f.pixels, STACK) for f in frames)
    np.testing.assert_array_equal(STACK, before)


def test_a_large_file_is_read_as_far_as_it_is_asked_for(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", frames=RNG.integers(0, 256, (50, 64, 64), dtype=np.uint8))
    asked = []
    with ug.open_source(tmp_path / "a.npz", spacing_mm=0.1) as source:
        member_frames = source._frames.frames

        def watched():
            for frame in member_frames():
                asked.append(1)
                yield frame

        source._frames.frames = watched
        stream = iter(source)
        for k in range(1, 4):
            next(stream)
            assert len(asked) == k


def test_truth_comes_with_the_frames(tmp_path):
    tip = RNG.uniform(0, 5, (5, 2))
    np.savez(tmp_path / "a.npz", frames=STACK, truth_tip_mm=tip)
    _, source = read(tmp_path / "a.npz", spacing_mm=0.1)
    np.testing.assert_array_equal(source.info.truth.tip_mm, tip)
    np.savez(tmp_path / "a.npz", frames=STACK)
    assert read(tmp_path / "a.npz", spacing_mm=0.1)[1].info.truth is None


def test_nan_in_the_first_frame_is_an_error_and_later_a_bad_frame(tmp_path):
    floats = STACK.astype(float)
    floats[0, 0, 0] = np.nan
    np.save(tmp_path / "a.npy", floats)
    with pytest.raises(ug.InvalidFrameError, match=r"a\.npy: .*1 NaN"):
        ug.open_source(tmp_path / "a.npy", spacing_mm=0.1, full_scale=255)
    floats[0, 0, 0], floats[3, 1, 1] = 0, np.inf
    frames, source = read(floats, spacing_mm=0.1, full_scale=255)
    assert [f.index for f in frames] == [0, 1, 2, 4]
    assert source.bad_frames == 1


def test_a_damaged_end_gives_the_frames_before_it(tmp_path):
    stack = RNG.integers(0, 256, (50, 64, 64), dtype=np.uint8)
    np.savez_compressed(tmp_path / "a.npz", frames=stack)
    data = bytearray((tmp_path / "a.npz").read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = bytes(3000)
    (tmp_path / "a.npz").write_bytes(data)
    frames, source = read(tmp_path / "a.npz", spacing_mm=0.1)
    assert 20 < len(frames) < 50
    np.testing.assert_array_equal([f.pixels for f in frames[:20]], stack[:20])
    assert source.bad_frames == 1
    assert "and later ones left out" in source.notes[0]


def locked(path):
    """Say in the archive that it is under a password."""
    np.savez(path, frames=STACK)
    data = bytearray(path.read_bytes())
    data[6] |= 1
    data[data.rfind(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)


def saved(**arrays):
    return lambda path: np.savez(path, **arrays)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (saved(frames=STACK, timestamps_s=[0, 1]), "5 finite numbers in 'timestamps_s', got 2"),
        (saved(frames=STACK, timestamps_s=[0, 1, np.nan, 2, 3]), "5 finite numbers in 'timestamps_s'"),
        (saved(frames=STACK, timestamps_s=["a"] * 5), "5 finite numbers in 'timestamps_s'"),
        (saved(frames=STACK, spacing_mm=[0.1, -0.1]), "above 0"),
        (saved(frames=STACK, spacing_mm=0.1, origin_mm=[1]), "'origin_mm'"),
        (saved(frames=STACK, spacing_mm=0.1, sector=[0, 0, 5, 1, 0, 10]), "radius_mm"),
        (saved(frames=STACK, region=[0, 0, 900, 900]), "inside the 60 x 40 image"),
        (saved(frames=STACK / 255.0, full_scale=0.0), "above 0"),
        (saved(frames=STACK / 255.0), "state it"),
        (saved(frames=STACK, truth_tip_mm=np.zeros((4, 2))), "a truth row a frame"),
        (saved(frames=STACK, truth_tip_mm=np.array(["a"])), "truth"),
        (saved(frames=STACK.astype(int)), "got int64; convert it first"),
        (saved(frames=STACK > 5), "got bool"),
        (saved(frames=STACK.ravel()), "reshape it"),
        (saved(frames=STACK[:, :1, :1]), "at least 16 x 16"),
        (saved(frames=np.array(5)), "reshape it"),
        (saved(a=STACK, b=STACK), "named 'frames', got a, b"),
        (locked, "password"),
        (lambda p: p.write_bytes(b""), "empty"),
        (lambda p: zipfile.ZipFile(p, "w").close(), "got no array"),
    ],
)
def test_faults_name_the_file_and_what_was_expected(tmp_path, make, says):
    make(tmp_path / "a.npz")
    with pytest.raises((ug.InputError, ug.FormatError), match=says) as caught:
        ug.open_source(tmp_path / "a.npz", require_spacing=False)
    assert str(caught.value).startswith("a.npz: ")
    assert "\n" not in str(caught.value)
    (tmp_path / "a.npz").rename(tmp_path / "b.npz")  # the file is not held open


@pytest.mark.parametrize(
    "options",
    [
        {"spacing_mm": "x"},
        {"spacing_mm": np.nan},
        {"spacing_mm": np.array([0.1, 0.1, 0.1])},
        {"depth_mm": 30, "region": (0, 0, 10, 0)},
        {"region": (0.5, 0, 10, 10), "spacing_mm": 0.1},
        {"region": (-1, 0, 10, 10), "spacing_mm": 0.1},
        {"region": (0, 0, np.inf, 10), "spacing_mm": 0.1},
        {"region": "abcd", "spacing_mm": 0.1},
        {"full_scale": -1, "spacing_mm": 0.1},
    ],
)
def test_options_that_can_not_be(options):
    with pytest.raises(ug.InputError, match="expected"):
        ug.open_source(STACK, **options)


def test_spacing_is_axial_then_lateral():
    for spacing in ((0.1, 0.2), [0.1, 0.2], np.array([0.1, 0.2])):
        assert read(STACK, spacing_mm=spacing)[0][0].geometry == ug.ImageGeometry(0.1, 0.2)
    assert read(STACK, spacing_mm=np.float32(0.5))[0][0].geometry == ug.ImageGeometry(0.5, 0.5)
