"""What is in a phantom: plain settings, in mm and seconds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from usguide._validation import validate_number, validate_point, validate_positive
from usguide.errors import InputError
from usguide.geometry import Point
from usguide.phantoms.layout import Layout
from usguide.phantoms.pose import NeedlePose

STRUCTURES = ("skin", "fascia", "striation", "vessel", "nerve", "bone", "shading", "pleura")
"""What tissue is made of; a scene may leave some out. Without any, tissue is homogeneous speckle."""
_USUAL = STRUCTURES[:-1]
PLEURA_SLIDE = 3.0
"""How far pleura slides along itself for each mm of breathing."""

BEVELS = ("up", "down")
INJECTATE_KINDS = ("lens", "ring", "pool", "unseen")


@dataclass(frozen=True, slots=True)
class NeedleScene:
    """An in-plane needle that comes in from the left.

    Parameters
    ----------
    entry_mm : (float, float)
        A point of the shaft's line; lengths are counted from it. At the left edge of the picture by default.
    angle_deg : float
        Insertion angle, 1 to 80.
    diameter_mm : float
        Outer diameter.
    brightness : float
        Amplitude of a shaft across the beam over that of the tissue, before log compression: 4 is easily seen,
        2 normal, 1 faint (measured: `needle_visibility_db`).
    gap_share : float
        Share of the shaft's length that reflects weakly, 0 to 0.8.
    advance : tuple of (time_s, length_mm)
        Inserted length at given times, linear between; negative is before the picture.
    wobble_deg : float
        How far the hand tilts the needle about its entry, slowly.
    bend_per_mm : float
        Curvature of the shaft, an arc of a circle; positive bends deeper. `angle_deg` is the direction at `entry_mm`.
    drift : tuple of (time_s, entry_mm, tip_mm)
        Elevation of the shaft over the scan plane at `entry_mm` and at the tip, linear between; none is in plane.
    bevel : {"up", "down"}
        Which way the cut faces: towards the probe it returns more sound.
    reverberation : float
        Amplitude, over the shaft's, of the first line repeated below a shaft across the beam.
    haze : float
        Amplitude, over the shaft's, of multiple echoes without phase close below it.
    ring_down : float
        The same of a fog that stands far below it along the beams, in streaks.
    comet_tail : float
        Amplitude, over the shaft's, of the tapering train of bands below the tip.
    side_lobes : float
        Amplitude, over the shaft's, of the smear beside it.
    arc : float
        Amplitude, over the tip's, of the arc that side lobes draw to both sides of it.
    ghost : float
        Amplitude, over the shaft's, of a faint second shaft that a grating lobe sees.
    ghost_deg : float
        Direction of that lobe from the beam; the ghost lies beyond the tip's side of the shaft.
    shadow : float
        Share of the sound that the shaft keeps from what is below; negative is brighter below.
    penumbra : float
        Deviation of the shadow's edge for each mm below the tip: 0.12 for an aperture of a third of that depth.
    unevenness : float
        Of the echo along the shaft, from place to place and from look to look; 0 is even, 1.3 knotty as a biopsy needle.
    """

    entry_mm: Point = (0.0, 7.0)
    angle_deg: float = 32.0
    diameter_mm: float = 0.7
    brightness: float = 2.0
    gap_share: float = 0.25
    advance: tuple[tuple[float, float], ...] = (
        (0.45, -0.4),
        (1.35, 12.2),
        (1.45, 12.2),
        (1.50, 11.8),
        (1.55, 12.3),
        (1.60, 12.2),
        (2.40, 23.6),
        (2.60, 23.6),
        (2.70, 23.3),
        (2.80, 23.6),
        (9.00, 24.2),
    )
    wobble_deg: float = 0.4
    bend_per_mm: float = 0.0
    drift: tuple[tuple[float, float, float], ...] = ()
    bevel: str = "up"
    reverberation: float = 0.1112
    haze: float = 0.06
    ring_down: float = 0.0
    comet_tail: float = 0.0
    side_lobes: float = 0.06
    arc: float = 0.0
    ghost: float = 0.0
    ghost_deg: float = 40.0
    shadow: float = 0.3
    penumbra: float = 0.0
    unevenness: float = 1.0

    def __post_init__(self) -> None:
        validate_point(self.entry_mm, name="entry_mm")
        validate_number(self.angle_deg, name="angle_deg", low=1, high=80)
        validate_positive(self.diameter_mm, name="diameter_mm")
        validate_positive(self.brightness, name="brightness")
        validate_number(self.gap_share, name="gap_share", low=0, high=0.8)
        times = [t for t, _ in self.advance]
        if not times or times != sorted(times):
            raise InputError(f"advance: expected (time_s, length_mm) pairs in order of time, got {self.advance!r}")
        validate_number(self.bend_per_mm, name="bend_per_mm", low=-0.02, high=0.02)
        times = [row[0] for row in self.drift]
        if times != sorted(times) or np.shape(self.drift) not in ((0,), (len(times), 3)):
            raise InputError(f"drift: expected (time_s, entry_mm, tip_mm) in order of time, got {self.drift!r}")
        if self.bevel not in BEVELS:
            raise InputError(f"bevel: expected one of {', '.join(BEVELS)}, got {self.bevel!r}")
        for name in ("reverberation", "haze", "ring_down", "comet_tail", "side_lobes", "arc", "ghost"):
            validate_number(getattr(self, name), name=name, low=0, high=1)
        validate_number(self.ghost_deg, name="ghost_deg", low=15, high=60)
        validate_number(self.shadow, name="shadow", low=-1, high=1)
        validate_number(self.penumbra, name="penumbra", low=0, high=1)
        validate_number(self.unevenness, name="unevenness", low=0, high=4)

    def length_mm(self, time_s: float) -> float:
        """Return the inserted length at a time; 0 or less is no needle."""
        times, lengths = zip(*self.advance, strict=True)
        return float(np.interp(time_s, times, lengths))

    def angle_at(self, time_s: float) -> float:
        """Return the insertion angle at a time, in degrees."""
        return self.angle_deg + self.wobble_deg * math.sin(2 * math.pi * time_s / 1.7)

    def tip_mm(self, time_s: float) -> Point:
        """Return the end of the shaft's centre line at a time, the probe held still."""
        return self.pose(time_s).point_mm(self.length_mm(time_s))

    def pose(self, time_s: float) -> NeedlePose:
        """Return where the needle is at a time, the probe held still."""
        elevation = (0.0, 0.0)
        if self.drift:
            times, at_entry, at_tip = zip(*self.drift, strict=True)
            elevation = float(np.interp(time_s, times, at_entry)), float(np.interp(time_s, times, at_tip))
        return NeedlePose(self.entry_mm, self.angle_at(time_s), self.length_mm(time_s), self.bend_per_mm, elevation)


