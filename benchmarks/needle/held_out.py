"""Score the pipeline on rendered needles that nothing was fitted on: what a change costs, without a look at the test split.

    python benchmarks/needle/held_out.py [--jobs 2] [--out held-out]
    python benchmarks/needle/held_out.py --moving

Two more sets of the suite's phantoms, 128 sequences: its factors meet in other combinations, on seeds of their own.
Rendering them takes ten minutes on two cores; they are kept in USGUIDE_CACHE_DIR.

With `--moving` needles on real tissue that moves by itself, on frames that belong to the test: nothing is chosen by these.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from scenes import held_out, on_moving_tissue

from usguide.bench import BenchOptions, Suite
from usguide.cli.bench import run


def main() -> None:
    """Run as `usguide bench` does: a bar, what is asked and what came out, and the report in a folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=None, help="processes; by default one a core")
    parser.add_argument("--out", type=Path, default=Path("held-out"), help="folder for the report")
    parser.add_argument("--moving", action="store_true", help="needles on real tissue that moves, in place of phantoms")
    options = parser.parse_args()
    settings, chosen = BenchOptions(jobs=options.jobs, split="tune"), Suite("phantom", tuple(held_out()), ())
    if options.moving:
        settings, chosen = replace(settings, split="test"), Suite("anatomy", tuple(on_moving_tissue()), ())
    sys.exit(run(settings, options.out, quiet=False, chosen=(chosen,)))


if __name__ == "__main__":
    main()
