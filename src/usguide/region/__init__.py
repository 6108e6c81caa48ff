"""Where the ultrasound image is in a screen grab or video: its box, and the fan where it is a sector."""

from usguide.region.fan import FanShape
from usguide.region.finding import FoundRegion, find_region

__all__ = ["FanShape", "FoundRegion", "find_region"]
