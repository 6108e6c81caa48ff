"""The C++ yardstick: `benchmarks/yardsticks/srad_lee_frangi.cpp`, compiled when first used and called through ctypes."""

from __future__ import annotations

import atexit
import ctypes
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SOURCE = Path(__file__).resolve().parents[1] / "yardsticks" / "srad_lee_frangi.cpp"
FLAGS = ("-O3", "-march=native", "-ffast-math", "-shared", "-fPIC")
F32 = NDArray[np.float32]
_POINTER = ctypes.POINTER(ctypes.c_float)


@cache
def library() -> ctypes.CDLL:
    """Compile and load; ImportError, as of any other peer that is not there, when there is no compiler."""
    compiler = shutil.which("g++")
    if compiler is None:
        raise ImportError("no g++ on this machine")
    folder = tempfile.mkdtemp(prefix="usguide-yardstick-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    target = Path(folder) / "libyardstick.so"
    made = subprocess.run([compiler, *FLAGS, "-o", str(target), str(SOURCE)], capture_output=True, check=False)
    if made.returncode:
        raise ImportError("g++ could not compile the yardstick")
    return ctypes.CDLL(str(target))


def compiler_version() -> str:
    """Return g++'s own version, or 'none'."""
    compiler = shutil.which("g++")
    if compiler is None:
        return "none"
    return subprocess.run([compiler, "-dumpfullversion"], capture_output=True, text=True, check=True).stdout.strip()


def _pointer(array: F32) -> Any:
    return array.ctypes.data_as(_POINTER)


def srad(image: F32) -> Callable[[], F32]:
    """30 iterations, time step 0.2, q0 0.5; lifting by the floor of one grey level is part of the time, as in ours."""
    call, a, b = library().srad, np.empty_like(image), np.empty_like(image)
    height, width = image.shape
    numbers = (ctypes.c_int(30), ctypes.c_float(0.05), ctypes.c_float(0.5), ctypes.c_float(0))

    def run() -> F32:
        np.add(image, np.float32(1), out=a)
        call(_pointer(a), _pointer(b), height, width, *numbers)
        np.subtract(a, np.float32(1), out=a)
        return a

    return run


def lee(image: F32) -> Callable[[], F32]:
    """Window 7, Cu 0.25."""
    call, out = library().lee, np.empty_like(image)
    height, width = image.shape

    def run() -> F32:
        call(_pointer(image), _pointer(out), height, width, 3, ctypes.c_float(0.25**2))
        return out

    return run


def frangi(image: F32) -> Callable[[], F32]:
    """Scales 1.5, 2.5 and 4 px, Gaussian cut at 3 sigma."""
    call, out, sigmas = library().frangi, np.empty_like(image), np.array([1.5, 2.5, 4], np.float32)
    height, width = image.shape
    numbers = (len(sigmas), ctypes.c_float(0.5), ctypes.c_float(15))

    def run() -> F32:
        call(_pointer(image), _pointer(out), height, width, _pointer(sigmas), *numbers)
        return out

    return run
