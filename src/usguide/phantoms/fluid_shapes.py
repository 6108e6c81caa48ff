"""Shapes of fluid at one moment: a lens in a plane, a ring round the nerve, an irregular pool."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from usguide.geometry import Point
from usguide.phantoms.grid import F32, Grid

F64 = NDArray[np.float64]

TURN = 1024
"""Directions for which an outline is tabulated."""
AROUND = np.arange(TURN) * (2 * math.pi / TURN)
YIELD_MM = 4.0
"""Distance over which tissue beside the fluid gives way."""
REACH_MM = 14.0
_SOAKED_ALONG, _SOAKED_ACROSS = 0.85, 0.5
"""Share of a pool's radius within which tissue is soaked rather than pushed: fluid runs along a plane, and lifts it."""
_CLEAR_OF_NERVE = 1.07
"""The nerve's sheath stays with the nerve: a ring begins at this multiple of its outline."""


class Shape(Protocol):
    """Where fluid is at one moment, in the picture's mm, and how it pushes tissue apart."""

    clutter: ClassVar[float]
    """Most that is still seen of tissue within: what the beam picks up beside a narrow gap."""
    tears: ClassVar[bool]
    """Whether `displacement` jumps at the edge: tissue to either side has parted."""

    def contains(self, x_mm: F32, z_mm: F32) -> NDArray[np.bool_]:
        """Tell which places are in the fluid."""
        ...

    def share(self, x_mm: F32, z_mm: F32, edge_mm: F32) -> F32:
        """Share of fluid at each place, 0..1, with an edge of this width."""
        ...

    def normal(self, x_mm: F32, z_mm: F32) -> tuple[F32, F32]:
        """Direction across the nearest edge, (lateral, axial)."""
        ...

    def opens(self, x_mm: F32, z_mm: F32) -> tuple[F32, F32]:
        """How far the edge that is nearest to each place has moved: (lateral, axial) mm."""
        ...

    def displacement(self, x_mm: F32, z_mm: F32) -> tuple[F32, F32]:
        """How far tissue that is at each place has been pushed: (lateral, axial) mm."""
        ...

    def place(self, uniform: F64) -> F64:
        """Points in the fluid, evenly spread for numbers (K, 2) evenly spread over 0..1; they move as it grows."""
        ...

    def enhancement(self, grid: Grid, share: F32, box: tuple[slice, slice]) -> tuple[slice, F32]:
        """Rows, and what fluid, which attenuates little, makes of echoes from there, for the box's columns."""
        ...

    def box(self, grid: Grid) -> tuple[slice, slice]:
        """Rows and columns of the grid that hold all of the fluid and its soft edge."""
        ...

    def shifted(self, by_mm: Point) -> Shape:
        """Return it moved by (lateral, axial) mm."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Lens:
    """Fluid in a fascial plane: pointed at both ends, thickest near the tip, with an uneven edge."""

    centre_mm: Point
    plane_deg: float
    half_length_mm: float
    half_thickness_mm: float
    clutter: ClassVar[float] = 0.05
    tears: ClassVar[bool] = True

    def axes(self, x_mm: F32, z_mm: F32) -> tuple[F32, F32]:
        """Half thickness of the lens at each place, and the distance from the plane (positive is deeper)."""
        a = math.radians(self.plane_deg)
        dx, dz = x_mm - self.centre_mm[0], z_mm - self.centre_mm[1]
        u, v = dx * math.cos(a) + dz * math.sin(a), dz * math.cos(a) - dx * math.sin(a)
        return self.opening(u), np.asarray(v, np.float32)

    def opening(self, u_mm: NDArray[np.floating]) -> F32:
        """Half thickness at a distance along the plane."""
        shape = np.clip(1 - (u_mm / self.half_length_mm) ** 2, 0, None)
        uneven = 1 + 0.07 * np.sin(1.5 * u_mm + 0.6) + 0.04 * np.sin(3.1 * u_mm + 2.0)
        return np.asarray(self.half_thickness_mm * shape * uneven, np.float32)

    def contains(self, x_mm: F32, z_mm: F32) -> NDArray[np.bool_]:
        """Tell which places are in the fluid."""
        opening, v = self.axes(x_mm, z_mm)
        inside: NDArray[np.bool_] = np.abs(v) < opening
        return inside

    def share(self, x_mm: F32, z_mm: F32, edge_mm: F32) -> F32:
        """Share of fluid at each place."""
        opening, v = self.axes(x_mm, z_mm)
        return np.asarray((opening > 0) * step((opening - np.abs(v)) / edge_mm))

    def normal(self, x_mm: F32, z_mm: F32) -> tuple[F32, F32]:
        """Across the plane."""
        a = math.radians(self.plane_deg)
        return np.float32(-math.sin(a)) + 0 * x_mm, np.float32(math.cos(a)) + 0 * z_mm

    def opens(self, x_mm: F32, z_mm: F32) -> tuple[F32, F32]:
        """Half of the opening, away from the plane."""
        opening, v = self.axes(x_mm, z_mm)
        a = math.radians(self.plane_deg)
        pushed = np.sign(v) * opening
        return np.asarray(-pushed * math.sin(a)), np.asarray(pushed * math.cos(a))

    def displacement(self, x_mm: F32, z_mm: F32) -> tuple[F32, F32]:
        """How far tissue at each place has been pushed."""
        opening, v = self.axes(x_mm, z_mm)
        beyond = np.abs(v) - opening
        # The faint rest that is seen in the fluid is taken from beside the plane: the sheet itself has parted.
        pushed = np.where(beyond > 0, np.sign(v) * opening * np.exp(-np.maximum(beyond, 0) / YIELD_MM), -1.8)
        a = math.radians(self.plane_deg)
        return np.asarray(-pushed * math.sin(a)), np.asarray(pushed * math.cos(a))

    def place(self, uniform: F64) -> F64:
        """Points in the fluid."""
        # The inverse of how area accumulates along a parabola.
        u = 2 * np.sin(np.arcsin(2 * uniform[:, 0] - 1) / 3) * self.half_length_mm
        v = 0.9 * (2 * uniform[:, 1] - 1) * self.opening(u)
        a = math.radians(self.plane_deg)
        return np.stack(
            [
                self.centre_mm[0] + u * math.cos(a) - v * math.sin(a),
                self.centre_mm[1] + u * math.sin(a) + v * math.cos(a),
            ],
            axis=-1,
        )

    def enhancement(self, grid: Grid, share: F32, box: tuple[slice, slice]) -> tuple[slice, F32]:  # noqa: ARG002
        """From the lower edge down."""
        rows, columns = slice(None), box[1]
        opening, v = self.axes(*samples(grid, (rows, columns)))
        below = 1 / (1 + np.exp(np.clip((opening - v) / 0.2, -40, 40)))
        return rows, np.asarray(1 + 0.3 * np.minimum(opening, 1) * below, np.float32)

    def box(self, grid: Grid) -> tuple[slice, slice]:
        """Rows and columns that hold it, and what lies across the plane below it."""
        rows, _ = box_around(grid, self.centre_mm, (self.half_length_mm + 3, self.half_length_mm + 3))
        return rows, slice(None)

    def shifted(self, by_mm: Point) -> Lens:
        """Return it moved by (lateral, axial) mm."""
        return replace(self, centre_mm=(self.centre_mm[0] + by_mm[0], self.centre_mm[1] + by_mm[1]))


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """A blob round the tip, of any outline that each direction meets once.

    Parameters
    ----------
    centre_mm : (float, float)
    radius_mm : ndarray, shape (TURN,)
        Its outline, over the directions `AROUND`.
    plane_deg : float
        Slope of the plane near it.
    """

    centre_mm: Point
    radius_mm: F32
    plane_deg: float
    clutter: ClassVar[float] = 0.0
    tears: ClassVar[bool] = False

    def contains(self, x_mm: F32, z_mm: F32) -> NDArray[np.bool_]:
        """Tell which places are in the fluid."""
        r, at, _, _ = polar(self.centre_mm, x_mm, z_mm)
        inside: NDArray[np.bool_] = r < self.radius_mm[at]
        return inside

    def share(self, x_mm: F32, z_mm: F32, edge_mm: F32) -> F32:
        """Share of fluid at each place."""
        r, at, _, _ = polar(self.centre_mm, x_mm, z_mm)
        # A radius that changes with direction is met aslant: the edge is nearer than along the radius.
        slant = 1 / np.sqrt(1 + (slope(self.radius_mm) / self.radius_mm) ** 2).astype(np.float32)
        return step((self.radius_mm[at] - r) * slant[at] / edge_mm)

    def normal(self, x_mm: F32, z_mm: F32) -> tuple[F32, F32]:
        """From the centre."""
        return polar(self.centre_mm, x_mm, z_mm)[2:]

    def opens(self, x_mm: F32, z_mm: F32) -> tuple[F32, F32]:
        """Outward, as far as the edge has come beyond what is soaked."""
        _, at, nx, nz = polar(self.centre_mm, x_mm, z_mm)
        pushed = (self._pushed() * self.radius_mm)[at]
        return pushed * nx, pushed * nz

    def _pushed(self) -> F32:
        """Share of the radius by which the edge has been pushed, over the directions `AROUND`."""
        across = np.sin(AROUND - math.radians(self.plane_deg)) ** 2
        return np.asarray(1 - _SOAKED_ALONG + (_SOAKED_ALONG - _SOAKED_ACROSS) * across, np.float32)

    def displacement(self, x_mm: F32, z_mm: F32) -> tuple[F32, F32]:
        """Outward; within, what has been soaked is drawn out."""
        r, at, nx, nz = polar(self.centre_mm, x_mm, z_mm)
        radius = self.radius_mm[at]
        pushed = self._pushed()[at] * np.minimum(r, radius) * yielding(r - radius)
        return pushed * nx, pushed * nz

    def place(self, uniform: F64) -> F64:
        """Points in the fluid."""
        theta = spread_over(self.radius_mm**2, uniform[:, 0])
        r = 0.95 * np.sqrt(uniform[:, 1]) * np.interp(theta, AROUND, self.radius_mm, period=2 * math.pi)
        return np.asarray(self.centre_mm + r[:, None] * np.stack([np.cos(theta), np.sin(theta)], axis=-1))

    def enhancement(self, grid: Grid, share: F32, box: tuple[slice, slice]) -> tuple[slice, F32]:
        """Along the beams, the more the longer their way through fluid."""
        return along_beams(grid, share, box)

    def box(self, grid: Grid) -> tuple[slice, slice]:
        """Rows and columns that hold it."""
        return box_around(grid, self.centre_mm, (float(self.radius_mm.max()) + 1.5,) * 2)

    def shifted(self, by_mm: Point) -> Pool:
        """Return it moved by (lateral, axial) mm."""
        return replace(self, centre_mm=(self.centre_mm[0] + by_mm[0], self.centre_mm[1] + by_mm[1]))


@dataclass(frozen=True, slots=True, eq=False)
class Ring:
    """Fluid round the nerve, which it pushes aside a little while it is on one side only.

    Parameters
    ----------
    centre_mm : (float, float)
        The nerve's centre at rest.
    inner_mm, thickness_mm : ndarray, shape (TURN,)
        Where it begins, and how thick it is, over the directions `AROUND`; 0 where it has not come.
    pushed_mm : (float, float)
        How far it has pushed the nerve.
    """

    centre_mm: Point
    inner_mm: F32
    thickness_mm: F32
    pushed_mm: Point
    clutter: ClassVar[float] = 0.0
    tears: ClassVar[bool] = False

    def _polar(self, x_mm: F32, z_mm: F32) -> tuple[F32, NDArray[np.intp], F32, F32]:
        centre = self.centre_mm[0] + self.pushed_mm[0], self.centre_mm[1] + self.pushed_mm[1]
        return polar(centre, x_mm, z_mm)

    def contains(self, x_mm: F32, z_mm: F32) -> NDArray[np.bool_]:
        """Tell which places are in the fluid."""
        r, at, _, _ = self._polar(x_mm, z_mm)
        beyond = r - self.inner_mm[at]
        inside: NDArray[np.bool_] = (beyond > 0) & (beyond < self.thickness_mm[at])
        return inside

    def share(self, x_mm: F32, z_mm: F32, edge_mm: F32) -> F32:
        """Share of fluid at each place."""
        r, at, _, _ = self._polar(x_mm, z_mm)
        beyond = r - self.inner_mm[at]
        # The difference of two steps is nothing where it has no thickness.
        return np.asarray(step(beyond / edge_mm) - step((beyond - self.thickness_mm[at]) / edge_mm))

    def normal(self, x_mm: F32, z_mm: F32) -> tuple[F32, F32]:
        """From the nerve's centre."""
        return self._polar(x_mm, z_mm)[2:]

    def opens(self, x_mm: F32, z_mm: F32) -> tuple[F32, F32]:
        """As the nerve, and beyond it outward by the fluid's thickness."""
        # A place at rest: seen from where the nerve was.
        r, at, nx, nz = polar(self.centre_mm, x_mm, z_mm)
        pushed = (r > self.inner_mm[at]) * self.thickness_mm[at]
        return pushed * nx + np.float32(self.pushed_mm[0]), pushed * nz + np.float32(self.pushed_mm[1])

    def displacement(self, x_mm: F32, z_mm: F32) -> tuple[F32, F32]:
        """As the nerve; outward beyond it; less and less further out."""
        r, at, nx, nz = self._polar(x_mm, z_mm)
        beyond = r - self.inner_mm[at]
        thickness = self.thickness_mm[at]
        pushed = np.clip(beyond, 0, thickness)
        rest = yielding(beyond - thickness)
        dx = (pushed * nx + np.float32(self.pushed_mm[0])) * rest
        return dx, (pushed * nz + np.float32(self.pushed_mm[1])) * rest

    def place(self, uniform: F64) -> F64:
        """Points in the fluid."""
        theta = spread_over(self.thickness_mm * (self.inner_mm + 0.5 * self.thickness_mm), uniform[:, 0])
        inner, thick = (np.interp(theta, AROUND, t, period=2 * math.pi) for t in (self.inner_mm, self.thickness_mm))
        r = inner + (0.08 + 0.84 * uniform[:, 1]) * thick
        centre = np.add(self.centre_mm, self.pushed_mm)
        return np.asarray(centre + r[:, None] * np.stack([np.cos(theta), np.sin(theta)], axis=-1))

    def enhancement(self, grid: Grid, share: F32, box: tuple[slice, slice]) -> tuple[slice, F32]:
        """Along the beams, the more the longer their way through fluid."""
        return along_beams(grid, share, box)

    def box(self, grid: Grid) -> tuple[slice, slice]:
        """Rows and columns that hold it."""
        return box_around(grid, self.centre_mm, (float((self.inner_mm + self.thickness_mm).max()) + 2.5,) * 2)

    def shifted(self, by_mm: Point) -> Ring:
        """Return it moved by (lateral, axial) mm."""
        return replace(self, centre_mm=(self.centre_mm[0] + by_mm[0], self.centre_mm[1] + by_mm[1]))


