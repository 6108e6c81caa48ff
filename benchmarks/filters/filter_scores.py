"""Scores of despecklers on rendered pictures with known truth, at default and at tuned options."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import cv2
import numpy as np
from filter_methods import F32, Options, describe, filtered, grid_of, timed, usable
from filter_scene import (
    DARKER_DB,
    DYNAMIC_RANGE_DB,
    SHAPE,
    STEP_DB,
    TEST_SEEDS,
    TUNING_SEEDS,
    WHITE_DB,
    Mask,
    layout,
    render,
)
from filter_tables import Report, spread

from usguide.image_quality import enl, gcnr, pratt_figure_of_merit, psnr_db, ssim
from usguide.intensity import log_decompress

DB_PER_LEVEL = DYNAMIC_RANGE_DB / 255
CANNY_SIGMA_PX = 2.0
CANNY_SHARES = (0.3, 0.6)
"""Low and high threshold, as shares of the gradient that the true boundary has after the same smoothing."""
MAX_LINE_LOSS_DB = 3.0
"""Tuning refuses options that cost the thin line more contrast than this: a needle must survive."""

EVEN_ENL = 15.0
"""Filters are compared at this much smoothing; unfiltered speckle has 3.7."""
EVEN_NEAR_ENL = 10.0
"""And this much beside the thin line: a filter that leaves all about it as it is does not keep it, but does not filter."""


class Track(Protocol):
    """Wraps a sequence in a progress bar with a text."""

    def __call__(self, items: Sequence[str], text: str, /) -> Iterable[str]:
        """Give the items one after the other."""
        ...


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of one filtered picture."""

    psnr_db: float
    ssim: float
    enl: float
    near_enl: float
    gcnr: float
    fom: float
    line_loss_db: float
    shift_db: float
    ms: float = float("nan")


def canny(image: F32) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Canny edges with thresholds that are shares of the true boundary's own gradient, the same for every filter."""
    smooth = cv2.GaussianBlur(image, (0, 0), CANNY_SIGMA_PX)
    dx, dy = (np.asarray(cv2.Sobel(smooth, cv2.CV_32F, *d, ksize=3)) / 8 for d in ((1, 0), (0, 1)))
    # The peak gradient of a step of s grey levels that was smoothed by a Gaussian: s / (sigma sqrt(2 pi)).
    peak = STEP_DB / DB_PER_LEVEL / (CANNY_SIGMA_PX * np.sqrt(2 * np.pi))
    unit = 1000.0 / peak
    gx, gy = (np.clip(np.rint(d * unit), -30000, 30000).astype(np.int16) for d in (dx, dy))
    low, high = (1000.0 * share for share in CANNY_SHARES)
    return np.asarray(cv2.Canny(gx, gy, low, high, L2gradient=True) > 0, dtype=np.bool_)


def line_contrast_db(image: F32) -> float:
    """Mean of the thin line over that of the bands beside it, in displayed dB."""
    at = layout()
    return float(image[at.core].mean() - image[at.beside].mean()) * DB_PER_LEVEL


def looks(image: F32, where: Mask) -> float:
    """Equivalent number of looks of the envelope."""
    return enl(log_decompress(image[where], dynamic_range_db=DYNAMIC_RANGE_DB))


def score(result: F32, picture: F32, ms: float = float("nan")) -> Scores:
    """Score a filtered picture; `picture` is what went into the filter."""
    at = layout()
    shown = np.clip(result, 0, 255)
    rows, columns = np.nonzero(at.strip)
    strip = (slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1))
    return Scores(
        psnr_db=psnr_db(shown, at.truth),
        ssim=ssim(shown, at.truth),
        enl=looks(shown, at.flat),
        near_enl=looks(shown, at.near),
        gcnr=gcnr(shown[at.cyst], shown[at.ring]),
        fom=pratt_figure_of_merit(canny(shown)[strip], at.boundary[strip]),
        line_loss_db=line_contrast_db(picture) - line_contrast_db(shown),
        shift_db=float(shown[at.flat].mean() - at.truth[at.flat].mean()) * DB_PER_LEVEL,
        ms=ms,
    )


@dataclass(frozen=True, slots=True)
class Tuned:
    """Options chosen on the tuning seeds; None where a method has nothing to tune.

    Parameters
    ----------
    careful : mapping or None
        Highest SSIM that keeps the thin line (`MAX_LINE_LOSS_DB`); where none does, the least loss.
    even : mapping or None
        Least line loss at an ENL of at least `EVEN_ENL`, and `EVEN_NEAR_ENL` beside the line; None where no options
        smooth that much.
    as_is : mapping or None
        The same, out of the options that filter log-compressed values as they are.
    strong : mapping or None
        Highest SSIM, whatever becomes of the line.
    refused : tuple of str
        Options of the grid that the filter does not have.
    """

    careful: Options | None
    even: Options | None
    as_is: Options | None
    strong: Options | None
    refused: tuple[str, ...]


def tune(method: str) -> Tuned:
    """Choose a method's options out of its grid on the tuning seeds."""
    pictures = [render(seed) for seed in TUNING_SEEDS]
    tried, refused = [], []
    for options in grid_of(method):
        if not usable(method, pictures[0][:64, :64], options):
            refused.append(describe(options))
            continue
        results = [np.clip(filtered(p, method, options), 0, 255) for p in pictures]
        similarity = float(np.mean([ssim(r, layout().truth) for r in results]))
        losses = [line_contrast_db(p) - line_contrast_db(r) for p, r in zip(pictures, results, strict=True)]
        flat, near = (float(np.mean([looks(r, where) for r in results])) for where in (layout().flat, layout().near))
        tried.append((similarity, float(np.mean(losses)), flat >= EVEN_ENL and near >= EVEN_NEAR_ENL, options))
    if not tried:
        return Tuned(None, None, None, None, tuple(refused))
    keeps = [t for t in tried if t[1] <= MAX_LINE_LOSS_DB] or [min(tried, key=lambda t: t[1])]
    smooth = [t for t in tried if t[2]]
    as_is = [t for t in smooth if "values" not in t[-1]]
    return Tuned(
        careful=max(keeps, key=lambda t: t[0])[-1],
        even=min(smooth, key=lambda t: t[1])[-1] if smooth else None,
        as_is=min(as_is, key=lambda t: t[1])[-1] if as_is else None,
        strong=max(tried, key=lambda t: t[0])[-1],
        refused=tuple(refused),
    )


