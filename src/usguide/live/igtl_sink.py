"""Results of the engine to whoever is connected over OpenIGTLink."""

from __future__ import annotations

import time

from usguide.live.frames import LiveUpdate
from usguide.live.igtl import IgtlSink


class IgtlLiveSink:
    """An `IgtlSink` for the engine: messages carry the image's own time stamp, or the time of sending where it has none.

    Parameters
    ----------
    sink : IgtlSink
        Closed with the engine.
    """

    def __init__(self, sink: IgtlSink) -> None:
        self._sink = sink

    def write(self, update: LiveUpdate) -> None:
        """Send one result."""
        stamp_s = time.time() if update.source_time_s is None else update.source_time_s
        self._sink.write(update.frame, update.result, late=update.late, timestamp_s=stamp_s)

    def close(self) -> None:
        """Close the server."""
        self._sink.close()
