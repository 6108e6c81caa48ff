"""Latencies by hand."""

import pytest
from needle_cases import result

import usguide as ug
from usguide.metrics import LatencySummary, score_latency, summarise_latency


def test_percentiles_by_hand():
    """0 to 100 ms: the percentile is the value. The mean is 50."""
    assert summarise_latency(range(101)) == LatencySummary(101, 50.0, 50.0, 95.0, 99.0, 100.0)
    s = summarise_latency([1.0, 2.0, 3.0, 10.0])
    assert (s.mean, s.p50, s.p95, s.p99, s.max) == pytest.approx((4, 2.5, 3 + 0.85 * 7, 3 + 0.97 * 7, 10))


def test_each_stage_over_the_frames_it_ran_in():
    runs = [result(0, latency_ms={"total": 4.0, "despeckle": 1.0}), result(1, latency_ms={"total": 6.0}), result(2)]
    found = score_latency(runs)
    assert list(found) == ["total", "despeckle"]
    assert (found["total"].count, found["total"].mean, found["total"].max) == (2, 5.0, 6.0)
    assert (found["despeckle"].count, found["despeckle"].p99) == (1, 1.0)
    assert score_latency([]) == {}


@pytest.mark.parametrize("bad", [[], [1.0, float("nan")]])
def test_no_times_are_refused(bad):
    with pytest.raises(ug.InputError, match="at least one time and finite"):
        summarise_latency(bad)
