"""Fits the network that reads the band along a candidate: a needle or not, and where it ends; learnt by Adam in PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from usguide.detection._kernels.strip import (
    CHANGE_AT,
    CHANNELS,
    FAR,
    FAR_CHANGE_AT,
    FAR_GREY_AT,
    GREY_AT,
    HALF_BAND,
    LOOK_SEEN,
    MAY_END,
    NEW_AT,
    NEW_SEEN,
    SINCE_AT,
    WAY,
    WAY_PX,
)
from usguide.detection.strips import DILATIONS, HEAD, SCALARS, UNITS, StripNet

F32 = NDArray[np.float32]

EPOCHS, BATCH, RATE, DECAY = 12, 96, 4e-3, 1e-3
FURTHER_EPOCHS, FURTHER_RATE = 5, 2e-3
"""Of one that was fitted before, on fewer bands."""
SOFT_PX = 1.0
"""The true end is known to half a millimetre: the point spread is no narrower."""
HIDDEN_SHARE, SHOWN_PX = 0.15, 25
"""So many needles start within the picture; so much of them is left."""
END_SHARE, BLUR_SHARE = 0.35, 0.01
"""Weight of the ends beside that of needle or not; how far labels are taken from certain."""


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """One band with what is known of it."""

    inputs: NDArray[np.float16]
    scalars: F32
    line: bool
    true_px: float
    weight: float
    """It counts as so many."""
    hidden_share: float = HIDDEN_SHARE
    """How often it starts within the picture where it is a needle."""


class Reader(nn.Module):
    """The same arithmetic as `usguide.detection._kernels.strip_net`, on batches: examples, px, channels."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(CHANNELS, UNITS, 1)
        self.deeper = nn.ModuleList(
            [nn.Conv2d(UNITS, UNITS, (1, 3), dilation=(1, d), padding=(0, d)) for d in DILATIONS]
        )
        self.end = nn.Conv2d(UNITS, 1, 1, bias=False)
        self.gaze = nn.Conv2d(UNITS, 1, 1, bias=False)
        self.head = nn.Linear(2 * UNITS + SCALARS, HEAD)
        self.last = nn.Linear(HEAD, 1)

    def forward(self, x: Tensor, scalars: Tensor) -> tuple[Tensor, Tensor]:
        """Return the log-odds of a needle, and those of an end at each px."""
        x = x.permute(0, 2, 1)[:, :, None].contiguous(memory_format=torch.channels_last)
        seen = x[:, LOOK_SEEN : LOOK_SEEN + 1]
        h = torch.relu(self.first(x)) * seen
        for layer in self.deeper:
            h = (h + torch.relu(layer(h))) * seen
        end = self.end(h)[:, 0, 0] - 1e4 * (1 - x[:, MAY_END, 0])
        unseen = -1e4 * (1 - seen)
        gaze = torch.softmax(self.gaze(h) + unseen, dim=3)
        pooled = [(gaze * h).sum(dim=(2, 3)), (h + unseen).amax(dim=(2, 3)).clamp(min=0), scalars]
        return self.last(torch.relu(self.head(torch.cat(pooled, dim=1))))[:, 0], end


def fitted_strips(
    examples: Sequence[Example],
    seed: int = 0,
    epochs: int | None = None,
    *,
    start: StripNet | None = None,
    say: bool = False,
) -> StripNet:
    """Fit the network, further if there is one to start from; on one machine the same examples give the same one."""
    usual, rate = (FURTHER_EPOCHS, FURTHER_RATE) if start else (EPOCHS, RATE)
    epochs = usual if epochs is None else epochs
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    rng = np.random.default_rng(seed)
    model = Reader() if start is None else as_reader(start)
    steps = epochs * -(-len(examples) // BATCH)
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, rate, total_steps=steps, pct_start=0.05 if start else 0.15
    )
    # Bands of about the same length share a batch.
    length = np.array([e.inputs.shape[1] for e in examples])
    for epoch in range(epochs):
        order = np.argsort(length + rng.uniform(0, 30, len(length)), kind="stable")
        batches = [order[k : k + BATCH] for k in range(0, len(order), BATCH)]
        total = np.zeros(2)
        for k in rng.permutation(len(batches)):
            some = [examples[i] for i in batches[k]]
            x, scalars = _batch(some)
            _hide_starts(x, some, rng)
            _disturb(x, scalars, rng)
            # Half the digits: the noise is far below that of the batches, and some processors are twice as fast.
            with torch.autocast("cpu", torch.bfloat16):
                odds, end = (found.float() for found in model(x, scalars))
            line = torch.tensor([float(e.line) for e in some])
            weight = torch.tensor([e.weight for e in some])
            loss = nn.functional.binary_cross_entropy_with_logits(
                odds, line * (1 - 2 * BLUR_SHARE) + BLUR_SHARE, weight=weight
            )
            places = torch.tensor([e.true_px for e in some])
            known = torch.isfinite(places)
            missed = torch.zeros(())
            if bool(known.any()):
                px = torch.arange(x.shape[1], dtype=torch.float32)
                target = torch.softmax(-0.5 * ((px - places[known, None]) / SOFT_PX) ** 2, dim=1)
                missed = -(target * torch.log_softmax(end[known], dim=1).clamp(min=-20)).sum(dim=1)
                missed = (weight[known] * missed).mean()
            optimiser.zero_grad()
            (loss + END_SHARE * missed).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 2.0)
            optimiser.step()
            schedule.step()
            total += float(loss.detach()), float(missed.detach())
        if say:
            print(f"  epoch {epoch + 1}: {total[0] / len(batches):.4f} {total[1] / len(batches):.4f}", flush=True)
    return as_net(model)


