"""What the needle is fitted on, the benchmark's tuning split and more scenes with other seeds, and what is held out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from usguide import datasets
from usguide.bench import anatomy_suite, phantom_suite, stills_suite
from usguide.bench.sequences import Clip, Rendered, Split
from usguide.bench.sequences import Sequence as Recording
from usguide.bench.suites import suites
from usguide.errors import UsguideError

SUITES = ("phantom", "anatomy", "stills", "recordings")
COLUMNS = ("visibility", "side", "probe", "hand", "bend_per_mm", "fluid", "course", "scanner")
ANATOMY_SEED = 301
ANATOMIES: dict[str, tuple[int, tuple[int, ...], float, int]] = {
    "x1": (41_001, (3, 9, 0, 2, 6, 11, 5, 0), -2.0, 2),
    "x2": (42_001, (7, 5, 0, 3, 13, 2, 10, 0), 1.5, 3),
    "x3": (43_001, (13, 1, 0, 6, 9, 4, 15, 0), -1.0, 4),
    "x4": (44_001, (10, 14, 0, 8, 3, 7, 1, 0), 2.0, 5),
    "x5": (57_001, (5, 12, 0, 1, 8, 14, 3, 0), -4.0, 9),
    "x6": (58_001, (2, 7, 0, 11, 4, 9, 12, 0), 3.0, 18),
    "x7": (59_001, (14, 3, 0, 5, 10, 1, 7, 0), -3.0, 27),
    "x8": (60_001, (9, 11, 0, 13, 2, 6, 8, 0), 4.0, 36),
    "x9": (67_001, (12, 6, 0, 4, 14, 10, 2, 0), -5.0, 13),
    "x10": (68_001, (6, 13, 0, 10, 5, 3, 11, 0), 2.5, 31),
}
"""Of a further set on stills: first seed, by how many rows each column is turned, by how much the angles, and first still.

