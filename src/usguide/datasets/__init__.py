"""Public recordings: which there are, where they lie, and how they are fetched."""

from usguide.datasets.fetching import Progress, fetch, notice, show_notice
from usguide.datasets.local import DATA_DIR_VARIABLE, data_root, is_intact, path
from usguide.datasets.registry import Dataset, DatasetFile, describe, files, list_datasets

__all__ = [
    "DATA_DIR_VARIABLE",
    "Dataset",
    "DatasetFile",
    "Progress",
    "data_root",
    "describe",
    "fetch",
    "files",
    "is_intact",
    "list_datasets",
    "notice",
    "path",
    "show_notice",
]
