"""Numba kernels of the evidence: how much likelier a grey level is in fluid than in tissue."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from usguide._jit import kernel

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

STRAY = 0.08
"""Share of places in fluid that look like anything: bubbles, the needle, its tail."""
STRAY_DENSITY = 1 / 160
BLACK = 2.0
"""What is darker than black is this."""
SQUEEZED, LEAST_SQUEEZE = 12.0, 0.4
"""Spread of tissue, in grey levels, under which it is squeezed, and at most to this share."""
NO_EDGE, FULL_EDGE = 1.5, 3.0
"""Where fluid is hardly darker than tissue (in spreads), its edge is not told from tissue."""


@kernel
def likelihood_ratio(
    grey: F32,
    reference: F32,
    pushed: F32,
    level: F32,
    spread: F32,
    seen: F32,
    still: float,
    same_share: float,
    fluid_level: float,
    fluid_spread: float,
    drops: F64,
    edge_share: float,
    prior: float,
    limit: float,
    out: F32,
) -> None:
    """Log-likelihood ratio of fluid against tissue.

    Tissue looks as before to within `still`, or like what is around there, for it may have been pushed aside.
    Fluid has one level, once that is known; before, it lies one of several `drops` under the tissue.

    Parameters
    ----------
    grey, reference, pushed : float32 (h, w)
        The frame, the picture from before with the same gain, and that with its tissue pushed to where it lies now.
    level, spread : float32 (h, w)
        Mean and standard deviation of the reference around each place.
    seen : float32 (h, w)
        0 where there is no evidence.
    still : float
        Grey levels by which still tissue differs from frame to frame.
    same_share : float
        Share of tissue that lies where it lay.
    fluid_level, fluid_spread : float
        Of the fluid; a negative level means that it is not known yet.
    drops : float64 (k,)
        In units of the spread.
    edge_share : float
        Share of fluid that lies in its soft edge.
    prior : float
        Added: log-odds of fluid before anything is seen.
    limit : float
        Largest ratio that one place may give.
    out : float32 (h, w)
    """
    h, w = grey.shape
    share = (1 - STRAY) / drops.size
    for i in range(h):
        for j in range(w):
            if seen[i, j] <= 0:
                out[i, j] = 0
                continue
            g, m, s = grey[i, j], level[i, j], spread[i, j]
            if g > m + s and (fluid_level < 0 or g > fluid_level + 4 * fluid_spread):
                out[i, j] = -limit
                continue
            # Near black, grey levels are squeezed together, and so is what tells them apart.
            close = still * min(max(s / SQUEEZED, LEAST_SQUEEZE), 1.0)
            a, b = (g - reference[i, j]) / close, (g - m) / s
            c = (g - pushed[i, j]) / (2 * close)
            same = max(math.exp(-0.5 * a * a), 0.5 * math.exp(-0.5 * c * c)) / close
            tissue = same_share * same + (1 - same_share) * math.exp(-0.5 * b * b) / s
            if fluid_level >= 0:
                # Darker than fluid is fluid, too, and its edge takes every grey level between it and the tissue.
                c = max(g - fluid_level, 0.0) / fluid_spread
                edge = edge_share * min(max((m - fluid_level) / s - NO_EDGE, 0.0) / FULL_EDGE, 1.0)
                fluid = (1 - STRAY) * (1 - edge) * math.exp(-0.5 * c * c) / fluid_spread
                if g < m:
                    fluid += (1 - STRAY) * edge * 2.5 / max(m - fluid_level, s)
            else:
                fluid = 0.0
                for k in range(drops.size):
                    c = (g - max(m - drops[k] * s, BLACK)) / (0.8 * s)
                    fluid += share * math.exp(-0.5 * c * c) / (0.8 * s)
            ratio = prior + math.log((0.3989 * fluid + STRAY * STRAY_DENSITY) / (0.3989 * 0.97 * tissue + 0.03 / 160))
            out[i, j] = min(max(ratio, -limit), limit)
