"""The change-point test, against sums by hand; the blob that it looks at."""

from dataclasses import replace

import numpy as np
import pytest

from usguide.injectate.onset import Blob, OnsetSettings, OnsetTest, blob_at

SETTINGS = OnsetSettings(
    allowance=1.0, clutter_share=1.0, threshold=1.0, least_mm2=0.5, marked_share=0.5, growth_mass_s=1e6
)


def blob(mass, elsewhere=0.0, area_mm2=2.0):
    return Blob(np.ones((1, 1), np.uint8), mass, area_mm2, elsewhere)


def first_alarm(masses, *, marked=False, step_s=0.05, **options):
    test = OnsetTest(SETTINGS)
    for k, mass in enumerate(masses):
        found = test.look(blob(mass, **options), k * step_s, step_s, marked=marked)
        if found is not None:
            return k, found
    return None


def test_the_sum_and_its_date_are_those_worked_out_by_hand():
    # Four frames of nothing, then 5 above the allowance: 0.05 s each, so that 1.0 is reached with the fourth of them.
    assert first_alarm([0.0] * 4 + [6.0] * 10) == (7, pytest.approx(0.2))


def test_a_mass_within_the_allowance_never_adds_up():
    assert first_alarm([1.0] * 1000) is None


def test_what_was_noise_before_does_not_date_the_onset_back():
    masses = [3.0, 0.0, 0.0, 0.0] + [0.0] * 4 + [6.0] * 10
    assert first_alarm(masses)[1] == pytest.approx(8 * 0.05)


def test_as_much_elsewhere_is_no_onset():
    assert first_alarm([6.0] * 100, elsewhere=5.0) is None


def test_a_blob_that_is_too_small_is_none():
    assert first_alarm([6.0] * 100, area_mm2=0.4) is None


def test_a_marked_injection_is_noticed_sooner():
    assert first_alarm([2.0] * 100, marked=True)[0] < first_alarm([2.0] * 100)[0]


def test_what_may_not_begin_adds_up_only_once_it_has_begun():
    test = OnsetTest(SETTINGS)
    for k in range(100):
        assert test.look(blob(6.0), 0.05 * k, 0.05, marked=False, may_begin=False) is None
    assert test.sum == 0
    assert test.look(blob(6.0), 5.0, 0.05, marked=False) is None
    later = [test.look(blob(6.0), 5.0 + 0.05 * k, 0.05, marked=False, may_begin=False) for k in range(1, 5)]
    assert next(at for at in later if at is not None) == pytest.approx(5.0)


def test_an_onset_is_noticed_once_the_needle_is_steady_and_dated_to_when_it_began():
    test = OnsetTest(SETTINGS)
    found = [test.look(blob(6.0), 0.05 * k, 0.05, marked=False, steady=k < 2 or k >= 30) for k in range(32)]
    assert [k for k, at in enumerate(found) if at is not None] == [30, 31]
    assert found[30] == pytest.approx(0.0)


def after_untold(mass, **untold):
    """When a blob of 6 adds up after one of some mass was there for a second, while nothing could be told of it."""
    test = OnsetTest(SETTINGS)
    for k in range(20):
        assert test.look(blob(mass), 0.05 * k, 0.05, marked=False, **untold) is None
    times = (1.0 + 0.05 * k for k in range(200))
    return next(t for t in times if test.look(blob(6.0), t, 0.05, marked=False) is not None)


@pytest.mark.parametrize("untold", [{"told": False}, {"misfit": SETTINGS.worst_misfit + 1}])
def test_what_was_there_while_nothing_could_be_told_is_not_new(untold):
    assert after_untold(0.0, **untold) == pytest.approx(1.15)
    # It is forgotten: 6 less a share of 6 that decays adds up in the end.
    assert 2.0 < after_untold(6.0, **untold) < 4.0
    assert after_untold(2.0, **untold) < after_untold(6.0, **untold)


@pytest.mark.parametrize("rate_hz", [20.0, 2.0])
def test_what_was_untold_is_forgotten_by_the_clock_and_not_by_an_onset(rate_hz):
    test = OnsetTest(SETTINGS)
    test.look(blob(10.0), 0.0, 0.0, marked=False, told=False)
    test.rearm()
    for k in range(1, round(2 * rate_hz) + 1):
        test.look(None, k / rate_hz, 1 / rate_hz, marked=False)
    # A blob of 8 is 8 - 15 / e over what was there, and counts as far as that is above the allowance.
    test.look(blob(8.0), 2.0, 1e-4, marked=False)
    assert test.sum / 1e-4 == pytest.approx(8.0 - 15.0 / np.e - 1.0, abs=1e-3)


