"""Where the data that travel with the package are."""

from __future__ import annotations

from pathlib import Path


def shipped_folder() -> Path:
    """Folder of the shipped phantoms and the registry: in the installed package, or at the top of the source tree."""
    package = Path(__file__).parent
    installed = package / "data" / "phantoms"
    return installed if installed.is_dir() else package.parents[1] / "data" / "phantoms"
