"""What both fuzzers hold a reader to."""

from __future__ import annotations

import resource
import tempfile
from pathlib import Path


def limit_memory(room_bytes: int) -> None:
    """Let the address space of this process grow by so much: to allocate what a damaged header says then fails at once."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    limit = pages * resource.getpagesize() + room_bytes
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def check_one_line(error: Exception) -> None:
    """Raise RuntimeError where what a reader says is not one line."""
    if len(str(error).splitlines()) != 1:
        raise RuntimeError(f"expected one line, got {error!r}") from error


def keep(data: bytes, name: str) -> Path:
    """Write an input that breaks a reader; return its place."""
    path = Path(tempfile.gettempdir()) / f"broke-{name}"
    path.write_bytes(data)
    return path


def peak_memory_mb() -> int:
    """Return the most that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
