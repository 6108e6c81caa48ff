"""The phantom suite: which factors meet in which sequence, written out, and how a row becomes a scene."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from usguide.bench.sequences import Rendered, Sequence, Split, Suite
from usguide.phantoms import HandScene, InjectateScene, NeedleScene, PhantomScene, ScannerScene
from usguide.phantoms.grid import picture_geometry
from usguide.phantoms.layouts import random_layout
from usguide.phantoms.pose import NeedlePose
from usguide.types import EntrySide, InsertionPrior

TEST_SEED = 1000
"""Seeds of tests begin here, those of the suite's tuning split lie below."""
ANGLE_DEG = (5.0, 80.0)
"""What detectors are told of the angle: next to nothing. They are told the side."""
VISIBILITY_DB = {"easy": 14.0, "normal": 9.0, "faint": 4.0}
"""What a row asks for; what it came to is measured on the finished pictures, and tables go by that."""
UPSTREAM_MM = 12.0
"""Shaft that is kept outside the picture, for a probe that slides away."""
RATE_HZ = 16.0


@dataclass(frozen=True, slots=True)
class Row:
    """One needle sequence.

    `visibility` is what is aimed at; reports use what was measured. `bend_per_mm` is positive towards the deep side.
    """

    name: str
    angle_deg: float
    visibility: str
    side: str
    probe: str
    hand: str
    bend_per_mm: float
    fluid: str
    course: str
    scanner: str


