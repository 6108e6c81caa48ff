"""Where an edge lies by the grey levels across it: at half of the amplitude, which is near the bright side of a step."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from usguide._jit import kernel

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I32 = NDArray[np.int32]


@kernel
def edge_shifts(
    sure: F32,
    grey: F32,
    told: F32,
    points: F64,
    starts: I32,
    fluid_level: float,
    grey_per_decade: float,
    step_px: float,
    inward: int,
    outward: int,
    near: int,
    half_width: int,
    out: F32,
    weight: F32,
) -> None:
    """Find, for each part of the outlines, how far outwards half of the amplitude lies, and write it to the grid.

    The profile across the edge is averaged along it. Outside counts the brightest place close by: the sheet or the tissue
    that the fluid lies against.

    Parameters
    ----------
    sure : float32 (h, w)
        Falls from fluid to tissue; its slope says which way is out.
    grey : float32 (h, w)
    told : float32 (h, w)
        0 where grey levels say nothing of the fluid's edge.
    points : float64 (n, 2)
        Outlines, (x, y) in px, one after the other.
    starts : int32 (k + 1,)
        Where each begins, and n.
    fluid_level : float
        Of the fluid.
    grey_per_decade : float
        Grey levels of ten times the amplitude.
    step_px : float
        Between places of a profile.
    inward, outward, near : int
        So many places within, without, and of those without the ones that the outside's level is taken from.
    half_width : int
        Profiles are averaged over so many points to either side.
    out, weight : float32 (h, w)
        Sum of shifts in steps, and their number, at the outlines' pixels; added to.
    """
    h, w = sure.shape
    places = inward + outward + 1
    for k in range(starts.size - 1):
        first, count = starts[k], starts[k + 1] - starts[k]
        profile = np.zeros((count, places), np.float64)
        known = np.zeros(count, np.float64)
        for i in range(count):
            x, y = points[first + i, 0], points[first + i, 1]
            c, r = min(max(int(x + 0.5), 1), w - 2), min(max(int(y + 0.5), 1), h - 2)
            nx, ny = sure[r, c - 1] - sure[r, c + 1], sure[r - 1, c] - sure[r + 1, c]
            size = math.hypot(nx, ny)
            if size < 1e-6 or told[r, c] <= 0:
                continue
            known[i] = 1
            for p in range(places):
                along = (p - inward) * step_px / size
                u = min(max(x + along * nx, 0.0), w - 1.001)
                v = min(max(y + along * ny, 0.0), h - 1.001)
                j, m = int(u), int(v)
                fu, fv = u - j, v - m
                upper = (1 - fu) * grey[m, j] + fu * grey[m, j + 1]
                lower = (1 - fu) * grey[m + 1, j] + fu * grey[m + 1, j + 1]
                profile[i, p] = (1 - fv) * upper + fv * lower
        reach = min(half_width, (count - 1) // 2)
        mean = np.zeros(places, np.float64)
        many = 0.0
        for i in range(-reach, reach + 1):
            many += known[i]
            for p in range(places):
                mean[p] += profile[i, p]
        for i in range(count):
            if many > 0:
                top = 0.0
                for p in range(inward + 1, inward + near + 1):
                    top = max(top, mean[p] / many)
                share = min(10.0 ** ((fluid_level - top) / grey_per_decade), 1.0)
                half = top + grey_per_decade * math.log10(0.5 * (1 + share))
                shift = float(outward)
                for p in range(places):
                    here = mean[p] / many
                    if here >= half:
                        if p == 0:
                            shift = -float(inward)
                        else:
                            before = mean[p - 1] / many
                            shift = p - inward - (here - half) / (here - before)
                        break
                x, y = points[first + i, 0], points[first + i, 1]
                c, r = min(max(int(x + 0.5), 0), w - 1), min(max(int(y + 0.5), 0), h - 1)
                out[r, c] += np.float32(shift)
                weight[r, c] += 1
            gone, comes = (i - reach) % count, (i + reach + 1) % count
            many += known[comes] - known[gone]
            for p in range(places):
                mean[p] += profile[comes, p] - profile[gone, p]
