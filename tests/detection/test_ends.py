"""Where a shaft ends: what is read along its line, by other means, and what the network makes of it."""

import math

import numpy as np
import pytest
from conftest import frame_of, needle_picture
from scipy import ndimage

from usguide.detection import LineDetector
from usguide.detection._kernels.ends import BESIDE_PX, CHANNELS, INPUTS, WINDOWS_PX, beside, end_inputs
from usguide.detection.detector import DetectionSettings, gather_evidence
from usguide.detection.ends import EndNet, end_net
from usguide.types import InsertionPrior


def test_beside_is_the_size_of_the_mean_difference_over_and_under_the_line():
    image = np.random.default_rng(0).normal(0, 30, (60, 80)).astype(np.float32)
    over, under = np.empty(30), np.empty(30)
    beside(image, 20.0, 20.0, 0.4, 0.003, 30, over, under)
    t = np.arange(30.0)
    x = 20 + math.cos(0.4) * t - math.sin(0.4) * 0.003 * t * t
    y = 20 + math.sin(0.4) * t + math.cos(0.4) * 0.003 * t * t
    for sign, found in ((-1, over), (1, under)):
        levels = [ndimage.map_coordinates(image, [y + sign * d, x], order=1) for d in BESIDE_PX]
        np.testing.assert_allclose(found, np.minimum(np.abs(np.mean(levels, axis=0)) / 15, 2), atol=1e-5)


def test_inputs_are_means_before_and_behind_each_place():
    rng = np.random.default_rng(1)
    n, least, start = 90, 12, 5
    channels, sums = rng.uniform(-2, 4, (CHANNELS, n)), rng.normal(size=n + 1).cumsum()
    out = np.full((n + 1, INPUTS), np.nan)
    end_inputs(channels.copy(), sums, least, start, out)
    channels[0], channels[1] = channels[0].clip(-1, 2.5), channels[1].clip(-1, 3.5)
    for t in (0, 1, 7, 45, n - 1, n):
        expected = []
        for w in WINDOWS_PX:
            expected += [*(channels[:, max(0, t - w) : t].sum(axis=1) / w), *(channels[:, t : t + w].sum(axis=1) / w)]
        expected += [
            (sums[t] - sums[least:].max()).clip(-40, 0) / 5,
            np.clip(t - start, 0, 100) / 50,
            min(n - t, 40) / 20,
        ]
        np.testing.assert_allclose(out[t], expected, atol=1e-12)


def test_the_network_is_one_hidden_layer():
    rng = np.random.default_rng(2)
    net = EndNet(rng.normal(size=(INPUTS + 1, 7)).astype(np.float32), rng.normal(size=7).astype(np.float32))
    x = rng.normal(size=(11, INPUTS))
    expected = [
        sum(max(0.0, float(row @ net.hidden[:-1, u] + net.hidden[-1, u])) * float(net.output[u]) for u in range(7))
        for row in x
    ]
    np.testing.assert_allclose(net.log_likelihood(x), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("angle", [15, 35, 60])
def test_an_end_lies_where_a_line_that_is_cut_off_stops(angle, side):
    pixels, _, tip = needle_picture(angle_deg=angle, length_mm=20.0, entry_mm=(0.0, 6.0))
    if side == "right":
        pixels, tip = np.ascontiguousarray(pixels[:, ::-1]), (0.1 * (pixels.shape[1] - 1) - tip[0], tip[1])
    evidence = gather_evidence(frame_of(pixels), DetectionSettings())
    best = LineDetector().detect(evidence, InsertionPrior(side, (5, 70)))[0]
    assert math.dist(best.tip.position_mm, tip) < 0.5
    # The likelihood is of that place: it falls off on either side of it.
    way = best.end.step_mm * (int(np.argmax(best.end.log_likelihood[best.end.least :])) + best.end.least)
    assert math.dist(best.end.at_mm(way), tip) < 0.6
    for off in (-3.0, 3.0):
        k = round((way + off) / best.end.step_mm)
        assert best.end.log_likelihood[k] < best.end.log_likelihood.max() - 2


def test_the_network_that_ships_reads_these_inputs():
    assert end_net().hidden.shape == (INPUTS + 1, len(end_net().output))
