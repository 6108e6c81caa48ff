"""Getting recordings from their origins."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from usguide.datasets.local import DATA_DIR_VARIABLE, by_hand, data_root, import_pooch, is_intact, named_folder, verify
from usguide.datasets.registry import Dataset, DatasetFile, describe
from usguide.errors import FormatError, InputError

RETRIES = 3
TIMEOUT_S = 30
CHUNK_BYTES = 65536

Progress = Callable[[int, int], None]
"""Called with the bytes that are there and the bytes in all."""


def notice(dataset: Dataset) -> str:
    """Return licence, citation and origin of a set, as shown before a download."""
    lines = [
        f"{dataset.name}: {dataset.title}",
        f"  licence  {dataset.licence}",
        f"  cite     {dataset.citation}",
        f"  from     https://github.com/{dataset.origin} at {dataset.commit}",
        f"  files    {len(dataset.files)}, {dataset.size_bytes / 1e6:.1f} MB",
    ]
    return "\n".join(lines) + "\n"


def show_notice(dataset: Dataset) -> None:
    """Write `notice` on stderr."""
    sys.stderr.write(notice(dataset))


def _no_progress(done_bytes: int, total_bytes: int) -> None:
    del done_bytes, total_bytes


def fetch(
    name: str,
    *,
    root: str | Path | None = None,
    announce: Callable[[Dataset], None] | None = show_notice,
    progress: Progress | None = None,
) -> Path:
    """Make sure that a set is on this computer, complete and with the right checksums; download what is not.

    A file takes its place only when its checksum is right, so that an interrupted fetch can be repeated: what is there is
    not fetched again. Where `USGUIDE_DATA_DIR` is set and `root` is not given, its files are verified and nothing is
    downloaded.

    Parameters
    ----------
    name : str
    root : path, optional
        Folder to put the set's folder into; by default the user's cache.
    announce : callable, optional
        Called with the set before a download begins; shows licence and citation on stderr by default, None shows nothing.
    progress : callable, optional
        Called with the bytes that are there and the bytes to be downloaded in all.

    Returns
    -------
    Path
        The folder of the set.

    Raises
    ------
    InputError
        There is no such set, it has no automatic download, or `USGUIDE_DATA_DIR` lacks a file.
    FormatError
        A checksum is wrong, the origin can't be reached, or the folder can't be written.
    MissingExtraError
        pooch is not installed.
    """
    dataset = describe(name)
    if not dataset.downloadable:
        raise InputError(by_hand(dataset, str(root or named_folder() or f"${DATA_DIR_VARIABLE}")))
    folder = data_root(root) / name
    if root is None and named_folder():
        verify(dataset, folder)
        return folder
    wanted = [file for file in dataset.files if not is_intact(file, folder)]
    if wanted:
        pooch = import_pooch()
        if announce is not None:
            announce(dataset)
        _download_all(pooch, wanted, folder, progress or _no_progress)
    return folder


def _download_all(pooch: Any, wanted: list[DatasetFile], folder: Path, progress: Progress) -> None:
    registry = {file.path: file.sha256 for file in wanted}
    source = pooch.create(
        folder, "", registry=registry, urls={file.path: file.url for file in wanted}, retry_if_failed=RETRIES
    )
    total, before = sum(file.size_bytes for file in wanted), 0
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel(logging.ERROR)  # its lines would go through the progress bar; what goes wrong is raised below
    try:
        for file in wanted:
            _download(source, file, folder, partial(_report, progress, before, total))
            before += file.size_bytes
            progress(before, total)
    finally:
        logger.setLevel(level)


def _report(progress: Progress, before: int, total: int, done: int) -> None:
    progress(before + done, total)


def _download(source: Any, file: DatasetFile, folder: Path, report: Callable[[int], None]) -> None:
    import requests  # noqa: PLC0415  (comes with pooch)

    def transfer(url: str, target: str, _: Any) -> None:
        done = 0
        with requests.get(url, stream=True, timeout=TIMEOUT_S) as response, Path(target).open("wb") as stream:
            response.raise_for_status()
            for chunk in response.iter_content(CHUNK_BYTES):
                done += stream.write(chunk)
                report(min(done, file.size_bytes))
        Path(target).chmod(0o644)  # temporary files are private, caches may be shared

    again = "what is complete is kept, run the same command again"
    try:
        (folder / file.path).parent.mkdir(parents=True, exist_ok=True)
        source.fetch(file.path, downloader=transfer)
    except requests.HTTPError as error:
        raise FormatError(
            f"{file.url}: expected the file, the server answered {str(error).partition(' for url')[0]}; {again}"
        ) from None
    except requests.RequestException as error:
        raise FormatError(
            f"{file.url}: transfer failed {RETRIES + 1} times ({type(error).__name__}); check the connection; {again}"
        ) from None
    except ValueError:
        raise FormatError(
            f"{file.url}: expected SHA256 {file.sha256[:12]}..., got another file {RETRIES + 1} times; does a proxy "
            "answer in place of the server?"
        ) from None
    except OSError as error:
        raise FormatError(
            f"{folder}: expected a folder that can be written, got: {error.strerror or error}; choose another with --to DIR"
            f" (root= in Python), or set {DATA_DIR_VARIABLE} to a folder that holds the recordings"
        ) from None