The angles beside the degree that `_turned` adds.
"""
BUTTERFLY, SPINE = "pocus-phantom/butterfly-ocular-phantom.mp4", "plus/SpinePhantomFreehand.igs.mha"
BONE, CURVED = "plus/BoneUltrasound_L14.igs.mha", "plus/UltrasonixCurvilinearScanConvertedData.igs.mha"
QUALITY = "qa-phantom/runB"


@dataclass(frozen=True, slots=True)
class OnClip:
    """A further set on real tissue that moves by itself: as of `ANATOMIES`, but for the still a recording and a part of it.

    The hand is still: a needle lies in the picture as one in a guide that is held with the probe.
    """

    seed: int
    shifts: tuple[int, ...]
    lean_deg: float
    file: str
    clip: Clip


BEAMS, NEAR = (103, 199, 563, 668), (150, 199, 470, 480)
"""Of the butterfly's picture what is between its wedges, and the nearer part of that."""
BLOCK = (140, 75, 200, 230)
"""Of the quality phantom's fan a rectangle within."""
CLIPS = {
    "real0": OnClip(71_001, (3, 0, 0, 0, 5, 9, 13, 0), -2.0, BUTTERFLY, Clip((0, 64), 16.0)),
    "real1": OnClip(72_001, (7, 1, 0, 0, 11, 4, 2, 0), 1.0, BUTTERFLY, Clip((24, 88), 12.0)),
    "real2": OnClip(73_001, (12, 0, 0, 0, 3, 14, 8, 0), -4.0, BUTTERFLY, Clip((48, 112), 16.0)),
    "real3": OnClip(74_001, (5, 1, 0, 0, 9, 2, 6, 0), 3.0, BUTTERFLY, Clip((72, 136), 8.0)),
    "real4": OnClip(75_001, (14, 0, 0, 0, 7, 11, 4, 0), -1.0, BUTTERFLY, Clip((96, 160), 16.0)),
    "real5": OnClip(76_001, (10, 1, 0, 0, 1, 6, 15, 0), 2.0, BUTTERFLY, Clip((120, 184), 12.0)),
    "real6": OnClip(77_001, (4, 1, 0, 0, 13, 8, 11, 0), -3.0, SPINE, Clip((0, 10), 12.0)),
    "real7": OnClip(78_001, (9, 0, 0, 0, 2, 12, 5, 0), 2.0, SPINE, Clip((0, 10), 8.0)),
    "real8": OnClip(79_001, (1, 1, 0, 0, 6, 10, 3, 0), 1.0, CURVED, Clip((0, 5), 16.0, region=(250, 120, 350, 360))),
    "real9": OnClip(91_001, (2, 0, 0, 0, 4, 12, 7, 0), 2.0, BUTTERFLY, Clip((0, 48), 20.0, region=BEAMS)),
    "real10": OnClip(92_001, (11, 1, 0, 0, 10, 3, 14, 0), -1.0, BUTTERFLY, Clip((30, 94), 10.0, region=BEAMS)),
    "real11": OnClip(93_001, (6, 0, 0, 0, 15, 7, 1, 0), 3.0, BUTTERFLY, Clip((60, 124), 16.0, region=BEAMS)),
    "real12": OnClip(94_001, (15, 1, 0, 0, 2, 10, 5, 0), -3.0, BUTTERFLY, Clip((84, 148), 20.0, region=NEAR)),
    "real13": OnClip(95_001, (8, 0, 0, 0, 12, 1, 9, 0), 1.0, BUTTERFLY, Clip((110, 174), 12.0, region=BEAMS)),
    "real14": OnClip(96_001, (13, 1, 0, 0, 5, 15, 2, 0), 4.0, BUTTERFLY, Clip((136, 184), 16.0, region=NEAR)),
    "real15": OnClip(97_001, (1, 0, 0, 0, 8, 5, 12, 0), -2.0, SPINE, Clip((0, 10), 16.0)),
    "real16": OnClip(98_001, (6, 1, 0, 0, 14, 2, 10, 0), 0.5, SPINE, Clip((0, 10), 10.0)),
    "real17": OnClip(99_001, (12, 0, 0, 0, 3, 9, 15, 0), -1.0, CURVED, Clip((0, 5), 10.0, region=(200, 160, 420, 340))),
    "real18": OnClip(101_001, (4, 0, 0, 0, 9, 13, 6, 0), 1.0, QUALITY, Clip((0, 63), 16.0, region=BLOCK)),
    "real19": OnClip(102_001, (10, 1, 0, 0, 1, 6, 3, 0), -2.0, QUALITY, Clip((0, 40), 12.0, region=BLOCK)),
    "real20": OnClip(103_001, (3, 0, 0, 0, 11, 14, 8, 0), 3.0, QUALITY, Clip((20, 63), 20.0, region=BLOCK)),
    "real21": OnClip(104_001, (7, 1, 0, 0, 13, 4, 11, 0), -4.0, QUALITY, Clip((10, 50), 8.0, region=BLOCK)),
}
"""The butterfly's picture has narrow black wedges on both sides, which needles cross; in the test's clips it has none."""
TEST_CLIPS = {
    "moving0": OnClip(81_001, (6, 1, 0, 0, 4, 13, 9, 0), 1.0, BONE, Clip((0, 21), 12.0)),
    "moving1": OnClip(82_001, (11, 0, 0, 0, 8, 3, 1, 0), -2.0, BONE, Clip((0, 21), 8.0)),
    "moving2": OnClip(83_001, (2, 1, 0, 0, 14, 7, 12, 0), 2.0, BUTTERFLY, Clip((200, 264), 16.0, region=BEAMS)),
    "moving3": OnClip(84_001, (8, 0, 0, 0, 12, 5, 10, 0), -3.0, BUTTERFLY, Clip((280, 344), 12.0, region=BEAMS)),
    "moving4": OnClip(85_001, (13, 1, 0, 0, 10, 1, 7, 0), 3.0, SPINE, Clip((10, 21), 12.0)),
}
"""Frames that belong to the test: a bone that nothing was fitted on, and the other halves of two objects that were."""
STILL_SEED, STILLS_EACH = 10_001, 7
"""Of single pictures, far from those of the tests; how many needles each still is given, one after the other."""
SLIDING_SEED, SLIDING = 62_001, 40
"""Of needle-free tissue below a probe that slides, sweeps, or both: what is taken for a needle most easily."""
UNIFORM_SEED = 601
"""Of needles in speckle alone, as in a block of gelatine: what laboratories practise on."""


