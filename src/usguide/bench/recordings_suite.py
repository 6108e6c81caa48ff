"""The recordings suite: real recordings. Most hold no needle; what is known of the few that do was read off by eye."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from usguide import datasets
from usguide.bench.sequences import Absent, Recorded, Sequence, Split, Suite
from usguide.datasets import DatasetFile
from usguide.errors import UsguideError
from usguide.geometry import Point
from usguide.io import open_source
from usguide.types import InsertionPrior

BY_EYE: dict[str, tuple[Point, Point]] = {
    "30.png": ((903, 588), (363, 279)),
    "45.png": ((868, 585), (539, 394)),
    "69.png": ((715, 482), (377, 293)),
}
"""biopsy-needle: tip (within 12 px, 0.7 mm) and a point of the shaft (within 5 px), in px of the screen grab."""
CATHETER_BY_EYE: dict[str, Point] = {
    "000150.png": (320, 378),
    "000180.png": (363, 368),
    "000210.png": (360, 382),
    "000240.png": (428, 350),
    "000270.png": (420, 362),
    "000299.png": (447, 357),
}
"""Visible end of the catheter, within 8 px (2 mm)."""
CATHETER_RISE_DEG = 18.0
BIOPSY_PRIOR = InsertionPrior(entry_side="left", angle_deg=(5.0, 80.0))
CATHETER_PRIOR = InsertionPrior(entry_side="left", angle_deg=(-40.0, 10.0), needle_diameter_mm=1.5)
FREE_PRIOR = InsertionPrior()
SINGLE = ("plus", "pocus-phantom", "mouse-liver")
VIDEO_RATE_HZ = 20.0
QUICK_STILLS = 4


def recordings_suite(split: Split = "test", *, quick: bool = False) -> Suite:
    """Return the real recordings.

    Biopsy needles, phantoms and the catheter belong to the test; the tuning split holds the nerve-block stills of that
    name alone. `quick` leaves out the moving ones, and all but a few stills.
    """
    sequences: list[Sequence] = []
    absent: list[Absent] = []
    makers = {"nerve-block-anatomy": _nerve_block}
    if split == "test":
        makers |= {"biopsy-needle": _biopsy}
        if not quick:
            makers |= {"catheter-insertion": _catheter, "qa-phantom": _qa} | dict.fromkeys(SINGLE, _single)
    for name, make in makers.items():
        try:
            folder = datasets.path(name)
        except UsguideError as error:
            absent.append(Absent(name, str(error)))
            continue
        made = list(make(name, folder, split))
        if quick:
            made = made[:QUICK_STILLS]
        sequences += [m for m in made if isinstance(m, Sequence)]
        absent += [m for m in made if isinstance(m, Absent)]
    return Suite("recordings", tuple(sequences), tuple(absent))


def _biopsy(name: str, folder: Path, split: Split) -> Iterator[Sequence | Absent]:
    for f in datasets.files(name, match="*.png"):
        if f.path not in BY_EYE:
            yield Absent(f"{name}/{f.path}", "a broad band without a sharp tip: there is nothing to score it with")
            continue
        content = Recorded((folder / f.path,), f.spacing_mm, f.region_px, stills=True, by_eye={0: BY_EYE[f.path]})
        tags = {"needle": "yes", "kind": "real needle, truth by eye"}
        yield Sequence(f"biopsy-{Path(f.path).stem}", "recordings", split, BIOPSY_PRIOR, content, tags)


def _catheter(name: str, folder: Path, split: Split) -> Iterator[Sequence | Absent]:
    found = datasets.files(name, match="*.png")
    known: dict[int, tuple[Point, Point | None]] = {
        k: (CATHETER_BY_EYE[f.path], None) for k, f in enumerate(found) if f.path in CATHETER_BY_EYE
    }
    content = _moving(folder, found, known)
    tags = {"needle": "a moving tool", "kind": "catheter in a tube: a moving tool, not a needle"}
    yield Sequence("catheter", "recordings", split, CATHETER_PRIOR, content, tags)


def _qa(name: str, folder: Path, split: Split) -> Iterator[Sequence | Absent]:
    tags = {"needle": "no", "event": "real: quality phantom, curvilinear"}
    content = _moving(folder, datasets.files(name, match="*.png"), None)
    yield Sequence("qa-phantom", "recordings", split, FREE_PRIOR, content, tags)


def _nerve_block(name: str, folder: Path, split: Split) -> Iterator[Sequence | Absent]:
    for f in datasets.files(name, split=split, match="images/*"):
        content = Recorded((folder / f.path,), f.spacing_mm, f.region_px, stills=True)
        tags = {"needle": "no", "event": "real: nerve-block still"}
        yield Sequence(f"nerve-block-{Path(f.path).stem}", "recordings", split, FREE_PRIOR, content, tags)


def _single(name: str, folder: Path, split: Split) -> Iterator[Sequence | Absent]:
    for f in datasets.files(name):
        label = f"{name}/{f.path}"
        if f.path == "LICENSE":
            continue
        if reason := _unreadable(folder / f.path):
            yield Absent(label, reason)
        elif f.spacing_mm is None:
            yield Absent(label, "its spacing is not known")
        else:
            still = f.frame_count == 1
            rate = None if Path(f.path).suffix == ".mp4" else VIDEO_RATE_HZ
            content = Recorded((folder / f.path,), f.spacing_mm, f.region_px, None if still else rate, stills=still)
            tags = {"needle": "no", "event": f"real: {name}"}
            yield Sequence(label, "recordings", split, FREE_PRIOR, content, tags)


def _unreadable(path: Path) -> str | None:
    """Say why usguide can't read a file; None where it can."""
    try:
        with open_source(path, require_spacing=False):
            return None
    except UsguideError:
        return f"usguide can't read {''.join(path.suffixes[-2:])} files yet"


def _moving(
    folder: Path, files: tuple[DatasetFile, ...], by_eye: dict[int, tuple[Point, Point | None]] | None
) -> Recorded:
    """Pictures of one recording, at the median of its intervals."""
    times = [f.time_s for f in files if f.time_s is not None]
    rate = 1 / float(np.median(np.diff(times))) if len(times) > 1 else VIDEO_RATE_HZ
    return Recorded(tuple(folder / f.path for f in files), files[0].spacing_mm, files[0].region_px, rate, by_eye=by_eye)
