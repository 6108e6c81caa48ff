"""Two Python threads run all filters at once on different images; each result must be the single-threaded one to the bit.

    python benchmarks/filters/two_threads.py
    python benchmarks/filters/two_threads.py --calls 500 --only srad frangi

Half of the calls let the filter itself use two threads as well. Ends with 1 if a result differed.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time

import pools  # before anything that has a thread pool

# isort: split
import numpy as np
from comparisons import F32, chosen, takes
from frames import frame
from rich.console import Console
from rich.progress import Progress

from usguide import filters

SIZES = ((64, 64), (61, 83), (96, 64), (67, 129), (256, 256))
Key = tuple[str, int]


def call(name: str, image: F32, threads: int) -> bytes:
    """Return the bits of a filter's result with its default parameters."""
    function = getattr(filters, name)
    options = {"threads": threads} if takes(function, "threads") else {}
    return np.asarray(function(image, **options)).tobytes()


class Worker(threading.Thread):
    """Runs its share of the calls in an order of its own, and keeps what differed."""

    def __init__(self, seed: int, calls: int, images: list[F32], expected: dict[Key, bytes]) -> None:
        super().__init__(daemon=True)
        self.rng = np.random.default_rng(seed)
        self.calls, self.images, self.expected = calls, images, expected
        self.done = 0
        self.different: list[str] = []
        self.failure: BaseException | None = None

    def run(self) -> None:
        """Call, compare."""
        keys = list(self.expected)
        try:
            for k in range(self.calls):
                if k % len(keys) == 0:
                    order = self.rng.permutation(len(keys))
                name, index = keys[order[k % len(keys)]]
                threads = 1 + k % 2
                if call(name, self.images[index], threads) != self.expected[name, index]:
                    self.different.append(f"{name}, image {index}, threads={threads}")
                self.done += 1
        except BaseException as error:  # noqa: BLE001  (raised again in the main thread)
            self.failure = error


def main() -> None:
    """Run, print calls and mismatches."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=10_000, metavar="N", help="in total (default 10000)")
    parser.add_argument("--images", type=int, default=10, metavar="N", help="different images (default 10)")
    parser.add_argument("--only", nargs="+", default=[], metavar="FILTER", help="these filters only")
    options = parser.parse_args()
    pools.limit_loaded_pools()
    # One image in five is larger, so that slabs and tiles are many.
    images = [frame(SIZES[k % len(SIZES)], seed=k) for k in range(options.images)]
    names = [c.name for c in chosen(options.only)]
    expected = {(name, k): call(name, image, 1) for name in names for k, image in enumerate(images)}
    shares = (options.calls // 2, options.calls - options.calls // 2)
    workers = [Worker(seed, share, images, expected) for seed, share in enumerate(shares)]
    start = time.perf_counter()
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("two threads", total=options.calls)
        for worker in workers:
            worker.start()
        while any(worker.is_alive() for worker in workers):
            time.sleep(0.1)
            progress.update(task, completed=sum(worker.done for worker in workers))
    for worker in workers:
        if worker.failure is not None:
            raise worker.failure
    different = [text for worker in workers for text in worker.different]
    print(
        f"{len(names)} filters ({', '.join(names)}), {len(images)} images: {sum(w.done for w in workers)} calls in "
        f"{time.perf_counter() - start:.0f} s, {len(different)} results different"
    )
    for text in sorted(set(different)):
        print(f"  {text}: {different.count(text)} times")
    sys.exit(bool(different))


if __name__ == "__main__":
    main()
