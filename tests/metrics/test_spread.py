"""Spread once it has settled, by hand: a bar of fluid, a ring about a disc, and what was said of them."""

import math
from dataclasses import replace

import numpy as np
import pytest
from needle_cases import result

import usguide as ug
from usguide.errors import InputError
from usguide.metrics import extent_along_mm, pool_spread, ring_deg, score_injectate, score_spread
from usguide.types import TargetSpread

GEOMETRY = ug.ImageGeometry(0.1, 0.1)
SHAPE = (200, 200)
TURN = np.linspace(0, 2 * np.pi, 200, endpoint=False)
DISC = np.stack([10 + 3 * np.cos(TURN), 10 + 3 * np.sin(TURN)], axis=-1)


def polar():
    z, x = np.mgrid[: SHAPE[0], : SHAPE[1]] * 0.1
    return np.hypot(x - 10, z - 10), np.degrees(np.arctan2(z - 10, x - 10)) % 360


def bar(length_px, rows=10):
    mask = np.zeros(SHAPE, bool)
    mask[20 : 20 + rows, 20 : 20 + length_px] = True
    return mask


def test_the_extent_of_a_bar_is_its_length():
    assert extent_along_mm(bar(60), GEOMETRY) == pytest.approx(6.0)
    assert extent_along_mm(bar(60).T, GEOMETRY) == pytest.approx(6.0)
    oblong = ug.ImageGeometry(0.1, 0.3)
    assert extent_along_mm(bar(60), oblong) == pytest.approx(18.0)
    # 60 columns of 0.02 mm against 10 rows of 0.3 mm: now it is deeper than wide.
    assert extent_along_mm(bar(60), ug.ImageGeometry(0.3, 0.02)) == pytest.approx(3.0)
    with pytest.raises(InputError, match="no extent"):
        extent_along_mm(np.zeros(SHAPE, bool), GEOMETRY)


def test_the_extent_of_a_slanted_bar():
    """10 mm long and 1 mm thick at 30 degrees; corners reach no further along the axis than its ends, but for pixels."""
    z, x = np.mgrid[: SHAPE[0], : SHAPE[1]] * 0.1
    u = (x - 10) * math.cos(math.pi / 6) + (z - 10) * math.sin(math.pi / 6)
    v = (z - 10) * math.cos(math.pi / 6) - (x - 10) * math.sin(math.pi / 6)
    assert extent_along_mm((np.abs(u) < 5) & (np.abs(v) < 0.5), GEOMETRY) == pytest.approx(10.0, abs=0.15)


@pytest.mark.parametrize(("first", "last"), [(0, 360), (0, 90), (30, 300), (350, 360)])
def test_the_ring_counts_directions(first, last):
    r, turn = polar()
    mask = (r > 3.2) & (r < 4.5) & (turn >= first) & (turn <= last)
    assert ring_deg(mask, GEOMETRY, DISC) == pytest.approx(last - first, abs=3)


def test_fluid_further_than_the_band_does_not_lie_against_the_target():
    r, _ = polar()
    assert ring_deg((r > 4.3) & (r < 6), GEOMETRY, DISC) == 0
    assert ring_deg((r > 4.3) & (r < 6), GEOMETRY, DISC, band_mm=1.6) == 360
    assert ring_deg(r < 1.5, GEOMETRY, DISC) == 0
    assert ring_deg(np.zeros(SHAPE, bool), GEOMETRY, DISC) == 0
    # Beyond the picture there is no fluid: the disc's centre lies on its left border.
    assert ring_deg(np.ones(SHAPE, bool), GEOMETRY, DISC - (10, 0)) == pytest.approx(180, abs=3)


def fluid(mask, *, extent=None, ring=None, warnings=(), onset_s=1.0):
    around = None if ring is None else TargetSpread(0.0, 0.0, ring, 1.0)
    return ug.Injectate(
        (),
        mask,
        GEOMETRY,
        (),
        float(mask.sum()) / 100,
        None,
        extent,
        onset_s,
        None,
        1.0,
        warnings,
        around_target=around,
    )


