"""DICOM gives back what was written: pixels in every syntax and colour, regions, spacing, times."""

import numpy as np
import pytest
from dicom_files import PATIENT, SYNTAXES, region, write_dicom_file

import usguide as ug
from usguide.io.dicom_header import frame_times

RNG = np.random.default_rng(5)
GREY = RNG.integers(0, 256, (3, 60, 80), dtype=np.uint8)
GREY[:, 20:30] = np.arange(80, dtype=np.uint8) * 3
SMOOTH = np.stack([np.add.outer(np.arange(60), np.arange(80) + 9 * k).astype(np.uint8) for k in range(3)])
WHOLE = region((0, 0, 80, 60), (0.02, 0.01))


def opened(path, **options):
    with ug.open_source(path, **{"spacing_mm": 0.2, **options}) as source:
        return list(source), source


def info_of(path, **options):
    with ug.open_source(path, require_spacing=False, **options) as source:
        return source.info, source.notes


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_grey_frames_in_every_syntax(tmp_path, syntax):
    frames, source = opened(write_dicom_file(tmp_path / "a.dcm", SMOOTH, syntax=syntax, FrameTime="40"))
    tolerance = 3 if syntax == "JPEG" else 0
    np.testing.assert_allclose([f.pixels.astype(int) for f in frames], SMOOTH, atol=tolerance)
    assert [f.timestamp_s for f in frames] == pytest.approx([0, 0.04, 0.08])
    assert (source.info.kind, source.info.frame_count, source.info.shape) == ("dicom", 3, (60, 80))
    assert source.info.times_source == "file: frame time"
    assert source.bad_frames == 0
    again = list(ug.open_source(tmp_path / "a.dcm", spacing_mm=0.2))
    assert [f.index for f in again] == [0, 1, 2]


def test_a_file_without_a_suffix_is_known_by_its_preamble(tmp_path):
    frames, _ = opened(write_dicom_file(tmp_path / "IM000001", GREY))
    np.testing.assert_array_equal([f.pixels for f in frames], GREY)


@pytest.mark.parametrize("syntax", ["explicit", "big endian", "RLE"])
def test_sixteen_bits_keep_their_values_and_their_white(tmp_path, syntax):
    deep = RNG.integers(0, 4096, (2, 60, 80), dtype=np.uint16)
    frames, _ = opened(write_dicom_file(tmp_path / "a.dcm", deep, syntax=syntax, bits=12))
    np.testing.assert_array_equal([f.pixels for f in frames], deep)
    assert frames[0].pixels.dtype == np.dtype("u2")
    assert frames[0].full_scale == 4095


def test_the_wrong_byte_order_is_told_where_it_shows(tmp_path):
    deep = RNG.integers(0, 4096, (1, 60, 80), dtype=np.uint16).byteswap()
    path = write_dicom_file(tmp_path / "a.dcm", deep, bits=12)
    with pytest.raises(ug.FormatError, match="byte order"):
        ug.open_source(path, spacing_mm=0.1)


def test_black_and_white_swapped(tmp_path):
    frames, _ = opened(write_dicom_file(tmp_path / "a.dcm", GREY, photometric="MONOCHROME1"))
    np.testing.assert_array_equal([f.pixels for f in frames], 255 - GREY)


def test_grey_in_rgb_becomes_grey_and_an_overlay_stays_colour(tmp_path):
    rgb = np.repeat(GREY[..., None], 3, axis=-1)
    frames, source = opened(write_dicom_file(tmp_path / "grey.dcm", rgb, photometric="RGB"))
    np.testing.assert_array_equal([f.pixels for f in frames], GREY)
    assert source.info.channels == 1
    rgb[:, 10:20, 10:30] = (255, 200, 0)
    frames, source = opened(write_dicom_file(tmp_path / "colour.dcm", rgb, photometric="RGB"))
    np.testing.assert_array_equal([f.pixels for f in frames], rgb[..., ::-1])
    assert source.info.channels == 3


def test_grey_in_ybr_is_its_luma(tmp_path):
    ybr = np.dstack([GREY[0], np.full_like(GREY[0], 128), np.full_like(GREY[0], 127)])[None]
    frames, _ = opened(write_dicom_file(tmp_path / "a.dcm", ybr, photometric="YBR_FULL"))
    np.testing.assert_array_equal(frames[0].pixels, GREY[0])


def test_colour_in_ybr_is_converted(tmp_path):
    ybr = np.zeros((1, 60, 80, 3), np.uint8)
    ybr[...] = 76, 85, 255  # ITU-R BT.601: pure red
    frames, _ = opened(write_dicom_file(tmp_path / "a.dcm", ybr, photometric="YBR_FULL"))
    np.testing.assert_allclose(frames[0].pixels[30, 40].astype(int), [0, 0, 255], atol=2)