def test_a_gap_in_the_stream_counts_as_one_frame():
    test = OnsetTest(SETTINGS)
    assert test.look(blob(6.0), 10.0, 9.0, marked=False) is None


def test_the_heaviest_blob_at_the_tip_is_taken_and_the_rest_is_clutter():
    evidence = np.full((60, 80), -2.0, np.float32)
    evidence[20:24, 20:26] = 2.0  # at the tip
    evidence[50:54, 60:64] = 3.0  # far from it
    near = np.zeros((60, 80), np.uint8)
    near[22, 22] = 1
    found = blob_at(evidence, near, np.zeros_like(near), 0.3, OnsetSettings(dark=1.5))
    assert found.mass == pytest.approx(24 * 2.0 * 0.09)
    assert found.area_mm2 == pytest.approx(24 * 0.09)
    assert found.elsewhere == pytest.approx(16 * 3.0 * 0.09)


def test_pieces_of_a_ring_are_one_blob():
    evidence = np.full((60, 80), -2.0, np.float32)
    evidence[20:24, 20:26] = evidence[20:24, 30:36] = 2.0  # 1.2 mm apart
    near = np.zeros((60, 80), np.uint8)
    near[22, 22] = 1
    found = blob_at(evidence, near, np.zeros_like(near), 0.3, OnsetSettings(dark=1.5, gap_mm=2.4))
    assert found.mass == pytest.approx(48 * 2.0 * 0.09)
    apart = blob_at(evidence, near, np.zeros_like(near), 0.3, OnsetSettings(dark=1.5, gap_mm=0.5))
    assert apart.mass == pytest.approx(24 * 2.0 * 0.09)


def test_known_fluid_is_no_blob():
    evidence = np.full((20, 20), 2.0, np.float32)
    every = np.ones((20, 20), np.uint8)
    assert blob_at(evidence, every, every, 0.3, OnsetSettings(dark=1.5)) is None


def test_what_is_there_at_once_adds_up_no_faster_than_fluid_can_come():
    # 2 in the first frame of 0.05 s, 4 in the next, whatever the blob weighs: (2 - 1 + 4 - 1 + 6 - 1 + ...) * 0.05.
    test = OnsetTest(replace(SETTINGS, growth_mass_s=40.0, threshold=0.4))
    found = [test.look(blob(500.0), 0.05 * k, 0.05, marked=False) for k in range(4)]
    assert found[:2] == [None, None]
    assert found[2] == pytest.approx(0.0)


def test_a_single_frame_that_jumps_is_no_onset():
    test = OnsetTest(OnsetSettings())
    assert test.look(blob(500.0, area_mm2=50.0), 0.0, 0.1, marked=True) is None
    assert all(test.look(blob(0.0, area_mm2=0.0), 0.1 * k, 0.1, marked=True) is None for k in range(1, 10))


@pytest.mark.parametrize(("misfit", "seen"), [(0.0, True), (6.0, True), (8.9, False), (9.1, False)])
def test_a_bad_registration_asks_for_more(misfit, seen):
    test = OnsetTest(OnsetSettings(allowance=1.0, threshold=0.2))
    # 2 in all frames is above the allowance, but not above 1.0 * (8.9 / 6)^2; beyond 9 nothing adds up.
    found = [test.look(blob(2.0), 0.05 * k, 0.05, marked=False, misfit=misfit) for k in range(40)]
    assert any(f is not None for f in found) == seen


def test_the_worst_registration_tells_nothing_however_heavy_the_blob():
    test = OnsetTest(OnsetSettings())
    assert all(test.look(blob(500.0), 0.05 * k, 0.05, marked=True, misfit=9.5) is None for k in range(100))


def test_the_date_is_that_of_the_first_blob_that_went_on():
    light = [0.0] * 4 + [0.7, 0.8] + [6.0] * 10
    assert first_alarm(light)[1] == pytest.approx(4 * 0.05)
    broken = [0.0] * 3 + [0.7, 0.0, 0.8] + [6.0] * 10
    assert first_alarm(broken)[1] == pytest.approx(5 * 0.05)
    lasting = [0.7] * 40 + [6.0] * 10
    assert first_alarm(lasting)[1] == pytest.approx(40 * 0.05 - 0.15)
