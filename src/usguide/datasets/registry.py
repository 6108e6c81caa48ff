"""Which public recordings there are: read from `recordings.toml` and `recordings.csv`, which travel with the package."""

from __future__ import annotations

import csv
import tomllib
from dataclasses import dataclass, field
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from urllib.parse import quote

from usguide._shipped import shipped_folder
from usguide.errors import InputError

RAW_ADDRESS = "https://raw.githubusercontent.com"


@dataclass(frozen=True, slots=True)
class DatasetFile:
    """One file of a set, and what is known about it.

    Parameters
    ----------
    dataset : str
        Name of the set.
    path : str
        Where it lies in the folder of the set, with forward slashes.
    origin, commit, upstream_path : str
        GitHub repository (owner/name), commit and path there.
    sha256 : str
        Checksum, 64 hexadecimal digits.
    size_bytes : int
    frame_count, height_px, width_px : int
        Frames in the file, and their size.
    spacing_mm : (float, float) or None
        Axial and lateral mm per px; None where it is not known.
    spacing_source : str or None
        ``header``, ``configuration``, ``ruler``, ``ruler, by eye`` or ``assumed``. The last two are good for settings, not
        for claims in mm.
    region_px : (int, int, int, int) or None
        x, y, width and height of the ultrasound image, by eye; None where the whole picture is one, or nobody looked.
    time_s : float or None
        Time of a frame in its recording.
    split : str or None
        ``tune`` or ``test``, where the set is split.
    """

    dataset: str
    path: str
    origin: str
    commit: str
    upstream_path: str
    sha256: str
    size_bytes: int
    frame_count: int
    height_px: int
    width_px: int
    spacing_mm: tuple[float, float] | None = None
    spacing_source: str | None = None
    region_px: tuple[int, int, int, int] | None = None
    time_s: float | None = None
    split: str | None = None

    @property
    def url(self) -> str:
        """Address at the origin, at the pinned commit."""
        return f"{RAW_ADDRESS}/{self.origin}/{self.commit}/{quote(self.upstream_path)}"


@dataclass(frozen=True, slots=True)
class Dataset:
    """A set of recordings.

    Parameters
    ----------
    name, title : str
    kind : str
        ``needle``, ``no needle``, ``moving tool`` or ``mixed``.
    licence : str
        As its origin states it.
    use : str
        What it is good for here.
    citation, note : str
    origin, commit, folder : str
        GitHub repository, pinned commit and folder of a set that can be downloaded; empty otherwise.
    where, layout : str
        Where a set that can't be downloaded is got, and how its files are to lie in ``NAME/``; empty otherwise.
    files : tuple of DatasetFile
        Empty where there is no automatic download.
    """

    name: str
    title: str
    kind: str
    licence: str
    use: str
    citation: str = ""
    note: str = ""
    origin: str = ""
    commit: str = ""
    folder: str = ""
    where: str = ""
    layout: str = ""
    files: tuple[DatasetFile, ...] = field(default=(), repr=False)

    @property
    def downloadable(self) -> bool:
        """Whether `fetch` can get it."""
        return bool(self.files)

    @property
    def size_bytes(self) -> int:
        """Size of all its files; 0 where they are not known."""
        return sum(f.size_bytes for f in self.files)


def load_registry(folder: Path) -> dict[str, Dataset]:
    """Read `recordings.toml` and `recordings.csv` in `folder`; sets in the order of the file."""
    with (folder / "recordings.toml").open("rb") as stream:
        tables = tomllib.load(stream)
    files: dict[str, list[DatasetFile]] = {name: [] for name in tables}
    with (folder / "recordings.csv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            name, _, path = row["path"].partition("/")
            files[name].append(_file(name, path, row, tables[name]))
    return {name: Dataset(name=name, files=tuple(files[name]), **table) for name, table in tables.items()}


def _file(name: str, path: str, row: dict[str, str], table: dict[str, str]) -> DatasetFile:
    axial, lateral = row["axial_mm_per_px"], row["lateral_mm_per_px"]
    x, y, w, h = map(int, row["region_px"].split()) if row["region_px"] else (0, 0, 0, 0)
    return DatasetFile(
        dataset=name,
        path=path,
        origin=table["origin"],
        commit=row["commit"] or table["commit"],
        upstream_path=row["upstream_path"] or f"{table['folder']}/{path}",
        sha256=row["sha256"],
        size_bytes=int(row["size_bytes"]),
        frame_count=int(row["frames"]),
        height_px=int(row["height_px"]),
        width_px=int(row["width_px"]),
        spacing_mm=(float(axial), float(lateral)) if axial and lateral else None,
        spacing_source=row["spacing_source"] or None,
        region_px=(x, y, w, h) if row["region_px"] else None,
        time_s=float(row["time_s"]) if row["time_s"] else None,
        split=row["split"] or None,
    )


@cache
def shipped_registry() -> dict[str, Dataset]:
    """Name to set, for all that this version of usguide knows."""
    return load_registry(shipped_folder())


def list_datasets() -> tuple[Dataset, ...]:
    """Every set that is known: first those that `fetch` can get, then those to be got by hand."""
    return tuple(sorted(shipped_registry().values(), key=lambda dataset: not dataset.downloadable))


def describe(name: str) -> Dataset:
    """Return what is known about a set.

    Raises
    ------
    InputError
        There is none of that name.
    """
    known = shipped_registry()
    if name not in known:
        raise InputError(f"dataset: expected one of {', '.join(known)}, got {name!r}")
    return known[name]


def files(name: str, *, split: str | None = None, match: str = "*") -> tuple[DatasetFile, ...]:
    """Return the files of a set, of one split only or of names that match.

    Parameters
    ----------
    name : str
    split : {'tune', 'test'}, optional
        Files of that part alone.
    match : str
        Shell pattern of `DatasetFile.path`; its ``*`` crosses slashes, as in ``images/*``.

    Raises
    ------
    InputError
        There is no such set, or it has no such split.

    Examples
    --------
    >>> stills = files("nerve-block-anatomy", split="tune", match="images/*")
    """
    dataset = describe(name)
    splits = sorted({f.split for f in dataset.files if f.split})
    if split is not None and split not in splits:
        raise InputError(f"split: expected {' or '.join(splits) or 'None: the set has no split'}, got {split!r}")
    return tuple(f for f in dataset.files if split in (None, f.split) and fnmatch(f.path, match))
