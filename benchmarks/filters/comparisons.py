"""Which filter is compared with which peers, and with which parameters on both sides.

A filter that `usguide.filters` does not have is left out. To add a peer, write a function in one of the `*_peers.py`
modules and name it here.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import itk_peers
import numpy as np
import opencv_peers
import python_peers
import yardstick
from numpy.typing import NDArray

from usguide import filters

F32 = NDArray[np.float32]
Call = Callable[[], object]
Kind = Literal["same", "nearest", "own"]
COMMON = ("threads", "out")


@dataclass(frozen=True, slots=True)
class Peer:
    """Something to compare with: `prepare` takes the frame and returns the call that is timed."""

    name: str
    prepare: Callable[[F32], Call]
    kind: Kind = "same"
    """The same filter; the nearest that exists, which computes something else; another filter of our own."""
    slow: bool = False
    dtype: type[np.generic] = np.float32
    """What our side is given."""
    ours: Mapping[str, Any] = field(default_factory=dict)
    """Parameters of our side that differ from the comparison's in this row."""
    mirrored: bool = False
    """The peer gives its result mirrored at the origin, in both axes."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One of our filters, its parameters, and its peers (none: only our own time is told)."""

    name: str
    options: Mapping[str, Any]
    peers: tuple[Peer, ...] = ()

    def exists(self) -> bool:
        """Return whether the installed usguide has this filter."""
        return hasattr(filters, self.name)

    def prepare(self, image: F32, threads: int = 1, peer: Peer | None = None) -> Call:
        """Return the call of our filter that is timed, with the result's array allocated where it takes one."""
        function = getattr(filters, self.name)
        options = {**self.options, **(peer.ours if peer else {})}
        common = {"threads": threads, "out": np.empty_like(image)}
        options |= {key: common[key] for key in COMMON if takes(function, key)}
        pixels = image.astype(peer.dtype if peer else np.float32)
        return lambda: function(pixels, **options)


def takes(function: Callable[..., object], option: str) -> bool:
    """Return whether the function has this keyword."""
    parameters = inspect.signature(function).parameters
    return option in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def _own(name: str) -> Peer:
    def prepare(image: F32) -> Call:
        return next(c for c in COMPARISONS if c.name == name).prepare(image)

    return Peer(f"usguide {name}", prepare, kind="own")


LEE = {"window_px": 7, "cu": 0.25}
SCALES = {"sigmas_px": (1.5, 2.5, 4.0)}

