"""Despeckling and ridge filters for B-mode images: needle or not.

Every filter takes the image first and its tuning by keyword, uint8, uint16 or float in, float32 out. `Common` lists the
options that all of them share, `RidgeOptions` those of the ridge filters. Defaults are for grey levels of 0 to 255: scale
16-bit pictures, and floats of 0 to 1, first.
"""

from usguide.filters._common import Common
from usguide.filters._scales import RidgeMap, RidgeOptions
from usguide.filters.despeckling import (
    DESPECKLE_METHODS,
    RECOMMENDED_METHOD,
    RECOMMENDED_OPTIONS,
    DespeckleMethod,
    despeckle,
)
from usguide.filters.diffusion import dpad, osrad, srad
from usguide.filters.local_statistics import enhanced_lee, frost, guided, kuan, lee
from usguide.filters.nonlocal_means import bilateral, nlm, obnlm
from usguide.filters.oriented import oriented_line, oriented_line_map
from usguide.filters.phase import phase_symmetry, phase_symmetry_map
from usguide.filters.ridges import frangi, frangi_map, jerman, jerman_map, sato, sato_map
from usguide.filters.shrinkage import median, tv, wavelet
from usguide.filters.temporal import Persistence

__all__ = [
    "DESPECKLE_METHODS",
    "RECOMMENDED_METHOD",
    "RECOMMENDED_OPTIONS",
    "Common",
    "DespeckleMethod",
    "Persistence",
    "RidgeMap",
    "RidgeOptions",
    "bilateral",
    "despeckle",
    "dpad",
    "enhanced_lee",
    "frangi",
    "frangi_map",
    "frost",
    "guided",
    "jerman",
    "jerman_map",
    "kuan",
    "lee",
    "median",
    "nlm",
    "obnlm",
    "oriented_line",
    "oriented_line_map",
    "osrad",
    "phase_symmetry",
    "phase_symmetry_map",
    "sato",
    "sato_map",
    "srad",
    "tv",
    "wavelet",
]
