"""Ctrl-C in the middle of a run."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self


class StopRequest:
    """Turn the first Ctrl-C (or SIGTERM) into `asked`; a second one raises `KeyboardInterrupt` at once.

    The frame in hand is finished first, so that every file holds the same frames.
    """

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                # Who starts a program with a signal ignored means it.
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def ignore(self) -> None:
        """Let nothing cut short what makes the files valid."""
        for number in self._before:
            signal.signal(number, signal.SIG_IGN)
