"""The recordings suite: real recordings. Most hold no needle; what is known of the few that do was read off by eye."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from usguide import datasets
from usguide.bench.sequences import Absent, Recorded, Sequence, Split, Suite, Tool
from usguide.datasets import DatasetFile
from usguide.errors import UsguideError
from usguide.geometry import Point
from usguide.io import open_source
from usguide.types import InsertionPrior

_Maker = Callable[[str, Path, Split], Iterator[Sequence | Absent]]
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
CATHETER = Tool(
    judged_from=180,
    walls=(
        (
            (
                (200, 328),
                (250, 322),
                (300, 316),
                (350, 311),
                (400, 308),
                (450, 306),
                (500, 300),
                (560, 288),
                (620, 272),
            ),
            (
                (200, 353),
                (250, 345),
                (300, 340),
                (350, 337),
                (400, 335),
                (450, 335),
                (500, 340),
                (560, 332),
                (620, 316),
            ),
        ),
        (
            (
                (200, 434),
                (250, 435),
                (300, 433),
                (350, 430),
                (400, 426),
                (500, 412),
                (550, 400),
                (600, 387),
                (650, 368),
            ),
            (
                (200, 464),
                (250, 467),
                (300, 466),
                (350, 464),
                (400, 461),
                (500, 446),
                (550, 434),
                (600, 420),
                (650, 400),
            ),
        ),
    ),
)
"""Walls of the tube, near and far: their bright bands, the same in all frames within 5 px. `judged_from` is in the file's
name; left of column 200 catheter and far wall run into one another."""
BIOPSY_PRIORS = {
    "side and angle": InsertionPrior(entry_side="left", angle_deg=(15.0, 45.0)),
    "none": InsertionPrior(),
}
"""An angle that is known to 15 degrees, as of a planned puncture; and nothing but the spacing."""
CATHETER_PRIOR = InsertionPrior(entry_side="left", angle_deg=(-40.0, 0.0), needle_diameter_mm=1.5)
FREE_PRIOR = InsertionPrior()
WHOLE: dict[str, Split] = {
    "plus/BoneUltrasound_L14.igs.mha": "test",
    "plus/UltrasonixCurvilinearScanConvertedData.igs.mha": "tune",
}
"""Not halved: onto the bone's frames the anatomy suite renders needles of the test, and five frames are too few."""
ASSUMED_MM: dict[str, tuple[float, float]] = {
    "NwirePhantomFreehand.igs.mha": (0.085, 0.085),
    "WaterTankBottomTranslationVideoBuffer.igs.mha": (0.085, 0.085),
    "USTC_FrameGrabber_ProbeRotationData.igs.mha": (0.21, 0.21),
    "UltrasonixCurvilinearScanConvertedData.igs.mha": (0.15, 0.15),
}
"""Spacings that nothing states, for alarms and not for lengths: the first two as the bone's (same scanner and size), the
third from the depth of 7 cm that it shows, the last for a face of 10 mm radius."""
KINDS = {
    "BoneUltrasound_L14": "bone, linear",
    "NwirePhantomFreehand": "wire phantom, freehand",
    "SpinePhantomFreehand": "spine phantom, freehand",
    "USTC_FrameGrabber_ProbeRotationData": "turning probe, curvilinear",
    "UltrasonixCurvilinearScanConvertedData": "curvilinear, nearly still",
    "WaterTankBottomTranslationVideoBuffer": "water-tank line",
    "butterfly-ocular-phantom": "ocular phantom, freehand",
}
SINGLE = ("plus", "pocus-phantom", "mouse-liver")
JUDGED = ("plus", "qa-phantom", "butterfly")
"""What the bar for real needle-free recordings is made of; a tag ``recording`` names it."""
NERVE_BLOCK = "real: nerve-block still"
"""The tag ``event`` of the stills."""
VIDEO_RATE_HZ = 20.0
QUICK_STILLS = 4


def recordings_suite(split: Split = "test", *, quick: bool = False) -> Suite:
    """Return the real recordings.

    Nerve-block stills are split by the registry. Moving needle-free recordings are halved in time, the first half for
    tuning, the second for the test (`WHOLE` apart), because there is one of each kind only: a split by recording would
    leave a bone, a water tank or a turning probe on one side alone. The halves show the same object, so their figures
    say how a detector does on these objects, not on unseen ones. Biopsy needles, the catheter, single pictures and
    recordings of a few frames belong to the test. `quick` leaves out what moves, and all but a few stills.
    """
    sequences: list[Sequence] = []
    absent: list[Absent] = []
    makers: dict[str, _Maker] = {"nerve-block-anatomy": _nerve_block}
    if split == "test":
        makers |= {"biopsy-needle": _biopsy}
    if not quick:
        makers |= {"qa-phantom": _qa} | dict.fromkeys(SINGLE, _single)
        if split == "test":
            makers |= {"catheter-insertion": _catheter}
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


