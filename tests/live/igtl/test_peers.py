"""Against code that no one here wrote: the OpenIGTLink library's own programs, and pyigtl."""

import json
import re
import signal
import threading

import numpy as np
import pytest
from igtl_cases import (
    EXAMPLES,
    build_examples,
    connect,
    free_port,
    picture,
    program,
    read_messages,
    turned_matrix,
    wait_until,
)

import usguide as ug
from usguide.live import igtl


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    return build_examples(tmp_path_factory.mktemp("igtl"))


@pytest.fixture(scope="module")
def sent():
    """A frame with a needle, and what is said of it."""
    pixels = picture(120, 64)
    frame = ug.Frame(pixels, ug.ImageGeometry(0.1, 0.25), 1000.5, 7, transforms={igtl.IMAGE_POSE: turned_matrix()})
    track = ug.NeedleTrack(
        1, ug.TrackState.TRACKING, ug.Shaft((1.0, 2.0), (6.0, 5.0), 5.0), ug.Tip((8.0, 6.2), ((0.04, 0.0), (0.0, 0.01)), 0.9),
        3.0, 0.9, 1.0, 2.0, 0.0,
    )  # fmt: skip
    result = ug.GuidanceResult(7, 1000.5, track.state, ug.InputState.OK, (track,))
    return frame, [*igtl.result_messages(frame, result, overlay=True), igtl.image_message(frame)]


def raw_picture(k):
    return np.fromfile(EXAMPLES / "Imager" / "img" / f"igtlTestImage{k + 1}.raw", np.uint8).reshape(256, 256)


def test_imager_server_gives_frames(examples):
    """Five pictures in turn, 256 x 256 at 1 mm/px (which is nobody's spacing), rows running against the axis A."""
    port, frames = free_port(), []
    with program(examples, "ImagerServer", port, 100, EXAMPLES / "Imager" / "img"):
        source = igtl.IgtlSource("127.0.0.1", port, "ImagerClient", spacing_mm=0.2, max_waiting=100)
        assert wait_until(lambda: opened(source))
        with source:
            while len(frames) < 10:
                received = source.read(5.0)
                assert received is not None
                frames.append(received.frame)
    for frame in frames:
        np.testing.assert_array_equal(frame.pixels, raw_picture(frame.index % 5))
        # The library's matrix is about the centre: pixel (0, 0) lies 127.5 mm from it both ways.
        np.testing.assert_allclose(
            frame.transforms["ImageToRAS"][:2], [[1, 0, 0, -127.5], [0, -1, 0, 127.5]], atol=1e-4
        )
    assert [f.index for f in frames] == list(range(10))


def opened(source):
    try:
        source.open()
    except ug.FormatError:
        return False
    return True


