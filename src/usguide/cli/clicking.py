"""Clicks in the picture: on its ruler, for the spacing; on the needle, to seed the track; where fluid comes out."""

from __future__ import annotations

import os
import sys

import cv2

from usguide.cli.parsing import spacing_between
from usguide.draw import YELLOW, to_bgr
from usguide.errors import InputError
from usguide.types import Frame

Click = tuple[float, float]


def click_spacing(frame: Frame, distance_mm: float) -> tuple[float, float]:
    """Show a frame, wait for two clicks that are `distance_mm` apart; return (axial, lateral) mm per px, which are equal.

    Raises
    ------
    InputError
        No display, no two clicks, or clicks too close together.
    """
    first, second = clicks_on(
        frame,
        2,
        "Click two points of known distance; Esc gives up",
        "--click",
        "use --depth-mm, or --two-points X1,Y1:X2,Y2=MM",
    )
    spacing = spacing_between(first, second, distance_mm)
    return spacing, spacing


def click_needle(frame: Frame) -> tuple[Click, Click]:
    """Show a frame, wait for a click where the needle enters and one on its tip; return both in mm.

    Raises
    ------
    InputError
        No display, or no two clicks.
    """
    clicks = clicks_on(frame, 2, "Click where the needle enters, then its tip; Esc gives up", *SEED_BY_HAND)
    (ex, ez), (x, z) = frame.geometry.to_mm(clicks).tolist()
    return (ex, ez), (x, z)


def click_point(frame: Frame) -> Click:
    """Show a frame, wait for a click where fluid comes out; return it in mm.

    Raises
    ------
    InputError
        No display, or no click.
    """
    clicks = clicks_on(frame, 1, "Click where the fluid comes out; Esc gives up", *FLUID_BY_HAND)
    x, z = frame.geometry.to_mm(clicks[0]).tolist()
    return x, z


SEED_BY_HAND = "--seed click", "state the points: --seed EX,EZ:TX,TZ in mm"
FLUID_BY_HAND = "--seed click", "state the point: --seed X,Z in mm"
"""The option, and what to do where clicking is impossible."""


def check_display(option: str, instead: str) -> None:
    """Raise `InputError` where there is no display: Qt would end the process, so this is asked before."""
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise InputError(f"{option}: expected a display, got none; {instead}")


def clicks_on(frame: Frame, count: int, title: str, option: str, instead: str) -> list[Click]:
    """Show a frame and wait for `count` clicks; return them in px.

    Raises
    ------
    InputError
        No display, or fewer clicks; it names `option` and says what to do `instead`.
    """
    check_display(option, instead)
    picture = to_bgr(frame.pixels, frame.full_scale, frame.shape)
    clicks: list[Click] = []

    def clicked(event: int, x: int, y: int, *_: object) -> None:
        if event == cv2.EVENT_LBUTTONDOWN and len(clicks) < count:
            clicks.append((float(x), float(y)))
            cv2.drawMarker(picture, (x, y), YELLOW, cv2.MARKER_CROSS, 15, 1)

    try:
        cv2.namedWindow(title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
        cv2.setMouseCallback(title, clicked)
        escape = 27
        while len(clicks) < count and cv2.getWindowProperty(title, cv2.WND_PROP_VISIBLE) >= 1:
            cv2.imshow(title, picture)
            if cv2.waitKey(30) == escape:
                break
        cv2.destroyAllWindows()
    except cv2.error:
        raise InputError(f"{option}: expected an OpenCV with windows, got one without; {instead}") from None
    if len(clicks) < count:
        raise InputError(f"{option}: expected {count} click{'s' * (count > 1)}, got {len(clicks)}; {instead}")
    return clicks
