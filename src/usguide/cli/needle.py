"""What a command line says of the needle: presets first, then the options that replace what they say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from usguide.detection import LineDetector
from usguide.errors import InputError
from usguide.guide_line import GuideLine, OnGuideLine
from usguide.pipeline import GuidancePipeline
from usguide.settings import PipelineSettings
from usguide.types import EntrySide


def pipeline_for(
    *,
    presets: Sequence[str] = (),
    entry: EntrySide | None = None,
    angle_deg: tuple[float, float] | None = None,
    lock_angle_deg: float | None = None,
    guide: Sequence[float] | None = None,
    injectate: bool = False,
    elevational_width_mm: float | None = None,
) -> GuidancePipeline:
    """Return a pipeline for what is known of the needle; see `pipeline_and_guide`."""
    return pipeline_and_guide(
        presets=presets,
        entry=entry,
        angle_deg=angle_deg,
        lock_angle_deg=lock_angle_deg,
        guide=guide,
        injectate=injectate,
        elevational_width_mm=elevational_width_mm,
    )[0]


def pipeline_and_guide(
    *,
    presets: Sequence[str] = (),
    entry: EntrySide | None = None,
    angle_deg: tuple[float, float] | None = None,
    lock_angle_deg: float | None = None,
    guide: Sequence[float] | None = None,
    injectate: bool = False,
    elevational_width_mm: float | None = None,
) -> tuple[GuidancePipeline, GuideLine | None]:
    """Return a pipeline for what is known of the needle, and the guide line that it keeps to.

    Parameters
    ----------
    presets : sequence of str
        Names and TOML files; a later one replaces what an earlier one says.
    entry : {"left", "right", "top", "any"}, optional
        In place of the presets' side.
    angle_deg, lock_angle_deg, guide : optional
        At most one: a range, an angle that is known, or a guide line ``(x_mm, z_mm, angle_deg)``. In place of the
        presets' range. A guide line comes from the side that `entry` or a preset names.
    injectate : bool
        Measure the injectate as well, also where no preset says so.
    elevational_width_mm : float, optional
        For its volume; in place of what the presets say.

    Raises
    ------
    FormatError, InputError
        No such preset, or what is said is wrong or contradicts itself.
    """
    if sum(given is not None for given in (angle_deg, lock_angle_deg, guide)) > 1:
        raise InputError("angle: expected one of --angle, --lock-angle and --guide, got several")
    settings = _with_injectate(PipelineSettings.load(*presets), elevational_width_mm, on=injectate)
    prior = settings.prior if entry is None else replace(settings.prior, entry_side=entry)
    if angle_deg is not None:
        prior = replace(prior, angle_deg=angle_deg)
    if lock_angle_deg is not None:
        prior = prior.with_angle(lock_angle_deg)
    if guide is None:
        return GuidancePipeline(prior, settings), None
    x, z, degrees = guide
    line = GuideLine.from_angle((x, z), degrees, prior.entry_side)
    detector = OnGuideLine(LineDetector(settings.detection.detector), line)
    return GuidancePipeline(line.prior(prior), settings, detector=detector), line


def _with_injectate(settings: PipelineSettings, width_mm: float | None, *, on: bool) -> PipelineSettings:
    known = settings.injectate
    if width_mm is not None:
        known = replace(known, spread=replace(known.spread, elevational_width_mm=width_mm))
    return replace(settings, injectate=replace(known, on=on))
