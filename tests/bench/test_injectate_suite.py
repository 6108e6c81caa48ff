"""The injectate suite holds what is asked of it; nothing is rendered here."""

import math
from collections import Counter

import numpy as np
import pytest

from usguide.bench import suites
from usguide.bench.injectate_suite import FLUID, ONSET_S, QUIET, UNSEEN, injectate_suite
from usguide.bench.phantom_suite import TEST_SEED
from usguide.bench.sequences import Rendered
from usguide.phantoms.layouts import layout_of, placed
from usguide.phantoms.structures import nerve_outline_mm


@pytest.fixture(scope="module", params=["test", "tune"])
def own(request):
    """Those that no other suite holds; without recordings, those on rendered tissue alone."""
    names = {r.name for r in (*FLUID, *UNSEEN, *QUIET)}
    found = injectate_suite(request.param).sequences
    return [s for s in found if s.name.removeprefix("tune-") in names]


def test_the_table_crosses_kind_and_echo_with_motion():
    pairs = Counter((r.kind, r.echo, r.hand == "still") for r in FLUID)
    assert len(pairs) == 3 * 4 * 2
    assert set(pairs.values()) == {1}
    assert {r.echo for r in FLUID} == {0.05, 0.1, 0.2, 0.35}
    assert len(FLUID) >= 20
    assert len(UNSEEN) >= 6
    assert all(r.marked for r in UNSEEN)
    assert Counter(r.marked for r in FLUID) == {True: 12, False: 12}
    assert {r.tissue for r in FLUID} == {"linear", "curvilinear", "anatomy"}


def test_there_are_enough_without_injection():
    free = [s for s in injectate_suite().sequences if s.tags["injectate"] == "none"]
    assert len(free) >= 30
    events = " ".join(s.tags.get("event", "") + s.tags.get("course", "") for s in free)
    for event in ("slide", "sweep", "gain", "pulsat", "breathing", "jiggle", "withdraw", "advance"):
        assert event in events, event
    assert not any(isinstance(s.content, Rendered) and s.content.scene.injections for s in free)


def test_names_are_unique_and_splits_apart():
    test, tune = (injectate_suite(split).sequences for split in ("test", "tune"))
    for found in (test, tune):
        assert len({s.name for s in found}) == len(found)
    seeds = [{s.content.seed for s in found if isinstance(s.content, Rendered)} for found in (test, tune)]
    assert min(seeds[0]) >= TEST_SEED > max(seeds[1])
    assert not {s.name for s in test} & {s.name for s in tune}


def test_the_needle_rests_in_the_picture_when_the_injection_begins(own):
    for s in own:
        scene = s.content.scene
        x, z = scene.needle.tip_mm(ONSET_S)
        height, width = scene.size_mm
        assert 5 < x < width - 5, s.name
        assert 5 < z < height - 5, s.name
        if scene.injectate is not None:
            before, after = (scene.needle.length_mm(ONSET_S + t) for t in (-0.5, 0.5))
            assert before == after, s.name
            assert scene.injectate.onset_s == ONSET_S
            assert s.marked_s == (ONSET_S if s.tags["marked"] == "yes" else None)


def test_a_ring_begins_where_the_tip_touches_the_nerve(own):
    rings = [s for s in own if s.tags["injectate"] == "ring" and s.content.still is None]
    assert rings
    for s in rings:
        scene = placed(s.content.scene, s.content.seed)
        tip = scene.needle.tip_mm(ONSET_S)
        away = np.hypot(*(nerve_outline_mm(scene, (0.0, 0.0)) - tip).T)
        assert away.min() < 0.8, s.name


def test_the_pulsating_vessel_is_near_the_tip_and_pulsates(own):
    found = [s for s in own if s.tags.get("event", "").startswith("vessel")]
    assert len(found) == 2
    for s in found:
        layout = layout_of(s.content.scene)
        x, z, radius = layout.vessel_mm
        tip = s.content.scene.needle.tip_mm(ONSET_S)
        assert 0 < math.hypot(x - tip[0], z - tip[1]) - radius < 4
        assert layout.beat_mm >= 0.2


def test_quick_is_a_few_of_them():
    quick = injectate_suite(quick=True).sequences
    assert 3 <= len(quick) <= 5
    assert {"lens", "unseen", "none"} <= {s.tags["injectate"] for s in quick}
    assert suites("injectate", only=("fluid-01",))[0].sequences[0].name == "fluid-01"
