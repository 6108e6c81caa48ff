"""Score the pipeline on rendered needles that nothing was fitted on: what a change costs, without a look at the test split.

    python benchmarks/needle/held_out.py [--jobs 2] [--out held-out]

Two more sets of the suite's phantoms, 128 sequences: its factors meet in other combinations, on seeds of their own.
Rendering them takes ten minutes on two cores; they are kept in USGUIDE_CACHE_DIR.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from scenes import held_out

from usguide.bench import Suite, run_bench, save_figures
from usguide.bench.run import BenchOptions


def main() -> None:
    """Run, print what is asked and what came out, and save the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=None, help="processes; by default one a core")
    parser.add_argument("--out", type=Path, default=Path("held-out"), help="folder for bench.json")
    options = parser.parse_args()
    chosen = Suite("phantom", tuple(held_out()), ())
    run = run_bench(BenchOptions(jobs=options.jobs, split="tune"), chosen=(chosen,))
    options.out.mkdir(parents=True, exist_ok=True)
    save_figures(options.out / "bench.json", run.figures)
    for line in run.figures["bars"]:
        if line["holds"] is not None:
            print(f"{line['group']}: {line['what']}: asked {line['asked']}, measured {line['measured']}")


if __name__ == "__main__":
    main()
