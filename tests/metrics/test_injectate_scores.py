"""Injectate over time, by hand: overlap, onset, and segmenters that are wrong in a known way."""

import math

import numpy as np
import pytest
from needle_cases import result

import usguide as ug
from usguide.metrics import Estimate, pool_injectate, score_injectate

INF = math.inf
GEOMETRY = ug.ImageGeometry(0.2, 0.5, (3.0, 1.0))  # 0.1 mm2 a pixel
SHAPE = (20, 30)


def mask_of(rows):
    """10 px wide: each row is 1 mm2."""
    mask = np.zeros(SHAPE, bool)
    mask[5 : 5 + rows, 5:15] = True
    return mask


def fluid(mask, onset_s=None, geometry=GEOMETRY):
    return ug.Injectate((), mask, geometry, (), float(mask.sum()) / 10, None, None, onset_s, None, 1.0)


def score(rows, reported, onsets=None, **options):
    """Rows of fluid in truth and in the report of each frame (None: no injectate), and the onset reported with it."""
    onsets = onsets or [None] * len(rows)
    results = [
        result(k, injectate=None if r is None else fluid(mask_of(r), onset))
        for k, (r, onset) in enumerate(zip(reported, onsets, strict=True))
    ]
    return score_injectate(np.stack([mask_of(r) for r in rows]), results, GEOMETRY, **options)


def test_frames_by_hand():
    """Truth 0 0 2 4 4 rows; reported 0 1 2 2 none."""
    s = score([0, 0, 2, 4, 4], [0, 1, 2, 2, None])
    assert (s.frames, s.fluid_frames) == (5, 3)
    # Frames with fluid: 1, 2 * 2 / 6, 0.
    assert s.dice.mean == pytest.approx((1 + 2 / 3 + 0) / 3)
    assert s.dice.median == pytest.approx(2 / 3)
    assert s.dice_p5 == pytest.approx(0.1 * 2 / 3)  # place 0.05 * 2 = 0.1, from 0 to 2/3
    # All: 1 for both empty, 0 for fluid that is not there.
    assert s.dice_all.mean == pytest.approx((1 + 0 + 1 + 2 / 3 + 0) / 5)
    # Distances in the four frames with any fluid: two of them infinite, one 0; frame 0 says nothing.
    assert (s.hausdorff95_mm.count, s.hausdorff95_mm.misses) == (4, 2)
    assert (s.mean_surface_distance_mm.count, s.mean_surface_distance_mm.misses) == (4, 2)
    # Rows 7 and 8 are missing: the last row lies 2 rows, 0.4 mm, below the report.
    assert s.hausdorff95_mm.p25 == pytest.approx(0.75 * 0.4)  # place 0.75 of 0, 0.4, infinite, infinite
    assert s.area_error_mm2.mean == pytest.approx((0 + 1 + 0 - 2 - 4) / 5)
    assert s.area_error_mm2.maximum == pytest.approx(4)


def test_the_report_is_brought_onto_the_frame():
    """A mask on a working grid of 0.1 mm, of which the frame's pixels are 2 x 5: same area, same place."""
    mask = np.repeat(np.repeat(mask_of(4), 2, axis=0), 5, axis=1)
    grid = GEOMETRY.resampled(SHAPE, mask.shape)
    truth = mask_of(4)[None]
    s = score_injectate(truth, [result(0, injectate=fluid(mask, geometry=grid))], GEOMETRY, timestamps_s=[0.0])
    assert s.dice.mean == 1
    wrong = ug.ImageGeometry(grid.axial_mm_per_px, grid.lateral_mm_per_px, (0.0, 0.0))
    shifted = score_injectate(truth, [result(0, injectate=fluid(mask, geometry=wrong))], GEOMETRY, timestamps_s=[0.0])
    assert shifted.dice.mean < 0.5


def test_onset_by_hand():
    """Fluid from frame 2 (0.2 s) but 1 mm2 only from frame 2 on: rows are whole mm2. Reported at frame 4 as 0.3 s."""
    s = score([0, 0, 1, 2, 3, 4], [0, 0, 0, 0, 3, 4], [None] * 4 + [0.3, 0.3])
    assert s.true_onset_s == pytest.approx(0.2)
    assert s.onset_delay_s == pytest.approx(0.1)
    assert s.onset_notice_delay_s == pytest.approx(0.2)
    assert (s.missed_onset, s.false_onsets) == (False, 0)


