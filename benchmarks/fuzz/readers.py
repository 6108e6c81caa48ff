"""Damage small recordings at random and read them: every input has to give frames or one clear line, in little memory.

    python benchmarks/fuzz/readers.py                 # 20,000 inputs of each kind of file, seed 0
    python benchmarks/fuzz/readers.py --each 500 --seed 7

Prints a table, and exits with 1 after the first input that breaks a reader; that input is kept, and its
place is printed.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from limits import check_one_line, keep, limit_memory, peak_memory_mb
from reader_damage import FILES, damage  # type: ignore[import-not-found]  # the tests have no types

import usguide as ug

SLOW_S = 2.0
ROOM_BYTES = 2 << 30


def outcome(path: Path) -> str:
    """Read a file; return what came of it, or raise what should not have come."""
    try:
        with ug.open_source(path, spacing_mm=0.1, full_scale=255) as source:
            count = sum(1 for _ in source)
    except ug.UsguideError as error:
        check_one_line(error)
        return "refused"
    return "read whole" if count == 3 and not source.bad_frames else "read in part"


def main() -> int:
    """Run, show progress, and print how it went."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--each", type=int, default=20_000, help="inputs of each kind of file")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    total = chosen.each * len(FILES)
    limit_memory(ROOM_BYTES)
    dice, counts, slowest = random.Random(chosen.seed), dict[str, Counter[str]](), 0.0
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("error")
        whole = {name: write(Path(folder) / name).read_bytes() for name, write in FILES.items()}
        for k in range(total):
            name = list(FILES)[k % len(FILES)]
            path = Path(folder) / name
            path.write_bytes(damage(whole[name], dice))
            start = time.perf_counter()
            try:
                result = outcome(path)
            except Exception:
                print(f"\ninput {k} breaks a reader: {keep(path.read_bytes(), f'{chosen.seed}-{k}-{name}')}")
                raise
            took = time.perf_counter() - start
            slowest = max(slowest, took)
            if took > SLOW_S:
                print(f"\ninput {k} ({name}) took {took:.1f} s")
                return 1
            counts.setdefault(name, Counter())[result] += 1
            if k % 1000 == 999:
                print(f"\r{k + 1} of {total}", end="", flush=True)
    print(f"\n{'file':14s}{'read whole':>12s}{'in part':>12s}{'refused':>12s}")
    for name, found in counts.items():
        print(f"{name:14s}{found['read whole']:12d}{found['read in part']:12d}{found['refused']:12d}")
    print(f"seed {chosen.seed}; slowest {1e3 * slowest:.0f} ms; peak memory {peak_memory_mb()} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
