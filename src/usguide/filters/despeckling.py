"""Despeckling by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Unpack

import numpy as np
from numpy.typing import ArrayLike

from usguide.errors import InputError
from usguide.filters._common import F32, Common, Values, despeckled
from usguide.filters.diffusion import dpad, osrad, srad
from usguide.filters.local_statistics import enhanced_lee, frost, guided, kuan, lee
from usguide.filters.nonlocal_means import bilateral, nlm, obnlm
from usguide.filters.shrinkage import median, tv, wavelet


def none(image: ArrayLike, **common: Unpack[Common]) -> F32:
    """Return the image unchanged, as float32."""
    # Whatever the values are, it is made for them: nothing is converted.
    return despeckled(image, _copy, common, made_for=common.get("values") or "log_compressed")


def _copy(x: F32, out: F32, _: int) -> None:
    np.copyto(out, x)


@dataclass(frozen=True, slots=True)
class DespeckleMethod:
    """A despeckling filter: what it does in a line, and which values it expects."""

    function: Callable[..., F32]
    what: str
    made_for: Values

    @property
    def options(self) -> dict[str, Any]:
        """Its own options and their defaults."""
        parameters = inspect.signature(self.function).parameters.values()
        return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


DESPECKLE_METHODS: dict[str, DespeckleMethod] = {
    "srad": DespeckleMethod(srad, "diffusion that stops at edges (Yu and Acton 2002)", "envelope"),
    "dpad": DespeckleMethod(dpad, "SRAD with window statistics, finds the speckle level (2006)", "envelope"),
    "osrad": DespeckleMethod(osrad, "SRAD that always smooths along structure; keeps thin lines (2007)", "envelope"),
    "lee": DespeckleMethod(lee, "mean where flat, pixel where varied; fastest (Lee 1980)", "envelope"),
    "kuan": DespeckleMethod(kuan, "as Lee, least-squares weight (Kuan 1985)", "envelope"),
    "enhanced_lee": DespeckleMethod(enhanced_lee, "Lee with point targets left alone (Lopes 1990)", "envelope"),
    "frost": DespeckleMethod(frost, "mean, narrower where varied (Frost 1982)", "envelope"),
    "obnlm": DespeckleMethod(obnlm, "blockwise non-local means for speckle (Coupe 2009)", "envelope"),
    "nlm": DespeckleMethod(nlm, "mean of pixels whose patches look alike (Buades 2005)", "log_compressed"),
    "bilateral": DespeckleMethod(bilateral, "mean over near pixels of like grey (Tomasi 1998)", "log_compressed"),
    "guided": DespeckleMethod(guided, "edge-preserving mean in constant time (He 2010)", "log_compressed"),
    "wavelet": DespeckleMethod(wavelet, "takes away small details of each scale (Starck 2007)", "log_compressed"),
    "tv": DespeckleMethod(tv, "total variation: flat areas, sharp edges (Chambolle 2004)", "log_compressed"),
    "median": DespeckleMethod(median, "median of a square window; removes bright points", "log_compressed"),
    "none": DespeckleMethod(none, "no despeckling", "log_compressed"),  # or any other
}


RECOMMENDED_METHOD = "lee"
RECOMMENDED_OPTIONS: dict[str, Any] = {"window_px": 13, "cu": 0.45, "values": "log_compressed"}
"""What suits 8-bit B-mode in real time: the reasons are in docs/filters-quality.md."""


def despeckle(image: ArrayLike, *, method: str | None = None, **options: Any) -> F32:
    """Despeckle by the name of a method; `options` are that filter's own and those of `Common`.

    Parameters
    ----------
    image : array_like, shape (H, W)
        uint8, uint16 or float; by default log-compressed grey levels of 0 to 255.
    method : str, optional
        One of `DESPECKLE_METHODS`. By default Lee's filter with a wide window, on the envelope: the log compression is
        undone, with 60 dB unless `dynamic_range_db` says otherwise, and redone.
    **options
        Of that filter: see ``DESPECKLE_METHODS[method].options``; and values, dynamic_range_db, region, mask, threads,
        out.

    Returns
    -------
    ndarray of float32, shape (H, W)

    Raises
    ------
    InputError
        Unknown method or option; values outside 0 to 255 where they are converted.
    """
    if method is None:
        method, options = RECOMMENDED_METHOD, RECOMMENDED_OPTIONS | options
    if str(method) not in DESPECKLE_METHODS:
        raise InputError(f"method: expected one of {', '.join(DESPECKLE_METHODS)}, got {method!r}")
    known = set(DESPECKLE_METHODS[method].options) | set(Common.__annotations__)
    if unknown := sorted(set(options) - known):
        raise InputError(f"{method}: expected options among {', '.join(sorted(known))}, got {unknown[0]!r}")
    return DESPECKLE_METHODS[method].function(image, **options)