def scored(reports, *, target=False):
    """Fluid 6 mm long and 1 mm thick from 1 s on; a frame each 0.5 s, up to 3 s."""
    masks = np.stack([bar(60 if k >= 2 else 0) for k in range(7)])
    times = 0.5 * np.arange(7)
    results = [replace(result(k, injectate=r), timestamp_s=float(times[k])) for k, r in enumerate(reports)]
    scores = score_injectate(masks, results, GEOMETRY, timestamps_s=times)
    outlines = np.broadcast_to(DISC - (5, 7), (7, *DISC.shape)) if target else None
    return score_spread(scores, masks, results, GEOMETRY, timestamps_s=times, target_outline_mm=outlines)


def test_settled_frames_by_hand():
    """Onset at 1 s: frames at 2, 2.5 and 3 s are judged. They say 4 of 6 mm, then all, then nothing."""
    early = [None] * 4
    s = scored([*early, fluid(bar(40), extent=(4.0, 1.0)), fluid(bar(60), extent=(6.5, 1.0)), None])
    assert s.settled_frames == 3
    np.testing.assert_allclose(s.raw.dice, [2 * 4 / (4 + 6), 1, 0])
    np.testing.assert_allclose(s.raw.area_error_share, [2 / 6, 0, 1])
    np.testing.assert_allclose(s.raw.extent_error_mm, [2.0, 0.5, np.inf])
    assert np.isnan(s.raw.ring_error_deg).all()
    assert s.onset_delay_s == 0
    assert s.onset_notice_delay_s == pytest.approx(1.0)
    assert s.no_spread_s is None


def test_a_ring_that_nobody_reports_is_a_ring_of_nothing():
    # The bar spans 2 to 7.9 mm at a depth of 2 to 2.9 mm; the disc about (5, 3) is cut by it.
    true = ring_deg(bar(60), GEOMETRY, DISC - (5, 7))
    assert 10 < true < 180
    s = scored([None] * 4 + [fluid(bar(60), ring=true - 5), fluid(bar(60)), None], target=True)
    np.testing.assert_allclose(s.raw.ring_error_deg, [5, true, true])
    # At 1 and 1.5 s it is young.
    np.testing.assert_allclose(s.raw.young_ring_error_deg, [true, true])


def test_warnings_of_no_spread_are_found_by_their_word():
    said = [None] * 5 + [fluid(bar(0), warnings=("no-spread: none in 2 s",), onset_s=None)] * 2
    assert scored(said).no_spread_s == pytest.approx(2.5)
    other = [None] * 5 + [fluid(bar(0), warnings=("not-watched: no-spread: perhaps",), onset_s=None)] * 2
    assert scored(other).no_spread_s is None


def test_pooling_by_hand():
    """One sequence is right but a frame late; of the other nothing is found, but 'no spread' is said of it."""
    right = scored([None] * 3 + [fluid(bar(60), extent=(6.0, 1.0), onset_s=1.5)] * 4)
    missed = scored([None] * 5 + [fluid(bar(0), warnings=("no-spread: ",), onset_s=None)] * 2)
    pooled = pool_spread([right, missed], resamples=50)
    assert (pooled.sequences, pooled.settled_frames) == (2, 6)
    assert pooled.dice_median.value == pytest.approx(0.5)
    assert pooled.hausdorff95_p95_mm.value == math.inf
    assert pooled.onset_delay_median_s.value == math.inf
    assert pooled.missed_onset_share.value == 0.5
    assert pooled.no_spread_share.value == 0.5
    assert pooled.false_onset_sequences == 0
    assert pool_spread([right], resamples=5).onset_delay_p95_s.value == pytest.approx(0.5)
    early = scored([fluid(bar(20), onset_s=0.0)] + [None] * 6)
    assert pool_spread([right, early], resamples=5).false_onset_sequences == 1
