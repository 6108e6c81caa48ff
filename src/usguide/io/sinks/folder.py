"""A results folder that is filled under a temporary name and moved into place when its files are valid."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from usguide.errors import FormatError


class RunFolder:
    """Write into `work`, then `publish` everything into `out` or `discard` it.

    Parameters
    ----------
    out : Path
        Made if it is not there; older results in it stay until new ones are complete.

    Raises
    ------
    FormatError
        The folder can't be made or written to.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        if out.exists() and not out.is_dir():
            raise FormatError(f"{out}: expected a folder to write results into, got a file")
        self._made = [p for p in (out, *out.parents) if not p.exists()]
        try:
            out.mkdir(parents=True, exist_ok=True)
            self.work = Path(tempfile.mkdtemp(prefix=".usguide-", dir=out))
        except OSError as error:
            raise FormatError(f"{out}: results can't be written there: {error.strerror or error}") from None

    def publish(self) -> list[Path]:
        """Move every file into place and return their new paths."""
        moved = []
        for item in sorted(self.work.iterdir()):
            target = self.out / item.name
            if target.is_dir() and not target.is_symlink():
                shutil.rmtree(target)
            item.replace(target)
            moved.append(target)
        self.work.rmdir()
        return moved

    def discard(self) -> None:
        """Remove all that was written, and the folders that were made for it."""
        shutil.rmtree(self.work, ignore_errors=True)
        for folder in self._made:
            try:
                folder.rmdir()
            except OSError:
                break
