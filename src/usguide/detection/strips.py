"""A small fitted network reads the band along a candidate: whether it is a needle, and where it ends."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files

import cv2
import numpy as np
from numpy.typing import NDArray

from usguide.detection._kernels.examine import along
from usguide.detection._kernels.strip import ACROSS, CHANNELS, LAGS, strip_inputs
from usguide.detection._kernels.strip_net import end_of, run_strip_net
from usguide.detection.candidates import ACTIVITY, FEATURE_NAMES, Candidate
from usguide.detection.evidence import Evidence
from usguide.errors import InputError

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

UNITS, HEAD = 48, 16
DILATIONS = (1, 2, 4, 8, 16, 32)
"""Px to the neighbours that each layer reads: 63 to either side in all."""
_DILATIONS = np.array(DILATIONS)
SCALARS = 3
"""The trees' log-odds, how much is new everywhere, and whether anything is known to be."""
FLOOR_MM2 = 0.04
"""No end is known better than to its square root."""
NEAR_MM = 1.2
"""The end is the mean this close around the likeliest place: the mean of two far places is neither."""
NEW_KNOWN = FEATURE_NAMES.index("new_known")
TREES_SHARE = 0.3
"""In a picture on its own the trees' log-odds count so much: together they err less than either (tuning stills)."""
RUN_SHARE, MOST_AGAINST = 0.1, 40.0
"""There, too, so much of the running sum of evidence is added to what the network says of ends: next to nothing changes on
tuning stills, and it knows nothing that a renderer may have wrong. It puts one real needle's end right."""
WIDE_MM = 1.5
"""Grey levels far from the line are averaged over a square of this side."""


@dataclass(frozen=True, slots=True, eq=False)
class StripNet:
    """Layers of a network that `benchmarks/needle/fit.py` fits.

    The one for pictures on their own is older: 24 units, no weight on what has changed, and nothing in the sixth layer.

    Parameters
    ----------
    first, first_bias : ndarray of float32, shape (UNITS, CHANNELS) and (UNITS,)
    deeper, deeper_bias : ndarray of float32, shape (6, 3, UNITS, UNITS) and (6, UNITS)
        Read the px before, here and behind, and are added to what they read: tap, out, in.
    end, gaze : ndarray of float32, shape (UNITS,)
        Log-odds of an end; how much each px counts in the mean.
    head, head_bias : ndarray of float32, shape (HEAD, 2 * UNITS + SCALARS) and (HEAD,)
    last : ndarray of float32, shape (HEAD,)
    last_bias : float
    """

    first: F32
    first_bias: F32
    deeper: F32
    deeper_bias: F32
    end: F32
    gaze: F32
    head: F32
    head_bias: F32
    last: F32
    last_bias: float

    def __post_init__(self) -> None:
        if len(self.first) % 4:
            raise InputError(f"StripNet: expected a multiple of four units, got {len(self.first)}")

    def read(self, inputs: F32, scalars: F32) -> tuple[float, F64]:
        """Return the log-odds of a needle, and log-likelihoods of an end at each px, to within a constant.

        Parameters
        ----------
        inputs : ndarray of float32, shape (CHANNELS, n)
        scalars : ndarray of float32, shape (SCALARS,)
        """
        units = len(self.first)
        ends, pooled = np.empty(inputs.shape[1], np.float32), np.empty(2 * units + SCALARS, np.float32)
        run_strip_net(
            inputs, self.first, self.first_bias, self.deeper, self.deeper_bias, _DILATIONS, self.end, self.gaze,
            ends, pooled,
        )  # fmt: skip
        pooled[2 * units :] = scalars
        odds = self.last @ np.maximum(self.head @ pooled + self.head_bias, 0) + self.last_bias
        return float(odds), ends.astype(np.float64)


