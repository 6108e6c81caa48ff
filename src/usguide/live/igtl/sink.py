"""Results to whoever is connected."""

from __future__ import annotations

from usguide.live.igtl.results import image_message, result_messages
from usguide.live.igtl.server import IgtlServer
from usguide.types import Frame, GuidanceResult


class IgtlSink:
    """A sink (see `usguide.io.sinks`) that sends each result to the clients of a server. Never waits for any of them.

    Parameters
    ----------
    server : IgtlServer
        Closed with the sink.
    version : int
        Header version, 1 or 2.
    overlay : bool
        Whether the picture with the overlay is sent too, as NeedleOverlay.
    image : bool
        Whether the frame's own picture is sent too, as Image.

    Attributes
    ----------
    server : IgtlServer
    """

    def __init__(self, server: IgtlServer, *, version: int = 1, overlay: bool = False, image: bool = False) -> None:
        self.server, self._version, self._overlay, self._image = server, version, overlay, image

    def write(
        self, frame: Frame | None, result: GuidanceResult, *, late: bool = False, timestamp_s: float | None = None
    ) -> None:
        """Send one result; see `result_messages`."""
        if not self.server.clients:  # pictures are not drawn for nobody
            self.server.send()
            return
        messages = result_messages(
            frame, result, version=self._version, overlay=self._overlay, late=late, timestamp_s=timestamp_s
        )
        if self._image and frame is not None:
            messages.append(image_message(frame, version=self._version, timestamp_s=timestamp_s))
        self.server.send(*messages)

    def close(self) -> None:
        """Close the server."""
        self.server.close()