_anatomy = anatomy_suite._sequence  # noqa: SLF001  (the suite's own)
OTHER = {"left": "right", "right": "left"}
Change = Callable[[phantom_suite.Row, int], phantom_suite.Row]


def _as_it_is(row: phantom_suite.Row, _: int) -> phantom_suite.Row:
    return row


def _leaving(row: phantom_suite.Row, _: int) -> phantom_suite.Row:
    """Leave the plane and come back: of the needles as they are one in seven does."""
    return replace(row, course="drift")


def _low(row: phantom_suite.Row, n: int) -> phantom_suite.Row:
    """Lie where fasciae do, mostly below a probe that moves."""
    return replace(row, angle_deg=round(10 + (row.angle_deg - 10) * 25 / 65), hand=("still", "sweep", "slide")[n % 3])


def _there(row: phantom_suite.Row, n: int) -> phantom_suite.Row:
    """Be there from the first frame, mostly below a probe that moves."""
    return replace(row, course="present", hand=("sweep", "slide", "still")[n % 3])


def _hard(row: phantom_suite.Row, n: int) -> phantom_suite.Row:
    """Be no easy needle, below a probe that moves."""
    return replace(row, visibility=("faint", "normal")[n % 2], hand=("sweep", "slide")[n // 2 % 2])


SETS: dict[str, tuple[int, tuple[int, ...], Change]] = {
    "x0": (101, (7, 3, 19, 29, 11, 2, 15, 23), _as_it_is),
    "x1": (151, (13, 27, 5, 9, 31, 20, 38, 1), _as_it_is),
    "x2": (201, (22, 9, 33, 4, 17, 28, 6, 12), _as_it_is),
    "x3": (251, (3, 16, 12, 21, 40, 8, 25, 34), _as_it_is),
    "x4": (351, (31, 40, 26, 15, 2, 36, 10, 19), _as_it_is),
    "drift0": (401, (5, 28, 14, 33, 7, 18, 0, 22), _leaving),
    "drift1": (451, (19, 10, 37, 2, 24, 30, 0, 8), _leaving),
    "low0": (501, (11, 36, 8, 25, 17, 3, 29, 14), _low),
    "low1": (701, (33, 15, 27, 4, 38, 20, 9, 24), _low),
    "more0": (31_001, (9, 24, 2, 37, 16, 5, 33, 26), _as_it_is),
    "more1": (32_001, (28, 1, 39, 14, 21, 35, 8, 17), _as_it_is),
    "more2": (33_001, (36, 18, 7, 22, 30, 12, 25, 41), _as_it_is),
    "more3": (36_001, (2, 35, 15, 6, 19, 27, 40, 32), _as_it_is),
    "there0": (34_001, (4, 31, 20, 10, 26, 38, 0, 13), _there),
    "there1": (37_001, (16, 12, 29, 0, 8, 21, 0, 39), _there),
    "lower0": (35_001, (23, 6, 34, 0, 12, 27, 16, 30), _low),
    "hard0": (38_001, (21, 5, 32, 11, 39, 17, 30, 24), _hard),
    "hard1": (39_001, (40, 14, 26, 0, 3, 34, 10, 7), _hard),
    "leaving0": (40_001, (13, 22, 1, 35, 29, 6, 0, 18), _leaving),
    "more4": (45_001, (17, 30, 11, 3, 25, 9, 38, 6), _as_it_is),
    "more5": (46_001, (39, 8, 28, 19, 5, 31, 13, 24), _as_it_is),
    "more6": (47_001, (12, 21, 36, 29, 33, 1, 20, 10), _as_it_is),
    "hard2": (48_001, (6, 33, 17, 24, 36, 29, 2, 35), _hard),
    "lower1": (50_001, (14, 27, 39, 0, 31, 8, 21, 37), _low),
    "leaving1": (51_001, (32, 4, 23, 12, 1, 39, 0, 26), _leaving),
    "more7": (52_001, (8, 38, 20, 34, 18, 23, 3, 29), _as_it_is),
    "hard3": (53_001, (30, 2, 22, 37, 14, 10, 41, 16), _hard),
    "leaving2": (54_001, (24, 17, 9, 30, 38, 3, 0, 11), _leaving),
    "lower2": (55_001, (41, 20, 3, 16, 27, 34, 12, 5), _low),
    "more8": (56_001, (34, 11, 31, 8, 40, 26, 16, 2), _as_it_is),
    "hard4": (61_001, (11, 25, 6, 32, 21, 1, 18, 38), _hard),
    "more9": (64_001, (27, 35, 12, 1, 22, 15, 9, 40), _as_it_is),
}
"""First seed of a further set of phantoms, by how many rows each of its columns is turned, and what all its needles do.

The fold of a recording goes by its name, and pictures are cached by it.
"""
HELD_OUT: dict[str, tuple[int, tuple[int, ...], Change]] = {
    "vx0": (26_001, (17, 11, 23, 6, 36, 14, 29, 3), _as_it_is),
    "vx1": (27_001, (26, 2, 35, 13, 9, 32, 19, 41), _as_it_is),
}
"""The same of two that nothing is fitted on (`held_out.py`)."""


def tuning_recordings() -> list[Recording]:
    """Return every sequence that may be fitted on; recordings that are absent are left out."""
    found = [s for suite in suites("all", split="tune") if suite.name in SUITES for s in suite.sequences]
    # What else is done to a recording goes by its place in the list.
    sets = {name: list(_phantoms(name, *one)) for name, one in SETS.items()}
    found += [*sets.pop("x0"), *sets.pop("x1"), *_anatomies(), *_uniform(), *_stills()]
    found += [r for one in sets.values() for r in one]
    present = {name: one for name, one in CLIPS.items() if _is_present(one.file.partition("/")[0])}
    return [*found, *_further_anatomies(), *_sliding(), *_on_clips(present, "tune")]


def held_out() -> list[Recording]:
    """Return two sets of rendered phantoms that nothing was fitted on."""
    return [r for name, one in HELD_OUT.items() for r in _phantoms(name, *one)]


def on_moving_tissue() -> list[Recording]:
    """Return needles rendered onto real tissue that moves by itself, onto frames of the test.

    Raises
    ------
    UsguideError
        A recording is absent.
    """
    return list(_on_clips(TEST_CLIPS, "test"))


def _phantoms(name: str, seed: int, shifts: tuple[int, ...], change: Change) -> Iterator[Recording]:
    """Give a set of phantoms; where its needles are changed, those alone."""
    for n, row in enumerate(_turned(phantom_suite.NEEDLES, shifts)):
        try:
            made = phantom_suite._needle(change(row, n), seed + n, "tune", quick=False)  # noqa: SLF001  (rows are the suite's own)
        except AssertionError:  # no place for that needle in that picture
            continue
        yield replace(made, name=f"{name}-{made.name}")
    for n, free in enumerate(phantom_suite.NEEDLE_FREE if change is _as_it_is else ()):
        made = phantom_suite._free(free, seed + 500 + n, "tune", quick=False)  # noqa: SLF001
        yield replace(made, name=f"{name}-{made.name}")


def _uniform() -> Iterator[Recording]:
    for n, row in enumerate(phantom_suite.NEEDLES[::2]):
        plain = replace(row, fluid="none", scanner="plain", visibility=("easy", "normal")[n % 2])
        try:
            made = phantom_suite._needle(plain, UNIFORM_SEED + n, "tune", quick=False)  # noqa: SLF001
        except (AssertionError, ZeroDivisionError):  # no place for that needle in that picture
            continue
        if isinstance(made.content, Rendered):
            scene = replace(made.content.scene, structures=())
            yield replace(made, name=f"uniform-{made.name}", content=replace(made.content, scene=scene))


def _sliding() -> Iterator[Recording]:
    rows = [row for row in phantom_suite.NEEDLE_FREE if "slide" in row.event or "sweep" in row.event]
    for n in range(SLIDING):
        row = replace(rows[n % len(rows)], side=("left", "right")[n // len(rows) % 2])
        made = phantom_suite._free(row, SLIDING_SEED + n, "tune", quick=False)  # noqa: SLF001
        yield replace(made, name=f"sliding-{n:02d}-{made.name}")


def _turned(rows: Sequence[phantom_suite.Row], shifts: tuple[int, ...]) -> list[phantom_suite.Row]:
    """Let the factors meet in other combinations: each of `COLUMNS` turned by so many rows; the angles move by a degree."""
    found, pairs = [], list(zip(COLUMNS, shifts, strict=True))
    for k, row in enumerate(rows):
        values: dict[str, Any] = {c: getattr(rows[(k + shift) % len(rows)], c) for c, shift in pairs}
        if row.angle_deg > 55:
            values["bend_per_mm"] = abs(values["bend_per_mm"])
        angle = min(75, max(10, row.angle_deg + (1 if k < 22 else -1)))
        found.append(replace(row, angle_deg=angle, **values))
    return found


def _anatomies() -> Iterator[Recording]:
    """Give the set whose needles look and move like others of the suite's."""
    rows = anatomy_suite.NEEDLES
    mixed = []
    for k, row in enumerate(rows):
        looks, course = rows[(5 * k + 3) % len(rows)], rows[(3 * k + 7) % len(rows)].course
        mixed.append(replace(row, visibility=looks.visibility, hand=looks.hand, course=course, side=OTHER[row.side]))
    yield from _on_stills("x0", ANATOMY_SEED, mixed, first=1)


def _further_anatomies() -> Iterator[Recording]:
    for name, (seed, shifts, lean_deg, first) in ANATOMIES.items():
        rows = _turned(anatomy_suite.NEEDLES, shifts)
        yield from _on_stills(name, seed, [replace(r, angle_deg=r.angle_deg + lean_deg) for r in rows], first)


def _is_present(name: str) -> bool:
    try:
        datasets.path(name)
    except UsguideError:
        return False
    return True


def _on_clips(sets: dict[str, OnClip], split: Split) -> Iterator[Recording]:
    for name, one in sets.items():
        folder, _, file = one.file.partition("/")
        path = datasets.path(folder) / file
        rows = _turned(anatomy_suite.NEEDLES, one.shifts)
        held = [replace(r, hand="still", angle_deg=r.angle_deg + one.lean_deg) for r in rows]
        yield from _planned(name, one.seed, [(r.name, r.hand, r.side, r, path) for r in held], split, one.clip)


def _on_stills(name: str, seed: int, rows: list[phantom_suite.Row], first: int) -> Iterator[Recording]:
    """Put each needle, and a hand without one, onto a still of its own, from the `first` on."""
    if not _is_present(anatomy_suite.STILLS):
        return
    folder = datasets.path(anatomy_suite.STILLS)
    stills = [folder / f.path for f in datasets.files(anatomy_suite.STILLS, split="tune", match="images/*")]
    looks: list[tuple[str, str, str, phantom_suite.Row | None]] = [(r.name, r.hand, r.side, r) for r in rows]
    looks += [(free, hand, OTHER[side], None) for free, hand, side in anatomy_suite.NEEDLE_FREE]
    planned = [(*look, stills[(k * len(stills) // len(looks) + first) % len(stills)]) for k, look in enumerate(looks)]
    yield from _planned(name, seed, planned)


def _planned(
    name: str,
    seed: int,
    planned: Sequence[tuple[str, str, str, phantom_suite.Row | None, Path]],
    split: Split = "tune",
    clip: Clip | None = None,
) -> Iterator[Recording]:
    """Give each of (name, hand, side, needle, picture) that has a place in its picture."""
    for k, (label, hand, side, row, picture) in enumerate(planned):
        try:
            made = _anatomy(label, hand, side, row, picture, seed + k, split, duration_s=4.0, clip=clip)
        except AssertionError:
            continue
        yield replace(made, name=f"{name}-{made.name}")


def _stills() -> Iterator[Recording]:
    if not _is_present(anatomy_suite.STILLS):
        return
    folder = datasets.path(anatomy_suite.STILLS)
    stills = [folder / f.path for f in datasets.files(anatomy_suite.STILLS, split="tune", match="images/*")]
    rows = stills_suite.rows()
    for k in range(STILLS_EACH * len(stills)):
        seed = STILL_SEED + k
        rng = np.random.default_rng(seed)
        row = replace(
            rows[k % len(rows)],
            name=f"x-still-{k:03d}",
            angle_deg=round(float(rng.uniform(10, 75)), 1),
            visibility=("easy", "normal", "normal", "faint")[k % 4],
            side=("left", "right")[int(rng.integers(2))],
        )
        try:
            yield stills_suite.still_sequence(row, stills[k % len(stills)], seed, "tune")
        except AssertionError:  # no place for that needle in that picture
            continue
