"""The point at which nine of ten needles are found, on scores made by hand; the stills suite's promises."""

import numpy as np
import pytest
from needle_cases import result, straight_truth

import usguide as ug
from usguide.bench.stills import StillScore, score_stills, stills_figures
from usguide.bench.stills_suite import stills_suite


def needles(*scores):
    """Found where the score is positive, wrong where it is negative, nothing where it is None."""
    return [StillScore(None if s is None else abs(s), needle=True, hit=s is not None and s > 0) for s in scores]


def empty(*scores):
    return [StillScore(s, needle=False, hit=False) for s in scores]


def test_the_point_is_the_highest_score_that_finds_nine_of_ten():
    """Ten needles, found at 10, 9 .. 2 and one on a wrong line at 20: nine are found from 2 on, where 3 of 5 alarm."""
    found = stills_figures(needles(10, 9, 8, 7, 6, 5, 4, 3, 2, -20) + empty(8.5, 2.0, 1.9, None, 2.5))
    assert (found["needles"], found["needle_free"], found["reached"]) == (10, 5, True)
    assert found["threshold"] == 2.0
    assert found["recall"]["value"] == pytest.approx(0.9)
    assert found["false_alarm_share"]["value"] == pytest.approx(3 / 5)
    assert found["false_alarm_share"]["low"] < 0.6 < found["false_alarm_share"]["high"]
    assert found["curve"][0] == [20.0, 0.0, 0.0]
    assert found["curve"][-1] == [1.9, 0.9, 0.8]
    half = stills_figures(needles(10, 9, 8, 7, 6, 5, 4, 3, 2, -20) + empty(8.5, 2.0), recall=0.5)
    assert (half["threshold"], half["false_alarm_share"]["value"]) == (6.0, 0.5)


def test_a_recall_that_no_score_reaches_is_said():
    found = stills_figures(needles(3, 2, None) + empty(1.0, None))
    assert (found["reached"], found["threshold"]) == (False, None)
    assert found["recall"]["value"] == pytest.approx(2 / 3)
    assert found["false_alarm_share"]["value"] == 1.0
    assert found["curve"][-1] == [1.0, pytest.approx(2 / 3), 0.5]
    nothing = stills_figures(needles(None, None) + empty(None))
    assert (nothing["reached"], nothing["recall"]["value"], nothing["false_alarm_share"]["value"]) == (False, 0.0, 1.0)
    assert stills_figures(needles(1, 2)) is None
    assert stills_figures(empty(1, 2)) is None


def test_the_first_track_counts_whatever_the_state():
    truth = straight_truth([20, 20, 0, 0, np.nan])
    results = [
        result(0, (19.0, 10.0), state=ug.TrackState.LOST),
        result(1, (10.0, 10.0)),
        result(2, (9.0, 9.0)),
        result(3),
        result(4, (1.0, 1.0)),
    ]
    assert score_stills(truth, results) == (
        StillScore(10.0, needle=True, hit=True),
        StillScore(10.0, needle=True, hit=False),
        StillScore(10.0, needle=False, hit=False),
        StillScore(None, needle=False, hit=False),
    )


def test_needles_of_a_split_stand_on_its_own_stills(recordings, monkeypatch):
    monkeypatch.setenv("USGUIDE_DATA_DIR", str(recordings))
    test, tune = (stills_suite(split).sequences for split in ("test", "tune"))
    assert len(test) == len(tune) == 40
    stills = [{s.content.still for s in suite} for suite in (test, tune)]
    assert not stills[0] & stills[1]
    assert len(stills[0]) == 40
    assert not {s.content.seed for s in test} & {s.content.seed for s in tune}
    for s in test:
        assert s.content.scene.frame_count == 1
        assert s.content.stills
        assert s.prior == ug.InsertionPrior()
        assert s.tags["visibility aimed at"] in ("easy", "normal")
    quick = stills_suite("test", quick=True).sequences
    assert len(quick) == 4
    assert all(s in test for s in quick)
