"""What cross-validation says of the fitted parts, printed: on tuning recordings, each judged by what never saw it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from collect import COUNTED_MM, Job, Rows, Strip, is_real
from fit_strips import Example
from numpy.typing import NDArray

from usguide.detection.strips import StripNet

Likeliest = list[tuple[bool, bool, float]]
"""Of each frame: whether it holds a needle, whether what is likeliest there is on it, and its log-odds."""


def report_candidates(rows: list[Rows], odds: NDArray[np.float64]) -> None:
    """How often the likeliest candidate of a frame is the needle's line."""
    ends = np.cumsum([0, *(len(r.frame) for r in rows)])
    best: dict[bool, Likeliest] = {False: [], True: []}
    for r, first in zip(rows, ends, strict=False):
        o = odds[first : first + len(r.frame)]
        # A frame of the stream and the same frame as a picture on its own share a number.
        for top in _likeliest(2 * r.frame + r.alone, o):
            if not 0 < r.visible_mm[top] < COUNTED_MM:
                best[bool(r.alone[top])].append((r.visible_mm[top] > 0, bool(r.line[top]), float(o[top])))
    _say("candidates", best)


def report_strips(collected: list[tuple[Rows, list[Strip]]], strips: list[list[Example]], nets: list[StripNet]) -> None:
    """How often the likeliest band of a frame is the needle's, and how far the likeliest end of those is off."""
    best: dict[bool, Likeliest] = {False: [], True: []}
    off = []
    for (rows, kept), each, net in zip(collected, strips, nets, strict=True):
        frames: dict[tuple[int, bool], list[tuple[float, bool, float]]] = {}
        for strip, s in zip(kept, each, strict=True):
            value, ends = net.read(s.inputs.astype(np.float32), s.scalars)
            key = int(rows.frame[strip.row]), bool(rows.alone[strip.row])
            frames.setdefault(key, []).append((value, s.line, float(rows.visible_mm[strip.row])))
            if np.isfinite(s.true_px):
                off.append(int(np.argmax(ends)) - s.true_px)
        for (_, alone), found in frames.items():
            o, line, visible = max(found)
            best[alone].append((visible > 0, line, o))
    _say("network", best)
    away = np.array(off)
    print(
        f"ends of {len(away)} bands: {np.median(np.abs(away)):.1f} px off (median), within 10 px "
        f"{(np.abs(away) <= 10).mean():.3f}, too short {(away < -10).mean():.3f}, too long {(away > 10).mean():.3f}"
    )


def _likeliest(frame: NDArray[np.int64], value: NDArray[np.float64]) -> Iterator[int]:
    """Give the row of the highest value of each frame."""
    for one in np.unique(frame):
        at = np.flatnonzero(frame == one)
        yield int(at[np.argmax(value[at])])


def _say(what: str, best: dict[bool, Likeliest]) -> None:
    for alone, found in best.items():
        if not found:
            continue
        needle, line, odds = (np.array(c) for c in zip(*found, strict=True))
        limit = np.quantile(odds[~needle], 0.98)
        print(
            f"{what}, {'alone' if alone else 'in a stream'}: likeliest on the needle {line[needle].mean():.3f}, "
            f"above 98 % of needle-free frames {(line & (odds > limit))[needle].mean():.3f}"
        )


def report_tracks(jobs: list[Job], rows: list[Rows], chance: NDArray[np.float64]) -> None:
    """Recall, precision and false alarms of the best hypothesis of each frame, recordings as they are."""
    ends = np.cumsum([0, *(len(r.frame) for r in rows)])
    frames: list[tuple[str, bool, float, float]] = []
    for job, r, first in zip(jobs, rows, ends, strict=False):
        if not job.plain:
            continue
        p = chance[first : first + len(r.frame)]
        kind = job.recording.tags.get("visibility aimed at", "real" if is_real(job.recording) else "free")
        frames += [
            (kind, bool(r.visible_mm[top] > 0), float(p[top]), float(r.tip_error_mm[top]))
            for top in _likeliest(r.frame, p)
            if not 0 < r.visible_mm[top] < COUNTED_MM
        ]
    for limit in (0.4, 0.55, 0.7):
        print(f"confidence over {limit}")
        for kind in sorted({f[0] for f in frames}):
            counted = np.array([(p > limit, e) for k, n, p, e in frames if k == kind and n]).reshape(-1, 2)
            free = np.array([p > limit for k, n, p, _ in frames if k == kind and not n])
            hit = (counted[:, 0] > 0) & (counted[:, 1] <= 3)
            tracked = counted[:, 0].sum() + free.sum()
            said = f"recall {hit.mean():.3f}, precision {hit.sum() / max(1, tracked):.3f}, " if len(counted) else ""
            print(f"  {kind:8s} {said}alarms {free.mean() if len(free) else 0:.4f} of {len(free)}")
