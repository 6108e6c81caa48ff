"""The tip's belief against a forward pass through one big transition matrix, and on tips whose path is known."""

import math

import numpy as np
import pytest
from scipy.stats import norm

from usguide.tracking import BeliefSettings
from usguide.tracking._kernels import predict_belief
from usguide.tracking.belief import AHEAD_MM, BEHIND_MM, SPEEDS_MM_S, TipBelief

SETTINGS = BeliefSettings()


def transition(speeds, places, dt, keep, still, blur, step):
    """Chance of each (speed, place) from each other, written down state by state."""
    v = len(speeds)
    change = np.zeros((v, v))
    for k in range(v):
        change[k, k] += keep
        for other in (k - 1, k + 1):
            if 0 <= other < v:
                change[other, k] += (1 - keep) * 0.25
        for other in range(v):
            change[other, k] += (1 - keep) * 0.5 * (still if speeds[other] == 0 else (1 - still) / (v - 1))
    move = np.zeros((v * places, v * places))
    at = np.arange(places) * step
    for k in range(v):
        spread = max(blur, 0.35 * abs(speeds[k]) * dt)
        for j in range(places):
            # What goes beyond the grid is gone; the belief is made whole again afterwards.
            whole = norm.pdf(np.arange(-500, 500) * step, at[j] + speeds[k] * dt, spread).sum()
            chance = norm.pdf(at, at[j] + speeds[k] * dt, spread) / whole
            for before in range(v):
                move[k * places : (k + 1) * places, before * places + j] += chance * change[k, before]
    return move


def passed(belief, move, jump):
    after = move @ belief.ravel()
    after /= after.sum()
    return ((1 - jump) * after + jump / after.size).reshape(belief.shape)


@pytest.mark.parametrize("dt", [0.02, 0.05, 0.2])
def test_the_belief_is_that_of_a_forward_pass(dt):
    speeds, places, step, jump = np.array([-6.0, 0.0, 3.0, 8.0]), 24, 0.3, 1e-3
    keep, still, blur = math.exp(-dt / 0.2), 0.5, 0.25
    rng = np.random.default_rng(0)
    move = transition(speeds, places, dt, keep, still, blur, step)
    belief = np.full((4, places), 1 / (4 * places))
    brute = belief.copy()
    for _ in range(6):
        likelihood = np.exp(rng.normal(0, 1.5, places))
        belief, brute = belief * likelihood, brute * likelihood
        belief, brute = belief / belief.sum(), brute / brute.sum()
        out = np.empty_like(belief)
        predict_belief(belief, speeds, dt, keep, still, jump, blur, step, out)
        belief, brute = out, passed(brute, move, jump)
        # The kernel leaves off what lies beyond three standard deviations.
        np.testing.assert_allclose(belief, brute, atol=5e-3 * brute.max())
        assert belief.sum() == pytest.approx(1)


def test_what_leaves_the_grid_is_shared_out_and_nothing_is_even():
    out, belief = np.empty((2, 5)), np.zeros((2, 5))
    belief[1, 4] = 1
    predict_belief(belief, np.array([0.0, 100.0]), 1.0, 1.0, 0.5, 1e-3, 0.2, 0.3, out)
    assert out.sum() == pytest.approx(1)
    assert out[1].sum() > 0.99
    predict_belief(np.zeros((2, 5)), np.array([0.0, 100.0]), 1.0, 1.0, 0.5, 1e-3, 0.2, 0.3, out)
    np.testing.assert_allclose(out, 0.1)


WAY = np.arange(-5.0, 60.0, 0.3)


def seen_at(tip_mm, sigma_mm=0.5):
    return -0.5 * ((WAY - tip_mm) / sigma_mm) ** 2


def follow(path, dt, belief=None, seen=None):
    """Places, sigmas and speeds along a path; frames that are not seen pass without a look."""
    belief, rows = belief or TipBelief(SETTINGS), []
    for k, tip in enumerate(path):
        belief.predict(dt if k else 0.0)
        if seen is None or seen[k]:
            belief.update(WAY, seen_at(tip), dt if k else 0.0)
        rows.append((belief.place_mm, belief.sigma_mm, belief.speed_mm_s))
    return np.array(rows)


def test_the_first_look_is_believed():
    place, sigma, speed = follow([12.3], 0.05)[0]
    assert place == pytest.approx(12.3, abs=0.1)
    # A frame's word is softened: its standard deviation grows by the root of the softness.
    assert sigma == pytest.approx(0.5 * math.sqrt(SETTINGS.softness), rel=0.1)
    assert speed == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("speed", [-10.0, -3.0, 0.0, 5.0, 12.0, 20.0])
