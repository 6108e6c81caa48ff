import numpy as np
import pytest

import usguide as ug
from usguide.intensity import log_compress, log_decompress, to_grey


def test_full_scale_brings_every_type_to_the_same_grey():
    eight = np.array([[0, 51, 255]], np.uint8)
    for pixels, scale in ((eight, None), (eight.astype(np.uint16) * 257, None), (eight / 255.0, 1.0)):
        grey, overlay = to_grey(pixels, scale)
        np.testing.assert_allclose(grey, [[0, 51, 255]], atol=1e-3)
        assert grey.dtype == np.float32
        assert overlay is None


def test_float_pixels_must_state_their_full_scale():
    with pytest.raises(ug.InvalidFrameError, match="full_scale"):
        to_grey(np.ones((4, 4)))


def test_coloured_pixels_are_marked_and_grey_ones_are_not():
    pixels = np.full((8, 8, 3), 100, np.uint8)
    pixels[2, 3] = (255, 255, 0)
    pixels[4, 4] = (102, 99, 101)  # what video compression does to grey
    grey, overlay = to_grey(pixels)
    assert overlay is not None
    assert np.argwhere(overlay).tolist() == [[2, 3]]
    assert grey[0, 0] == 100


def test_log_compression_has_its_fixed_points_and_an_inverse():
    np.testing.assert_allclose(log_compress([1.0, 0.1, 1e-3, 0.0, 10.0]), [255, 170, 0, 0, 255], atol=1e-2)
    envelope = np.array([0.01, 0.1, 0.5, 1.0])
    np.testing.assert_allclose(log_decompress(log_compress(envelope)), envelope, rtol=1e-4)