def tune_all(track: Track, methods: Sequence[str]) -> dict[str, Tuned]:
    """Tune every method."""
    return {method: tune(method) for method in track(methods, "tuning")}


def _evaluate(method: str, options: Options, pictures: Sequence[F32]) -> list[Scores]:
    call = partial(filtered, method=method, options=options)
    call(pictures[0])  # compile
    scored = []
    for picture in pictures:
        result, ms = timed(call, picture)
        scored.append(score(result, picture, ms))
    return scored


def _row(name: str, options: Options, scored: Sequence[Scores]) -> list[str]:
    digits = {"psnr_db": 1, "ssim": 3, "enl": 1, "near_enl": 1, "gcnr": 2, "fom": 2, "line_loss_db": 1, "shift_db": 1}
    values = [spread([getattr(s, n) for s in scored], d) for n, d in digits.items()]
    ms = sorted(s.ms for s in scored)
    return [name, describe(options), *values, f"{ms[len(ms) // 2]:.1f}"]


COLUMNS = (
    *(
        "filter",
        "options",
        "PSNR dB",
        "SSIM",
        "ENL",
        "ENL by the line",
        "gCNR -6 dB cyst",
        "edge FOM",
        "line loss dB",
        "level shift dB",
    ),
    "ms",
)


def rendered_reports(track: Track, methods: Sequence[str], tuned: Mapping[str, Tuned]) -> list[Report]:
    """Return four tables: default options, careful, even and strong ones."""
    test = [render(seed) for seed in TEST_SEEDS]
    about = f"rendered, {SHAPE[0]} x {SHAPE[1]} px, mean ± standard deviation over {len(TEST_SEEDS)} test seeds"
    default = Report(f"Default options ({about})", COLUMNS)
    default.note = (
        f"Line loss: contrast of the thin line in the unfiltered picture minus that in the filtered one (the truth "
        f"itself: {score(layout().truth, test[0]).line_loss_db:.1f}, for the mean of speckle's dB lies under the dB of "
        f"its mean). ENL by the line: 4 to 8 px beside it. Level shift: flat tissue against the truth. "
        "ms: median, one thread."
    )
    others = f"chosen on {len(TUNING_SEEDS)} other seeds out of a small grid: highest SSIM"
    careful = Report(f"Careful options ({about})", COLUMNS, f"Options {others} at a line loss of at most ")
    careful.note += f"{MAX_LINE_LOSS_DB:g} dB (where none is, the least loss)."
    even = Report(f"Even options ({about})", COLUMNS)
    even.note = (
        f"Equal smoothing: options chosen on {len(TUNING_SEEDS)} other seeds out of a small grid, least line loss at an "
        f"ENL of at least {EVEN_ENL:g}, and {EVEN_NEAR_ENL:g} by the line. Here alone do line loss and edges compare the "
        "filters rather than their strength."
    )
    strong = Report(f"Strong options ({about})", COLUMNS, f"Options {others}, whatever becomes of the thin line.")
    for method in track(methods, "rendered pictures"):
        default.rows.append(_row(method, {}, _evaluate(method, {}, test)))
        options = tuned[method]
        for report, choice in ((careful, options.careful), (even, options.even), (strong, options.strong)):
            if choice is not None:
                report.rows.append(_row(method, choice, _evaluate(method, choice, test)))
        if options.refused:
            strong.note += f" Not taken by {method}: {'; '.join(options.refused)}."
    return [default, careful, even, strong]


def gain_report(track: Track, methods: Sequence[str], tuned: Mapping[str, Tuned]) -> Report:
    """Return the table of what becomes of a filter when the picture is darker than the one it was tuned on."""
    usual = [render(seed) for seed in TEST_SEEDS]
    darker = [render(seed, white_db=WHITE_DB + DARKER_DB) for seed in TEST_SEEDS]
    report = Report(
        f"Gain (the rendered pictures, and the same with tissue {DARKER_DB:g} dB darker)",
        ("filter", "options", "ENL", "ENL darker", "line loss dB", "line loss dB darker"),
    )
    report.note = (
        "Default options; then those with the least line loss at the smoothing of the even options, first out of all that "
        "filter the values as they are, then out of all. Chosen on the usual pictures, other seeds."
    )
    for method in track(methods, "gain"):
        choices: list[Options] = [{}]
        for more in (tuned[method].as_is, tuned[method].even):
            choices += [more] if more is not None and more not in choices else []
        for options in choices:
            results = [[filtered(p, method, options) for p in pictures] for pictures in (usual, darker)]
            flat = [spread([looks(np.clip(r, 0, 255), layout().flat) for r in rs], 1) for rs in results]
            loss = [
                spread(
                    [line_contrast_db(p) - line_contrast_db(np.clip(r, 0, 255)) for p, r in zip(ps, rs, strict=True)], 1
                )
                for ps, rs in zip((usual, darker), results, strict=True)
            ]
            report.rows.append([method, describe(options), *flat, *loss])
    return report
