"""The main job on the phantom that ships: with the prior of the README, and with none."""

import pytest

import usguide as ug
from usguide.metrics import score_needle


@pytest.mark.parametrize("prior", [ug.InsertionPrior("left", (15, 60)), ug.InsertionPrior()], ids=["prior", "none"])
def test_the_shipped_needle_is_followed(prior):
    pipeline = ug.GuidancePipeline(prior)
    with ug.open_source("phantom:inplane-fascia") as source:
        scores = score_needle(source.info.truth, [pipeline.step(f) for f in source])
    assert scores.recall > 0.8
    assert scores.precision > 0.9
    assert scores.tip_error_mm.median < 0.5
    assert scores.false_alarm_frames == 0
