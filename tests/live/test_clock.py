"""Times of a source whose clock is absent, stands still, drifts or is set anew."""

import numpy as np
import pytest

from usguide.live.clock import JUMP_S, StreamClock


def stamped(pairs):
    clock = StreamClock()
    return clock, [clock.stamp(source, arrival) for source, arrival in pairs]


def times(stamps):
    return [s.time_s for s in stamps]


def test_the_sources_own_pace_is_kept_whatever_the_arrival():
    rng = np.random.default_rng(1)
    source = 1.7e9 + np.cumsum(rng.uniform(0.01, 0.1, 200))
    arrival = source - 1.7e9 + 40 + rng.uniform(0.0, 0.4, 200)
    clock, stamps = stamped(zip(source, arrival, strict=True))
    np.testing.assert_allclose(times(stamps), source - source[0], atol=1e-5)
    assert all(s.event is None for s in stamps)
    assert clock.offset_s == pytest.approx((arrival - source).min(), abs=1e-5)
    np.testing.assert_allclose(
        [s.transit_s for s in stamps], (arrival - source) - np.minimum.accumulate(arrival - source), atol=1e-5
    )


def test_a_recording_keeps_its_times_exactly():
    source = np.arange(50) * 0.05
    _, stamps = stamped(zip(source, 7.3 + source, strict=True))
    assert times(stamps) == source.tolist()


def test_without_a_clock_times_are_those_of_arrival():
    _, stamps = stamped([(None, 3.0), (None, 3.1), (float("nan"), 3.25), (None, 3.3)])
    np.testing.assert_allclose(times(stamps), [0, 0.1, 0.25, 0.3])
    assert {s.transit_s for s in stamps} == {None}


def test_zeros_among_real_times_are_no_jump():
    pairs = [(100.0, 1.0), (100.1, 1.1), (0.0, 1.2), (100.3, 1.3), (100.4, 1.4)]
    _, stamps = stamped(pairs)
    np.testing.assert_allclose(times(stamps), [0, 0.1, 0.2, 0.3, 0.4])
    assert all(s.event is None for s in stamps)


@pytest.mark.parametrize("jump_s", [-3600.0, -1.5, 1.5, 3600.0, 1.7e9])
def test_a_clock_that_is_set_neither_stops_nor_ages_the_stream(jump_s):
    source = 5000 + 0.05 * np.arange(40)
    source[20:] += jump_s
    _, stamps = stamped(zip(source, 9 + 0.05 * np.arange(40), strict=True))
    np.testing.assert_allclose(times(stamps), 0.05 * np.arange(40), atol=1e-5)
    assert [k for k, s in enumerate(stamps) if s.event] == [20]
    assert f"jumped by {jump_s:+.3g} s" in stamps[20].event


def test_a_clock_that_stands_still_is_left_after_two_repeats():
    _, stamps = stamped([(8.0, 0.05 * k) for k in range(8)])
    np.testing.assert_allclose(times(stamps), [0, 0, 0, 0.15, 0.2, 0.25, 0.3, 0.35])
    assert [k for k, s in enumerate(stamps) if s.event] == [3]


def test_a_frame_out_of_order_is_older_and_changes_nothing():
    _, stamps = stamped([(1.0, 0.0), (1.1, 0.1), (1.05, 0.15), (1.2, 0.2)])
    np.testing.assert_allclose(times(stamps), [0, 0.1, 0.05, 0.2])
    assert all(s.event is None for s in stamps)


def test_frames_held_up_on_the_way_come_in_a_burst_with_their_own_times():
    source = 50 + 0.05 * np.arange(60)
    arrival = 2 + 0.05 * np.arange(60)
    arrival[20:50] = arrival[50]  # 1.5 s of silence, then all at once
    _, stamps = stamped(zip(source, arrival, strict=True))
    np.testing.assert_allclose(times(stamps), source - 50, atol=1e-9)
    assert max(s.transit_s for s in stamps) == pytest.approx(1.5)
    assert all(s.event is None for s in stamps)


def test_a_clock_that_drifts_is_followed():
    arrival = 0.05 * np.arange(20_000)
    drift = 2e-4 * arrival  # 0.2 s in the end: the source's clock is slow
    clock, stamps = stamped(zip(100 + arrival - drift, arrival, strict=True))
    assert clock.offset_s == pytest.approx(-100 + drift[-1], abs=2e-4 * 25)
    assert max(s.transit_s for s in stamps) < 2e-4 * 25
    assert all(s.event is None for s in stamps)
    assert max(np.abs(np.diff(times(stamps)) - 0.05)) < JUMP_S / 100
