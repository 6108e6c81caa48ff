"""The truth of the filter benchmark's pictures is the mean of many of them, and its regions hold what they say."""

from types import ModuleType

import numpy as np
import pytest
from benchmark_scripts import loaded

from usguide.image_quality import RAYLEIGH_ENL, enl
from usguide.intensity import log_decompress


@pytest.fixture(scope="module")
def scene() -> ModuleType:
    return loaded("filters/filter_scene.py")


def test_truth_is_the_mean_envelope(scene: ModuleType) -> None:
    at = scene.layout()
    mean = np.mean([log_decompress(scene.render(seed)) for seed in range(40)], axis=0)
    ratio = mean / log_decompress(at.truth)
    for region in (at.flat, at.cyst, at.ring, at.core, at.beside, at.strip):
        assert ratio[region].mean() == pytest.approx(1, abs=0.02)


def test_flat_region_is_fully_developed_speckle(scene: ModuleType) -> None:
    at = scene.layout()
    looks = [enl(log_decompress(scene.render(seed)[at.flat])) for seed in range(6)]
    assert np.mean(looks) == pytest.approx(RAYLEIGH_ENL, rel=0.05)
    assert np.ptp(at.truth[at.flat]) < 0.5


def test_tuning_and_test_seeds_are_apart_and_pictures_are_repeatable(scene: ModuleType) -> None:
    assert not set(scene.TUNING_SEEDS) & set(scene.TEST_SEEDS)
    np.testing.assert_array_equal(scene.render(5), scene.render(5))
    assert (scene.render(5) != scene.render(6)).any()


def test_regions_do_not_overlap(scene: ModuleType) -> None:
    at = scene.layout()
    regions = [at.flat, at.cyst, at.ring, at.strip, at.core, at.beside]
    assert np.sum(regions, axis=0).max() == 1
    assert at.boundary.sum() == np.count_nonzero(at.strip.any(axis=1))
