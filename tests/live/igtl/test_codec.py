"""Messages against the protocol's own layout, against known checksums, and against damage."""

import random
import struct
import tracemalloc

import numpy as np
import pytest
from igtl_cases import contents, damage, messages, picture, turned_matrix

from usguide.errors import FormatError, InputError
from usguide.live import igtl


def crc_bit_by_bit(data):
    crc = 0
    for byte in data:
        crc ^= byte << 56
        for _ in range(8):
            crc = ((crc << 1) ^ (0x42F0E1EBA9EA3693 if crc >> 63 else 0)) & (2**64 - 1)
    return crc


def test_crc_of_the_catalogue():
    """CRC-64/ECMA-182 of '123456789', as the catalogue of parametrised CRC algorithms gives it."""
    assert igtl.crc64(b"123456789") == 0x6C40DF5F0B497347
    assert igtl.crc64(b"") == 0


@pytest.mark.parametrize("size", [1, 7, 8, 15, 16, 17, 31, 32, 33, 1000])
def test_crc_is_that_of_the_definition_and_goes_on(size):
    data = random.Random(size).randbytes(size)
    assert igtl.crc64(data) == crc_bit_by_bit(data)
    for cut in (0, 1, size // 2, size):
        assert igtl.crc64(bytearray(data[cut:]), igtl.crc64(memoryview(data)[:cut])) == crc_bit_by_bit(data)


def test_header_is_laid_out_as_the_protocol_says():
    data = igtl.encode(igtl.Query("GET", "IMAGE"), "Probe", timestamp_s=1.5)
    assert data == b"\0\1" + b"GET_IMAGE".ljust(12, b"\0") + b"Probe".ljust(20, b"\0") + bytes.fromhex(
        "0000000180000000"
    ) + bytes(16)


def test_image_is_laid_out_as_the_protocol_says():
    """4 x 2 px of 0.5 and 2 mm from (10, 20, 30) on: the centre is 1.5 px right and 0.5 px down of that."""
    matrix = np.diag([0.5, 2.0, 3.0, 1.0])
    matrix[:3, 3] = 10, 20, 30
    pixels = np.arange(8, dtype=np.uint16).reshape(2, 4)
    body = igtl.encode(igtl.Image(pixels, matrix), "I")[58:]
    head = struct.pack(">HBBBB3H", 1, 1, 5, 2, 1, 4, 2, 1)
    poses = struct.pack(">12f", 0.5, 0, 0, 0, 2, 0, 0, 0, 3, 10.75, 21, 30)
    assert body == head + poses + struct.pack(">6H", 0, 0, 0, 4, 2, 1) + struct.pack("<8H", *range(8))


def test_transform_is_laid_out_as_the_protocol_says():
    matrix = np.arange(16.0).reshape(4, 4)
    matrix[3] = 0, 0, 0, 1
    body = igtl.encode(igtl.Transform(matrix))[58:]
    assert struct.unpack(">12f", body) == (0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11)


def same(a, b):
    """Whether two contents are equal, arrays within."""
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and np.allclose(a, b, atol=1e-5)
    if isinstance(a, tuple) and not hasattr(a, "__slots__"):
        return len(a) == len(b) and all(map(same, a, b))
    if hasattr(a, "__dataclass_fields__"):
        return type(a) is type(b) and all(
            same(getattr(a, f), getattr(b, f)) for f in a.__dataclass_fields__ if f not in ("size", "offset")
        )
    return a == b


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("name", list(contents()))
def test_what_is_written_is_read(name, version):
    metadata = {"State": "TRACKING", "Ort": "Köln", "": ""} if version == 2 else {}
    data = igtl.encode(
        contents()[name], "Gerät", timestamp_s=1.7e9 + 0.125, version=version, metadata=metadata, message_id=version - 1
    )
    message = igtl.decode(data)
    assert (message.header.type_name, message.device, message.header.timestamp_s) == (name, "Gerät", 1.7e9 + 0.125)
    assert (message.header.version, message.metadata, message.message_id) == (version, metadata, version - 1)
    assert same(contents()[name], message.content)


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_pixels_of_every_type_and_byte_order(dtype, order):
    values = picture(dtype=np.dtype(dtype))
    body = bytearray(igtl.encode(igtl.Image(values, np.eye(4)))[58:])
    body[4] = 2 if order == "<" else 1
    body[72:] = values.astype(order + dtype).tobytes()
    header = igtl.Header(1, "IMAGE", "", None, len(body), igtl.crc64(body))
    from usguide.live.igtl.codec import decode_body

    pixels = decode_body(header, body).content.pixels
    assert pixels.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(pixels, values)


def test_colours_volumes_and_parts():
    rgb = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    found = igtl.decode(igtl.encode(igtl.Image(rgb, np.eye(4)))).content
    np.testing.assert_array_equal(found.pixels, rgb)
    assert found.is_picture
    volume = np.arange(2 * 4 * 5, dtype=np.float32).reshape(2, 4, 5, 1)
    found = igtl.decode(igtl.encode(igtl.Image(volume, np.eye(4)))).content
    np.testing.assert_array_equal(found.pixels, volume)
    assert found.size == (5, 4, 2)
    assert not found.is_picture
    part = igtl.Image(rgb[..., 0], turned_matrix(), size=(50, 40, 1), offset=(10, 20, 0))
    found = igtl.decode(igtl.encode(part)).content
    assert (found.size, found.offset, found.is_picture) == ((50, 40, 1), (10, 20, 0), False)
    np.testing.assert_allclose(found.px_to_ras, turned_matrix(), atol=1e-5)


def test_lps_is_told_and_turned_to_ras():
    """The same place in both: x and y change their sign."""
    image = igtl.Image(picture(), turned_matrix(), coordinates="LPS")
    data = igtl.encode(image)
    found = igtl.decode(data).content
    assert found.coordinates == "LPS"
    np.testing.assert_allclose(found.px_to_ras, turned_matrix(), atol=1e-5)
    ras = struct.unpack(">12f", igtl.encode(igtl.Image(picture(), turned_matrix()))[68 + 2 : 68 + 50])
    lps = struct.unpack(">12f", data[68 + 2 : 68 + 50])
    np.testing.assert_allclose(np.reshape(ras, (4, 3)) * (-1, -1, 1), np.reshape(lps, (4, 3)), atol=1e-5)


@pytest.mark.parametrize(
    ("given", "read"), [(None, None), (0.0, 2.0**-32), (1.7e9, 1.7e9), (4294967294.5, 4294967294.5)]
)
def test_time_stamps(given, read):
    assert igtl.decode(igtl.encode(igtl.Text(""), timestamp_s=given)).header.timestamp_s == read


def test_unknown_types_and_empty_bodies_are_no_errors():
    body = b"whatever"
    head = struct.pack(">H12s20sQQQ", 1, b"VIDEO", b"Cam", 0, len(body), igtl.crc64(body))
    assert igtl.decode(head + body).content is None
    empty = struct.pack(">H12s20sQQQ", 1, b"IMAGE", b"Cam", 0, 0, 0)
    assert igtl.decode(empty).content is None
    points = struct.pack(">H12s20sQQQ", 1, b"POINT", b"Cam", 0, 0, 0)
    assert igtl.decode(points).content == igtl.Points()


def test_long_names_come_in_metadata():
    name = "NeedleTipToReferenceOfTheProbe"
    data = igtl.encode(igtl.Transform(np.eye(4)), name[:20], version=2, metadata={"IGTL_DEVICE_NAME": name})
    assert igtl.decode(data).device == name


def test_a_checksum_that_is_wrong_is_found_wherever_the_bit_is():
    data = igtl.encode(contents()["TRANSFORM"], "T")
    for bit in range(58 * 8, len(data) * 8):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(FormatError, match="checksum"):
            igtl.decode(flipped)
    assert igtl.decode(flipped, check_crc=False).content is not None


def test_size_is_refused_before_memory_is_taken():
    head = struct.pack(">H12s20sQQQ", 1, b"IMAGE", b"Cam", 0, 2**63, 0)
    tracemalloc.start()
    try:
        with pytest.raises(FormatError, match="at most 67108864 bytes"):
            igtl.MessageParser().feed(head)
        huge = struct.pack(">HBBBB3H12f6H", 1, 255, 11, 2, 1, *([65535] * 3), *([0.0] * 12), 0, 0, 0, *([65535] * 3))
        with pytest.raises(FormatError, match="bytes of pixels"):
            igtl.decode(struct.pack(">H12s20sQQQ", 1, b"IMAGE", b"", 0, len(huge), igtl.crc64(huge)) + huge)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20


@pytest.mark.parametrize(
    "make",
    [
        lambda: igtl.encode(igtl.Text("x"), "a name of over twenty bytes"),
        lambda: igtl.encode(igtl.Text("x"), version=3),
        lambda: igtl.encode(igtl.Text("x"), metadata={"a": "b"}),
        lambda: igtl.encode(igtl.Text("x" * 65536)),
        lambda: igtl.encode(igtl.Text("x"), timestamp_s=-1.0),
        lambda: igtl.encode(igtl.Text("x"), timestamp_s=float("nan")),
        lambda: igtl.encode(igtl.Transform(np.full((4, 4), np.nan))),
        lambda: igtl.encode(igtl.Transform(np.eye(3))),
        lambda: igtl.encode(igtl.Image(np.zeros((4, 4), np.complex64), np.eye(4))),
        lambda: igtl.encode(igtl.Image(np.zeros((0, 4), np.uint8), np.eye(4))),
        lambda: igtl.encode(igtl.Points((igtl.Point("x" * 65, (0, 0, 0)),))),
        lambda: igtl.encode(igtl.Points((igtl.Point("x", (0, 0, 1e39)),))),
        lambda: igtl.encode(igtl.PolyData(np.zeros((2, 3), np.float32), lines=(np.array([0, 2], np.uint32),))),
        lambda: igtl.encode(igtl.Status(70000)),
        lambda: igtl.encode(igtl.NdArray(np.array(["a"]))),
    ],
)
def test_what_a_message_can_not_hold_is_one_clear_line(make):
    with pytest.raises(InputError) as caught:
        make()
    assert len(str(caught.value).splitlines()) == 1


def test_attributes_without_the_padding_behind_their_names_are_refused():
    """Found by benchmarks/fuzz/igtl.py: an attribute without values, and an end right behind a name of odd length."""
    body = struct.pack(">10I", *([0] * 9), 1) + struct.pack(">BBI", 0, 1, 0) + b"\0"
    head = struct.pack(">H12s20sQQQ", 1, b"POLYDATA", b"", 0, len(body), igtl.crc64(body))
    with pytest.raises(FormatError, match="attribute names"):
        igtl.decode(head + body)
    padded = body + b"\0"
    head = struct.pack(">H12s20sQQQ", 1, b"POLYDATA", b"", 0, len(padded), igtl.crc64(padded))
    assert igtl.decode(head + padded).content.attributes[0].values.shape == (0, 1)


def test_every_cut_is_an_error_and_nothing_else():
    for data in messages():
        for size in range(0, len(data), max(1, len(data) // 300)):
            with pytest.raises(FormatError):
                igtl.decode(data[:size])


def test_damaged_messages_are_refused_or_read_but_never_break_the_reader():
    dice, whole, read = random.Random(3), messages(), 0
    for k in range(3000):
        hurt = damage(whole[k % len(whole)], dice, mend_crc=k % 3 > 0)
        try:
            igtl.decode(hurt)
            read += 1
        except FormatError as error:
            assert len(str(error).splitlines()) == 1  # noqa: PT017
    assert 100 < read < 2500
