"""The network that reads the band along a candidate: what it reads, its arithmetic, and where it sees ends."""

import math
from dataclasses import replace

import numpy as np
import pytest
from conftest import frame_of, needle_picture
from scipy import ndimage

from usguide.detection import LineDetector
from usguide.detection._kernels import strip
from usguide.detection._kernels.search import steps_down
from usguide.detection._kernels.strip import CHANNELS, LOOK_SEEN, MAY_END, NEW_SEEN
from usguide.detection.detector import DetectionSettings, gather_evidence, needle_forest
from usguide.detection.evidence import EvidenceSettings, shading
from usguide.detection.strips import DILATIONS, SCALARS, WIDE_MM, StripNet, StripReader, strip_net
from usguide.errors import InputError
from usguide.geometry import ImageGeometry
from usguide.types import InsertionPrior


def random_net(units=8, head=5, seed=0):
    rng = np.random.default_rng(seed)

    def weights(*shape):
        return (rng.normal(size=shape) / math.sqrt(shape[-1])).astype(np.float32)

    return StripNet(
        weights(units, CHANNELS),
        weights(units),
        weights(len(DILATIONS), 3, units, units),
        weights(len(DILATIONS), units),
        weights(units),
        weights(units),
        weights(head, 2 * units + SCALARS),
        weights(head),
        weights(head),
        0.3,
    )


def plain_net(net, x, scalars):
    """The same in float64, px by px."""
    n = x.shape[1]
    x, seen = x.astype(float), x[LOOK_SEEN].astype(float)
    h = np.maximum(net.first.astype(float) @ x + net.first_bias[:, None], 0) * seen
    for k, d in enumerate(DILATIONS):
        deeper = np.zeros_like(h)
        for t in range(n):
            total = net.deeper_bias[k].astype(float)
            for tap, at in enumerate((t - d, t, t + d)):
                if 0 <= at < n:
                    total = total + net.deeper[k, tap] @ h[:, at]
            deeper[:, t] = total
        h = (h + np.maximum(deeper, 0)) * seen
    ends = np.where(x[MAY_END] > 0, net.end @ h, -1e4)
    gaze = np.where(seen > 0, np.exp(net.gaze @ h), 0)
    pooled = np.concatenate([(h * gaze).sum(axis=1) / gaze.sum(), h.max(axis=1), scalars])
    return net.last @ np.maximum(net.head @ pooled + net.head_bias, 0) + net.last_bias, ends


def band(n=70, seed=1):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(CHANNELS, n)).astype(np.float32)
    x[LOOK_SEEN] = rng.random(n) < 0.9
    x[MAY_END] = np.arange(n) >= 9
    return x


@pytest.mark.parametrize("n", [70, 33, 8])
def test_the_network_is_what_its_definition_says(n):
    net, x, scalars = random_net(), band(n), np.array([0.4, -0.2, 1.0], np.float32)
    x[MAY_END, -1] = 1
    odds, ends = net.read(x, scalars)
    expected, expected_ends = plain_net(net, x, scalars)
    assert odds == pytest.approx(expected, abs=1e-4)
    np.testing.assert_allclose(ends, expected_ends, rtol=1e-4, atol=1e-4)


def test_nothing_beyond_the_picture_changes_what_is_read():
    net, x, scalars = random_net(), band(), np.zeros(SCALARS, np.float32)
    odds, ends = net.read(x, scalars)
    longer = np.concatenate([x, np.zeros((CHANNELS, 20), np.float32)], axis=1)
    more, more_ends = net.read(longer, scalars)
    assert more == pytest.approx(odds, abs=1e-5)
    np.testing.assert_allclose(more_ends[:70], ends, rtol=1e-4, atol=1e-5)


def evidence_of(pixels):
    return gather_evidence(frame_of(pixels), DetectionSettings())


def first_candidate(evidence, side="left"):
    return max(
        LineDetector().candidates(evidence, InsertionPrior(side, (5, 70))), key=lambda c: c.features[0] + c.features[1]
    )


def test_the_band_holds_grey_levels_beside_the_line_deeper_ones_last():
    pixels, _, _ = needle_picture(angle_deg=30, length_mm=20.0, entry_mm=(0.0, 6.0))
    evidence = evidence_of(pixels)
    c = first_candidate(evidence)
    x = StripReader(evidence).read(c)
    t = np.flatnonzero(x[LOOK_SEEN])
    x0, y0, angle = c.strip
    across = np.arange(-strip.HALF_BAND, strip.HALF_BAND + 1)[:, None]
    slope = np.arctan(2 * c.bend * t)
    px = x0 + math.cos(angle) * t - math.sin(angle) * c.bend * t**2 - across * np.sin(angle + slope)
    py = y0 + math.sin(angle) * t + math.cos(angle) * c.bend * t**2 + across * np.cos(angle + slope)
    grey = ndimage.map_coordinates(evidence.smooth.astype(float), [py, px], order=1, mode="nearest")
    expected = (grey - grey.mean()) / (grey.std() + strip.EVEN)
    np.testing.assert_allclose(x[strip.GREY_AT : strip.CHANGE_AT, t], expected.clip(-strip.MOST, strip.MOST), atol=2e-3)