def lens_of(area_mm2: float, start_mm: Point, plane_deg: float, aspect: float) -> Lens:
    """Return the lens of an area that has spread from a point of its plane."""
    # The area between two parabolas is 8/3 of half thickness times half length.
    half_thickness = math.sqrt(area_mm2 / (8 / 3 * aspect))
    half_length = aspect * half_thickness
    a = math.radians(plane_deg)
    # It runs on ahead of the needle more than back along it.
    ahead = 0.35 * half_length
    return Lens(
        (start_mm[0] + ahead * math.cos(a), start_mm[1] + ahead * math.sin(a)), plane_deg, half_length, half_thickness
    )


def pool_of(area_mm2: float, start_mm: Point, plane_deg: float, early: F64, late: F64) -> Pool:
    """Return the pool of an area: from one outline to another, and nowhere ever back.

    Parameters
    ----------
    area_mm2 : float
    start_mm : (float, float)
    plane_deg : float
    early, late : ndarray, shape (TURN,)
        Outlines over the directions `AROUND`, of unit mean square.
    """
    # Both weights grow with the area, and together they are the area.
    weight = area_mm2 / (area_mm2 + 8.0)
    squared = area_mm2 / math.pi * ((1 - weight) * early**2 + weight * late**2)
    return Pool(start_mm, np.sqrt(squared).astype(np.float32), plane_deg)