def test_tracker_server_gives_poses(examples):
    port, got = free_port(), []
    with (
        program(examples, "TrackerServer", port, 100),
        igtl.IgtlClient("127.0.0.1", port, on_message=got.append, retry_s=(0.02, 0.1)),
    ):
        assert wait_until(lambda: len(got) >= 20)
    for k, message in enumerate(got[:20]):
        pose = message.content.matrix
        phi, theta = 0.2 * k, 0.1 * k
        np.testing.assert_allclose(pose[:3, 3], 50 * np.array([np.cos(phi), np.sin(phi), np.cos(phi)]), atol=1e-3)
        # The example's quaternion is not of length 1; the library makes it so.
        x, y, z, w = np.array([0.0, 2 / 3 * np.cos(theta), 0.577350269189626, 2 / 3 * np.sin(theta)]) / np.sqrt(7 / 9)
        turn = [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
        np.testing.assert_allclose(pose[:3, :3], turn, atol=2e-3)
    assert message.device == "Tracker"


def test_a_type_that_is_not_read_is_passed_over(examples):
    """TrackerServer2 sends POSITION."""
    port, got = free_port(), []
    with (
        program(examples, "TrackerServer2", port, 100),
        igtl.IgtlClient("127.0.0.1", port, on_message=got.append, retry_s=(0.02, 0.1)) as client,
    ):
        assert wait_until(lambda: client.skipped >= 5)
        assert (client.messages, client.damaged, client.connections) == (0, 0, 1)
    assert {(m.header.type_name, m.content) for m in got} == {("POSITION", None)}


def test_status_and_string_servers(examples):
    for name, rate, text in (("StatusServer", (), None), ("StringServer", (100,), "OpenIGTLink")):
        port, got = free_port(), []
        with (
            program(examples, name, port, *rate),
            igtl.IgtlClient("127.0.0.1", port, on_message=got.append, retry_s=(0.02, 0.1)),
        ):
            assert wait_until(lambda got=got, rate=rate: len(got) >= (5 if rate else 1))
        if text is None:
            assert got[0].content == igtl.Status(1, 128, "OK!", "This is a test to send status message.")
        else:
            assert all(isinstance(m.content, igtl.Text) and m.content.text for m in got)
            assert any(text in m.content.text for m in got)


def test_imager_and_tracker_clients_push_to_the_server(examples):
    got = []
    with igtl.IgtlServer(0, on_message=got.append) as server:
        with program(examples, "ImagerClient", "127.0.0.1", server.port, 100, EXAMPLES / "Imager" / "img"):
            assert wait_until(lambda: len(got) >= 6)
        images, builder = list(got), igtl.FrameBuilder(spacing_mm=0.2)
        got.clear()
        with program(examples, "TrackerClient", "127.0.0.1", server.port, 100):
            assert wait_until(lambda: any(isinstance(m.content, igtl.Transform) for m in got))
    for k, message in enumerate(images[:6]):
        np.testing.assert_array_equal(builder.take(message, 0.0).pixels, raw_picture(k % 5))


def received_all(text):
    """Whether the last message, an IMAGE, has been printed to its end."""
    return "Sub-Volume offset" in text.partition("Device Name           : Image\n")[2]


def check_what_the_receiver_wrote(text, sent):
    """What the library's receiver prints is what usguide meant: it checks the CRC of each message before."""
    frame, messages = sent
    said = {m.device: m for m in map(igtl.decode, messages)}
    numbers = r"-?\d+(?:\.\d+)?(?:e-?\d+)?"
    assert "1000.500000000" in text
    tip = said["NeedleTip"].content.matrix
    rows = re.findall(rf"^\s*({numbers}), ({numbers}), ({numbers}), ({numbers})\s*$", text, re.MULTILINE)
    np.testing.assert_allclose(np.array(rows[:4], float), tip, atol=1e-3)
    for point in said["NeedlePoints"].content.points:
        block = text[text.index(f" Name      : {point.name}") :]
        assert re.search(r"GroupName : (\S+)", block)[1] == "TRACKING"
        place = re.search(rf"Position  : \( ({numbers}), ({numbers}), ({numbers}) \)", block)
        np.testing.assert_allclose(np.array(place.groups(), float), point.position_mm, atol=1e-3)
    assert " Code      : 1" in text
    assert " SubCode   : 7" in text
    assert " Error Name: TRACKING" in text
    assert json.loads(re.search(r"String: (\{.*\})", text)[1]) == json.loads(said["NeedleMeasures"].content.text)
    image = text[text.rindex("Device Name           : Image\n") :]
    assert re.search(r"Dimensions +: \((.*)\)", image)[1] == "64, 120, 1"
    spacing = re.search(rf"Spacing +: \(({numbers}), ({numbers}), ({numbers})\)", image)
    np.testing.assert_allclose(np.array(spacing.groups(), float), [0.25, 0.1, 1.0], atol=1e-5)
    overlay = text[text.rindex("Device Name           : NeedleOverlay\n") :]
    shape = said["NeedleOverlay"].content.pixels.shape
    assert re.search(r"Dimensions +: \((.*)\)", overlay)[1] == f"{shape[1]}, {shape[0]}, 1"
    assert frame.index == 7


def test_receive_client_reads_what_is_sent(examples, sent):
    with igtl.IgtlServer(0) as server, program(examples, "ReceiveClient", "127.0.0.1", server.port) as log:
        assert wait_until(lambda: server.clients == 1)
        server.send(*sent[1])
        assert wait_until(lambda: received_all(log.read_text()))
        check_what_the_receiver_wrote(log.read_text(), sent)


def test_receive_server_reads_what_is_sent(examples, sent):
    port = free_port()
    with (
        program(examples, "ReceiveServer", port) as log,
        igtl.IgtlClient("127.0.0.1", port, retry_s=(0.02, 0.1)) as client,
    ):
        assert client.wait_connected(10)
        assert client.send(*sent[1])
        assert wait_until(lambda: received_all(log.read_text()))
        check_what_the_receiver_wrote(log.read_text(), sent)


def test_polydata_client_gets_the_shaft(examples, sent):
    """It asks with GET_POLYDATA under a name of its own, and prints points and lines, the first number of each twice."""
    shaft = next(m for m in sent[1] if igtl.decode(m).device == "NeedleShaft")
    with igtl.IgtlServer(0) as server:
        server.send(shaft)
        with program(examples, "PolyDataClient", "127.0.0.1", server.port) as log:
            assert wait_until(lambda: log.read_text().count("Lines") >= 1 and "cell[1]" in log.read_text())
            text = log.read_text()
    numbers = r"(-?\d+(?:\.\d+)?)"
    points = re.findall(rf"point\[\d\] = \({numbers}, {numbers}, {numbers}\)", text)[:3]
    np.testing.assert_allclose(np.array(points, float), igtl.decode(shaft).content.points_mm, atol=1e-3)
    assert "cell[0] = (0, 0, 1)" in text
    assert "cell[1] = (1, 1, 2)" in text


# pyigtl is a package of the 'test' extra, and the only peer here that speaks header version 2.


@pytest.fixture
def pyigtl():
    return pytest.importorskip("pyigtl", reason="pyigtl absent: pip install pyigtl")


def unpacked(module, data):
    """Read a message with pyigtl's own functions."""
    fields = module.messages.MessageBase.parse_header(data[:58])
    message = module.messages.MessageBase.create_message(fields["message_type"])
    message.unpack(fields, data[58:])
    return message


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("space", ["ras", "lps"])
def test_pyigtl_writes_and_usguide_reads(pyigtl, version, space):
    matrix = turned_matrix()
    made = [
        pyigtl.ImageMessage(
            picture()[None],
            ijk_to_world_matrix=matrix,
            world_coordinate_system=space,
            device_name="Image",
            timestamp=12.5,
        ),
        pyigtl.TransformMessage(matrix, device_name="T", timestamp=12.5),
        pyigtl.StringMessage("hello", device_name="S", timestamp=12.5),
        pyigtl.PointMessage([[1, 2, 3], [4, 5, 6]], names=["a", "b"], device_name="P", timestamp=12.5),
    ]
    for message in made:
        message.header_version = version
        message.metadata = {"key": "value"} if version == 2 else {}
    image, transform, text, points = (igtl.decode(m.pack()) for m in made)
    np.testing.assert_array_equal(image.content.pixels, picture())
    in_ras = np.diag([-1.0, -1.0, 1.0, 1.0]) @ matrix if space == "lps" else matrix
    np.testing.assert_allclose(image.content.px_to_ras, in_ras, atol=1e-4)
    np.testing.assert_allclose(transform.content.matrix, matrix, atol=1e-5)
    assert text.content == igtl.Text("hello")
    assert [(p.name, p.position_mm) for p in points.content.points] == [("a", (1, 2, 3)), ("b", (4, 5, 6))]
    for message in (image, transform, text, points):
        assert message.header.timestamp_s == pytest.approx(12.5)
        assert message.metadata == made[0].metadata


@pytest.mark.parametrize("version", [1, 2])
def test_usguide_writes_and_pyigtl_reads(pyigtl, sent, version):
    metadata = {"State": "TRACKING"} if version == 2 else None
    image = unpacked(
        pyigtl,
        igtl.encode(
            igtl.Image(picture(), turned_matrix()), "Image", timestamp_s=9.25, version=version, metadata=metadata
        ),
    )
    np.testing.assert_array_equal(image.image, picture()[None])
    np.testing.assert_allclose(image.ijk_to_world_matrix, turned_matrix(), atol=1e-4)
    assert (image.world_coordinate_system, image.device_name) == ("ras", "Image")
    assert image.timestamp == pytest.approx(9.25)
    assert image.metadata == (metadata or {})
    for data in sent[1]:
        ours = igtl.decode(data)
        if ours.header.type_name in ("TRANSFORM", "STRING", "POINT"):
            theirs = unpacked(pyigtl, data)
            assert theirs.device_name == ours.device
    np.testing.assert_allclose(unpacked(pyigtl, sent[1][1]).matrix, igtl.decode(sent[1][1]).content.matrix)


def test_pyigtl_server_gives_frames(pyigtl):
    """Its server takes the process's signals, which only a main thread may, and keeps them: they are put back here.

    One of its threads outlives `stop` by seconds: it is waited for, or later tests that count threads see it end.
    """
    port = free_port()
    others = set(threading.enumerate())
    before = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)}
    server = pyigtl.OpenIGTLinkServer(port=port, local_server=True)
    try:
        with igtl.IgtlSource("127.0.0.1", port, "Image") as source:
            for k in range(5):
                message = pyigtl.ImageMessage(
                    picture(seed=k)[None],
                    ijk_to_world_matrix=turned_matrix(),
                    world_coordinate_system="ras",
                    device_name="Image",
                )
                server.send_message(message)
                received = source.read(10.0)
                np.testing.assert_array_equal(received.frame.pixels, picture(seed=k))
                assert received.frame.geometry.spacing_mm == (0.25, 0.1)
    finally:
        server.stop()
        for number, handler in before.items():
            signal.signal(number, handler)
        for thread in set(threading.enumerate()) - others:
            thread.join(10.0)


