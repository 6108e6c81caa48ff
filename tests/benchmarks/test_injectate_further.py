"""The further injections: on seeds and stills of their own, none of them the test split's; nothing is rendered here."""

import pytest
from benchmark_scripts import loaded

from usguide import datasets
from usguide.bench.anatomy_suite import STILLS
from usguide.bench.injectate_suite import FLUID, QUIET, UNSEEN, injectate_suite
from usguide.bench.sequences import Rendered
from usguide.errors import UsguideError


@pytest.fixture(scope="module")
def further():
    return loaded("injectate/further.py")


def test_sets_share_no_seed_with_each_other_or_the_suite(further):
    try:
        test_stills = {f.path for f in datasets.files(STILLS, split="test", match="images/*")}
        datasets.path(STILLS)
    except UsguideError as error:
        pytest.skip(str(error))
    sets = [list(further.further(number)) for number in range(len(further.SETS))]
    found = [s for one in sets for s in one]
    assert len({s.name for s in found}) == len(found) == len(further.SETS) * len(FLUID + UNSEEN + QUIET)
    own = [s.content.seed for s in found]
    assert len(set(own)) == len(own)
    suite = {
        s.content.seed
        for split in ("test", "tune")
        for s in injectate_suite(split).sequences
        if isinstance(s.content, Rendered)
    }
    assert not suite & set(own)
    used = [s.content.still for s in found if s.content.still is not None]
    assert used
    assert not any(str(still).endswith(tuple(test_stills)) for still in used)
    assert all(s.split == "tune" for s in found)


def test_the_factors_meet_in_other_combinations(further):
    pairs = set()
    for _, by, _ in further.SETS:
        pairs |= {(r.kind, r.echo, r.tissue, r.course, r.hand) for r in further.turned(FLUID, by)}
    assert len(pairs) > 2 * len(FLUID)
