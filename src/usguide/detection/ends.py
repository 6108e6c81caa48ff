"""Where a shaft ends: a small fitted network reads what lies before and behind every place along its line."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from usguide.detection._kernels.ends import CHANNELS, INPUTS, beside, end_inputs
from usguide.detection._kernels.examine import along
from usguide.detection._kernels.profile import HALF_STRIP, straighten
from usguide.detection.candidates import Candidate
from usguide.detection.evidence import Evidence

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

FLOOR_MM2 = 0.04
"""No end is known better than to its square root."""
NEAR_MM = 1.2
"""The end is the mean this close around the likeliest place: the mean of two far places is neither."""


@dataclass(frozen=True, slots=True, eq=False)
class EndNet:
    """One hidden layer; `benchmarks/needle/fit.py` fits it.

    Parameters
    ----------
    hidden : ndarray of float32, shape (INPUTS + 1, units)
        Weights, the last row added to every sum.
    output : ndarray of float32, shape (units,)
    """

    hidden: F32
    output: F32

    def log_likelihood(self, inputs: F64) -> F64:
        """Log-likelihood of an end at each place, to within a constant, from the rows of `end_inputs`."""
        sums = inputs.astype(np.float32) @ self.hidden[:-1] + self.hidden[-1]
        return np.asarray(np.maximum(sums, 0, out=sums) @ self.output, dtype=np.float64)


@cache
def end_net() -> EndNet:
    """Return the network that comes with usguide."""
    with (
        files("usguide.detection.fitted").joinpath("end.npz").open("rb") as stream,
        np.load(stream, allow_pickle=False) as arrays,
    ):
        net = EndNet(arrays["hidden"], arrays["output"])
    if net.hidden.shape[0] != INPUTS + 1:
        raise AssertionError("usguide.detection/end.npz: fitted for other inputs; run benchmarks/needle/fit.py")
    return net


def inputs_along(candidate: Candidate, evidence: Evidence) -> F64:
    """Return what the network reads: a row for every place along a candidate's strip, a pixel apart."""
    n = len(candidate.sums) - 1
    x, y, angle = candidate.strip
    channels = np.zeros((CHANNELS, n))
    strip, seen = np.empty((n, 2 * HALF_STRIP + 1), np.float32), np.empty(n, np.float32)
    for k, maps in enumerate((evidence.look, evidence.new)):
        if maps is not None:
            straighten(
                maps.hessian,
                maps.known,
                maps.energy,
                maps.floor2,
                x,
                y,
                angle,
                candidate.bend,
                n,
                0,
                strip,
                seen,
            )
            channels[k], channels[k + 2] = strip[:, HALF_STRIP], seen
    if evidence.difference is not None:
        beside(evidence.difference, x, y, angle, candidate.bend, n, channels[4], channels[5])
    inputs = np.empty((n + 1, INPUTS))
    end_inputs(channels, candidate.sums, candidate.least, candidate.start, inputs)
    return inputs


def place_end(candidate: Candidate, evidence: Evidence, net: EndNet) -> None:
    """Put a candidate's end where the network sees it; `sums` becomes the log-likelihood of an end at each place."""
    scores = net.log_likelihood(inputs_along(candidate, evidence))
    candidate.sums = scores
    places = np.arange(candidate.least, len(scores))
    chance = np.exp(scores[candidate.least :] - scores[candidate.least :].max())
    peak = int(places[np.argmax(chance)])
    near = int(NEAR_MM / evidence.mm_per_px)
    part = slice(max(0, peak - near - candidate.least), peak + near + 1 - candidate.least)
    end = float(chance[part] @ places[part]) / float(chance[part].sum())
    x, y, _ = along(*candidate.strip, candidate.bend, end)
    candidate.end = np.array([x, y])
    candidate.chord_rad = math.atan2(*(candidate.end - candidate.entry)[::-1])
    spread = float(chance @ (places - end) ** 2) / float(chance.sum())
    candidate.end_variance_mm2 = spread * evidence.mm_per_px**2 + FLOOR_MM2