def ring_of(area_mm2: float, nerve_mm: F64, start_mm: Point, uneven: F64) -> Ring:
    """Return the ring of an area round a nerve's outline: it runs round both ways and thickens once it has closed.

    Parameters
    ----------
    area_mm2 : float
    nerve_mm : ndarray, shape (P, 2)
        Closed outline at rest, which each direction from its centre meets once.
    start_mm : (float, float)
        It begins on this side.
    uneven : ndarray, shape (TURN,)
        Its thickness over its mean, by direction.
    """
    centre = nerve_mm.mean(axis=0)
    d = nerve_mm - centre
    angle = np.arctan2(d[:, 1], d[:, 0])
    inner = _CLEAR_OF_NERVE * np.interp(AROUND, angle, np.hypot(*d.T), period=2 * math.pi)
    first = math.atan2(start_mm[1] - centre[1], start_mm[0] - centre[0])
    closes = 0.9 * float(inner.mean()) * 2 * math.pi
    half_turn = math.pi * (area_mm2 / closes) ** 0.7
    from_start = (AROUND - first + math.pi) % (2 * math.pi) - math.pi
    profile = np.zeros(TURN)
    for turn in (-2 * math.pi, 0.0, 2 * math.pi):
        way = from_start + turn
        # One way round is easier than the other.
        profile = np.maximum(profile, 1 - (way / (half_turn * np.where(way > 0, 1.15, 0.85))) ** 2)
    profile = profile**0.6 * uneven
    # Area = thickness * integral(inner * profile) + thickness^2 / 2 * integral(profile^2).
    b, a = 2 * math.pi * float((inner * profile).mean()), math.pi * float((profile**2).mean())
    thickness = (math.sqrt(b**2 + 4 * a * area_mm2) - b) / (2 * a) * profile
    pushed = -0.7 * np.array([(thickness * np.cos(AROUND)).mean(), (thickness * np.sin(AROUND)).mean()])
    return Ring(
        (float(centre[0]), float(centre[1])),
        inner.astype(np.float32),
        thickness.astype(np.float32),
        (float(pushed[0]), float(pushed[1])),
    )


