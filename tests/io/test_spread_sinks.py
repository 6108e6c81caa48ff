"""Masks and the plot of a run: read back by others' readers, in the right place, whole or not there."""

import csv
import io

import cv2
import nrrd
import numpy as np
import pytest
import SimpleITK

import usguide as ug
from usguide.injectate import SpreadMeasurer
from usguide.io.sinks import CsvSink, MaskFiles, SpreadPlot, result_record
from usguide.io.sinks.spread import labels_on
from usguide.io.sinks.tables import CSV_COLUMNS

GRID = ug.ImageGeometry(0.3, 0.3, (1.1, 0.4))
FINE = ug.ImageGeometry(0.08, 0.12, (-2.0, 1.0))
SHAPE = (300, 260)


def fluid_of(*circles, ring=None, **options):
    """Pools on the evidence grid, with an edge known to about 0.1 mm."""
    yy, xx = np.mgrid[:80, :90]
    x, z = np.moveaxis(GRID.to_mm(np.stack([xx, yy], axis=-1)), -1, 0)
    labels, inward = np.zeros(xx.shape, np.int32), np.full(xx.shape, -9.0)
    for k, (cx, cz, radius) in enumerate(circles):
        depth = radius - np.hypot(x - cx, z - cz)
        depth = depth if ring is None else np.minimum(depth, np.hypot(x - cx, z - cz) - ring)
        labels[depth > 0] = k + 1
        inward = np.maximum(inward, depth)
    probability = (1 / (1 + np.exp(-np.clip(inward / 0.1, -40, 40)))).astype(np.float32)
    numbers = range(1, 9)
    return SpreadMeasurer().update(
        labels,
        GRID,
        timestamp_s=0.0,
        onsets_s=dict.fromkeys(numbers, 0.5),
        confidences=dict.fromkeys(numbers, 0.9),
        probability=probability,
        **options,
    )


def frame_at(k, shape=SHAPE, geometry=FINE):
    return ug.Frame(np.zeros(shape, np.uint8), geometry, 0.04 * k, k)


def result_at(k, fluid):
    return ug.GuidanceResult(k, 0.04 * k, ug.TrackState.SEARCHING, ug.InputState.OK, injectate=fluid)


def true_labels(*circles, hole=0.0):
    yy, xx = np.mgrid[: SHAPE[0], : SHAPE[1]]
    x, z = np.moveaxis(FINE.to_mm(np.stack([xx, yy], axis=-1)), -1, 0)
    labels = np.zeros(SHAPE, np.uint8)
    for k, (cx, cz, radius) in enumerate(circles):
        r = np.hypot(x - cx, z - cz)
        labels[(r < radius) & (r >= hole)] = k + 1
    return labels


def dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


TWO = ((9.0, 10.0, 3.0), (20.0, 14.0, 4.0))


def test_labels_are_finer_than_the_grid_and_have_holes():
    labels = labels_on(frame_at(0), fluid_of(*TWO))
    truth = true_labels(*TWO)
    for number in (1, 2):
        assert dice(labels == number, truth == number) > 0.985
    ring = labels_on(frame_at(0), fluid_of((15.0, 12.0, 5.0), ring=3.0))
    assert dice(ring > 0, true_labels((15.0, 12.0, 5.0), hole=3.0) > 0) > 0.98
    area = (ring > 0).sum() * 0.08 * 0.12
    assert area == pytest.approx(np.pi * (25 - 9), rel=0.01)


def test_fluid_without_outlines_is_the_mask():
    fluid = fluid_of(*TWO)
    bare = ug.Injectate((), fluid.mask, fluid.geometry, (), fluid.area_mm2, None, None, None, None, 1.0)
    np.testing.assert_array_equal(labels_on(frame_at(0), bare), fluid.mask_on(frame_at(0)))


@pytest.fixture
def written(tmp_path):
    sink = MaskFiles(tmp_path)
    fluids = [None, fluid_of(), fluid_of(TWO[0]), fluid_of(*TWO)]
    for k, fluid in enumerate(fluids):
        sink.write(frame_at(k), result_at(k, fluid))
    sink.write(frame_at(4, shape=(100, 100)), result_at(4, fluids[-1]))  # another size: left out
    sink.write(frame_at(5), result_at(5, fluids[-1]))
    assert not list(tmp_path.glob("injectate*"))
    sink.close()
    expected = np.stack([labels_on(frame_at(k), fluids[f]) for k, f in ((1, 1), (2, 2), (3, 3), (5, 3))])
    return tmp_path, expected


def test_masks_are_numpy_arrays(written):
    folder, expected = written
    with np.load(folder / "injectate.npz") as found:
        np.testing.assert_array_equal(found["labels"], expected)
        assert found["index"].tolist() == [1, 2, 3, 5]
        assert found["timestamps_s"].tolist() == pytest.approx([0.04, 0.08, 0.12, 0.2])
        assert found["spacing_mm"].tolist() == [0.08, 0.12]
        assert found["origin_mm"].tolist() == [-2.0, 1.0]
    assert {p.name for p in folder.iterdir()} == {"injectate.npz", "injectate.seq.nrrd"}, "something was left behind"


