"""OpenIGTLink servers as live sources: ``igtl://host:port/Device``."""

from __future__ import annotations

import logging

from usguide.io.options import SourceOptions
from usguide.live.addresses import Address
from usguide.live.frames import LiveFrame
from usguide.live.igtl import DEFAULT_PORT, IgtlSource
from usguide.live.sources import live_frame, register_scheme

logger = logging.getLogger("usguide.live")


class IgtlLive:
    """An `IgtlSource` for the engine; what it notes of images that can't be used goes into the log.

    Parameters
    ----------
    source : IgtlSource
    """

    def __init__(self, source: IgtlSource) -> None:
        self.name = source.name
        self._source = source
        self._told = 0

    @property
    def dropped(self) -> int:
        """Images that a newer one replaced before they were read."""
        return self._source.dropped

    def open(self) -> None:
        """Connect."""
        self._source.open()

    def read(self, timeout_s: float) -> LiveFrame | None:
        """Wait for the next image."""
        received = self._source.read(timeout_s)
        notes = self._source.builder.notes
        for note in notes[self._told :]:
            logger.warning("%s: %s", self.name, note)
        self._told = len(notes)
        if received is None:
            return None
        return live_frame(received.frame, source_time_s=received.source_time_s, arrival_s=received.arrival_s)

    def close(self) -> None:
        """Disconnect."""
        self._source.close()


def _open(address: Address, options: SourceOptions) -> IgtlLive:
    return IgtlLive(
        IgtlSource(
            address.host,
            address.port or DEFAULT_PORT,
            address.path or None,
            max_waiting=1,
            spacing_mm=options.spacing_mm,
            depth_mm=options.depth_mm,
            region=options.region,
            full_scale=options.full_scale,
        )
    )


register_scheme("igtl", _open)