def test_the_onset_is_at_one_square_millimetre():
    """Frame 1 holds 0.5 mm2, frame 2 exactly 1: seeing the first is early by one frame, not false."""
    masks = np.stack([mask_of(0), mask_of(1), mask_of(1)])
    masks[1, :, 10:] = False
    for onset, delay, false in ((0.2, 0.0, 0), (0.1, -0.1, 0), (0.0, INF, 1)):
        results = [result(k, injectate=fluid(masks[k], onset)) for k in range(3)]
        s = score_injectate(masks, results, GEOMETRY)
        assert s.true_onset_s == pytest.approx(0.2)
        assert s.onset_delay_s == pytest.approx(delay)
        assert (s.false_onsets, s.missed_onset) == (false, delay == INF)


def test_always_late_is_late_by_as_much():
    for late in (1, 3):
        onsets = [None] * (2 + late) + [0.1 * (2 + late)] * (6 - late)
        s = score([0, 0] + [3] * 6, [0, 0] + [3] * 6, onsets)
        assert s.onset_delay_s == pytest.approx(0.1 * late)
        assert s.onset_notice_delay_s == pytest.approx(0.1 * late)


def test_false_and_missed_onsets():
    never = score([0, 0, 3, 3], [0, 0, 0, 0])
    assert (never.onset_delay_s, never.onset_notice_delay_s, never.missed_onset) == (INF, INF, True)
    assert (never.dice.maximum, never.dice_all.mean) == (0, 0.5)
    assert never.hausdorff95_mm.median == INF
    # An alarm before the fluid does not stand for the onset that comes.
    early = score([0, 0, 0, 3], [0, 1, 1, 3], [None, 0.1, 0.1, 0.1])
    assert (early.false_onsets, early.missed_onset, early.onset_delay_s) == (1, True, INF)
    then_right = score([0, 0, 0, 3], [0, 1, 0, 3], [None, 0.1, None, 0.3])
    assert (then_right.false_onsets, then_right.missed_onset) == (1, False)
    assert then_right.onset_delay_s == pytest.approx(0)
    dry = score([0, 0, 0, 0], [0, 1, 0, 1], [None, 0.1, None, 0.3])
    assert (dry.true_onset_s, dry.onset_delay_s, dry.missed_onset, dry.false_onsets) == (None, None, None, 2)
    assert dry.dice.count == 0
    # An onset in every frame, so as to be right in one, is charged for each.
    assert score([0, 0, 0, 3], [1] * 4, [0.0, 0.1, 0.2, 0.3]).false_onsets == 3


def test_all_of_the_picture_is_no_segmentation():
    truth = np.stack([mask_of(4)] * 3)
    everything = fluid(np.ones(SHAPE, bool), 0.0)
    s = score_injectate(truth, [result(k, injectate=everything) for k in range(3)], GEOMETRY)
    assert s.dice.mean == pytest.approx(2 * 40 / (40 + 600))
    assert s.area_error_mm2.mean == pytest.approx(56)
    assert s.hausdorff95_mm.median > 3


def test_pooled_by_hand():
    """Three sequences: all right (2 frames), nothing seen (4 frames), dry with one false onset."""
    right = score([3, 3], [3, 3], [0.0, 0.0])
    blind = score([3, 3, 3, 3], [0, 0, 0, 0])
    dry = score([0, 0], [0, 2], [None, 0.1])
    p = pool_injectate([right, blind, dry])
    assert (p.sequences, p.onset_sequences, p.frames, p.fluid_frames) == (3, 2, 8, 6)
    assert p.dice_mean == Estimate(pytest.approx(2 / 6), 0.0, 1.0)
    assert p.dice_median.value == 0
    assert p.missed_onset_share == Estimate(0.5, 0.0, 1.0)
    assert p.false_onsets_per_sequence.value == pytest.approx(1 / 3)
    assert (p.onset_delay_s.count, p.onset_delay_s.misses, p.onset_delay_median_s.value) == (2, 1, INF)
    # Distances: 2 right, 4 missed, 1 false; the dry empty frame says nothing.
    assert (p.hausdorff95_mm.count, p.hausdorff95_mm.misses) == (7, 5)
    assert p.hausdorff95_median_mm.value == INF
    assert p.dice_all.count == 8
    turned = pool_injectate([dry, right, blind])
    assert (turned.dice_mean.value, turned.area_error_mm2) == (p.dice_mean.value, p.area_error_mm2)
    assert pool_injectate([]).dice_mean == Estimate(None)


def test_bad_input_is_refused():
    with pytest.raises(ug.InputError, match="expected bool"):
        score_injectate(np.zeros((2, 3, 3)), [], GEOMETRY)
    with pytest.raises(ug.InputError, match="0 to 1"):
        score_injectate(np.zeros((2, 3, 3), bool), [result(2)], GEOMETRY)
    with pytest.raises(ug.InputError, match="pass them"):
        score_injectate(np.ones((2, 30, 30), bool), [], GEOMETRY)
    assert score_injectate(np.zeros((0, 3, 3), bool), [], GEOMETRY).frames == 0
