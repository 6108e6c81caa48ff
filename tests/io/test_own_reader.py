"""The example of a reader of one's own is held to what the readers of usguide are held to."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import usguide as ug
from usguide.io.options import SourceOptions

PATH = Path(__file__).parents[2] / "examples" / "own_reader.py"
PIXELS = np.random.default_rng(9).integers(0, 256, (4, 60, 80), dtype=np.uint8)


@pytest.fixture(scope="module")
def example():
    if not PATH.is_file():
        pytest.skip("examples are not beside these tests: run them in the source tree")
    spec = importlib.util.spec_from_file_location("own_reader", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_reads_its_format(example, tmp_path):
    (tmp_path / "a.toyus").write_bytes(b"TOYUS 4 60 80 0.2 25\n" + PIXELS.tobytes())
    with example.ToySource(tmp_path / "a.toyus", SourceOptions.checked()) as source:
        frames = list(source)
    np.testing.assert_array_equal([f.pixels for f in frames], PIXELS)
    assert [f.timestamp_s for f in frames] == pytest.approx([0, 0.04, 0.08, 0.12])
    assert frames[0].geometry == ug.ImageGeometry(0.2, 0.2)
    given = example.ToySource(tmp_path / "a.toyus", SourceOptions.checked(spacing_mm=0.5, frame_rate_hz=10))
    assert (given.info.spacing_source, given.info.frame_rate_hz) == ("given", 10)


@pytest.mark.parametrize(
    "data", [b"", b"TOYUS 4 60 80 x 25\n", b"TOYUS 4 60 80 0.2 25\n123", b"TOYUS 9 9 9 1 1\n" + bytes(729)]
)
def test_it_says_what_is_wrong(example, tmp_path, data):
    (tmp_path / "a.toyus").write_bytes(data)
    with pytest.raises(ug.FormatError, match=r"a\.toyus: expected"):
        example.ToySource(tmp_path / "a.toyus", SourceOptions.checked())


def test_it_runs(example, capsys):
    example.main()
    assert "scan.toyus: 10 frames at 20 Hz" in capsys.readouterr().out
