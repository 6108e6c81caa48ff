"""From a stream of bytes to messages, whatever the pieces in which it comes."""

from __future__ import annotations

from usguide.errors import FormatError
from usguide.live.igtl.codec import decode_body, is_read
from usguide.live.igtl.contents import Message
from usguide.live.igtl.crc import Bytes
from usguide.live.igtl.header import HEADER_SIZE, MAX_BODY_BYTES, Header, decode_header

_SKIP_BYTES = 1 << 16


class MessageParser:
    """Takes bytes as they arrive and gives each message when it is complete.

    A body is received in the place where it stays, so that an image is never copied. A header that can't be one means that
    the stream has lost its frames: there is no safe way to find the next message (pixels may look like a header), so
    `filled` raises and the connection has to be made anew. A damaged body under a sound header is counted and left out.

    Parameters
    ----------
    max_body_bytes : int
        Larger messages are refused before memory is taken for them.
    check_crc : bool
        False for senders that leave it out.

    Attributes
    ----------
    messages, damaged, skipped : int
        Given out; left out for their checksum or contents; passed over since usguide does not read their type.
    problem : str
        What was wrong with the last one that was left out.
    """

    def __init__(self, *, max_body_bytes: int = MAX_BODY_BYTES, check_crc: bool = True) -> None:
        self.messages = self.damaged = self.skipped = 0
        self.problem = ""
        self._max_body_bytes, self._check_crc = max_body_bytes, check_crc
        self._head = bytearray(HEADER_SIZE)
        self._scratch = bytearray()
        self._expect_header()

    def _expect_header(self) -> None:
        self._header: Header | None = None
        self._space = memoryview(self._head)
        self._got = self._to_skip = 0

    @property
    def in_message(self) -> bool:
        """Whether a message has begun and is not complete."""
        return self._header is not None or self._got > 0

    def buffer(self) -> memoryview:
        """Return where the next bytes go; never empty."""
        if self._to_skip:
            return self._space[: min(self._to_skip, len(self._space))]
        return self._space[self._got :]

    def filled(self, count: int) -> Message | None:
        """Take note of `count` bytes that were written to `buffer()`.

        Returns
        -------
        Message or None
            None while the message is not complete, and where it was left out.

        Raises
        ------
        FormatError
            The stream is no longer one of messages; this parser is of no more use.
        """
        if self._to_skip:
            self._to_skip -= count
            return self._passed_over() if self._to_skip == 0 else None
        self._got += count
        if self._got < len(self._space):
            return None
        if self._header is None:
            return self._begin(decode_header(self._head, max_body_bytes=self._max_body_bytes))
        return self._complete(self._header, self._space)

    def _begin(self, header: Header) -> Message | None:
        self._header, self._got = header, 0
        if not is_read(header.type_name):
            self._scratch = self._scratch or bytearray(_SKIP_BYTES)
            self._space, self._to_skip = memoryview(self._scratch), header.body_size
            return self._passed_over() if self._to_skip == 0 else None
        self._space = memoryview(bytearray(header.body_size))
        return self._complete(header, self._space) if header.body_size == 0 else None

    def _passed_over(self) -> Message | None:
        header = self._header
        self.skipped += 1
        self._expect_header()
        return Message(header, None) if header is not None else None

    def _complete(self, header: Header, body: memoryview) -> Message | None:
        self._expect_header()
        try:
            message = decode_body(header, body, check_crc=self._check_crc)
        except FormatError as error:
            self.damaged += 1
            self.problem = str(error)
            return None
        self.messages += 1
        return message

    def feed(self, data: Bytes) -> list[Message]:
        """Take bytes that are already at hand; return the messages that they complete.

        Raises
        ------
        FormatError
            As `filled`.
        """
        view, found = memoryview(data).cast("B"), []
        while view:
            space = self.buffer()
            count = min(len(space), len(view))
            space[:count] = view[:count]
            message = self.filled(count)
            if message is not None:
                found.append(message)
            view = view[count:]
        return found