@dataclass(frozen=True, slots=True)
class InjectateScene:
    """Fluid that spreads from where the tip was when it began.

    Parameters
    ----------
    kind : {"lens", "ring", "pool", "unseen"}
        Opens a fascial plane; surrounds the nerve; an irregular pool; or goes where the picture does not show it.
    onset_s : float
        When it begins.
    area_rate_mm2_s : float
        How fast its area grows.
    plane_deg : float
        Slope of the plane it opens.
    aspect : float
        Length over thickness.
    echo : float
        Amplitude within, as a share of the tissue's: 0.05 is anechoic, 0.4 hypoechoic.
    bubbles : float
        Bright specks for each mm2 of fluid.
    pushes : tuple of (start_s, stop_s)
        When the plunger moves, counted from `onset_s`; the first starts at 0. Without any it never stops.
    """

    kind: str = "lens"
    onset_s: float = 2.4
    area_rate_mm2_s: float = 20.0
    plane_deg: float = 5.0
    aspect: float = 4.0
    echo: float = 0.05
    bubbles: float = 0.0
    pushes: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in INJECTATE_KINDS:
            raise InputError(f"kind: expected one of {', '.join(INJECTATE_KINDS)}, got {self.kind!r}")
        validate_number(self.bubbles, name="bubbles", low=0, high=20)
        validate_number(self.area_rate_mm2_s, name="area_rate_mm2_s", low=0)
        validate_number(self.plane_deg, name="plane_deg", low=-60, high=60)
        validate_number(self.aspect, name="aspect", low=1, high=20)
        validate_number(self.echo, name="echo", low=0, high=1)
        moments = [t for push in self.pushes for t in push]
        if moments and (moments[0] != 0 or any(b <= a for a, b in pairwise(moments))):
            raise InputError(f"pushes: expected (start_s, stop_s) in order of time from 0, got {self.pushes!r}")

    def _course(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Give the times and areas between which the area grows evenly."""
        times = np.array([t for push in self.pushes or ((0.0, 3600.0),) for t in push])
        pushed = np.cumsum(np.append(0.0, np.diff(times) * (np.arange(len(times) - 1) % 2 == 0)))
        return self.onset_s + times, self.area_rate_mm2_s * pushed

    def area_mm2(self, time_s: float) -> float:
        """Return the area of fluid at a time, were it all in the picture."""
        return float(np.interp(time_s, *self._course()))

    def time_s(self, area_mm2: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return when the fluid had these areas."""
        times, areas = self._course()
        return np.interp(area_mm2, areas, times)


@dataclass(frozen=True, slots=True)
class HandScene:
    """How the probe is moved over the skin. Values at given times, linear between.

    Parameters
    ----------
    slide : tuple of (time_s, lateral_mm)
        In plane: what is seen moves the other way, the needle with it.
    sweep : tuple of (time_s, elevational_mm)
        Out of plane: other tissue slides into view, and the needle leaves the plane as its `drift` says.
    lift_off : tuple of (start_s, stop_s, share)
        The probe loses contact over this share of its beams, from the side away from the needle.
    tremor_mm : float
        Amplitude of the hand's trembling along the probe, 6 to 9 Hz.
    """

    slide: tuple[tuple[float, float], ...] = ()
    sweep: tuple[tuple[float, float], ...] = ()
    lift_off: tuple[tuple[float, float, float], ...] = ()
    tremor_mm: float = 0.0

    def __post_init__(self) -> None:
        for name, moves in (("slide", self.slide), ("sweep", self.sweep)):
            if [t for t, _ in moves] != sorted(t for t, _ in moves):
                raise InputError(f"{name}: expected (time_s, mm) pairs in order of time, got {moves!r}")
            for _, way in moves:
                validate_number(way, name=name, low=-60, high=60)
        for start, stop, share in self.lift_off:
            validate_number(share, name="lift_off share", low=0, high=1)
            if stop <= start:
                raise InputError(
                    f"lift_off: expected (start_s, stop_s, share) with stop after start, got {start}, {stop}"
                )
        validate_number(self.tremor_mm, name="tremor_mm", low=0, high=2)

    @property
    def slide_range_mm(self) -> tuple[float, float]:
        """Furthest the probe gets to either side: (at most 0, at least 0)."""
        ways = [0.0, *(way for _, way in self.slide)]
        return min(ways) - self.tremor_mm, max(ways) + self.tremor_mm


@dataclass(frozen=True, slots=True)
class ScannerScene:
    """What the scanner does to finished pictures.

    Parameters
    ----------
    gain : tuple of (time_s, gain_db)
        Steps of the operator's gain knob; the last one before a moment holds.
    freeze : tuple of (start_s, stop_s)
        The picture stands still, to the bit; truth still tells what the needle does behind it.
    dropped : tuple of int
        Frames that never arrive: a gap in the times.
    repeated : tuple of int
        Frames that arrive as a copy of the one before.
    screen : bool
        The picture stands in a screen with a ruler, text and a grey bar around it; its region is stated.
    """

    gain: tuple[tuple[float, float], ...] = ()
    freeze: tuple[tuple[float, float], ...] = ()
    dropped: tuple[int, ...] = ()
    repeated: tuple[int, ...] = ()
    screen: bool = False

    def __post_init__(self) -> None:
        times = [t for t, _ in self.gain]
        if times != sorted(times):
            raise InputError(f"gain: expected (time_s, gain_db) pairs in order of time, got {self.gain!r}")
        for _, gain_db in self.gain:
            validate_number(gain_db, name="gain", low=-60, high=60)
        if any(stop <= start for start, stop in self.freeze):
            raise InputError(f"freeze: expected (start_s, stop_s) with start before stop, got {self.freeze!r}")
        if min((*self.dropped, *self.repeated), default=0) < 0:
            raise InputError(
                f"dropped, repeated: expected frame numbers from 0, got {self.dropped!r} and {self.repeated!r}"
            )

    def gain_db(self, time_s: float) -> float:
        """Return the operator's gain at a time; 0 before its first step."""
        return next((gain for t, gain in reversed(self.gain) if t <= time_s), 0.0)


@dataclass(frozen=True, slots=True)
class PhantomScene:
    """A recording to render.

    Parameters
    ----------
    shape : (int, int)
        (H, W) in px.
    spacing_mm : (float, float)
        (axial, lateral) mm per px.
    frame_rate_hz, duration_s : float
        Frames at regular times from 0.
    probe : {"linear", "curvilinear"}
        Curvilinear pictures are scan-converted; the fan is as wide as `fan_deg` and the picture allow.
    probe_radius_mm, fan_deg : float
        Curvature and full opening angle of a curvilinear probe.
    needle : NeedleScene or None
    injectate : InjectateScene or None
        Its plane is one of the fasciae.
    more_injectate : tuple of InjectateScene
        Injections besides, each from where the tip is when it begins: after the needle has been moved on, say.
    entry_side : {"left", "right"}
        Right renders the mirror image.
    structures : tuple of str
        Out of `STRUCTURES`.
    fascia_brightness : float
        Amplitude of the brightest fascia over that of the tissue.
    motion_mm : float
        Amplitude of the tissue's slow movement (muscle, hand).
    breathing_mm : float
        Amplitude of breathing, period 4 s: axial, the deeper the more; the needle, which a hand holds, stays. Pleura
        slides along itself by `PLEURA_SLIDE` times as much.
    decorrelation : float
        Share of the speckle's energy that changes within a few seconds, 0 to 1.
    looks : int
        Independent looks whose power is averaged, as spatial compounding does; 1 is a scanner without it.
    attenuation_db_per_mm : float
        What TGC leaves uncompensated.
    layout : {"reference", "random"} or Layout
        Where the structures are: always the same, drawn from the seed, or as given.
    hand : HandScene or None
    scanner : ScannerScene or None
    """

    shape: tuple[int, int] = (288, 320)
    spacing_mm: tuple[float, float] = (0.125, 0.125)
    frame_rate_hz: float = 20.0
    duration_s: float = 3.6
    probe: str = "linear"
    probe_radius_mm: float = 50.0
    fan_deg: float = 60.0
    needle: NeedleScene | None = NeedleScene()
    injectate: InjectateScene | None = InjectateScene()
    entry_side: str = "left"
    structures: tuple[str, ...] = _USUAL
    fascia_brightness: float = 16.0
    motion_mm: float = 0.35
    breathing_mm: float = 0.0
    decorrelation: float = 0.15
    looks: int = 3
    attenuation_db_per_mm: float = 0.3
    layout: str | Layout = "reference"
    hand: HandScene | None = None
    scanner: ScannerScene | None = None
    more_injectate: tuple[InjectateScene, ...] = ()

    def __post_init__(self) -> None:
        if min(self.shape) < 32:
            raise InputError(f"shape: expected at least 32 x 32 px, got {self.shape}")
        for value in (*self.spacing_mm, self.frame_rate_hz, self.duration_s, self.probe_radius_mm):
            validate_positive(value, name="spacing_mm, frame_rate_hz, duration_s and probe_radius_mm")
        validate_number(self.fan_deg, name="fan_deg", low=10, high=120)
        if self.probe not in ("linear", "curvilinear"):
            raise InputError(f"probe: expected linear or curvilinear, got {self.probe!r}")
        if not isinstance(self.layout, Layout) and self.layout not in ("reference", "random"):
            raise InputError(f"layout: expected reference or random, got {self.layout!r}")
        if self.entry_side not in ("left", "right"):
            raise InputError(f"entry_side: expected left or right, got {self.entry_side!r}")
        if unknown := set(self.structures) - set(STRUCTURES):
            raise InputError(f"structures: expected some of {', '.join(STRUCTURES)}, got {', '.join(sorted(unknown))}")
        validate_number(self.breathing_mm, name="breathing_mm", low=0, high=10)
        validate_number(self.decorrelation, name="decorrelation", low=0, high=1)
        validate_number(self.looks, name="looks", low=1, high=16)
        if self.scanner is not None and set(range(self.frame_count)) <= set(self.scanner.dropped):
            raise InputError(f"dropped: expected some of the {self.frame_count} frames to arrive, got {self.scanner}")

    @property
    def frame_count(self) -> int:
        """Number of frames."""
        return max(1, round(self.duration_s * self.frame_rate_hz))

    @property
    def size_mm(self) -> tuple[float, float]:
        """(axial, lateral) distance between the outermost pixel centres."""
        return (self.shape[0] - 1) * self.spacing_mm[0], (self.shape[1] - 1) * self.spacing_mm[1]

    @property
    def nerve_mm(self) -> Point:
        """Centre of the nerve, which the injection is meant for: of the layout, beyond the final tip, or mid picture."""
        if isinstance(self.layout, Layout):
            return self.layout.nerve_mm
        if self.needle is None:
            return 0.64 * self.size_mm[1], 0.62 * self.size_mm[0]
        if self.injectate is not None and self.injectate.kind == "ring":
            # The tip touches the nerve when the injection begins.
            x, z = self.needle.tip_mm(self.injectate.onset_s)
            return x + 2.5, z + 1.2
        x, z = self.needle.tip_mm(self.duration_s)
        return x + 5.0, z + 2.6

    @property
    def plane_mm(self) -> tuple[Point, float]:
        """A point of the fascial plane that the injectate opens, and its slope in degrees."""
        slope = self.injectate.plane_deg if self.injectate else 5.0
        if self.needle is None:
            return (0.5 * self.size_mm[1], 0.54 * self.size_mm[0]), slope
        return self.needle.tip_mm(self.injectate.onset_s if self.injectate else self.duration_s), slope

    @property
    def injections(self) -> tuple[InjectateScene, ...]:
        """All injections, in the order given."""
        return (*((self.injectate,) if self.injectate else ()), *self.more_injectate)

    def injection_start_mm(self, injectate: InjectateScene) -> Point:
        """Where an injection begins, the probe held still: at the tip, or without a needle in the fascial plane."""
        return self.plane_mm[0] if self.needle is None else self.needle.tip_mm(injectate.onset_s)
