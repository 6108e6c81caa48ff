"""Client and server over loopback: several clients, slow ones, cuts, garbage, and a clean end."""

import contextlib
import random
import socket
import struct
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from igtl_cases import connect, contents, damage, free_port, messages, picture, read_messages, turned_matrix, wait_until

from usguide.errors import FormatError, InputError
from usguide.live import igtl

BIG = igtl.encode(igtl.Image(picture(480, 640), turned_matrix()), "Image")
SMALL = igtl.encode(igtl.Text("small"), "Text")
QUICK = (0.01, 0.05)


@pytest.fixture(autouse=True)
def nothing_is_left():
    """No thread and no file descriptor outlives a test."""

    def state():
        return {t for t in threading.enumerate() if "igtl" in t.name}, len(list(Path("/proc/self/fd").iterdir()))

    igtl.crc64(b"")  # compiling opens files of its own
    before = state()
    yield
    if not wait_until(lambda: state() == before, 5):
        assert state() == before


class DumbServer:
    """A listener of the standard library: sends what it is told and keeps what it gets."""

    def __init__(self, talk, port=0):
        self.listener = socket.create_server(("127.0.0.1", port))
        self.port = self.listener.getsockname()[1]
        self.got = []
        self._talk = talk
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            with sock:
                try:
                    self._talk(self, sock)
                except OSError:
                    continue

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self._thread.join(10)


def test_three_clients_get_every_message_in_order():
    got = [[] for _ in range(3)]
    with igtl.IgtlServer(0) as server:
        clients = [igtl.IgtlClient("127.0.0.1", server.port, on_message=g.append) for g in got]
        assert wait_until(lambda: server.clients == 3)
        for k in range(200):
            server.send(igtl.encode(igtl.Status(1, k), "S"), igtl.encode(igtl.Text(str(k)), "T"))
        server.send(BIG)
        assert wait_until(lambda: all(len(g) == 401 for g in got))
        for client in clients:
            client.close()
    for g in got:
        assert [m.content.subcode for m in g[:400:2]] == list(range(200))
        assert [m.content.text for m in g[1:400:2]] == [str(k) for k in range(200)]
        np.testing.assert_array_equal(g[400].content.pixels, picture(480, 640))


def test_a_client_that_never_reads_is_dropped_and_changes_nothing():
    got = []
    limits = igtl.LinkLimits(max_queued_bytes=2 << 20)
    with (
        igtl.IgtlServer(0, limits=limits) as server,
        connect(server.port) as deaf,
        igtl.IgtlClient("127.0.0.1", server.port, on_message=got.append),
    ):
        assert wait_until(lambda: server.clients == 2)
        longest = 0.0
        for k in range(100):
            start = time.perf_counter()
            server.send(BIG, igtl.encode(igtl.Status(1, k), "S"))
            longest = max(longest, time.perf_counter() - start)
            assert wait_until(lambda k=k: len(got) == 2 * (k + 1))
        assert wait_until(lambda: server.clients == 1)
        assert server.dropped == 1
        assert server.problem == "it reads too slowly"
        assert deaf.fileno() >= 0
    # No sending waited for the deaf one: its socket would have taken for ever.
    assert longest < 2.0
    assert [m.content.subcode for m in got[1::2]] == list(range(100))


def test_a_client_that_takes_nothing_is_dropped_in_time_even_if_little_waits():
    with igtl.IgtlServer(0, limits=igtl.LinkLimits(stall_s=0.3)) as server, connect(server.port) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        assert wait_until(lambda: server.clients == 1)
        for _ in range(30):
            server.send(BIG)
        assert wait_until(lambda: server.dropped == 1)
        assert "takes nothing" in server.problem


def test_one_message_always_finds_room():
    with igtl.IgtlServer(0, limits=igtl.LinkLimits(max_queued_bytes=1)) as server, connect(server.port) as sock:
        assert wait_until(lambda: server.clients == 1)
        server.send(BIG)
        (message,) = read_messages(sock, 1)
        assert message.content.pixels.shape == (480, 640)


