"""The anatomy suite: needles and injectate rendered onto real nerve-block stills, whose fasciae and bones distract."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
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
from usguide.phantoms import Background, anatomy_scene, picture_box

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
NEEDLE_FREE = tuple(
    (f"anatomy-free-{k:02d}", "still" if k % 2 else "slide", "left" if k % 4 < 2 else "right") for k in range(1, 9)
)
QUICK = ("anatomy-04", "anatomy-05", "anatomy-free-02")


def anatomy_suite(split: Split = "test", *, quick: bool = False) -> Suite:
    """Return the anatomy suite, made of the stills of that split alone; `quick` is three of its sequences, shorter."""
    absent = [Absent("needles on plus recordings", "not made yet: nerve-block stills are the only backdrops")]
    try:
        folder = datasets.path(STILLS)
    except UsguideError as error:
        return Suite("anatomy", (), (Absent(f"all of it, rendered onto {STILLS}", str(error)), *absent))
    stills = [folder / f.path for f in datasets.files(STILLS, split=split, match="images/*")]
    count = len(NEEDLES) + len(NEEDLE_FREE)
    # Spread over the set: neighbouring numbers are neighbouring pictures.
    chosen = [stills[k * len(stills) // count] for k in range(count)]
    seed = TEST_SEED + 2000 if split == "test" else 201
    found = []
    for k, still in enumerate(chosen):
        row = NEEDLES[k] if k < len(NEEDLES) else None
        name = row.name if row else NEEDLE_FREE[k - len(NEEDLES)][0]
        if quick and name not in QUICK:
            continue
        sequence = _sequence(k, still, seed + k, split, duration_s=2.5 if quick else 4.0)
        found.append(replace(sequence, name=f"tune-{name}") if split == "tune" else sequence)
    return Suite("anatomy", tuple(found), tuple(absent))


def background_of(still: Path, split: Split) -> Background:
    """Read a still, without its black border."""
    pixels = np.asarray(cv2.imdecode(np.fromfile(still, np.uint8), cv2.IMREAD_GRAYSCALE), dtype=np.uint8)
    x, y, w, h = picture_box(pixels)
    spacing = next(f.spacing_mm for f in datasets.files(STILLS) if f.path.endswith(f"images/{still.name}"))
    if spacing is None:
        raise AssertionError(f"{still.name}: its spacing is in the registry")
    return Background(pixels[None, y : y + h, x : x + w], spacing, name=f"{STILLS}/{still.name}", split=split)


def _sequence(k: int, still: Path, seed: int, split: Split, *, duration_s: float) -> Sequence:
    rng = np.random.default_rng([seed, 77])
    background = background_of(still, split)
    row = NEEDLES[k] if k < len(NEEDLES) else None
    name, hand, side = (row.name, row.hand, row.side) if row else NEEDLE_FREE[k - len(NEEDLES)]
    scene = anatomy_scene(
        background,
        spacing_mm=MM_PER_PX,
        needle=None,
        injectate=None,
        entry_side=side,
        frame_rate_hz=RATE_HZ,
        duration_s=duration_s,
        hand=hand_scene(hand, duration_s, rng),
    )
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
