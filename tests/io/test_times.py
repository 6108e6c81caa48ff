"""Times of pictures and arrays that do not bring their own."""

import cv2
import numpy as np
import pytest

import usguide as ug

PIXELS = np.random.default_rng(10).integers(0, 256, (3, 60, 80), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path):
    for name, pixels in zip(("f1", "f2", "f10"), PIXELS, strict=True):
        cv2.imwrite(str(tmp_path / f"{name}.png"), pixels)
    return tmp_path


def times_of(source, **options):
    with ug.open_source(source, spacing_mm=0.2, **options) as opened:
        return [f.timestamp_s for f in opened], opened.info


def test_given_times(folder):
    for source in (folder, [folder / "f1.png", folder / "f2.png", folder / "f10.png"], PIXELS):
        times, info = times_of(source, timestamps_s=[5.0, 5.1, 7.0])
        assert times == [5.0, 5.1, 7.0]
        assert (info.times_source, info.frame_rate_hz) == ("given", pytest.approx(1 / 1.0))
        assert info.missing == () or all("frame rate" not in m for m in info.missing)


def test_a_table_beside_the_pictures(folder):
    (folder / "timestamps.csv").write_text("name,time_s\nf10.png,9.5\nf1.png,1\nf2.png,1.25\n")
    times, info = times_of(folder)
    assert times == [1, 1.25, 9.5]
    assert info.times_source == "file: timestamps.csv"
    assert times_of([folder / "f2.png", folder / "f10.png"])[0] == [1.25, 9.5]
    assert times_of(folder, frame_rate_hz=10)[0] == pytest.approx([0, 0.1, 0.2])
    assert times_of(folder, timestamps_s=[0, 1, 2])[0] == [0, 1, 2]
    assert times_of(folder, stills=True)[1].times_source == "none: unrelated pictures"


@pytest.mark.parametrize("table", ["", "a,b\n1,2\n", "name,time_s\nf1.png,1\nf2.png,2\n", "name,time_s\nf1.png,x\nf2.png,2\nf10.png,3\n", "name,time_s\nf1.png,1\nf2.png,1\nf10.png,3\n", "name,time_s\nf1.png,nan\nf2.png,1\nf10.png,3\n"])  # fmt: skip
def test_a_table_that_does_not_fit_is_told(folder, table):
    (folder / "timestamps.csv").write_text(table)
    with pytest.raises(ug.FormatError, match=r"timestamps\.csv: expected"):
        times_of(folder)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"timestamps_s": [0, 1]}, "a time for each of 3 frames, got 2"),
        ({"timestamps_s": [0, 1, 1]}, "increase"),
        ({"timestamps_s": [0, np.inf, 1]}, "finite"),
        ({"timestamps_s": "now"}, "finite"),
        ({"timestamps_s": [0, 1, 2], "frame_rate_hz": 5}, "got both"),
    ],
)
def test_times_that_can_not_be(folder, options, words):
    with pytest.raises(ug.InputError, match=words):
        times_of(folder, **options)
