"""From labels to an `Injectate`: pools apart and together, rates over time, and the truth of a rendered recording."""

import math

import numpy as np
import pytest

import usguide as ug
from usguide.injectate.around import spread_around
from usguide.injectate.measures import measure_region
from usguide.injectate.spread import SpreadMeasurer, SpreadSettings
from usguide.metrics import extent_along_mm, ring_deg

GEOMETRY = ug.ImageGeometry(0.25, 0.25)


def discs(*circles, shape=(120, 160)):
    """Labels of discs (x, z, radius) in mm, numbered from 1."""
    labels = np.zeros(shape, np.int32)
    yy, xx = np.mgrid[: shape[0], : shape[1]]
    for k, (x, z, radius) in enumerate(circles):
        labels[np.hypot(xx * 0.25 - x, yy * 0.25 - z) < radius] = k + 1
    return labels


def update(measurer, labels, time_s=0.0, **options):
    numbers = range(1, 10)
    given = {"onsets_s": dict.fromkeys(numbers, 0.5), "confidences": dict.fromkeys(numbers, 0.8)} | options
    return measurer.update(labels, GEOMETRY, timestamp_s=time_s, **given)


def test_two_pools_are_measured_apart_and_together():
    labels = discs((10.0, 10.0, 3.0), (26.0, 18.0, 4.0))
    found = update(SpreadMeasurer(), labels, onsets_s={1: 0.5, 2: 2.0}, confidences={1: 0.5, 2: 1.0})
    large, small = found.pools
    assert [p.pool_id for p in found.pools] == [2, 1], "the largest comes first"
    assert large.area_mm2 == pytest.approx(math.pi * 16, rel=0.02)
    assert small.area_mm2 == pytest.approx(math.pi * 9, rel=0.05)
    assert found.area_mm2 == pytest.approx(large.area_mm2 + small.area_mm2, rel=1e-6)
    assert found.perimeter_mm == pytest.approx(large.perimeter_mm + small.perimeter_mm, rel=1e-6)
    assert found.onset_s == 0.5
    assert found.confidence == pytest.approx((16 * 1.0 + 9 * 0.5) / 25, rel=0.01)
    assert found.centroid_mm == pytest.approx(((9 * 10 + 16 * 26) / 25, (9 * 10 + 16 * 18) / 25), abs=0.15)
    # Along the line of centres: from the far edge of one to that of the other.
    assert found.axis_deg == pytest.approx(math.degrees(math.atan2(8, 16)), abs=0.5)
    assert found.extent_mm[0] == pytest.approx(math.hypot(16, 8) + 7, abs=0.3)
    assert found.volume_mm3 == pytest.approx(4 / 3 * math.pi * (27 + 64), rel=0.05)
    assert "short axis" in found.volume_assumption


def test_an_elevational_width_makes_the_volume_a_slab():
    found = update(SpreadMeasurer(SpreadSettings(elevational_width_mm=5.0)), discs((10.0, 10.0, 3.0)))
    assert found.volume_mm3 == pytest.approx(5 * found.area_mm2)
    assert "5 mm" in found.volume_assumption


def test_no_fluid_is_a_result():
    found = update(SpreadMeasurer(), discs(), onset_s=3.0)
    assert (found.area_mm2, found.pools, found.centroid_mm, found.around_target, found.onset_s) == (
        0.0,
        (),
        None,
        None,
        3.0,
    )


def test_rates_are_those_of_each_pool():
    """One pool grows by 12 mm2/s, the other stands still; a third that comes later has no rate at first."""
    measurer = SpreadMeasurer()
    for k in range(31):
        t = k / 20
        circles = [(10.0, 10.0, math.sqrt((20 + 12 * t) / math.pi)), (28.0, 18.0, 3.0)]
        if k > 28:
            circles.append((30.0, 6.0, 2.0))
        found = update(measurer, discs(*circles), t)
    growing, still, late = found.pools
    assert growing.rate_mm2_s == pytest.approx(12, abs=1.5)
    assert abs(still.rate_mm2_s) < 0.5
    assert (late.rate_mm2_s, late.rate_sigma_mm2_s) == (None, None)
    assert growing.rate_sigma_mm2_s >= growing.rate_mm2_s * growing.area_sigma_mm2 / growing.area_mm2
    assert abs(growing.rate_mm2_s - 12) < 3 * growing.rate_sigma_mm2_s + 0.5


