"""What the needle is fitted on and what is held out have no frame and no seed in common."""

from itertools import pairwise
from pathlib import Path

import pytest
from benchmark_scripts import loaded

from usguide import datasets
from usguide.bench.anatomy_suite import NEEDLES
from usguide.bench.recordings_suite import share_of


@pytest.fixture(scope="module")
def scenes():
    return loaded("needle/scenes.py")


def test_clips_lie_within_their_split(scenes):
    for split, sets in (("tune", scenes.CLIPS), ("test", scenes.TEST_CLIPS)):
        for one in sets.values():
            name, _, file = one.file.partition("/")
            frames = sum(known.frame_count for known in datasets.files(name) if file in Path(known.path).parts)
            first, stop = share_of(one.file, frames, split)
            assert first <= one.clip.frames[0] < one.clip.frames[1] <= stop


def test_no_seed_of_a_further_set_is_used_twice(scenes):
    phantoms, anatomies = 700, len(NEEDLES) + 8
    ranges = [range(seed, seed + phantoms) for seed, *_ in (scenes.SETS | scenes.HELD_OUT).values() if seed > 1000]
    ranges += [range(seed, seed + anatomies) for seed, *_ in scenes.ANATOMIES.values()]
    ranges += [range(one.seed, one.seed + anatomies) for one in (scenes.CLIPS | scenes.TEST_CLIPS).values()]
    ranges.append(range(scenes.SLIDING_SEED, scenes.SLIDING_SEED + scenes.SLIDING))
    ranges.sort(key=lambda r: r.start)
    for one, after in pairwise(ranges):
        assert one.stop <= after.start
