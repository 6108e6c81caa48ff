"""What is written, SimpleITK, pynrrd, pydicom and usguide itself read back."""

import nrrd
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813

import usguide as ug
from usguide.io import write_dicom, write_sequence

RNG = np.random.default_rng(8)
TIMES = [7435.148643, 7435.2, 7435.3111, 1e4]
GEOMETRY = ug.ImageGeometry(0.2, 0.3123456789012345)
POSES = [np.vstack([RNG.normal(size=(3, 4)), [0, 0, 0, 1]]) for _ in TIMES]
PIXELS = {
    "grey": RNG.integers(0, 256, (4, 40, 56), dtype=np.uint8),
    "deep": RNG.integers(0, 65536, (4, 40, 56), dtype=np.uint16),
    "float": RNG.random((4, 40, 56), dtype=np.float32),
    "double": RNG.random((4, 40, 56)),
    "colour": RNG.integers(0, 256, (4, 40, 56, 3), dtype=np.uint8),
}


def frames_of(pixels, geometry=GEOMETRY, **options):
    scale = 1.0 if pixels.dtype.kind == "f" else None
    return [
        ug.Frame(p, geometry, t, k, full_scale=scale, transforms={"ProbeToTracker": m, "ImageToProbe": np.eye(4)}, **options)
        for k, (p, t, m) in enumerate(zip(pixels, TIMES, POSES, strict=True))
    ]  # fmt: skip


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("kind", PIXELS)
@pytest.mark.parametrize("suffix", [".igs.mha", ".seq.nrrd"])
def test_usguide_reads_what_it_wrote(tmp_path, suffix, kind, compressed):
    path, written = tmp_path / f"a{suffix}", frames_of(PIXELS[kind])
    assert write_sequence(iter(written), path, compressed=compressed) == 4
    with ug.open_source(path, full_scale=1.0 if kind in ("float", "double") else None) as source:
        read = list(source)
    assert source.info.times_source == "file"
    for old, new in zip(written, read, strict=True):
        np.testing.assert_array_equal(new.pixels, old.pixels)
        assert new.pixels.dtype == old.pixels.dtype
        assert (new.timestamp_s, new.geometry) == (old.timestamp_s, old.geometry)
        assert new.transforms.keys() == old.transforms.keys()
        for name, matrix in old.transforms.items():
            np.testing.assert_array_equal(new.transforms[name], matrix)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("kind", PIXELS)
def test_simpleitk_reads_metaimage(tmp_path, kind, compressed):
    write_sequence(frames_of(PIXELS[kind]), tmp_path / "a.mha", compressed=compressed)
    image = sitk.ReadImage(str(tmp_path / "a.mha"))
    stored = PIXELS[kind][..., ::-1] if kind == "colour" else PIXELS[kind]
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), stored)
    assert image.GetSpacing()[:2] == pytest.approx((GEOMETRY.lateral_mm_per_px, 0.2), rel=1e-12)
    for k, (time, pose) in enumerate(zip(TIMES, POSES, strict=True)):
        assert float(image.GetMetaData(f"Seq_Frame{k:04d}_Timestamp")) == time
        text = image.GetMetaData(f"Seq_Frame{k:04d}_ProbeToTrackerTransform")
        np.testing.assert_array_equal(np.array(text.split(), float).reshape(4, 4), pose)
        assert image.GetMetaData(f"Seq_Frame{k:04d}_ImageStatus") == "OK"
    assert image.GetMetaData("UltrasoundImageOrientation") == "MF"


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("kind", PIXELS)
def test_pynrrd_reads_nrrd(tmp_path, kind, compressed):
    write_sequence(frames_of(PIXELS[kind]), tmp_path / "a.nrrd", compressed=compressed)
    data, header = nrrd.read(str(tmp_path / "a.nrrd"), index_order="C")
    colour = int(kind == "colour")
    np.testing.assert_array_equal(data[:, 0], PIXELS[kind][..., ::-1] if colour else PIXELS[kind])
    assert header["kinds"] == ["RGB-color"] * colour + ["domain"] * 3 + ["list"]
    axial, lateral = header["space directions"][1 + colour], header["space directions"][colour]
    np.testing.assert_array_equal([lateral, axial], [[GEOMETRY.lateral_mm_per_px, 0, 0], [0, 0.2, 0]])
    assert np.isnan(header["space directions"][-1]).all()
    axis = 3 + colour
    np.testing.assert_array_equal(np.array(header[f"axis {axis} index values"].split(), float), TIMES)
    assert (header["labels"][axis], header["units"][axis]) == ("time", "s")
    pose = np.array(header["Seq_Frame0002_ProbeToTrackerTransform"].split(), float).reshape(4, 4)
    np.testing.assert_array_equal(pose, POSES[2])


def test_simpleitk_reads_the_spacing_and_the_pixels_of_a_nrrd(tmp_path):
    write_sequence(frames_of(PIXELS["grey"]), tmp_path / "a.nrrd")
    image = sitk.ReadImage(str(tmp_path / "a.nrrd"))
    assert image.GetSpacing()[:2] == pytest.approx((GEOMETRY.lateral_mm_per_px, 0.2))
    np.testing.assert_array_equal(np.moveaxis(sitk.GetArrayFromImage(image)[0], -1, 0), PIXELS["grey"])