# Angles in even steps; every other column was shuffled (seed 5), then exchanged pairwise until no pair of columns could be
# made more balanced.
# fmt: off
NEEDLES = (
    #    name         deg  visibility side    probe          hand     bend     fluid     course     scanner
    Row("needle-01", 10,  "easy",    "right",  "curvilinear",  "sweep",  -0.004,  "unseen",  "advance",  "plain"),
    Row("needle-02", 12,  "normal",  "right",  "linear",       "still",  0.004,   "none",    "pause",    "screen"),
    Row("needle-03", 13,  "normal",  "left",   "curvilinear",  "still",  0.0,     "pool",    "withdraw", "drops"),
    Row("needle-04", 15,  "faint",   "left",   "linear",       "slide",  0.0,     "none",    "jiggle",   "plain"),
    Row("needle-05", 16,  "easy",    "left",   "linear",       "still",  0.0,     "none",    "present",  "plain"),
    Row("needle-06", 18,  "easy",    "right",  "curvilinear",  "slide",  0.004,   "ring",    "drift",    "freeze"),
    Row("needle-07", 19,  "faint",   "right",  "linear",       "sweep",  -0.004,  "lens",    "advance",  "plain"),
    Row("needle-08", 21,  "faint",   "left",   "linear",       "still",  0.0,     "unseen",  "drift",    "plain"),
    Row("needle-09", 22,  "easy",    "right",  "curvilinear",  "still",  0.0,     "lens",    "present",  "plain"),
    Row("needle-10", 24,  "faint",   "left",   "curvilinear",  "sweep",  0.004,   "none",    "pause",    "plain"),
    Row("needle-11", 25,  "easy",    "left",   "linear",       "slide",  0.004,   "none",    "advance",  "gain"),
    Row("needle-12", 27,  "easy",    "right",  "linear",       "sweep",  0.0,     "none",    "withdraw", "plain"),
    Row("needle-13", 28,  "normal",  "left",   "curvilinear",  "slide",  -0.004,  "none",    "pause",    "drops"),
    Row("needle-14", 30,  "normal",  "right",  "linear",       "still",  -0.004,  "pool",    "jiggle",   "plain"),
    Row("needle-15", 31,  "faint",   "left",   "curvilinear",  "still",  0.0,     "ring",    "advance",  "plain"),
    Row("needle-16", 33,  "normal",  "right",  "curvilinear",  "sweep",  0.0,     "none",    "withdraw", "gain"),
    Row("needle-17", 34,  "faint",   "left",   "curvilinear",  "still",  0.004,   "pool",    "present",  "plain"),
    Row("needle-18", 36,  "normal",  "right",  "curvilinear",  "still",  0.0,     "none",    "advance",  "plain"),
    Row("needle-19", 37,  "normal",  "left",   "linear",       "slide",  0.0,     "ring",    "advance",  "plain"),
    Row("needle-20", 39,  "faint",   "left",   "curvilinear",  "slide",  0.0,     "lens",    "withdraw", "screen"),
    Row("needle-21", 40,  "faint",   "right",  "linear",       "sweep",  0.0,     "none",    "drift",    "drops"),
    Row("needle-22", 42,  "easy",    "left",   "linear",       "still",  -0.004,  "lens",    "pause",    "plain"),
    Row("needle-23", 43,  "easy",    "left",   "curvilinear",  "still",  0.0,     "none",    "drift",    "plain"),
    Row("needle-24", 45,  "normal",  "right",  "curvilinear",  "slide",  0.0,     "lens",    "pause",    "plain"),
    Row("needle-25", 46,  "faint",   "right",  "curvilinear",  "still",  -0.004,  "none",    "advance",  "gain"),
    Row("needle-26", 48,  "normal",  "left",   "linear",       "still",  0.004,   "none",    "advance",  "plain"),
    Row("needle-27", 49,  "normal",  "left",   "linear",       "sweep",  -0.004,  "none",    "present",  "freeze"),
    Row("needle-28", 51,  "faint",   "right",  "linear",       "slide",  0.0,     "pool",    "pause",    "plain"),
    Row("needle-29", 52,  "easy",    "left",   "linear",       "sweep",  0.0,     "none",    "jiggle",   "screen"),
    Row("needle-30", 54,  "easy",    "left",   "linear",       "sweep",  0.0,     "pool",    "pause",    "gain"),
    Row("needle-31", 55,  "normal",  "left",   "curvilinear",  "sweep",  0.004,   "lens",    "jiggle",   "plain"),
    Row("needle-32", 57,  "faint",   "right",  "curvilinear",  "still",  0.0,     "none",    "jiggle",   "plain"),
    Row("needle-33", 58,  "faint",   "right",  "linear",       "still",  0.0,     "none",    "advance",  "freeze"),
    Row("needle-34", 60,  "easy",    "right",  "linear",       "still",  0.004,   "ring",    "withdraw", "plain"),
    Row("needle-35", 61,  "normal",  "left",   "linear",       "sweep",  0.0,     "none",    "advance",  "plain"),
    Row("needle-36", 63,  "normal",  "right",  "curvilinear",  "slide",  -0.004,  "none",    "drift",    "plain"),
    Row("needle-37", 64,  "normal",  "right",  "linear",       "slide",  0.0,     "unseen",  "present",  "plain"),
    Row("needle-38", 66,  "normal",  "right",  "curvilinear",  "sweep",  0.0,     "ring",    "present",  "plain"),
    Row("needle-39", 67,  "easy",    "right",  "linear",       "still",  0.004,   "lens",    "advance",  "drops"),
    Row("needle-40", 69,  "easy",    "left",   "curvilinear",  "still",  0.0,     "none",    "pause",    "plain"),
    Row("needle-41", 70,  "easy",    "right",  "curvilinear",  "slide",  0.0,     "pool",    "advance",  "screen"),
    Row("needle-42", 72,  "faint",   "right",  "linear",       "still",  0.0,     "none",    "jiggle",   "plain"),
    Row("needle-43", 73,  "faint",   "left",   "linear",       "slide",  -0.004,  "none",    "withdraw", "plain"),
    Row("needle-44", 75,  "normal",  "left",   "linear",       "still",  0.0,     "lens",    "drift",    "gain"),
)
# fmt: on


@dataclass(frozen=True, slots=True)
class FreeRow:
    """One needle-free sequence: what happens in it, on which probe, and which side the detectors are told."""

    name: str
    event: str
    probe: str
    side: str


NEEDLE_FREE = (
    FreeRow("free-01", "slide", "linear", "left"),
    FreeRow("free-02", "slide", "curvilinear", "right"),
    FreeRow("free-03", "sweep", "linear", "right"),
    FreeRow("free-04", "sweep", "curvilinear", "left"),
    FreeRow("free-05", "slide and sweep", "linear", "left"),
    FreeRow("free-06", "slide and sweep", "curvilinear", "right"),
    FreeRow("free-07", "pulsation", "linear", "right"),
    FreeRow("free-08", "pulsation", "curvilinear", "left"),
    FreeRow("free-09", "breathing", "linear", "left"),
    FreeRow("free-10", "breathing", "curvilinear", "right"),
    FreeRow("free-11", "fluid", "linear", "left"),
    FreeRow("free-12", "fluid", "curvilinear", "right"),
    FreeRow("free-13", "gain", "linear", "right"),
    FreeRow("free-14", "gain", "curvilinear", "left"),
    FreeRow("free-15", "lift-off", "linear", "left"),
    FreeRow("free-16", "lift-off", "curvilinear", "right"),
    FreeRow("free-17", "freeze", "linear", "right"),
    FreeRow("free-18", "freeze", "curvilinear", "left"),
    FreeRow("free-19", "screen and dropped frames", "linear", "left"),
    FreeRow("free-20", "speckle alone", "linear", "right"),
)
QUICK = ("needle-05", "needle-12", "needle-16", "needle-22", "needle-35", "needle-36", "free-01", "free-08", "free-20")


