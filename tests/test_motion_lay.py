"""A picture laid onto another, and the sums of a Gauss-Newton step: beside OpenCV's, and beside plain float64."""

import cv2
import numpy as np
import pytest

from usguide.motion import register_affine
from usguide.motion._kernels import _run, normal_equations
from usguide.motion.affine import laid

MAPS = {
    "itself": [[1, 0, 0], [0, 1, 0]],
    "half a px": [[1, 0, 0.5], [0, 1, -0.25]],
    "a probe's motion": [[1.004, 0.003, 1.3], [-0.002, 0.997, -2.6]],
    "the other way": [[0.996, -0.0031, -1.7], [0.0023, 1.0043, 3.1]],
    "turned and enlarged": [[0.91, 0.31, -4.3], [-0.27, 1.07, 11.2]],
    "turned round": [[-0.9, 0.03, 88.4], [0.02, -1.1, 76.6]],
    "hardly any overlap": [[1, 0, 89.5], [0, 1, -60.25]],
}


def pictures():
    rng = np.random.default_rng(3)
    image = cv2.GaussianBlur(rng.normal(100, 60, (71, 94)).astype(np.float32), (0, 0), 1.5)
    sure = np.ones_like(image)
    sure[10:20, 30:50] = 0
    return image, sure


@pytest.mark.parametrize("affine", MAPS.values(), ids=MAPS.keys())
def test_it_is_what_opencv_gives(affine):
    image, sure = pictures()
    affine = np.array(affine, dtype=np.float64)
    out, out_sure = laid(image, sure, affine)
    size, back = image.shape[::-1], cv2.WARP_INVERSE_MAP
    theirs = cv2.warpAffine(image, affine, size, flags=cv2.INTER_CUBIC | back, borderMode=cv2.BORDER_REPLICATE)
    share = cv2.warpAffine(sure, affine, size, flags=cv2.INTER_LINEAR | back)
    np.testing.assert_allclose(out_sure, share, atol=1e-3)
    known = out_sure > 0.99
    # Where it is not sure it does not count.
    np.testing.assert_allclose(out[known], theirs[known], atol=0.01)
    assert np.count_nonzero(known) > (0 if affine[0, 2] > 89 else 1500)


@pytest.mark.parametrize("shift", [0.005, -0.005, 1e-12, -1e-12])
def test_all_borders_are_alike(shift):
    image, _ = pictures()
    _, out_sure = laid(image, np.ones_like(image), np.array([[1, 0, shift], [0, 1, shift]]))
    assert (out_sure > 0.99).all()


def test_a_mirrored_picture_is_laid_mirrored():
    image, sure = pictures()
    shift = np.array([[1.004, 0.003, 1.3], [-0.002, 0.997, -2.6]])
    # The same map as it is for the picture seen in a mirror.
    width = image.shape[1] - 1
    mirrored = np.array([[1.004, -0.003, width - 1.004 * width - 1.3], [0.002, 0.997, -2.6 - 0.002 * width]])
    out, out_sure = laid(image, sure, shift)
    other, other_sure = laid(image[:, ::-1].copy(), sure[:, ::-1].copy(), mirrored)
    np.testing.assert_allclose(other_sure[:, ::-1], out_sure, atol=1e-4)
    np.testing.assert_allclose(other[:, ::-1], out, atol=1e-2)


@pytest.mark.parametrize("far", [1e12, -1e300])
def test_far_outside_is_outside(far):
    image, sure = pictures()
    out, out_sure = laid(image, sure, np.array([[1, 0, far], [0, 1, 0.5]]))
    assert not out_sure.any()
    assert np.isfinite(out).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 2), (3, 3)])
def test_tiny_pictures(shape):
    image = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    out, out_sure = laid(image, np.ones_like(image), np.eye(2, 3))
    np.testing.assert_array_equal(out, image)
    np.testing.assert_array_equal(out_sure, 1)