def test_masks_are_read_by_pynrrd(written):
    folder, expected = written
    data, header = nrrd.read(str(folder / "injectate.seq.nrrd"))
    np.testing.assert_array_equal(np.moveaxis(data, -1, 0)[..., 0].transpose(0, 2, 1), expected)
    np.testing.assert_allclose(header["space origin"], (-2.0, 1.0, 0.0))
    np.testing.assert_allclose(header["space directions"][:2, :2], np.diag([0.12, 0.08]))
    times = [float(t) for t in header["axis 3 index values"].split()]
    assert times == pytest.approx([0.04, 0.08, 0.12, 0.2])


def test_masks_are_read_by_simpleitk(written):
    folder, expected = written
    image = SimpleITK.ReadImage(str(folder / "injectate.seq.nrrd"))
    # ITK makes a list axis, which has no place in space, the components of a pixel.
    assert image.GetNumberOfComponentsPerPixel() == 4
    np.testing.assert_array_equal(np.moveaxis(np.squeeze(SimpleITK.GetArrayFromImage(image)), -1, 0), expected)
    assert image.GetSpacing()[:2] == pytest.approx((0.12, 0.08))
    assert image.GetOrigin()[:2] == pytest.approx((-2.0, 1.0))


def test_masks_are_a_recording_too(written):
    folder, expected = written
    with ug.open_source(folder / "injectate.seq.nrrd") as source:
        frames = list(source)
    np.testing.assert_array_equal(np.stack([f.pixels for f in frames]), expected)
    assert [f.timestamp_s for f in frames] == pytest.approx([0.04, 0.08, 0.12, 0.2])


def test_a_run_without_a_segmenter_leaves_no_files(tmp_path):
    for sink in (MaskFiles(tmp_path), SpreadPlot(tmp_path / "spread.png")):
        sink.write(frame_at(0), result_at(0, None))
        sink.close()
    assert not list(tmp_path.iterdir())


def test_masks_that_can_not_be_written_leave_nothing_half(tmp_path, monkeypatch):
    def full(*_args, **_options):
        raise OSError(28, "No space left on device")

    sink = MaskFiles(tmp_path)
    sink.write(frame_at(0), result_at(0, fluid_of(*TWO)))
    monkeypatch.setattr("numpy.lib.format.write_array_header_1_0", full)
    with pytest.raises(OSError, match="No space left"):
        sink.close()
    assert not list(tmp_path.iterdir())


def test_the_plot_is_a_picture(tmp_path):
    sink = SpreadPlot(tmp_path / "spread.png", "name")
    for k in range(5):
        sink.write(frame_at(k), result_at(k, fluid_of(*TWO)))
    sink.close()
    assert cv2.imread(str(tmp_path / "spread.png")).shape[1] == 1200
    assert [p.name for p in tmp_path.iterdir()] == ["spread.png"]


def test_the_record_holds_all_that_is_measured():
    target = ug.Target.disc((20.0, 14.0), 2.0)
    record = result_record(frame_at(0), result_at(0, fluid_of(*TWO, target=target)))["injectate"]
    assert record["area_mm2"] == pytest.approx(np.pi * 25, rel=0.02)
    assert record["area_sigma_mm2"] > 0
    assert record["perimeter_mm"] == pytest.approx(2 * np.pi * 7, rel=0.02)
    assert record["around_target"] == {
        "distance_mm": 0.0, "overlap": 1.0, "ring_deg": 360.0, "ring_sigma_deg": record["around_target"]["ring_sigma_deg"]
    }  # fmt: skip
    assert [p["pool_id"] for p in record["pools"]] == [2, 1]
    assert record["pools"][0]["centroid_mm"] == pytest.approx([20.0, 14.0], abs=0.02)
    assert record["pools"][0]["extent_mm"] == pytest.approx([8.0, 8.0], abs=0.1)
    assert record["rate_mm2_s"] is None


def test_the_csv_row_fits_its_columns(tmp_path):
    sink = CsvSink(tmp_path / "results.csv")
    target = ug.Target.disc((20.0, 14.0), 2.0)
    from dataclasses import replace

    warned = replace(fluid_of(*TWO, target=target), warnings=("no-spread: none", "keep-out a, b: 2 mm2"))
    sink.write(frame_at(0), result_at(0, warned))
    sink.write(frame_at(1), result_at(1, fluid_of()))
    sink.write(frame_at(2), result_at(2, None))
    sink.close()
    rows = list(csv.DictReader(io.StringIO((tmp_path / "results.csv").read_text())))
    assert tuple(rows[0]) == CSV_COLUMNS
    assert float(rows[0]["injectate_area_mm2"]) == pytest.approx(np.pi * 25, rel=0.02)
    assert (rows[0]["injectate_pools"], rows[0]["injectate_ring_deg"]) == ("2", "360.0")
    assert rows[0]["injectate_warnings"] == "no-spread; keep-out a, b"
    assert (rows[1]["injectate_area_mm2"], rows[1]["injectate_pools"], rows[1]["injectate_extent_along_mm"]) == (
        "0.0",
        "0",
        "",
    )
    assert all(v == "" for k, v in rows[2].items() if k.startswith("injectate"))
