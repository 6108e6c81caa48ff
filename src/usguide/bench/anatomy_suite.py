"""The anatomy suite: needles and injectate rendered onto real stills and recordings, whose fasciae and bones distract."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from usguide import datasets
from usguide.bench.phantom_suite import (
    RATE_HZ,
    TEST_SEED,
    VISIBILITY_DB,
    Row,
    angle_band,
    fluid_scene,
    hand_scene,
    place_needle,
    prior_of,
)
from usguide.bench.sequences import Absent, Rendered, Sequence, Split, Suite
from usguide.errors import UsguideError
from usguide.io import open_source
from usguide.phantoms import Background, HandScene, PhantomScene, anatomy_scene, picture_box

STILLS = "nerve-block-anatomy"
MM_PER_PX = 0.12

# fmt: off
NEEDLES = (
    #    name          deg  visibility  side     probe     hand     bend     fluid     course      scanner
    Row("anatomy-01",  12,  "normal",   "left",  "linear", "still", 0.0,     "none",   "advance",  "plain"),
    Row("anatomy-02",  16,  "easy",     "right", "linear", "slide", 0.0,     "lens",   "pause",    "plain"),
    Row("anatomy-03",  20,  "faint",    "left",  "linear", "still", 0.004,   "none",   "jiggle",   "plain"),
    Row("anatomy-04",  24,  "normal",   "right", "linear", "still", 0.0,     "pool",   "advance",  "plain"),
    Row("anatomy-05",  28,  "easy",     "left",  "linear", "still", -0.004,  "none",   "present",  "plain"),
    Row("anatomy-06",  32,  "normal",   "right", "linear", "slide", 0.0,     "none",   "withdraw", "plain"),
    Row("anatomy-07",  36,  "faint",    "left",  "linear", "still", 0.0,     "lens",   "pause",    "plain"),
    Row("anatomy-08",  40,  "normal",   "left",  "linear", "slide", 0.004,   "none",   "drift",    "plain"),
    Row("anatomy-09",  44,  "easy",     "right", "linear", "still", 0.0,     "none",   "jiggle",   "plain"),
    Row("anatomy-10",  48,  "faint",    "right", "linear", "slide", 0.0,     "none",   "advance",  "plain"),
    Row("anatomy-11",  52,  "normal",   "left",  "linear", "still", 0.0,     "lens",   "present",  "plain"),
    Row("anatomy-12",  56,  "faint",    "right", "linear", "still", 0.0,     "none",   "pause",    "plain"),
    Row("anatomy-13",  60,  "normal",   "left",  "linear", "slide", 0.0,     "pool",   "advance",  "plain"),
    Row("anatomy-14",  64,  "easy",     "right", "linear", "still", 0.0,     "none",   "withdraw", "plain"),
    Row("anatomy-15",  68,  "normal",   "left",  "linear", "still", 0.0,     "none",   "jiggle",   "plain"),
    Row("anatomy-16",  73,  "faint",    "right", "linear", "still", 0.0,     "lens",   "advance",  "plain"),
)
# fmt: on
# A recording moves by itself, in plane and out of it: its needles need a hand that is still. The spine phantom's
# has too few lines that could be taken for a needle.
RECORDING = "BoneUltrasound_L14.igs.mha"
ON_RECORDING = (
    Row("anatomy-bone-1", 35, "normal", "left", "linear", "still", 0.0, "none", "advance", "plain"),
    Row("anatomy-bone-2", 50, "easy", "right", "linear", "still", 0.0, "lens", "pause", "plain"),
)
MOVING = "plus"
INSTEAD = {"anatomy-07": 3}
"""Rows whose still shows fewer than three lines that could be taken for the needle: how many stills further theirs is."""
NEEDLE_FREE = tuple(
    (f"anatomy-free-{k:02d}", "still" if k % 2 else "slide", "left" if k % 4 < 2 else "right") for k in range(1, 9)
)
QUICK = ("anatomy-04", "anatomy-05", "anatomy-free-02")


def anatomy_suite(split: Split = "test", *, quick: bool = False) -> Suite:
    """Return the anatomy suite, made of the stills of that split alone; `quick` is three of its sequences, shorter.

    The recording belongs to no split and is part of the test.
    """
    found, absent = _on_stills(split, quick=quick)
    if split == "test" and not quick:
        moving, missing = _on_recording(split)
        found, absent = [*found, *moving], [*absent, *missing]
    if split == "tune":
        found = [replace(sequence, name=f"tune-{sequence.name}") for sequence in found]
    return Suite("anatomy", tuple(found), tuple(absent))


def _on_stills(split: Split, *, quick: bool) -> tuple[list[Sequence], list[Absent]]:
    try:
        folder = datasets.path(STILLS)
    except UsguideError as error:
        return [], [Absent(f"needles rendered onto {STILLS}", str(error))]
    stills = [folder / f.path for f in datasets.files(STILLS, split=split, match="images/*")]
    rows: list[tuple[str, str, str, Row | None]] = [(row.name, row.hand, row.side, row) for row in NEEDLES]
    rows += [(name, hand, side, None) for name, hand, side in NEEDLE_FREE]
    seed, duration_s = TEST_SEED + 2000 if split == "test" else 201, 2.5 if quick else 4.0
    found = []
    for k, (name, hand, side, row) in enumerate(rows):
        # Spread over the set: neighbouring numbers are neighbouring pictures.
        still = stills[k * len(stills) // len(rows) + INSTEAD.get(name, 0)]
        if not quick or name in QUICK:
            found.append(_sequence(name, hand, side, row, still, seed + k, split, duration_s=duration_s))
    return found, []


def _on_recording(split: Split) -> tuple[list[Sequence], list[Absent]]:
    try:
        folder = datasets.path(MOVING)
    except UsguideError as error:
        return [], [Absent(f"needles rendered onto {MOVING}", str(error))]
    return [
        _sequence(row.name, row.hand, row.side, row, folder / RECORDING, TEST_SEED + 2100 + k, split, duration_s=4.0)
        for k, row in enumerate(ON_RECORDING)
    ], []


def bare_scene(background: Background, side: str, duration_s: float, hand: HandScene | None = None) -> PhantomScene:
    """Return a scene on a background before needle and fluid."""
    return anatomy_scene(
        background,
        spacing_mm=MM_PER_PX,
        needle=None,
        injectate=None,
        entry_side=side,
        frame_rate_hz=RATE_HZ,
        duration_s=duration_s,
        hand=hand,
    )


def background_of(path: Path, split: Split) -> Background:
    """Read a still without its black border, or a recording's region."""
    name = MOVING if path.suffix == ".mha" else STILLS
    known = next(f for f in datasets.files(name) if f.path.endswith(path.name))
    if known.spacing_mm is None:
        raise AssertionError(f"{path.name}: its spacing is in the registry")
    with open_source(path, spacing_mm=known.spacing_mm) as source:
        frames = np.stack([frame.pixels for frame in source])
        rate = source.info.frame_rate_hz
    if frames.ndim == 4:
        frames = frames.max(axis=-1)
    x, y, w, h = known.region_px or picture_box(frames[0])
    kept = np.ascontiguousarray(frames[:, y : y + h, x : x + w])
    return Background(kept, known.spacing_mm, name=f"{name}/{path.name}", split=split, frame_rate_hz=rate or RATE_HZ)


def _sequence(
    name: str, hand: str, side: str, row: Row | None, still: Path, seed: int, split: Split, *, duration_s: float
) -> Sequence:
    rng = np.random.default_rng([seed, 77])
    background = background_of(still, split)
    scene = bare_scene(background, side, duration_s, hand_scene(hand, duration_s, rng))
    tags = {"needle": "no", "probe motion": hand, "event": f"anatomy, probe: {hand}"}
    if row is not None:
        scene = replace(scene, injectate=fluid_scene(row.fluid, duration_s, rng))
        scene = replace(scene, needle=place_needle(scene, row, seed, rng))
        tags = {
            "needle": "yes",
            "angle": angle_band(row.angle_deg),
            "visibility aimed at": row.visibility,
            "side": side,
            "probe motion": hand,
            "shaft": "bent" if row.bend_per_mm else "straight",
            "injectate": row.fluid,
            "course": row.course,
        }
    wanted = VISIBILITY_DB[row.visibility] if row else None
    content = Rendered(scene, seed, still, background.spacing_mm, wanted)
    return Sequence(name, "anatomy", split, prior_of(side), content, tags)