@pytest.mark.parametrize(("entry_bits", "shift"), [(8, 0), (16, 8), (16, 0)])
def test_a_palette_is_looked_up(tmp_path, entry_bits, shift):
    tables = RNG.integers(0, 256, (3, 256))
    elements = {}
    for name, table in zip(("Red", "Green", "Blue"), tables, strict=True):
        elements[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, entry_bits]
        kind = "u1" if entry_bits == 8 else "<u2"
        elements[f"{name}PaletteColorLookupTableData"] = (table << shift).astype(kind).tobytes()
    path = write_dicom_file(tmp_path / "a.dcm", GREY, photometric="PALETTE COLOR", **elements)
    frames, source = opened(path)
    np.testing.assert_array_equal(frames[1].pixels, np.moveaxis(tables[::-1, GREY[1]], 0, -1))
    assert (frames[0].full_scale, source.info.dtype) == (255, "uint8")


@pytest.mark.parametrize("name", ["ybr_color", "rgb_color", "palette_color", "jpeg2k"])
def test_colours_are_those_that_pydicom_shows(name):
    examples = pytest.importorskip("pydicom.examples")
    from pydicom.pixels.utils import pixel_array

    path = examples.get_path(name)
    frames, source = opened(path)
    reference = pixel_array(path)
    if name == "palette_color":
        from pydicom import dcmread
        from pydicom.pixels.processing import apply_color_lut

        reference = apply_color_lut(reference, dcmread(path)) >> 8
    reference = reference if reference.ndim == 4 else reference[None]
    assert len(frames) == len(reference)
    assert max(np.abs(f.pixels[..., ::-1].astype(int) - r).max() for f, r in zip(frames, reference, strict=True)) <= 1
    assert source.info.geometry == ug.ImageGeometry(0.2, 0.2)


def test_a_region_gives_box_and_spacing(tmp_path):
    path = write_dicom_file(tmp_path / "a.dcm", GREY, regions=[region((10, 5, 60, 50), (0.02, -0.03))])
    info, notes = info_of(path)
    assert info.region == (10, 5, 60, 50)
    assert info.geometry.axial_mm_per_px == pytest.approx(0.2)
    assert info.geometry.lateral_mm_per_px == pytest.approx(0.3)
    assert (info.region_source, info.spacing_source, notes) == ("file", "file", [])


@pytest.mark.parametrize("what", [{"spatial": 3}, {"spatial": 2}, {"data": 2}, {"data": 4}])
def test_what_is_no_tissue_picture_is_no_region(tmp_path, what):
    other = region((0, 40, 80, 20), (0.5, 0.5), **what)
    info, _ = info_of(write_dicom_file(tmp_path / "a.dcm", GREY, regions=[other]))
    assert (info.region, info.geometry) == (None, None)
    info, notes = info_of(write_dicom_file(tmp_path / "b.dcm", GREY, regions=[other, region((0, 0, 80, 40))]))
    assert info.region == (0, 0, 80, 40)
    assert notes == []


@pytest.mark.parametrize("units", [0, 4, 5])
def test_other_units_than_centimetres_give_no_spacing(tmp_path, units):
    path = write_dicom_file(
        tmp_path / "a.dcm", GREY, regions=[region((0, 0, 80, 60), units=units)], PixelSpacing=[1, 1]
    )
    info, _ = info_of(path)
    assert info.region == (0, 0, 80, 60)
    assert (info.geometry, info.spacing_source) == (None, "unknown")


def test_several_regions_are_listed_and_the_user_chooses(tmp_path):
    path = write_dicom_file(
        tmp_path / "a.dcm", GREY, regions=[region((0, 0, 30, 60), (0.02, 0.02)), region((30, 0, 50, 60), (0.03, 0.03))]
    )
    info, notes = info_of(path)
    assert info.region == (30, 0, 50, 60)
    assert info.geometry.axial_mm_per_px == pytest.approx(0.3)
    assert any("2 tissue regions" in n and "0,0,30,60" in n and "--roi" in n for n in notes)
    info, notes = info_of(path, region=(2, 2, 20, 50))
    assert info.region == (2, 2, 20, 50)
    assert info.geometry.axial_mm_per_px == pytest.approx(0.2)
    assert notes == []


def test_a_box_outside_every_region_has_no_spacing(tmp_path):
    path = write_dicom_file(tmp_path / "a.dcm", GREY, regions=[region((0, 0, 30, 60), (0.02, 0.02))])
    assert info_of(path, region=(40, 0, 40, 60))[0].geometry is None


def test_a_region_beyond_the_picture_is_told_and_one_pixel_is_not(tmp_path):
    beyond = write_dicom_file(tmp_path / "a.dcm", GREY, regions=[region((20, 0, 200, 60))])
    info, notes = info_of(beyond)
    assert (info.region, info.geometry) == (None, None)
    assert any("rescaled" in n for n in notes)
    one = write_dicom_file(tmp_path / "b.dcm", GREY, regions=[region((0, 0, 81, 61), (0.02, 0.02))])
    info, notes = info_of(one)
    assert (info.region, notes) == ((0, 0, 80, 60), [])
    assert info.geometry is not None


