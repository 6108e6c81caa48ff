"""Compile every kernel before the first frame, so that the first result is not late."""

from __future__ import annotations

import numpy as np


def warmup(*, all_filters: bool = False) -> None:
    """Compile (or load from the cache) the kernels that the pipeline uses, by running it on a small picture.

    Parameters
    ----------
    all_filters : bool
        Also those of every filter in `usguide.filters`.
    """
    from usguide import Frame, GuidancePipeline, ImageGeometry  # noqa: PLC0415  (keeps ``import usguide`` light)

    pipeline = GuidancePipeline()
    # So that there is something to track, whatever the fitted trees make of this picture.
    pipeline.seed(entry_mm=(1.0, 1.0), tip_mm=(13.0, 13.0))
    for k in range(2):
        pixels = np.full((96, 96), 60, np.uint8)  # black would count as 'no picture'
        rows = np.arange(5, 70 + 10 * k)
        for width in range(3):
            pixels[rows, rows + width] = 220
        pipeline.step(Frame(pixels, ImageGeometry(0.2, 0.2), timestamp_s=0.05 * k, index=k))
    if all_filters:
        _run_all_filters(pixels)


def _run_all_filters(pixels: np.ndarray) -> None:
    from usguide import filters  # noqa: PLC0415  (as above)

    for method in filters.DESPECKLE_METHODS:
        filters.despeckle(pixels, method=method)
    for ridge_map in (
        filters.frangi_map,
        filters.sato_map,
        filters.jerman_map,
        filters.oriented_line_map,
        filters.phase_symmetry_map,
    ):
        ridge_map(pixels)
    persistence = filters.Persistence()
    for time_s in (0.0, 0.05):
        persistence.update(pixels, time_s)
