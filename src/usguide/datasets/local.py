"""Where recordings lie on this computer, and whether they are what their checksums say."""

from __future__ import annotations

import hashlib
import os
from importlib import import_module
from pathlib import Path
from typing import Any

from usguide.datasets.registry import Dataset, DatasetFile, describe
from usguide.errors import FormatError, InputError, MissingExtraError

DATA_DIR_VARIABLE = "USGUIDE_DATA_DIR"
"""Names a folder that holds the sets (``biopsy-needle/30.png`` ...) and is used in place of a download."""


def import_pooch() -> Any:
    """Return the package `pooch`, which knows the cache folder and downloads.

    Raises
    ------
    MissingExtraError
        It is not installed.
    """
    try:
        return import_module("pooch")
    except ImportError:
        raise MissingExtraError(
            f"datasets: the cache and downloads need pooch: pip install 'usguide[data]', or set {DATA_DIR_VARIABLE} to a "
            "folder that holds the recordings"
        ) from None


def named_folder() -> Path | None:
    """Folder that `USGUIDE_DATA_DIR` names, or None.

    Raises
    ------
    InputError
        It names something that is not a folder.
    """
    value = os.environ.get(DATA_DIR_VARIABLE)
    if not value:
        return None
    folder = Path(value).expanduser()
    if not folder.is_dir():
        raise InputError(f"{DATA_DIR_VARIABLE}: expected a folder, got {value}; create it, or unset the variable")
    return folder


def data_root(root: str | Path | None = None) -> Path:
    """Return the folder that holds the sets: `root`, else `USGUIDE_DATA_DIR`, else the user's cache.

    Raises
    ------
    InputError
        `USGUIDE_DATA_DIR` names something that is not a folder.
    MissingExtraError
        The cache is meant, and pooch is not installed.
    """
    if root is not None:
        return Path(root).expanduser()
    return named_folder() or Path(import_pooch().os_cache("usguide"))


def is_intact(file: DatasetFile, folder: Path) -> bool:
    """Whether `folder` (that of the set) holds the file, with the right checksum.

    Raises
    ------
    FormatError
        It is there and can't be read.
    """
    local = folder / file.path
    try:
        if not local.is_file() or local.stat().st_size != file.size_bytes:
            return False
        with local.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest() == file.sha256
    except OSError as error:
        raise FormatError(f"{local}: expected a file that can be read, got: {error.strerror}") from None


def verify(dataset: Dataset, folder: Path) -> None:
    """Compare every file of a set in `folder` with its checksum.

    Raises
    ------
    InputError
        A file is absent.
    FormatError
        A file is there and is not what the registry says.
    """
    require_files(dataset, folder)
    for file in dataset.files:
        if not is_intact(file, folder):
            raise FormatError(
                f"{folder / file.path}: expected {file.size_bytes} bytes, SHA256 {file.sha256[:12]}..., got another; to "
                f"replace it, run: usguide datasets fetch {dataset.name} --to {folder.parent}"
            )


def require_files(dataset: Dataset, folder: Path) -> None:
    """Raise InputError unless `folder` holds every file of the set, by name."""
    absent = [file.path for file in dataset.files if not (folder / file.path).is_file()]
    if absent:
        raise InputError(
            f"{folder / absent[0]}: absent ({len(absent)} of {len(dataset.files)} files of {dataset.name}); run: usguide "
            f"datasets fetch {dataset.name} --to {folder.parent}"
        )


def by_hand(dataset: Dataset, root: str) -> str:
    """Say in one line where a set without automatic download is got, and where it goes."""
    return (
        f"{dataset.name}: not downloaded automatically (licence: {dataset.licence}); get it from {dataset.where} and put "
        f"it into {root}/{dataset.name} ({dataset.layout})"
    )


def path(name: str, *, root: str | Path | None = None, verify_checksums: bool = False) -> Path:
    """Return the folder of a set that is on this computer.

    Parameters
    ----------
    name : str
    root : path, optional
        Folder that holds the sets; by default `USGUIDE_DATA_DIR`, else the user's cache.
    verify_checksums : bool
        Compare every file with its checksum. Without it only their presence is looked at.

    Returns
    -------
    Path
        `DatasetFile.path` is relative to it.

    Raises
    ------
    InputError
        There is no such set, it is not on this computer, or checksums are asked for and none are known.
    FormatError
        A file is not what its checksum says; the message names it.
    MissingExtraError
        The cache is meant, and pooch is not installed.
    """
    dataset = describe(name)
    folder = data_root(root) / name
    if not dataset.downloadable:
        if not folder.is_dir():
            raise InputError(by_hand(dataset, str(folder.parent)))
        if verify_checksums:
            raise InputError(f"{name}: expected a set with known checksums; those of a set got by hand are not known")
    elif verify_checksums:
        verify(dataset, folder)
    else:
        require_files(dataset, folder)
    return folder
