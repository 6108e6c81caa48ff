"""What a command line says of the needle: a preset first, then the options that replace what it says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from usguide.pipeline import GuidancePipeline
from usguide.settings import PipelineSettings
from usguide.types import EntrySide


def pipeline_for(
    *,
    presets: Sequence[str] = (),
    entry: EntrySide | None = None,
    angle_deg: tuple[float, float] | None = None,
) -> GuidancePipeline:
    """Return a pipeline for what is known of the needle.

    Parameters
    ----------
    presets : sequence of str
        At most one name or TOML file.
    entry, angle_deg : optional
        In place of the preset's.
    """
    settings = PipelineSettings.load(*presets) if presets else PipelineSettings()
    prior = settings.prior if entry is None else replace(settings.prior, entry_side=entry)
    return GuidancePipeline(prior if angle_deg is None else replace(prior, angle_deg=angle_deg), settings)
