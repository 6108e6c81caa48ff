"""What is run over which tuning recording: as they are, turned, dimmed, at half the rate, begun late, painted over."""

from __future__ import annotations

from zlib import crc32

import numpy as np
from collect import Job
from numpy.typing import NDArray
from scenes import tuning_recordings

from usguide.bench.sequences import Recorded
from usguide.bench.sequences import Sequence as Recording

FOLDS = 3
BRIGHTER = ((40.0, 0.5), (60.0, 1.0), (80.0, 0.7), (60.0, 1.6), (120.0, 1.0))
"""Grey levels and mm by which some needles are painted over."""


def candidate_jobs() -> list[Job]:
    """Every recording as it is; needle-free ones turned twice, some of the others a little."""
    jobs = []
    for k, r in enumerate(tuning_recordings()):
        way = (-1) ** k
        jobs.append(Job(r))
        if r.tags.get("needle") == "no":
            jobs += (
                [Job(r, way * 20.0)] if isinstance(r.content, Recorded) else [Job(r, way * 20.0), Job(r, -way * 32.0)]
            )
            continue
        if k % 3 == 0 and r.suite != "stills":
            jobs.append(Job(r, way * 10.0))
        if k % 3 == 1 or r.suite == "stills":
            jobs.append(Job(r, brighter=BRIGHTER[k % len(BRIGHTER)]))
    return jobs


def track_jobs() -> list[Job]:
    """Every moving recording as it is; some turned, some at half the rate, some begun with the needle in place."""
    jobs = []
    moving = [r for r in tuning_recordings() if not _is_still(r)]
    for k, r in enumerate(moving):
        way = (-1) ** k
        jobs.append(Job(r))
        if r.tags.get("needle") == "no":
            jobs.append(Job(r, way * (20.0 if k % 2 else 30.0)))
        elif k % 4 == 0:
            jobs.append(Job(r, way * 10.0, stride=2 if k % 8 == 0 else 1))
        elif k % 4 == 1:
            jobs.append(Job(r, brighter=BRIGHTER[k % len(BRIGHTER)]))
        elif k % 4 == 2:
            jobs.append(Job(r, first=40))
    return jobs


def loop_jobs(jobs: list[Job]) -> list[Job]:
    """Choose the moving recordings as they are: for a look with a tracker that is not told where the needle is."""
    return [job for job in jobs if job.plain and not _is_still(job.recording)]


def _is_still(recording: Recording) -> bool:
    return recording.suite == "stills" or (isinstance(recording.content, Recorded) and recording.content.stills)


def folds_of(jobs: list[Job]) -> NDArray[np.int64]:
    """Give each job the fold of its recording, whatever is done to that and whatever else there is to fit on."""
    return np.array([crc32(job.recording.name.encode()) % FOLDS for job in jobs])
