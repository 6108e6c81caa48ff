"""Outlines that were drawn in another program: a list of points, or a closed curve of 3D Slicer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from usguide._validation import validate_outline
from usguide.errors import FormatError, InputError
from usguide.types import Outline


def read_outline(path: str | Path) -> Outline:
    """Read a closed outline in mm.

    Parameters
    ----------
    path : path
        JSON: ``[[x, z], ...]``, or markups as 3D Slicer writes them (``.mrk.json``, in LPS or RAS), whose first curve or
        list of points counts: lateral is x and axial is y, as in the sequences and markups that usguide writes.

    Raises
    ------
    FormatError
        Not there, or no outline that encloses an area.
    """
    file = Path(path)
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        points = _of_markups(found) if isinstance(found, dict) else np.asarray(found, dtype=float)
        return validate_outline(points, name="outline")
    except InputError as error:
        raise FormatError(f"{file.name}: {error}; draw it again") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "bytes that are no text"
        raise FormatError(f"{file}: expected an outline, got: {reason}; check the name") from None
    except (ValueError, TypeError, LookupError, RecursionError):
        raise FormatError(
            f"{file.name}: expected [[x, z], ...] in mm or 3D Slicer's markups, got something else; export it again"
        ) from None


def _of_markups(found: dict[str, Any]) -> Any:
    markup = found["markups"][0]
    points = np.array([p["position"] for p in markup["controlPoints"]], dtype=float)
    # LPS unless it says otherwise; RAS is LPS turned half round.
    sign = -1.0 if str(markup.get("coordinateSystem", "LPS")) in ("RAS", "0") else 1.0
    return sign * points[:, :2]
