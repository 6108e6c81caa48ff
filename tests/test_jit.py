"""Kernels: compiled by `warmup`, each for one set of types, and those of the filters in float32 throughout."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import usguide
from usguide import _jit

LIST = """
import importlib, pkgutil, numba, usguide
import usguide.detection._kernels, usguide.filters._kernels, usguide.motion._kernels, usguide.tracking._kernels
import usguide.injectate._kernels
import usguide._area
usguide.warmup({arguments})
modules = [usguide.motion._kernels, usguide.tracking._kernels, usguide._area]
for package in (usguide.detection._kernels, usguide.filters._kernels, usguide.injectate._kernels):
    modules += [importlib.import_module(f"{{package.__name__}}.{{m.name}}") for m in pkgutil.iter_modules(package.__path__)]
for module in modules:
    for name, kernel in vars(module).items():
        if isinstance(kernel, numba.core.dispatcher.Dispatcher) and kernel.__module__ == module.__name__:
            # A constant may be float64 on its way into np.float32(...); what is computed may not.
            wide = [
                line.strip()
                for overload in kernel.overloads.values()
                for line in str(overload.type_annotation).splitlines()
                if line.rstrip().endswith(":: float64") and "= const(" not in line
            ]
            print(module.__name__, name, len(kernel.signatures), len(wide), wide[:1], sep="|")
"""


def kernels_after_warmup(arguments, **environment):
    command = [sys.executable, "-c", LIST.format(arguments=arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | environment)
    rows = [line.split("|") for line in done.stdout.splitlines()]
    return {
        (module.removeprefix("usguide.").replace("._kernels", ""), name): (int(n), int(wide), what)
        for module, name, n, wide, what in rows
    }


# What the pipeline calls from Python, from a frame's evidence to its tracks and its fluid.
STEPS = (
    ("_area", "count_labels"),
    ("_area", "picture_outline"),
    ("detection.strip", "strip_inputs"),
    ("detection.strip_net", "run_strip_net"),
    ("detection.strip_net", "end_of"),
    ("detection.search", "block_products"),
    ("detection.search", "in_units"),
    ("detection.search", "count_entered"),
    ("detection.search", "search_lines"),
    ("detection.search", "pick_lines"),
    ("detection.examine", "examine_all"),
    ("detection.forest", "sums_of_trees"),
    ("motion", "normal_equations"),
    ("motion", "damped_step"),
    ("motion", "lay"),
    ("motion", "take_difference"),
    ("motion", "follow_frame"),
    ("tracking", "predict_belief"),
    ("tracking", "weigh_belief"),
    ("injectate.polygons", "add_moments"),
    ("injectate.polygons", "closed_length"),
)


@pytest.fixture(scope="module")
def pipeline_kernels(tmp_path_factory):
    """Those of the needle's stages and the injectate's, compiled anew: of a kernel from the cache, the parts inlined into it are not known."""
    found = kernels_after_warmup("injectate=True", NUMBA_CACHE_DIR=str(tmp_path_factory.mktemp("numba")))
    return {key: value for key, value in found.items() if not key[0].startswith("filters.")}


def test_warmup_compiles_what_the_pipeline_runs(pipeline_kernels):
    kernels = pipeline_kernels
    assert {step: kernels[step][0] for step in STEPS} == dict.fromkeys(STEPS, 1)
    # All of the needle's kernels are parts of these; those of the injectate are called each.
    for (module, name), (signatures, *_) in kernels.items():
        assert signatures > 0, (module, name)


def test_the_line_search_computes_in_float32(pipeline_kernels):
    for name in ("_coarse_scale", "_evidence_row", "_running_sums"):
        _, wide, what = pipeline_kernels["detection.search", name]
        assert wide == 0, (name, what)


@pytest.fixture(scope="module")
def fresh_kernels(tmp_path_factory):
    """All of the filters', likewise."""
    found = kernels_after_warmup("all_filters=True", NUMBA_CACHE_DIR=str(tmp_path_factory.mktemp("numba")))
    return {key: value for key, value in found.items() if key[0].startswith("filters.")}


# Windows of OBNLM, DPAD and wide pictures are summed in float64 on purpose: these exist in both types.
WIDE_ON_PURPOSE = {
    ("filters.basics", "repeat_ends"),
    ("filters.basics", "sum_window"),
    ("filters.windows", "_inverse"),
    ("filters.windows", "_running_sums"),
    ("filters.windows", "window_sums_row"),
    ("filters.windows", "moments_rows"),
}


def test_no_filter_computes_in_float64(fresh_kernels):
    assert len(fresh_kernels) > 40
    for key, (signatures, wide, what) in fresh_kernels.items():
        assert signatures > 0, f"{key} is not compiled by warmup"
        assert wide == 0 or key in WIDE_ON_PURPOSE, f"{key}: {what}"
    # The deliberate exceptions show that a stray float64 would be found.
    assert fresh_kernels["filters.windows", "moments_rows"][1] > 0


def test_what_python_calls_is_compiled_for_one_set_of_types(fresh_kernels):
    for (module, name), (signatures, *_) in fresh_kernels.items():
        if name.endswith(("_rows", "_step", "_picture")) and not name.startswith("_"):
            assert signatures == 1, (module, name)


def test_a_change_to_any_kernel_compiles_all_of_them_anew(tmp_path):
    """One that is not in its own file, too: Numba would go on with the constants of before."""
    (tmp_path / "adding.py").write_text("from usguide._jit import kernel\n@kernel\ndef add(x):\n    return x + 1\n")
    script = (
        "import sys, usguide._jit as j; j.digest_of_kernels = lambda: sys.argv[1].encode(); "
        "from adding import add; assert add(1.0) == 2; print(sum(add.stats.cache_hits.values()))"
    )
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "cache"), "PYTHONPATH": str(tmp_path)}
    hits = [
        subprocess.run(
            [sys.executable, "-c", script, digest], capture_output=True, text=True, check=True, env=environment
        ).stdout.strip()
        for digest in ("one", "one", "other", "other")
    ]
    assert hits == ["0", "1", "0", "1"]


def test_kernels_run_as_python_where_compilation_is_switched_off():
    script = "from usguide._jit import kernel; add = kernel(lambda x: x + 1); assert add(1.0) == 2"
    subprocess.run([sys.executable, "-c", script], check=True, env=os.environ | {"NUMBA_DISABLE_JIT": "1"})


def test_every_kernel_is_among_the_files_that_are_watched_and_imports_from_these_alone():
    package = Path(usguide.__file__).parent
    watched = set(_jit.kernel_files())
    compiled = {p for p in package.rglob("*.py") if re.search(r"^@kernel", p.read_text("utf-8"), re.MULTILINE)}
    assert len(compiled) > 20
    assert compiled <= watched
    for path in compiled:
        for name in re.findall(r"^from (usguide[\w.]*) import", path.read_text("utf-8"), re.MULTILINE):
            assert package.parent.joinpath(*name.split(".")).with_suffix(".py") in watched, (path, name)
