"""`usguide presets`: which there are, and their files."""

from __future__ import annotations

import sys

from rich.table import Table

from usguide.cli.console import console
from usguide.presets import DEFAULT, preset_names, preset_summary, preset_text


def run_list() -> None:
    """Print every preset with its first line."""
    table = Table(title="Presets", title_justify="left")
    table.add_column("name", no_wrap=True)
    table.add_column("for", overflow="fold")
    for name in preset_names():
        table.add_row(name, preset_summary(name))
    console().print(table)
    console().print("usguide presets show NAME > mine.toml gives a file to edit; usguide track --preset takes both.")


def run_show(name: str) -> None:
    """Print a preset's file as it is; of the defaults, the whole tree."""
    text = preset_text(name)
    if name == DEFAULT:
        from usguide.settings import PipelineSettings  # noqa: PLC0415  (heavy, and the other presets are only files)

        text += "\n" + PipelineSettings().to_toml()
    sys.stdout.write(text)
