"""What has changed within the last second, tissue held still: against pictures whose motion and change are known."""

import cv2
import numpy as np
import pytest
from test_motion import VALID, moved, view

from usguide.detection._kernels.strip import LAGS
from usguide.motion import LAGS_S, Background, RecentFrames


class Watched:
    """A background and its recent frames, as in the pipeline."""

    def __init__(self):
        self.background, self.recent = Background(), RecentFrames()

    def look(self, image, time_s, valid=VALID):
        novelty = self.background.novelty(image, valid)
        changes = self.recent.changes(image, valid, time_s, novelty)
        self.background.learn(image, valid, time_s)
        return changes


def spot(image, level):
    """The picture with a round spot on it, so many grey levels brighter."""
    yy, xx = np.mgrid[: image.shape[0], : image.shape[1]]
    return image + np.float32(level) * np.exp(-((yy - 100) ** 2 + (xx - 120) ** 2) / 200).astype(np.float32)


def test_a_first_frame_tells_nothing():
    assert Watched().look(view(moved()), 0.0) is None


@pytest.mark.parametrize("rate_hz", [10, 20, 60])
def test_a_change_is_told_for_as_long_as_the_lag_whatever_the_rate(rate_hz):
    watched, step_s = Watched(), 1 / rate_hz
    told = []
    for k in range(int(3 * rate_hz)):
        changes = watched.look(spot(view(moved()), 30 if k >= rate_hz else 0), k * step_s)
        if changes is not None:
            told.append((k - rate_hz, changes[:, 100, 120]))
    for lag, lag_s in enumerate(LAGS_S):
        seen = [frames for frames, at in told if at[lag] > 15]
        # The frame that it is compared with may be one kept frame older than asked.
        assert min(seen) == 0
        assert lag_s - 0.03 <= (max(seen) + 1) * step_s <= lag_s + max(step_s, 0.06) + 0.03
        assert all(abs(at[lag]) < 3 for frames, at in told if frames < 0)


def test_what_fades_is_negative():
    watched = Watched()
    for k in range(30):
        changes = watched.look(spot(view(moved()), 40 - k), 0.05 * k)
    # A level a frame: 6 frames and 20 frames before.
    np.testing.assert_allclose(changes[:, 100, 120], [-6, -20], atol=1.5)


def test_tissue_that_moves_has_not_changed():
    watched = Watched()
    for k in range(25):
        changes = watched.look(view(moved(0.4 * k, -0.25 * k)), 0.05 * k)
    assert np.percentile(np.abs(changes[:, 20:-20, 20:-20]), 99) < 5
    # What the frame of before did not show is not known: 2.4 and 8 px have come into view at the right.
    assert not changes[1, :, -6:].any()
    assert changes[0, 50:150, -20:-8].any()


def test_a_change_of_gain_is_none():
    watched = Watched()
    for k in range(20):
        changes = watched.look(view(moved()) + (12 if k >= 15 else 0), 0.05 * k)
    assert np.percentile(np.abs(changes), 99) < 1.5


def test_what_is_no_picture_is_not_known():
    watched, valid = Watched(), VALID.copy()
    valid[:, 200:] = False
    for k in range(10):
        image = view(moved()) + np.float32(5 * k) * (np.arange(240) > 150)
        changes = watched.look(np.asarray(image, np.float32), 0.05 * k, valid)
    assert not changes[:, :, 200:].any()


def test_what_was_before_a_gap_is_not_compared_with():
    watched = Watched()
    for k in range(10):
        watched.look(view(moved()), 0.05 * k)
    assert watched.look(spot(view(moved()), 30), 0.45 + 2.5) is None
    assert np.abs(watched.look(spot(view(moved()), 30), 0.45 + 2.6)).max() < 2


def test_what_a_caller_does_to_its_picture_later_changes_nothing():
    watched, image = Watched(), view(moved())
    watched.look(image, 0.0)
    image += 40
    np.testing.assert_allclose(watched.look(view(moved()), 0.3)[0, 20:-20, 20:-20], 0, atol=1)


def test_ways_do_not_add_up_for_ever():
    watched = Watched()
    for k in range(200):
        changes = watched.look(view(moved(12 * np.sin(0.05 * k), 9 * np.sin(0.08 * k))), 0.05 * k)
    assert np.abs(watched.recent._affine[:, 2]).max() < 20
    assert np.percentile(np.abs(changes[:, 30:-30, 30:-30]), 99) < 6


def test_the_network_reads_as_many_lags():
    assert len(LAGS_S) == LAGS


@pytest.mark.parametrize("again_s", [0.2, 0.45])
def test_a_clock_that_does_not_run_on_begins_anew(again_s):
    watched = Watched()
    for k in range(10):
        watched.look(view(moved()), 0.05 * k)
    assert watched.look(spot(view(moved()), 30), again_s) is None
    # What has changed since then counts from there.
    assert abs(watched.look(spot(view(moved()), 30), again_s + 0.05)[0, 100, 120]) < 2


def test_a_new_size_and_a_reset_begin_anew():
    watched = Watched()
    for k in range(4):
        watched.look(view(moved()), 0.05 * k)
    half = cv2.resize(view(moved()), (120, 100))
    assert watched.look(half, 0.25, VALID[::2, ::2]) is None
    assert watched.look(half, 0.3, VALID[::2, ::2]).shape == (len(LAGS_S), 100, 120)
    watched.recent.reset()
    assert watched.look(half, 0.35, VALID[::2, ::2]) is None


def test_it_keeps_two_seconds_at_most():
    watched = Watched()
    for k in range(300):
        watched.look(view(moved()), k / 100)
    assert len(watched.recent._kept) <= 2 * LAGS_S[-1] / 0.05 + 1