def with_changes(evidence, seed=3):
    """The same evidence as of a frame in a stream, with changes that vary over the picture."""
    noise = np.random.default_rng(seed).normal(size=(strip.LAGS, *evidence.smooth.shape))
    since = np.stack([ndimage.gaussian_filter(n, 3) * s for n, s in zip(noise, (90, 160), strict=True)])
    return replace(
        evidence, new=evidence.look, difference=np.zeros_like(evidence.smooth), since=since.astype(np.float32)
    )


def test_the_band_holds_what_has_changed_since_moments_before():
    evidence = with_changes(evidence_of(needle_picture(angle_deg=30, length_mm=20.0, entry_mm=(0.0, 6.0))[0]))
    c = first_candidate(evidence)
    x = StripReader(evidence).read(c)
    t = np.flatnonzero(x[NEW_SEEN])
    assert len(t) > 40
    x0, y0, angle = c.strip
    slope = angle + np.arctan(2 * c.bend * t)
    line_x = x0 + math.cos(angle) * t - math.sin(angle) * c.bend * t**2
    line_y = y0 + math.sin(angle) * t + math.cos(angle) * c.bend * t**2
    side = max(1, round(WIDE_MM / evidence.mm_per_px)) | 1
    for lag, since in enumerate(evidence.since.astype(float)):
        across = np.arange(-strip.HALF_LINE, strip.HALF_LINE + 1)[:, None]
        at = [line_y + across * np.cos(slope), line_x - across * np.sin(slope)]
        on = ndimage.map_coordinates(since, at, order=1, mode="nearest")
        below = np.array(strip.BESIDE_MM)[:, None] / evidence.mm_per_px
        wide = ndimage.uniform_filter(since, side, mode="nearest")
        beside = ndimage.map_coordinates(wide, [line_y + below, line_x + 0 * below], order=1, mode="nearest")
        expected = np.concatenate([on, beside]) / strip.LEVELS
        first = strip.SINCE_AT + lag * strip.SINCE
        assert np.abs(expected).max() > 1
        np.testing.assert_allclose(x[first : first + strip.SINCE, t], expected.clip(-strip.MOST, strip.MOST), atol=2e-3)


def test_a_picture_on_its_own_has_not_changed():
    evidence = evidence_of(needle_picture(angle_deg=30, length_mm=20.0, entry_mm=(0.0, 6.0))[0])
    candidate = first_candidate(evidence)
    assert not StripReader(evidence).read(candidate)[strip.SINCE_AT : LOOK_SEEN].any()


def test_what_has_changed_where_nothing_is_known_to_be_new_is_not_read():
    evidence = with_changes(evidence_of(needle_picture(angle_deg=30, length_mm=20.0, entry_mm=(0.0, 6.0))[0]))
    unknown = replace(evidence.new, known=np.zeros_like(evidence.new.known))
    x = StripReader(replace(evidence, new=unknown)).read(first_candidate(evidence))
    assert not x[strip.SINCE_AT : LOOK_SEEN].any()


def test_changes_of_another_size_are_refused():
    evidence = with_changes(evidence_of(needle_picture(angle_deg=30, length_mm=20.0, entry_mm=(0.0, 6.0))[0]))
    with pytest.raises(InputError, match="since: expected shape"):
        StripReader(replace(evidence, since=evidence.since[:1]))


def test_a_mirrored_picture_gives_the_same_band():
    pixels, _, _ = needle_picture(angle_deg=35, length_mm=18.0, entry_mm=(0.0, 5.0))
    here = evidence_of(pixels)
    there = evidence_of(np.ascontiguousarray(pixels[:, ::-1]))
    a = StripReader(here).read(first_candidate(here))
    b = StripReader(there).read(first_candidate(there, "right"))
    n = min(a.shape[1], b.shape[1]) - 20
    assert np.abs(a[:, 10:n] - b[:, 10:n]).mean() < 0.02
    assert np.corrcoef(a[strip.GREY_AT, 10:n], b[strip.GREY_AT, 10:n])[0, 1] > 0.98


