"""Damage OpenIGTLink messages at random and read them, singly and as a stream: contents or one clear line.

    python benchmarks/fuzz/igtl.py                     # 1,000,000 messages, seed 0
    python benchmarks/fuzz/igtl.py --count 20000 --seed 7

Two in three have their checksum mended, so that the damage reaches what reads the contents. The address space is limited
to what the process has at the start and a little more: an allocation by what a damaged field says fails at once. Prints
a table, and exits with 1 after the first message that breaks a reader; that message is kept, and its place is printed.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from igtl_cases import damage, messages  # type: ignore[import-not-found]  # the tests have no types
from limits import check_one_line, keep, limit_memory, peak_memory_mb

from usguide import FormatError
from usguide.live import igtl

SLOW_S = 1.0
MAX_BODY_BYTES = 1 << 20
ROOM_BYTES = 64 << 20
STREAM = 20
"""Messages in a row for one parser."""


def outcome(data: bytes) -> str:
    """Decode a message; return what came of it, or raise what should not have come."""
    try:
        igtl.decode(data, max_body_bytes=MAX_BODY_BYTES)
    except FormatError as error:
        check_one_line(error)
        return "refused"
    return "read"


def stream_outcome(data: bytes, dice: random.Random) -> str:
    """Give a stream to a parser in pieces; return whether it got lost."""
    parser, at = igtl.MessageParser(max_body_bytes=MAX_BODY_BYTES), 0
    while at < len(data):
        size = dice.randrange(1, 5000)
        try:
            parser.feed(data[at : at + size])
        except FormatError:
            return "lost"
        at += size
    return "kept"


def main() -> int:
    """Run, show progress, and print how it went."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1_000_000, help="messages")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    dice, whole = random.Random(chosen.seed), messages()
    names = [igtl.decode(m).header.type_name for m in whole]
    counts: dict[str, Counter[str]] = {n: Counter() for n in names}
    streams: Counter[str] = Counter()
    limit_memory(ROOM_BYTES)
    slowest, stream = 0.0, bytearray()
    for k in range(chosen.count):
        name, hurt = names[k % len(whole)], damage(whole[k % len(whole)], dice, mend_crc=k % 3 > 0)
        # In a stream most messages are whole: what comes after a damaged one matters.
        stream += hurt if dice.random() < 0.1 else whole[k % len(whole)]
        ends = k % STREAM == STREAM - 1
        start = time.perf_counter()
        try:
            counts[name][outcome(hurt)] += 1
            if ends:
                streams[stream_outcome(bytes(stream), dice)] += 1
        except Exception:
            print(f"\nmessage {k} breaks a reader: {keep(hurt, f'{chosen.seed}-{k}.igtl')}")
            print(f"the stream before it: {keep(bytes(stream), f'{chosen.seed}-{k}-stream.igtl')}")
            raise
        took = time.perf_counter() - start
        slowest = max(slowest, took)
        if took > SLOW_S:
            print(f"\nmessage {k} ({name}) took {took:.1f} s: {keep(hurt, f'{chosen.seed}-{k}.igtl')}")
            return 1
        if ends:
            stream.clear()
        if k % 10_000 == 9_999:
            print(f"\r{k + 1} of {chosen.count}", end="", flush=True)
    print(f"\n{'type':14s}{'read':>12s}{'refused':>12s}")
    for name, found in counts.items():
        print(f"{name:14s}{found['read']:12d}{found['refused']:12d}")
    print(f"streams of {STREAM}: {streams['kept']} kept, {streams['lost']} lost, of which a link would connect again")
    print(f"seed {chosen.seed}; slowest {1e3 * slowest:.1f} ms; peak memory {peak_memory_mb()} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
