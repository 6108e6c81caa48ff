"""Peak of the memory that one call takes on top of its image and its `out`, in float32 frames.

    python benchmarks/filters/memory.py lee 1080x1920               ours
    python benchmarks/filters/memory.py lee 1080x1920 --peer 1      its second peer in comparisons.py

Measured in a process of its own: a first call warms (and compiles), then the peak of resident memory is reset (Linux;
elsewhere the peak since the start counts, which tells too little), and a second call is made. What a library keeps
between calls is not counted. Results that a peer has no `out` for are counted.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pools
from frames import Size, frame, size_from

STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
# glibc: give each freed array back at once, so that a second call has to take its memory anew.
MALLOC = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}


def frames_taken(name: str, size: Size, peer: int | None) -> float | None:
    """Run this file in a new process and return what it printed; None if the peer could not run."""
    command = [sys.executable, __file__, name, f"{size[0]}x{size[1]}"]
    if peer is not None:
        command += ["--peer", str(peer)]
    done = subprocess.run(command, env=os.environ | MALLOC, capture_output=True, text=True, check=False)
    return float(done.stdout.split()[-1]) if done.returncode == 0 else None


def _status_bytes(key: str) -> int:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(key + ":"))
    return 1024 * int(line.split()[1])


def _peak_bytes() -> int:
    if STATUS.exists():
        return _status_bytes("VmHWM")
    import resource  # noqa: PLC0415  (not on Windows)

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _start_bytes() -> int:
    try:
        RESET.write_text("5")
    except OSError:
        return _peak_bytes()
    return _status_bytes("VmRSS")


def main() -> None:
    """Print the peak in frames."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("filter")
    parser.add_argument("size", type=size_from, metavar="HxW")
    parser.add_argument("--peer", type=int, default=None, metavar="K")
    options = parser.parse_args()
    if not MALLOC.items() <= os.environ.items():  # called by hand: read when a process starts
        print(frames_taken(options.filter, options.size, options.peer))
        return

    from comparisons import chosen  # noqa: PLC0415  (after the pools are set)

    pools.limit_loaded_pools()
    image = frame(options.size)
    (comparison,) = chosen([options.filter])
    if options.peer is None:
        call = comparison.prepare(image)
    else:
        call = comparison.peers[options.peer].prepare(image)
        pools.limit_loaded_pools()
    call()
    start = _start_bytes()
    result = call()  # kept until the peak is read
    peak = _peak_bytes()
    del result
    print(f"{max(peak - start, 0) / image.nbytes:.2f}")


if __name__ == "__main__":
    main()
