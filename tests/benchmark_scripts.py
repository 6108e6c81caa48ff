"""Scripts of the benchmarks, which lie outside the package, as modules."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"


def loaded(path: str) -> ModuleType:
    """Load a script by its path below `benchmarks/`; skip the test where there are none."""
    file = FOLDER / path
    if not file.is_file():
        pytest.skip("the benchmarks are not part of an installed package")
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module
    spec.loader.exec_module(module)
    return module
