"""Import this before numpy, OpenCV or a peer: every thread pool of the process gets one thread.

A peer that threads itself is then compared at one thread too. What `--threads 2` changes is only the number of row slabs
of our own filters, which run in plain Python threads.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module

VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
)
for variable in VARIABLES:
    os.environ[variable] = "1"
os.environ["OPENCV_OPENCL_RUNTIME"] = "disabled"


def limit_loaded_pools() -> None:
    """Set the pools that are set by a call, of the libraries that are loaded: OpenCV and SimpleITK."""
    import_module("cv2").setNumThreads(1)
    if "SimpleITK" in sys.modules:
        sys.modules["SimpleITK"].ProcessObject.SetGlobalDefaultNumberOfThreads(1)
