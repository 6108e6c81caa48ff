"""Where structures are, as plain numbers: in mm, the probe where a recording begins."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from usguide.geometry import Point


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet of fascia.

    Parameters
    ----------
    depth_mm : float
        At the middle of the picture's width.
    slope_deg : float
        Positive goes deeper towards larger lateral values.
    strength : float
        Share of `PhantomScene.fascia_brightness`.
    start_mm, stop_mm : float
        Lateral extent.
    curve_per_mm : float
        Curvature; positive opens downwards at its ends.
    rise : float
        How much deeper it lies for each mm of elevation.
    """

    depth_mm: float
    slope_deg: float
    strength: float
    start_mm: float
    stop_mm: float
    curve_per_mm: float = 0.0
    rise: float = 0.0

    def line_mm(self, x_mm: NDArray[np.floating], middle_mm: float) -> NDArray[np.floating]:
        """Depth at lateral positions, without the waves that tissue adds."""
        away = x_mm - middle_mm
        return self.depth_mm + math.tan(math.radians(self.slope_deg)) * away + 0.5 * self.curve_per_mm * away**2


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the structures of one piece of tissue are.

    Parameters
    ----------
    sheets : tuple of Sheet
    plane_strength : float
        Of the sheet that the injectate opens; 0 leaves it out.
    layers : tuple of float
        Amplitude of the scatterers between the sheets that cross the picture, from the skin down.
    muscles : tuple of (top_mm, bottom_mm, fibre_deg, density)
        Bands with perimysium along their fibres; less dense for larger numbers.
    vessel_mm : (float, float, float)
        Centre (lateral, axial) and radius.
    beat_mm : float
        By how much the pulse widens that radius.
    nerve_mm : (float, float)
        Its centre.
    nerve_scale : float
        Its size over 5.4 x 3.4 mm.
    bone_mm : tuple of (lateral_mm, axial_mm)
        Its surface, linear between; empty is the gentle hump of the reference.
    pleura : (float, float, float)
        Depth at mid width in mm, slope in degrees, curvature per mm.
    rises : (float, float)
        How far vessel and nerve move sideways, and bone and pleura downwards, for each mm of elevation.
    patches : float
        Deviation of the logarithm of the scatterers' amplitude between regions of some 7 x 4 mm.
    uneven : float
        How much the brightness of a sheet changes along it; 1 is the reference's.
    shading : float
        How unequal the beams' contact is; 1 is the reference's.
    loss_db_per_mm : float
        Attenuation on top of the scene's.
    broken : float
        How far sheets fall into pieces of 3 to 15 mm, which join and do not cross; 0 is the reference's, whole ones.
    streaks : float
        Amplitude of short bright streaks in all the tissue.
    wall : float
        Share of the vessel's wall that is seen from any side; the rest only where the beam meets it head on.
    lumen : float
        What the vessel's lumen leaves of the tissue's amplitude.
    """

    sheets: tuple[Sheet, ...]
    plane_strength: float
    layers: tuple[float, ...]
    muscles: tuple[tuple[float, float, float, float], ...]
    vessel_mm: tuple[float, float, float]
    beat_mm: float
    nerve_mm: Point
    nerve_scale: float
    bone_mm: tuple[Point, ...]
    pleura: tuple[float, float, float]
    rises: tuple[float, float]
    patches: float = 0.0
    uneven: float = 1.0
    shading: float = 1.0
    loss_db_per_mm: float = 0.0
    broken: float = 0.0
    streaks: float = 0.0
    wall: float = 1.0
    lumen: float = 0.05

    def at(self, elevation_mm: float) -> Layout:
        """Return what a plane at this elevation cuts; at 0 the layout itself."""
        aside, down = (r * elevation_mm for r in self.rises)
        x, z, r = self.vessel_mm
        return replace(
            self,
            sheets=tuple(replace(s, depth_mm=s.depth_mm + s.rise * elevation_mm) for s in self.sheets),
            vessel_mm=(x + aside, z, r),
            nerve_mm=(self.nerve_mm[0] - aside, self.nerve_mm[1] + 0.5 * down),
            bone_mm=tuple((x, z + down) for x, z in self.bone_mm),
            pleura=(self.pleura[0] + down, *self.pleura[1:]),
        )
