"""Regularisation against a minimum cut of SciPy's, and pools that keep their numbers."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order, maximum_flow

from usguide.geometry import ImageGeometry
from usguide.injectate import measure_region
from usguide.injectate.regions import RegionSettings, Variation, followed, refined_edge, shifted_edge

WEIGHT = 0.7


def noisy_disc(seed=0, shape=(28, 32)):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    disc = np.hypot(x - 15, y - 13) < 8
    return disc, (np.where(disc, 0.8, -0.8) + rng.normal(0, 1.2, shape)).astype(np.float32)


def solved(evidence, iterations=4000):
    whole = (slice(0, evidence.shape[0]), slice(0, evidence.shape[1]))
    return Variation(evidence.shape).descend(evidence, whole, WEIGHT, iterations)


def isotropic_energy(u, evidence):
    dx = np.diff(u, axis=1, append=u[:, -1:])
    dy = np.diff(u, axis=0, append=u[-1:])
    return WEIGHT * np.hypot(dx, dy).sum() - (evidence * u).sum()


def cut_by_scipy(evidence):
    """The global minimum of the four-neighbour energy, as a minimum cut."""
    h, w = evidence.shape
    scale, ids = 10_000, np.arange(h * w).reshape(h, w)
    source, sink = h * w, h * w + 1
    cost = round(WEIGHT * scale)
    rows, columns, capacity = [], [], []

    def edge(a, b, forth, back):
        rows.extend([*a, *b])
        columns.extend([*b, *a])
        capacity.extend([*np.broadcast_to(forth, len(a)), *np.broadcast_to(back, len(a))])

    edge(ids[:, :-1].ravel(), ids[:, 1:].ravel(), cost, cost)
    edge(ids[:-1].ravel(), ids[1:].ravel(), cost, cost)
    flat = np.rint(evidence.ravel() * scale).astype(int)
    edge(np.full(h * w, source), ids.ravel(), np.maximum(flat, 0), 0)
    edge(ids.ravel(), np.full(h * w, sink), np.maximum(-flat, 0), 0)
    graph = coo_array((np.array(capacity, np.int32), (rows, columns)), shape=(h * w + 2,) * 2).tocsr()
    left = graph - maximum_flow(graph, source, sink).flow
    left.data[left.data < 0] = 0
    left.eliminate_zeros()
    reached = breadth_first_order(left, source, return_predecessors=False)
    inside = np.zeros(h * w + 2, bool)
    inside[reached] = True
    return inside[: h * w].reshape(h, w)


@pytest.mark.parametrize("seed", range(3))
def test_no_minimum_cut_has_less_of_the_energy(seed):
    _, evidence = noisy_disc(seed)
    u = solved(evidence)
    theirs = isotropic_energy(cut_by_scipy(evidence).astype(float), evidence)
    assert isotropic_energy(u.astype(float), evidence) <= theirs + 1e-3 * abs(theirs)
    # What lies over a half is a region that costs hardly more: on a grid the two are not quite the same.
    assert isotropic_energy((u > 0.5).astype(float), evidence) <= theirs + 0.02 * abs(theirs)


@pytest.mark.parametrize("seed", range(3))
def test_ours_and_the_minimum_cut_agree_on_most_places(seed):
    disc, evidence = noisy_disc(seed)
    ours, theirs = solved(evidence) > 0.5, cut_by_scipy(evidence)
    assert (ours == theirs).mean() > 0.97
    assert (ours == disc).mean() > 0.93


def test_few_steps_go_on_from_the_frame_before():
    _, evidence = noisy_disc()
    whole = (slice(0, 28), slice(0, 32))
    field = Variation(evidence.shape)
    for _ in range(60):
        u = field.descend(evidence, whole, WEIGHT, 12)
    assert ((u > 0.5) == (solved(evidence) > 0.5)).mean() > 0.99


def labelled(*boxes):
    labels = np.zeros((30, 40), np.uint8)
    for number, (rows, columns) in enumerate(boxes, start=1):
        labels[slice(*rows), slice(*columns)] = number
    return labels


def test_an_edge_moves_only_so_far():
    labels = labelled(((10, 20), (10, 20)))
    grown, _ = followed(labels, np.ones((30, 40), np.float32), 2, 4, 4, 2)
    rows, columns = np.nonzero(grown)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (8, 21, 8, 21)
    thinned, _ = followed(labels, np.zeros((30, 40), np.float32), 2, 4, 4, 2)
    assert np.array_equal(thinned > 0, labelled(((12, 18), (12, 18))) > 0)


def test_a_part_that_comes_off_gets_a_number_of_its_own():
    labels = labelled(((10, 14), (5, 30)))
    u = (labels > 0).astype(np.float32)
    u[:, 14:19] = 0
    out, next_id = followed(labels, u, 3, 4, 4, 2)
    assert next_id == 3
    assert set(np.unique(out)) == {0, 1, 2}
    assert (out == 1).sum() > (out == 2).sum(), "the larger part keeps the number"


def test_pools_that_meet_become_the_older_one():
    labels = labelled(((10, 14), (5, 15)), ((10, 14), (17, 27)))
    u = np.zeros((30, 40), np.float32)
    u[10:14, 5:27] = 1
    out, next_id = followed(labels, u, 2, 4, 4, 3)
    assert set(np.unique(out)) == {0, 1}
    assert next_id == 3


def test_a_pool_that_is_too_small_is_gone():
    labels = labelled(((10, 12), (10, 12)))
    out, _ = followed(labels, (labels > 0).astype(np.float32), 1, 5, 5, 2)
    assert not out.any()


@pytest.mark.parametrize("by_mm", [0.0, 0.15, -0.1])
def test_a_straight_edge_moves_by_what_is_asked(by_mm):
    u = np.zeros((40, 60), np.float32)
    u[:, :30] = 1
    mm = 0.1
    p = shifted_edge(u, by_mm, 0.25, mm)[20]
    crossed = np.interp(0.5, p[::-1], np.arange(60)[::-1])
    assert (crossed - 29.5) * mm == pytest.approx(by_mm, abs=0.02)


MM = 0.15


def fluid_disc(radius_mm, *, deep=0.05, width_mm=0.12, level=110.0, shape=(90, 110), centre=(55.3, 44.6)):
    """Grey levels of a disc of fluid whose edge is a soft step of the amplitude, log-compressed at 60 dB over 255."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    beyond = (np.hypot(x - centre[0], y - centre[1]) * MM - radius_mm) / width_mm
    amplitude = 1 - (1 - deep) / (1 + np.exp(np.clip(beyond, -40, 40)))
    return (level + 85.0 * np.log10(amplitude)).astype(np.float32), beyond * width_mm


