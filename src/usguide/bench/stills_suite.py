"""The stills suite: single frames of needles rendered onto the split's nerve-block stills, judged one by one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from usguide import datasets
from usguide.bench.anatomy_suite import STILLS, background_of, bare_scene
from usguide.bench.phantom_suite import RATE_HZ, TEST_SEED, VISIBILITY_DB, Row, angle_band, place_needle
from usguide.bench.sequences import Absent, Rendered, Sequence, Split, Suite
from usguide.errors import UsguideError
from usguide.types import InsertionPrior

NEEDLES = 40
ANGLES_DEG = (12.0, 70.0)
QUICK = 4


def rows() -> tuple[Row, ...]:
    """Return the needles: angles in even steps, in turn normal and easy, from the left and the right; a fifth is bent."""
    angles = np.linspace(*ANGLES_DEG, NEEDLES).round(1)
    return tuple(
        Row(
            name=f"still-{k + 1:02d}",
            angle_deg=float(angle),
            visibility="normal" if k % 2 else "easy",
            side="left" if k % 4 < 2 else "right",
            probe="linear",
            hand="still",
            bend_per_mm=0.003 if k % 5 == 4 else 0.0,
            fluid="none",
            course="present",
            scanner="plain",
        )
        for k, angle in enumerate(angles)
    )


def stills_suite(split: Split = "test", *, quick: bool = False) -> Suite:
    """Return one frame for each of 40 needles of 10 mm and more; `quick` is four of them.

    They are given what the needle-free stills of the recordings suite are given, the default prior, so that one
    threshold on the score can be asked for recall here and for false alarms there.
    """
    try:
        folder = datasets.path(STILLS)
    except UsguideError as error:
        return Suite("stills", (), (Absent(f"needles rendered onto single {STILLS}", str(error)),))
    stills = [folder / f.path for f in datasets.files(STILLS, split=split, match="images/*")]
    seed = TEST_SEED + 3000 if split == "test" else 301
    # From the set's other end than the anatomy suite, so that few pictures meet the same needle's angle there.
    found = [
        still_sequence(row, stills[-1 - k * len(stills) // NEEDLES], seed + k, split)
        for k, row in list(enumerate(rows()))[:: NEEDLES // QUICK if quick else 1]
    ]
    return Suite("stills", tuple(found))


def still_sequence(row: Row, still: Path, seed: int, split: Split) -> Sequence:
    """Return one frame of a needle that is rendered onto a still.

    Raises
    ------
    AssertionError
        The picture has no place for such a needle.
    """
    rng = np.random.default_rng([seed, 77])
    background = background_of(still, split)
    scene = bare_scene(background, row.side, 1 / RATE_HZ)
    scene = replace(scene, needle=place_needle(scene, row, seed, rng))
    content = Rendered(
        scene, seed, still, background.spacing_mm, visibility_db=VISIBILITY_DB[row.visibility], stills=True
    )
    tags = {
        "needle": "yes",
        "kind": "rendered still",
        "angle": angle_band(row.angle_deg),
        "visibility aimed at": row.visibility,
        "side": row.side,
        "shaft": "bent" if row.bend_per_mm else "straight",
    }
    name = row.name if split == "test" else f"tune-{row.name}"
    return Sequence(name, "stills", split, InsertionPrior(), content, tags)