def test_pyigtl_client_gets_the_tip(pyigtl, sent):
    with igtl.IgtlServer(0) as server:
        client = pyigtl.OpenIGTLinkClient("127.0.0.1", server.port)
        try:
            assert wait_until(lambda: server.clients == 1)
            server.send(*sent[1])
            message = client.wait_for_message("NeedleTip", timeout=10)
            expected = next(igtl.decode(m) for m in sent[1] if igtl.decode(m).device == "NeedleTip")
            np.testing.assert_allclose(message.matrix, expected.content.matrix, atol=1e-6)
        finally:
            client.stop()


def test_why_pyigtl_is_not_the_transport(pyigtl):
    """The evidence for the decision: it takes damaged bodies, and cannot read the POLYDATA, STATUS and NDARRAY of others."""
    hurt = bytearray(igtl.encode(igtl.Text("20 mm"), "T"))
    hurt[-4] ^= 8
    assert unpacked(pyigtl, bytes(hurt)).string != "20 mm"
    with pytest.raises(ug.FormatError, match="checksum"):
        igtl.decode(hurt)
    for name in ("POLYDATA", "STATUS", "NDARRAY"):
        assert pyigtl.messages.MessageBase.create_message(name) is None


def test_a_second_listener_of_the_same_server_is_served_too(sent):
    with igtl.IgtlServer(0) as server, connect(server.port) as one, connect(server.port) as two:
        assert wait_until(lambda: server.clients == 2)
        server.send(*sent[1])
        readers = [threading.Thread(target=read_messages, args=(s, len(sent[1]))) for s in (one, two)]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join(10)
            assert not reader.is_alive()
