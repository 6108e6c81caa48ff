"""What a picture shows along a line: sampled, laid onto the centre, its start and its end, each by other means."""

import itertools
import math

import numpy as np
import pytest
from scipy import ndimage

from usguide.detection._kernels import profile
from usguide.detection._kernels.profile import (
    ACROSS_PX,
    HALF_STRIP,
    between,
    change_point,
    fit_centre,
    run_start,
    straighten,
)
from usguide.detection._kernels.search import BLOCK_PX

WIDTH = 2 * HALF_STRIP + 1
ACROSS = ACROSS_PX * np.arange(-HALF_STRIP, HALF_STRIP + 1)
FLOOR2 = 0.7


def test_between_is_scipys_interpolation():
    image = np.random.default_rng(0).normal(size=(20, 30)).astype(np.float32)
    rng = np.random.default_rng(1)
    x, y = rng.uniform(0, 29, 200), rng.uniform(0, 19, 200)
    x[:2], y[:2] = (0, 29), (0, 19)
    expected = ndimage.map_coordinates(image.astype(float), [y, x], order=1)
    j, i = np.minimum(x.astype(int), 28), np.minimum(y.astype(int), 18)
    found = [between(image, *p) for p in zip(i.tolist(), j.tolist(), (x - j).tolist(), (y - i).tolist(), strict=True)]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def maps(seed=0, shape=(60, 80)):
    rng = np.random.default_rng(seed)
    hessian = ndimage.gaussian_filter(rng.normal(size=(3, *shape)), (0, 1, 1)).astype(np.float32)
    a, b, c = ndimage.gaussian_filter(
        rng.normal(size=(3, shape[0] // BLOCK_PX, shape[1] // BLOCK_PX, 40)), (0, 1, 1, 0)
    )
    # Products of the same numbers, so that no direction's mean square is below zero.
    energy = np.stack([p.mean(axis=-1) for p in (a * a, a * b, 4 * b * b + 2 * a * c, b * c, c * c)])
    return hessian, (energy * 20).astype(np.float32)


def straightened(hessian, known, energy, x0, y0, angle, bend, count, half=HALF_STRIP, stride=1):
    """The strip of one picture, which is straightened beside another and comes out the same in either place."""
    pictures = [(hessian, known, energy), (hessian[:, ::-1] + 1, 1 - known, energy[:, ::-1] + 1)]
    strips = []
    for first, second in (pictures, pictures[::-1]):
        outs = [(np.full((count, WIDTH), 7, np.float32), np.full(count, 7, np.float32)) for _ in range(2)]
        straighten(*first, FLOOR2, *second, FLOOR2, x0, y0, angle, bend, count, stride, half, *outs[0], *outs[1])
        strips.append(outs)
    for (out, seen), (out_too, seen_too) in zip(strips[0], strips[1][::-1], strict=True):
        np.testing.assert_array_equal(out, out_too)
        np.testing.assert_array_equal(seen, seen_too)
    return strips[0][0]


@pytest.mark.parametrize(
    ("angle", "bend"), [(0.0, 0.0), (0.4, 0.0), (0.4, 0.004), (1.2, -0.003), (math.pi - 0.5, 0.002)]
)
def test_straighten_is_the_second_derivative_across_in_units_of_its_surroundings(angle, bend):
    hessian, energy = maps()
    x0, y0 = (62.0 if angle > 2 else 15.0), 14.0
    out, seen = straightened(hessian, np.ones(hessian.shape[1:], np.float32), energy, x0, y0, angle, bend, 26)
    assert seen.all()
    t = np.arange(26.0)
    u, n = np.array([math.cos(angle), math.sin(angle)]), np.array([-math.sin(angle), math.cos(angle)])
    points = np.array([x0, y0]) + t[:, None] * u + (bend * t * t)[:, None] * n
    direction = angle + np.arctan(2 * bend * t)
    nx, ny = -np.sin(direction), np.cos(direction)
    x, y = (points[:, None, k] + ACROSS * n[k] for k in range(2))
    xx, xy, yy = (ndimage.map_coordinates(h.astype(float), [y, x], order=1) for h in hessian)
    across = -((nx * nx)[:, None] * xx + (2 * nx * ny)[:, None] * xy + (ny * ny)[:, None] * yy)
    # The scale is computed at every fourth step, and interpolated.
    knots = np.arange(0.0, 29.0, BLOCK_PX)
    at = np.array([x0, y0]) + knots[:, None] * u + (bend * knots * knots)[:, None] * n
    direction = angle + np.arctan(2 * bend * knots)
    nx, ny = -np.sin(direction), np.cos(direction)
    # The mean of (nx^2 xx + 2 nx ny xy + ny^2 yy)^2, from the means of products that `energy` holds.
    place = [(at[:, 1] - 1.5) / BLOCK_PX, (at[:, 0] - 1.5) / BLOCK_PX]
    e = [ndimage.map_coordinates(plane.astype(float), place, order=1, mode="nearest") for plane in energy]
    square = nx**4 * e[0] + 4 * nx**3 * ny * e[1] + nx**2 * ny**2 * e[2] + 4 * nx * ny**3 * e[3] + ny**4 * e[4]
    scale = np.interp(t, knots, 1 / np.sqrt(square + FLOOR2))
    np.testing.assert_allclose(out, across * scale[:, None], atol=2e-5)


@pytest.mark.parametrize("stride", [2, 4])
def test_straighten_with_a_stride_gives_every_so_many_of_its_samples(stride):
    hessian, energy = maps()
    known = np.ones(hessian.shape[1:], np.float32)
    known[20:24] = 0
    every, seen = straightened(hessian, known, energy, 15.0, 14.0, 0.4, 0.004, 25)
    some, seen_some = straightened(hessian, known, energy, 15.0, 14.0, 0.4, 0.004, 1 + 24 // stride, stride=stride)
    np.testing.assert_allclose(some, every[::stride], rtol=1e-6)
    np.testing.assert_array_equal(seen_some, seen[::stride])
    assert 0 < seen_some.sum() < len(seen_some)


def test_straighten_tells_where_it_sees():
    hessian, energy = maps()
    known = np.ones(hessian.shape[1:], np.float32)
    known[:, 30:36] = 0
    out, seen = straightened(hessian, known, energy, 10.0, 20.0, 0.0, 0.0, 90, half=2)
    x = 10 + np.arange(90)
    np.testing.assert_array_equal(seen, ((x < 30) | (x > 35)) & (x < 80))
    assert not out[seen == 0].any()
    # What was not asked for is left alone.
    assert np.all(out[seen > 0][:, : HALF_STRIP - 2] == 7)
    assert np.all(out[seen > 0][:, HALF_STRIP - 2 : HALF_STRIP + 3] != 7)


def strip_around(centre, sigma_px=0.9, height=1.5):
    """A response with its top at `centre`, one a step."""
    return (height * np.exp(-0.5 * ((ACROSS - np.asarray(centre)[:, None]) / sigma_px) ** 2)).astype(np.float32)


EMPTY = np.zeros((60, WIDTH), np.float32)
SHARE = np.linspace(0, 1, 60)


@pytest.mark.parametrize("true", [(0.0, 0.0, 0.0), (0.7, -0.9, 0.0), (0.5, -1.4, 1.6), (-0.8, 0.4, 0.9)])
def test_the_centre_of_a_parabola_is_that_parabola(true):
    centre = true[0] + true[1] * SHARE + true[2] * SHARE**2
    curve = np.zeros(3)
    # From a first guess beside it, once wide and straight, once narrow and bent, as a candidate is laid.
    fit_centre(strip_around(centre), EMPTY, 60, 3.0, 1e9, curve)
    away = fit_centre(strip_around(centre), EMPTY, 60, 2.0, 0.0, curve)
    np.testing.assert_allclose(curve[0] + curve[1] * SHARE + curve[2] * SHARE**2, centre, atol=0.08)
    assert away < 0.08


def test_the_centre_is_the_weighted_least_squares_of_the_rows_own_centres():
    rng = np.random.default_rng(2)
    centre = 0.3 - 0.5 * SHARE + rng.normal(0, 0.05, 60)
    first, second = strip_around(centre, height=rng.uniform(0.3, 1.5, (60, 1))), strip_around(centre, height=0.4)
    first += rng.uniform(0, 0.05, first.shape).astype(np.float32)
    ridge, reach, curve = 0.7, 2.0, np.array([0.2, -0.4, 0.0])
    # By numpy: centres of the squared sum of both, weighed by a parabola around the guess ...
    guess = curve[0] + curve[1] * SHARE
    d = (ACROSS - guess[:, None]) / reach
    mass = (np.maximum(first, 0) + np.maximum(second, 0)).astype(float) ** 2 * np.maximum(1 - d * d, 0)
    rows, weight = (mass @ ACROSS) / mass.sum(axis=1), np.minimum(mass.sum(axis=1), 8.0)
    # ... and a parabola through them, as rows of one least-squares system, the far ones weighing less.
    powers, p = np.stack([np.ones(60), SHARE, SHARE**2], axis=1), curve.copy()
    for _ in range(3):
        root = np.sqrt(weight / (1 + ((rows - powers @ p) / 0.8) ** 2))
        system = np.vstack([powers * root[:, None], np.diag([1e-3, 1e-3, math.sqrt(ridge)])])
        p = np.linalg.lstsq(system, np.concatenate([rows * root, np.zeros(3)]))[0]
    away = fit_centre(first, second, 60, reach, ridge, curve)
    np.testing.assert_allclose(curve, p, atol=1e-4)
    assert away == pytest.approx(np.average(np.minimum(np.abs(rows - powers @ p), 1.5), weights=weight), abs=1e-4)


def test_a_ridge_keeps_the_line_straight_and_a_wild_stretch_does_not_pull_it():
    centre = 1.2 * SHARE**2
    curve = np.zeros(3)
    fit_centre(strip_around(centre), EMPTY, 60, 3.0, 1e9, curve)
    assert abs(curve[2]) < 1e-6
    wild = np.where((SHARE > 0.4) & (SHARE < 0.55), 2.5, 0.0)
    curve = np.zeros(3)
    fit_centre(strip_around(wild), EMPTY, 60, 3.0, 1e9, curve)
    assert np.abs(curve[0] + curve[1] * SHARE).max() < 0.25


def test_nothing_to_fit_is_said():
    assert fit_centre(EMPTY, EMPTY, 60, 2.0, 0.0, np.zeros(3)) == 9.0
    assert fit_centre(-strip_around(np.zeros(60)), EMPTY, 60, 2.0, 0.0, np.zeros(3)) == 9.0


def seen(n, *, here=True):
    return np.full(n, float(here), np.float32)


def test_the_run_starts_after_the_step_that_speaks_most_against_it():
    # What comes before the start speaks against a shaft, and what follows for one, from each of its steps to the end.
    rng = np.random.default_rng(4)
    for _ in range(20):
        look, new = rng.normal(0.4, 0.6, 40), rng.normal(0.3, 0.6, 40)
        look_seen, new_seen = (rng.uniform(size=(2, 40)) > 0.2).astype(np.float32)
        gain = look_seen * np.clip(1.2 * (look - 0.4), -0.8, 0.8) + new_seen * np.clip(1.5 * (new - 0.35), -0.8, 1.2)
        behind = np.concatenate([[0], np.cumsum(gain)])[:35]
        start = run_start(look, new, look_seen, new_seen, 35)
        assert behind[start] == pytest.approx(behind.min(), abs=1e-9)


def test_a_clean_run_starts_where_it_starts():
    look = np.where(np.arange(60) < 17, -0.2, 1.3)
    assert run_start(look, np.zeros(60), seen(60), seen(60, here=False), 50) == 17
    # Nothing known in front: the run starts where something is known.
    front = np.where(np.arange(60) < 17, 0, 1).astype(np.float32)
    assert run_start(look, np.zeros(60), front, seen(60, here=False), 50) == 17


def gains(look, new, look_seen, new_seen, look_mean, new_mean):
    """Log-likelihood ratio of 'shaft' against 'no shaft' for each step, with Gaussian noise, limited."""
    g = np.where((look_seen == 0) & (new_seen == 0), -profile.UNSEEN_PRICE, 0.0)

    def ratio(value, mean, variance):
        return np.clip(mean / variance * (value - 0.5 * mean), -profile.CLIP, profile.CLIP)

    x = np.clip(look, -1.0, 1.5 * look_mean)
    g += (look_seen > 0) * profile.LOOK_WEIGHT * ratio(x, look_mean, profile.LOOK_VARIANCE)
    if new_mean > 0.25:
        g += (new_seen > 0) * ratio(np.clip(new, -1.0, 1.5 * new_mean + 0.3), new_mean, profile.NEW_VARIANCE)
    return g


def best_with_gaps(gain):
    """Of all ways to say 'shaft' or 'gap' of each step, the last being shaft: the best sum less the prices of gaps."""
    best = -math.inf
    for labels in itertools.product((True, False), repeat=len(gain) - 1):
        shaft = np.array([*labels, True])
        openings = np.count_nonzero(~shaft[1:] & shaft[:-1]) + (not shaft[0])
        price = profile.GAP_PRICE * openings + profile.GAP_PRICE_PER_PX * np.count_nonzero(~shaft)
        best = max(best, gain[shaft].sum() - price)
    return best


@pytest.mark.parametrize("seed", range(4))
def test_the_end_sums_are_the_best_over_all_gaps(seed):
    rng = np.random.default_rng(seed)
    n = 11
    look, new = rng.normal(0.5, 1.2, n), rng.normal(0.3, 1.0, n)
    # A stretch so dark that a gap pays.
    look[3:8] -= 3
    new[3:8] -= 3
    look_seen, new_seen = (rng.uniform(size=(2, n)) > 0.15).astype(np.float32)
    sums = np.empty(n + 1)
    profile._end_sums(look, new, look_seen, new_seen, n, 1.0, 0.8, 1, sums)
    gain = gains(look, new, look_seen, new_seen, 1.0, 0.8)
    expected = [0.0, *(best_with_gaps(gain[: k + 1]) for k in range(n))]
    np.testing.assert_allclose(sums, expected, atol=1e-9)
    assert expected[-1] > gain.sum() + 0.5


def ended(look, new, *, start=0, least=8, guess=None, new_known=True):
    n = len(look)
    sums, out = np.empty(n + 1), np.empty(2)
    change_point(look, new, seen(n), seen(n, here=new_known), n, start, least, n if guess is None else guess, sums, out)
    return out, sums


@pytest.mark.parametrize("end", [20, 47, 80])
@pytest.mark.parametrize("height", [0.7, 1.0, 2.5])
def test_a_shaft_ends_where_its_evidence_ends(end, height):
    rng = np.random.default_rng(end)
    there = np.arange(100) < end
    look, new = there * height + rng.normal(0, 0.15, 100), there * height + rng.normal(0, 0.15, 100)
    for guess in (end, end - 6, 100):
        (mean, variance), sums = ended(look, new, guess=guess)
        assert mean == pytest.approx(end - 0.5, abs=1.0)
        assert variance < 1.5
        assert np.argmax(sums[8:]) + 8 == pytest.approx(end, abs=1)


def test_mean_and_variance_are_those_of_the_likelihood():
    rng = np.random.default_rng(9)
    there = np.arange(80) < 40
    (mean, variance), sums = ended(there * 0.6 + rng.normal(0, 0.5, 80), there * 0.5 + rng.normal(0, 0.4, 80), least=10)
    steps = np.arange(10, 81)
    p = np.exp(sums[10:] - sums[10:].max())
    p /= p.sum()
    assert mean == pytest.approx(p @ steps - 0.5, abs=1e-6)
    assert variance == pytest.approx(p @ (steps - p @ steps) ** 2, rel=1e-4, abs=1e-6)
    assert variance > 0.01


def test_a_gap_is_bridged_and_a_weak_rest_is_not_followed():
    k = np.arange(100)
    gap = np.where(((k < 30) | (k >= 38)) & (k < 70), 1.0, 0.0)
    (mean, _), _ = ended(gap, gap, guess=70)
    assert mean == pytest.approx(69.5, abs=1)
    # Fascia goes on behind the tip, half as bright and not new.
    (mean, _), _ = ended(np.where(k < 50, 2.0, 0.5), np.where(k < 50, 1.5, 0.0), guess=50)
    assert mean == pytest.approx(49.5, abs=1)


def test_a_shaft_that_reflects_less_further_on_is_followed_where_it_is_new():
    k = np.arange(120)
    look = np.select([k < 40, k < 90], [1.5, 0.9], 0.0)
    new = np.select([k < 40, k < 90], [1.6, 0.75], 0.0)
    (mean, _), _ = ended(look, new, guess=40)
    assert mean == pytest.approx(89.5, abs=1.5)


def test_no_end_before_the_least():
    look = np.where(np.arange(60) < 5, 1.0, -0.3)
    (mean, _), _ = ended(look, look, least=20, guess=20)
    assert mean >= 19.5
