"""Truth and results of a needle, made by hand."""

from types import SimpleNamespace

import numpy as np

import usguide as ug

INTERVAL_S = 0.1


def straight_truth(visible_mm, *, angle_deg=0.0, entry_mm=(0.0, 10.0)):
    """A straight needle from the left whose tip is `visible_mm` along from its entry; 0 is no needle."""
    visible = np.asarray(visible_mm, float)
    u = np.array([np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))])
    entry = np.tile(np.asarray(entry_mm, float), (len(visible), 1))
    tip = entry + visible[:, None] * u
    entry[visible <= 0] = tip[visible <= 0] = np.nan
    return SimpleNamespace(tip_mm=tip, entry_mm=entry, visible_mm=visible, angle_deg=np.full(len(visible), angle_deg))


def result(
    index, tip=None, *, entry=(0.0, 10.0), state=ug.TrackState.TRACKING, confidence=1.0, injectate=None, **fields
):
    """A result 0.1 s after the one before it; SEARCHING without a tip."""
    tracks = ()
    if tip is not None:
        shaft, end = ug.Shaft(tuple(entry), tuple(tip), 10.0), ug.Tip(tuple(tip), ((1, 0), (0, 1)), 1.0)
        tracks = (ug.NeedleTrack(1, state, shaft, end, 0, confidence, 1, 1, 0),)
    else:
        state = ug.TrackState.SEARCHING
    return ug.GuidanceResult(index, INTERVAL_S * index, state, ug.InputState.OK, tracks, injectate, **fields)


def right_results(truth, frames=None):
    """The truth itself, in the given frames (by default in all with a needle)."""
    frames = np.flatnonzero(truth.visible_mm > 0) if frames is None else frames
    return [result(int(k), truth.tip_mm[k], entry=truth.entry_mm[k]) for k in frames]
