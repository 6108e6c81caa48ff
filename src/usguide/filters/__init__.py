"""Despeckling and ridge filters for B-mode images: needle or not."""

from usguide.filters.despeckling import DESPECKLE_METHODS, despeckle, lee, median, srad
from usguide.filters.ridges import RidgeMap, frangi, frangi_map, sato, sato_map

__all__ = [
    "DESPECKLE_METHODS",
    "RidgeMap",
    "despeckle",
    "frangi",
    "frangi_map",
    "lee",
    "median",
    "sato",
    "sato_map",
    "srad",
]
