"""What a change of grey level says for fluid, in tissue of different evenness."""

import numpy as np
import pytest

from usguide.injectate.evidence import FluidLevel, LikelihoodSettings, fluid_evidence
from usguide.injectate.onset import OnsetSettings

UNKNOWN, KNOWN = FluidLevel(), FluidLevel(60.0, 4.0)


def evidence_of(*, level, spread, drop, fluid=UNKNOWN):
    """Of tissue that has become so much darker, all over."""
    tissue = np.full((12, 12), level, np.float32)
    found = fluid_evidence(
        tissue - np.float32(drop),
        tissue,
        tissue,
        np.full_like(tissue, spread),
        np.ones_like(tissue),
        shafts_px=np.zeros((0, 2, 2)),
        apex_px=np.array([6.0, -1e6]),
        not_shadow=None,
        mm_per_px=0.3,
        misfit=2.0,
        fluid=fluid,
        pushed=lambda _, reference: reference,
        settings=LikelihoodSettings(),
    )
    assert np.ptp(found) == 0
    return float(found[0, 0])


@pytest.mark.parametrize("spread", [3.0, 5.0, 8.0])
def test_even_tissue_that_is_a_little_darker_is_no_fluid(spread):
    dark = OnsetSettings().dark
    assert evidence_of(level=100.0, spread=spread, drop=10.0) < dark
    assert evidence_of(level=100.0, spread=spread, drop=35.0) > dark


def test_black_tissue_is_squeezed_and_its_fluid_is_seen():
    assert evidence_of(level=24.0, spread=4.0, drop=18.0) > OnsetSettings().dark


def test_fluid_of_a_known_level_is_told_from_even_tissue_closely():
    # 100 - 38: the fluid's own level to within its spread, nine spreads below the tissue's.
    assert evidence_of(level=100.0, spread=4.0, drop=38.0, fluid=KNOWN) == pytest.approx(LikelihoodSettings().limit)


@pytest.mark.parametrize("spread", [3.0, 20.0])
def test_tissue_as_before_speaks_against_fluid(spread):
    assert evidence_of(level=100.0, spread=spread, drop=0.0) < -1
