"""What is in a phantom: plain settings, in mm and seconds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from usguide._validation import validate_number, validate_positive
from usguide.errors import InputError
from usguide.geometry import Point


@dataclass(frozen=True, slots=True)
class NeedleScene:
    """An in-plane needle that comes in from the left edge.

    Parameters
    ----------
    entry_mm : (float, float)
        Where its line crosses the left edge of the picture.
    angle_deg : float
        Insertion angle, 1 to 80.
    diameter_mm : float
        Outer diameter.
    brightness : float
        Amplitude of the shaft over that of the tissue, before log compression.
    gap_share : float
        Share of the shaft's length that reflects weakly, 0 to 0.8.
    advance : tuple of (time_s, length_mm)
        Inserted length at given times, linear between; negative is before the picture.
    """

    entry_mm: Point = (0.0, 7.0)
    angle_deg: float = 32.0
    diameter_mm: float = 0.7
    brightness: float = 14.0
    gap_share: float = 0.3
    advance: tuple[tuple[float, float], ...] = ((0.4, -0.5), (1.4, 14.0), (1.8, 14.0), (2.5, 22.0), (9.0, 22.5))

    def __post_init__(self) -> None:
        validate_number(self.angle_deg, name="angle_deg", low=1, high=80)
        validate_positive(self.diameter_mm, name="diameter_mm")
        validate_positive(self.brightness, name="brightness")
        validate_number(self.gap_share, name="gap_share", low=0, high=0.8)

    def length_mm(self, time_s: float) -> float:
        """Return the inserted length at a time; 0 or less is no needle."""
        times, lengths = zip(*self.advance, strict=True)
        return float(np.interp(time_s, times, lengths))


@dataclass(frozen=True, slots=True)
class InjectateScene:
    """Hypoechoic fluid that opens a plane as a lens, from just beyond the tip.

    Parameters
    ----------
    onset_s : float
        When it begins.
    area_rate_mm2_s : float
        How fast its area grows.
    plane_deg : float
        Slope of the plane it opens.
    aspect : float
        Length over thickness.
    echo : float
        Amplitude within, as a share of the tissue's.
    """

    onset_s: float = 2.7
    area_rate_mm2_s: float = 24.0
    plane_deg: float = 5.0
    aspect: float = 4.0
    echo: float = 0.12


@dataclass(frozen=True, slots=True)
class PhantomScene:
    """A recording to render with a linear probe.

    Parameters
    ----------
    shape : (int, int)
        (H, W) in px.
    spacing_mm : (float, float)
        (axial, lateral) mm per px.
    frame_rate_hz, duration_s : float
        Frames at regular times from 0.
    needle : NeedleScene or None
    injectate : InjectateScene or None
    entry_side : {"left", "right"}
        Right renders the mirror image.
    fascia_brightness : float
        Amplitude of the brightest fascia over that of the tissue.
    motion_mm : float
        Amplitude of the tissue's slow movement (breathing, hand).
    decorrelation : float
        Share of the speckle's energy that changes within a second, 0 to 1.
    looks : int
        Independent looks whose power is averaged, as spatial compounding does; 1 is a scanner without it.
    attenuation_db_per_mm : float
        What TGC leaves uncompensated.
    """

    shape: tuple[int, int] = (288, 320)
    spacing_mm: tuple[float, float] = (0.125, 0.125)
    frame_rate_hz: float = 20.0
    duration_s: float = 3.6
    needle: NeedleScene | None = NeedleScene()
    injectate: InjectateScene | None = InjectateScene()
    entry_side: str = "left"
    fascia_brightness: float = 26.0
    motion_mm: float = 0.35
    decorrelation: float = 0.15
    looks: int = 3
    attenuation_db_per_mm: float = 0.25

    def __post_init__(self) -> None:
        if min(self.shape) < 32:
            raise InputError(f"shape: expected at least 32 x 32 px, got {self.shape}")
        for value in (*self.spacing_mm, self.frame_rate_hz, self.duration_s):
            validate_positive(value, name="spacing_mm, frame_rate_hz and duration_s")
        if self.entry_side not in ("left", "right"):
            raise InputError(f"entry_side: expected left or right, got {self.entry_side!r}")
        validate_number(self.decorrelation, name="decorrelation", low=0, high=1)
        validate_number(self.looks, name="looks", low=1, high=16)

    @property
    def frame_count(self) -> int:
        """Number of frames."""
        return max(1, round(self.duration_s * self.frame_rate_hz))

    @property
    def size_mm(self) -> tuple[float, float]:
        """(axial, lateral) extent."""
        return self.shape[0] * self.spacing_mm[0], self.shape[1] * self.spacing_mm[1]