def plain_sums(reference, known, image, use, affine, offset, scale):
    """Gather the same sums px by px, in float64."""
    h, w = image.shape
    normal, right, count, squares = np.zeros((7, 7)), np.zeros(7), 0, 0.0
    for i in range(2, h - 2):
        for j in range(2, w - 2):
            x, y = affine @ (j, i, 1)
            q, p = int(np.floor(x)), int(np.floor(y))
            if use[i, j] == 0 or q < 1 or p < 1 or q >= w - 2 or p >= h - 2 or known[p : p + 2, q : q + 2].min() == 0:
                continue
            fx, fy = x - q, y - p
            (a, b), (c, d) = reference[p : p + 2, q : q + 2].astype(float)

            def beyond(i, j, instead):
                return float(reference[i, j]) if known[i, j] else instead

            left, far = beyond(p, q - 1, a), beyond(p, q + 2, b)
            up, down = beyond(p - 1, q, a), beyond(p + 2, q, c)
            gx = 0.5 * ((b - left) * (1 - fx) + (far - a) * fx)
            gy = 0.5 * ((c - up) * (1 - fy) + (down - a) * fy)
            away = image[i, j] - ((a * (1 - fx) + b * fx) * (1 - fy) + (c * (1 - fx) + d * fx) * fy) - offset
            u, v = (j - 0.5 * w) / w, (i - 0.5 * h) / h
            row = np.array([gx * u, gx * v, gx, gy * u, gy * v, gy, 1])
            weight = 1 / (1 + (away / scale) ** 2)
            normal += weight * np.outer(row, row)
            right += weight * away * row
            count += 1
            squares += min(away**2, 9 * scale**2)
    return count, squares, normal, right


@pytest.mark.parametrize("affine", list(MAPS.values())[:-1], ids=list(MAPS)[:-1])
def test_a_step_of_the_registration_is_summed_right(affine):
    image, known = pictures()
    other = np.roll(image, 1, axis=1) + np.float32(2)
    use = np.ones_like(known)
    use[40:44] = 0
    # No place falls on a row or column of px exactly, where rounding decides between two.
    affine = np.array(affine, dtype=np.float64) + 1e-4 * np.array([[0.3, 0.7, 0.11], [-0.9, 0.4, 0.13]])
    normal, right = np.empty((7, 7)), np.empty(7)
    count, squares = normal_equations(image, known, other, use, affine, 1.5, 12.0, normal, right)
    true_count, true_squares, true_normal, true_right = plain_sums(image, known, other, use, affine, 1.5, 12.0)
    assert count == true_count > 500
    assert squares == pytest.approx(true_squares, rel=1e-5)
    np.testing.assert_allclose(normal, true_normal, atol=1e-5 * np.abs(true_normal).max())
    np.testing.assert_allclose(right, true_right, atol=1e-5 * np.abs(true_right).max())


@pytest.mark.parametrize(
    "affine", [[[1, 0, 1e19], [0, 1, 0]], [[1, 0, 0], [0, np.nan, 0]], [[1, 0, -np.inf], [0, 1, 0]]]
)
def test_an_absurd_map_compares_nothing(affine):
    image, known = pictures()
    normal, right = np.empty((7, 7)), np.empty(7)
    count, squares = normal_equations(image, known, image, known, np.array(affine), 0.0, 12.0, normal, right)
    assert (count, squares) == (0, 0)
    assert not normal.any()
    assert not right.any()


def test_what_is_not_to_be_looked_at_need_be_no_number():
    image, known = pictures()
    use, other = np.ones_like(known), image.copy()
    use[30:40, 30:40], other[32:36, 32:36] = 0, np.nan
    found = register_affine(image, other, np.eye(2, 3), 6, known=known, use=use)
    np.testing.assert_allclose(found.affine, np.eye(2, 3), atol=1e-3)


def test_a_slope_that_is_next_to_nothing_costs_no_run():
    image, sure = pictures()
    affine = np.array([[1, 0, 0], [1e-25, 1, 0]])
    h, w = image.shape
    assert _run(affine, 0, 0, w, h, w) == (0, 0, 0.0, 0.0, w)
    out, _ = laid(image, sure, affine)
    np.testing.assert_array_equal(out, image)
