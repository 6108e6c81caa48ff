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
    f = np.float32
    h, w = grey.shape
    one, half, width = f(1), f(0.5), f(0.8)
    share, stray = f((1 - STRAY) / drops.size), f(1 - STRAY)
    base_fluid, base_tissue, unit = f(STRAY * STRAY_DENSITY), f(0.03 / 160), f(0.3989)
    still32, same32, other32 = f(still), f(same_share), f(1 - same_share)
    fluid32, wide32, edge32 = f(fluid_level), f(fluid_spread), f(edge_share)
    prior32, limit32, black, drop32 = f(prior), f(limit), f(BLACK), drops.astype(np.float32)
    for i in range(h):
        for j in range(w):
            if seen[i, j] <= 0:
                out[i, j] = 0
                continue
            g, m, s = grey[i, j], level[i, j], spread[i, j]
            if g > m + s and (fluid_level < 0 or g > fluid32 + f(4) * wide32):
                out[i, j] = -limit32
                continue
            # Near black, grey levels are squeezed together, and so is what tells them apart.
            close = still32 * min(max(s * f(1 / SQUEEZED), f(LEAST_SQUEEZE)), one)
            a, b = (g - reference[i, j]) / close, (g - m) / s
            c = (g - pushed[i, j]) / (f(2) * close)
            # The larger of exp(-a^2 / 2) and exp(-c^2 / 2) / 2.
            same = math.exp(max(-half * a * a, -half * c * c - f(0.6931472))) / close
            tissue = same32 * same + other32 * math.exp(-half * b * b) / s
            if fluid_level >= 0:
                # Darker than fluid is fluid, too, and its edge takes every grey level between it and the tissue.
                c = max(g - fluid32, f(0)) / wide32
                edge = edge32 * min(max((m - fluid32) / s - f(NO_EDGE), f(0)) * f(1 / FULL_EDGE), one)
                fluid = stray * (one - edge) * math.exp(-half * c * c) / wide32
                if g < m:
                    fluid += stray * edge * f(2.5) / max(m - fluid32, s)
            else:
                fluid = f(0)
                for k in range(drop32.size):
                    c = (g - max(m - drop32[k] * s, black)) / (width * s)
                    fluid += share * math.exp(-half * c * c) / (width * s)
            ratio = prior32 + math.log((unit * fluid + base_fluid) / (unit * f(0.97) * tissue + base_tissue))
            out[i, j] = min(max(ratio, -limit32), limit32)
