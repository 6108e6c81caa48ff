"""What is run over which tuning recording: as is, turned, dimmed, at half the rate, begun late, painted over, enlarged."""

from __future__ import annotations

from zlib import crc32

import numpy as np
from collect import Job, is_real, is_still
from numpy.typing import NDArray
from scenes import tuning_recordings
from tubes import TUBE, tubes

from usguide.bench.sequences import Rendered
from usguide.bench.sequences import Sequence as Recording

FOLDS = 3
BRIGHTER = ((40.0, 0.5), (60.0, 1.0), (80.0, 0.7), (60.0, 1.6), (120.0, 1.0))
"""Grey levels and mm by which some needles are painted over."""

ZOOMS = (1.5, 2.2, 1.8)
"""Times by which a picture of a linear probe is enlarged, in turn."""
ZOOM_EVERY = 4
TUBE_ZOOMS = (1.5, 2.0, 2.5)
THICK_ZOOMS = (3.2, 4.0)
"""Of tools in tubes once more: that thick are catheters and drains, 2 to 5 mm."""


def candidate_jobs() -> list[Job]:
    """Every recording as it is; needle-free ones turned twice, some of the others a little; real ones in many ways."""
    jobs = []
    for k, r in enumerate(tuning_recordings()):
        way = (-1) ** k
        jobs.append(Job(r))
        if r.tags.get("needle") == "no":
            jobs.append(Job(r, way * 20.0))
            if not is_real(r):
                jobs.append(Job(r, -way * 32.0))
            elif not is_still(r):
                jobs += _in_many_ways(r)
            continue
        if k % 3 == 0 and r.suite != "stills":
            jobs.append(Job(r, way * 10.0))
        if k % 3 == 1 or r.suite == "stills":
            jobs.append(Job(r, brighter=BRIGHTER[k % len(BRIGHTER)]))
    return [*jobs, *_enlarged([j.recording for j in jobs if j.plain]), *_tube_jobs()]


def track_jobs() -> list[Job]:
    """Every moving recording as it is; some turned, at half the rate, or begun with the needle in place; tubes.

    Real ones, which are few, in many ways.
    """
    jobs = []
    moving = [r for r in tuning_recordings() if not is_still(r)]
    for k, r in enumerate(moving):
        way = (-1) ** k
        jobs.append(Job(r))
        if r.tags.get("needle") == "no":
            turn = way * (20.0 if k % 2 else 30.0)
            jobs += [Job(r, turn), *(_in_many_ways(r) if is_real(r) else [])]
        elif k % 4 == 0:
            jobs.append(Job(r, way * 10.0, stride=2 if k % 8 == 0 else 1))
        elif k % 4 == 1:
            jobs.append(Job(r, brighter=BRIGHTER[k % len(BRIGHTER)]))
        elif k % 4 == 2:
            jobs.append(Job(r, first=40))
    return [*jobs, *_enlarged(moving), *_larger_tubes()]


def _in_many_ways(real: Recording) -> list[Job]:
    """Turn, enlarge and thin out a recording; what is done to it anyway is not among these."""
    turned = [Job(real, degrees) for degrees in (-32.0, 32.0, -10.0, 10.0)]
    enlarged = [Job(real, turn, zoom=zoom) for zoom, degrees in ((0.75, 15.0), (1.4, -15.0)) for turn in (0.0, degrees)]
    return [*turned, *enlarged, Job(real, stride=2), Job(real, stride=2, first=7)]


def moves_by_itself(recording: Recording) -> bool:
    """Tell whether the tissue is that of a real recording which moves, with or without a rendered needle."""
    content = recording.content
    return content.clip is not None if isinstance(content, Rendered) else not content.stills


def _enlarged(recordings: list[Recording]) -> list[Job]:
    """Enlarge every fourth moving recording of a linear probe."""
    some = [r for r in recordings if r.suite == "phantom" and r.tags.get("probe") == "linear"]
    return [Job(r, zoom=ZOOMS[k % len(ZOOMS)]) for k, r in enumerate(some[::ZOOM_EVERY])]


def _larger_tubes() -> list[Job]:
    return [Job(r, zoom=TUBE_ZOOMS[k % len(TUBE_ZOOMS)]) for k, r in enumerate(tubes())]


def _tube_jobs() -> list[Job]:
    """Enlarge every tube; tools also painted over, and once more enlarged further."""
    larger = _larger_tubes()
    tools = [(k, job.recording) for k, job in enumerate(larger) if job.recording.tags["needle"] == "yes"]
    painted = [
        Job(r, zoom=TUBE_ZOOMS[(k + 1) % len(TUBE_ZOOMS)], brighter=BRIGHTER[k % len(BRIGHTER)]) for k, r in tools
    ]
    thick = [
        Job(r, zoom=THICK_ZOOMS[n % 2], brighter=BRIGHTER[(k + 1) % len(BRIGHTER)] if n % 3 else None)
        for n, (k, r) in enumerate(tools)
    ]
    return [*larger, *painted, *thick]


def is_tube(job: Job) -> bool:
    """Tell whether it is a run over a tube."""
    return job.recording.tags.get("event") == TUBE


def loop_jobs(jobs: list[Job]) -> list[Job]:
    """Choose the moving recordings as they are: for a look with a tracker that is not told where the needle is."""
    return [job for job in jobs if job.plain and not is_still(job.recording)]


def folds_of(jobs: list[Job]) -> NDArray[np.int64]:
    """Give each job the fold of its recording, whatever is done to that and whatever else there is to fit on.

    Clips of one real recording, and needles on one still, are in several folds: cross-validated they look too good.
    """
    return np.array([crc32(job.recording.name.encode()) % FOLDS for job in jobs])