def phantom_suite(split: Split = "test", *, quick: bool = False) -> Suite:
    """Return the phantom suite; `quick` is a few of its sequences, shorter and smaller.

    The tuning split has other seeds and meets the factors in other combinations: each column is turned by some rows.
    """
    seed = TEST_SEED if split == "test" else 1
    needles = NEEDLES if split == "test" else _turned(NEEDLES)
    found = [_needle(row, seed + k, split, quick=quick) for k, row in enumerate(needles)]
    found += [_free(row, seed + 500 + k, split, quick=quick) for k, row in enumerate(NEEDLE_FREE)]
    if quick:
        found = [s for s in found if s.name in QUICK]
    if split == "tune":
        found = [replace(s, name=f"tune-{s.name}") for s in found]
    return Suite("phantom", tuple(found))


def _turned(rows: tuple[Row, ...]) -> tuple[Row, ...]:
    """Turn each column by another number of rows; the angles stay and move by a degree."""
    columns = ("visibility", "side", "probe", "hand", "bend_per_mm", "fluid", "course", "scanner")
    shifts = dict(zip(columns, (5, 8, 13, 17, 22, 26, 31, 37), strict=True))

    def turned(k: int) -> dict[str, Any]:
        values = {c: getattr(rows[(k + shift) % len(rows)], c) for c, shift in shifts.items()}
        if rows[k].angle_deg > 55:  # a steep shaft that bends upwards would have come in along the beam
            values["bend_per_mm"] = abs(values["bend_per_mm"])
        return values

    # Never below 10 nor over 75 degrees.
    return tuple(
        replace(row, angle_deg=row.angle_deg + (1 if k < 22 else -1), **turned(k)) for k, row in enumerate(rows)
    )


def angle_band(angle_deg: float) -> str:
    """Name the band of an insertion angle."""
    for low, high in ((10, 25), (25, 40), (40, 55), (55, 76)):
        if low <= angle_deg < high:
            return f"{low} to {min(high, 75)} deg"
    return "outside 10 to 75 deg"


def picture(probe: str, *, quick: bool) -> dict[str, Any]:
    """Return size, rate and duration of a picture: 38 x 38 mm, or 47 x 52 mm for a curvilinear probe."""
    linear = probe == "linear"
    spacing = (0.16 if quick else 0.12) if linear else (0.17 if quick else 0.13)
    height, width = (38.4, 38.4) if linear else (46.8, 52.0)
    return {
        "shape": (round(height / spacing), round(width / spacing)),
        "spacing_mm": (spacing, spacing),
        "frame_rate_hz": RATE_HZ,
        "duration_s": 2.5 if quick else 5.0,
        "probe": probe,
        "layout": "random",
    }


def _needle(row: Row, seed: int, split: Split, *, quick: bool) -> Sequence:
    size = picture(row.probe, quick=quick)
    rng = np.random.default_rng([seed, 77])
    scene = PhantomScene(
        **size,
        needle=None,
        injectate=None,
        entry_side=row.side,
        hand=hand_scene(row.hand, size["duration_s"], rng),
        scanner=_scanner(row.scanner, size["duration_s"]),
    )
    scene = replace(scene, injectate=fluid_scene(row.fluid, scene.duration_s, rng))
    scene = replace(scene, needle=place_needle(scene, row, seed, rng))
    return Sequence(
        name=row.name,
        suite="phantom",
        split=split,
        prior=prior_of(row.side),
        content=Rendered(scene, seed, visibility_db=VISIBILITY_DB[row.visibility]),
        tags={
            "needle": "yes",
            "angle": angle_band(row.angle_deg),
            "visibility aimed at": row.visibility,
            "side": row.side,
            "probe": row.probe,
            "probe motion": row.hand,
            "shaft": "bent" if row.bend_per_mm else "straight",
            "injectate": row.fluid,
            "course": row.course,
            "scanner": row.scanner,
        },
    )


def prior_of(side: str) -> InsertionPrior:
    """Return what every detector is told: the side, and that the needle goes down."""
    sides: dict[str, EntrySide] = {"left": "left", "right": "right"}
    return InsertionPrior(entry_side=sides[side], angle_deg=ANGLE_DEG, needle_diameter_mm=0.8)


