"""Where tissue went, in mm, as the segmenter says it: a texture that is shifted by a known way."""

import numpy as np
import pytest
from scipy import ndimage

import usguide as ug
from usguide.injectate import InjectateSegmenter

GEOMETRY = ug.ImageGeometry(0.1, 0.14, (3.0, -2.0))


def test_the_tissue_goes_where_the_picture_went():
    wide = ndimage.gaussian_filter(np.random.default_rng(1).normal(size=(330, 340)), 5)
    wide = np.clip(110 + 40 * wide / wide.std(), 10, 250)
    segmenter = InjectateSegmenter()
    for k in range(3):
        # Each frame shows what lies 4 px further to the right and 2 px deeper: tissue moves left and up.
        pixels = wide[20 + 2 * k : 300 + 2 * k, 20 + 4 * k : 300 + 4 * k].astype(np.uint8)
        found = segmenter.update(ug.Frame(pixels, GEOMETRY, 0.05 * k, k))
        if k == 0:
            assert found.tissue_motion is None
    for point in ((15.0, 10.0), (30.0, 20.0)):
        there = found.tissue_motion @ (*point, 1.0)
        assert there == pytest.approx((point[0] - 4 * 0.14, point[1] - 2 * 0.1), abs=0.05)
