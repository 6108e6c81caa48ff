"""Which despecklers there are, what is tried when tuning them, and how they are timed."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

import usguide as ug
from usguide.errors import InputError

F32 = NDArray[np.float32]
Options = Mapping[str, Any]

YARDSTICK = "gaussian blur"
"""Not a filter of the library: what plain smoothing gives. A despeckler has to do better than this somewhere."""
DESPECKLERS = (
    "none",
    YARDSTICK,
    "median",
    "lee",
    "enhanced_lee",
    "kuan",
    "frost",
    "srad",
    "dpad",
    "osrad",
    "obnlm",
    "nlm",
    "bilateral",
    "guided",
    "wavelet",
    "tv",
)
"""In the order of the tables; what the library does not have is left out."""
RIDGES = ("frangi", "sato", "jerman", "oriented_line", "phase_symmetry")

ENVELOPE = {"values": ("log_compressed",)}
"""Has a filter that was made for the envelope undo the log compression before and redo it after."""
_WINDOWS = (5, 7, 9, 11, 13, 15, 17)
_LOCAL: list[dict[str, Sequence[Any]]] = [
    {"window_px": _WINDOWS, "cu": (0.12, 0.16, 0.25, 0.35)},
    {"window_px": _WINDOWS, "cu": (0.25, 0.3, 0.35, 0.4, 0.45, 0.52, 0.6, 0.7), **ENVELOPE},
]
_DIFFUSION: list[dict[str, Sequence[Any]]] = [
    {"iterations": (10, 20, 30), "time_step": (0.2, 0.4, 0.7), "window_px": (5, 7, 9, 11, 13, 15)},
    {"iterations": (10, 20, 30), "time_step": (0.2, 0.4, 0.7), "window_px": (5, 7, 9, 11, 13, 15), **ENVELOPE},
]
GRID: dict[str, list[dict[str, Sequence[Any]]]] = {
    YARDSTICK: [{"sigma_px": (0.8, 1.2, 1.6, 2.0, 2.5, 3.0, 4.0, 5.0)}],
    "median": [{"window_px": (3, 5, 7, 9, 11)}],
    "lee": _LOCAL,
    "enhanced_lee": [{**axes, "damping": (0.5, 1.0, 2.0, 4.0, 8.0)} for axes in _LOCAL],
    "kuan": _LOCAL,
    "frost": [
        {"window_px": _WINDOWS, "damping": (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 24.0, 32.0)},
        {"window_px": _WINDOWS, "damping": (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 8.0), **ENVELOPE},
    ],
    "srad": [
        {"iterations": (8, 15, 30, 60), "time_step": (0.2, 0.4, 0.7), "q0": (0.1, 0.16, 0.2, 0.5)},
        {
            "iterations": (8, 15, 30, 60),
            "time_step": (0.2, 0.4, 0.7),
            "q0": (0.2, 0.25, 0.3, 0.35, 0.5, 1.0),
            **ENVELOPE,
        },
    ],
    "dpad": _DIFFUSION,
    "osrad": _DIFFUSION,
    "obnlm": [
        {"h": (3.0, 5.0, 8.0, 10.0, 12.0, 13.0, 14.0, 17.0, 20.0)},
        {"h": (8.0, 12.0, 14.0, 20.0, 30.0, 45.0), **ENVELOPE},
    ],
    "nlm": [{"h": (8.0, 16.0, 20.0, 24.0, 26.0, 28.0, 36.0), "search_px": (7, 11, 21, 31)}],
    "bilateral": [{"window_px": (7, 9, 11, 13), "sigma_grey": (20.0, 30.0, 40.0, 50.0, 60.0, 80.0, 160.0)}],
    "guided": [{"window_px": (3, 5, 7, 9, 11), "sigma_grey": (10.0, 20.0, 30.0, 40.0, 50.0, 80.0, 120.0)}],
    "wavelet": [{"levels": (1, 2, 3, 4), "threshold": (0.5, 0.75, 0.9, 1.0, 1.25, 2.0, 3.0)}],
    "tv": [{"weight": (6.0, 12.0, 18.0, 20.0, 22.0, 25.0, 50.0, 100.0)}],
}
"""What tuning tries: every combination of each entry. Options a filter does not have are reported and left out."""


def available() -> list[str]:
    """Names of the yardstick and the library's despecklers, in the order of the tables; unknown ones last."""
    known = [name for name in DESPECKLERS if name == YARDSTICK or name in ug.filters.DESPECKLE_METHODS]
    return known + sorted(set(ug.filters.DESPECKLE_METHODS) - set(known))


def filtered(image: F32, method: str, options: Options | None = None) -> F32:
    """Despeckle by name; the yardstick's name works too."""
    if method == YARDSTICK:
        sigma = float({"sigma_px": 2.0, **(options or {})}["sigma_px"])
        return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE), dtype=np.float32)
    return ug.filters.despeckle(image, method=method, **(options or {}))


def ridge_filters() -> dict[str, Callable[..., F32]]:
    """Return the ridge filters that the library has, by name."""
    return {name: getattr(ug.filters, name) for name in RIDGES if hasattr(ug.filters, name)}


def grid_of(method: str) -> list[dict[str, Any]]:
    """Return all combinations of options to try for a method; none when there is nothing to tune."""
    return [
        dict(zip(axes, values, strict=True))
        for axes in GRID.get(method, [])
        for values in itertools.product(*axes.values())
    ]


def usable(method: str, image: F32, options: Options) -> bool:
    """Whether the filter takes these options (it may have landed under other names)."""
    try:
        filtered(image, method, options)
    except InputError:
        return False
    return True


def timed(call: Callable[[F32], F32], image: F32, *, repeats: int = 1) -> tuple[F32, float]:
    """Return the filtered picture and the shortest of `repeats` times, in ms; compile before."""
    best = np.inf
    for _ in range(repeats):
        start = time.perf_counter()
        result = call(image)
        best = min(best, time.perf_counter() - start)
    return result, 1e3 * float(best)


def describe(options: Options) -> str:
    """Options as one word group: ``window_px 7, cu 0.25``."""
    if not options:
        return "default"
    words = [f"{k} {v:g}" if isinstance(v, float) else f"{k} {v}" for k, v in options.items() if k != "values"]
    return ", ".join(words + ["on the envelope"] * ("values" in options))