def test_garbage_and_huge_sizes_cost_their_sender_the_connection_and_nobody_else():
    got, dice = [], random.Random(1)
    huge = struct.pack(">H12s20sQQQ", 1, b"IMAGE", b"", 0, 2**40, 0)
    with igtl.IgtlServer(0, on_message=got.append) as server, connect(server.port) as good:
        for k, rubbish in enumerate(
            [bytes(100), dice.randbytes(500), b"GET / HTTP/1.1\r\n" * 10, huge, SMALL + bytes(58)]
        ):
            with connect(server.port) as bad:
                bad.sendall(rubbish)
                with contextlib.suppress(ConnectionResetError):  # what it sent was not read to the end
                    assert bad.recv(10) == b""
            assert wait_until(lambda k=k: server.dropped == k + 1)
        good.sendall(SMALL)
        assert wait_until(lambda: len(got) == 2)
    assert [m.content.text for m in got] == ["small", "small"]


def test_half_a_message_is_given_up_in_time():
    with igtl.IgtlServer(0, limits=igtl.LinkLimits(stall_s=0.2)) as server, connect(server.port) as half:
        half.sendall(BIG[:1000])
        assert half.recv(10) == b""
        assert wait_until(lambda: "did not go on" in server.problem)


def test_cut_connections_at_every_place():
    got = []
    with igtl.IgtlServer(0, on_message=got.append) as server:
        for size in (0, 1, 57, 58, 59, len(SMALL) - 1, len(SMALL)):
            with connect(server.port) as sock:
                sock.sendall(SMALL[:size])
        assert wait_until(lambda: server.accepted == 7 and server.clients == 0)
    assert len(got) == 1


def test_damaged_streams_end_or_go_on_but_never_break_the_server():
    """Seeded damage from many clients; a healthy one beside them gets all its answers."""
    dice, whole = random.Random(11), messages()
    with igtl.IgtlServer(0, limits=igtl.LinkLimits(stall_s=0.2)) as server, connect(server.port) as good:
        for _ in range(150):
            with connect(server.port) as bad:
                stream = b"".join(damage(m, dice, mend_crc=dice.random() < 0.5) for m in dice.sample(whole, 3))
                try:
                    bad.sendall(stream)
                except OSError:
                    continue
        good.sendall(igtl.encode(igtl.Query("STT", "IMAGE"), "me"))
        (answer,) = read_messages(good, 1)
        assert (answer.header.type_name, answer.device) == ("RTS_IMAGE", "me")
        assert wait_until(lambda: server.clients == 1)


def test_get_start_and_stop():
    tip = igtl.encode(igtl.Transform(np.eye(4)), "NeedleTip")
    with igtl.IgtlServer(0) as server, connect(server.port) as sock:
        assert wait_until(lambda: server.clients == 1)
        sock.sendall(igtl.encode(igtl.Query("GET", "TRANSFORM"), "NeedleTip"))
        (nothing,) = read_messages(sock, 1)
        assert (nothing.header.type_name, nothing.header.body_size, nothing.content) == ("TRANSFORM", 0, None)
        server.send(tip, SMALL)
        assert len(read_messages(sock, 2)) == 2
        for name in ("NeedleTip", "somebody", ""):
            sock.sendall(igtl.encode(igtl.Query("GET", "TRANSFORM"), name))
            (answer,) = read_messages(sock, 1)
            assert answer.device == "NeedleTip"
        server.send(SMALL)
        assert len(read_messages(sock, 1)) == 1
        sock.sendall(igtl.encode(igtl.Query("GET", "TRANSFORM"), "NeedleTip"))
        assert read_messages(sock, 1)[0].content is None, "an old tip was given as a new one"
        sock.sendall(igtl.encode(igtl.Query("STP", "STRING"), "x"))
        assert read_messages(sock, 1)[0].header.type_name == "RTS_STRING"
        server.send(SMALL, tip)
        assert read_messages(sock, 1)[0].header.type_name == "TRANSFORM"
        sock.sendall(igtl.encode(igtl.Query("STT", "STRING"), "x"))
        assert read_messages(sock, 1)[0].header.type_name == "RTS_STRING"
        server.send(SMALL)
        assert read_messages(sock, 1)[0].header.type_name == "STRING"


