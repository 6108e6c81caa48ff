"""One place for the newest frame: what waits there is replaced, so that lag can't grow."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class NewestSlot(Generic[T]):
    """Between the thread that receives and the one that works.

    Parameters
    ----------
    on_take, on_drop : callable
        Called with what is taken and with what is replaced, one at a time and in the order of arrival. They must not
        wait for anything.
    """

    def __init__(self, on_take: Callable[[T], None], on_drop: Callable[[T], None]) -> None:
        self._on_take, self._on_drop = on_take, on_drop
        self._waiting: T | None = None
        self._closed = False
        self._changed = threading.Condition()

    @property
    def closed(self) -> bool:
        """Whether nothing comes any more."""
        return self._closed

    def put(self, item: T) -> None:
        """Put the newest; dropped at once where the slot is closed."""
        with self._changed:
            if self._closed:
                self._on_drop(item)
                return
            if self._waiting is not None:
                self._on_drop(self._waiting)
            self._waiting = item
            self._changed.notify()

    def take(self, timeout_s: float) -> T | None:
        """Wait for the newest; None after the time, or when the slot is closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting is not None or self._closed, timeout_s)
            item, self._waiting = self._waiting, None
            if item is not None:
                self._on_take(item)
            return item

    def close(self, *, keep: bool) -> None:
        """Take nothing any more; with `keep` what waits can still be taken, else it is dropped."""
        with self._changed:
            self._closed = True
            if not keep and self._waiting is not None:
                self._on_drop(self._waiting)
                self._waiting = None
            self._changed.notify_all()