def as_net(model: Reader) -> StripNet:
    """Take the weights out."""

    def plain(t: Tensor) -> F32:
        return np.ascontiguousarray(t.detach().numpy().astype(np.float32))

    return StripNet(
        plain(model.first.weight[:, :, 0, 0]),
        plain(model.first.bias),
        np.stack([plain(layer.weight[:, :, 0].permute(2, 0, 1)) for layer in model.deeper]),
        np.stack([plain(layer.bias) for layer in model.deeper]),
        plain(model.end.weight[0, :, 0, 0]),
        plain(model.gaze.weight[0, :, 0, 0]),
        plain(model.head.weight),
        plain(model.head.bias),
        plain(model.last.weight)[0],
        float(model.last.bias.detach()),
    )


def as_reader(net: StripNet) -> Reader:
    """Put the weights of a network in: `as_net` turned round."""
    model = Reader()
    first = {"weight": net.first[:, :, None, None], "bias": net.first_bias}
    held = {f"first.{k}": v for k, v in first.items()}
    for k, (weight, bias) in enumerate(zip(net.deeper, net.deeper_bias, strict=True)):
        held |= {f"deeper.{k}.weight": weight.transpose(1, 2, 0)[:, :, None], f"deeper.{k}.bias": bias}
    held |= {"end.weight": net.end[None, :, None, None], "gaze.weight": net.gaze[None, :, None, None]}
    held |= {"head.weight": net.head, "head.bias": net.head_bias}
    held |= {"last.weight": net.last[None], "last.bias": np.array([net.last_bias], np.float32)}
    model.load_state_dict({k: torch.from_numpy(np.array(v, np.float32)) for k, v in held.items()})
    return model


def _batch(some: Sequence[Example]) -> tuple[Tensor, Tensor]:
    longest = max(e.inputs.shape[1] for e in some)
    x = np.zeros((len(some), longest, CHANNELS), np.float32)
    for k, e in enumerate(some):
        x[k, : e.inputs.shape[1]] = e.inputs.T
    return torch.from_numpy(x), torch.from_numpy(np.stack([e.scalars for e in some]))


def _disturb(x: Tensor, scalars: Tensor, rng: np.random.Generator) -> None:
    """Vary what renderer and scanners may differ in: how much has changed, shadows, what is known, where shafts start."""
    n = len(x)

    def some(share: float) -> Tensor:
        return torch.from_numpy(rng.random(n) < share)

    change = slice(CHANGE_AT, CHANGE_AT + 2 * HALF_BAND + 1)
    far_change = slice(FAR_CHANGE_AT, FAR_CHANGE_AT + FAR)
    gain = torch.from_numpy(rng.uniform(0.6, 1.5, n).astype(np.float32))[:, None, None]
    x[..., change] *= gain
    x[..., far_change] *= gain
    # Not every stream has run for long; what has just changed is as strong as what is new.
    since = slice(SINCE_AT, LOOK_SEEN)
    x[..., since] *= gain
    x[some(0.15), :, since] = 0
    # No shadow, or an echo in place of one.
    none = some(0.2)
    x[none, :, far_change] = 0
    turned = some(0.12)
    x[turned, :, CHANGE_AT + HALF_BAND + 3 : CHANGE_AT + 2 * HALF_BAND + 1] *= -1
    x[turned, :, far_change] *= -1
    x[some(0.2), :, FAR_GREY_AT : FAR_GREY_AT + FAR] = 0
    x[some(0.1), :, GREY_AT : GREY_AT + 2 * HALF_BAND + 1] = 0
    # A picture on its own.
    alone = some(0.06)
    x[alone, :, NEW_AT:GREY_AT] = 0
    x[alone, :, change] = 0
    x[alone, :, far_change] = 0
    x[alone, :, since] = 0
    x[alone, :, NEW_SEEN] = 0
    x[..., WAY] += torch.from_numpy(rng.normal(0, 0.05, (n, 1)).astype(np.float32))
    # The trees' word is not always to be had.
    scalars[some(0.15), 0] = 0


def _hide_starts(x: Tensor, some: Sequence[Example], rng: np.random.Generator) -> None:
    """Put other tissue before some shafts: bad contact or a standoff may hide where a needle enters."""
    others = [k for k, e in enumerate(some) if not e.line]
    for k, e in enumerate(some):
        if not e.line or not others or rng.random() > e.hidden_share:
            continue
        start = int(torch.argmin(x[k, :, WAY].abs()))
        most = (int(e.true_px) if np.isfinite(e.true_px) else start) - SHOWN_PX
        if most <= start + 8:
            continue
        cut = int(rng.integers(start + 8, most))
        x[k, :cut] = x[int(rng.choice(others)), :cut]
        x[k, :, WAY] = ((torch.arange(x.shape[1]) - cut) / WAY_PX).clamp(-1, 2)
