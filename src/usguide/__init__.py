"""Find the needle, follow its tip and measure where the drug spreads, in live ultrasound.

For research use; not a medical device. Names are loaded on first use, so that ``import usguide`` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from usguide._warmup import warmup as warmup
    from usguide.detection import detect_shafts as detect_shafts
    from usguide.errors import FormatError as FormatError
    from usguide.errors import InputError as InputError
    from usguide.errors import InvalidFrameError as InvalidFrameError
    from usguide.errors import MissingExtraError as MissingExtraError
    from usguide.errors import UsguideError as UsguideError
    from usguide.geometry import ImageGeometry as ImageGeometry
    from usguide.geometry import SectorGeometry as SectorGeometry
    from usguide.guide_line import GuideLine as GuideLine
    from usguide.io import open_source as open_source
    from usguide.pipeline import GuidancePipeline as GuidancePipeline
    from usguide.settings import PipelineSettings as PipelineSettings
    from usguide.types import Detection as Detection
    from usguide.types import EndProfile as EndProfile
    from usguide.types import Frame as Frame
    from usguide.types import GuidanceResult as GuidanceResult
    from usguide.types import Injectate as Injectate
    from usguide.types import InputState as InputState
    from usguide.types import InsertionPrior as InsertionPrior
    from usguide.types import NeedleTrack as NeedleTrack
    from usguide.types import Pool as Pool
    from usguide.types import Shaft as Shaft
    from usguide.types import Target as Target
    from usguide.types import TargetGuidance as TargetGuidance
    from usguide.types import TargetSpread as TargetSpread
    from usguide.types import Tip as Tip
    from usguide.types import TrackState as TrackState

    from . import datasets as datasets
    from . import filters as filters
    from . import metrics as metrics
    from . import phantoms as phantoms

__version__ = "0.1.0"

_HOME = {
    **dict.fromkeys(
        ("FormatError", "InputError", "InvalidFrameError", "MissingExtraError", "UsguideError"), "usguide.errors"
    ),
    **dict.fromkeys(("ImageGeometry", "SectorGeometry"), "usguide.geometry"),
    **dict.fromkeys(
        (
            "Detection",
            "EndProfile",
            "Frame",
            "GuidanceResult",
            "Injectate",
            "InputState",
            "InsertionPrior",
            "NeedleTrack",
            "Pool",
            "Shaft",
            "Target",
            "TargetGuidance",
            "TargetSpread",
            "Tip",
            "TrackState",
        ),
        "usguide.types",
    ),
    "GuidancePipeline": "usguide.pipeline",
    "GuideLine": "usguide.guide_line",
    "PipelineSettings": "usguide.settings",
    "detect_shafts": "usguide.detection",
    "open_source": "usguide.io",
    "warmup": "usguide._warmup",
}
_SUBPACKAGES = ("datasets", "filters", "metrics", "phantoms")

__all__ = ["__version__", *sorted(_HOME), *_SUBPACKAGES]  # noqa: PLE0604  (names are built from the table above)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(import_module(_HOME[name]), name)
    elif name in _SUBPACKAGES:
        value = import_module(f"usguide.{name}")
    else:
        raise AttributeError(f"module 'usguide' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