def test_pydicoms_rescaled_example_is_told():
    examples = pytest.importorskip("pydicom.examples")
    info, notes = info_of(examples.get_path("ybr_color"))
    assert (info.region, info.geometry, info.frame_count) == (None, None, 30)
    assert any("does not lie in the image of 320 x 240" in n for n in notes)


def test_pixel_spacing_counts_where_there_are_no_regions(tmp_path):
    info, _ = info_of(write_dicom_file(tmp_path / "a.dcm", GREY, PixelSpacing=["0.2", "0.3"]))
    assert info.geometry == ug.ImageGeometry(0.2, 0.3)


def test_a_depth_that_can_not_be_is_refused_unless_given(tmp_path):
    path = write_dicom_file(tmp_path / "a.dcm", GREY, regions=[region((0, 0, 80, 60), (0.0001, 0.0001))])
    info, _ = info_of(path)
    assert info.geometry is None
    assert info.spacing_source == "file, refused: 0.06 mm deep, not 5 to 300"
    with pytest.raises(ug.InputError, match=r"refused: 0.06 mm deep"):
        ug.open_source(path)
    assert opened(path, spacing_mm=0.001)[1].info.geometry == ug.ImageGeometry(0.001, 0.001)
    assert opened(path, spacing_mm=None, depth_mm=0.06)[1].info.geometry.axial_mm_per_px == pytest.approx(0.001)


def test_a_frame_time_vector_is_uneven(tmp_path):
    path = write_dicom_file(tmp_path / "a.dcm", GREY, FrameTimeVector=["0", "50", "110"], FrameTime="40")
    frames, source = opened(path)
    assert [f.timestamp_s for f in frames] == pytest.approx([0, 0.05, 0.16])
    assert source.info.times_source == "file: frame time vector"


@pytest.mark.parametrize("steps", [["0", "50"], ["0", "50", "0"], ["0", "50", "-3"]])
def test_a_vector_that_does_not_fit_is_told(tmp_path, steps):
    info, notes = info_of(write_dicom_file(tmp_path / "a.dcm", GREY, FrameTimeVector=steps, CineRate="25"))
    assert (info.times_source, info.frame_rate_hz) == ("file: cine rate", pytest.approx(25))
    assert any("frame time vector" in n for n in notes)


def test_no_times_are_assumed_and_told(tmp_path):
    info, _ = info_of(write_dicom_file(tmp_path / "a.dcm", GREY))
    assert info.times_source == "assumed 20 Hz"
    assert any("frame rate" in m for m in info.missing)
    info, _ = info_of(tmp_path / "a.dcm", timestamps_s=[1.0, 1.5, 4.0])
    assert info.times_source == "given"


@pytest.mark.parametrize("value", ["1e-300", "0", "-5", "1e300"])
def test_times_that_can_not_be_are_not_used(value):
    assert frame_times({"FrameTime": float(value)}, 3, [])[0] is None


def test_a_broken_frame_in_the_middle_is_left_out_and_counted(tmp_path):
    from dicom_files import jpeg

    fragments = [jpeg(f) for f in SMOOTH]
    fragments[1] = fragments[1][:40] + b"\0" * 40
    frames, source = opened(write_dicom_file(tmp_path / "a.dcm", SMOOTH, syntax="JPEG", fragments=fragments))
    assert [f.index for f in frames] == [0, 2]
    assert source.bad_frames == 1
    assert any(n.startswith("frame 1 left out") for n in source.notes)


def test_the_patient_is_not_in_the_name(tmp_path):
    for name in ("erika.dcm", f"{PATIENT[1]}.dcm"):
        assert info_of(write_dicom_file(tmp_path / name, GREY))[0].name == "recording.dcm"
    assert info_of(write_dicom_file(tmp_path / "loop 3.dcm", GREY))[0].name == "loop 3.dcm"


@pytest.mark.parametrize("syntax", ["explicit", "JPEG"])
def test_thousands_of_frames_are_not_held_in_memory(tmp_path, syntax):
    import tracemalloc

    from dicom_files import jpeg

    one = np.add.outer(np.arange(100), np.arange(120)).astype(np.uint8)
    fragments = [jpeg(one)] * 3000 if syntax == "JPEG" else None
    many = np.broadcast_to(one, (3000, 100, 120))  # 36 MB
    path = write_dicom_file(tmp_path / "a.dcm", many, syntax=syntax, fragments=fragments, FrameTime="40")
    opened(write_dicom_file(tmp_path / "b.dcm", GREY, syntax=syntax))  # what is loaded once is loaded now
    tracemalloc.start()
    with ug.open_source(path, spacing_mm=0.2) as source:
        assert sum(1 for _ in source) == 3000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6e6, f"{peak / 1e6:.1f} MB"
