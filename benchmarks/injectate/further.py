"""Score the pipeline on more injections, and on more needles that inject nothing, than the tuning split holds.

    python benchmarks/injectate/further.py [--sets 3] [--jobs 2] [--out further-out]

Each set is the suite's table once more, 44 sequences: its factors meet in other combinations, on other seeds, and on stills
of the tuning split. The 95th percentile of three sets stands on 72 injections. Rendering a set takes five minutes on two
cores, and is kept in USGUIDE_CACHE_DIR.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from usguide import datasets
from usguide.bench import BenchOptions, Sequence, Suite
from usguide.bench.anatomy_suite import STILLS
from usguide.bench.injectate_suite import (
    FLUID,
    QUIET,
    SEEDS_EACH,
    UNSEEN,
    FluidRow,
    QuietRow,
    first_with_room,
    turned,
)
from usguide.cli.bench import run

SETS = ((21_001, 11, 5), (22_001, 17, 2), (23_001, 5, 1), (24_001, 14, 6))
"""First seed, none of them the suites', and by how many rows injections and intravascular cases are turned."""
STILLS_EACH = 12


def further(number: int) -> Iterator[Sequence]:
    """Give the sequences of one set."""
    first, by, unseen_by = SETS[number]
    folder = datasets.path(STILLS)
    stills = [folder / f.path for f in datasets.files(STILLS, split="tune", match="images/*")]
    rows: tuple[FluidRow | QuietRow, ...] = (*turned(FLUID, by), *turned(UNSEEN, unseen_by), *QUIET)
    for k, row in enumerate(rows):
        at = ((2 * k + 1) * len(stills) // (2 * len(rows)) + 3 * (number + 1)) % len(stills)
        on = (*stills[at:], *stills[:at])[:STILLS_EACH] if row.tissue == "anatomy" else (None,)
        made = first_with_room(row, first + SEEDS_EACH * k, "tune", on)
        yield replace(made, name=f"f{number}-{made.name}")


def main() -> None:
    """Run as `usguide bench` does: a bar, what is asked and what came out, and the report in a folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=3, choices=range(1, len(SETS) + 1))
    parser.add_argument("--jobs", type=int, default=None, help="processes; by default one a core")
    parser.add_argument("--out", type=Path, default=Path("further-out"), help="folder for the report")
    options = parser.parse_args()
    chosen = Suite("injectate", tuple(s for n in range(options.sets) for s in further(n)), ())
    sys.exit(run(BenchOptions(jobs=options.jobs, split="tune"), options.out, quiet=False, chosen=(chosen,)))


if __name__ == "__main__":
    main()