def test_a_query_for_nothing_is_no_fault_and_gets_no_answer():
    with igtl.IgtlServer(0) as server, connect(server.port) as sock:
        for kind in (b"GET_", b"STT_", b"STP_", b"GET", b"RTS_"):
            sock.sendall(struct.pack(">H12s20sQQQ", 1, kind, b"me", 0, 0, 0))
        sock.sendall(igtl.encode(igtl.Query("STT", "IMAGE"), "\u00e4" * 10))
        (answer,) = read_messages(sock, 1)
        assert (answer.header.type_name, answer.device) == ("RTS_IMAGE", "\u00e4" * 10)
        assert (server.clients, server.dropped) == (1, 0)


def test_names_that_are_cut_in_the_middle_of_a_letter_are_answered():
    with igtl.IgtlServer(0) as server, connect(server.port) as sock:
        assert wait_until(lambda: server.clients == 1)
        sock.sendall(struct.pack(">H12s20sQQQ", 1, b"GET_IMAGE", b"\xff" * 20, 0, 0, 0))
        (answer,) = read_messages(sock, 1)
        assert (answer.header.type_name, answer.content) == ("IMAGE", None)


def test_more_clients_than_allowed_are_turned_away():
    with igtl.IgtlServer(0, max_clients=1) as server, connect(server.port):
        assert wait_until(lambda: server.clients == 1)
        with connect(server.port) as second:
            assert second.recv(1) == b""
        assert (server.accepted, server.refused) == (1, 1)


def test_listens_on_loopback_unless_told_otherwise():
    with igtl.IgtlServer(0) as server:
        table = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()
        places = [line.split()[1] for line in table if line.split()[3] == "0A"]
    assert f"0100007F:{server.port:04X}" in places
    assert f"00000000:{server.port:04X}" not in places


def test_a_port_in_use_and_wrong_options_are_one_clear_line():
    with igtl.IgtlServer(0) as server:
        with pytest.raises(FormatError, match="expected a free port"):
            igtl.IgtlServer(server.port)
        again = server.port
    with igtl.IgtlServer(again):  # free at once after a clean end
        pass
    with pytest.raises(FormatError, match="address of this machine"):
        igtl.IgtlServer(0, host="no such host")
    for make in (
        lambda: igtl.IgtlServer(-1),
        lambda: igtl.IgtlClient("x", 0),
        lambda: igtl.IgtlClient("x", ask="please"),
    ):
        with pytest.raises(InputError):
            make()
    with pytest.raises(InputError):
        igtl.LinkLimits(stall_s=0)


def test_a_handler_that_fails_does_not_end_the_link(caplog):
    got = []

    def handler(message):
        got.append(message)
        raise RuntimeError("mine")

    with igtl.IgtlServer(0, on_message=handler) as server, connect(server.port) as sock:
        sock.sendall(SMALL + SMALL)
        assert wait_until(lambda: len(got) == 2)
    assert "the handler of messages failed at STRING" in caplog.text


def test_closing_from_the_handler_and_twice():
    done = threading.Event()

    def handler(_):
        client.close()
        done.set()

    with igtl.IgtlServer(0) as server:
        client = igtl.IgtlClient("127.0.0.1", server.port, on_message=handler)
        assert wait_until(lambda: server.clients == 1)
        server.send(SMALL)
        assert done.wait(10)
        client.close()
        client.close()
        assert not client.connected
        assert client.send(SMALL) is False


def test_the_client_comes_back_with_growing_pauses():
    """Nobody listens, then a server comes, goes, and comes again at the same port."""
    port, got = free_port(), []
    with igtl.IgtlClient("127.0.0.1", port, on_message=got.append, retry_s=QUICK) as client:
        assert not client.wait_connected(0.2)
        assert client.problem
        for k in range(3):
            with igtl.IgtlServer(port) as server:
                assert client.wait_connected(10)
                assert wait_until(lambda server=server: server.clients == 1)
                server.send(SMALL)
                assert wait_until(lambda k=k: len(got) == k + 1)
            assert wait_until(lambda: not client.connected)
        assert (client.connections, client.messages) == (3, 3)


def test_pauses_grow_while_a_server_takes_connections_and_says_nothing():
    times = []

    def talk(_, __):
        times.append(time.monotonic())

    with DumbServer(talk) as server, igtl.IgtlClient("127.0.0.1", server.port, retry_s=(0.02, 0.3)):
        assert wait_until(lambda: len(times) >= 6)
    gaps = np.diff(times)
    assert gaps[-1] > 4 * gaps[0]


