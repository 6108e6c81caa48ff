"""Whatever is in a file, a reader gives frames or says in one line that it can't. More of it: benchmarks/fuzz."""

import random
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from reader_damage import FILES, damage

import usguide as ug
from usguide.io.dicom_header import choose_region, frame_times, tissue_regions
from usguide.io.nrrd_axes import axes_of, pictures_of
from usguide.io.sequence_fields import frame_fields, times_of

RUNS = 60


def read_all(path):
    """Open and read; return the frames, or the line that says why there are none."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            with ug.open_source(path, spacing_mm=0.1, full_scale=255) as source:
                return sum(1 for _ in source)
        except ug.UsguideError as error:
            return str(error)


@pytest.mark.parametrize("name", FILES)
def test_damaged_files_are_read_or_refused(tmp_path, name):
    path = FILES[name](tmp_path / name)
    whole = path.read_bytes()
    assert read_all(path) == 3
    dice, outcomes = random.Random(11), set()
    for _ in range(RUNS):
        path.write_bytes(damage(whole, dice))
        came = read_all(path)
        assert isinstance(came, int) or len(came.splitlines()) == 1
        outcomes.add(type(came))
    assert outcomes == {int, str}


TEXTS = st.text(max_size=30) | st.sampled_from(
    ["nan", "inf", "-1", "1e400", "OK", "INVALID", "1 0 0 0 " * 4, "0 " * 15]
)
KEYS = st.builds(
    "Seq_Frame{}_{}".format,
    st.integers(0, 10**10) | st.sampled_from(["0000", "0001", "", "-1", "x"]),
    st.sampled_from(["Timestamp", "ImageStatus", "ATransform", "ATransformStatus", "Transform", ""])
    | st.text(max_size=5),
) | st.text(max_size=20)


@settings(max_examples=300)
@given(st.dictionaries(KEYS, TEXTS, max_size=8), st.integers(1, 10**12))
def test_any_fields_of_a_sequence_are_sorted_or_left_out(header, frames):
    fields = frame_fields(header, frames)
    assert all(0 <= k < frames for k in fields)
    for one in fields.values():
        assert one.timestamp_s is None or np.isfinite(one.timestamp_s)
        assert all(m.shape == (4, 4) and np.isfinite(m).all() for m in one.transforms.values())
    times = times_of(fields, frames)
    assert times is None or len(times) == frames


NUMBERS = st.none() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.floats(), max_size=3)
ITEMS = st.fixed_dictionaries(
    {"RegionSpatialFormat": st.just(1) | NUMBERS, "RegionDataType": st.just(1) | NUMBERS},
    optional={
        **{f"RegionLocation{c}": st.integers(-5, 90) | NUMBERS for c in ("MinX0", "MinY0", "MaxX1", "MaxY1")},
        **{f"PhysicalUnits{c}Direction": st.just(3) | NUMBERS for c in "XY"},
        **{f"PhysicalDelta{c}": NUMBERS for c in "XY"},
    },
)


@settings(max_examples=300)
@given(st.lists(ITEMS, max_size=4), st.none() | st.tuples(*[st.integers(0, 50)] * 2, *[st.integers(1, 90)] * 2))
def test_any_regions_are_boxes_in_the_picture_or_left_out(items, given_box):
    notes = []
    regions = tissue_regions({"SequenceOfUltrasoundRegions": items}, (60, 80), notes)
    for found in regions:
        x, y, w, h = found.box
        assert x >= 0
        assert y >= 0
        assert w >= 1
        assert h >= 1
        assert x + w <= 80
        assert y + h <= 60
        assert found.spacing_mm is None or all(np.isfinite(v) and v > 0 for v in found.spacing_mm)
    chosen = choose_region(regions, given_box, notes)
    assert chosen is None or given_box in (None, chosen.box)
    assert all(len(n.splitlines()) == 1 for n in notes)


TIMES = st.fixed_dictionaries({}, optional=dict.fromkeys(("FrameTimeVector", "FrameTime", "CineRate"), NUMBERS))


@settings(max_examples=300)
@given(TIMES, st.integers(1, 5))
@example({"FrameTimeVector": [0.0, 8979476171660876.0, 1.0]}, 3)  # a step that is lost beside a huge one
def test_any_times_rise_or_are_left_out(header, frames):
    times, _ = frame_times(header, frames, [])
    if times is not None:
        assert len(times) == frames
        assert np.isfinite(times).all()
        assert (np.diff(times) > 0).all()


KINDS = st.sampled_from(["domain", "space", "list", "time", "RGB-color", "vector", "???"])


@settings(max_examples=300, suppress_health_check=[HealthCheck.filter_too_much])
@given(st.lists(st.tuples(st.integers(0, 5), KINDS), max_size=6))
def test_any_axes_are_pictures_or_refused(axes):
    sizes, kinds = [s for s, _ in axes], [k for _, k in axes]
    try:
        found = axes_of(sizes, kinds)
    except ValueError:
        return
    volume = np.arange(np.prod(sizes))
    pictures = pictures_of(volume, sizes, found)
    assert pictures.shape[1:3] == (sizes[found.y], sizes[found.x])
    assert sorted(pictures.ravel()) == volume.tolist()
