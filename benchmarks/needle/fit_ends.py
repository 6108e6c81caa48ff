"""Fits the small network that tells where a shaft ends: a softmax over the places along a strip, learnt by Adam."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from collect import Strip
from numpy.typing import NDArray

from usguide.detection._kernels.ends import INPUTS
from usguide.detection.ends import EndNet

F32 = NDArray[np.float32]

UNITS, EPOCHS, BATCH = 16, 20, 64
RATE, DECAY = 3e-3, 1e-4
SOFT_PX = 1.0
"""The true end is known to half a millimetre: the point spread is no narrower."""


def fitted_ends(strips: Sequence[Strip], seed: int = 0) -> EndNet:
    """Fit the network; the same strips give the same one."""
    rng = np.random.default_rng(seed)
    x = np.concatenate([s.inputs[s.least :] for s in strips]).astype(np.float32)
    target = np.concatenate([_target(s) for s in strips])
    sizes = np.array([len(s.inputs) - s.least for s in strips])
    first = np.concatenate([[0], np.cumsum(sizes)])
    mean, scale = x.mean(axis=0), x.std(axis=0) + 1e-3
    x = (x - mean) / scale
    w = {
        "a": (rng.normal(size=(INPUTS, UNITS)) / np.sqrt(INPUTS)).astype(np.float32),
        "b": np.zeros(UNITS, np.float32),
        "c": (rng.normal(size=UNITS) / np.sqrt(UNITS)).astype(np.float32),
    }
    moments = {k: (np.zeros_like(v), np.zeros_like(v)) for k, v in w.items()}
    steps = EPOCHS * -(-len(strips) // BATCH)
    done = 0
    for _ in range(EPOCHS):
        order = rng.permutation(len(strips))
        for at in range(0, len(order), BATCH):
            some = order[at : at + BATCH]
            rows = np.concatenate([np.arange(first[k], first[k + 1]) for k in some])
            groups = np.concatenate([[0], np.cumsum(sizes[some])[:-1]])
            gradient = _gradient(w, x[rows], target[rows], groups, sizes[some])
            done += 1
            _adam(w, moments, gradient, done, RATE * (1 - done / (steps + 1)))
    hidden = w["a"] / scale[:, None]
    return EndNet(np.vstack([hidden, w["b"] - mean @ hidden]).astype(np.float32), w["c"])


def _target(s: Strip) -> F32:
    places = np.arange(s.least, len(s.inputs))
    soft = np.exp(-0.5 * ((places - max(s.true_px, s.least)) / SOFT_PX) ** 2)
    return np.asarray(soft / soft.sum(), dtype=np.float32)


def _gradient(
    w: dict[str, F32], x: F32, target: F32, groups: NDArray[np.int64], sizes: NDArray[np.int64]
) -> dict[str, F32]:
    """Of the cross entropy of a softmax over each group of rows, mean over the groups."""
    hidden = np.maximum(x @ w["a"] + w["b"], 0)
    score = hidden @ w["c"]
    score = np.exp(score - np.repeat(np.maximum.reduceat(score, groups), sizes))
    wrong = (score / np.repeat(np.add.reduceat(score, groups), sizes) - target) / np.float32(len(groups))
    back = wrong[:, None] * w["c"] * (hidden > 0)
    return {"a": x.T @ back, "b": back.sum(axis=0), "c": hidden.T @ wrong}


def _adam(
    w: dict[str, F32], moments: dict[str, tuple[F32, F32]], gradient: dict[str, F32], step: int, rate: float
) -> None:
    for k, g in gradient.items():
        m, v = moments[k]
        m += 0.1 * (g - m)
        v += 0.001 * (g * g - v)
        ahead = m / (1 - 0.9**step) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8)
        w[k] -= np.float32(rate) * (ahead + np.float32(DECAY / RATE) * w[k])
