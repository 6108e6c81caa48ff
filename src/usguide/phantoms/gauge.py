"""Needle gauges."""

from __future__ import annotations

from usguide._validation import validate_number
from usguide.errors import InputError

OUTER_DIAMETER_MM = {
    14: 2.108,
    15: 1.829,
    16: 1.651,
    17: 1.473,
    18: 1.270,
    19: 1.067,
    20: 0.908,
    21: 0.819,
    22: 0.718,
    23: 0.642,
    24: 0.566,
    25: 0.515,
    26: 0.464,
    27: 0.413,
}
"""Nominal outer diameters of hypodermic tubing (regular gauges of the Birmingham wire gauge)."""


def gauge_to_mm(gauge: int) -> float:
    """Outer diameter of a needle of a gauge.

    Parameters
    ----------
    gauge : int
        14 to 27, without the G.

    Raises
    ------
    InputError
        There is no such gauge here.
    """
    number = validate_number(gauge, name="gauge")
    if number not in OUTER_DIAMETER_MM:
        raise InputError(f"gauge: expected a whole number from 14 to 27, got {gauge!r}; give the diameter in mm")
    return OUTER_DIAMETER_MM[int(number)]
