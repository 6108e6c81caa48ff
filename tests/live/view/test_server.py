"""The view's server, looked at without a browser: real sockets, and what a bad or slow one does."""

import asyncio
import json
import queue
import socket
import struct
import threading
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from igtl_cases import wait_until
from live_cases import GEOMETRY, QuickPipeline, live_frame, picture

import usguide as ug
from usguide.errors import FormatError, InputError, MissingExtraError
from usguide.live import LiveEngine, LiveUpdate
from usguide.live.view import ViewServer, server
from usguide.live.view.access import Access, is_loopback
from usguide.live.view.messages import line_of, parse_command, picture_of
from usguide.live.view.server import MAX_VIEWERS, SCRIPTS
from usguide.live.view.viewer import MAX_ACTIONS, MAX_IN_FLIGHT, MAX_LINES, Viewer
from usguide.types import InputState, NeedleTrack, Shaft, Tip, TrackState

websockets = pytest.importorskip("websockets", reason="websockets absent: pip install 'usguide[view]'")
from websockets.exceptions import ConnectionClosed, InvalidStatus  # noqa: E402
from websockets.sync.client import connect  # noqa: E402


class FedSource:
    """Gives what the test puts in."""

    name, dropped = "fed", 0

    def __init__(self):
        self.waiting = queue.Queue()

    def open(self):
        pass

    def read(self, timeout_s):
        try:
            return self.waiting.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def close(self):
        pass


class Running:
    """An engine with a view, fed one frame at a time."""

    def __init__(self, **options):
        self.source, self.pipeline, self.fed = FedSource(), QuickPipeline(), 0
        self.engine = LiveEngine(self.source, self.pipeline, stale_after_s=options.pop("stale_after_s", 60))
        self.view = ViewServer(0, **options)
        self.view.start(self.engine)
        self.engine.start()

    def feed(self, count=1):
        for _ in range(count):
            self.source.waiting.put(live_frame(self.fed, time_s=None))
            self.fed += 1
            assert wait_until(lambda: self.engine.status().processed >= self.fed)

    def connect(self, **options):
        return Client(self.view, **options)


@contextmanager
def running(**options):
    run = Running(**options)
    try:
        yield run
    finally:
        assert run.engine.stop()


class Client:
    """Takes messages apart as the page does."""

    def __init__(self, view, *, origin=..., path="/socket"):
        before = view.viewers
        address = f"127.0.0.1:{view.port}"
        origin = f"http://{address}" if origin is ... else origin
        # Its own with block, since a test may open several and close some early.
        self._open = ExitStack()
        opened = connect(f"ws://{address}{path}", origin=origin, compression=None, max_size=None)
        self.socket = self._open.enter_context(opened)
        self.hello = self.take()[0]
        assert wait_until(lambda: view.viewers > before)

    def take(self, timeout_s=10):
        data = self.socket.recv(timeout=timeout_s)
        (n,) = struct.unpack_from("<I", data)
        (m,) = struct.unpack_from("<I", data, 4 + n)
        at = 8 + n
        return json.loads(data[4 : 4 + n]), data[at : at + m].decode(), data[at + m :]

    def until(self, kind, wanted=lambda _head: True, *, acknowledge=True):
        """Return all messages of a kind up to the first that is wanted."""
        got = []
        end = time.monotonic() + 10
        while time.monotonic() < end:
            head, lines, jpeg = self.take()
            if acknowledge and head.get("picture"):
                self.say("shown", number=head["picture"]["number"])
            if head["kind"] == kind:
                got.append((head, lines, jpeg))
                if wanted(head):
                    return got
        raise AssertionError("it did not come")

    def say(self, name, **values):
        self.socket.send(json.dumps({"do": name, **values}))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._open.close()

    def drain(self):
        """Take all that comes until the server ends the connection."""
        while True:
            self.take()


