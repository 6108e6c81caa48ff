"""Pictures of results: the overlay over a frame, and the spread over time."""

from usguide.draw.colours import BLACK, ORANGE, PURPLE, RESEARCH_LINE, SKY_BLUE, WHITE, YELLOW
from usguide.draw.overlay import draw_overlay
from usguide.draw.pixels import to_bgr, to_eight_bits
from usguide.draw.spread import SpreadTrail

__all__ = [
    "BLACK",
    "ORANGE",
    "PURPLE",
    "RESEARCH_LINE",
    "SKY_BLUE",
    "WHITE",
    "YELLOW",
    "SpreadTrail",
    "draw_overlay",
    "to_bgr",
    "to_eight_bits",
]
