"""How many cores other processes took while something was measured: two threads gain nothing on a busy machine."""

from __future__ import annotations

import os
import time
from pathlib import Path

STAT = Path("/proc/stat")


class Others:
    """Starts to count when made; Linux only."""

    def __init__(self) -> None:
        self.start = self._now()

    def cores(self) -> float | None:
        """Return the mean number of cores that others took since then, or None where the system does not tell."""
        (wall0, busy0, own0), (wall1, busy1, own1) = self.start, self._now()
        if busy0 is None or busy1 is None or wall1 - wall0 < 0.2:
            return None  # the system counts in steps of 10 ms
        return max(0.0, (busy1 - busy0 - (own1 - own0)) / (wall1 - wall0))

    @staticmethod
    def _now() -> tuple[float, float | None, float]:
        busy = None
        if STAT.exists():
            user, nice, system = STAT.read_text(encoding="ascii").split()[1:4]
            busy = (int(user) + int(nice) + int(system)) / os.sysconf("SC_CLK_TCK")
        return time.perf_counter(), busy, time.process_time()
