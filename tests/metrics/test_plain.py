"""Scores as standard JSON."""

import json
from dataclasses import fields

import numpy as np
import pytest
from needle_cases import result, right_results, straight_truth

import usguide.metrics as m
from usguide import ImageGeometry


def scores():
    truth = straight_truth([0, 0, 20, 20, 20])
    needle = m.score_needle(truth, right_results(truth, [2]))
    fluid = m.score_injectate(np.ones((2, 8, 8), bool), [], ImageGeometry(1, 1), timestamps_s=[0, 1])
    return {
        "needle": needle,
        "pooled": m.pool_needle([needle, needle], resamples=20),
        "injectate": fluid,
        "pooled_injectate": m.pool_injectate([fluid, fluid], resamples=20),
        "calibration": m.calibrate([0.5, 0.6], [True, False]),
        "latency_ms": m.score_latency([result(0, latency_ms={"total": 3.0})]),
    }


@pytest.mark.parametrize("name", list(scores()))
def test_every_score_becomes_standard_json_with_all_its_figures(name):
    value = scores()[name]
    plain = m.to_plain(value)
    again = json.loads(json.dumps(plain, allow_nan=False))
    assert again == plain
    if name != "latency_ms":
        assert list(plain) == [f.name for f in fields(value) if f.name != "raw"]


def test_a_miss_is_a_word_and_nothing_is_null():
    plain = m.to_plain(scores())
    assert plain["needle"]["tip_error_all_mm"]["median"] == "infinite"
    assert plain["needle"]["tip_error_all_mm"]["misses"] == 2
    assert plain["needle"]["tip_error_mm"]["sd"] is None
    assert plain["needle"]["recall"] == pytest.approx(1 / 3)
    assert plain["pooled"]["recall"] == {"value": pytest.approx(1 / 3)} | dict.fromkeys(
        ("low", "high"), pytest.approx(1 / 3)
    )
    assert plain["injectate"]["onset_delay_s"] == "infinite"
    assert plain["latency_ms"]["total"]["p99"] == 3.0
    assert m.to_plain([np.float64(1.5), np.array([np.nan, np.inf]), ("a", None)]) == [
        1.5,
        [None, "infinite"],
        ["a", None],
    ]


def test_all_public_names_are_there():
    assert all(hasattr(m, name) for name in m.__all__)
