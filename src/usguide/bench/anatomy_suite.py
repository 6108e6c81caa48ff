"""The anatomy suite: needles and injectate rendered onto real stills and recordings, whose fasciae and bones distract."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

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
from usguide.bench.recordings_suite import ASSUMED_MM, share_of
from usguide.bench.sequences import Absent, Clip, Rendered, Sequence, Split, Suite
from usguide.errors import InputError, UsguideError
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
RECORDED_IN = {".mha": MOVING, ".mp4": "pocus-phantom", "": "qa-phantom"}
"""Data sets of what moves, by the ending of a file, or of a folder of pictures; other files are stills."""
INSTEAD = {"anatomy-07": 3}
"""Rows whose still shows fewer than three lines that could be taken for the needle: how many stills further theirs is."""
NEEDLE_FREE = tuple(
    (f"anatomy-free-{k:02d}", "still" if k % 2 else "slide", "left" if k % 4 < 2 else "right") for k in range(1, 9)
)
QUICK = ("anatomy-04", "anatomy-05", "anatomy-free-02")


def anatomy_suite(split: Split = "test", *, quick: bool = False) -> Suite:
    """Return the anatomy suite, made of the stills of that split alone; `quick` is three of its sequences, shorter.

    The recording is part of the test.
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


@lru_cache(maxsize=1)
def background_of(path: Path, split: Split, clip: Clip | None = None) -> Background:
    """Read a still without its black border, or a clip of a recording; by default its frames that belong to the split.

    A recording is a file, or a folder of numbered pictures.

    Raises
    ------
    InputError
        The still, or a frame of the clip, does not belong to the split.
    """
    name = RECORDED_IN.get(path.suffix, STILLS)
    files = [f for f in datasets.files(name) if path.name in Path(f.path).parts]
    known = files[0]
    first, stop = _frames_of(files, split, clip)
    region, spacing_mm = (clip and clip.region) or known.region_px, known.spacing_mm or ASSUMED_MM.get(known.path)
    if spacing_mm is None:
        raise InputError(f"{known.path}: expected a recording whose spacing is in the registry, or in ASSUMED_MM")
    with open_source(path, spacing_mm=spacing_mm) as source:
        frames = [_picture(frame.pixels, region) for frame in islice(source, first, stop)]
        rate = clip.frame_rate_hz if clip else source.info.frame_rate_hz or RATE_HZ
    pixels = np.stack(frames)
    if region is None:
        x, y, w, h = picture_box(pixels[0])
        pixels = np.ascontiguousarray(pixels[:, y : y + h, x : x + w])
    pixels.setflags(write=False)  # the next caller gets the same
    return Background(pixels, spacing_mm, name=f"{name}/{path.name}", split=split, frame_rate_hz=rate)


def _frames_of(files: list[datasets.DatasetFile], split: Split, clip: Clip | None) -> tuple[int, int]:
    """Return first frame and one past the last of what may be shown of a still, a recording or a series of pictures."""
    known = files[0]
    label = f"{known.dataset}/{known.path}"
    if known.dataset == STILLS:
        share = (0, 1) if known.split == split else None
    else:
        share = share_of(label, sum(f.frame_count for f in files), split)
    if share is None:
        raise InputError(f"{label}: expected what belongs to the {split} split, got what belongs to the other")
    if clip is None:
        return share
    if clip.frames[0] < share[0] or clip.frames[1] > share[1]:
        raise InputError(f"{label}: expected a clip within the {split} split's frames {share}, got {clip.frames}")
    x, y, w, h = clip.region or (0, 0, 1, 1)
    if x + w > known.width_px or y + h > known.height_px:
        raise InputError(
            f"{label}: expected a region within {known.width_px} x {known.height_px} px, got {clip.region}"
        )
    return clip.frames


def _picture(pixels: NDArray[np.uint8], region: tuple[int, int, int, int] | None) -> NDArray[np.uint8]:
    """Return the grey levels of a frame's region."""
    x, y, w, h = region or (0, 0, pixels.shape[1], pixels.shape[0])
    inside = pixels[y : y + h, x : x + w]
    return np.array(inside.max(axis=-1) if inside.ndim == 3 else inside)


def _sequence(
    name: str,
    hand: str,
    side: str,
    row: Row | None,
    still: Path,
    seed: int,
    split: Split,
    *,
    duration_s: float,
    clip: Clip | None = None,
) -> Sequence:
    rng = np.random.default_rng([seed, 77])
    background = background_of(still, split, clip)
    scene = bare_scene(background, side, duration_s, hand_scene(hand, duration_s, rng))
    motion = hand if clip is None else "recorded"
    tags = {"needle": "no", "probe motion": motion, "event": f"anatomy, probe: {motion}"}
    if row is not None:
        scene = replace(scene, injectate=fluid_scene(row.fluid, duration_s, rng))
        scene = replace(scene, needle=place_needle(scene, row, seed, rng))
        tags = {
            "needle": "yes",
            "angle": angle_band(row.angle_deg),
            "visibility aimed at": row.visibility,
            "side": side,
            "probe motion": motion,
            "shaft": "bent" if row.bend_per_mm else "straight",
            "injectate": row.fluid,
            "course": row.course,
        }
    wanted = VISIBILITY_DB[row.visibility] if row else None
    content = Rendered(scene, seed, still, background.spacing_mm, wanted, clip=clip)
    return Sequence(name, "anatomy", split, prior_of(side), content, tags)
