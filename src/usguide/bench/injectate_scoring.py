"""Outcomes of the injectate suite to figures: groups, bars, and which sequences to look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from usguide.bench.bars import Bar, Relation
from usguide.bench.injectate_methods import COMPARED, GIVEN_TIP, OURS
from usguide.bench.injectate_running import InjectateOutcome, has_fluid
from usguide.metrics import pool_spread, to_plain

Choice = Callable[[InjectateOutcome], bool]


def _fluid(o: InjectateOutcome) -> bool:
    return has_fluid(o.tags)


def _tag(name: str, value: str) -> Choice:
    return lambda o: _fluid(o) and o.tags.get(name) == value


GROUPS: Mapping[str, Choice] = {
    "all fluid": _fluid,
    "anechoic": _tag("darkness", "anechoic"),
    "hypoechoic": _tag("darkness", "hypoechoic"),
    "lens": _tag("injectate", "lens"),
    "ring": _tag("injectate", "ring"),
    "pool": _tag("injectate", "pool"),
    "still probe": _tag("probe motion", "still"),
    "moving probe": lambda o: _fluid(o) and o.tags.get("probe motion") != "still",
    "on phantoms": lambda o: _fluid(o) and o.tags.get("tissue") != "anatomy",
    "on real anatomy": _tag("tissue", "anatomy"),
    "needle known at onset": lambda o: o.needle_known is True,
    "unseen, marked": lambda o: o.tags.get("injectate") == "unseen",
    "free of injection": lambda o: o.tags.get("injectate") == "none",
    "free of injection, needle in the picture": lambda o: (
        o.tags.get("injectate") == "none" and o.tags.get("needle") == "yes"
    ),
    "free of injection, real recordings": lambda o: "real" in o.tags.get("event", "") and not _fluid(o),
    "not intravascular": lambda o: o.tags.get("injectate") != "unseen",
}
"""Anechoic: the fluid's echo is at most 0.1 of the tissue's; hypoechoic: up to 0.35."""


def injectate_figures(outcomes: Sequence[InjectateOutcome]) -> dict[str, Any]:
    """Return all figures of the suite as plain values."""
    methods = list(dict.fromkeys(name for o in outcomes for name in o.methods))
    groups: dict[str, Any] = {}
    for group, chosen in GROUPS.items():
        members = [o for o in outcomes if chosen(o)]
        if members:
            groups[group] = {
                m: to_plain(pool_spread([o.methods[m].spread for o in members]))
                for m in methods
                if all(m in o.methods for o in members)
            }
    return {
        "methods": methods,
        "groups": groups,
        "times_ms": {
            m: float(np.median([o.methods[m].ms_per_frame for o in outcomes if _fluid(o)]))
            for m in methods
            if any(_fluid(o) for o in outcomes)
        },
        "clearly_better_than": {c: _ahead(outcomes, c) for c in COMPARED if c in methods},
        "sequences": [_sequence(o) for o in outcomes],
    }


def _ahead(outcomes: Sequence[InjectateOutcome], other: str) -> dict[str, Any]:
    """Return by how much our median Dice of a sequence is above another method's: mean, with its interval."""
    pairs = [
        (float(np.median(o.methods[OURS].spread.raw.dice)), float(np.median(o.methods[other].spread.raw.dice)))
        for o in outcomes
        if _fluid(o) and other in o.methods and o.methods[OURS].spread.settled_frames
    ]
    if not pairs:
        return {"value": None, "low": None, "high": None}
    ahead = np.array([a - b for a, b in pairs])
    draws = np.random.default_rng(0).integers(0, len(ahead), (2000, len(ahead)))
    low, high = np.percentile(ahead[draws].mean(axis=1), [2.5, 97.5])
    return {"value": float(ahead.mean()), "low": float(low), "high": float(high)}


def _sequence(o: InjectateOutcome) -> dict[str, Any]:
    return {
        "name": o.name,
        "tags": dict(o.tags),
        "frames": o.frames,
        "needle_known": o.needle_known,
        "methods": {
            name: {
                "dice_median": float(np.median(m.spread.raw.dice)) if m.spread.settled_frames else None,
                "spread": to_plain(m.spread),
            }
            for name, m in o.methods.items()
        },
    }


def to_look_at(outcomes: Sequence[InjectateOutcome]) -> tuple[tuple[str, InjectateOutcome], ...]:
    """Return the best, the median and the worst sequence by our median Dice, best first."""
    ranked = sorted(
        (o for o in outcomes if o.strip is not None and o.methods[OURS].spread.settled_frames),
        key=lambda o: -float(np.median(o.methods[OURS].spread.raw.dice)),
    )
    if not ranked:
        return ()
    return ("best", ranked[0]), ("median", ranked[len(ranked) // 2]), ("worst", ranked[-1])


def _bar(
    group: str, what: str, figure: str, relation: Relation, limit: float, unit: str = "", *, by: str = OURS
) -> Bar:
    seen = group if by == OURS else f"{group}, true tip"
    return Bar(f"injectate: {seen}", what, ("injectate", "groups", group, by, figure), relation, limit, unit)


def _bars(by: str) -> tuple[Bar, ...]:
    def bar(group: str, what: str, figure: str, relation: Relation, limit: float, unit: str = "") -> Bar:
        return _bar(group, what, figure, relation, limit, unit, by=by)

    return (
        bar("anechoic", "Dice, median", "dice_median", "at least", 0.88),
        bar("hypoechoic", "Dice, median", "dice_median", "at least", 0.80),
        bar("all fluid", "Hausdorff 95, median", "hausdorff95_median_mm", "at most", 1.2, "mm"),
        bar("all fluid", "area error, median", "area_error_median_share", "at most", 0.10, "%"),
        bar("all fluid", "onset delay as dated, median", "onset_delay_median_s", "at most", 0.3, "s"),
        bar("all fluid", "onset delay as dated, p95", "onset_delay_p95_s", "at most", 1.0, "s"),
        bar("all fluid", "onset delay as noticed, median", "onset_notice_delay_median_s", "at most", 0.3, "s"),
        bar("all fluid", "onset delay as noticed, p95", "onset_notice_delay_p95_s", "at most", 1.0, "s"),
        bar("free of injection", "sequences with a false onset", "false_onset_sequences", "none", 0.0),
        bar("all fluid", "sequences with an onset before the true one", "false_onset_sequences", "none", 0.0),
        bar("unseen, marked", "sequences with an onset", "false_onset_sequences", "none", 0.0),
        bar("ring", "circumferential fraction, median error", "ring_error_median_deg", "at most", 20.0, "deg"),
        bar(
            "ring", "the same in the first second, as it closes", "young_ring_error_median_deg", "at most", 20.0, "deg"
        ),
        bar("lens", "extent along the plane, median error", "extent_error_median_mm", "at most", 1.0, "mm"),
        bar("unseen, marked", "warned of no spread", "no_spread_share", "at least", 1.0, "%"),
        bar("not intravascular", "warned of no spread", "no_spread_share", "none", 0.0, "%"),
    )


INJECTATE_BARS: tuple[Bar, ...] = (
    *_bars(OURS),
    *(
        Bar(
            "injectate: all fluid",
            f"Dice above that of {c}, mean: lower end of its interval",
            ("injectate", "clearly_better_than", c, "low"),
            "over",
            0.0,
        )
        for c in COMPARED
    ),
    *_bars(GIVEN_TIP),
)
"""Judged on the pipeline as it is used, which finds its needle itself; then the same for the true tip, which asks of the
segmenter alone. Outlines are judged from one second after the true onset."""
