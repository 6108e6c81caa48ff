"""The injectate suite: fluid that spreads, fluid that goes where nobody sees it, and all that must not be taken for it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from usguide import datasets
from usguide.bench.anatomy_suite import STILLS, anatomy_suite, background_of, bare_scene
from usguide.bench.phantom_suite import (
    TEST_SEED,
    UPSTREAM_MM,
    VISIBILITY_DB,
    Row,
    hand_scene,
    phantom_suite,
    picture,
    place_needle,
    prior_of,
)
from usguide.bench.recordings_suite import recordings_suite
from usguide.bench.sequences import Absent, Recorded, Rendered, Sequence, Split, Suite
from usguide.errors import UsguideError
from usguide.geometry import Point
from usguide.phantoms import HandScene, InjectateScene, NeedleScene, PhantomScene, ScannerScene
from usguide.phantoms.anatomy import margins_mm
from usguide.phantoms.layouts import random_layout

ONSET_S = 2.5
DURATION_S = 6.0
SEEDS_EACH, STILLS_EACH = 20, 6
"""Seeds, and stills, that a row may take: until its tip has room round it."""
LEAST_GREY, GREY_WITHIN_MM = 15, 4.0
"""Fluid is rendered where a still shows tissue about the tip, by the lower quartile of its grey levels: nobody could see it
on black."""
CLEAR_OF_TIP_MM = 5.0
"""No vessel and no bone nearer to the tip than this."""
_NERVE_FROM_TIP_MM = 2.5, 1.2
"""Where a nerve of scale 1 lies whose sheath the tip touches."""


@dataclass(frozen=True, slots=True)
class FluidRow:
    """One sequence with an injection, at ``ONSET_S``.

    `course`: the needle comes in and holds, is there from the first frame (``present``), or moves by 3 mm while it injects,
    on (``creep``) or back (``retreat``). `bubbles` are bright specks for each mm2.
    """

    name: str
    kind: str
    echo: float
    hand: str
    tissue: str
    course: str
    visibility: str
    side: str
    angle_deg: float
    bubbles: float
    marked: bool


# Kind and echo are crossed, once with a still probe and once with one that moves.
# fmt: off
FLUID = (
    #        name        kind    echo  hand     tissue         course     visibility  side    deg  bubbles marked
    FluidRow("fluid-01", "lens", 0.05, "still", "linear",      "hold",    "normal", "left",  25, 0.0, True),
    FluidRow("fluid-02", "ring", 0.05, "still", "linear",      "hold",    "easy",   "right", 35, 0.0, False),
    FluidRow("fluid-03", "pool", 0.05, "still", "anatomy",     "present", "normal", "left",  30, 0.0, True),
    FluidRow("fluid-04", "lens", 0.10, "still", "anatomy",     "hold",    "easy",   "right", 20, 0.0, False),
    FluidRow("fluid-05", "ring", 0.10, "still", "linear",      "present", "normal", "left",  40, 0.0, True),
    FluidRow("fluid-06", "pool", 0.10, "still", "curvilinear", "hold",    "normal", "right", 45, 0.0, False),
    FluidRow("fluid-07", "lens", 0.20, "still", "linear",      "creep",   "easy",   "left",  30, 0.0, True),
    FluidRow("fluid-08", "ring", 0.20, "still", "anatomy",     "hold",    "normal", "right", 35, 0.0, False),
    FluidRow("fluid-09", "pool", 0.20, "still", "linear",      "hold",    "normal", "left",  50, 0.5, True),
    FluidRow("fluid-10", "lens", 0.35, "still", "curvilinear", "hold",    "easy",   "right", 28, 0.0, False),
    FluidRow("fluid-11", "ring", 0.35, "still", "linear",      "hold",    "normal", "left",  22, 0.0, True),
    FluidRow("fluid-12", "pool", 0.35, "still", "anatomy",     "hold",    "easy",   "right", 40, 0.0, False),
    FluidRow("fluid-13", "lens", 0.05, "slide", "anatomy",     "hold",    "normal", "right", 35, 0.0, True),
    FluidRow("fluid-14", "ring", 0.05, "sweep", "linear",      "creep",   "normal", "left",  45, 0.0, False),
    FluidRow("fluid-15", "pool", 0.05, "slide", "linear",      "hold",    "easy",   "right", 25, 0.5, True),
    FluidRow("fluid-16", "lens", 0.10, "sweep", "linear",      "hold",    "normal", "left",  50, 0.0, False),
    FluidRow("fluid-17", "ring", 0.10, "slide", "anatomy",     "hold",    "easy",   "right", 30, 0.0, True),
    FluidRow("fluid-18", "pool", 0.10, "sweep", "linear",      "retreat", "normal", "left",  35, 0.0, False),
    FluidRow("fluid-19", "lens", 0.20, "slide", "linear",      "present", "easy",   "right", 40, 0.0, True),
    FluidRow("fluid-20", "ring", 0.20, "sweep", "curvilinear", "hold",    "normal", "left",  38, 0.0, False),
    FluidRow("fluid-21", "pool", 0.20, "slide", "anatomy",     "creep",   "normal", "right", 24, 0.0, True),
    FluidRow("fluid-22", "lens", 0.35, "sweep", "linear",      "hold",    "normal", "left",  18, 0.0, False),
    FluidRow("fluid-23", "ring", 0.35, "slide", "linear",      "hold",    "easy",   "right", 48, 0.0, True),
    FluidRow("fluid-24", "pool", 0.35, "slide", "linear",      "hold",    "faint",  "left",  33, 0.0, False),
)
UNSEEN = (
    FluidRow("unseen-1", "unseen", 0.05, "still", "linear",      "hold",    "normal", "left",  27, 0.0, True),
    FluidRow("unseen-2", "unseen", 0.05, "still", "curvilinear", "hold",    "easy",   "right", 40, 0.0, True),
    FluidRow("unseen-3", "unseen", 0.05, "slide", "linear",      "present", "easy",   "left",  35, 0.0, True),
    FluidRow("unseen-4", "unseen", 0.05, "sweep", "linear",      "hold",    "normal", "right", 45, 0.0, True),
    FluidRow("unseen-5", "unseen", 0.05, "still", "linear",      "creep",   "normal", "left",  22, 0.0, True),
    FluidRow("unseen-6", "unseen", 0.05, "still", "anatomy",     "hold",    "normal", "right", 30, 0.0, True),
    FluidRow("unseen-7", "unseen", 0.05, "slide", "anatomy",     "hold",    "easy",   "left",  38, 0.0, True),
    FluidRow("unseen-8", "unseen", 0.05, "still", "anatomy",     "retreat", "easy",   "right", 26, 0.0, True),
)
# fmt: on
TUNE_SHIFT = {"fluid": 7, "unseen": 3}
"""In the tuning split a row's fluid meets the tissue, hand, course and needle of the row so many further."""