def test_what_simpleitk_writes_is_read(tmp_path):
    image = sitk.GetImageFromArray(PIXELS["grey"])
    image.SetSpacing((0.3, 0.2, 1.0))
    for name, packed in (("a.mha", True), ("b.mha", False), ("c.mhd", True), ("d.nrrd", True), ("e.nhdr", False)):
        sitk.WriteImage(image, str(tmp_path / name), packed)
        frames = list(ug.open_source(tmp_path / name))
        np.testing.assert_array_equal([f.pixels for f in frames], PIXELS["grey"])
        assert frames[0].geometry == ug.ImageGeometry(0.2, 0.3)


@pytest.mark.parametrize("suffix", [".mha", ".nrrd"])
def test_what_is_not_known_is_not_written(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    write_sequence(frames_of(PIXELS["grey"]), path, spacing_known=False, times_known=False)
    info = ug.open_source(path, require_spacing=False).info
    assert (info.geometry, info.times_source) == (None, "assumed 20 Hz")


@pytest.mark.parametrize(
    ("frames", "name", "words"),
    [
        ([], "a.mha", "at least one frame"),
        (frames_of(PIXELS["grey"]), "a.mhd", "ends in .mha or .nrrd"),
        ([*frames_of(PIXELS["grey"]), *frames_of(PIXELS["grey"][:, :30])], "a.mha", "throughout"),
        ([*frames_of(PIXELS["grey"]), *frames_of(PIXELS["grey"], ug.ImageGeometry(1, 1))], "a.nrrd", "one spacing"),
        ([ug.Frame(PIXELS["grey"][0], GEOMETRY, transforms={"a b": np.eye(4)})], "a.mha", "a b"),
        ([ug.Frame(PIXELS["grey"][0], GEOMETRY, transforms={"a": np.eye(3)})], "a.mha", "4 x 4"),
    ],
)
def test_what_can_not_be_written_leaves_the_old_file(tmp_path, frames, name, words):
    (tmp_path / name).write_text("old")
    with pytest.raises(ug.UsguideError, match=words):
        write_sequence(frames, tmp_path / name)
    assert [p.read_text() for p in tmp_path.iterdir()] == ["old"]


def test_a_dicom_loop_is_read_back(tmp_path):
    frames = frames_of(PIXELS["grey"][:, :39, :55], region=(5, 4, 40, 30))
    assert write_dicom(frames, tmp_path / "a.dcm", derivation="despeckled") == 4
    with ug.open_source(tmp_path / "a.dcm") as source:
        read = list(source)
    np.testing.assert_array_equal([f.pixels for f in read], [f.pixels for f in frames])
    np.testing.assert_allclose(np.diff([f.timestamp_s for f in read]), np.diff(TIMES), rtol=1e-8)
    assert read[0].region == (5, 4, 40, 30)
    assert read[0].geometry.lateral_mm_per_px == pytest.approx(GEOMETRY.lateral_mm_per_px, rel=1e-12)
    header = pydicom.dcmread(tmp_path / "a.dcm")
    np.testing.assert_array_equal(header.pixel_array, [f.pixels for f in frames])
    assert list(header.ImageType) == ["DERIVED", "SECONDARY"]
    assert (header.PatientName, header.PatientID, header.StudyDate) == ("", "", "")
    again = tmp_path / "b.dcm"
    write_dicom(frames, again, derivation="despeckled")
    assert pydicom.dcmread(again).SOPInstanceUID != header.SOPInstanceUID


def test_a_long_dicom_loop_keeps_its_times(tmp_path):
    count = 9000  # their vector is longer than the 64 KB that explicit types allow
    frames = (
        ug.Frame(np.zeros((16, 16), np.uint8), ug.ImageGeometry(1, 1), 0.1 * k + 1e-4 * (k % 7), k)
        for k in range(count)
    )
    write_dicom(frames, tmp_path / "a.dcm", derivation="x")
    with ug.open_source(tmp_path / "a.dcm") as source:
        times = np.array([f.timestamp_s for f in source])
    expected = np.array([0.1 * k + 1e-4 * (k % 7) for k in range(count)])
    np.testing.assert_allclose(times, expected, atol=1e-5)


def test_dicom_refuses_what_it_would_have_to_change(tmp_path):
    for kind in ("deep", "colour"):
        with pytest.raises(ug.InputError, match="grey pixels of 8 bits"):
            write_dicom(frames_of(PIXELS[kind]), tmp_path / "a.dcm", derivation="x")
    with pytest.raises(ug.FormatError, match="at least one frame"):
        write_dicom([], tmp_path / "a.dcm", derivation="x")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("known", [True, False])
def test_a_single_picture_has_no_times(tmp_path, known):
    frame = ug.Frame(PIXELS["grey"][0], ug.ImageGeometry(0.25, 0.5))
    write_dicom([frame], tmp_path / "a.dcm", derivation="x", spacing_known=known)
    info = ug.open_source(tmp_path / "a.dcm", require_spacing=False).info
    assert (info.frame_count, info.times_source) == (1, "one picture")
    assert (info.geometry is not None) == known