def outline_noise(rng: np.random.Generator, strength: float, harmonics: int = 6) -> F64:
    """Smooth noise over the directions `AROUND`, coarse features stronger than fine ones."""
    n = np.arange(1, harmonics + 1)
    amplitude = strength * rng.standard_normal(harmonics) / n**1.2
    phase = rng.uniform(0, 2 * math.pi, harmonics)
    return np.asarray((amplitude[:, None] * np.cos(n[:, None] * AROUND + phase[:, None])).sum(axis=0))


def step(depth: F32) -> F32:
    """Soft step: 1 where `depth` is well above 0."""
    return np.asarray(1 / (1 + np.exp(np.clip(-depth, -40, 40))))


def yielding(beyond_mm: F32) -> F32:
    """Share of the push at the edge that is felt at a distance beyond it: exactly none from `REACH_MM`."""
    rest = np.clip(1 - beyond_mm / np.float32(REACH_MM), 0, 1)
    return np.asarray(rest * rest * rest)


def polar(centre_mm: Point, x_mm: F32, z_mm: F32) -> tuple[F32, NDArray[np.intp], F32, F32]:
    """Distance from a centre, index of the direction into tables, and the direction itself."""
    dx, dz = np.broadcast_arrays(x_mm - np.float32(centre_mm[0]), z_mm - np.float32(centre_mm[1]))
    r = np.maximum(np.hypot(dx, dz), np.float32(1e-6))
    at = (np.arctan2(dz, dx) * np.float32(TURN / (2 * math.pi)) + np.float32(TURN + 0.5)).astype(np.intp) % TURN
    return r, at, dx / r, dz / r