@dataclass(frozen=True, slots=True)
class QuietRow:
    """One sequence with a needle whose tip lies in the picture, and no fluid."""

    name: str
    event: str
    tissue: str
    side: str
    angle_deg: float


QUIET = (
    QuietRow("quiet-01", "breathing", "linear", "left", 30),
    QuietRow("quiet-02", "vessel that pulsates near the tip", "linear", "right", 40),
    QuietRow("quiet-03", "vessel that pulsates near the tip", "curvilinear", "left", 28),
    QuietRow("quiet-04", "gain", "linear", "right", 35),
    QuietRow("quiet-05", "gain", "anatomy", "left", 25),
    QuietRow("quiet-06", "slide", "linear", "left", 45),
    QuietRow("quiet-07", "sweep out of plane", "linear", "right", 33),
    QuietRow("quiet-08", "jiggle", "anatomy", "right", 38),
    QuietRow("quiet-09", "needle leaves the plane", "linear", "left", 26),
    QuietRow("quiet-10", "withdraw", "curvilinear", "right", 42),
    QuietRow("quiet-11", "trembling hand", "linear", "left", 50),
    QuietRow("quiet-12", "slide", "anatomy", "right", 32),
)
QUICK = ("fluid-01", "fluid-09", "unseen-1", "quiet-04", "needle-05")


