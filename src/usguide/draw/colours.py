"""Colours and words that all pictures share.

Colours are from Okabe and Ito's palette, which people with any colour vision tell apart. Those of time follow viridis,
whose start is lightened for dark fluid: any colour vision puts them in order, and grey prints them so. Line style, form
and words say the same again.
"""

from __future__ import annotations

Colour = tuple[int, int, int]

# As BGR.
SKY_BLUE: Colour = (233, 180, 86)
ORANGE: Colour = (0, 159, 230)
YELLOW: Colour = (66, 228, 240)
PURPLE: Colour = (187, 141, 224)  # the palette's reddish purple, lightened for dark tissue
VERMILION: Colour = (69, 122, 255)  # lightened, too
WHITE: Colour = (255, 255, 255)
BLACK: Colour = (0, 0, 0)

TIME_COLOURS: tuple[Colour, ...] = (
    (209, 111, 141),
    (214, 143, 95),
    (185, 166, 58),
    (156, 191, 31),
    (107, 211, 95),
    (57, 218, 160),
    (37, 231, 253),
)
"""From long ago to now."""

RESEARCH_LINE = "Research use only: not a medical device"


def time_colour(share: float) -> Colour:
    """Return the colour of a moment: 0 is long ago, 1 is now."""
    return TIME_COLOURS[round(min(max(share, 0.0), 1.0) * (len(TIME_COLOURS) - 1))]
