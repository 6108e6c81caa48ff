"""What a scanner does to finished pictures: freeze, repeat, drop, and the screen that they stand in."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from usguide.geometry import ImageGeometry
from usguide.phantoms.scene import ScannerScene
from usguide.phantoms.truth import PhantomTruth

U8 = NDArray[np.uint8]
Region = tuple[int, int, int, int]

MARGINS_PX = (46, 38, 92, 110)
"""Of the screen around the picture: above, below, left, right."""
_TEXT, _BRIGHT = 168, 225


def deliver(
    scanner: ScannerScene,
    frames: U8,
    geometry: ImageGeometry,
    timestamps_s: NDArray[np.float64],
    truth: PhantomTruth,
) -> tuple[U8, ImageGeometry, NDArray[np.float64], PhantomTruth, Region | None]:
    """Return frames, geometry, times and truth as they leave the scanner, and the region if there is a screen.

    Parameters
    ----------
    scanner : ScannerScene
    frames : ndarray of uint8, shape (N, H, W)
        In entry order; gain is in them already.
    geometry : ImageGeometry
    timestamps_s : ndarray, shape (N,)
    truth : PhantomTruth

    Notes
    -----
    A frozen or repeated picture has the time at which it arrives, and the truth of that time: what the needle does
    behind a picture that stands still. No point moves in mm: on a screen the origin lies left of and above the picture.
    """
    region = None
    if scanner.screen:
        (h, w), (top, _, left, _) = frames.shape[1:], MARGINS_PX
        region = (left, top, w, h)
        frames = np.stack(
            [on_screen(f, geometry, scanner.gain_db(t)) for f, t in zip(frames, timestamps_s, strict=True)]
        )
        truth = truth.padded(MARGINS_PX)
        geometry = geometry.cropped(-left, -top)
    shown = pictures_shown(scanner, timestamps_s)
    kept = [k for k in range(len(frames)) if k not in scanner.dropped]
    return frames[shown[kept]], geometry, timestamps_s[kept], truth.rows(kept), region


def pictures_shown(scanner: ScannerScene, timestamps_s: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the number of the picture that is shown at each time."""
    shown = np.arange(len(timestamps_s))
    for start, stop in scanner.freeze:
        # The last picture before the button is pressed stands until it is released.
        stands = max(0, int(np.searchsorted(timestamps_s, start, side="right")) - 1)
        shown[(timestamps_s > start) & (timestamps_s < stop)] = stands
    for k in sorted(scanner.repeated):
        before = [j for j in range(min(k, len(shown))) if j not in scanner.dropped]
        if before and k < len(shown):
            shown[k] = shown[before[-1]]
    return shown


def on_screen(picture: U8, geometry: ImageGeometry, gain_db: float) -> U8:
    """Return a picture in a screen with a ruler, text, a grey bar, a logo and a button around it."""
    (h, w), (top, bottom, left, right) = picture.shape, MARGINS_PX
    screen = np.full((top + h + bottom, left + w + right), 12, np.uint8)
    screen[: top - 10] = 28
    screen[top : top + h, left : left + w] = picture
    _draw_ruler(screen, geometry, (h, w))
    # The grey bar, with levels as coarse as the picture's.
    bar = np.linspace(255, 0, max(2, h // 2)) // 4 * 4
    screen[top + 8 : top + 8 + len(bar), left - 24 : left - 12] = bar[:, None].astype(np.uint8)
    depth_cm = (h - 1) * geometry.axial_mm_per_px / 10
    write(screen, ("DEMO, NOT A PATIENT", "0000-00"), (left, 16), 14, _BRIGHT)
    write(screen, ("MI 0.8", "TIs 0.3"), (left + w - 30, 16), 14, _TEXT)
    write(
        screen, ("Nerve", f"D {depth_cm:.1f} cm", f"G {50 + gain_db:.0f}", "DR 60", "F 10M"), (6, top + 20), 17, _TEXT
    )
    write(screen, ("Set 1/2",), (left, top + h + 24), 14, _TEXT)
    # Something to press, as bright as any needle, and a box that stands for a maker's sign.
    button = (left + w - 78, top + h + 8)
    cv2.rectangle(screen, button, (button[0] + 70, button[1] + 22), 238, -1)
    write(screen, ("FREEZE",), (button[0] + 9, button[1] + 16), 14, 20)
    cv2.rectangle(screen, (8, 6), (46, 28), _TEXT, 2)
    cv2.circle(screen, (27, 17), 7, _BRIGHT, -1)
    return screen


def write(screen: U8, lines: Sequence[str], at_px: tuple[int, int], pitch_px: int, level: int) -> None:
    """Write lines of text, the first one's baseline beginning at (x, y)."""
    for k, line in enumerate(lines):
        place = (at_px[0], at_px[1] + k * pitch_px)
        cv2.putText(screen, line, place, cv2.FONT_HERSHEY_SIMPLEX, 0.4, level, 1, cv2.LINE_AA)


def _draw_ruler(screen: U8, geometry: ImageGeometry, shape: tuple[int, int]) -> None:
    """Ticks every 5 mm from the top of the picture, longer and numbered (in cm) every 10, right of it."""
    (h, w), (top, _, left, _) = shape, MARGINS_PX
    for k in range(int((h - 1) * geometry.axial_mm_per_px / 5) + 1):
        row = top + round(5 * k / geometry.axial_mm_per_px)
        long = k % 2 == 0
        screen[row, left + w + 5 : left + w + (17 if long else 11)] = _BRIGHT
        if long and k:
            write(screen, (str(k // 2),), (left + w + 22, row + 4), 0, _TEXT)