def test_a_rate_begins_anew_when_time_runs_back():
    measurer = SpreadMeasurer()
    for t in (*np.arange(20) / 20, 0.2):
        found = update(measurer, discs((10.0, 10.0, 3.0)), t)
    assert found.rate_mm2_s is None


def test_results_share_no_memory():
    labels, probability = discs((10.0, 10.0, 3.0)), np.full((120, 160), 0.4, np.float32)
    found = update(SpreadMeasurer(), labels, probability=probability)
    before = found.mask.copy()
    labels[:], probability[:] = 0, 0
    np.testing.assert_array_equal(found.mask, before)
    assert found.probability.min() == np.float32(0.4)


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        (np.zeros((8, 8)), {}, "labels: expected whole numbers"),
        (discs((10.0, 10.0, 3.0)), {"onsets_s": {}}, r"onsets_s: expected one of every pool, got none of \[1\]"),
        (discs((10.0, 10.0, 3.0)), {"confidences": {2: 1.0}}, r"confidences: expected one of every pool"),
    ],
    ids=["floats", "no-onset", "no-confidence"],
)
def test_what_is_missing_is_said(labels, options, message):
    with pytest.raises(ug.InputError, match=message):
        update(SpreadMeasurer(), labels, **options)


def test_a_rendered_recording_is_measured_as_its_truth_says():
    """The shipped phantom: area of the mask, and the lens in its plane (5 degrees), spreading in its own rate."""
    with ug.open_source("phantom:inplane-fascia") as source:
        geometry, truth = source.info.geometry, source.info.truth
        times = [frame.timestamp_s for frame in source]
    assert truth.injectate_mask is not None
    measurer, found = SpreadMeasurer(), []
    for time_s, mask in zip(times, truth.injectate_mask, strict=True):
        labels = mask.astype(np.int32)
        found.append(measurer.update(labels, geometry, timestamp_s=time_s, onsets_s={1: 0.0}, confidences={1: 1.0}))
    areas = np.array([f.area_mm2 for f in found])
    seen = truth.injectate_area_mm2 > 3
    assert seen.sum() > 10
    np.testing.assert_allclose(areas[seen], truth.injectate_area_mm2[seen], rtol=0.03)
    last = found[-1]
    rate = np.polyfit(times[-20:], truth.injectate_area_mm2[-20:], 1)[0]
    assert last.rate_mm2_s == pytest.approx(rate, abs=max(1.0, 3 * last.rate_sigma_mm2_s))
    # A lens turned about its thickness, as it was rendered: volume over all of it, whatever the plane.
    assert last.volume_mm3 == pytest.approx(truth.injectate_volume_mm3[-1], rel=0.1)


def test_ring_and_extent_are_those_of_the_scores():
    """`usguide.metrics` measures true masks in its own way, pixel by pixel; both see the same."""
    with ug.open_source("phantom:inplane-fascia") as source:
        geometry, truth = source.info.geometry, source.info.truth
    rings = []
    for k in np.flatnonzero(truth.injectate_area_mm2 > 3)[::4]:
        mask, outline = truth.injectate_mask[k], truth.target_outline_mm[k]
        found = measure_region(mask, geometry)
        assert found.extent_mm[0] == pytest.approx(extent_along_mm(mask, geometry), abs=0.3)
        rings.append(ring_deg(mask, geometry, outline))
        around = spread_around(ug.Target.of(None, outline_mm=outline), found)
        assert around.ring_deg == pytest.approx(rings[-1], abs=8.0)
    assert max(rings) > 90