def injectate_suite(split: Split = "test", *, quick: bool = False) -> Suite:
    """Return the injectate suite; `quick` is a few of its sequences.

    Its own are named fluid, unseen and quiet. What the other suites hold without fluid is free of injection here as well,
    under the names that it has there, and is rendered once.
    """
    first = TEST_SEED + 3000 if split == "test" else 101
    rows = (
        FLUID + UNSEEN if split == "test" else turned(FLUID, TUNE_SHIFT["fluid"]) + turned(UNSEEN, TUNE_SHIFT["unseen"])
    )
    found: list[Sequence] = []
    absent: list[Absent] = []
    try:
        folder = datasets.path(STILLS)
        stills = [folder / f.path for f in datasets.files(STILLS, split=split, match="images/*")]
    except UsguideError as error:
        stills, absent = [], [Absent(f"injectate rendered onto {STILLS}", str(error))]
    every: tuple[FluidRow | QuietRow, ...] = (*rows, *QUIET)
    for k, row in enumerate(every):
        if quick and row.name not in QUICK:
            continue
        # Half a step off the stills that the anatomy suite takes, spread over the set as those are.
        at = (2 * k + 1) * len(stills) // (2 * len(every))
        seed = first + SEEDS_EACH * k
        if row.tissue != "anatomy":
            found.append(first_with_room(row, seed, split, (None,)))
        elif stills:
            found.append(first_with_room(row, seed, split, stills[at : at + STILLS_EACH]))
    if split == "tune":
        found = [replace(s, name=f"tune-{s.name}") for s in found]
    return Suite("injectate", tuple(found + _without_fluid(split, quick=quick)), tuple(absent))


def first_with_room(row: FluidRow | QuietRow, seed: int, split: Split, stills: Iterable[Path | None]) -> Sequence:
    """Return a row's sequence on the first of these stills whose tip has room round it; None is a phantom.

    Raises
    ------
    AssertionError
        None has room.
    """
    make: Callable[[Any, int, Split, Path | None], Sequence | None] = _fluid if isinstance(row, FluidRow) else _quiet
    made = next((s for s in (make(row, seed, split, still) for still in stills) if s is not None), None)
    if made is None:
        raise AssertionError(f"{row.name}: no tip with room round it")
    return made


def turned(rows: tuple[FluidRow, ...], by: int) -> tuple[FluidRow, ...]:
    """Let each row's fluid meet the tissue, hand, course and needle of the row so many further."""

    def other(k: int) -> FluidRow:
        return rows[(k + by) % len(rows)]

    return tuple(
        replace(other(k), name=r.name, kind=r.kind, echo=r.echo, bubbles=r.bubbles, marked=r.marked)
        for k, r in enumerate(rows)
    )


def _without_fluid(split: Split, *, quick: bool) -> list[Sequence]:
    """Return what other suites hold without any injection: rendered, and real recordings that move."""
    rendered = [*phantom_suite(split).sequences, *anatomy_suite(split).sequences]
    free = [s for s in rendered if isinstance(s.content, Rendered) and not s.content.scene.injections]
    if quick:
        free = [s for s in free if s.name.removeprefix("tune-") in QUICK]
    else:
        free += [
            s
            for s in recordings_suite(split).sequences
            if isinstance(s.content, Recorded) and not s.content.stills and s.tags.get("needle") == "no"
        ]
    return [replace(s, suite="injectate", tags={**s.tags, "injectate": "none"}) for s in free]


