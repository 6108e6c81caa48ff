"""Options that hold several numbers."""

from __future__ import annotations

import math

from usguide.errors import InputError


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


def parse_region(text: str | None) -> tuple[int, int, int, int] | None:
    """Parse ``X,Y,W,H`` in whole px."""
    box = parse_numbers(text, 4, "--roi", "X,Y,W,H in px, as 368,111,647,590")
    if box is None:
        return None
    if any(v != int(v) for v in box):
        raise InputError(f"--roi: expected whole numbers of px, got {text!r}")
    x, y, w, h = (int(v) for v in box)
    return x, y, w, h


def parse_range(text: str | None, option: str) -> tuple[float, float] | None:
    """Parse ``LO:HI``."""
    if text is None:
        return None
    try:
        low, high = (float(v) for v in text.split(":"))
    except ValueError:
        raise InputError(f"{option}: expected LO:HI in degrees, as 15:60, got {text!r}") from None
    return low, high
