"""What cross-validation says of the fitted parts, printed: on tuning recordings, each judged by what never saw it."""

from __future__ import annotations

import numpy as np
from collect import COUNTED_MM, Job, Rows, Strip
from fit_strips import Example
from numpy.typing import NDArray

from usguide.bench.sequences import Recorded
from usguide.detection.strips import StripNet


def report_candidates(rows: list[Rows], odds: NDArray[np.float64]) -> None:
    """How often the likeliest candidate of a frame is the needle's line."""
    ends = np.cumsum([0, *(len(r.frame) for r in rows)])
    best: dict[str, list[tuple[bool, bool, float]]] = {"in a stream": [], "alone": []}
    for r, first in zip(rows, ends, strict=False):
        o = odds[first : first + len(r.frame)]
        for alone in (False, True):
            for frame in np.unique(r.frame[r.alone == alone]):
                at = np.flatnonzero((r.frame == frame) & (r.alone == alone))
                top = at[np.argmax(o[at])]
                if not 0 < r.visible_mm[top] < COUNTED_MM:
                    best["alone" if alone else "in a stream"].append(
                        (r.visible_mm[top] > 0, bool(r.line[top]), float(o[top]))
                    )
    for kind, found in best.items():
        if not found:
            continue
        needle, line, o = (np.array(c) for c in zip(*found, strict=True))
        limit = np.quantile(o[~needle], 0.98)
        print(
            f"{kind}: likeliest candidate on the needle {line[needle].mean():.3f}, "
            f"above 98 % of needle-free frames {(line & (o > limit))[needle].mean():.3f}"
        )


def report_strips(collected: list[tuple[Rows, list[Strip]]], strips: list[list[Example]], nets: list[StripNet]) -> None:
    """How often the likeliest band of a frame is the needle's, and how far the likeliest end of those is off."""
    best: dict[bool, list[tuple[bool, bool, float]]] = {False: [], True: []}
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
    for is_alone, likeliest in best.items():
        if not likeliest:
            continue
        needle, on, odds = (np.array(c) for c in zip(*likeliest, strict=True))
        limit = np.quantile(odds[~needle], 0.98)
        print(
            f"network, {'alone' if is_alone else 'in a stream'}: likeliest on the needle {on[needle].mean():.3f}, "
            f"above 98 % of needle-free frames {(on & (odds > limit))[needle].mean():.3f}"
        )
    away = np.array(off)
    print(
        f"ends of {len(away)} bands: {np.median(np.abs(away)):.1f} px off (median), within 10 px "
        f"{(np.abs(away) <= 10).mean():.3f}, too short {(away < -10).mean():.3f}, too long {(away > 10).mean():.3f}"
    )


def report_tracks(jobs: list[Job], rows: list[Rows], chance: NDArray[np.float64]) -> None:
    """Recall, precision and false alarms of the best hypothesis of each frame, recordings as they are."""
    ends = np.cumsum([0, *(len(r.frame) for r in rows)])
    frames: list[tuple[str, bool, float, float]] = []
    for job, r, first in zip(jobs, rows, ends, strict=False):
        if not job.plain:
            continue
        p = chance[first : first + len(r.frame)]
        kind = job.recording.tags.get(
            "visibility aimed at", "real" if isinstance(job.recording.content, Recorded) else "free"
        )
        for frame in np.unique(r.frame):
            at = np.flatnonzero(r.frame == frame)
            top = at[np.argmax(p[at])]
            if not 0 < r.visible_mm[top] < COUNTED_MM:
                frames.append((kind, bool(r.visible_mm[top] > 0), float(p[top]), float(r.tip_error_mm[top])))
    for limit in (0.4, 0.55, 0.7):
        print(f"confidence over {limit}")
        for kind in sorted({f[0] for f in frames}):
            counted = np.array([(p > limit, e) for k, n, p, e in frames if k == kind and n]).reshape(-1, 2)
            free = np.array([p > limit for k, n, p, _ in frames if k == kind and not n])
            hit = (counted[:, 0] > 0) & (counted[:, 1] <= 3)
            tracked = counted[:, 0].sum() + free.sum()
            said = f"recall {hit.mean():.3f}, precision {hit.sum() / max(1, tracked):.3f}, " if len(counted) else ""
            print(f"  {kind:8s} {said}alarms {free.mean() if len(free) else 0:.4f} of {len(free)}")
