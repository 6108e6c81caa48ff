"""Opening a sequence: its frames, and its truth a row a frame."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from usguide.bench.cache import rendered_file
from usguide.bench.recordings_suite import CATHETER_RISE_DEG
from usguide.bench.sequences import Recorded, Rendered, Sequence, StatedTruth
from usguide.errors import FormatError
from usguide.geometry import ImageGeometry, insertion_angle_deg
from usguide.io import Source, open_source
from usguide.phantoms import PhantomTruth
from usguide.types import Frame

Truth = PhantomTruth | StatedTruth


@contextmanager
def open_sequence(sequence: Sequence, folder: Path) -> Iterator[tuple[Iterable[Frame], Truth]]:
    """Open a sequence; what is rendered is taken from `folder`, or put there.

    Of a part of a recording the first frame has index 0; times are the recording's own.

    Parameters
    ----------
    sequence : Sequence
    folder : Path
        Cache of rendered sequences.

    Yields
    ------
    iterable of Frame, PhantomTruth or StatedTruth
    """
    content = sequence.content
    if isinstance(content, Rendered):
        with open_source(rendered_file(sequence, folder)) as source:
            truth = source.info.truth
            if truth is None:
                raise FormatError(f"{source.info.name}: expected its truth beside the frames; delete it from the cache")
            yield source, truth
        return
    with open_source(
        list(content.paths),
        spacing_mm=content.spacing_mm,
        region=content.region,
        frame_rate_hz=content.frame_rate_hz,
        stills=content.stills,
    ) as source:
        geometry = source.info.geometry or ImageGeometry(1.0, 1.0)
        first, stop = content.frames or (0, source.info.frame_count or 0)
        yield _part(source, first, stop), stated_truth(content, geometry, stop - first)


def _part(source: Source, first: int, stop: int) -> Iterator[Frame]:
    for frame in source:
        if first <= frame.index < stop:
            yield replace(frame, index=frame.index - first)
        if frame.index + 1 >= stop:
            return


def stated_truth(content: Recorded, geometry: ImageGeometry, frames: int) -> StatedTruth:
    """Return what was read by eye in mm; frames that nobody read are unknown (NaN), all are free without a needle."""
    tip, entry = np.full((frames, 2), np.nan), np.full((frames, 2), np.nan)
    angle = np.full(frames, np.nan)
    if content.by_eye is None:
        return StatedTruth(tip, entry, np.zeros(frames), angle)
    visible = np.full(frames, np.nan)
    for k, (tip_px, shaft_px) in content.by_eye.items():
        tip[k] = geometry.to_mm(tip_px)
        if shaft_px is None:
            visible[k], angle[k] = np.inf, -CATHETER_RISE_DEG
            continue
        entry[k] = geometry.to_mm(shaft_px)
        visible[k] = np.hypot(*(tip[k] - entry[k]))
        angle[k] = insertion_angle_deg(entry[k], tip[k])
    return StatedTruth(tip, entry, visible, angle)
