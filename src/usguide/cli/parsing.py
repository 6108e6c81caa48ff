"""Options that hold several numbers."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal

from usguide.errors import InputError

MIN_APART_PX = 10
"""A click is a px or two off: closer points give no spacing."""


def parse_numbers(text: str | None, count: int, option: str, form: str) -> tuple[float, ...] | None:
    """Parse ``a,b,...`` into `count` finite numbers; None stays None."""
    if text is None:
        return None
    try:
        values = tuple(float(v) for v in text.split(","))
    except ValueError:
        values = ()
    if len(values) != count or not all(map(math.isfinite, values)):
        raise InputError(f"{option}: expected {form}, got {text!r}")
    return values


def parse_outlines(texts: list[str] | None, option: str) -> dict[str, tuple[float, ...] | Path]:
    """Parse each ``[NAME=]X,Z,R``, the radius above 0, or ``[NAME=]FILE.json``; without names they are numbered from 1."""
    found: dict[str, tuple[float, ...] | Path] = {}
    for number, text in enumerate(texts or (), start=1):
        before, equals, after = text.rpartition("=")
        name = before.strip() if equals else str(number)
        if not name or name in found:
            raise InputError(f"{option}: expected a name of its own for each outline, got {name!r} in {text!r}")
        if after.endswith(".json"):
            found[name] = Path(after)
            continue
        form = "[NAME=]X,Z,R in mm, as 20,15,4 or vessel=20,15,4, or an outline's FILE.json"
        circle = parse_numbers(after, 3, option, form) or ()
        if circle[2] <= 0:
            raise InputError(f"{option}: expected a radius above 0, got {circle[2]:g}")
        found[name] = circle
    return found


def parse_target(text: str | None) -> tuple[float, ...] | Path | None:
    """Parse ``X,Z`` or ``X,Z,R``, the radius above 0, or ``FILE.json``."""
    if text is None:
        return None
    if text.endswith(".json"):
        return Path(text)
    form = "X,Z in mm, X,Z,R with a radius, or an outline's FILE.json"
    target = parse_numbers(text, 3 if text.count(",") > 1 else 2, "--target", form)
    if target is not None and len(target) == 3 and target[2] <= 0:
        raise InputError(f"--target: expected a radius above 0, got {target[2]:g}")
    return target


def parse_spacing(text: str | None) -> tuple[float, float] | None:
    """Parse ``S`` or ``AX,LAT``."""
    if text is None:
        return None
    pair = parse_numbers(
        text if "," in text else f"{text},{text}",
        2,
        "--spacing-mm",
        "mm per px, as 0.06, or axial,lateral, as 0.05,0.08",
    )
    return None if pair is None else (pair[0], pair[1])


def parse_region(text: str | None) -> tuple[int, int, int, int] | Literal["auto"] | None:
    """Parse ``X,Y,W,H`` in whole px, or ``auto``."""
    if text is not None and text.strip().lower() == "auto":
        return "auto"
    box = parse_numbers(text, 4, "--roi", "X,Y,W,H in px, as 368,111,647,590, or auto")
    if box is None:
        return None
    if any(v != int(v) for v in box):
        raise InputError(f"--roi: expected whole numbers of px, got {text!r}")
    x, y, w, h = (int(v) for v in box)
    return x, y, w, h


def parse_two_points(text: str | None) -> tuple[float, float] | None:
    """Parse ``X1,Y1:X2,Y2=MM``, two points in px and their distance, into (axial, lateral) mm per px, which are equal.

    A screen shows square pixels: what is measured along one direction holds for the other.
    """
    if text is None:
        return None
    form = "X1,Y1:X2,Y2=MM, as 780,60:780,560=40"
    points, equals, distance = text.partition("=")
    first, colon, second = points.partition(":")
    if not (equals and colon):
        raise InputError(f"--two-points: expected {form}, got {text!r}")
    numbers = parse_numbers(f"{first},{second},{distance}", 5, "--two-points", form) or (0.0,) * 5
    spacing = spacing_between((numbers[0], numbers[1]), (numbers[2], numbers[3]), numbers[4])
    return spacing, spacing


def one_spacing(
    spacing_mm: tuple[float, float] | None, two_points_mm: tuple[float, float] | None, *others: float | None
) -> tuple[float, float] | None:
    """Return the spacing that was stated, in whichever of the ways; not in two of them."""
    ways = sum(v is not None for v in (spacing_mm, two_points_mm, *others))
    if ways > 1:
        raise InputError("spacing: expected one of --spacing-mm, --depth-mm, --two-points and --click, got several")
    return spacing_mm or two_points_mm


def spacing_between(a: tuple[float, float], b: tuple[float, float], distance_mm: float) -> float:
    """Return mm per px from two points in px and the distance between them.

    Raises
    ------
    InputError
        The points are less than 10 px apart, which no ruler is read from, or the distance is not above 0.
    """
    apart = math.dist(a, b)
    if apart < MIN_APART_PX or distance_mm <= 0:
        raise InputError(
            f"two points: expected at least {MIN_APART_PX} px and more than 0 mm between them, got {apart:.1f} px and"
            f" {distance_mm:g} mm; take ticks of the ruler that are far apart"
        )
    return distance_mm / apart


def parse_seed(text: str | None) -> tuple[tuple[float, float], tuple[float, float]] | Literal["click"] | None:
    """Parse ``EX,EZ:TX,TZ``, entry and tip in mm, or ``click``."""
    if text is None:
        return None
    if text == "click":
        return "click"
    form = "EX,EZ:TX,TZ, entry and tip in mm, as 0,6:20,18, or click"
    points = [parse_numbers(point, 2, "--seed", form) or () for point in text.split(":")]
    if len(points) != 2 or points[0] == points[1]:
        raise InputError(f"--seed: expected {form}, two different points, got {text!r}")
    (ex, ez), (x, z) = points
    return (ex, ez), (x, z)


def parse_fluid_seed(text: str | None) -> tuple[float, float] | Literal["click"] | None:
    """Parse ``X,Z``, where fluid comes out in mm, or ``click``."""
    if text == "click":
        return "click"
    point = parse_numbers(text, 2, "--seed", "X,Z in mm, as 22,25, or click")
    return None if point is None else (point[0], point[1])


def parse_range(text: str | None, option: str) -> tuple[float, float] | None:
    """Parse ``LO:HI``."""
    if text is None:
        return None
    try:
        low, high = (float(v) for v in text.split(":"))
    except ValueError:
        raise InputError(f"{option}: expected LO:HI in degrees, as 15:60, got {text!r}") from None
    return low, high
