"""Messages, damage to them, and peers to talk to: shared by the tests and benchmarks of OpenIGTLink."""

import contextlib
import os
import random
import shutil
import socket
import struct
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from usguide.live import igtl

EXAMPLES = Path("/usr/share/doc/openigtlink-examples/examples")
LIBRARY = Path("/usr/lib/openigtlink/OpenIGTLinkConfig.cmake")
PROGRAMS = (
    "ImagerClient", "ImagerServer", "TrackerClient", "TrackerServer", "TrackerServer2", "ReceiveClient", "ReceiveServer",
    "StatusServer", "StringServer", "PolyDataClient",
)  # fmt: skip


def turned_matrix(spacing_mm=(0.25, 0.1), origin_mm=(10.0, -20.0, 30.0)):
    """A pose that no axis, sign or order leaves alone; `spacing_mm` is (lateral, axial)."""
    a, b = np.radians(25.0), np.radians(-40.0)
    about_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    out = np.eye(4)
    out[:3, :3] = about_z @ about_x @ np.diag([*spacing_mm, 1.0])
    out[:3, 3] = origin_mm
    return out


def picture(height=60, width=64, seed=0, dtype=np.uint8):
    top = 256 if np.dtype(dtype).kind == "u" and np.dtype(dtype).itemsize == 1 else 100
    return np.random.default_rng(seed).integers(0, top, (height, width)).astype(dtype)


def contents():
    """One content of each type, none of them trivial."""
    return {
        "IMAGE": igtl.Image(picture(), turned_matrix()),
        "TRANSFORM": igtl.Transform(turned_matrix((1.0, 1.0))),
        "STATUS": igtl.Status(13, -5, "not ready", "warming up"),
        "POINT": igtl.Points((igtl.Point("Tip", (1.5, -2.25, 3.0), "TRACKING", (1, 2, 3, 4), 0.5, "Image"), igtl.Point("Entry", (0, 0, 0)))),
        "POLYDATA": igtl.PolyData(
            np.arange(12, dtype=np.float32).reshape(4, 3),
            vertices=(np.array([3], np.uint32),),
            lines=(np.array([0, 1, 2], np.uint32), np.array([2, 3], np.uint32)),
            polygons=(np.array([0, 1, 3], np.uint32),),
            attributes=(igtl.Attribute("speed", 0, np.arange(4, dtype=np.float32).reshape(4, 1)),),
        ),
        "STRING": igtl.Text("20 mm to target: grüße"),
        "NDARRAY": igtl.NdArray(np.arange(6, dtype=np.int16).reshape(2, 3)),
        "GET_IMAGE": igtl.Query("GET", "IMAGE"),
        "STT_IMAGE": igtl.Query("STT", "IMAGE"),
        "STP_IMAGE": igtl.Query("STP", "IMAGE"),
        "RTS_IMAGE": igtl.Reply("IMAGE", granted=False),
        "GET_TRANS": igtl.Query("GET", "TRANSFORM"),
    }  # fmt: skip


def messages(version=None):
    """Bytes of one message of each type, in both header versions or one."""
    found = []
    for v in (1, 2) if version is None else (version,):
        metadata = {"State": "TRACKING", "Ort": "Köln"} if v == 2 else None
        found += [
            igtl.encode(c, "Device", timestamp_s=1.7e9, version=v, metadata=metadata) for c in contents().values()
        ]
    return found


def damage(data: bytes, dice: random.Random, *, mend_crc: bool) -> bytes:
    """Damage a message: bits, bytes, fields, its length; with `mend_crc` so that the checksum does not show it."""
    out = bytearray(data)
    for _ in range(dice.choice((1, 1, 2, 4))):
        kind = dice.randrange(6)
        at = dice.randrange(len(out)) if out else 0
        if kind == 0 and out:
            out[at] ^= 1 << dice.randrange(8)
        elif kind == 1 and out:
            out[at] = dice.choice((0, 1, 127, 128, 255))
        elif kind == 2:
            # A size, count or offset that is not so, where they mostly are: at the start of header and body.
            at = dice.randrange(min(len(out) + 1, 150))
            out[at : at + 4] = struct.pack(">I", dice.choice((0, 1, 2**16, 2**31 - 1, 2**32 - 1)))
        elif kind == 3:
            del out[at : at + dice.randrange(1, 30)]
        elif kind == 4:
            out[at:at] = dice.randbytes(dice.randrange(1, 30))
        else:
            del out[at:]
    if mend_crc and len(out) > 58:
        struct.pack_into(">QQ", out, 42, len(out) - 58, igtl.crc64(bytes(out[58:])))
    return bytes(out)


def wait_until(condition, timeout_s=10.0):
    """Wait for something that other threads or processes bring about; its last value."""
    end = time.monotonic() + timeout_s
    while not (value := condition()) and time.monotonic() < end:
        time.sleep(0.002)
    return value


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def connect(port: int) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port), timeout=10)
    sock.settimeout(10)
    return sock


def read_messages(sock: socket.socket, count: int):
    """Read whole messages with a socket and a parser."""
    parser, found = igtl.MessageParser(), []
    while len(found) < count:
        data = sock.recv(1 << 16)
        if not data:
            break
        found += parser.feed(data)
    return found


def build_examples(folder: Path) -> Path:
    """Build OpenIGTLink's own example programs from Debian's sources, or skip; return their folder."""
    given = os.environ.get("USGUIDE_IGTL_EXAMPLES")
    if given:
        return Path(given)
    if not EXAMPLES.is_dir() or not LIBRARY.is_file():
        pytest.skip("OpenIGTLink absent: apt-get install libopenigtlink-dev openigtlink-examples")
    if not shutil.which("cmake") or not shutil.which("c++"):
        pytest.skip("cmake or a C++ compiler absent: apt-get install cmake g++")
    configure = [
        "cmake",
        "-Wno-dev",
        "-DCMAKE_POLICY_VERSION_MINIMUM=3.5",
        f"-DOpenIGTLink_DIR={LIBRARY.parent}",
        str(EXAMPLES),
    ]
    for command in (configure, ["cmake", "--build", ".", "--target", *PROGRAMS]):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600, check=False)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return folder


@contextlib.contextmanager
def program(folder: Path, name: str, *arguments):
    """Run one of the example programs; what it wrote so far is in the file that is given."""
    (path,) = [p for p in folder.rglob(name) if p.is_file()]
    log = folder / f"{name}-{time.monotonic_ns()}.log"
    with log.open("wb") as file:
        process = subprocess.Popen([path, *map(str, arguments)], stdout=file, stderr=subprocess.STDOUT)
        try:
            yield log
        finally:
            process.kill()
            process.wait()
