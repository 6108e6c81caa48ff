"""A results folder that is filled under a temporary name and moved into place when its files are valid."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from usguide.errors import FormatError
from usguide.io.sinks.spread import MASKS_NPZ, MASKS_NRRD, PLOT

FILES = ("results.jsonl", "results.csv", "overlay.mp4", PLOT, MASKS_NPZ, MASKS_NRRD, "summary.json")
PICTURES = "overlays"
"""Folder of a picture each for stills."""
_OURS = "[0-9][0-9][0-9][0-9]_*.png"


class RunFolder:
    """Write into `work`, then `publish` everything into `out` or `discard` it.

    Parameters
    ----------
    out : Path
        Made if it is not there; older results in it stay until new ones are complete.

    Raises
    ------
    FormatError
        The folder can't be made or written to, or something else has the name of a result.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        if out.exists() and not out.is_dir():
            raise FormatError(f"{out}: expected a folder to write results into, got a file")
        for name in FILES:
            if (out / name).is_dir():
                raise FormatError(f"{out / name}: expected a place for a result, got a folder of that name; move it")
        if (out / PICTURES).exists() and not (out / PICTURES).is_dir():
            raise FormatError(f"{out / PICTURES}: expected a folder for overlays, got a file of that name; move it")
        self._made = missing_folders(out)
        try:
            out.mkdir(parents=True, exist_ok=True)
            self.work = Path(tempfile.mkdtemp(prefix=".usguide-", dir=out))
        except OSError as error:
            remove_empty(self._made)
            raise FormatError(f"{out}: results can't be written there: {error.strerror or error}") from None

    def publish(self) -> list[Path]:
        """Move every file into place and return their new paths; results of an older run do not stay beside them.

        `summary.json` goes last: where it is, the other files belong to it.
        """
        (self.out / "summary.json").unlink(missing_ok=True)
        for name in FILES:
            if not (self.work / name).exists():
                (self.out / name).unlink(missing_ok=True)
        self._publish_pictures()
        found = sorted(self.work.iterdir(), key=lambda p: (p.name == "summary.json", p.name))
        moved = [item.replace(self.out / item.name) for item in found]
        self.work.rmdir()
        return [*moved, *([self.out / PICTURES] if (self.out / PICTURES).is_dir() else [])]

    def _publish_pictures(self) -> None:
        # Only pictures with names like ours are replaced: a user may keep others there.
        source, target = self.work / PICTURES, self.out / PICTURES
        for old in target.glob(_OURS):
            old.unlink()
        if source.is_dir():
            target.mkdir(exist_ok=True)
            for picture in source.iterdir():
                picture.replace(target / picture.name)
            source.rmdir()
        elif target.is_dir():
            remove_empty([target])

    def discard(self) -> None:
        """Remove all that was written, and the folders that were made for it."""
        shutil.rmtree(self.work, ignore_errors=True)
        remove_empty(self._made)


@contextmanager
def folder_for(folder: Path) -> Iterator[Path]:
    """Make `folder`; after an error take away what was made, if nothing is in it."""
    made = missing_folders(folder)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield folder
    except BaseException:
        remove_empty(made)
        raise


def missing_folders(folder: Path) -> list[Path]:
    """Return which of a folder and those above it are not there yet, from the inside out."""
    return [p for p in (folder, *folder.parents) if not p.exists()]


def remove_empty(folders: list[Path]) -> None:
    """Remove folders from the inside out, up to the first that holds something."""
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return