def fetch(view, path="/", **headers):
    request = urllib.request.Request(f"http://127.0.0.1:{view.port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers), error.read()


# The page


def test_the_page_and_all_that_it_names_are_served():
    with running() as run:
        code, headers, page = fetch(run.view)
        assert code == 200
        assert headers["Content-Type"].startswith("text/html")
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        for name in ("view.css", *(f"{s}.js" for s in SCRIPTS)):
            code, headers, body = fetch(run.view, f"/{name}")
            assert code == 200
            assert body
            kind = "text/css" if name.endswith(".css") else "text/javascript"
            assert headers["Content-Type"].startswith(kind)
            # Nothing comes from elsewhere.
            assert b"http://" not in body.replace(b"ws://${location.host}", b"")
            assert b"https://" not in body + page


@pytest.mark.parametrize(
    "path", ["/favicon.ico", "/../server.py", "/%2e%2e/server.py", "//view.js/..", "/socket/x", "/?a=1/../../x"]
)
def test_nothing_else_is_served(path):
    with running() as run:
        code, _, body = fetch(run.view, path)
        assert code == (200 if path.startswith("/?") else 404)
        assert b"import" not in body


def test_a_page_of_another_site_gets_nothing():
    """Neither by a socket in its own name, nor by a name that its server points at this machine."""
    with running() as run:
        own = f"127.0.0.1:{run.view.port}"
        for origin in ("http://evil.example", None, "null", f"https://{own}", f"http://{own}.evil.example"):
            with pytest.raises(InvalidStatus, match="403"):
                run.connect(origin=origin)
        code, _, body = fetch(run.view, Host="evil.example")
        assert code == 403
        assert b"<html" not in body
        with run.connect():
            run.feed()


@pytest.mark.parametrize(
    ("host", "yes"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("192.168.0.3", False), ("localhost.evil.example", False), ("", False)],
)  # fmt: skip
def test_what_is_loopback(host, yes):
    assert is_loopback(host) is yes


def test_a_token_is_asked_for_when_other_machines_can_connect():
    with running(host="0.0.0.0") as run:
        token = run.view.address.partition("?token=")[2]
        assert len(token) >= 20
        assert fetch(run.view)[0] == 403
        assert fetch(run.view, "/?token=" + token[::-1])[0] == 403
        assert fetch(run.view, "/?token=%ff%00")[0] == 403
        assert fetch(run.view, f"/?token={token}")[0] == 200
        assert fetch(run.view, f"/?token={token}", Host="view.example")[0] == 200
        with pytest.raises(InvalidStatus, match="403"):
            run.connect()
        with run.connect(path=f"/socket?token={token}"):
            run.feed()
    assert Access("0.0.0.0").token != token


@pytest.mark.parametrize("data", [b"\x00" * 100, b"GET / HTTP/1.1\r\nHost: [\r\n\r\n", b"GET /socket HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"POST / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 500])  # fmt: skip
def test_garbage_in_place_of_a_request(data):
    with running() as run:
        with socket.create_connection(("127.0.0.1", run.view.port), 5) as raw:
            raw.sendall(data)
            raw.shutdown(socket.SHUT_WR)
            answer = raw.recv(1000)
        assert b" 200 " not in answer.partition(b"\r\n")[0]
        assert b" 101 " not in answer.partition(b"\r\n")[0]
        with run.connect():
            run.feed()


# What is sent


def test_every_result_comes_in_order_and_as_in_a_recording():
    with running() as run, run.connect() as client:
        text, pictures = "", 0
        for _ in range(12):
            run.feed()
            got = client.until("results")
            text += "".join(lines for _, lines, _ in got)
            pictures += sum(bool(head["picture"]) for head, _, _ in got)
            time.sleep(0.034)
        records = [json.loads(line) for line in text.splitlines()]
        assert [r["index"] for r in records] == list(range(12))
        assert pictures >= 11
        assert records[-1] == json.loads(line_of(run.engine.status().last))


def test_frames_that_come_too_fast_for_pictures_have_their_lines_all_the_same():
    with running() as run, run.connect() as client:
        run.feed(30)
        records, pictures = [], 0
        while len(records) < 30:
            head, lines, _ = client.until("results")[-1]
            records += [json.loads(line) for line in lines.splitlines()]
            pictures += head["picture"] is not None
        assert [r["index"] for r in records] == list(range(30))
        assert 0 < pictures < 30


def test_the_picture_is_the_region_with_its_place():
    """A pixel of the JPEG is where the frame's own pixel is, in mm; what is around the region is not sent."""
    pixels = np.zeros((120, 160), np.uint8)
    pixels[40:60, 50:80] = 200
    frame = ug.Frame(pixels, ug.ImageGeometry(0.2, 0.1, (3.0, -2.0)), region=(30, 20, 100, 80))
    sent = picture_of(update_of(frame))
    shown, place = cv2.imdecode(np.frombuffer(sent.jpeg, np.uint8), cv2.IMREAD_UNCHANGED), sent.head["place"]
    assert shown.shape == (80, 100) == (place["height"], place["width"])
    rows, columns = np.nonzero(shown > 100)
    x = place["origin_mm"][0] + np.array([columns.min(), columns.max()]) * place["lateral_mm_per_px"]
    z = place["origin_mm"][1] + np.array([rows.min(), rows.max()]) * place["axial_mm_per_px"]
    np.testing.assert_allclose(x, [3.0 + 5.0, 3.0 + 7.9])
    np.testing.assert_allclose(z, [-2.0 + 8.0, -2.0 + 11.8])


@pytest.mark.parametrize(
    ("pixels", "full_scale", "grey"),
    [
        (np.full((40, 50), 32768, np.uint16), 65535.0, 128),
        (np.full((40, 50), 0.5, np.float32), 1.0, 127),
        (np.full((40, 50, 3), 99, np.uint8), None, 99),
        (np.full((40, 50, 4), 99, np.uint8), None, 99),
    ],
)
def test_pixels_of_every_kind(pixels, full_scale, grey):
    sent = picture_of(update_of(ug.Frame(pixels, GEOMETRY, full_scale=full_scale)))
    shown = cv2.imdecode(np.frombuffer(sent.jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert abs(float(shown.mean()) - grey) < 2


def test_a_large_picture_is_made_smaller_and_keeps_its_size_in_mm():
    sent = picture_of(update_of(ug.Frame(picture(0, (1500, 2560)), ug.ImageGeometry(0.02, 0.02))))
    place = sent.head["place"]
    assert (place["width"], place["height"]) == (1280, 750)
    assert place["width"] * place["lateral_mm_per_px"] == pytest.approx(2560 * 0.02)
    # The outer edge is where it was: half a pixel before the first one's centre.
    assert place["origin_mm"][0] - place["lateral_mm_per_px"] / 2 == pytest.approx(-0.01)


def test_the_uncertainty_goes_with_the_picture():
    covariance = ((0.4, 0.1), (0.1, 0.2))
    track = NeedleTrack(1, TrackState.TRACKING, Shaft((0, 2), (6, 6), 9.0), Tip((7, 6.5), covariance, 0.8), 1.0, 0.8, 1.0, 1.0, 0.0)  # fmt: skip
    result = ug.GuidanceResult(0, 0.0, TrackState.TRACKING, InputState.OK, (track,))
    sent = picture_of(LiveUpdate(ug.Frame(picture(), GEOMETRY), result, late=False, arrival_s=0.0))
    assert sent.head["covariance_mm2"] == [[0.4, 0.1], [0.1, 0.2]]


def update_of(frame):
    result = ug.GuidanceResult(frame.index, frame.timestamp_s, TrackState.SEARCHING, InputState.OK)
    return LiveUpdate(frame, result, late=False, arrival_s=time.monotonic())


def test_a_stream_that_stopped_comes_without_a_picture_and_the_status_goes_on():
    with running(stale_after_s=0.1) as run, run.connect() as client:
        assert not client.until("status")[-1][0]["received"]
        run.feed()
        got = client.until("status", lambda head: head["stale"] and head["received"] == 1)
        assert got[-1][0]["seconds_since_frame"] > 0.1
        run.feed()
        heads = client.until("results", lambda head: head["picture"] is not None and head["picture"]["number"] == 2)
        records = [json.loads(line) for _, lines, _ in heads for line in lines.splitlines()]
        assert [r["input_state"] for r in records][-1] == "OK"


def test_keep_outs_are_told_at_the_start():
    with running(keep_out_mm={"artery": [(1, 2), (3, 2), (2, 4)]}) as run, run.connect() as client:
        assert client.hello == {"kind": "hello", "keep_out_mm": {"artery": [[1, 2], [3, 2], [2, 4]]}}


# Slow and dead ones


def test_a_slow_browser_gets_fewer_pictures_and_every_line():
    with running() as run, run.connect() as slow, run.connect() as quick:
        indices, numbers, quick_pictures = [], [], 0
        for _ in range(20):
            run.feed()
            quick_pictures += sum(bool(h["picture"]) for h, _, _ in quick.until("results"))
            time.sleep(0.034)
        while len(indices) < 20:
            head, lines, _ = slow.until("results", acknowledge=False)[-1]
            indices += [json.loads(line)["index"] for line in lines.splitlines()]
            numbers += [head["picture"]["number"]] if head["picture"] else []
        assert indices == list(range(20))
        assert numbers == list(range(1, MAX_IN_FLIGHT + 1))
        assert quick_pictures > 15
        slow.say("shown", number=MAX_IN_FLIGHT)
        run.feed()
        shown = slow.until("results", lambda head: head["picture"] is not None, acknowledge=False)[-1][0]
        assert shown["picture"]["number"] == MAX_IN_FLIGHT + 1


def test_one_that_never_reads_holds_up_nobody_and_is_let_go(monkeypatch):
    monkeypatch.setattr(server, "PING_S", 0.3)
    with running() as run, run.connect() as client, socket.socket() as dead:
        dead.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        dead.connect(("127.0.0.1", run.view.port))
        own = f"127.0.0.1:{run.view.port}"
        dead.sendall(
            f"GET /socket HTTP/1.1\r\nHost: {own}\r\nOrigin: http://{own}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        assert wait_until(lambda: run.view.viewers == 2)
        got = []
        for _ in range(60):
            run.feed()
            got += client.until("results")
        assert run.engine.status().processed == 60
        assert run.engine.status().sinks[0].alive
        assert sum(len(lines.splitlines()) for _, lines, _ in got) == 60
        assert wait_until(lambda: run.view.viewers == 1)


def test_lines_that_wait_are_bounded():
    async def fill():
        viewer = Viewer()
        for k in range(MAX_LINES + 7):
            viewer.offer(f"{k}\n", None)
        message = await viewer.next_message(0.01)
        return viewer, message

    viewer, message = asyncio.run(fill())
    assert viewer.lines_left_out == 7
    (n,) = struct.unpack_from("<I", message)
    assert json.loads(message[4 : 4 + n])["lines_left_out"] == 7
    assert message[8 + n :].decode().splitlines()[0] == "7"


def test_no_more_than_a_few_browsers():
    with running() as run:
        clients = [run.connect() for _ in range(MAX_VIEWERS)]
        with pytest.raises(InvalidStatus, match="503"):
            run.connect()
        clients.pop().close()
        assert wait_until(lambda: run.view.viewers == MAX_VIEWERS - 1)
        with run.connect():
            pass
        for client in clients:
            client.close()


# What is taken


def test_actions_reach_the_pipeline():
    with running() as run, run.connect() as client:
        client.say("set_target", target_mm=[3.5, 4])
        client.say("seed", entry_mm=[0, 1], tip_mm=[5, 6])
        client.say("mark_injection")
        client.say("reset")
        client.say("set_target", target_mm=None)
        assert wait_until(lambda: len(run.engine._actions) == 5)
        run.feed()
        assert wait_until(lambda: len(run.pipeline.calls) == 6)
    assert run.pipeline.calls == [("set_target", (3.5, 4.0)), ("seed", (0.0, 1.0), (5.0, 6.0)), ("mark_injection", 0.0), ("reset",), ("set_target", None), ("step", 0)]  # fmt: skip


BAD = [
    "",
    "{",
    "null",
    "[]",
    '"reset"',
    "1e999",
    "[" * 4000,
    '{"do": "stop"}',
    '{"do": "__class__"}',
    '{"do": ["reset"]}',
    '{"do": "reset", "now": 1}',
    '{"do": "set_target"}',
    '{"do": "set_target", "target_mm": "here"}',
    '{"do": "set_target", "target_mm": [1]}',
    '{"do": "set_target", "target_mm": [1, NaN]}',
    '{"do": "set_target", "target_mm": [1, 1e999]}',
    '{"do": "set_target", "target_mm": [1, ' + "9" * 400 + "]}",
    '{"do": "set_target", "target_mm": [[1, 2], [3]]}',
    '{"do": "set_target", "target_mm": {"x": 1}}',
    '{"do": "seed", "entry_mm": [1, 2], "tip_mm": [1, 2]}',
    '{"do": "seed", "entry_mm": null, "tip_mm": [1, 2]}',
    '{"do": "shown", "number": 7}',
    '{"do": "shown", "number": -1}',
    '{"do": "shown", "number": true}',
    '{"do": "shown", "number": "1"}',
    b"\x00\x01",
]


@pytest.mark.parametrize("message", BAD, ids=lambda m: str(m)[:45])
def test_a_bad_message_is_refused_and_does_nothing(message):
    with running() as run, run.connect() as client:
        client.socket.send(message)
        why = client.until("refused")[0][0]["why"]
        assert "expected" in why
        assert "\n" not in why
        assert not run.engine._actions
        client.say("reset")
        assert wait_until(lambda: len(run.engine._actions) == 1)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["do", "target_mm", "entry_mm", "tip_mm", "number", "x"]), inner, max_size=4),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.one_of(json_values.map(json.dumps), st.text(max_size=60), st.binary(max_size=60)))
def test_any_message_is_a_command_or_refused(message):
    try:
        command = parse_command(message)
    except InputError as error:
        assert len(str(error)) < 250  # noqa: PT017
        return
    assert command.name in {"set_target", "seed", "mark_injection", "reset", "shown"}


def test_a_message_that_is_too_long_ends_its_own_connection_only():
    with running() as run, run.connect() as bad, run.connect() as good:
        bad.socket.send("x" * 100_000)
        with pytest.raises(ConnectionClosed):
            bad.drain()
        run.feed()
        assert good.until("results")


def test_a_flood_of_actions_is_held_back():
    with running() as run, run.connect() as client:
        for _ in range(3 * MAX_ACTIONS):
            client.say("reset")
        assert "actions a second" in client.until("refused")[0][0]["why"]
        assert len(run.engine._actions) < 2 * MAX_ACTIONS


# Ends


def test_nothing_is_left_behind():
    before = threading.active_count()
    with running() as run:
        port = run.view.port
        clients = [run.connect() for _ in range(3)]
        run.feed(3)
    for client in clients:
        with pytest.raises(ConnectionClosed):
            client.drain()
        client.close()
    assert wait_until(lambda: threading.active_count() <= before)
    ViewServer(port).close()


def test_browsers_that_come_and_go_leave_nothing():
    with running() as run:
        run.connect().close()
        assert wait_until(lambda: not run.view.viewers)
        files, threads = open_files(), threading.active_count()
        for k in range(40):
            client = run.connect()
            if k % 4 == 0:
                run.feed()
            if k % 2:
                client.socket.socket.shutdown(socket.SHUT_RDWR)  # without a goodbye
            client.close()
            assert wait_until(lambda: not run.view.viewers)
        assert wait_until(lambda: open_files() <= files and threading.active_count() <= threads)


def open_files():
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.exists() else 0


def test_one_that_was_never_started_frees_its_port():
    view = ViewServer(0)
    view.close()
    view.close()
    ViewServer(view.port).close()


def test_what_can_t_be_is_told(monkeypatch):
    view = ViewServer(0)
    with pytest.raises(FormatError, match="choose another"):
        ViewServer(view.port)
    view.close()
    for port in (-1, 65536):
        with pytest.raises(InputError, match="port"):
            ViewServer(port)
    with pytest.raises(InputError, match="keep-out vein"):
        ViewServer(0, keep_out_mm={"vein": [(0, 1), (2, np.nan)]})
    monkeypatch.setitem(__import__("sys").modules, "websockets.asyncio.server", None)
    with pytest.raises(MissingExtraError, match=r"usguide\[view\]"):
        ViewServer(0)