COMPARISONS: tuple[Comparison, ...] = (
    Comparison(
        "srad",
        {"iterations": 30, "time_step": 0.2, "q0": 0.5, "rho": 0.0},
        (
            Peer("C++ yardstick", yardstick.srad),
            Peer("textbook numpy", python_peers.srad_textbook),
            Peer("PyPI srad", python_peers.srad_pypi),
            Peer("SimpleITK gradient diffusion", itk_peers.gradient_diffusion, kind="nearest"),
            Peer("SimpleITK curvature diffusion", itk_peers.curvature_diffusion, kind="nearest"),
            Peer("MedPy anisotropic diffusion", python_peers.medpy_diffusion, kind="nearest"),
        ),
    ),
    Comparison("dpad", {"iterations": 30, "time_step": 0.2}),
    Comparison("osrad", {"iterations": 20, "time_step": 0.2}),
    Comparison(
        "lee",
        LEE,
        (
            Peer("C++ yardstick", yardstick.lee),
            Peer("OpenCV box filters", opencv_peers.lee),
            Peer("findpeaks lee_filter", python_peers.findpeaks_lee, slow=True),
        ),
    ),
    Comparison("kuan", LEE, (_own("lee"), Peer("findpeaks kuan_filter", python_peers.findpeaks_kuan, slow=True))),
    Comparison(
        "enhanced_lee",
        {**LEE, "damping": 1.0},
        (_own("lee"), Peer("findpeaks lee_enhanced_filter", python_peers.findpeaks_enhanced_lee, slow=True)),
    ),
    Comparison(
        "frost",
        {"window_px": 7, "damping": 2.0},
        (_own("lee"), Peer("findpeaks frost_filter", python_peers.findpeaks_frost, kind="nearest", slow=True)),
    ),
    Comparison(
        "median",
        {"window_px": 5},
        (
            Peer("OpenCV medianBlur, float32", opencv_peers.median_float32),
            Peer("OpenCV medianBlur, uint8", opencv_peers.median_uint8, dtype=np.uint8),
        ),
    ),
    Comparison(
        "bilateral",
        {"window_px": 7, "sigma_grey": 25, "sigma_px": 3},
        (
            Peer("OpenCV bilateralFilter, float32", opencv_peers.bilateral_float32),
            Peer("OpenCV bilateralFilter, uint8", opencv_peers.bilateral_uint8, dtype=np.uint8),
        ),
    ),
    Comparison("guided", {"window_px": 7, "sigma_grey": 20}, (Peer("OpenCV box filters", opencv_peers.guided),)),
    Comparison(
        "nlm",
        {"patch_px": 5, "search_px": 11, "h": 10.0},
        (
            Peer("OpenCV fastNlMeansDenoising, uint8", opencv_peers.nlm, dtype=np.uint8),
            Peer("scikit-image denoise_nl_means", python_peers.skimage_nlm),
            Peer("bm3d", python_peers.bm3d, kind="nearest", slow=True),
        ),
    ),
    Comparison(
        "obnlm",
        {"patch_px": 5, "search_px": 13},
        (
            Peer("OpenCV fastNlMeansDenoising, uint8", opencv_peers.nlm, kind="nearest", dtype=np.uint8),
            Peer("bm3d", python_peers.bm3d, kind="nearest", slow=True),
        ),
    ),
    Comparison("tv", {"weight": 25.0, "iterations": 50}, (Peer("scikit-image Chambolle", python_peers.skimage_tv),)),
    Comparison(
        "wavelet",
        {"levels": 4},
        (Peer("scikit-image denoise_wavelet", python_peers.skimage_wavelet, kind="nearest"),),
    ),
    Comparison(
        "frangi",
        {**SCALES, "beta": 0.5, "c": 15.0},
        (
            Peer("C++ yardstick, 3 sigma", yardstick.frangi, ours={"truncate": 3.0}),
            Peer("scikit-image frangi", python_peers.skimage_frangi),
            Peer("SimpleITK objectness", itk_peers.objectness),
        ),
    ),
    Comparison("sato", SCALES, (Peer("scikit-image sato", python_peers.skimage_sato),)),
    Comparison("jerman", {**SCALES, "tau": 0.5}),
    Comparison(
        "oriented_line",
        {"sigmas_px": (2.0,), "length": 21.0, "orientations": 12},
        (
            Peer("OpenCV Gabor bank, no maximum", opencv_peers.gabor_bank, kind="nearest"),
            Peer("OpenCV Gabor bank, maximum", opencv_peers.gabor_bank_maximum, kind="nearest"),
        ),
    ),
    Comparison(
        "phase_symmetry",
        {"wavelength_px": 6.0, "scales": 3, "ratio": 2.1},
        (Peer("ITK phase symmetry", itk_peers.phase_symmetry, kind="nearest", mirrored=True),),
    ),
)


def chosen(only: list[str]) -> list[Comparison]:
    """Return the comparisons of these filters (all if none is named) that the installed usguide has."""
    unknown = set(only) - {c.name for c in COMPARISONS}
    if unknown:
        raise SystemExit(
            f"--only: no filter {', '.join(sorted(unknown))}; there are {', '.join(c.name for c in COMPARISONS)}"
        )
    return [c for c in COMPARISONS if c.exists() and (not only or c.name in only)]
