"""Shared pictures with known truth, and the folder of public recordings where there is one."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import settings
from scipy.special import expit

import usguide as ug

# The same inputs in every run: rare finds are for benchmarks/fuzz, not for whoever's build happens to meet one.
settings.register_profile("repeatable", derandomize=True)
settings.load_profile("repeatable")

# A job in the background of a shell starts with SIGINT ignored, and so would every process that the tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def needle_picture(
    entry_mm=(0.0, 6.0),
    angle_deg=30.0,
    length_mm=25.0,
    *,
    spacing_mm=(0.1, 0.1),
    size_mm=(32.0, 36.0),
    width_mm=0.8,
    seed=0,
    brightness=150.0,
):
    """Speckle with one bright straight shaft; returns uint8 pixels and the (entry, tip) in mm.

    `spacing_mm` is (axial, lateral), `size_mm` (axial, lateral). The shaft's profile is Gaussian, and it ends sharply.
    """
    (dz, dx), (hz, wx) = spacing_mm, size_mm
    h, w = round(hz / dz), round(wx / dx)
    rng = np.random.default_rng(seed)
    speckle = rng.normal(size=(h, w)) + 1j * rng.normal(size=(h, w))
    blurred = [cv2.GaussianBlur(p, (0, 0), 0.25 / dx, None, 0.1 / dz) for p in (speckle.real, speckle.imag)]
    envelope = np.hypot(*blurred)
    grey = 60 + 20 * np.log10(envelope / envelope.mean() + 1e-3) * 2
    zz, xx = np.mgrid[0:h, 0:w]
    x, z = xx * dx - entry_mm[0], zz * dz - entry_mm[1]
    c, s = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    along, across = x * c + z * s, -x * s + z * c
    inside = expit((length_mm - along) / 0.05)
    grey = grey + brightness * np.exp(-0.5 * (across / (width_mm / 2)) ** 2) * inside
    tip = (entry_mm[0] + length_mm * c, entry_mm[1] + length_mm * s)
    return np.clip(grey, 0, 255).astype(np.uint8), entry_mm, tip


def stream_picture(length_mm, noise, *, brightness=80.0, **options):
    """One picture of a stream: tissue that stays where it is, and noise that is this frame's own.

    No needle where the length is 0; `options` are those of `needle_picture`, whose pixels and tip are returned.
    """
    pixels, _, tip = needle_picture(length_mm=length_mm, brightness=brightness if length_mm > 0 else 0.0, **options)
    noisy = pixels + np.random.default_rng(noise).normal(0, 5, pixels.shape)
    return np.clip(noisy, 1, 255).astype(np.uint8), tip


def frame_of(pixels, *, spacing_mm=(0.1, 0.1), index=0, timestamp_s=0.0, **options):
    """Wrap pixels into a frame."""
    return ug.Frame(pixels, ug.ImageGeometry(*spacing_mm), timestamp_s, index, **options)


@pytest.fixture(scope="session")
def recordings() -> Path:
    """Folder of public recordings (USGUIDE_DATA_DIR), or skip."""
    folder = os.environ.get("USGUIDE_DATA_DIR")
    if not folder or not Path(folder).is_dir():
        pytest.skip("public recordings absent: set USGUIDE_DATA_DIR to their folder")
    return Path(folder)


@pytest.fixture(scope="session")
def real_frame():
    """The picture region of a public recording (biopsy-needle 45), grey, uint8."""
    folder = os.environ.get("USGUIDE_DATA_DIR")
    path = Path(folder or ".") / "biopsy-needle" / "45.png"
    if not folder or not path.exists():
        pytest.skip("public recordings absent: set USGUIDE_DATA_DIR to their folder")
    return cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)[111 : 111 + 590, 368 : 368 + 647]


@pytest.fixture
def udp_sender():
    """Start ffmpeg sending a moving test picture by UDP; more than one can be started."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg absent: apt-get install ffmpeg")
    running = []

    def start(port):
        command = f"ffmpeg -loglevel quiet -re -f lavfi -i testsrc=size=320x240:rate=25 -pix_fmt yuv420p -c:v mpeg2video -g 5 -b:v 4M -f mpegts udp://127.0.0.1:{port}?pkt_size=1316"
        running.append(subprocess.Popen(command.split(), stdin=subprocess.DEVNULL))
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.wait()