def test_steps_down_are_means_over_less_those_under():
    rng = np.random.default_rng(2)
    image, known = rng.normal(size=(40, 9)).astype(np.float32), (rng.random((40, 9)) < 0.9).astype(np.float32)
    out = np.full_like(image, np.nan)
    steps_down(image, known, 2, 6, 10, out)
    for i, j in ((20, 4), (3, 0), (38, 8), (12, 7)):
        above = image[max(0, i - 7) : max(0, i - 1), j]
        below = image[i + 2 : i + 12, j]
        expected = (above.mean() if above.size else 0) - (below.mean() if below.size else 0)
        assert out[i, j] == pytest.approx(expected * known[i, j], abs=1e-5)


def test_a_shadow_is_evidence_where_it_begins_and_nowhere_else():
    geometry = ImageGeometry(0.3, 0.3)
    change = np.random.default_rng(3).normal(0, 1.0, (120, 140)).astype(np.float32)
    rows = (40 + 0.3 * np.arange(140)).astype(int)
    for j in range(20, 90):
        change[rows[j] :, j] -= 8
    found = shading(change, np.ones_like(change), EvidenceSettings(), geometry)
    on_edge = np.mean([found[rows[j], j] for j in range(25, 85)])
    within = np.mean([found[rows[j] + 25, j] for j in range(25, 85)])
    beyond = np.mean([found[rows[j], j] for j in range(95, 135)])
    assert on_edge > 0.5
    assert abs(within) < 0.15
    assert abs(beyond) < 0.15


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("angle", [15, 35, 60])
def test_an_end_lies_where_a_line_that_is_cut_off_stops(angle, side):
    pixels, _, tip = needle_picture(angle_deg=angle, length_mm=20.0, entry_mm=(0.0, 6.0))
    if side == "right":
        pixels, tip = np.ascontiguousarray(pixels[:, ::-1]), (0.1 * (pixels.shape[1] - 1) - tip[0], tip[1])
    best = LineDetector().detect(evidence_of(pixels), InsertionPrior(side, (5, 70)))[0]
    assert math.dist(best.tip.position_mm, tip) < 0.5
    # The likelihood is of that place: it falls off on either side of it.
    way = best.end.step_mm * (int(np.argmax(best.end.log_likelihood[best.end.least :])) + best.end.least)
    assert math.dist(best.end.at_mm(way), tip) < 0.6
    for off in (-3.0, 3.0):
        k = round((way + off) / best.end.step_mm)
        assert best.end.log_likelihood[k] < best.end.log_likelihood.max() - 2


@pytest.mark.parametrize("alone", [False, True])
def test_a_picture_on_its_own_is_weighed_by_what_learnt_such_pictures(alone):
    evidence, prior = evidence_of(needle_picture()[0]), InsertionPrior("left", (5, 70))
    if not alone:
        evidence = replace(evidence, new=evidence.look)

    def scores(**models):
        return [d.shaft.score for d in LineDetector(**models).detect(evidence, prior)]

    assert scores() == scores(forest=needle_forest(alone=alone), net=strip_net(alone=alone))
    assert scores() != scores(forest=needle_forest(alone=not alone), net=strip_net(alone=not alone))


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_shaft_that_rises_is_read_as_one_that_goes_down(side):
    pixels = needle_picture(angle_deg=30, length_mm=20.0, entry_mm=(0.0, 6.0))[0]
    # Other tissue over the line than under it.
    patches = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=pixels.shape), 8) * 600
    pixels = np.clip(pixels + patches, 0, 255).astype(np.uint8)
    pixels = np.ascontiguousarray(pixels if side == "left" else pixels[:, ::-1])

    def read(picture, angle_deg):
        evidence = evidence_of(np.ascontiguousarray(picture))
        found = LineDetector().candidates(evidence, InsertionPrior(side, angle_deg))
        return StripReader(evidence).read(max(found, key=lambda c: c.features[0]))

    down, rising = read(pixels, (5, 70)), read(pixels[::-1], (-70, -5))
    n = min(down.shape[1], rising.shape[1])
    grey = slice(strip.GREY_AT, strip.GREY_AT + strip.BAND)
    assert np.abs(down[grey, :n] - rising[grey, :n]).mean() < 0.1
    assert np.abs(down[grey, :n] - rising[grey, :n][::-1]).mean() > 0.3


@pytest.mark.parametrize("alone", [False, True])
def test_the_network_that_ships_reads_these_inputs(alone):
    net = strip_net(alone=alone)
    assert net.first.shape[1] == CHANNELS
    assert net.head.shape[1] == 2 * len(net.first) + SCALARS


def test_a_network_whose_units_do_not_come_in_fours_is_refused():
    with pytest.raises(InputError, match="multiple of four units, got 6"):
        random_net(units=6)
