"""Debian's dcmdump (dcmtk) and dciodvfy (dicom3tools), which know nothing of pydicom, agree on what is read and written."""

import re
import shutil
import subprocess

import numpy as np
import pytest
from dicom_files import region, write_dicom_file

import usguide as ug
from usguide.io import write_dicom

PIXELS = np.stack([np.add.outer(np.arange(60), np.arange(80) * 2 + k).astype(np.uint8) for k in range(3)])
REGIONS = [region((4, 5, 70, 50), (0.02, 0.03))]
CORNERS = [f"RegionLocation{c}" for c in ("MinX0", "MinY0", "MaxX1", "MaxY1")]
DELTAS = ["PhysicalDeltaY", "PhysicalDeltaX"]
SYNTHETIC = {
    "explicit": lambda p: write_dicom_file(p, PIXELS, regions=REGIONS, FrameTime="40"),
    "implicit": lambda p: write_dicom_file(p, PIXELS, syntax="implicit", regions=REGIONS),
    "big endian": lambda p: write_dicom_file(p, PIXELS.astype(np.uint16), syntax="big endian", regions=REGIONS),
    "RLE": lambda p: write_dicom_file(p, PIXELS, syntax="RLE", regions=REGIONS),
    "JPEG": lambda p: write_dicom_file(p, PIXELS, syntax="JPEG", regions=REGIONS),
}


def ran(tool, *arguments):
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} absent: apt-get install dcmtk dicom3tools")
    return subprocess.run([tool, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)


def dumped(path, *names):
    """Values of these elements, wherever they are, in the order of the file."""
    done = ran("dcmdump", "+P", *" +P ".join(names).split(), path)
    assert done.returncode == 0, done.stderr
    values = {name: [] for name in names}
    for line in done.stdout.splitlines():
        found = re.match(r"\s*\([0-9a-f,]+\) \w\w \[?([^\]#]*?)\]?\s+#.* (\w+)$", line)
        values[found[2]].append(float(found[1]))
    return values


def check(path):
    """Compare every fact that usguide gives of a file with dcmdump's."""
    info = ug.open_source(path, require_spacing=False).info
    size = dumped(path, "Rows", "Columns", "NumberOfFrames")
    assert info.shape == (size["Rows"][0], size["Columns"][0])
    assert info.frame_count == (size["NumberOfFrames"] or [1])[0]
    facts = dumped(path, *CORNERS, *DELTAS)
    left, top, right, bottom = (facts[c][0] if facts[c] else None for c in CORNERS)
    if info.region is not None:
        x, y, w, h = info.region
        # Some scanners, and the public recordings, say the size in place of the last pixel.
        assert (x, y) == (left, top)
        assert (x + w, y + h) == (min(right + 1, info.shape[1]), min(bottom + 1, info.shape[0]))
        assert right <= info.shape[1]
        assert bottom <= info.shape[0]
        spacing = info.geometry.axial_mm_per_px, info.geometry.lateral_mm_per_px
        assert spacing == pytest.approx([10 * facts[d][0] for d in DELTAS])
    elif right is not None:
        assert right > info.shape[1] or bottom > info.shape[0]
        assert info.geometry is None
    return info


@pytest.mark.parametrize("name", ["anechoic-3mm-3mm", "axial-lateral-resolution-2020"])
def test_the_public_recordings(recordings, name):
    info = check(recordings / "pocus-phantom" / f"sonoque_{name}.dcm")
    assert info.geometry is not None


@pytest.mark.parametrize("name", ["ybr_color", "rgb_color", "palette_color", "jpeg2k"])
def test_the_examples_of_pydicom(name):
    examples = pytest.importorskip("pydicom.examples")
    check(examples.get_path(name))


@pytest.mark.parametrize("name", SYNTHETIC)
def test_files_made_for_the_tests(tmp_path, name):
    info = check(SYNTHETIC[name](tmp_path / "a.dcm"))
    assert info.region == (4, 5, 70, 50)


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("box", [None, (4, 5, 71, 50)])
def test_what_is_written_has_no_error_of_structure(tmp_path, count, box):
    path = tmp_path / "a.dcm"
    geometry = ug.ImageGeometry(0.2, 0.3)
    odd = PIXELS[:, :59, :79]  # an odd number of bytes for one frame
    write_dicom((ug.Frame(p, geometry, 0.04 * k, k, box) for k, p in enumerate(odd[:count])), path, derivation="x")
    done = ran("dciodvfy", path)
    lines = done.stderr.splitlines()
    # It holds rows, columns and frames against the length of the pixels, too.
    assert (done.returncode, [x for x in lines if x.startswith("Error")]) == (0, [])
    assert ("USMultiFrameImage" if count > 1 else "USImage") in lines
    info = check(path)
    assert (info.shape, info.frame_count, info.region) == ((59, 79), count, box or (0, 0, 79, 59))


def test_dciodvfy_would_see_a_wrong_size(tmp_path):
    import pydicom

    write_dicom([ug.Frame(PIXELS[0], ug.ImageGeometry(0.2, 0.2))], tmp_path / "a.dcm", derivation="x")
    header = pydicom.dcmread(tmp_path / "a.dcm")
    header.Rows = 61
    header.save_as(tmp_path / "b.dcm")
    assert "PixelData has incorrect value length" in ran("dciodvfy", tmp_path / "b.dcm").stderr
