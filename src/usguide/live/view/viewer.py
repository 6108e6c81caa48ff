"""What waits for one browser: every line, and of pictures the newest only."""

from __future__ import annotations

import asyncio
import time
from collections import deque

from usguide.errors import InputError
from usguide.live.view.messages import Picture, pack

MAX_IN_FLIGHT = 3
"""Pictures sent and not shown yet. A browser that is slower than the stream so gets fewer, and none of them late."""
MAX_LINES = 600
"""Lines that may wait: 10 s at 60 frames/s."""
LINES_ALONE_S = 0.2
"""How often a browser that is behind with pictures is told what is new."""
MAX_ACTIONS, PER_S = 20, 10.0
"""So many at once and so many a second; more is no operator."""


class Viewer:
    """Belongs to the server's event loop: nothing here is called from another thread."""

    def __init__(self) -> None:
        self.pictures_sent = self.pictures_left_out = self.lines_left_out = 0
        self._lines: deque[str] = deque(maxlen=MAX_LINES)
        self._picture: Picture | None = None
        self._shown = 0
        self._changed = asyncio.Event()
        self._sent_s = 0.0
        self._allowance, self._asked_s = float(MAX_ACTIONS), time.monotonic()

    @property
    def wants_picture(self) -> bool:
        """Whether a picture would be sent at once."""
        return self.pictures_sent - self._shown < MAX_IN_FLIGHT

    def offer(self, line: str, picture: Picture | None) -> None:
        """Add a result; a picture takes the place of one that waits."""
        if len(self._lines) == MAX_LINES:
            self.lines_left_out += 1
        self._lines.append(line)
        if picture is not None:
            self.pictures_left_out += self._picture is not None
            self._picture = picture
        self._changed.set()

    def note_shown(self, number: object) -> bool:
        """Note that the browser has shown the picture of this number; return whether that is new.

        Raises
        ------
        InputError
            No such picture was sent.
        """
        if type(number) is not int or not 0 <= number <= self.pictures_sent:
            raise InputError(f"shown: expected the number of a picture that was sent, got {number!r:.40}")
        new, self._shown = number > self._shown, max(self._shown, number)
        self._changed.set()
        return new

    def allow_action(self) -> None:
        """Count an action.

        Raises
        ------
        InputError
            There were too many of late.
        """
        now = time.monotonic()
        self._allowance = min(float(MAX_ACTIONS), self._allowance + PER_S * (now - self._asked_s))
        self._asked_s = now
        if self._allowance < 1:
            raise InputError(f"view: expected at most {PER_S:g} actions a second, got more; wait")
        self._allowance -= 1

    async def next_message(self, timeout_s: float) -> bytes | None:
        """Wait for something to send; None after the time.

        While the browser is behind with pictures, lines alone are sent, a few times a second.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    await self._changed.wait()
                    self._changed.clear()
                    if self.wants_picture or time.monotonic() - self._sent_s > LINES_ALONE_S:
                        break
        except TimeoutError:
            pass
        self._sent_s = time.monotonic()
        return self._message()

    def _message(self) -> bytes | None:
        picture = self._picture if self.wants_picture else None
        if not self._lines and picture is None:
            return None
        head: dict[str, object] = {"kind": "results", "lines_left_out": self.lines_left_out, "picture": None}
        if picture is not None:
            self._picture = None
            self.pictures_sent += 1
            age_ms = 1e3 * (time.monotonic() - picture.arrival_s) + picture.transit_ms
            head["picture"] = {**picture.head, "number": self.pictures_sent, "age_ms": round(age_ms, 1)}
        lines = "".join(self._lines)
        self._lines.clear()
        return pack(head, lines, b"" if picture is None else picture.jpeg)
