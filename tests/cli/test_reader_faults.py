"""Damaged, odd and hostile recordings through the command line: one clear line and exit code 2, in little memory."""

import importlib.util
import json
import sys
import tracemalloc

import cv2
import numpy as np
import pytest
from conftest import needle_picture
from dicom_files import PATIENT, jpeg, region, write_dicom_file
from sequence_files import frame_field_lines, write_mha, write_nrrd

from usguide.cli import main

RNG = np.random.default_rng(7)
SMOOTH = np.stack([np.add.outer(np.arange(60), np.arange(80) + 9 * k).astype(np.uint8) for k in range(3)])
DEEP = SMOOTH.astype(np.uint16) * 16
WHOLE = [region((0, 0, 80, 60), (0.02, 0.02))]


@pytest.fixture
def usguide(monkeypatch, capsys):
    """Run the command line in this process; return exit code, stdout, stderr."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["usguide", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return ended.value.code, out, err

    return run


def refused(usguide, tmp_path, path, *options, words=""):
    """Check that `info` and `track` both say what is wrong in one line, and leave nothing behind."""
    for command in (
        ("info", path, *options),
        ("track", path, "--out", tmp_path / "o", "--spacing-mm", "0.2", *options),
    ):
        code, out, err = usguide(*command)
        assert (code, out) == (2, ""), err
        assert err.startswith("usguide: error: ")
        assert len(err.splitlines()) == 1
        assert len(err) < 500
        assert words in err, err
        assert "Traceback" not in err
    assert not (tmp_path / "o").exists()


def write_jpeg_dicom(path):
    return write_dicom_file(path, SMOOTH[:1], syntax="JPEG", regions=WHOLE)


WHOLE_FILES = {
    "uncompressed.dcm": lambda p: write_dicom_file(p, SMOOTH, regions=WHOLE),
    "jpeg.dcm": write_jpeg_dicom,
    "rle.dcm": lambda p: write_dicom_file(p, SMOOTH[:1], syntax="RLE"),
    "raw.mha": lambda p: write_mha(p, SMOOTH),
    "packed.mha": lambda p: write_mha(p, RNG.integers(0, 256, (1, 60, 80), dtype=np.uint8), packed=True),
    "raw.nrrd": lambda p: write_nrrd(p, SMOOTH),
    "packed.nrrd": lambda p: write_nrrd(p, RNG.integers(0, 256, (1, 60, 80), dtype=np.uint8), packed=True),
}


@pytest.mark.parametrize("name", WHOLE_FILES)
def test_a_file_cut_at_ten_places(usguide, tmp_path, name):
    path = WHOLE_FILES[name](tmp_path / name)
    data = path.read_bytes()
    assert usguide("info", path)[0] == 0
    # The last cut takes what no reader can do without: in a compressed file its end marker and checksum say nothing new.
    end = len(data) - (1 if name.startswith(("raw", "uncompressed")) else 64)
    for cut in np.linspace(0, end, 10).astype(int):
        path.write_bytes(data[:cut])
        refused(usguide, tmp_path, path, words=name)


def palette(tmp_path):
    tables = {f"{c}PaletteColorLookupTableDescriptor": [256, 0, 8] for c in ("Red", "Green", "Blue")}
    data = {f"{c}PaletteColorLookupTableData": bytes(range(256)) for c in ("Red", "Green", "Blue")}
    return write_dicom_file(tmp_path / "a.dcm", SMOOTH, photometric="PALETTE COLOR", **tables, **data)


GOOD = {
    "16 bits in DICOM": lambda t: write_dicom_file(t / "a.dcm", DEEP, bits=12),
    "16 bits in MetaImage": lambda t: write_mha(t / "a.mha", DEEP, order=">"),
    "colour": lambda t: write_dicom_file(t / "a.dcm", np.stack([SMOOTH, SMOOTH[::-1], SMOOTH], -1), photometric="RGB"),
    "palette": palette,
    "some frames INVALID": lambda t: write_mha(
        t / "a.mha", SMOOTH, fields=frame_field_lines(3, ImageStatus=["OK", "INVALID", "OK"])
    ),
}


@pytest.mark.parametrize("what", GOOD)
def test_what_is_odd_but_sound_runs(usguide, tmp_path, what):
    code, _, err = usguide("track", GOOD[what](tmp_path), "--out", tmp_path / "o", "--spacing-mm", "0.2", "--no-video")
    assert (code, err) == (0, "")
    summary = json.loads((tmp_path / "o" / "summary.json").read_text(encoding="utf-8"))
    assert summary["bad_frames"] == ("INVALID" in what)
    assert summary["frames"] == 3 - ("INVALID" in what)


def _written(path, data):
    path.write_bytes(data)
    return path


def huge_dicom(tmp_path, syntax="explicit", **elements):
    fragments = [jpeg(SMOOTH[0])] if syntax == "JPEG" else None
    return write_dicom_file(tmp_path / "a.dcm", SMOOTH, syntax=syntax, fragments=fragments, **elements)


def swapped_syntax(tmp_path):
    path = write_dicom_file(tmp_path / "a.dcm", DEEP, bits=12)
    path.write_bytes(path.read_bytes().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.2\0"))
    return path


def bomb(tmp_path):
    import zlib

    return write_mha(
        tmp_path / "a.mha", SMOOTH, packed=True, data=zlib.compress(bytes(10_000_000)), DimSize="16000 16000 40000"
    )


FAULTS = {
    "more frames than data": (lambda t: huge_dicom(t, NumberOfFrames="4"), "19200 bytes"),
    "more rows than data": (lambda t: huge_dicom(t, Rows=61), "bytes of pixels"),
    "huge frames": (lambda t: huge_dicom(t, Rows=65535, Columns=65535), "65535 x 65535"),
    "millions of frames": (lambda t: huge_dicom(t, NumberOfFrames="2000000000"), "9600000000000 bytes"),
    "millions of compressed frames": (lambda t: huge_dicom(t, "JPEG", NumberOfFrames="2000000000"), "bytes"),
    "no frames": (lambda t: huge_dicom(t, NumberOfFrames="-3"), "-3"),
    "tiny frames": (lambda t: write_dicom_file(t / "a.dcm", SMOOTH[:, :9, :9]), "9 x 9"),
    "byte order of the header": (swapped_syntax, "a.dcm"),
    "byte order of the pixels": (lambda t: write_dicom_file(t / "a.dcm", DEEP.byteswap(), bits=12), "byte order"),
    "no pixel data": (lambda t: huge_dicom(t, drop=["PixelData"]), "bytes of pixels"),
    "signed": (lambda t: huge_dicom(t, PixelRepresentation=1), "signed 8 of 8"),
    "32 bits": (lambda t: huge_dicom(t, BitsAllocated=32), "of 32 bits"),
    "unknown syntax": (lambda t: write_dicom_file(t / "a.dcm", SMOOTH, syntax="1.2.3.4.5"), "1.2.3.4.5"),
    "deflated": (lambda t: write_dicom_file(t / "a.dcm", SMOOTH, syntax="1.2.840.10008.1.2.1.99", fragments=[b"12"]), "a.dcm"),
    "video in DICOM": (
        lambda t: write_dicom_file(t / "a.dcm", SMOOTH, syntax="1.2.840.10008.1.2.4.102", fragments=[b"1234"]),
        "a video inside DICOM",
    ),
    "a report": (
        lambda t: huge_dicom(t, drop=["Rows", "Columns", "PixelData"], SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11"),
        "Basic Text SR",
    ),
    "a directory": (
        lambda t: huge_dicom(t, drop=["Rows", "Columns", "PixelData"], SOPClassUID="1.2.840.10008.1.3.10"),
        "Media Storage Directory",
    ),
    "JPEG that is none": (lambda t: write_dicom_file(t / "a.dcm", SMOOTH, syntax="JPEG", fragments=[b"\xff\xd8\xff" * 20] * 3), "decoded"),
    "not DICOM": (lambda t: _written(t / "a.dcm", b"hello" * 100), "DICM"),
    "only spoilt status": (lambda t: write_mha(t / "a.mha", SMOOTH, DimSize="80 60 0"), "DimSize"),
    "mha: more frames than data": (lambda t: write_mha(t / "a.mha", SMOOTH, DimSize="80 60 4"), "19200 bytes"),
    "mha: huge": (lambda t: write_mha(t / "a.mha", SMOOTH, DimSize="100000 100000 9999999"), "99999990000000000 bytes"),
    "mha: zeros that inflate": (bomb, "bytes"),
    "mha: negative": (lambda t: write_mha(t / "a.mha", SMOOTH, DimSize="-80 -60 3"), "DimSize"),
    "mha: no number": (lambda t: write_mha(t / "a.mha", SMOOTH, DimSize="80 sixty 3"), "sixty"),
    "mha: no size": (lambda t: write_mha(t / "a.mha", SMOOTH, DimSize=None), "DimSize"),
    "mha: signed": (lambda t: write_mha(t / "a.mha", SMOOTH.astype(np.int16)), "MET_SHORT"),
    "mha: two channels": (lambda t: write_mha(t / "a.mha", SMOOTH, ElementNumberOfChannels="2", DimSize="40 60 3"), "2 channels"),
    "mha: orientation": (lambda t: write_mha(t / "a.mha", SMOOTH, fields={"UltrasoundImageOrientation": "XY"}), "XY"),
    "mha: text": (lambda t: write_mha(t / "a.mha", SMOOTH, BinaryData="False"), "text"),
    "mha: no header": (lambda t: _written(t / "a.mha", RNG.bytes(5000)), "NAME = VALUE"),
    "mhd: elsewhere": (lambda t: write_mha(t / "a.mhd", SMOOTH, ElementDataFile="../../etc/passwd"), "beside"),
    "mhd: absent": (lambda t: write_mha(t / "a.mhd", SMOOTH, ElementDataFile="a.raw"), "a.raw"),
    "mhd: list": (lambda t: write_mha(t / "a.mhd", SMOOTH, ElementDataFile="LIST"), "LIST"),
    "nrrd: more frames than data": (lambda t: write_nrrd(t / "a.nrrd", SMOOTH, sizes="80 60 4"), "19200 bytes"),
    "nrrd: huge": (lambda t: write_nrrd(t / "a.nrrd", SMOOTH, packed=True, sizes="100000 100000 99999"), "999990000000000 bytes"),
    "nrrd: interleaved and huge": (
        lambda t: write_nrrd(t / "a.nrrd", np.zeros((3, 60, 80), np.uint8), packed=True, sizes="9999999999 80 60", kinds="list domain domain"),
        "bytes",
    ),
    "nrrd: signed": (lambda t: write_nrrd(t / "a.nrrd", SMOOTH.astype(np.int16)), "int16"),
    "nrrd: encoding": (lambda t: write_nrrd(t / "a.nrrd", SMOOTH, encoding="hex"), "hex"),
    "nrrd: volumes": (lambda t: write_nrrd(t / "a.nrrd", SMOOTH, dimension=4, sizes="20 4 60 3", kinds="domain domain domain list"), "no pictures"),
    "nrrd: elsewhere": (lambda t: write_nrrd(t / "a.nrrd", SMOOTH, **{"data file": "/etc/passwd"}), "beside"),
    "nrrd: no header": (lambda t: _written(t / "a.nrrd", RNG.bytes(5000)), "NRRD"),
}  # fmt: skip


@pytest.mark.parametrize("what", FAULTS)
def test_a_fault_is_one_clear_line_in_little_memory(usguide, tmp_path, what):
    write, words = FAULTS[what]
    path = write(tmp_path)
    tracemalloc.start()
    refused(usguide, tmp_path, path, words=words)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40e6, f"{peak / 1e6:.0f} MB"


def test_a_missing_decoder_names_what_to_install(usguide, tmp_path):
    path = write_dicom_file(tmp_path / "a.dcm", SMOOTH, syntax="1.2.840.10008.1.2.4.80", fragments=[b"1234"] * 3)
    if any(importlib.util.find_spec(name) for name in ("jpeg_ls", "pylibjpeg")):
        pytest.skip("a decoder for JPEG-LS is installed here")
    refused(usguide, tmp_path, path, words="pip install pyjpegls")


@pytest.mark.parametrize(("package", "name"), [("pydicom", "a.dcm"), ("nrrd", "a.nrrd")])
def test_a_missing_extra_names_the_command(usguide, tmp_path, monkeypatch, package, name):
    path = WHOLE_FILES["uncompressed.dcm" if name == "a.dcm" else "raw.nrrd"](tmp_path / name)
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, "usguide.io.nrrd", raising=False)
    extra = "dicom" if package == "pydicom" else "itk"
    refused(usguide, tmp_path, path, words=f"pip install 'usguide[{extra}]'")


def test_only_invalid_frames_are_no_recording(usguide, tmp_path):
    path = write_mha(tmp_path / "a.mha", SMOOTH, fields=frame_field_lines(3, ImageStatus="INVALID"))
    code, _, err = usguide("track", path, "--out", tmp_path / "o", "--spacing-mm", "0.2")
    assert code == 2
    assert "no frame could be used: frame 0 left out: its status is INVALID" in err


def test_a_refused_depth_is_shown_and_told(usguide, tmp_path):
    path = write_dicom_file(tmp_path / "a.dcm", SMOOTH, regions=[region((0, 0, 80, 60), (0.0007, 0.0007))])
    code, out, _ = usguide("info", path, "--json")
    assert code == 0
    assert json.loads(out)["spacing_source"] == "file, refused: 0.42 mm deep, not 5 to 300"
    code, _, err = usguide("track", path, "--out", tmp_path / "o")
    assert (code, len(err.splitlines())) == (2, 1)
    assert "0.42 mm deep" in err
    assert usguide("track", path, "--out", tmp_path / "o", "--depth-mm", "40", "--no-video", "--quiet")[0] == 0


def test_the_patient_is_nowhere_in_what_is_written(usguide, tmp_path):
    frames = np.stack([needle_picture(length_mm=9 + k, seed=k)[0] for k in range(3)])
    height, width = frames.shape[1:]
    path = write_dicom_file(
        tmp_path / "Mustermann_loop.dcm",
        frames,
        regions=[region((0, 0, width, height), (0.01, 0.01))],
        PatientBirthDate="19700101",
        InstitutionName="Klinikum Musterstadt",
        FrameTime="50",
    )
    said = [usguide("info", path), usguide("info", path, "--json")]
    said += [usguide("track", path, "--out", tmp_path / "o"), usguide("track", path, "--out", tmp_path / "p", "--json")]
    said += [usguide("despeckle", path, "--out", tmp_path / "smooth", "--quiet")]
    assert [code for code, _, _ in said] == [0] * 5
    assert any("recording.dcm" in out for _, out, _ in said)
    written = [p for d in ("o", "p", "smooth") for p in (tmp_path / d).rglob("*") if p.is_file()]
    assert {p.name for p in written} >= {"results.jsonl", "summary.json", "overlay.mp4", "recording.dcm"}
    everything = "".join(out + err for _, out, err in said).encode() + b"".join(p.read_bytes() for p in written)
    everything += "".join(p.name for p in written).encode()
    for secret in (*PATIENT[0].split("^"), PATIENT[1], "19700101", "Musterstadt"):
        assert secret.lower().encode() not in everything.lower(), secret


@pytest.mark.parametrize("name", ["loop.dcm", "loop.igs.mha", "loop.seq.nrrd"])
def test_despeckle_keeps_the_container(usguide, tmp_path, name):
    frames = np.stack([needle_picture(length_mm=9 + k, seed=k)[0] for k in range(3)])
    frames[:, :20] = 255  # what stands outside the region
    box = (0, 20, frames.shape[2], frames.shape[1] - 20)
    if name.endswith("dcm"):
        write_dicom_file(
            tmp_path / name, frames, regions=[region(box, (0.01, 0.02))], FrameTimeVector=["0", "40", "70"]
        )
    else:
        times = frame_field_lines(3, Timestamp=["5.0", "5.04", "5.11"])
        write = write_mha if name.endswith("mha") else write_nrrd
        write(tmp_path / name, frames, spacing=(0.2, 0.1), fields=times)
    options = [] if name.endswith("dcm") else ["--roi", ",".join(map(str, box))]
    code, _, err = usguide("despeckle", tmp_path / name, "--out", tmp_path / "o", "--method", "median", *options)
    assert (code, err) == (0, "")
    import usguide as ug

    before, after = (list(ug.open_source(p)) for p in (tmp_path / name, tmp_path / "o" / name))
    assert [f.timestamp_s for f in after] == pytest.approx([f.timestamp_s for f in before])
    for old, new in zip(before, after, strict=True):
        assert new.geometry.axial_mm_per_px == pytest.approx(old.geometry.axial_mm_per_px)
        assert new.geometry.lateral_mm_per_px == pytest.approx(old.geometry.lateral_mm_per_px)
        assert not new.pixels[:20].any()
        # Away from the region's edge, where filters differ in what they take to lie beyond it.
        np.testing.assert_array_equal(new.pixels[30:-9, 9:-9], cv2.medianBlur(old.pixels, 5)[30:-9, 9:-9])


def test_what_pydicom_finds_odd_is_not_logged(usguide, tmp_path, caplog):
    # A UID that is none is quoted by pydicom, in a warning and in its log.
    path = write_dicom_file(tmp_path / "a.dcm", SMOOTH, StudyInstanceUID="1.2.3.4567")
    _written(path, path.read_bytes().replace(b"1.2.3.4567", b"Mustermann"))
    caplog.clear()
    caplog.set_level("DEBUG")
    assert usguide("info", path)[0] == 0
    refused(usguide, tmp_path, _written(path, path.read_bytes()[:-5]))
    assert "muster" not in caplog.text.lower()


def test_info_tells_what_was_not_used(usguide, tmp_path):
    path = write_dicom_file(tmp_path / "a.dcm", SMOOTH, regions=[region((20, 0, 200, 60))])
    code, out, _ = usguide("info", path, "--json")
    assert code == 0
    assert any("rescaled" in n for n in json.loads(out)["notes"])
    assert "rescaled" in usguide("info", path)[1].replace("\n", " ")