@cache
def strip_net(*, alone: bool = False) -> StripNet:
    """Return the network that comes with usguide for frames of a stream, or for pictures on their own."""
    name = "strip-alone.npz" if alone else "strip.npz"
    with (
        files("usguide.detection.fitted").joinpath(name).open("rb") as stream,
        np.load(stream, allow_pickle=False) as arrays,
    ):
        layers = {f.name: arrays[f.name] for f in fields(StripNet)}
    if layers["first"].shape[1] != CHANNELS or layers["deeper"].shape[0] != len(DILATIONS):
        raise AssertionError(f"usguide.detection/{name}: fitted for other inputs; run benchmarks/needle/fit.py")
    return StripNet(**{**layers, "last_bias": float(layers["last_bias"])})


class StripReader:
    """Lays the bands along candidates of one frame straight."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = e = evidence
        side = max(1, round(WIDE_MM / e.mm_per_px)) | 1
        self._change = np.zeros_like(e.smooth) if e.difference is None else e.difference
        self._wide_grey = _blurred(e.smooth, side)
        self._wide_change = _blurred(self._change, side)
        if e.since is not None and e.since.shape != (LAGS, *e.smooth.shape):
            raise InputError(f"since: expected shape {(LAGS, *e.smooth.shape)}, got {e.since.shape}")
        if e.since is None:
            self._since = self._wide_since = np.zeros((LAGS, *e.smooth.shape), np.float32)
        else:
            self._since, self._wide_since = e.since, np.stack([_blurred(s, side) for s in e.since])
        self._unknown = np.zeros_like(e.look.known)

    def read(self, c: Candidate) -> F32:
        """Return what the network reads of one candidate: float32, shape (CHANNELS, n + 1)."""
        e = self._evidence
        n = len(c.sums)
        inputs = np.empty((CHANNELS, n), np.float32)
        new = e.new or e.look
        strip_inputs(
            e.look.hessian, e.look.known, e.look.energy, e.look.floor2,
            new.hessian, self._unknown if e.new is None else new.known, new.energy, new.floor2,
            e.smooth, self._wide_grey, self._change, self._wide_change, self._since, self._wide_since,
            *c.strip, c.bend, c.start, c.least, e.mm_per_px, inputs,
        )  # fmt: skip
        if math.sin(c.chord_rad) < 0:
            # Shafts were learnt going down: one that rises is read as in a picture that stands on its head.
            for first, count in ACROSS:
                inputs[first : first + count] = inputs[first : first + count][::-1]
        return inputs


def _blurred(image: F32, side: int) -> F32:
    return np.asarray(cv2.blur(image, (side, side), borderType=cv2.BORDER_REPLICATE), dtype=np.float32)


def scalars_of(features: F64, tree_log_odds: float) -> F32:
    """Return what the network is told of a candidate beside its band."""
    known = float(features[NEW_KNOWN])
    return np.array(
        [min(max(tree_log_odds, -8.0), 8.0) / 5, min(max(float(features[ACTIVITY]), -4.0), 4.0) / 2, known], np.float32
    )


def read_candidates(
    candidates: Sequence[Candidate], evidence: Evidence, net: StripNet, least_log_odds: float = -math.inf
) -> list[Candidate]:
    """Give candidates the network's log-odds in place of the trees', and put their ends where it sees them.

    Returns those that are at least so likely.
    """
    if not candidates:
        return []
    reader = StripReader(evidence)
    alone = evidence.new is None
    trees = TREES_SHARE if alone else 0.0
    likely = []
    for c in candidates:
        odds, ends = net.read(reader.read(c), scalars_of(c.features, c.log_odds))
        c.log_odds = (1 - trees) * odds + trees * c.log_odds
        if c.log_odds < least_log_odds:
            continue
        if alone:
            ends += RUN_SHARE * np.maximum(c.sums - c.sums[c.least :].max(), -MOST_AGAINST)
        c.sums = ends
        _place_end(c, evidence.mm_per_px)
        likely.append(c)
    return likely


def _place_end(c: Candidate, mm_per_px: float) -> None:
    end, square_px = end_of(c.sums, c.least, int(NEAR_MM / mm_per_px))
    x, y, _ = along(*c.strip, c.bend, end)
    c.end = np.array([x, y])
    c.chord_rad = math.atan2(*(c.end - c.entry)[::-1])
    c.end_variance_mm2 = square_px * mm_per_px**2 + FLOOR_MM2
