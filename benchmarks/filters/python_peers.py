"""Peers from PyPI, and the textbook's SRAD: one function each, which prepares and returns the call that is timed.

A package that is missing raises ImportError there, and its rows are left out with a word. Conversions between a peer's
own image class and numpy are not counted.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
Call = Callable[[], object]
SIGMAS_PX = (1.5, 2.5, 4.0)


def _module(name: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return import_module(name)


def _quietly(function: Callable[..., object], *arguments: object, **options: object) -> Call:
    """Return the call with numpy's warnings off: textbook code divides by zero."""

    def run() -> object:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return function(*arguments, **options)

    return run


def srad_pypi(image: F32) -> Call:
    """Run 30 iterations: it makes one more than it is asked for. It divides by the image, hence the floor of 1."""
    return _quietly(_module("srad").SRAD, image + np.float32(1), 29, 0.2, 0.0)


def srad_textbook(image: F32) -> Call:
    """Run the function of the typical script, unchanged: whole arrays in float64."""
    folder = str(Path(__file__).resolve().parents[1] / "yardsticks")
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return _quietly(_module("typical_script").srad, image, iterations=30, dt=0.2, q0=0.5)


def medpy_diffusion(image: F32) -> Call:
    """Perona and Malik, 30 iterations."""
    diffusion = _module("medpy.filter.smoothing").anisotropic_diffusion
    return _quietly(diffusion, image, niter=30, kappa=20, gamma=0.2)


def findpeaks_lee(image: F32) -> Call:
    """Window 7, Cu 0.25."""
    return _quietly(_module("findpeaks.filters.lee").lee_filter, image, win_size=7, cu=0.25)


def findpeaks_kuan(image: F32) -> Call:
    """Window 7, Cu 0.25."""
    return _quietly(_module("findpeaks.filters.kuan").kuan_filter, image, win_size=7, cu=0.25)


def findpeaks_enhanced_lee(image: F32) -> Call:
    """Window 7, Cu 0.25, damping 1, Cmax for the looks that this Cu means."""
    function = _module("findpeaks.filters.lee_enhanced").lee_enhanced_filter
    return _quietly(function, image, win_size=7, k=1.0, cu=0.25, cmax=float(np.sqrt(1 + 2 * 0.25**2)))


def findpeaks_frost(image: F32) -> Call:
    """Window 7, damping 2; its distance is in grey levels."""
    return _quietly(_module("findpeaks.filters.frost").frost_filter, image, damping_factor=2.0, win_size=7)


def skimage_nlm(image: F32) -> Call:
    """Patch 5, search 11 (distance 5), h 10, its fast mode."""
    denoise = _module("skimage.restoration").denoise_nl_means
    return _quietly(denoise, image, patch_size=5, patch_distance=5, h=10.0, fast_mode=True, preserve_range=True)


def bm3d(image: F32) -> Call:
    """Sigma 20 grey levels, its defaults."""
    return _quietly(_module("bm3d").bm3d, image, 20.0)


def skimage_tv(image: F32) -> Call:
    """Chambolle, 50 iterations: eps 0 keeps it from stopping earlier."""
    return _quietly(_module("skimage.restoration").denoise_tv_chambolle, image, weight=25.0, eps=0.0, max_num_iter=50)


def skimage_wavelet(image: F32) -> Call:
    """4 levels, soft threshold, BayesShrink; decimated."""
    _module("pywt")
    denoise = _module("skimage.restoration").denoise_wavelet
    return _quietly(denoise, image / np.float32(255), wavelet_levels=4, wavelet="db2", mode="soft")


def skimage_frangi(image: F32) -> Call:
    """Three scales, gamma 15; it does not normalise the Hessian of each scale, which takes the same time."""
    frangi = _module("skimage.filters").frangi
    return _quietly(frangi, image, sigmas=SIGMAS_PX, beta=0.5, gamma=15.0, black_ridges=False)


def skimage_sato(image: F32) -> Call:
    """Three scales."""
    return _quietly(_module("skimage.filters").sato, image, sigmas=SIGMAS_PX, black_ridges=False)
