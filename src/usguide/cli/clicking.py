"""Spacing from two clicks on the ruler in the picture."""

from __future__ import annotations

import os
import sys

import cv2

from usguide.cli.parsing import spacing_between
from usguide.draw import YELLOW, to_bgr
from usguide.errors import InputError
from usguide.types import Frame

_TITLE = "Click two points of known distance; Esc gives up"


def click_spacing(frame: Frame, distance_mm: float) -> tuple[float, float]:
    """Show a frame, wait for two clicks that are `distance_mm` apart; return (axial, lateral) mm per px, which are equal.

    Raises
    ------
    InputError
        No display, no two clicks, or clicks too close together.
    """
    instead = "use --depth-mm, or --two-points X1,Y1:X2,Y2=MM"
    # Qt ends the process where there is no display, so this is asked before.
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise InputError(f"--click: expected a display, got none; {instead}")
    picture = to_bgr(frame.pixels, frame.full_scale, frame.shape)
    clicks: list[tuple[float, float]] = []

    def clicked(event: int, x: int, y: int, *_: object) -> None:
        if event == cv2.EVENT_LBUTTONDOWN and len(clicks) < 2:
            clicks.append((float(x), float(y)))
            cv2.drawMarker(picture, (x, y), YELLOW, cv2.MARKER_CROSS, 15, 1)

    try:
        cv2.namedWindow(_TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
        cv2.setMouseCallback(_TITLE, clicked)
        escape = 27
        while len(clicks) < 2 and cv2.getWindowProperty(_TITLE, cv2.WND_PROP_VISIBLE) >= 1:
            cv2.imshow(_TITLE, picture)
            if cv2.waitKey(30) == escape:
                break
        cv2.destroyAllWindows()
    except cv2.error:
        raise InputError(f"--click: expected an OpenCV with windows, got one without; {instead}") from None
    if len(clicks) < 2:
        raise InputError(f"--click: expected two clicks, got {len(clicks)}; {instead}")
    spacing = spacing_between(clicks[0], clicks[1], distance_mm)
    return spacing, spacing
