"""Scores as plain dicts, for files."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

RAW = {"raw": True}
"""Metadata of a field that holds frame by frame data and is left out of a plain dict."""


def to_plain(value: Any) -> Any:
    """Turn scores (or a dict that holds some) into what standard JSON can hold.

    Parameters
    ----------
    value : dataclass, mapping, sequence or scalar
        Field names become keys and carry the units. Frame by frame data (`raw`) is left out.

    Returns
    -------
    dict, list or scalar
        Infinity, which JSON lacks, becomes the word ``"infinite"``: None already says that there is nothing to say.
        `ErrorSummary.misses` counts the infinite ones. NaN becomes None.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_plain(getattr(value, f.name)) for f in fields(value) if "raw" not in f.metadata}
    if isinstance(value, Mapping):
        return {k: to_plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(v) for v in value]
    if isinstance(value, np.generic | np.ndarray):
        return to_plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return "infinite" if value > 0 else None
    return value
