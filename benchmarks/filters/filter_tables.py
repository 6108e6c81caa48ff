"""One table for the terminal and for Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from rich.console import Console
from rich.table import Table


@dataclass(slots=True)
class Report:
    """A titled table with a note; numbers come in as text.

    Parameters
    ----------
    title : str
    columns : sequence of str
        The first is the row's name.
    note : str
        What the columns mean and what to mind.
    rows : list of list of str
    """

    title: str
    columns: Sequence[str]
    note: str = ""
    rows: list[list[str]] = field(default_factory=list)

    def show(self, console: Console) -> None:
        """Print the table."""
        table = Table(title=self.title, title_justify="left", header_style="bold")
        for k, name in enumerate(self.columns):
            table.add_column(name, justify="left" if k == 0 else "right", overflow="fold")
        for row in self.rows:
            table.add_row(*row)
        console.print(table)
        if self.note:
            console.print(self.note, markup=False)
        console.print()

    def to_markdown(self) -> str:
        """Return the table as Markdown."""
        lines = [f"### {self.title}", "", *([self.note, ""] if self.note else [])]
        lines += ["| " + " | ".join(self.columns) + " |", "|---" * len(self.columns) + "|"]
        lines += ["| " + " | ".join(row) + " |" for row in self.rows]
        return "\n".join(lines) + "\n"


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Mean and standard deviation as text; just the value where there is one."""
    v = np.asarray(values, dtype=float)
    if v.size == 0 or np.isnan(v).any():
        return "-"
    if v.size == 1 or not np.isfinite(v).all():
        return f"{v.mean():.{digits}f}"
    return f"{v.mean():.{digits}f} ± {v.std(ddof=1):.{digits}f}"
