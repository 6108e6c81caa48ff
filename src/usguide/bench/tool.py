"""Scores of a moving tool that is no needle: is it followed, where does it end, and is a wall beside it taken for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from usguide.bench.sequences import Recorded, Tool
from usguide.errors import InputError
from usguide.geometry import ImageGeometry, Point
from usguide.types import GuidanceResult, Shaft, TrackState

POINTS = 65
"""Along a shaft, of which more than half within a wall make the wall what is tracked."""


@dataclass(frozen=True, slots=True)
class ToolScores:
    """Over the frames from `Tool.judged_from` on."""

    frames: int
    tracked_frames: int
    """`TRACKING`, and no wall."""
    wall_frames: int
    """`TRACKING` with more than half of the shaft, as far as walls are known there, on a wall."""
    end_errors_mm: tuple[float, ...]
    """From the reported visible end to each point read by eye; infinite without `TRACKING`."""


def score_tool(
    content: Recorded, geometry: ImageGeometry, results: Sequence[GuidanceResult], frames: int
) -> ToolScores:
    """Score results with what was read by eye.

    Parameters
    ----------
    content : Recorded
        With `tool` and `by_eye`.
    geometry : ImageGeometry
        Of the frames.
    results : sequence of GuidanceResult
        Matched by `index`; a frame without a result is not tracked.
    frames : int
        Of the recording.

    Returns
    -------
    ToolScores

    Raises
    ------
    InputError
        The recording shows no tool.
    """
    tool, by_eye = content.tool, content.by_eye or {}
    if tool is None:
        raise InputError("content: expected a recording with a tool, got one without")
    shafts = {r.index: r.track.shaft for r in results if r.track is not None and r.state is TrackState.TRACKING}
    judged = range(tool.judged_from, frames)
    walls = [k for k in judged if k in shafts and on_a_wall(shafts[k], tool, geometry)]
    errors = tuple(
        float(np.hypot(*(np.asarray(shafts[k].distal_mm) - geometry.to_mm(by_eye[k][0])))) if k in shafts else np.inf
        for k in judged
        if k in by_eye
    )
    return ToolScores(len(judged), sum(k in shafts for k in judged) - len(walls), len(walls), errors)


def on_a_wall(shaft: Shaft, tool: Tool, geometry: ImageGeometry) -> bool:
    """Tell whether more than half of a shaft, where walls are known, lies within one of the walls."""
    points = geometry.to_px(np.linspace(shaft.entry_mm, shaft.distal_mm, POINTS))
    return any(_share_within(points, *wall) > 0.5 for wall in tool.walls)


def _share_within(points_px: NDArray[np.float64], upper: tuple[Point, ...], lower: tuple[Point, ...]) -> float:
    (x0, y0), (x1, y1) = (np.transpose(edge) for edge in (upper, lower))
    x, y = points_px.T
    known = (x >= max(x0[0], x1[0])) & (x <= min(x0[-1], x1[-1]))
    within = (y >= np.interp(x, x0, y0)) & (y <= np.interp(x, x1, y1))
    return float(within[known].mean()) if known.any() else 0.0
