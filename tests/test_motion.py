"""The background follows tissue below a pixel, and only what is new is left."""

import cv2
import numpy as np
import pytest

from usguide.motion import Background, register_affine

RNG = np.random.default_rng(5)
TISSUE = cv2.GaussianBlur(RNG.normal(size=(300, 340)).astype(np.float32), (0, 0), 3) * 150 + 90
VALID = np.ones((200, 240), bool)


def view(affine):
    """A 200 x 240 window onto the tissue, moved by an affine map of its pixels."""
    offset = np.vstack([affine, [0, 0, 1]])
    offset = (np.array([[1, 0, 50], [0, 1, 50], [0, 0, 1.0]]) @ offset)[:2]
    return cv2.warpAffine(TISSUE, offset, (240, 200), flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP)


def moved(dx=0.0, dy=0.0, turn=0.0, scale=1.0):
    c, s = scale * np.cos(turn), scale * np.sin(turn)
    return np.array([[c, -s, dx], [s, c, dy]])


@pytest.mark.parametrize(
    "affine", [moved(), moved(1.3, -0.8), moved(3.5, 2.0), moved(0.5, 0.5, turn=0.01), moved(-2, 1, scale=1.02)]
)
def test_registration_is_right_below_a_pixel(affine):
    found = register_affine(view(moved()), view(affine), np.eye(2, 3), 12).affine
    corners = np.array([[10, 10, 1], [230, 10, 1], [10, 190, 1], [120, 100, 1.0]])
    np.testing.assert_allclose(corners @ found.T, corners @ affine.T, atol=0.1)


def test_a_flat_picture_says_nothing_of_motion():
    flat = np.full((80, 90), 50, np.float32)
    np.testing.assert_allclose(register_affine(flat, flat, np.eye(2, 3), 4).affine, np.eye(2, 3), atol=1e-6)


def new_in(background, image, needle=None):
    found = background.novelty(image, VALID, needle)
    return np.zeros_like(image) if found is None else found.difference


def test_a_difference_of_gain_and_what_is_masked_do_not_pull_the_map():
    affine = moved(1.2, -0.7)
    image = view(affine) + 15
    image[60:140, 100:110] = 255
    use = np.ones(image.shape, np.float32)
    use[55:145, 95:115] = 0
    found = register_affine(view(moved()), image, np.eye(2, 3), 12, use=use)
    # OpenCV moves pictures in steps of 1/32 px.
    np.testing.assert_allclose(found.affine, affine, atol=0.06)
    assert found.offset == pytest.approx(15, abs=0.5)
    assert found.misfit < 2


def test_pictures_that_do_not_overlap_are_told():
    image = view(moved())
    far = np.array([[1.0, 0.0, 230.0], [0.0, 1.0, 0.0]])
    found = register_affine(image, image, far, 8)
    assert found.overlap < 0.2
    np.testing.assert_array_equal(found.affine, far)


def test_moving_tissue_is_not_new_and_a_line_is():
    background = Background()
    assert background.novelty(view(moved()), VALID) is None
    background.learn(view(moved()), VALID, 0.0)
    for k in range(1, 6):
        image = view(moved(0.6 * k, -0.4 * k))
        clean = new_in(background, image)
        background.learn(image, VALID, 0.05 * k)
    assert np.percentile(np.abs(clean[10:-10, 10:-10]), 99) < 3
    line = image.copy()
    cv2.line(line, (10, 40), (150, 120), 255, 3)
    new = new_in(background, line)
    assert new[80, 80] > 0.5 * (255 - image[80, 80])
    assert np.percentile(np.abs(new[140:, 10:-10]), 99) < 4


def test_the_motion_since_the_frame_before():
    background = Background()
    background.novelty(view(moved()), VALID)
    background.novelty(view(moved(1.5, 0.5)), VALID)
    found = background.novelty(view(moved(3.5, 0.0)), VALID)
    corners = np.array([[20, 20, 1], [220, 180, 1.0]])
    np.testing.assert_allclose(corners @ found.motion.T - corners[:, :2], [[2.0, -0.5]] * 2, atol=0.1)


def test_a_gain_change_is_not_new():
    background = Background()
    background.novelty(view(moved()), VALID)
    assert np.percentile(np.abs(new_in(background, view(moved()) + 20)), 99) < 2


def test_what_slides_into_view_carries_no_evidence_until_it_is_learnt():
    background = Background()
    background.novelty(view(moved()), VALID)
    for k in range(1, 11):
        found = background.novelty(view(moved(3.0 * k, 0)), VALID)
    assert not found.known[:, -28:].any()
    assert np.abs(found.difference[:, -28:]).max() == 0
    background.learn(view(moved(30.0, 0)), VALID, 1.0)
    assert background.novelty(view(moved(30.0, 0)), VALID).known[5:-5, -28:-3].all()


def test_what_is_masked_is_not_learnt():
    plain = view(moved())
    line = plain.copy()
    cv2.line(line, (10, 40), (150, 120), 255, 3)
    mask = np.zeros(VALID.shape, np.uint8)
    cv2.line(mask, (10, 40), (150, 120), 1, 21)
    kept = {}
    for name, needle in (("masked", mask.astype(bool)), ("open", None)):
        background = Background()
        background.novelty(plain, VALID)
        background.learn(plain, VALID, 0.0)
        for k in range(1, 200):
            background.novelty(line, VALID)
            background.learn(line, VALID, 0.05 * k, needle)
        kept[name] = new_in(background, line)[80, 80]
    assert kept["masked"] > 60
    assert kept["open"] < 20


def test_the_memory_is_in_seconds():
    plain, bright = view(moved()), view(moved()) + 0
    bright[90:110, 100:140] += 60
    left = {}
    for dt in (0.02, 0.1):
        background = Background()
        background.novelty(plain, VALID)
        background.learn(plain, VALID, 0.0)
        for k in range(1, round(2 / dt) + 1):
            background.novelty(bright, VALID)
            background.learn(bright, VALID, k * dt)
        left[dt] = new_in(background, bright)[100, 120]
    assert left[0.02] == pytest.approx(left[0.1], rel=0.05)
    assert left[0.1] == pytest.approx(60 * np.exp(-2 / 3), rel=0.15)


def test_a_new_size_starts_anew():
    background = Background()
    background.novelty(view(moved()), VALID)
    assert background.novelty(TISSUE, np.ones(TISSUE.shape, bool)) is None
