"""Persistence: still tissue settles as the theory of a recursive mean says, a needle that moves leaves no ghost."""

import numpy as np
import pytest
from scipy import ndimage

import usguide as ug
from usguide.filters import Persistence


def speckled(rng, shape=(90, 110)):
    """Log-compressed, fully developed speckle that changes from frame to frame."""
    echo = ndimage.gaussian_filter(rng.normal(size=(2, *shape)), (0, 0.8, 1.2))
    return np.clip(110 + 8.5 * np.log(np.hypot(*echo) + 1e-3) * 3, 0, 255).astype(np.float32)


def needle(picture, row):
    picture = picture.copy()
    picture[row : row + 4, 10:70] = 230
    return picture


def test_still_speckle_settles_to_the_share_of_a_recursive_mean():
    rng = np.random.default_rng(0)
    persistence = Persistence(time_constant_s=0.2, gate_grey=1e6)
    frames = [speckled(rng) for _ in range(40)]
    for k, frame in enumerate(frames):
        out = persistence.update(frame, k / 25)
    a = 1 - np.exp(-1 / 25 / 0.2)
    assert out.std() / frames[0].std() == pytest.approx(np.sqrt(a / (2 - a)), rel=0.1)


def test_with_its_gate_speckle_still_settles():
    rng = np.random.default_rng(1)
    persistence = Persistence()
    for k in range(30):
        frame = speckled(rng)
        out = persistence.update(frame, k / 25)
    assert out.std() < 0.6 * frame.std()


def test_a_moving_needle_is_where_it_is_and_leaves_no_ghost():
    rng = np.random.default_rng(2)
    persistence, plain = Persistence(), Persistence(gate_grey=1e6)
    for k in range(30):
        row = 20 + (8 if k >= 20 else 0)
        frame = needle(speckled(rng), row)
        out, smeared = persistence.update(frame, k / 25), plain.update(frame, k / 25)
        if k == 20:
            now, before = np.s_[29:31, 15:65], np.s_[21:23, 15:65]
            assert out[now].mean() > 215
            # What a ghost would be: plain persistence keeps most of the old needle.
            assert smeared[before].mean() - frame[before].mean() > 60
            assert out[before].mean() - frame[before].mean() < 12


@pytest.mark.parametrize("rate", [5.0, 25.0, 100.0])
def test_the_time_constant_is_in_seconds_whatever_the_frame_rate(rate):
    persistence = Persistence(time_constant_s=0.4, gate_grey=1e6)
    persistence.update(np.zeros((8, 8)), 0.0)
    frames = round(0.4 * rate)
    for k in range(frames):
        out = persistence.update(np.full((8, 8), 10.0), (k + 1) / rate)
    np.testing.assert_allclose(out, 10 * (1 - np.exp(-1)), rtol=1e-4)


def test_a_change_of_size_a_repeat_and_a_gap_start_anew():
    persistence = Persistence()
    persistence.update(np.zeros((8, 8)), 0.0)
    bright = np.full((8, 8), 5.0)
    assert persistence.update(bright, 0.04).max() < 5
    for picture, time_s in ((bright, 0.04), (bright, 0.01), (bright, 60.0), (np.full((9, 8), 5.0), 60.04)):
        np.testing.assert_array_equal(persistence.update(picture, time_s), picture)


def test_a_bad_frame_leaves_the_state_and_results_are_the_callers():
    a, b = Persistence(), Persistence()
    for p in (a, b):
        p.update(np.zeros((8, 8)), 0.0)
    for bad, time_s in ((np.full((8, 8), np.nan), 0.04), (np.zeros((8, 8)), np.nan), (np.zeros(3), 0.04)):
        with pytest.raises(ug.InputError):
            a.update(bad, time_s)
    got = a.update(np.full((8, 8), 5.0), 0.04)
    np.testing.assert_array_equal(got, b.update(np.full((8, 8), 5.0), 0.04))
    kept = got.copy()
    got[:] = 99
    np.testing.assert_array_equal(a.update(np.full((8, 8), 5.0), 0.08), b.update(np.full((8, 8), 5.0), 0.08))
    assert kept.max() < 5
    a.reset()
    np.testing.assert_array_equal(a.update(np.full((8, 8), 7.0), 0.12), np.full((8, 8), 7.0))