def _start(
    row: FluidRow | QuietRow, split: Split, still: Path | None, hand: HandScene | None
) -> tuple[PhantomScene, tuple[float, float] | None]:
    """Return the scene before needle and fluid, and the spacing of its still."""
    if still is None:
        scene = PhantomScene(
            **{**picture(row.tissue, quick=False), "duration_s": DURATION_S},
            needle=None,
            injectate=None,
            entry_side=row.side,
            hand=hand,
        )
        return scene, None
    background = background_of(still, split)
    scene = bare_scene(background, row.side, DURATION_S, hand)
    return scene, background.spacing_mm


def _fluid(row: FluidRow, seed: int, split: Split, still: Path | None) -> Sequence | None:
    rng = np.random.default_rng([seed, 78])
    scene, still_spacing_mm = _start(row, split, still, hand_scene(row.hand, DURATION_S, rng))
    fluid = InjectateScene(
        kind=row.kind,
        onset_s=ONSET_S,
        area_rate_mm2_s=float(rng.uniform(8, 20)),
        plane_deg=float(rng.uniform(-10, 15)),
        aspect=float(rng.uniform(3, 6)),
        echo=row.echo,
        bubbles=row.bubbles,
    )
    placed = _with_needle(replace(scene, injectate=fluid), row, row.visibility, seed)
    if placed is None:
        return None
    scene, needle, seed = placed
    if (
        still is not None
        and row.kind != "unseen"
        and _grey_at(needle.tip_mm(ONSET_S), scene, still, split) < LEAST_GREY
    ):
        return None
    scene = replace(scene, needle=replace(needle, advance=_course(row.course, needle)))
    if row.kind == "ring" and still is None:
        scene = _nerve_at(needle.tip_mm(ONSET_S), scene, seed)
    tags = {
        "needle": "yes",
        "visibility aimed at": row.visibility,
        "side": row.side,
        "tissue": row.tissue,
        "probe motion": row.hand,
        "injectate": row.kind,
        "echo": "none" if row.kind == "unseen" else f"{row.echo:g}",
        "darkness": "none" if row.kind == "unseen" else "anechoic" if row.echo <= 0.1 else "hypoechoic",
        "bubbles": "yes" if row.bubbles else "no",
        "course": row.course,
        "marked": "yes" if row.marked else "no",
    }
    content = Rendered(scene, seed, still, still_spacing_mm, VISIBILITY_DB[row.visibility])
    marked_s = ONSET_S if row.marked else None
    return Sequence(row.name, "injectate", split, prior_of(row.side), content, tags, marked_s)


def _with_needle(
    scene: PhantomScene, row: FluidRow | QuietRow, visibility: str, seed: int
) -> tuple[PhantomScene, NeedleScene, int] | None:
    """Return the scene with a needle from the first frame on, whose tip has room round it, and the seed it took."""
    like = Row(row.name, row.angle_deg, visibility, row.side, "", "", 0.0, "", "present", "plain")
    for taken in range(seed, seed + SEEDS_EACH):
        needle = place_needle(scene, like, taken, np.random.default_rng([taken, 77]))
        found = replace(scene, needle=needle)
        if _has_room(found, needle.tip_mm(ONSET_S), taken):
            return found, needle, taken
    return None


def _has_room(scene: PhantomScene, tip_mm: Point, seed: int) -> bool:
    (height, width), (x, z) = scene.size_mm, tip_mm
    if not (8 < x < width - 12 and 6 < z < height - 9):
        return False
    if not scene.structures:
        return True
    layout = random_layout(scene, seed)
    vx, vz, radius = layout.vessel_mm
    bone = np.array(layout.bone_mm)
    below = bone[np.abs(bone[:, 0] - x) < CLEAR_OF_TIP_MM, 1].min() - z
    return math.hypot(vx - x, vz - z) > radius + CLEAR_OF_TIP_MM and bool(below > CLEAR_OF_TIP_MM)