def guess(beyond_mm, off_mm):
    """A sure-ness whose level 0.5 lies `off_mm` outside of where the disc ends."""
    return (1 / (1 + np.exp(np.clip((beyond_mm - off_mm) / 0.15, -40, 40)))).astype(np.float32)


def radius_of(sure):
    return np.sqrt(measure_region(sure > 0.5, ImageGeometry(MM, MM), sure).area_mm2 / np.pi)


@pytest.mark.parametrize("deep", [0.05, 0.2, 0.35])
@pytest.mark.parametrize("off_mm", [-0.12, 0.0, 0.12])
def test_an_edge_moves_to_half_of_the_amplitude(deep, off_mm):
    settings = replace(RegionSettings(), profile_bias_mm=0.0)
    grey, beyond = fluid_disc(3.0, deep=deep)
    told = np.ones(grey.shape, bool)
    level = float(grey.min())
    before = guess(beyond, off_mm)
    after = refined_edge(before, grey, told, level, MM, settings)
    assert radius_of(before) == pytest.approx(3.0 + off_mm, abs=0.03)
    assert radius_of(after) == pytest.approx(3.0, abs=0.05)


def test_a_bright_sheet_beside_fluid_puts_the_edge_further_out_than_tissue_does():
    grey, beyond = fluid_disc(3.0)
    told = np.ones(grey.shape, bool)
    sheet = grey + (60 * np.exp(-(((beyond - 0.25) / 0.2) ** 2))).astype(np.float32)
    plain, bright = (
        refined_edge(guess(beyond, 0), g, told, float(grey.min()), MM, RegionSettings()) for g in (grey, sheet)
    )
    # The sheet blooms into the fluid: less of it looks dark, but half of the sheet's amplitude is no further in.
    assert radius_of(bright) > radius_of(plain) - 0.02
    assert (sheet[beyond < 0] < 80).sum() < (grey[beyond < 0] < 80).sum()


def test_where_nothing_is_told_the_edge_stays():
    grey, beyond = fluid_disc(3.0)
    before = guess(beyond, 0.12)
    settings = replace(RegionSettings(), profile_bias_mm=0.0)
    after = refined_edge(before, grey, np.zeros(grey.shape, bool), 5.0, MM, settings)
    np.testing.assert_allclose(after, before, atol=1e-6)
    left = np.arange(grey.shape[1])[None] < 55
    half = refined_edge(before, grey, np.broadcast_to(left, grey.shape), 5.0, MM, settings)
    far = np.arange(grey.shape[1]) > 68
    np.testing.assert_allclose(half[:, far], before[:, far], atol=0.02)


def test_an_edge_moves_the_same_in_a_mirror_and_turned_round():
    rng = np.random.default_rng(3)
    grey, beyond = fluid_disc(2.6, deep=0.2)
    grey = grey + rng.normal(0, 8, grey.shape).astype(np.float32)
    sure, told = guess(beyond, 0.1), rng.random(grey.shape) > 0.1
    whole = refined_edge(sure, grey, told, 50.0, MM, RegionSettings())
    mirrored = refined_edge(
        sure[:, ::-1].copy(), grey[:, ::-1].copy(), told[:, ::-1].copy(), 50.0, MM, RegionSettings()
    )
    turned = refined_edge(sure.T.copy(), grey.T.copy(), told.T.copy(), 50.0, MM, RegionSettings())
    np.testing.assert_allclose(mirrored[:, ::-1], whole, atol=0.05)
    np.testing.assert_allclose(turned.T, whole, atol=0.05)
