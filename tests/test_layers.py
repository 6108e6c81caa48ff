"""Imports point downwards, and siblings do not import each other (docs/decisions.md, 'Layers')."""

import ast
from pathlib import Path

import pytest

import usguide

ROOT = Path(usguide.__file__).parent
# Each entry is one room; a module may import rooms of a lower number only, and its own package.
LAYER = {
    "errors": 0,
    "_jit": 1,
    "presets": 1,
    "_shipped": 1,
    "_threads": 1,
    "_validation": 1,
    "_area": 2,
    "geometry": 2,
    "intensity": 2,
    "types": 3,
    "filters": 4,
    "grid": 4,
    "region": 4,
    "detection": 5,
    "motion": 5,
    "tracking": 6,
    "injectate": 6,
    "guidance": 6,
    "stages": 7,
    "stream": 7,
    "settings": 7,
    "pipeline": 8,
    "_warmup": 9,
    "io": 9,
    "draw": 8,
    "guide_line": 8,
    "cli": 11,  # it calls the other faces
    "live": 10,
    "bench": 10,
    # Beside the layers: they stand on the ground and on images, and only edges and faces use them.
    "phantoms": 5,
    "datasets": 5,
    "metrics": 5,
    "image_quality": 5,
}


def room(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("usguide."):
            found.add(node.module.split(".")[1])
        elif isinstance(node, ast.ImportFrom) and node.module == "usguide":
            found.update(a.name for a in node.names if (ROOT / a.name).exists() or (ROOT / f"{a.name}.py").exists())
        elif isinstance(node, ast.Import):
            found.update(a.name.split(".")[1] for a in node.names if a.name.startswith("usguide."))
    return found


MODULES = sorted(p for p in ROOT.rglob("*.py") if p.name != "__init__.py" or p.parent != ROOT)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_downwards(path: Path) -> None:
    here = room(path)
    assert here in LAYER, f"{here} has no layer yet: add it here and to docs/decisions.md"
    for other in imports(path) - {here}:
        assert LAYER[other] < LAYER[here], f"{path.name} imports usguide.{other}, which is not below {here}"


def test_the_test_sees_imports() -> None:
    assert {"geometry", "errors"} <= imports(ROOT / "types.py")


def test_opencv_threads_are_set_in_one_place() -> None:
    users = [p for p in ROOT.rglob("*.py") if "setNumThreads" in p.read_text(encoding="utf-8")]
    assert [p.name for p in users] == ["_threads.py"]
