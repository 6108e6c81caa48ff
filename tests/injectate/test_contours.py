"""Outlines against scikit-image's, and what must be true of any."""

from itertools import pairwise

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import KDTree
from skimage.measure import find_contours

from usguide.injectate._kernels.contours import follow_edges


def ours(image, level):
    points, starts = follow_edges(image, level)
    return [points[a:b] for a, b in pairwise(starts)]


def signed_area(outline):
    x, y = outline.T
    return 0.5 * np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)


def bumpy(seed, smooth):
    image = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(50, 64)), smooth)
    image = (0.5 + 0.3 * image / image.std()).astype(np.float32)
    image[0] = image[-1] = image[:, 0] = image[:, -1] = 0
    return image


@pytest.mark.parametrize("smooth", [0.0, 0.7, 3.0])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("level", [0.16, 0.5, 0.84])
def test_outlines_are_those_of_scikit_image(seed, smooth, level):
    """The same points in the same rings; where two corners touch, they are kept apart as there."""
    image = bumpy(seed, smooth)
    reference = [c[:-1, ::-1] for c in find_contours(image, level)]
    found = ours(image, level)
    assert len(found) == len(reference)

    trees = [KDTree(c) for c in reference]
    for outline in found:
        away = [t.query(outline)[0].max() for t in trees if t.n == len(outline)]
        assert min(away, default=np.inf) < 1e-4
    # The other way round than there: outer edges are negative, holes positive.
    np.testing.assert_allclose(
        sorted(-signed_area(c) for c in found), sorted(signed_area(c) for c in reference), atol=1e-3
    )


def test_no_outline_where_there_is_nothing():
    points, starts = follow_edges(np.zeros((8, 9), np.float32), 0.5)
    assert points.shape == (0, 2)
    assert starts.tolist() == [0]


def test_a_single_pixel_has_one():
    image = np.zeros((5, 5), np.float32)
    image[2, 3] = 1.0
    (outline,) = ours(image, 0.5)
    assert {tuple(p) for p in outline.tolist()} == {(2.5, 2.0), (3.0, 1.5), (3.5, 2.0), (3.0, 2.5)}