def slope(table: F32) -> F32:
    """Change of a table with direction, per radian."""
    return np.asarray((np.roll(table, -1) - np.roll(table, 1)) * np.float32(TURN / (4 * math.pi)))


def spread_over(density: F32, uniform: F64) -> F64:
    """Directions whose density over `AROUND` is as given, for numbers evenly spread over 0..1."""
    total = np.cumsum(np.asarray(density, float))
    return np.asarray(np.interp(uniform * total[-1], np.append(0.0, total), np.append(AROUND, 2 * math.pi)))


def samples(grid: Grid, box: tuple[slice, slice]) -> tuple[F32, F32]:
    """Lateral and axial positions of a box of the grid, broadcastable to its shape."""
    rows, columns = box
    x = grid.x_mm if grid.x_mm.shape[0] == 1 else grid.x_mm[rows]
    z = grid.z_mm[rows]
    return x[:, columns], z if z.shape[1] == 1 else z[:, columns]


def box_around(grid: Grid, centre_mm: Point, half_mm: tuple[float, float]) -> tuple[slice, slice]:
    """Rows and columns of the grid that hold a rectangle; empty where it lies outside."""
    near = (np.abs(grid.x_mm - centre_mm[0]) < half_mm[0]) & (np.abs(grid.z_mm - centre_mm[1]) < half_mm[1])
    held = np.nonzero(near.any(axis=1))[0], np.nonzero(near.any(axis=0))[0]
    rows, columns = (slice(int(h[0]), int(h[-1]) + 1) if h.size else slice(0, 0) for h in held)
    return rows, columns


def along_beams(grid: Grid, share: F32, box: tuple[slice, slice]) -> tuple[slice, F32]:
    """Return what fluid makes of the echoes from in and below it: it attenuates less than tissue does."""
    rows, columns = slice(box[0].start, grid.shape[0]), box[1]
    way_mm = np.zeros((grid.shape[0] - box[0].start, columns.stop - columns.start), np.float32)
    inside = np.cumsum(share, axis=0, dtype=np.float32) * np.float32(grid.axial_mm)
    way_mm[: inside.shape[0]] = inside
    way_mm[inside.shape[0] :] = inside[-1:]
    return rows, np.asarray(1 + np.float32(0.3) * np.minimum(np.float32(0.5) * way_mm, 1), np.float32)