def test_the_client_survives_cuts_and_garbage_from_the_server():
    got, dice = [], random.Random(2)
    streams = [SMALL[:30], dice.randbytes(300), SMALL + bytes(58), BIG[:-1], SMALL]
    turn = iter(range(100))

    def talk(_, sock):
        sock.sendall(streams[next(turn) % len(streams)])

    with (
        DumbServer(talk) as server,
        igtl.IgtlClient("127.0.0.1", server.port, on_message=got.append, retry_s=QUICK) as client,
    ):
        assert wait_until(lambda: client.connections >= 10)
    assert len(got) >= 3
    assert {m.content.text for m in got} == {"small"}


def test_a_flipped_bit_is_counted_and_the_stream_goes_on():
    hurt = bytearray(BIG)
    hurt[200_000] ^= 16
    got = []
    with igtl.IgtlServer(0) as server, igtl.IgtlClient("127.0.0.1", server.port, on_message=got.append) as client:
        assert wait_until(lambda: server.clients == 1)
        server.send(bytes(hurt), SMALL)
        assert wait_until(lambda: got)
        assert (client.damaged, client.messages, client.connections) == (1, 1, 1)
    assert got[0].content == igtl.Text("small")


@pytest.mark.parametrize("ask", ["start", "get"])
def test_servers_that_wait_to_be_asked(ask):
    """One that sends after STT_IMAGE, and one that sends an image for each GET_IMAGE: the first request it forgets."""
    got = []

    def talk(server, sock):
        parser = igtl.MessageParser()
        while data := sock.recv(1 << 16):
            for message in parser.feed(data):
                server.got.append(message)
                count = 5 if ask == "start" else int(len(server.got) != 1)
                for _ in range(count):
                    sock.sendall(BIG)

    with (
        DumbServer(talk) as server,
        igtl.IgtlClient("127.0.0.1", server.port, on_message=got.append, ask=ask, device="Probe"),
    ):
        assert wait_until(lambda: len(got) >= 5)
    verb = "STT" if ask == "start" else "GET"
    assert server.got[0].content == igtl.Query(verb, "IMAGE")
    assert server.got[0].device == "Probe"


def test_the_client_sends_too_and_keeps_nothing_for_later():
    got = []
    port = free_port()
    with igtl.IgtlClient("127.0.0.1", port, retry_s=QUICK) as client:
        assert client.send(SMALL) is False
        with igtl.IgtlServer(port, on_message=got.append):
            assert client.wait_connected(10)
            assert client.send(*messages())
            assert wait_until(lambda: len(got) == len(messages()))
    assert [m.header.type_name for m in got[: len(contents())]] == list(contents())


def test_source_gives_the_newest_frames_and_counts_the_rest():
    with igtl.IgtlServer(0) as server:
        with igtl.IgtlSource("127.0.0.1", server.port, "Image", max_waiting=2) as source:
            assert source.name == f"igtl://127.0.0.1:{server.port}/Image"
            assert wait_until(lambda: server.clients == 1)
            assert source.read(0.01) is None
            for k in range(5):
                server.send(
                    igtl.encode(igtl.Image(picture(240, 320, seed=k), turned_matrix()), "Image", timestamp_s=100.0 + k)
                )
            assert wait_until(lambda: source.dropped == 3)
            received = [source.read(1.0) for _ in range(2)]
            assert [r.source_time_s for r in received] == [103.0, 104.0]
            assert [r.frame.index for r in received] == [3, 4]
            np.testing.assert_array_equal(received[1].frame.pixels, picture(240, 320, seed=4))
            assert 0 <= time.monotonic() - received[1].arrival_s < 60
        source.open()
        assert wait_until(lambda: server.clients == 1)
        server.close()
        assert wait_until(lambda: not source.client.connected)
        with pytest.raises(FormatError, match="open it again"):
            source.read(0.05)
        source.close()
    with pytest.raises(InputError, match=r"call open\(\) first"):
        source.read(0.0)


def test_a_source_without_a_server_says_so(monkeypatch):
    monkeypatch.setattr("usguide.live.igtl.source._CONNECT_S", 0.2)
    with pytest.raises(FormatError, match="is it started"):
        igtl.IgtlSource("127.0.0.1", free_port()).open()