def _grey_at(tip_mm: Point, scene: PhantomScene, still: Path, split: Split) -> float:
    """Return the lower quartile of a still's grey levels about the tip."""
    background = background_of(still, split)
    left, _, top, _ = margins_mm(scene, background)
    grey = background.frames[0][:, ::-1] if scene.entry_side == "right" else background.frames[0]
    z, x = (np.arange(n) * step for n, step in zip(grey.shape, background.spacing_mm, strict=True))
    away = np.hypot(x[None, :] - tip_mm[0] - left, z[:, None] - tip_mm[1] - top)
    return float(np.percentile(grey[away < GREY_WITHIN_MM], 25))


def _course(course: str, needle: NeedleScene) -> tuple[tuple[float, float], ...]:
    """Return the inserted length at times: all of it when the injection begins."""
    whole = needle.length_mm(0.0)
    entering = ((0.2, UPSTREAM_MM - 1.0), (1.5, whole))
    moved = {"creep": 3.0, "retreat": -3.0}.get(course)
    if course == "present":
        return ((0.0, whole),)
    return entering if moved is None else (*entering, (ONSET_S + 0.8, whole), (DURATION_S - 0.5, whole + moved))


def _nerve_at(tip_mm: Point, scene: PhantomScene, seed: int) -> PhantomScene:
    """Return the scene with the layout of that seed, but its nerve where a tip touches it."""
    layout, (x, z) = random_layout(scene, seed), tip_mm
    dx, dz = (layout.nerve_scale * away for away in _NERVE_FROM_TIP_MM)
    return replace(scene, layout=replace(layout, nerve_mm=(x + dx, z + dz)))


def _quiet(row: QuietRow, seed: int, split: Split, still: Path | None) -> Sequence | None:
    rng = np.random.default_rng([seed, 78])
    # The needle holds still in a hand of its own; a probe that leaves its plane shows other tissue round it.
    hands = {
        "slide": hand_scene("slide", DURATION_S, rng),
        "sweep out of plane": hand_scene("slide and sweep", DURATION_S, rng),
        "trembling hand": HandScene(tremor_mm=0.4),
    }
    scene, still_spacing_mm = _start(row, split, still, hands.get(row.event))
    placed = _with_needle(scene, row, "normal", seed)
    if placed is None:
        return None
    scene, needle, seed = placed
    whole = needle.length_mm(0.0)
    entering = ((0.2, UPSTREAM_MM - 1.0), (1.5, whole))
    swings = tuple((2.2 + 0.1 * k, whole + (1.5 if k % 2 else -1.5)) for k in range(8))
    courses = {
        "jiggle": (*entering, *swings, (3.2, whole), (4.0, whole), *((t + 2.4, way) for t, way in swings)),
        "withdraw": (*entering, (2.5, whole), (4.5, UPSTREAM_MM + 0.4 * (whole - UPSTREAM_MM))),
    }
    needle = replace(needle, advance=courses.get(row.event, entering))
    if row.event == "needle leaves the plane":
        needle = replace(needle, drift=((2.2, 0.0, 0.0), (3.0, 0.0, 3.0), (4.0, 0.0, 3.0), (4.8, 0.0, 0.0)))
    scene = replace(scene, needle=needle)
    if row.event == "breathing":
        scene = replace(scene, breathing_mm=2.0)
    elif row.event == "gain":
        scene = replace(scene, scanner=ScannerScene(gain=((2.2, -6.0), (3.4, 4.0), (4.6, -4.0))))
    elif row.event.startswith("vessel"):
        layout, (x, z) = random_layout(scene, seed), needle.tip_mm(ONSET_S)
        radius = 2.0
        # Beyond the tip and a little deeper, its wall 2.5 mm away: where fluid would spread.
        vessel = x + 3.6, z + 2.7, radius
        scene = replace(scene, layout=replace(layout, vessel_mm=vessel, beat_mm=0.25))
    tags = {
        "needle": "yes",
        "visibility aimed at": "normal",
        "side": row.side,
        "tissue": row.tissue,
        "event": row.event,
        "injectate": "none",
    }
    content = Rendered(scene, seed, still, still_spacing_mm, VISIBILITY_DB["normal"])
    return Sequence(row.name, "injectate", split, prior_of(row.side), content, tags)
