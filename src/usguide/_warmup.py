"""Compile every kernel before the first frame, so that the first result is not late."""

from __future__ import annotations

import numpy as np


def warmup(*, all_filters: bool = False, injectate: bool = False) -> None:
    """Compile (or load from the cache) the kernels that the pipeline uses, by running it on a small picture.

    Parameters
    ----------
    all_filters : bool
        Also those of every filter in `usguide.filters`.
    injectate : bool
        Also those of the injectate, which a pipeline measures where ``settings.injectate.on`` says so.
    """
    from usguide import Frame, GuidancePipeline, ImageGeometry, PipelineSettings  # noqa: PLC0415  (keeps ``import usguide`` light)

    # So that there is something to read and to track, whatever the fitted trees make of this picture.
    pipeline = GuidancePipeline(settings=PipelineSettings.from_toml("[detection.detector]\nleast_log_odds = -100.0"))
    pipeline.seed(entry_mm=(1.0, 1.0), tip_mm=(13.0, 13.0))
    for k in range(2):
        # So fine that it is shrunk, and with a black border, which is no picture.
        pixels = np.full((192, 192), 60, np.uint8)
        pixels[:, -12:] = 0
        rows = np.arange(10, 140 + 20 * k)
        for width in range(6):
            pixels[rows, rows + width] = 220
        pixels.flags.writeable = k == 0  # sources lend their frames, programs push their own
        pipeline.step(Frame(pixels, ImageGeometry(0.1, 0.1), timestamp_s=0.05 * k, index=k))
    if injectate:
        _run_injectate()
    if all_filters:
        _run_all_filters(pixels[::2, ::2].copy())


def _run_injectate() -> None:
    """Let fluid appear beside a needle, until it is seen and measured around a target."""
    from usguide import Frame, GuidancePipeline, ImageGeometry, PipelineSettings  # noqa: PLC0415  (as above)

    pipeline = GuidancePipeline(settings=PipelineSettings.from_toml("[injectate]\non = true"))
    pipeline.seed(entry_mm=(1.0, 1.0), tip_mm=(9.0, 9.0))
    pipeline.seed_injectate((9.0, 9.0))
    pipeline.set_target((16.0, 4.0), radius_mm=2.0)
    tissue = np.random.default_rng(0).integers(60, 140, (96, 96), dtype=np.uint8)
    rows, columns = np.mgrid[:96, :96]
    for k in range(60):
        pixels = tissue.copy()
        # Slender, since only such fluid has ends that taper.
        pixels[np.hypot(2.5 * (rows - 45), columns - 45) < min(k - 10, 35)] = 4
        result = pipeline.step(Frame(pixels, ImageGeometry(0.2, 0.2), timestamp_s=0.05 * k, index=k))
        if result.injectate is not None and result.injectate.around_target is not None:
            return


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