def place_needle(scene: PhantomScene, row: Row, seed: int, rng: np.random.Generator) -> NeedleScene:
    """Return a needle that enters through the left side of the picture (or fan) and ends well within it, above bone.

    Its chord has the row's angle. Of 400 places for the tip, drawn at random, the first is taken that leaves room; where
    none does, the one that shows most shaft.
    """
    height, width = scene.size_mm
    geometry = picture_geometry(scene)
    diameter_mm = float(rng.choice([0.5, 0.7, 0.9]))
    best: tuple[float, NeedleScene] | None = None
    for _ in range(400):
        tip = rng.uniform(0.12, 0.7) * width, rng.uniform(0.25, 0.8) * height
        pose = _pose_to(tip, row.angle_deg, row.bend_per_mm, 60.0)
        points = pose.points_mm(np.arange(0.0, 60.05, 0.1))
        inside = np.asarray(((points >= 0) & (points <= (width, height))).all(axis=1))
        if geometry.sector is not None:
            inside &= geometry.sector.contains(points)
        if not inside[-1]:
            continue
        # The last run of points within the picture is what is seen.
        first = len(inside) - int(np.argmin(inside[::-1]))
        visible_mm = (len(inside) - 1 - first) * 0.1
        x, z = points[first]
        if geometry.sector is None:
            from_side = x < 0.5 and 2.0 < z < 0.8 * height
        else:
            from_side = geometry.sector.to_polar(points[first])[1] < geometry.sector.angle_deg[0] + 1.5
        if not from_side or (best is not None and visible_mm <= best[0]):
            continue
        needle = _needle_of(row, scene.duration_s, pose, visible_mm, diameter_mm)
        if not _meets_bone(replace(scene, needle=needle), seed, points[first:]):
            best = visible_mm, needle
            if 16 <= visible_mm <= 30:
                break
    if best is None:
        raise AssertionError(f"{row.name}: no place for a needle of {row.angle_deg} degrees")
    return best[1]


def _meets_bone(scene: PhantomScene, seed: int, points: NDArray[np.float64]) -> bool:
    """Tell whether a shaft comes within a millimetre of the bone that the scene's layout will have."""
    if "bone" not in scene.structures:
        return False
    surface = np.array(random_layout(scene, seed).bone_mm)
    return bool((points[:, 1] > np.interp(points[:, 0], surface[:, 0], surface[:, 1]) - 1.0).any())


def _needle_of(row: Row, end_s: float, pose: NeedlePose, visible_mm: float, diameter_mm: float) -> NeedleScene:
    # Lengths are counted from a point outside the picture, so that a sliding probe never uncovers the shaft's start.
    start_mm = pose.length_mm - visible_mm - UPSTREAM_MM
    return NeedleScene(
        entry_mm=pose.point_mm(start_mm),
        angle_deg=pose.angle_deg + math.degrees(pose.bend_per_mm * start_mm),
        diameter_mm=diameter_mm,
        gap_share={"easy": 0.08, "normal": 0.25, "faint": 0.4}[row.visibility],
        advance=_advance(row.course, end_s, UPSTREAM_MM, visible_mm),
        bend_per_mm=row.bend_per_mm,
        haze=0.1,
        penumbra=0.12,
        unevenness=1.3,
        drift=_drift(row.course, end_s),
    )


def _pose_to(tip: tuple[float, float], chord_deg: float, bend_per_mm: float, length_mm: float) -> NeedlePose:
    """Return the shaft of a given length that ends at `tip` and whose last 20 mm have the chord."""
    at_tip = chord_deg + math.degrees(bend_per_mm * 10.0)
    first = at_tip - math.degrees(bend_per_mm * length_mm)
    x, z = NeedlePose((0.0, 0.0), first, length_mm, bend_per_mm).point_mm(length_mm)
    return NeedlePose((tip[0] - x, tip[1] - z), first, length_mm, bend_per_mm)


