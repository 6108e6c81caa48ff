"""A stream in pieces, with gaps and damage in it."""

import random
import struct

import pytest
from igtl_cases import damage, messages

from usguide.errors import FormatError
from usguide.live import igtl


@pytest.mark.parametrize("piece", [1, 7, 58, 59, 4096, 10**6])
def test_pieces_of_any_size(piece):
    whole = messages()
    stream, parser, found = b"".join(whole), igtl.MessageParser(), []
    for at in range(0, len(stream), piece):
        found += parser.feed(stream[at : at + piece])
    assert [m.header for m in found] == [igtl.decode(w).header for w in whole]
    assert (parser.messages, parser.damaged, parser.skipped, parser.in_message) == (len(whole), 0, 0, False)


def test_a_damaged_body_is_left_out_and_the_next_message_is_read():
    good = igtl.encode(igtl.Text("good"), "G")
    bad = bytearray(igtl.encode(igtl.Text("bad"), "B"))
    bad[-1] ^= 4
    parser = igtl.MessageParser()
    found = parser.feed(good + bytes(bad) + good)
    assert [m.content.text for m in found] == ["good", "good"]
    assert parser.damaged == 1
    assert "checksum" in parser.problem
    assert [m.content.text for m in igtl.MessageParser(check_crc=False).feed(bytes(bad))] == ["ba`"]


def test_contents_that_can_not_be_are_left_out_too():
    body = struct.pack(">12f", *([float("nan")] * 12))
    bad = struct.pack(">H12s20sQQQ", 1, b"TRANSFORM", b"T", 0, len(body), igtl.crc64(body)) + body
    parser = igtl.MessageParser()
    assert [m.content.text for m in parser.feed(bad + igtl.encode(igtl.Text("next")))] == ["next"]
    assert "finite" in parser.problem


def test_unknown_types_are_passed_over_without_room_for_them():
    body = bytes(1 << 20)
    video = struct.pack(">H12s20sQQQ", 1, b"VIDEO", b"Cam", 0, len(body), 12345)
    parser = igtl.MessageParser()
    found, largest = [], 0
    stream = video + body + igtl.encode(igtl.Text("next"))
    while stream:
        room = parser.buffer()
        largest = max(largest, len(room))
        room[: len(stream[: len(room)])] = stream[: len(room)]
        count = min(len(room), len(stream))
        message, stream = parser.filled(count), stream[count:]
        found += [message] if message else []
    assert [(m.header.type_name, m.content is None) for m in found] == [("VIDEO", True), ("STRING", False)]
    assert largest <= 1 << 16
    assert parser.skipped == 1


@pytest.mark.parametrize(
    "head",
    [
        bytes(58),
        b"\xff" * 58,
        b"GET / HTTP/1.1\r\nHost: localhost:18944\r\nUser-Agent: browser\r\n\r\n"[:58],
        struct.pack(">H12s20sQQQ", 9, b"IMAGE", b"", 0, 0, 0),
        struct.pack(">H12s20sQQQ", 1, b"IM AGE", b"", 0, 0, 0),
        struct.pack(">H12s20sQQQ", 1, b"", b"", 0, 0, 0),
        struct.pack(">H12s20sQQQ", 1, b"IMAGE", b"", 0, (64 << 20) + 1, 0),
    ],
)
def test_a_header_that_can_not_be_one_ends_the_stream(head):
    with pytest.raises(FormatError):
        igtl.MessageParser().feed(head)


def test_pixels_do_not_share_memory_between_messages():
    data = messages(1)[0]
    parser = igtl.MessageParser()
    first, second = parser.feed(data + data)
    first.content.pixels[:] = 0
    assert second.content.pixels.any()


def test_a_stream_with_damage_in_it_ends_or_goes_on():
    """Whatever comes, the parser gives messages that are whole, or says that the stream is lost."""
    dice, whole, ended = random.Random(5), messages(), 0
    for _ in range(300):
        pieces = [damage(w, dice, mend_crc=False) if dice.random() < 0.3 else w for w in dice.sample(whole, 5)]
        parser = igtl.MessageParser()
        try:
            found = parser.feed(b"".join(pieces))
        except FormatError:
            ended += 1
        else:
            assert all(
                m.content is not None or m.header.type_name not in ("IMAGE", "TRANSFORM") or m.header.body_size == 0
                for m in found
            )
    assert 30 < ended < 300
