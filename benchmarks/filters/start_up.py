"""Seconds until the first result: after installation (nothing compiled yet) and in every later process.

    python benchmarks/filters/start_up.py
    python benchmarks/filters/start_up.py --only srad lee

Each filter runs in processes of its own, with an empty folder for compiled code at first. 'import' is `import usguide`
with the filter's module; 'first' is the first call on 480 x 640 px; 'again' the second call of the same process.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

import pools  # noqa: F401  (before anything that has a thread pool)
from rich.console import Console
from rich.progress import track
from rich.table import Table

KEYS = ("import", "first", "again")


def child(name: str) -> None:
    """Print the three times of one filter in this process, as JSON."""
    start = time.perf_counter()
    import usguide  # noqa: PLC0415  (its import is what is timed)

    function = getattr(usguide.filters, name)
    imported = time.perf_counter()
    import numpy as np  # noqa: PLC0415

    image = np.random.default_rng(0).rayleigh(60, (480, 640)).astype(np.float32)
    times = [time.perf_counter()]
    for _ in range(2):
        function(image)
        times.append(time.perf_counter())
    values = (imported - start, times[1] - times[0], times[2] - times[1])
    print(json.dumps(dict(zip(KEYS, values, strict=True))))


def run(name: str, cache: str) -> dict[str, float]:
    """Run `child` in a new process."""
    command = [sys.executable, __file__, "--child", name]
    environment = os.environ | {"NUMBA_CACHE_DIR": cache}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    times: dict[str, float] = json.loads(done.stdout)
    return times


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=[], metavar="FILTER", help="these filters only")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child)
        return

    from comparisons import chosen  # noqa: PLC0415  (not in the child, whose imports are timed)
    from reporting import machine  # noqa: PLC0415

    head = (
        "filter",
        "import, s",
        "first after install, s",
        "import, s",
        "first later, s",
        "together later, s",
        "again, ms",
    )
    table = Table(*head, title=f"{machine()}, one thread", title_justify="left")
    for comparison in track(chosen(options.only), "start-up", console=Console(stderr=True)):
        with tempfile.TemporaryDirectory(prefix="usguide-start-up-") as cache:
            cold, warm = run(comparison.name, cache), run(comparison.name, cache)
        seconds = (cold["import"], cold["first"], warm["import"], warm["first"], warm["import"] + warm["first"])
        table.add_row(comparison.name, *(f"{s:.2f}" for s in seconds), f"{1e3 * warm['again']:.1f}")
    Console(width=None if sys.stdout.isatty() else 140).print(table)


if __name__ == "__main__":
    main()