def _advance(course: str, end_s: float, before: float, visible: float) -> tuple[tuple[float, float], ...]:
    """Return the inserted length at times; `before` of it lies outside the picture."""

    def at(*points: tuple[float, float]) -> tuple[tuple[float, float], ...]:
        return tuple((t * end_s, before + share * visible) for t, share in points)

    def jiggle(start: float, share: float) -> tuple[tuple[float, float], ...]:
        swing = 1.5 / visible
        return tuple((start + 0.05 * k, share + (swing if k % 2 else -swing)) for k in range(7))

    return {
        "advance": at((0.08, -0.05), (0.75, 1.0)),
        "pause": at((0.06, -0.05), (0.3, 0.5), (0.55, 0.5), (0.8, 1.0)),
        "withdraw": at((0.05, -0.05), (0.45, 1.0), (0.6, 1.0), (0.95, 0.15)),
        "jiggle": at((0.05, -0.05), (0.35, 0.7), *jiggle(0.4, 0.7), (0.85, 1.0)),
        "present": at((0.0, 1.0)),
        "drift": at((0.05, -0.05), (0.45, 1.0)),
    }[course]


def _drift(course: str, end_s: float) -> tuple[tuple[float, float, float], ...]:
    """Elevation over the plane: the tip leaves it, and comes back."""
    if course != "drift":
        return ()
    return ((0.5 * end_s, 0.0, 0.0), (0.7 * end_s, 0.0, 3.0), (0.8 * end_s, 0.0, 3.0), (0.95 * end_s, 0.0, 0.0))


def hand_scene(hand: str, end_s: float, rng: np.random.Generator) -> HandScene | None:
    """Return how the probe wanders: words with ``slide`` or ``sweep``; ``sweep`` alone stays close to a needle's plane."""
    times = tuple(float(t) for t in np.linspace(0, end_s, 6))

    def wander(amplitude_mm: float) -> tuple[tuple[float, float], ...]:
        # A needle stays in the plane of a hand that sweeps only so far.
        return tuple(zip(times, (0.0, *rng.uniform(-amplitude_mm, amplitude_mm, 5).round(2).tolist()), strict=True))

    if hand == "still":
        return None
    return HandScene(
        slide=wander(3.0) if "slide" in hand else (),
        sweep=wander(0.5 if hand == "sweep" else 4.0) if "sweep" in hand else (),
    )


def fluid_scene(kind: str, end_s: float, rng: np.random.Generator) -> InjectateScene | None:
    """Return an injection of that kind, which begins after half of the recording."""
    if kind == "none":
        return None
    return InjectateScene(
        kind=kind,
        onset_s=0.55 * end_s,
        area_rate_mm2_s=float(rng.uniform(12, 25)),
        plane_deg=float(rng.uniform(-10, 15)),
        echo=float(rng.choice([0.05, 0.2, 0.4])),
        bubbles=float(rng.choice([0.0, 0.5])),
    )


def _scanner(what: str, end_s: float) -> ScannerScene | None:
    middle = round(0.4 * end_s * RATE_HZ)
    return {
        "plain": None,
        "gain": ScannerScene(gain=((0.4 * end_s, 6.0), (0.7 * end_s, -5.0))),
        "screen": ScannerScene(screen=True),
        "drops": ScannerScene(dropped=(middle, middle + 1, middle + 9), repeated=(middle + 4, middle + 14)),
        "freeze": ScannerScene(freeze=((0.5 * end_s, 0.72 * end_s),)),
        "screen and dropped frames": ScannerScene(screen=True, dropped=(middle, middle + 5), repeated=(middle + 9,)),
    }[what]


def _free(row: FreeRow, seed: int, split: Split, *, quick: bool) -> Sequence:
    size = picture(row.probe, quick=quick)
    end_s, rng = size["duration_s"], np.random.default_rng([seed, 77])
    scene = PhantomScene(**size, needle=None, injectate=None, entry_side=row.side)
    if "slide" in row.event or "sweep" in row.event:
        scene = replace(scene, hand=hand_scene(f"{row.event} of all", end_s, rng))
    changes: dict[str, dict[str, Any]] = {
        "pulsation": {"motion_mm": 0.2},
        "breathing": {"motion_mm": 1.8},
        "fluid": {"injectate": InjectateScene(onset_s=0.3 * end_s, area_rate_mm2_s=20.0)},
        "gain": {"scanner": _scanner("gain", end_s)},
        "lift-off": {"hand": HandScene(lift_off=((0.4 * end_s, 0.7 * end_s, 0.5),))},
        "freeze": {"scanner": _scanner("freeze", end_s)},
        "screen and dropped frames": {"scanner": _scanner("screen and dropped frames", end_s)},
        "speckle alone": {"structures": ()},
    }
    scene = replace(scene, **changes.get(row.event, {}))
    return Sequence(
        name=row.name,
        suite="phantom",
        split=split,
        prior=prior_of(row.side),
        content=Rendered(scene, seed),
        tags={"needle": "no", "event": row.event, "probe": row.probe},
    )