def test_a_moving_tip_is_followed(speed):
    dt = 0.05
    path = 30 + speed * dt * np.arange(30)
    found = follow(path, dt)
    assert np.abs(found[5:, 0] - path[5:]).max() < 0.8
    assert found[-1, 0] == pytest.approx(path[-1], abs=0.4)
    assert found[-10:, 2].mean() == pytest.approx(speed, abs=0.3 * abs(speed) + 1)


def test_advance_pause_and_withdrawal():
    dt = 0.05
    speeds = np.repeat([10.0, 0.0, -12.0], 20)
    path = 5 + np.cumsum(speeds) * dt
    found = follow(path, dt)
    assert np.abs(found[5:, 0] - path[5:]).max() < 1.2
    assert found[17, 2] > 6
    assert abs(found[38, 2]) < 2
    assert found[58, 2] < -7


def test_a_gap_is_bridged_at_its_speed_and_doubt_grows():
    dt = 0.05
    path = 10 + 8.0 * dt * np.arange(40)
    seen = np.ones(40, bool)
    seen[20:26] = False
    found = follow(path, dt, seen=seen)
    assert np.all(np.diff(found[19:26, 1]) > 0)
    assert found[25, 0] > found[19, 0] + 0.5
    assert found[-1, 0] == pytest.approx(path[-1], abs=0.4)


def test_one_wild_frame_does_not_pull_the_tip():
    dt = 0.05
    path = 10 + 5.0 * dt * np.arange(30)
    wild = path.copy()
    wild[20] = 40.0
    found = follow(wild, dt)
    assert found[21, 0] == pytest.approx(path[21], abs=0.6)
    # In that frame the place is one of the two, and never in between.
    assert min(abs(found[20, 0] - path[20]), abs(found[20, 0] - 40)) < 1


def test_a_tip_that_stays_elsewhere_is_believed_in_the_end():
    found = follow(np.repeat([10.0, 30.0], 20), 0.05)
    assert found[-1, 0] == pytest.approx(30, abs=0.3)
    assert np.all((np.abs(found[:, 0] - 10) < 3) | (np.abs(found[:, 0] - 30) < 3))


def test_a_frame_that_nothing_believed_allows_changes_nothing():
    belief = TipBelief(BeliefSettings(jump=0.0, doubt=0.0))
    for way, tip in ((WAY, 5.0), (np.arange(80.0, 100.0, 0.3), 90.0)):
        belief.predict(0.05)
        belief.update(way, -0.5 * ((way - tip) / 0.05) ** 2 * 100, 0.05)
    assert belief.place_mm == pytest.approx(5, abs=0.3)
    assert np.isfinite(belief.sigma_mm)


@pytest.mark.parametrize("slow", [0.1, 0.05])
def test_the_frame_rate_changes_no_answer(slow):
    # Twice the frames in the same time say no more: neighbouring frames see the same speckle.
    places, sigmas = [], []
    for dt in (slow, slow / 2, slow / 5):
        path = 10 + 8.0 * dt * np.arange(round(1.5 / dt) + 1)
        found = follow(path, dt)
        places.append(found[-1, 0] - path[-1])
        sigmas.append(found[-1, 1])
    np.testing.assert_allclose(places, 0, atol=0.45)
    assert max(sigmas) < 1.6 * min(sigmas)


def test_time_alone_passes_the_same_in_one_step_or_in_many():
    sigmas, places = [], []
    for parts in (1, 2, 6):
        belief = TipBelief(SETTINGS)
        follow(10 + 6.0 * 0.05 * np.arange(30), 0.05, belief)
        for _ in range(parts):
            belief.predict(0.3 / parts)
        places.append(belief.place_mm)
        sigmas.append(belief.sigma_mm)
    assert np.ptp(places) < 0.7
    assert max(sigmas) < 1.5 * min(sigmas)


def test_before_any_look_time_means_nothing():
    belief = TipBelief(SETTINGS)
    for _ in range(5):
        belief.predict(0.1)
    # All places are as likely: the distance from an end of them is what it is for an even spread.
    assert belief.sigma_mm == pytest.approx((BEHIND_MM + AHEAD_MM) / math.sqrt(3), rel=0.05)
    belief.update(np.array([200.0, 201.0]), np.zeros(2), 0.1)
    assert belief.sigma_mm > 30  # beyond the grid: nothing is learnt


def test_speeds_are_the_same_forward_and_back():
    np.testing.assert_array_equal(SPEEDS_MM_S, np.sort(SPEEDS_MM_S))
    np.testing.assert_array_equal(SPEEDS_MM_S, -SPEEDS_MM_S[::-1])
