"""Kernels: compiled by `warmup`, each once, and in float32."""

import subprocess
import sys

LIST = """
import numba, usguide
from usguide.detection import _kernels as d
from usguide.filters import _kernels as f
usguide.warmup()
for module in (d, f):
    for name, kernel in vars(module).items():
        if isinstance(kernel, numba.core.dispatcher.Dispatcher) and kernel.__module__ == module.__name__:
            print(name, len(kernel.signatures), 'float64' in str(kernel.signatures), sep='|')
"""


def test_warmup_compiles_what_the_pipeline_runs():
    done = subprocess.run([sys.executable, "-c", LIST], capture_output=True, text=True, check=True)
    kernels = {name: (int(count), wide == "True") for name, count, wide in (r.split("|") for r in done.stdout.split())}
    # SRAD and Frangi work in float32 throughout; geometry along lines is float64 on purpose.
    for name in ("srad_step", "frangi_scale", "hough_votes"):
        assert kernels[name] == (1, False)
    for name in ("strip_along", "best_run", "fit_centre"):
        assert kernels[name][0] == 1
