"""Score the pipeline on rendered needles that nothing was fitted on, beside the benchmark's test split.

    python benchmarks/needle/held_out.py [--jobs 2] [--out held-out]
    python benchmarks/needle/held_out.py --moving

Two more sets of the suite's phantoms, 128 sequences: its factors meet in other combinations, on seeds of their own.
Rendering them takes ten minutes on two cores; they are kept in USGUIDE_CACHE_DIR.

With `--moving` needles on real tissue that moves by itself, 80 sequences on frames that belong to the test: a bone that
nothing was fitted on, and the other halves of two objects that were, so these two say less. Nothing is chosen by them, and
the bars that are printed were set for the suites, not for these.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from scenes import held_out, on_moving_tissue

from usguide.bench import BenchOptions, Suite
from usguide.cli.bench import run
from usguide.errors import UsguideError


def main() -> None:
    """Run as `usguide bench` does: a bar, what is asked and what came out, and the report in a folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=None, help="processes; by default one a core")
    parser.add_argument("--out", type=Path, default=None, help="folder for the report: held-out, held-out-moving")
    parser.add_argument("--moving", action="store_true", help="needles on real tissue that moves, in place of phantoms")
    options = parser.parse_args()
    try:
        chosen = Suite("anatomy", tuple(on_moving_tissue())) if options.moving else Suite("phantom", tuple(held_out()))
    except UsguideError as error:
        sys.exit(f"error: {error}")
    settings = BenchOptions(jobs=options.jobs, split="test" if options.moving else "tune")
    folder = options.out or Path("held-out-moving" if options.moving else "held-out")
    sys.exit(run(settings, folder, quiet=False, chosen=(chosen,)))


if __name__ == "__main__":
    main()
