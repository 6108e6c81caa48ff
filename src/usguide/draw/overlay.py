"""The overlay: shaft, tip with its uncertainty, injectate, state, target, scale bar, over the frame's own pixels."""

from __future__ import annotations

import math

import numpy as np

from usguide.draw.canvas import Canvas
from usguide.draw.colours import ORANGE, PURPLE, RESEARCH_LINE, SKY_BLUE, WHITE, YELLOW, Colour
from usguide.draw.pixels import Image
from usguide.draw.spread import UNSURE_BELOW, SpreadTrail, draw_keep_out, draw_spread, draw_time_key, spread_words
from usguide.types import Frame, GuidanceResult, InputState, NeedleTrack, TargetGuidance, TrackState

PATH_MM = 10.0
"""Length of the predicted path beyond the tip, where no target gives it."""

STATE_COLOUR = {
    TrackState.TRACKING: SKY_BLUE,
    TrackState.COASTING: ORANGE,
    TrackState.LOST: ORANGE,
    TrackState.SEARCHING: WHITE,
}


def draw_overlay(frame: Frame, result: GuidanceResult, trail: SpreadTrail | None = None) -> Image:
    """Draw a result over its frame.

    Parameters
    ----------
    frame : Frame
        With a region, only the region is shown: text that the scanner burnt in around it stays out.
    result : GuidanceResult
        Of the same frame.
    trail : SpreadTrail, optional
        Remembers where the injectate was, for outlines coloured by time; without one only that of now is drawn.

    Returns
    -------
    ndarray of uint8, shape (h, w, 3)
        BGR, with square pixels and even sides, each at least 480 px unless the other would pass 4096.
    """
    canvas = Canvas(frame)
    track = result.track if result.track is not None and result.track.state is not TrackState.LOST else None
    for name, outline in result.keep_out_mm.items():
        draw_keep_out(canvas, name, outline)
    moments = (SpreadTrail() if trail is None else trail).add(result)
    if result.injectate is not None:
        draw_spread(canvas, moments, sure=result.injectate.confidence >= UNSURE_BELOW)
    if result.target is not None:
        _target(canvas, result.target)
    if track is not None:
        _needle(canvas, track, result.target.along_mm if result.target is not None else None)
    foot = _words(canvas, result, track)
    canvas.scale_bar()
    draw_time_key(canvas, moments, above=foot)
    return canvas.image


def _needle(canvas: Canvas, track: NeedleTrack, along_mm: float | None) -> None:
    """Draw what is seen solid, what is predicted dashed, and the way ahead dotted."""
    seen = track.state is TrackState.TRACKING
    colour = STATE_COLOUR[track.state]
    entry_mm, tip_mm = np.asarray(track.shaft.entry_mm), np.asarray(track.tip.position_mm)
    entry, distal, tip = canvas.px([track.shaft.entry_mm, track.shaft.distal_mm, track.tip.position_mm])
    length_mm = float(np.hypot(*(tip_mm - entry_mm)))
    if length_mm > 0:
        ahead_mm = PATH_MM if along_mm is None else max(along_mm, 0.0)
        end = canvas.px(tip_mm + (tip_mm - entry_mm) * (ahead_mm / length_mm))[0]
        canvas.dashes(tip, end, colour, 2.0, dash=6)
    # The visible end and the tip are two things: between them the shaft is a prediction.
    visible = distal if math.dist(entry, distal) < math.dist(entry, tip) else tip
    if seen:
        canvas.dashes(visible, tip, colour, 2.5)
        canvas.stroke([entry, visible], colour, 2.5)
    else:
        canvas.dashes(entry, tip, colour, 2.5)
    _ellipse(canvas, track, YELLOW if seen else ORANGE, dashed=not seen)
    _tip_mark(canvas, tip, seen=seen)


def _tip_mark(canvas: Canvas, tip: tuple[float, float], *, seen: bool) -> None:
    """Draw a cross where the tip is measured, an open diamond where it is predicted."""
    (x, y), r = tip, (6 if seen else 8) * canvas.unit
    if seen:
        for sign in (1, -1):
            canvas.stroke([(x - r, y - sign * r), (x + r, y + sign * r)], YELLOW, 2.0)
    else:
        canvas.stroke([(x - r, y), (x, y - r), (x + r, y), (x, y + r)], ORANGE, 2.0, closed=True)


def _ellipse(canvas: Canvas, track: NeedleTrack, colour: Colour, *, dashed: bool) -> None:
    """95 % of the tip's probability."""
    values, vectors = np.linalg.eigh(np.asarray(track.tip.covariance_mm2))
    axes = np.sqrt(np.maximum(values, 0) * 5.991)
    turn = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    circle = np.stack([axes[0] * np.cos(turn), axes[1] * np.sin(turn)])
    points = canvas.px((vectors @ circle).T + track.tip.position_mm)
    if dashed:
        for k in range(0, len(points), 8):
            canvas.stroke(points[k : k + 5], colour, 2.0)
    else:
        canvas.stroke(points, colour, 1.5, closed=True)


def _target(canvas: Canvas, target: TargetGuidance) -> None:
    """Draw a reticle that leaves its centre free, and the outline where there is one."""
    if target.outline_mm is not None:
        canvas.stroke(canvas.px(target.outline_mm), PURPLE, 1.5, closed=True)
    (x, y), r = canvas.px(target.position_mm)[0], 10 * canvas.unit
    turn = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    canvas.stroke([(x + r * math.cos(t), y + r * math.sin(t)) for t in turn], PURPLE, 2.0, closed=True)
    for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        near, far = 0.5 * r, 1.8 * r
        canvas.stroke([(x + near * dx, y + near * dy), (x + far * dx, y + far * dy)], PURPLE, 2.0)


def _words(canvas: Canvas, result: GuidanceResult, track: NeedleTrack | None) -> int:
    """Write what the lines do not show; return the height in px of the panel at the foot."""
    head, colour = str(result.state), STATE_COLOUR[result.state]
    if track is not None:
        head += f"  {100 * track.confidence:.0f} %"
    lines = [(head, 0.8, colour)]
    if result.input_state is InputState.INVALID:
        # Nothing was seen in this frame: the state is the one before it, and must not look like a finding.
        lines = [("INPUT INVALID", 0.8, ORANGE)]
    elif result.input_state is not InputState.OK:
        lines.append((f"INPUT {result.input_state}", 0.6, ORANGE))
    if track is not None:
        inside_mm = math.dist(track.shaft.entry_mm, track.tip.position_mm)
        lines.append((f"{track.shaft.angle_deg:.0f} deg   {inside_mm:.1f} mm in", 0.6, WHITE))
        if result.target is not None and result.target.distance_mm is not None:
            lines.append((f"{result.target.distance_mm:.1f} mm to target", 0.6, WHITE))
    if result.injectate is not None:
        lines += spread_words(result.injectate)
    canvas.panel(lines, top=True)
    foot = f"{result.timestamp_s:.2f} s   frame {result.index}"
    return canvas.panel([(foot, 0.45, WHITE), (RESEARCH_LINE, 0.42, WHITE)], top=False)