def share_of(label: str, frames: int, split: Split) -> tuple[int, int] | None:
    """Return the frames of a moving recording that belong to a split, first and one past the last; None without any.

    Parameters
    ----------
    label : str
        Set and file, as in `WHOLE`.
    frames : int
    split : {"test", "tune"}
    """
    if label in WHOLE:
        return (0, frames) if WHOLE[label] == split else None
    if frames < 10:
        return (0, frames) if split == "test" else None
    return (0, frames // 2) if split == "tune" else (frames // 2, frames)


def _biopsy(name: str, folder: Path, split: Split) -> Iterator[Sequence | Absent]:
    for f in datasets.files(name, match="*.png"):
        if f.path not in BY_EYE:
            yield Absent(f"{name}/{f.path}", "a broad band without a sharp tip: there is nothing to score it with")
            continue
        content = Recorded((folder / f.path,), f.spacing_mm, f.region_px, stills=True, by_eye={0: BY_EYE[f.path]})
        for told, prior in BIOPSY_PRIORS.items():
            tags = {"needle": "yes", "kind": "real needle, truth by eye", "prior": told}
            label = f"biopsy-{Path(f.path).stem}" + ("" if told != "none" else "-no-prior")
            yield Sequence(label, "recordings", split, prior, content, tags)


def _catheter(name: str, folder: Path, split: Split) -> Iterator[Sequence | Absent]:
    found = datasets.files(name, match="*.png")
    known: dict[int, tuple[Point, Point | None]] = {
        k: (CATHETER_BY_EYE[f.path], None) for k, f in enumerate(found) if f.path in CATHETER_BY_EYE
    }
    first = next(k for k, f in enumerate(found) if int(Path(f.path).stem) >= CATHETER.judged_from)
    content = replace(_moving(folder, found), by_eye=known, tool=replace(CATHETER, judged_from=first))
    tags = {"needle": "a moving tool", "kind": "catheter in a tube: a moving tool, not a needle"}
    yield Sequence("catheter", "recordings", split, CATHETER_PRIOR, content, tags)


def _qa(name: str, folder: Path, split: Split) -> Iterator[Sequence | Absent]:
    files = datasets.files(name, match="*.png")
    first, stop = share_of(name, len(files), split) or (0, 0)
    tags = {"needle": "no", "event": "real: quality phantom, curvilinear", "recording": "qa-phantom"}
    content = _moving(folder, files[first:stop])
    yield Sequence(_label("qa-phantom", split), "recordings", split, FREE_PRIOR, content, tags)


def _nerve_block(name: str, folder: Path, split: Split) -> Iterator[Sequence | Absent]:
    for f in datasets.files(name, split=split, match="images/*"):
        content = Recorded((folder / f.path,), f.spacing_mm, f.region_px, stills=True)
        tags = {"needle": "no", "event": NERVE_BLOCK}
        yield Sequence(f"nerve-block-{Path(f.path).stem}", "recordings", split, FREE_PRIOR, content, tags)


def _single(name: str, folder: Path, split: Split) -> Iterator[Sequence | Absent]:
    for f in datasets.files(name):
        label = f"{name}/{f.path}"
        spacing = f.spacing_mm or ASSUMED_MM.get(f.path)
        share = share_of(label, f.frame_count or 1, split)
        if f.path == "LICENSE" or share is None:
            continue
        if reason := _unreadable(folder / f.path):
            yield Absent(label, reason)
        elif spacing is None:
            yield Absent(label, "its spacing is not known")
        else:
            still, stem = f.frame_count == 1, f.path.partition(".")[0]
            rate = None if f.path.endswith((".mp4", ".igs.mha")) else VIDEO_RATE_HZ
            content = Recorded((folder / f.path,), spacing, f.region_px, None if still else rate, stills=still)
            tags = {"needle": "no", "event": f"real: {KINDS.get(stem, name)}"}
            if stem in KINDS:
                content = replace(content, frames=share)
                tags["recording"] = "butterfly" if name == "pocus-phantom" else name
            yield Sequence(_label(label, split), "recordings", split, FREE_PRIOR, content, tags)


def _label(name: str, split: Split) -> str:
    return name if split == "test" else f"tune-{name}"


def _unreadable(path: Path) -> str | None:
    """Say why usguide can't read a file; None where it can."""
    try:
        with open_source(path, require_spacing=False):
            return None
    except UsguideError:
        return f"usguide can't read {''.join(path.suffixes[-2:])} files yet"


def _moving(folder: Path, files: tuple[DatasetFile, ...]) -> Recorded:
    """Pictures of one recording, at the median of its intervals."""
    times = [f.time_s for f in files if f.time_s is not None]
    rate = 1 / float(np.median(np.diff(times))) if len(times) > 1 else VIDEO_RATE_HZ
    return Recorded(tuple(folder / f.path for f in files), files[0].spacing_mm, files[0].region_px, rate)
