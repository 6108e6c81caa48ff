"""The injected fluid: where it is, how far it has spread, and what about it asks for attention."""

from usguide.injectate.around import spread_around
from usguide.injectate.measures import RegionMeasures, growth_rate, measure_region, volume_mm3
from usguide.injectate.segmenter import InjectateSegmenter, InjectateSettings
from usguide.injectate.shared import SharedFrame
from usguide.injectate.spread import SpreadMeasurer, SpreadSettings
from usguide.injectate.warnings import SpreadWarnings, WarningSettings, Watch

__all__ = [
    "InjectateSegmenter",
    "InjectateSettings",
    "RegionMeasures",
    "SharedFrame",
    "SpreadMeasurer",
    "SpreadSettings",
    "SpreadWarnings",
    "WarningSettings",
    "Watch",
    "growth_rate",
    "measure_region",
    "spread_around",
    "volume_mm3",
]
