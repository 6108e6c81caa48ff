"""The line search against a slow one of the same definition, mirrored, and on lines whose ends are known."""

import math

import numpy as np
import pytest
from scipy import ndimage

from usguide.detection import LineMaps, SearchSettings
from usguide.detection._kernels.search import BLOCK_PX, search_lines
from usguide.detection.search import entered_px, find_segments, sides_of, travel_directions_rad
from usguide.types import InsertionPrior

MM = 0.3
FLOOR2 = 0.5
SETTINGS = SearchSettings(offset=0.4, high=1.5, low=-0.8, cost_per_mm=0.15)


def line_maps(hessian, known):
    """Maps whose energy is that of each block alone."""
    h, w = known.shape
    a, b, c = hessian * known
    products = (a * a, a * b, 4 * b * b + 2 * a * c, b * c, c * c)
    room = (-h % BLOCK_PX, -w % BLOCK_PX)

    def in_blocks(values):
        padded = np.pad(values, ((0, room[0]), (0, room[1])))
        return padded.reshape(-(-h // BLOCK_PX), BLOCK_PX, -(-w // BLOCK_PX), BLOCK_PX).sum(axis=(1, 3))

    pixels = np.maximum(in_blocks(known), 1)
    energy = np.stack([in_blocks(p) / pixels for p in products])
    return LineMaps(hessian.astype(np.float32), known.astype(np.float32), energy.astype(np.float32), FLOOR2)


def random_maps(seed, shape=(24, 32), *, hole=True):
    rng = np.random.default_rng(seed)
    known = np.ones(shape)
    if hole:
        known[5:11, 12:17] = 0
        known[:2] = known[:, -3:] = 0
    return line_maps(ndimage.gaussian_filter(rng.normal(size=(3, *shape)), (0, 1, 1)) * 5, known)


def drawn(start, end, shape=(64, 96), sigma_px=1.0, brightness=40.0, noise=0.4, seed=0):
    """Second derivatives of a bright line (by central differences), in a little noise."""
    (x0, y0), (x1, y1) = start, end
    yy, xx = np.mgrid[: shape[0], : shape[1]].astype(float)
    length = math.dist(start, end)
    c, s = (x1 - x0) / length, (y1 - y0) / length
    along, across = (xx - x0) * c + (yy - y0) * s, (yy - y0) * c - (xx - x0) * s
    beyond = np.maximum(np.maximum(-along, along - length), 0)
    image = brightness * np.exp(-0.5 * (across**2 + beyond**2) / sigma_px**2)
    image += ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 1) * noise
    second, first = [1, -2, 1], [-0.5, 0, 0.5]
    hessian = [
        ndimage.correlate1d(image, second, axis=1),
        ndimage.correlate(image, np.outer(first, first)),
        ndimage.correlate1d(image, second, axis=0),
    ]
    return line_maps(np.stack(hessian), np.ones(shape))


def response(maps, angle):
    """Minus the second derivative across lines of this direction, and one over its root mean square around."""
    n = np.array([-math.sin(angle), math.cos(angle)])
    xx, xy, yy = maps.hessian.astype(float)
    value = -(n[0] ** 2 * xx + 2 * n[0] * n[1] * xy + n[1] ** 2 * yy)
    # The square of (p xx + q xy + r yy), with the cross terms as `energy` holds them.
    p, q, r = n[0] ** 2, 2 * n[0] * n[1], n[1] ** 2
    e = maps.energy.astype(float)
    coarse = 1 / np.sqrt(
        np.maximum(p * p * e[0] + p * q * e[1] * 2 + p * r * e[2] + q * r * e[3] * 2 + r * r * e[4], 0) + maps.floor2
    )
    i, j = np.indices(value.shape)
    middle = 0.5 * BLOCK_PX - 0.5
    inverse = ndimage.map_coordinates(
        coarse, [(i - middle) / BLOCK_PX, (j - middle) / BLOCK_PX], order=1, mode="nearest"
    )
    return value, inverse * maps.known


def best_run(maps, entered, angle, offset_px, settings, stride=1):
    """The best of all runs along one line, tried one by one: sum, where it ends, where it starts."""
    value, inverse = response(maps, angle)
    shade = maps.shade
    c, s = math.cos(angle), math.sin(angle)
    flat = abs(s) <= abs(c)
    if not flat:
        value, inverse, entered = value.T, inverse.T, entered.T
        shade = None if shade is None else shade.T
    slope = s / c if flat else c / s
    step = stride * MM * math.hypot(1, slope)
    columns = np.arange(value.shape[1])
    if (c if flat else s) < 0:
        columns = columns[::-1]
    columns = columns[::stride]
    evidence, price, places = [], [], []
    for x in columns:
        y = offset_px + slope * x
        row = math.floor(y)
        if not 0 <= row < value.shape[0] - 1:
            continue
        there = value[row, x] * (row + 1 - y) + value[row + 1, x] * (y - row)
        more = 0.0 if shade is None else float(shade[row, x])
        gain = np.clip(there * inverse[row, x] + more - settings.offset, settings.low, settings.high) * step
        evidence.append(gain if inverse[row, x] > 0 else 0.0)
        price.append(settings.cost_per_mm * MM / max(abs(c), 1e-3) * entered[row, x])
        places.append(x)
    best = (0.0, 0, 0)
    for a in range(len(places)):
        total = -price[a]
        for b in range(a, len(places)):
            total += evidence[b]
            # Where nothing is known nothing is added: of starts as good as each other, the last is meant.
            if total > best[0] or (total == best[0] > 0 and places[b] == best[1]):
                best = (total, places[b], places[a])
    return best


def searched(maps, entered, angles, settings, stride=1):
    h, w = maps.known.shape
    pad = max(h, w) + 4
    out = [np.empty((len(angles), 2 * pad + max(h, w)), np.float32) for _ in range(3)]
    turned = [
        np.ascontiguousarray(m)
        for m in (maps.hessian.transpose(0, 2, 1), maps.known.T, entered.T, maps.energy.transpose(0, 2, 1))
    ]
    shade = np.zeros((h, w), np.float32) if maps.shade is None else maps.shade
    search_lines(
        maps.hessian, turned[0], maps.known, turned[1], entered, turned[2], maps.energy, turned[3],
        shade, np.ascontiguousarray(shade.T), maps.floor2,
        np.asarray(angles), settings.offset, settings.low, settings.high, settings.cost_per_mm, stride, MM, *out, pad,
    )  # fmt: skip
    return out, pad


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize(("seed", "stride"), [(0, 1), (1, 1), (1, 2), (0, 3)])
def test_every_line_holds_its_best_run(side, seed, stride):
    maps = random_maps(seed)
    if seed:
        shade = np.random.default_rng(seed).normal(0, 0.4, maps.known.shape).astype(np.float32)
        maps = LineMaps(maps.hessian, maps.known, maps.energy, maps.floor2, shade)
    entered = entered_px(maps.known > 0, side)
    angles = travel_directions_rad(side, (-25.0, 80.0), 21.0)
    (score, front, start), pad = searched(maps, entered, angles, SETTINGS, stride)
    found = 0
    for k, angle in enumerate(angles):
        for index in range(score.shape[1]):
            total, end, begin = best_run(maps, entered.astype(float), angle, index - pad, SETTINGS, stride)
            assert score[k, index] == pytest.approx(total, abs=2e-4), (math.degrees(angle), index)
            if total > 0.01:
                found += 1
                # Two runs as good as each other to within rounding may change places.
                assert (front[k, index], start[k, index]) == (end, begin)
    assert found > 100


def test_a_start_inside_has_its_price():
    maps = random_maps(3, hole=False)
    entered = entered_px(maps.known > 0, "left")
    free, dear = (
        searched(maps, entered, [0.3], SearchSettings(0.4, 1.5, -0.8, cost_per_mm=cost))[0][0] for cost in (0.0, 1.0)
    )
    assert np.all(dear <= free + 1e-5)
    assert dear.max() < free.max() - 0.1


def test_entered_counts_the_picture_from_the_edge_of_entry():
    valid = np.array([[0, 1, 1, 0, 1], [1, 1, 1, 1, 1]], bool)
    np.testing.assert_array_equal(entered_px(valid, "left"), [[0, 1, 2, 2, 3], [1, 2, 3, 4, 5]])
    np.testing.assert_array_equal(entered_px(valid, "right"), [[3, 3, 2, 1, 1], [5, 4, 3, 2, 1]])


def test_directions_of_travel():
    left, right = (np.degrees(travel_directions_rad(side, (10.0, 40.0), 4.0)) for side in ("left", "right"))
    assert (left[0], left[-1]) == pytest.approx((10, 40))
    assert np.all(np.diff(left) <= 4.0)
    np.testing.assert_allclose(right, 180 - left)
    assert sides_of(InsertionPrior("right")) == ("right",)
    assert sides_of(InsertionPrior("any")) == ("left", "right")


LINES = {
    "flat": ((0.0, 20.0), (70.0, 26.0)),
    "slanted": ((0.0, 12.0), (60.0, 45.0)),
    "steep": ((20.0, 0.0), (40.0, 55.0)),
    "rising": ((0.0, 40.0), (60.0, 25.0)),
    "begins inside": ((25.0, 20.0), (70.0, 45.0)),
}


@pytest.mark.parametrize("name", LINES)
@pytest.mark.parametrize("side", ["left", "right"])
def test_a_line_is_found_with_its_ends(name, side):
    start, end = LINES[name]
    if side == "right":
        start, end = ((95 - x, y) for x, y in (start, end))
    maps = drawn(start, end)
    angles = travel_directions_rad(side, (-30.0, 80.0), 2.0)
    found = find_segments(maps, entered_px(maps.known > 0, side), angles, SETTINGS, MM)
    best = found[0]
    assert math.dist(best.ends_px[0], start) < 4
    assert math.dist(best.ends_px[1], end) < 4
    true = math.atan2(end[1] - start[1], end[0] - start[0])
    assert abs(math.degrees(math.remainder(best.angle_rad - true, 2 * math.pi))) < 2.5
    # No two are the same line.
    assert not found[1:] or found[1].score < 0.6 * best.score


def test_two_lines_are_two_segments_best_first():
    one, two = drawn((0, 10), (80, 20), brightness=40), drawn((0, 55), (60, 30), brightness=40, noise=0)
    maps = line_maps((one.hessian + two.hessian).astype(float), np.ones(one.known.shape))
    angles = travel_directions_rad("left", (-40.0, 80.0), 2.0)
    found = find_segments(maps, entered_px(maps.known > 0, "left"), angles, SETTINGS, MM)
    assert [s.score for s in found] == sorted((s.score for s in found), reverse=True)
    for end in ((80, 20), (60, 30)):
        assert min(math.dist(s.ends_px[1], end) for s in found[:2]) < 4


def mirrored(maps):
    flipped = maps.hessian[:, :, ::-1] * np.array([1, -1, 1])[:, None, None]
    return line_maps(flipped.astype(float), maps.known[:, ::-1].astype(float))


def even(maps):
    """The same surroundings everywhere."""
    energy = np.broadcast_to(maps.energy.mean(axis=(1, 2), keepdims=True), maps.energy.shape)
    return LineMaps(maps.hessian, maps.known, np.ascontiguousarray(energy), maps.floor2)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("rise_px", [-19, 0, 19, 38])
def test_the_mirror_image_gives_the_same_sums(rise_px, stride):
    # A line that crosses a whole number of rows is on the grid of lines from either side.
    maps, settings = even(drawn((0, 20), (60, 32), noise=8.0)), SearchSettings(0.0, 1.5, cost_per_mm=0.15)
    last = maps.known.shape[1] - 1
    angle = math.atan(rise_px / last)
    sums = []
    for m, side, a in ((maps, "left", angle), (even(mirrored(maps)), "right", math.pi - angle)):
        (score, front, start), pad = searched(m, entered_px(m.known > 0, side), [a], settings, stride)
        # Inside along all its length: on the border, rounding decides what counts.
        rows = np.arange(max(1, 1 - rise_px), min(63, 63 - rise_px)) + (rise_px if side == "right" else 0) + pad
        sums.append([x[0, rows] for x in (score, front, start)])
    (score, front, start), (score_r, front_r, start_r) = sums
    np.testing.assert_allclose(score, score_r, atol=1e-4)
    known = score > 0.1
    assert known.sum() > 10
    np.testing.assert_array_equal(front[known], last - front_r[known])
    np.testing.assert_array_equal(start[known], last - start_r[known])


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("name", LINES)
def test_the_mirror_image_gives_mirrored_segments(name, stride):
    maps = drawn(*LINES[name], noise=1.0)
    left, right = (
        find_segments(
            m, entered_px(m.known > 0, side), travel_directions_rad(side, (-30.0, 80.0), 2.0), SETTINGS, MM, stride
        )[0]
        for m, side in ((maps, "left"), (mirrored(maps), "right"))
    )
    last = maps.known.shape[1] - 1
    # Other lines of the grid lie best on it, by up to half a pixel.
    assert left.score == pytest.approx(right.score, rel=0.15)
    assert math.dist(right.ends_px[1], (last - left.ends_px[1][0], left.ends_px[1][1])) < 2 + stride
    assert math.dist(right.ends_px[0], (last - left.ends_px[0][0], left.ends_px[0][1])) < 2 + stride
    assert abs(math.pi - right.angle_rad - left.angle_rad) < math.radians(2.5)


def test_nothing_is_found_where_there_is_nothing():
    maps = line_maps(np.zeros((3, 40, 50)), np.ones((40, 50)))
    angles = travel_directions_rad("left", (5.0, 80.0), 4.0)
    entered = entered_px(maps.known > 0, "left")
    assert find_segments(maps, entered, angles, SETTINGS, MM) == []
    blind = LineMaps(
        drawn((0, 10), (80, 30)).hessian, np.zeros((64, 96), np.float32), np.zeros((5, 16, 24), np.float32), FLOOR2
    )
    assert find_segments(blind, entered_px(np.ones((64, 96), bool), "left"), angles, SETTINGS, MM) == []


def test_no_more_segments_than_asked_for():
    maps = random_maps(7)
    angles = travel_directions_rad("left", (-30.0, 80.0), 6.0)
    entered = entered_px(maps.known > 0, "left")
    many = find_segments(maps, entered, angles, SearchSettings(0.2, 1.5, least=0.1, count=8), MM)
    few = find_segments(maps, entered, angles, SearchSettings(0.2, 1.5, least=0.1, count=2), MM)
    assert len(many) == 8
    assert [s.score for s in few] == [s.score for s in many[:2]]
